"""Time that a test can skip: what would take minutes to come is there at once, and nothing is decided by the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class SkippingClock:
    """The monotonic clock, and what was skipped of it, in seconds."""

    skipped_s: float = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.skipped_s

    def skip(self, seconds: float) -> None:
        """Whatever was to happen within these seconds happens now."""
        self.skipped_s += seconds


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: SkippingClock) -> None:
        super().__init__()
        self._skipping = clock

    def time(self) -> float:
        return self._skipping.monotonic()


def carry_out(coroutine: Coroutine[Any, Any, T], clock: SkippingClock) -> T:
    """`asyncio.run`, on an event loop that keeps to the clock."""
    with asyncio.Runner(loop_factory=lambda: _Loop(clock)) as runner:
        return runner.run(coroutine)
