"""How many runs may be in flight at a time: as many as the rate limits let through.

Runs that are started one after the other fill the models' queues of slots. A run that has to wait in one of them shows
that the limits let no more through, so no other is started until it is sent. A provider that says that it is asked too
often, or is overloaded, halves the number of runs; each run that ends well adds to it again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..errors import OverloadedError, RateLimitedError
from .events import CallEnded, CallStarted, Event, Waiting

MOST = 256  # where the caller says nothing
_FIRST = 16  # runs that are started before it is known what the limits let through
_UNHEARD = 256  # runs that were started and have told nothing yet
_HALVED_EVERY_S = 1.0  # refusals that come together are one
_REFUSED = frozenset({RateLimitedError.code, OverloadedError.code})


class Throttle:
    """Lets runs begin. `most` is how many may be in flight; None leaves that to what the limits let through.

    `in_flight` counts the runs, `waits_for` is what the last of those that wait is waiting for, in words.
    """

    def __init__(self, most: int | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = MOST if most is None else most
        self._limit = float(self._most if most is not None else min(_FIRST, MOST))
        self._grows_by_one = most is None  # until the first refusal
        self._monotonic = monotonic
        self._halved_at = float("-inf")
        self._unheard = 0
        self._heard = 0
        self._waiting: dict[object, Waiting] = {}
        self._changed = asyncio.Event()
        self.in_flight = 0

    @property
    def most(self) -> int:
        """How many runs may be in flight at most."""
        return self._most

    @property
    def limit(self) -> int:
        """How many runs may be in flight now."""
        return max(1, int(self._limit))

    @property
    def waits_for(self) -> Waiting | None:
        """What the run that has waited longest is waiting for."""
        return next(iter(self._waiting.values()), None)

    async def enter(self) -> Pass:
        """Wait until a run may begin."""
        while not self._lets_in():
            self._changed.clear()
            await self._changed.wait()
        self.in_flight += 1
        self._unheard += 1
        return Pass(self)

    def refused(self, *, to: int | None = None) -> None:
        """Lower the limit: to a number of runs, or to half of those in flight."""
        self._grows_by_one = False
        now = self._monotonic()
        if to is not None:
            self._limit = float(max(1, min(self._limit, to)))
        elif now - self._halved_at >= _HALVED_EVERY_S:
            self._halved_at = now
            self._limit = max(1.0, min(self._limit, self.in_flight) / 2)

    def _lets_in(self) -> bool:
        if not self.in_flight:
            return True
        unheard = min(_UNHEARD, max(_FIRST, self._heard))
        return not self._waiting and self.in_flight < self.limit and self._unheard < unheard

    def wake(self) -> None:
        """Look again whether a run may begin."""
        self._changed.set()


class Pass:
    """One run in flight: the observer of its events. `leave` it when the run has ended."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._unheard = True

    def __call__(self, event: Event) -> None:
        throttle = self._throttle
        match event:
            case Waiting():
                throttle._waiting[self] = event
                throttle._heard = 0
                self._hear()
            case CallStarted():
                if throttle._waiting.pop(self, None) is None:
                    throttle._heard += 1
                self._hear()
                throttle.wake()
            case CallEnded(outcome=outcome) if outcome in _REFUSED:
                throttle.refused()

    def leave(self, *, well: bool) -> None:
        """The run has ended; `well`: with an answer."""
        throttle = self._throttle
        self._hear()
        throttle._waiting.pop(self, None)
        if well and throttle.in_flight >= throttle.limit:
            step = 1.0 if throttle._grows_by_one else 1.0 / throttle._limit
            throttle._limit = min(float(throttle._most), throttle._limit + step)
        throttle.in_flight -= 1
        throttle.wake()

    def _hear(self) -> None:
        if self._unheard:
            self._unheard = False
            self._throttle._unheard -= 1
