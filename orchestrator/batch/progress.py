"""How far a batch is, in figures. What they look like is the command line's business."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import field

from ..deferred import dataclass
from ..ledger.batches import Counts
from .backend import Standing
from .outcomes import NOT_ASKED, SUBMITTED, Outcome

_RECENT_S = 30.0  # over which the rate is taken


@dataclass(slots=True)
class Progress:
    """Counts the lines of a job as they come. `read` is how many were read, `share` how much of the input that is, 0
    to 1, None if it is unknown: `reading` gives both.

    `done` and `failed` are lines of the whole job, `not_asked` and `submitted`, those that a provider is at work on, of
    this pass.
    """

    standing: Callable[[], Standing]
    monotonic: Callable[[], float] = time.monotonic
    reading: Callable[[], tuple[int, float | None]] = lambda: (0, None)
    done: int = 0
    failed: int = 0
    not_asked: int = 0
    submitted: int = 0
    asked: int = 0
    spent_before_nanousd: int = 0
    _began: float = field(init=False)
    _recent: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = self.monotonic()
        self._recent.append((self._began, 0))

    def begin_with(self, counts: Counts) -> None:
        """Take over what earlier passes have come to."""
        self.done, self.failed = counts.done, counts.failed
        self.spent_before_nanousd = counts.cost_nanousd or 0

    def add(self, outcome: Outcome) -> None:
        """Count a line."""
        if outcome.status == NOT_ASKED:
            self.not_asked += 1
            return
        self.submitted += outcome.status == SUBMITTED
        if not outcome.is_final:
            return
        self.asked += 1
        self.done += outcome.status == "complete"
        self.failed += outcome.status != "complete"

    @property
    def spent_nanousd(self) -> int:
        """What all runs of the job have cost by now."""
        return max(self.spent_before_nanousd, self.standing().spent_nanousd)

    @property
    def rate(self) -> float:
        """Lines a second, lately."""
        now = self.monotonic()
        if now - self._recent[-1][0] >= 1.0:
            self._recent.append((now, self.asked))
        while len(self._recent) > 2 and now - self._recent[0][0] > _RECENT_S:
            self._recent.pop(0)
        since, before = self._recent[0]
        return (self.asked - before) / (now - since) if now > since else 0.0

    @property
    def lines(self) -> int | None:
        """How many lines the input has: exact once it was read to the end, else by how much of it was read."""
        read, share = self.reading()
        return None if share is None or not share else max(round(read / share), read)

    @property
    def left_s(self) -> float | None:
        """The seconds that are left at this rate; None if that cannot be told."""
        lines, rate = self.lines, self.rate
        return None if lines is None or not rate else max(lines - self.done - self.failed - self.not_asked, 0) / rate

    @property
    def projected_nanousd(self) -> int | None:
        """What all of it will cost, if the rest costs as much as what was asked in this pass."""
        lines, settled = self.lines, self.done + self.failed
        if lines is None or not self.asked:
            return None
        of_pass = self.spent_nanousd - self.spent_before_nanousd
        return self.spent_nanousd + of_pass * max(lines - settled, 0) // self.asked
