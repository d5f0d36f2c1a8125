"""Where a budget is going: its pace, and when it will be used up if things go on as they have."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ..clock import rfc3339
from ..deferred import dataclass
from ..ledger.budgets import BudgetState
from .period import Localise, Range, bounds


@dataclass(frozen=True, slots=True)
class Outlook:
    """A budget's window so far. `elapsed` is the share of it that is over, 0 to 1. `expected_nanousd` is what will be
    committed at its end, at the pace so far (of all time: what is now). `exhausted_at` is when nothing is left at that
    pace, aware, in the user's zone: None if that is not within the window."""

    state: BudgetState
    elapsed: float
    expected_nanousd: int
    exhausted_at: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """What is added to the budget's own object in JSON."""
        return {
            "elapsed": round(self.elapsed, 4),
            "expected_nanousd": self.expected_nanousd,
            "exhausted_at": None if self.exhausted_at is None else rfc3339(self.exhausted_at),
        }


_LEAST_ELAPSED = 1e-6  # of a window: a tenth of a second of a day


def outlook(state: BudgetState, now: datetime, localise: Localise) -> Outlook:
    """The outlook of a budget at a time, which is aware and in the user's time zone."""
    first, last = state.budget.period.days(now.date())
    start, end = bounds(Range(first, last), localise)
    if start is None or end is None:  # all time has no pace
        used_up = now if state.committed_nanousd >= state.budget.limit_nanousd else None
        return Outlook(state, 0.0, state.committed_nanousd, used_up)
    length = (end - start).total_seconds()
    passed = min(max((now - start).total_seconds(), length * _LEAST_ELAPSED), length)
    spent, limit = state.committed_nanousd, state.budget.limit_nanousd
    used_up = None
    if spent >= limit:
        used_up = now
    elif spent * length > limit * passed:
        used_up = (start + timedelta(seconds=passed * limit / spent)).astimezone(now.tzinfo)
    return Outlook(state, passed / length, round(spent * length / passed), used_up)
