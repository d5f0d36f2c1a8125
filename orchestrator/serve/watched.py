"""A run as its client waits for it: pieces as they come, signs of life between, and the end when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from enum import Enum, auto
from typing import TypeAlias

from ..run.events import Begun, CallStarted, Event, Note, Observer, TextArrived
from ..run.result import OrchestrationResult
from .exchange import ClientGone

Run: TypeAlias = Callable[[Observer], Awaitable[OrchestrationResult]]


class Sign(Enum):
    """What happens besides pieces of the answer."""

    WAITING = auto()  # nothing came for a while
    _ENDED = auto()
    _GONE = auto()


class Watched:
    """One run under way. `run_id` is known once it has begun, `model` once the answer has; `warnings` grow."""

    def __init__(self, run: Run, until_gone: Callable[[], Awaitable[None]]) -> None:
        self._start = run
        self._until_gone = until_gone
        self._happened: asyncio.Queue[str | Sign] = asyncio.Queue()
        self._models: dict[str, str] = {}  # by call
        self.run_id = ""
        self.model = ""
        self.warnings: list[str] = []

    async def result(self) -> OrchestrationResult:
        """What the run comes to. Raises what it raises, and ClientGone, with the run settled, if the client leaves."""
        task, left = asyncio.current_task(), False
        assert task is not None

        def leave(_: object) -> None:
            nonlocal left
            left = True
            task.cancel()

        gone = asyncio.ensure_future(self._until_gone())
        gone.add_done_callback(leave)
        try:
            return await self._start(self._observe)
        except asyncio.CancelledError:
            if left and not task.uncancel():
                raise ClientGone from None
            raise
        finally:
            gone.remove_done_callback(leave)
            gone.cancel()

    async def pieces(self, every_s: float) -> AsyncGenerator[str | Sign | OrchestrationResult, None]:
        """Pieces of the answer, a sign where nothing came for `every_s` seconds, and last the result."""
        async with self._under_way() as run:
            async for happened in self._events(every_s):
                yield happened
            yield run.result()

    def _under_way(self) -> _UnderWay:
        return _UnderWay(self._start(self._observe), self._until_gone(), self._happened)

    async def _events(self, every_s: float) -> AsyncGenerator[str | Sign]:
        loop = asyncio.get_running_loop()
        while True:
            timer = loop.call_later(every_s, self._happened.put_nowait, Sign.WAITING)
            try:
                happened = await self._happened.get()
            finally:
                timer.cancel()
            if happened is Sign._GONE:
                raise ClientGone
            if happened is Sign._ENDED:
                return
            yield happened

    def _observe(self, event: Event) -> None:
        match event:
            case TextArrived(final=True):
                self.model = self._models.get(event.call_id, "")
                self._happened.put_nowait(event.text)
            case CallStarted():
                self._models[event.call_id] = event.model
            case Begun():
                self.run_id = event.run_id
            case Note(loud=True):
                self.warnings.append(event.text)


class _UnderWay:
    """The tasks of one run. However it is left, the run has ended, and the ledger has its end."""

    def __init__(
        self, run: Awaitable[OrchestrationResult], gone: Awaitable[None], happened: asyncio.Queue[str | Sign]
    ) -> None:
        self._run = asyncio.ensure_future(run)
        self._gone = asyncio.ensure_future(gone)
        self._run.add_done_callback(lambda _: happened.put_nowait(Sign._ENDED))
        self._gone.add_done_callback(lambda _: happened.put_nowait(Sign._GONE))

    async def __aenter__(self) -> asyncio.Task[OrchestrationResult]:
        assert isinstance(self._run, asyncio.Task)
        return self._run

    async def __aexit__(self, *_: object) -> None:
        self._gone.cancel()
        if not self._run.done():
            self._run.cancel()
            await asyncio.wait([self._run])
        if not self._run.cancelled() and (error := self._run.exception()) is not None:
            del error  # it has been raised, or nobody waits for it any more
