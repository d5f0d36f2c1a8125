"""The ledger at a glance: today, this week, this month and all time; the models that stand out; the latest runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from ..deferred import replace
from ..ledger.rows import from_micros
from ..ledger.store import Ledger
from .aggregate import overall
from .model import Group, LatestRun, ModelUse, Stats
from .period import ReportPeriod, calendar
from .plain import one_line
from .selection import Selection, in_one_snapshot

LATEST = 10
EXCERPT = 60
# Bytes of a prompt that are read for its excerpt: enough for 60 characters of four bytes behind a good deal of space.
_EXCERPT_BYTES = 2_000

_WINDOWS = (
    ("today", ReportPeriod.DAILY),
    ("week", ReportPeriod.WEEKLY),
    ("month", ReportPeriod.MONTHLY),
    ("all", ReportPeriod.ALL),
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

# The newest are found first, so that no other prompt is read. SQLite's text functions stop at a NUL: bytes do not.
_LATEST = """
    WITH latest AS (
        SELECT run_id FROM runs WHERE {where} ORDER BY runs.rowid DESC LIMIT ?
    )
    SELECT runs.run_id, runs.created_at, runs.status, runs.strategy, runs.model_used, runs.confidence,
           (SELECT rating FROM ratings WHERE ratings.run_id = runs.run_id) AS rating,
           substr(CAST(runs.prompt AS BLOB), 1, ?) AS prompt,
           coalesce(sum(calls.cost_source IS NOT NULL AND calls.cost_nanousd IS NULL), 0) AS unpriced,
           coalesce(sum(calls.cost_nanousd), 0) AS cost_nanousd
    FROM latest JOIN runs ON runs.run_id = latest.run_id LEFT JOIN calls ON calls.run_id = runs.run_id
    GROUP BY runs.run_id
    ORDER BY runs.rowid DESC
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
    latest = connection.execute(_LATEST.format(where=where), (*parameters, LATEST, _EXCERPT_BYTES))
    return Stats(
        selection=selection,
        windows=tuple(overall(connection, part, name=name) for name, part in _windows(selection, now)),
        cheapest=_model_use(by_cost[0]) if by_cost else None,
        dearest=_model_use(by_cost[-1]) if by_cost else None,
        busiest=_model_use(busiest) if busiest else None,
        latest=tuple(_latest_run(row, now) for row in latest),
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


def _latest_run(row: sqlite3.Row, now: datetime) -> LatestRun:
    prompt: bytes | None = row["prompt"]
    return LatestRun(
        run_id=row["run_id"],
        created_at=from_micros(row["created_at"]).astimezone(now.tzinfo),
        status=row["status"],
        strategy=row["strategy"],
        model=row["model_used"],
        cost_nanousd=None if row["unpriced"] else row["cost_nanousd"],
        confidence=row["confidence"],
        rating=row["rating"],
        prompt=None if prompt is None else one_line(prompt.decode("utf-8", "ignore"), EXCERPT),
    )
