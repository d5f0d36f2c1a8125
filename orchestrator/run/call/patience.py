"""The time limits of one call besides the run's deadline, so that a call that hangs does not use up the run."""

from __future__ import annotations

import math

from ...deferred import dataclass, replace


@dataclass(frozen=True, slots=True)
class Limit:
    """A time by which something must arrive, in seconds on the monotonic clock. `why` is what the error says if nothing
    does. `telling`: reaching the limit counts against the provider's health.
    """

    at: float
    why: str
    telling: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """The time limits of a call; none by default.

    `leg_s`: the seconds that the user allows from the start of the call, until `end_by`. `begin_by`: when the answer
    must begin, so that time is left for other calls. Both times are on the monotonic clock. `silence_s`: the longest
    pause between two pieces of the answer, in seconds. A reply that is not streamed begins when it is complete.
    """

    leg_s: float = math.inf
    begin_by: float = math.inf
    silence_s: float = math.inf
    end_by: float = math.inf

    def started(self, now: float) -> Patience:
        """The limits of a call that starts now."""
        return self if math.isinf(self.leg_s) else replace(self, end_by=now + self.leg_s)

    def limits(self, now: float, until: float) -> bool:
        """Whether any of the limits of a wait that begins now is earlier than a time."""
        return min(self.end_by, now + self.silence_s, self.begin_by) < until

    @property
    def until(self) -> float:
        """The latest time for waiting in line and for retries."""
        return min(self.end_by, self.begin_by)

    def limit(self, now: float, *, begun: bool) -> Limit:
        """The limit of the wait that begins now. `begun`: some of the answer has arrived."""
        silent, begin_by = now + self.silence_s, math.inf if begun else self.begin_by
        if self.end_by <= min(silent, begin_by):
            return Limit(self.end_by, f"did not finish within the {self.leg_s:g} s that a call has")
        if silent <= begin_by:
            return Limit(silent, f"gave nothing for {self.silence_s:.0f} s", telling=True)
        return Limit(begin_by, "had not begun to answer when the next had to be asked")


ENDLESS = Patience()
