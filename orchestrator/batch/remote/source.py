"""The lines of a batch, read ahead by a task of their own: whoever hands them out never waits for them, as what comes
back meanwhile is what makes room for more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable

from ..backend import Attempt

_AHEAD = 512


class Source:
    """Reads lines ahead, and says by `wake` that there are some, or no more."""

    def __init__(self, lines: AsyncIterable[Attempt], wake: Callable[[], None]) -> None:
        self._lines = lines
        self._wake = wake
        self._ready: deque[Attempt] = deque()
        self._room = asyncio.Event()
        self._there = asyncio.Event()
        self._ended = False
        self._error: BaseException | None = None
        self._task = asyncio.create_task(self._read())

    @property
    def at_end(self) -> bool:
        """Whether all lines were taken. Raises what reading them has raised."""
        if self._error is not None and not self._ready:
            raise self._error
        return self._ended and not self._ready

    async def first(self) -> Attempt | None:
        """The first line, which stays; None if there is none."""
        await self._there.wait()
        return self._ready[0] if self._ready else None

    def take(self) -> Attempt | None:
        """The next line; None if none is ready."""
        if not self._ready:
            return None
        attempt = self._ready.popleft()
        self._room.set()
        return attempt

    async def aclose(self) -> None:
        """Read no more."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _read(self) -> None:
        try:
            async for attempt in self._lines:
                self._ready.append(attempt)
                self._there.set()
                if len(self._ready) == 1:
                    self._wake()
                while len(self._ready) >= _AHEAD:
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:  # noqa: BLE001  # whoever takes lines is told
            self._error = error
        finally:
            self._ended = True
            self._there.set()
            self._wake()
