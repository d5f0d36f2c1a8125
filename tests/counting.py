"""What a piece of work costs, in figures that are the same on every machine, however busy it is."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn


def lines_carried_out(work: Callable[[], object]) -> int:
    """How many lines of Python the work comes to, a line in a loop as often as the loop turns. What is done in C, such
    as the search for an expression, is one line."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@contextmanager
def processor_time_limit(seconds: int) -> Iterator[None]:
    """An error for work that takes this much of a processor: far more than it takes, and far less than for ever."""

    def stop(*_: object) -> NoReturn:
        raise AssertionError(f"it takes more than {seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
