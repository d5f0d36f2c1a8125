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
    RUN_DIMENSIONS,
    RUN_LATENCIES,
    RUN_SUMS,
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
    for table in ("call_sums", "run_sums"):
        connection.execute(
            f"DELETE FROM {table} WHERE day = ? AND NOT pruned AND grain IN ({_marks()})", (day, *_ALL_GRAINS)
        )
    connection.execute(_CALLS_BY_ALL, (day,))
    connection.execute(_RUNS_BY_ALL, (day,))
    for grain in (NONE, *GRAINS):
        connection.execute(_coarser("call_sums", grain, CALL_SUMS), (day,))
        connection.execute(_coarser("run_sums", grain, RUN_SUMS), (day,))
    connection.execute("INSERT OR IGNORE INTO summed_days VALUES (?)", (day,))


_ALL_GRAINS = (ALL, NONE, *GRAINS)


def _marks() -> str:
    return ", ".join("?" * len(_ALL_GRAINS))


def _by_all(table: str, sums: Mapping[str, str], latencies: str, rows: str) -> str:
    dimensions = [f"runs.{name}" for name in RUN_DIMENSIONS] + [f"calls.{name}" for name in CALL_DIMENSIONS]
    names = ", ".join([*RUN_DIMENSIONS, *CALL_DIMENSIONS, *sums])
    return f"""
        INSERT INTO {table} (grain, pruned, {names}, latencies)
        SELECT '{ALL}', 0, {", ".join([*dimensions, *sums.values(), latencies])}
        FROM {rows} WHERE runs.day = ? GROUP BY {", ".join(str(3 + place) for place in range(len(dimensions)))}
    """


_CALLS_BY_ALL = _by_all(
    "call_sums", CALL_SUMS, CALL_LATENCIES, "run_rows AS runs JOIN call_rows AS calls ON calls.run_id = runs.run_id"
)
_RUNS_BY_ALL = _by_all(
    "run_sums",
    RUN_SUMS,
    RUN_LATENCIES,
    f"run_rows AS runs LEFT JOIN ratings ON ratings.run_id = runs.run_id {ANSWER}",
)


def _coarser(table: str, grain: str, sums: Mapping[str, str]) -> str:
    """Sums by one dimension or none, from those by all."""
    dimensions = (*ALWAYS, grain) if grain else ALWAYS
    names = ", ".join([*dimensions, *sums])
    # By one dimension of the calls, the runs are those that it has once.
    values = {name: f"sum({name})" for name in sums}
    if table == "call_sums" and grain in CALL_DIMENSIONS:
        values["runs"] = f"sum({grain}_runs)"
    return f"""
        INSERT INTO {table} (grain, pruned, {names}, latencies)
        SELECT '{grain}', 0, {", ".join([*dimensions, *values.values()])}, group_concat(latencies)
        FROM {table} WHERE grain = '{ALL}' AND day = ? AND NOT pruned
        GROUP BY {", ".join(dimensions)}
    """
