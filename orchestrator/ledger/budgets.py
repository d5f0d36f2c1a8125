"""Budgets: spending limits for a day, a week, a month, a year or in all, on everything or on a part of it.

A budget counts what is settled plus what is reserved. It is checked in the transaction that reserves a call's worst
case, so two processes cannot both spend the same remainder. The windows are the user's calendar days, weeks (from
Monday), months and years: a call belongs to the window of its `day`, which is set when it is reserved and never
changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from ..deferred import dataclass
from ..errors import BudgetError
from ..money import format_nanousd
from ..period import Period
from .records import CallRecord
from .rows import to_micros

ALERT_PERCENTS = (50, 80, 100)


class Scope(StrEnum):
    """What a budget limits: everything, or one provider, model, category, tag or key of a client."""

    ALL = "all"
    PROVIDER = "provider"
    MODEL = "model"
    CATEGORY = "category"
    TAG = "tag"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit_nanousd` in a period, for `scope` and `name`; `name` is empty for everything."""

    period: Period
    scope: Scope
    name: str
    limit_nanousd: int

    def __str__(self) -> str:
        of = "" if self.scope is Scope.ALL else f" for {self.scope} {self.name}"
        every = "in all" if self.period is Period.ALL else f"a {self.period}"
        return f"{format_nanousd(self.limit_nanousd)} {every}{of}"


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget in its current window: what is settled, and what is committed (settled plus reserved)."""

    budget: Budget
    first_day: date
    settled_nanousd: int
    committed_nanousd: int

    @property
    def since(self) -> str:
        """When its window began, in words."""
        return "the beginning" if self.budget.period is Period.ALL else self.first_day.isoformat()

    @property
    def left_nanousd(self) -> int:
        """What may still be reserved, in nano-dollars."""
        return max(0, self.budget.limit_nanousd - self.committed_nanousd)

    def to_dict(self) -> dict[str, Any]:
        """The state as a JSON object, as documented in docs/json.md."""
        return {
            "period": self.budget.period.value,
            "scope": self.budget.scope.value,
            "name": self.budget.name,
            "first_day": None if self.budget.period is Period.ALL else self.first_day.isoformat(),
            "limit_nanousd": self.budget.limit_nanousd,
            "spent_nanousd": self.settled_nanousd,
            "reserved_nanousd": self.committed_nanousd - self.settled_nanousd,
            "left_nanousd": self.left_nanousd,
        }


@dataclass(frozen=True, slots=True)
class Alert:
    """Spending has reached this percentage of a budget, for the first time in its window."""

    state: BudgetState
    percent: int

    def __str__(self) -> str:
        budget = self.state.budget
        return f"{self.percent} % of the budget of {budget} is spent ({format_nanousd(self.state.settled_nanousd)})"


def set_budgets(connection: sqlite3.Connection, budgets: Iterable[Budget]) -> None:
    """Set budgets. Each replaces one with the same period, scope and name."""
    rows = [(budget.period, budget.scope, budget.name, budget.limit_nanousd) for budget in budgets]
    connection.executemany("INSERT OR REPLACE INTO budgets VALUES (?, ?, ?, ?)", rows)


def clear_budgets(connection: sqlite3.Connection, periods: Iterable[Period], scope: Scope | None, name: str) -> int:
    """Remove the budgets of these periods, of one scope and name or (None) of all. Returns how many there were."""
    condition, parameters = ("AND scope = ? AND name = ?", (scope.value, name)) if scope is not None else ("", ())
    return sum(
        connection.execute(f"DELETE FROM budgets WHERE period = ? {condition}", (period.value, *parameters)).rowcount
        for period in periods
    )


def any_budget(connection: sqlite3.Connection) -> bool:
    """Whether there is any budget; most ledgers have none."""
    return connection.execute("SELECT 1 FROM budgets LIMIT 1").fetchone() is not None


def budget_states(
    connection: sqlite3.Connection, today: date, *, simulated: bool, of: Collection[tuple[Scope, str]] | None = None
) -> list[BudgetState]:
    """All budgets, or those of some scopes and names, with their state in today's window.

    With `of`, only those are looked up, however many budgets there are.
    """
    query, parameters = "SELECT period, scope, name, limit_nanousd FROM budgets", []
    if of is not None:
        wanted = [(period.value, scope.value, name) for period in Period for scope, name in sorted(of)]
        # A cross join looks each of these up by the key; IN would go through all budgets.
        query = (
            f"WITH wanted (p, s, n) AS (VALUES {', '.join(['(?, ?, ?)'] * len(wanted))})"
            f" {query.replace('FROM', 'FROM wanted CROSS JOIN')} ON period = p AND scope = s AND name = n"
        )
        parameters = [text for row in wanted for text in row]
    states = []
    for row in connection.execute(query, parameters).fetchall():
        budget = Budget(Period(row["period"]), Scope(row["scope"]), row["name"], row["limit_nanousd"])
        first, last = budget.period.days(today)
        settled, committed = connection.execute(
            "SELECT coalesce(sum(settled_nanousd), 0), coalesce(sum(committed_nanousd), 0) FROM spending"
            " WHERE simulated = ? AND scope = ? AND name = ? AND day BETWEEN ? AND ?",
            (simulated, budget.scope.value, budget.name, first.isoformat(), last.isoformat()),
        ).fetchone()
        states.append(BudgetState(budget, first, settled, committed))
    return states


def check_budgets(connection: sqlite3.Connection, calls: Sequence[CallRecord]) -> None:
    """Within the caller's transaction: raises BudgetError if the calls together do not fit into every budget.

    The calls are of one run and one day, and not in the ledger yet. A call without a price fits into no budget.
    """
    if not any_budget(connection):
        return
    first = calls[0]
    own = _scopes(connection, first.run_id)
    scopes = own.union(*map(_scopes_of, calls))
    for state in budget_states(connection, date.fromisoformat(first.day), simulated=first.simulated, of=scopes):
        budget = state.budget
        counted = [call for call in calls if (budget.scope, budget.name) in own | _scopes_of(call)]
        if any(call.reserved_nanousd is None for call in counted):
            name = next(call.model for call in counted if call.reserved_nanousd is None)
            raise BudgetError(
                f"{name} has no known price, and a budget of {budget} applies to it",
                hint="give it a price in your models.yaml, or say --allow-unpriced",
            )
        worst = sum(call.reserved_nanousd or 0 for call in counted)
        if worst > budget.limit_nanousd - state.committed_nanousd:
            refusal = BudgetError(
                f"the budget of {budget} has {format_nanousd(state.left_nanousd)} left, and "
                f"{' and '.join(call.model for call in counted)} could cost {format_nanousd(worst)}",
                hint="nothing was sent for it; see: orch budget show",
            )
            refusal.shared = True
            raise refusal


def left_nanousd(connection: sqlite3.Connection, call: CallRecord) -> int | None:
    """What all budgets that apply to a call leave for it, at least 0; None if none applies."""
    if not any_budget(connection):
        return None
    own = _scopes(connection, call.run_id) | _scopes_of(call)
    states = budget_states(connection, date.fromisoformat(call.day), simulated=call.simulated, of=own)
    return min((state.left_nanousd for state in states), default=None)


def new_alerts(connection: sqlite3.Connection, call: CallRecord, at: datetime) -> tuple[Alert, ...]:
    """Within the transaction that settles a call: the alerts that its cost raises, each once in a window."""
    if not any_budget(connection):
        return ()
    own = _scopes(connection, call.run_id) | _scopes_of(call)
    alerts = []
    for state in budget_states(connection, date.fromisoformat(call.day), simulated=call.simulated, of=own):
        budget = state.budget
        reached = [p for p in ALERT_PERCENTS if state.settled_nanousd * 100 >= p * budget.limit_nanousd]
        fresh = [percent for percent in reached if _remember(connection, state, percent, at, call.simulated)]
        if fresh:
            alerts.append(Alert(state, max(fresh)))
    return tuple(alerts)


def _remember(connection: sqlite3.Connection, state: BudgetState, percent: int, at: datetime, simulated: bool) -> bool:
    budget = state.budget
    row = (simulated, budget.period, budget.scope, budget.name, state.first_day.isoformat(), percent, to_micros(at))
    return connection.execute("INSERT OR IGNORE INTO budget_alerts VALUES (?, ?, ?, ?, ?, ?, ?)", row).rowcount > 0


def _scopes(connection: sqlite3.Connection, run_id: str) -> set[tuple[Scope, str]]:
    """The scopes that every call of a run counts towards."""
    rows = connection.execute(
        "SELECT 'category', category FROM run_rows WHERE run_id = :run AND category IS NOT NULL"
        " UNION ALL SELECT 'key', key FROM run_rows WHERE run_id = :run AND key IS NOT NULL"
        " UNION ALL SELECT 'tag', value FROM run_rows, json_each(run_rows.tags) WHERE run_id = :run",
        {"run": run_id},
    )
    return {(Scope.ALL, ""), *((Scope(scope), name) for scope, name in rows)}


def _scopes_of(call: CallRecord) -> set[tuple[Scope, str]]:
    return {(Scope.PROVIDER, call.provider), (Scope.MODEL, call.model)}
