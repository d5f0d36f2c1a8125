"""How long is waited for a call, beside the run's own deadline, so that one that hangs does not use up the run."""

from __future__ import annotations

import math
from dataclasses import replace

from ...deferred import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """Until when something has to come, in seconds on the monotonic clock, and what is said of a call if nothing does.

    `telling` says that it tells of the provider's health: others would have waited no longer either.
    """

    at: float
    why: str
    telling: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """What a call's time is limited by; nothing by default.

    `leg_s` is how long it may take from when it starts, as the user says: until `end_by`. By `begin_by` it has begun to
    answer, so that there is time for what comes after it. Both are in seconds on the monotonic clock. `silence_s` is
    the longest in which nothing of its answer may come. A reply in one piece begins when it ends.
    """

    leg_s: float = math.inf
    begin_by: float = math.inf
    silence_s: float = math.inf
    end_by: float = math.inf

    def started(self, now: float) -> Patience:
        return self if math.isinf(self.leg_s) else replace(self, end_by=now + self.leg_s)

    @property
    def until(self) -> float:
        """Until when it may wait for its turn, or to be sent again."""
        return min(self.end_by, self.begin_by)

    def limit(self, now: float, *, begun: bool) -> Limit:
        """What applies to the wait that begins now."""
        limits = [
            Limit(self.end_by, f"did not finish within the {self.leg_s:g} s that a call has"),
            Limit(now + self.silence_s, f"gave nothing for {self.silence_s:.0f} s", telling=True),
        ]
        if not begun:
            limits.append(Limit(self.begin_by, "had not begun to answer when the next had to be asked"))
        return min(limits, key=lambda limit: limit.at)
