"""The ledger at a glance: today, this week, this month and all time; the models that stand out; the latest runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from ..deferred import replace
from ..ledger.store import Ledger
from ..period import Period
from .aggregate import overall
from .history import lines
from .model import Group, ModelUse, Stats
from .period import calendar
from .selection import Selection, in_one_snapshot

LATEST = 10
_WINDOWS = (
    ("today", Period.DAY),
    ("week", Period.WEEK),
    ("month", Period.MONTH),
    ("all", Period.ALL),
)
_SELECTED = "selected"

_MODELS = """
    SELECT calls.model,
           count(*) AS calls,
           sum(calls.status = 'completed' AND calls.cost_nanousd IS NOT NULL) AS priced,
           coalesce(sum(CASE WHEN calls.status = 'completed' THEN calls.cost_nanousd END), 0) AS cost_nanousd
    FROM runs JOIN calls ON calls.run_id = runs.run_id
    WHERE {where}
    GROUP BY calls.model
    ORDER BY calls.model
"""


def stats(ledger: Ledger | None, selection: Selection, *, now: datetime) -> Stats:
    """The selected runs at a glance. `now` is aware, in the user's time zone. No ledger is one without runs.

    Over all time there is a window for today, this week, this month and all; with a range, one for that range.
    Raises LedgerError.
    """
    if ledger is None:
        windows = tuple(Group(key=name) for name, _ in _windows(selection, now))
        return Stats(selection, windows, cheapest=None, dearest=None, busiest=None, latest=())
    return in_one_snapshot(ledger, lambda connection: _stats(connection, selection, now))


def _stats(connection: sqlite3.Connection, selection: Selection, now: datetime) -> Stats:
    where, parameters = selection.where()
    models = connection.execute(_MODELS.format(where=where), parameters).fetchall()
    by_cost = sorted((row for row in models if row["priced"]), key=_mean_cost)
    busiest = max(models, key=lambda row: int(row["calls"]), default=None)
    return Stats(
        selection=selection,
        windows=tuple(overall(connection, part, name=name) for name, part in _windows(selection, now)),
        cheapest=_model_use(by_cost[0]) if by_cost else None,
        dearest=_model_use(by_cost[-1]) if by_cost else None,
        busiest=_model_use(busiest) if busiest else None,
        latest=lines(connection, selection, limit=LATEST, now=now),
    )


def _windows(selection: Selection, now: datetime) -> Sequence[tuple[str, Selection]]:
    if not selection.within.is_all_time:
        return [(_SELECTED, selection)]
    return [(name, replace(selection, within=calendar(period, now.date()))) for name, period in _WINDOWS]


def _mean_cost(row: sqlite3.Row) -> Fraction:
    return Fraction(row["cost_nanousd"], row["priced"])


def _model_use(row: sqlite3.Row) -> ModelUse:
    return ModelUse(
        model=row["model"],
        calls=row["calls"],
        mean_cost_nanousd=-(-row["cost_nanousd"] // row["priced"]) if row["priced"] else None,
    )
