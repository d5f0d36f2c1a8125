"""Keeps sums of whole days, so that a report reads some hundred rows and not a million.

They are made when a report is asked for, not when a call is written: a write costs nothing more. A day is summed when
it is over and nothing of it is under way; a trigger ends its sums with any change to its rows. A
report adds up the sums of the summed days and the rows of the others, so it is right at any moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import date

from ..errors import LedgerError
from . import progress
from .store import Ledger
from .sum_tables import (
    ALL,
    ALWAYS,
    ANSWER,
    CALL_DIMENSIONS,
    CALL_LATENCIES,
    CALL_SUMS,
    GRAINS,
    NONE,
    QUARTER,
    RUN_DIMENSIONS,
    RUN_LATENCIES,
    RUN_SUMS,
    TIME,
    TIMED,
)

FEWEST_CALLS = 20_000  # below it the rows themselves are read in no time

_DAYS_TO_SUM = """
    WITH RECURSIVE days (day) AS (
        SELECT min(day) FROM run_rows WHERE day < :today
        UNION ALL
        SELECT (SELECT min(day) FROM run_rows WHERE run_rows.day > days.day AND run_rows.day < :today) FROM days
        WHERE days.day IS NOT NULL
    )
    SELECT day FROM days
    WHERE day IS NOT NULL AND day NOT IN (SELECT day FROM summed_days)
      AND day NOT IN (SELECT day FROM run_rows WHERE status = 'running')
"""


def sum_days(ledger: Ledger, today: date) -> None:
    """Sum the days before today that are not summed yet, each in a transaction. A ledger that cannot be written, or is
    busy, stays as it is: its reports read the rows."""
    days = ledger.read(lambda db: _days_to_sum(db, today))
    try:
        for number, day in enumerate(days, start=1):
            ledger.maintain(lambda db, day=day: sum_day(db, day))  # type: ignore[misc]
            progress.show("summing up the days of the ledger", number, len(days))
    except LedgerError:
        return


def _days_to_sum(connection: sqlite3.Connection, today: date) -> list[str]:
    (calls,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM call_rows").fetchone()
    if calls < FEWEST_CALLS:
        return []
    return [row[0] for row in connection.execute(_DAYS_TO_SUM, {"today": today.isoformat()})]


def sum_day(connection: sqlite3.Connection, day: str) -> None:
    """Within a transaction: make the sums of a day anew from its rows."""
    for table in _MADE_OF:
        connection.execute(f"DELETE FROM {table} WHERE {_OF_DAY}", (*_EVERY_GRAIN, day))
    for statement in (*_FROM_ROWS, *_FROM_FINER):
        connection.execute(statement, (day,))
    connection.execute("INSERT OR IGNORE INTO summed_days VALUES (?)", (day,))


def keep_sums_of_day(connection: sqlite3.Connection, day: str) -> None:
    """Within a transaction, before the rows of a day are deleted: let its sums stay."""
    sum_day(connection, day)
    for table in _MADE_OF:
        connection.execute(f"UPDATE {table} SET pruned = 1 WHERE {_OF_DAY}", (*_EVERY_GRAIN, day))
    connection.execute("DELETE FROM summed_days WHERE day = ?", (day,))


def keep_sums_of_run(connection: sqlite3.Connection, run_id: str) -> None:
    """Within a transaction, before a run is deleted: let its sums stay."""
    for grain in _EVERY_GRAIN:
        for table in _MADE_OF:
            connection.execute(_of_rows(table, grain, _dimensions(grain), "runs.run_id = ?", pruned=True), (run_id,))


_EVERY_GRAIN = (ALL, NONE, TIME, *GRAINS)
# Each grain is named, so that the index by grain and day finds the rows.
_OF_DAY = f"grain IN ({', '.join('?' * len(_EVERY_GRAIN))}) AND day = ? AND NOT pruned"


def _dimensions(grain: str) -> dict[str, str]:
    """What a grain is summed by, with what that is in SQL."""
    always = {name: f"runs.{name}" for name in ALWAYS}
    if grain == ALL:
        return {name: f"runs.{name}" for name in RUN_DIMENSIONS} | {name: f"calls.{name}" for name in CALL_DIMENSIONS}
    if grain == TIME:
        return always | {TIME: QUARTER} | {name: f"calls.{name}" for name in TIMED}
    return always | ({grain: f"{'calls' if grain in CALL_DIMENSIONS else 'runs'}.{grain}"} if grain else {})


def _of_rows(
    table: str, grain: str, dimensions: Mapping[str, str], which: str = "runs.day = ?", *, pruned: bool = False
) -> str:
    """Sums from the rows themselves, by dimensions with what they are in SQL."""
    sums, latencies, rows = _MADE_OF[table]
    groups = ", ".join(str(3 + place) for place in range(len(dimensions)))
    return f"""
        INSERT INTO {table} (grain, pruned, {", ".join([*dimensions, *sums])}, latencies)
        SELECT '{grain}', {int(pruned)}, {", ".join([*dimensions.values(), *sums.values(), latencies])}
        FROM {rows} WHERE {which} GROUP BY {groups}
    """


def _coarser(table: str, grain: str) -> str:
    """Sums by one dimension or none, from those by all."""
    dimensions = (*ALWAYS, grain) if grain else ALWAYS
    values = {name: f"sum({name})" for name in _MADE_OF[table][0]}
    if table == "call_sums" and grain in CALL_DIMENSIONS:
        values["runs"] = f"sum({grain}_runs)"  # each run once
    return f"""
        INSERT INTO {table} (grain, pruned, {", ".join([*dimensions, *values])}, latencies)
        SELECT '{grain}', 0, {", ".join([*dimensions, *values.values()])}, group_concat(latencies)
        FROM {table} WHERE grain = '{ALL}' AND day = ? AND NOT pruned
        GROUP BY {", ".join(dimensions)}
    """


_MADE_OF = {
    "call_sums": (
        CALL_SUMS,
        CALL_LATENCIES,
        "run_rows AS runs JOIN call_rows AS calls ON calls.run_id = runs.run_id",
    ),
    "run_sums": (
        RUN_SUMS,
        RUN_LATENCIES,
        f"run_rows AS runs LEFT JOIN ratings ON ratings.run_id = runs.run_id {ANSWER}",
    ),
}
_FROM_ROWS = [_of_rows(table, grain, _dimensions(grain)) for grain in (ALL, TIME) for table in _MADE_OF]
_FROM_FINER = [_coarser(table, grain) for grain in (NONE, *GRAINS) for table in _MADE_OF]
