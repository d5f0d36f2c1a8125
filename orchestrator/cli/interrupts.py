"""Running a coroutine so that Ctrl-C, SIGTERM and a closed terminal cancel it, and its end is waited for."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from ..deferred import dataclass
from ..errors import Interrupted

T = TypeVar("T")

_SIGNALS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, "SIGHUP"):
    _SIGNALS.append(signal.SIGHUP)  # the terminal was closed


@dataclass(slots=True)
class Signals(Generic[T]):
    """Runs one coroutine; `exit_code` is set once a signal has asked it to stop. `first` is what the first Ctrl-C or
    SIGTERM does, instead of cancelling it."""

    exit_code: int | None = None
    first: Callable[[], None] | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result, or its exception. Raises Interrupted if it was cancelled and had nothing to say."""
        try:
            return asyncio.run(self._watched(coroutine))
        except asyncio.CancelledError:
            raise Interrupted(exit_code=self.exit_code or Interrupted.exit_code) from None

    async def _watched(self, coroutine: Coroutine[Any, Any, T]) -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def stop(number: int) -> None:
            self.exit_code = 128 + number  # as shells have it
            if number in (signal.SIGINT, signal.SIGTERM) and self.first is not None:
                first, self.first = self.first, None
                first()
            else:
                task.cancel()

        for number in _SIGNALS:
            try:
                loop.add_signal_handler(number, stop, number)
            except NotImplementedError:  # Windows: asyncio.run itself cancels on Ctrl-C
                break
        return await coroutine
