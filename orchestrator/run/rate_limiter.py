"""Requests per minute, per model, within this process."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

_WINDOW_S = 60.0


class RateLimiter:
    """Limits each model's requests per minute, over any 60 s, first come first served.

    `requests_per_minute` maps a model's name to its limit; other models are not limited. `clock` is monotonic, in
    seconds.
    """

    def __init__(
        self,
        requests_per_minute: Mapping[str, int],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = dict(requests_per_minute)
        self._clock = clock
        self._sleep = sleep
        self._sent: dict[str, deque[float]] = {}

    def wait_s(self, model: str) -> float:
        """How long, in seconds, a call to the model would have to wait now."""
        limit = self._limits.get(model)
        sent = self._sent.get(model)
        if limit is None or sent is None or len(sent) < limit:
            return 0.0
        return max(0.0, sent[-limit] + _WINDOW_S - self._clock())

    async def acquire(self, model: str) -> float:
        """Take a slot, waiting for it if need be. Returns the seconds waited."""
        if model not in self._limits:
            return 0.0
        wait = self.wait_s(model)
        sent = self._sent.setdefault(model, deque(maxlen=self._limits[model]))
        # The place is taken before the wait, so that whoever comes next queues behind it.
        sent.append(self._clock() + wait)
        if wait > 0:
            await self._sleep(wait)
        return wait
