"""The cost cap of a whole job whose lines go by batch: each run has an amount set aside until it has ended."""

from __future__ import annotations

import sqlite3
from dataclasses import field

from ..deferred import dataclass
from ..errors import BudgetError
from ..ledger.batches import Job, run_range
from ..money import format_nanousd
from ..plan import CostRange
from ..run.spending import SpentError

_PART = 4  # a run gets at most this part of what is left
_OF_EXPECTED = 8  # or so many times what it is expected to cost


@dataclass(slots=True)
class Caps:
    """At most `total_nanousd`, None for no limit: what ended runs have cost, and what others may still cost."""

    total_nanousd: int | None
    spent_nanousd: int = 0
    _aside: dict[str, int] = field(default_factory=dict)
    _wanted: int = 0

    def load(self, connection: sqlite3.Connection, job: Job) -> None:
        """Take what the ledger has of a job's runs."""
        query = (
            "SELECT runs.run_id, runs.status = 'running', runs.max_cost_nanousd,"
            " coalesce(sum(coalesce(calls.cost_nanousd, calls.reserved_nanousd)), 0)"
            " FROM run_rows AS runs LEFT JOIN call_rows AS calls ON calls.run_id = runs.run_id"
            " WHERE runs.run_id BETWEEN ? AND ? GROUP BY runs.run_id"
        )
        for run_id, running, cap, cost in connection.execute(query, run_range(job)):
            if running:
                self._aside[run_id] = max(cap or 0, cost)
            else:
                self.spent_nanousd += cost

    def take(self, run_id: str, cost: CostRange, own_cap: int | None) -> int:
        """Set an amount aside for a run that is to begin. Raises SpentError if there is too little, and BudgetError for
        a plan without a known price."""
        assert self.total_nanousd is not None
        if cost.maximum is None or cost.expected is None:
            raise BudgetError(
                "a model of the plan has no known price by batch, so no cost cap can hold it",
                hint="leave out --max-cost, or choose other models",
            )
        worst = cost.maximum if own_cap is None else min(cost.maximum, own_cap)
        free = self.total_nanousd - self.spent_nanousd - sum(self._aside.values())
        most = min(worst, max(_OF_EXPECTED * cost.expected, free // _PART))
        if most > free and not self._aside:
            most = free  # the last one gets all that is left
        if most > free or most < (cost.minimum or 0):
            self._wanted = most
            raise self.spent_error()
        self._aside[run_id] = most
        return most

    def ended(self, run_id: str, cost_nanousd: int | None) -> None:
        """A run has ended."""
        self._aside.pop(run_id, None)
        self.spent_nanousd += cost_nanousd or 0

    def spent_error(self) -> SpentError:
        """The error for a run that there is no money for."""
        left = max((self.total_nanousd or 0) - self.spent_nanousd, 0)
        return SpentError(
            f"the next run could cost {format_nanousd(self._wanted)}, and {format_nanousd(left)} of"
            f" {format_nanousd(self.total_nanousd)} is left",
            hint="raise --max-cost, or lower --max-tokens; what was answered is kept",
        )
