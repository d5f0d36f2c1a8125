"""The connections of an engine: one for each provider and event loop, made on first use and kept open.

A connection belongs to the event loop that made it. It closes with the engine or with its loop: `asyncio.run` ends the
asynchronous generator that waits in each loop before it closes the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from ...deferred import dataclass
from ...providers.base import Provider


@dataclass(slots=True)
class _OfLoop:
    """The connections of one event loop, by provider, and the generator that closes them."""

    by_provider: dict[str, Provider]
    closing: AsyncGenerator[None, None]


class Connections:
    """Provider connections by name. `connect` makes one; it raises AuthenticationError without a key.

    `seconds` is how long it took to make all of them, most of which is the import of their SDKs. Everything else in the
    event loop waits meanwhile.
    """

    def __init__(self, connect: Callable[[str], Provider], monotonic: Callable[[], float]) -> None:
        self._connect = connect
        self._monotonic = monotonic
        self.seconds = 0.0
        self._by_loop: dict[asyncio.AbstractEventLoop, _OfLoop] = {}

    def get(self, provider: str) -> Provider:
        """The connection of the running event loop."""
        loop = asyncio.get_running_loop()
        of_loop = self._by_loop.get(loop) or self._prepare(loop)
        if provider not in of_loop.by_provider:
            started = self._monotonic()
            try:
                of_loop.by_provider[provider] = self._connect(provider)
            finally:
                self.seconds += self._monotonic() - started
        return of_loop.by_provider[provider]

    async def aclose(self) -> None:
        """Close all connections, each in its own loop; those of a closed loop are closed already."""
        here = asyncio.get_running_loop()
        for loop, of_loop in list(self._by_loop.items()):
            if loop is here:
                await of_loop.closing.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(of_loop.closing.aclose(), loop))
            self._by_loop.pop(loop, None)

    def _prepare(self, loop: asyncio.AbstractEventLoop) -> _OfLoop:
        for other in [other for other in self._by_loop if other.is_closed()]:
            del self._by_loop[other]
        by_provider: dict[str, Provider] = {}
        of_loop = self._by_loop[loop] = _OfLoop(by_provider, self._until_the_end(loop, by_provider))
        with suppress(StopIteration):
            of_loop.closing.__anext__().send(None)  # up to its yield: it waits for nothing before
        return of_loop

    async def _until_the_end(
        self, loop: asyncio.AbstractEventLoop, by_provider: dict[str, Provider]
    ) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._by_loop.pop(loop, None)
            while by_provider:
                _, connection = by_provider.popitem()
                await connection.aclose()
