"""The answer of a run piece by piece, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from .events import Event, Observer, TextArrived, unobserved
from .result import OrchestrationResult

Start = Callable[[Observer], Awaitable[OrchestrationResult]]


class AnswerStream:
    """The pieces of an answer, for `async for`; then `result` has the whole run.

    A piece is given as soon as nothing can replace it. Where another answer may still be taken instead, as in a cascade
    or a panel, nothing comes until it is decided, and then all of it at once. Leaving the loop cancels the run: what it
    has cost is settled, and `result` has what is known of it. The error that a run ended in is raised after its pieces.
    """

    def __init__(self, start: Start, observe: Observer = unobserved) -> None:
        self._start = start
        self._observe = observe
        self._pieces: AsyncGenerator[str, None] | None = None
        self.result: OrchestrationResult | None = None

    def __aiter__(self) -> AsyncGenerator[str, None]:
        if self._pieces is None:
            self._pieces = self._run()
        return self._pieces

    async def aclose(self) -> None:
        """Cancel the run, if it is not over."""
        if self._pieces is not None:
            await self._pieces.aclose()

    async def _run(self) -> AsyncGenerator[str, None]:
        arrived: asyncio.Queue[str | None] = asyncio.Queue()

        def observe(event: Event) -> None:
            if isinstance(event, TextArrived) and event.final and event.text:
                arrived.put_nowait(event.text)
            self._observe(event)

        running = asyncio.ensure_future(self._start(observe))
        running.add_done_callback(lambda _: arrived.put_nowait(None))
        shown = False
        try:
            while (piece := await arrived.get()) is not None:
                shown = True
                yield piece
            self.result = await running
            if not shown and self.result.response:
                yield self.result.response
        finally:
            if not running.done():
                running.cancel()
                await self._settled(running)
        if self.result.exception is not None:
            raise self.result.exception

    async def _settled(self, running: asyncio.Future[OrchestrationResult]) -> None:
        """Wait for a cancelled run to have settled its calls."""
        try:
            self.result = await running
        except asyncio.CancelledError as cancelled:
            result = getattr(cancelled, "result", None)
            self.result = result if isinstance(result, OrchestrationResult) else None
