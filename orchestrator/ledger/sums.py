"""Keeps sums of whole days, so that a report reads some thousand rows and not a million.

They are made when a report is asked for, not when a call is written: a write costs nothing more. A day is summed when
it is over, no run of it is under way and every call is settled; a trigger ends its sums with any change to its rows. A
report adds up the sums of the summed days and the rows of the others, so it is right at any moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from . import progress
from .latencies import add_packing
from .sum_tables import (
    ALL,
    ALWAYS,
    ANSWER,
    ANSWERING,
    CALL_DIMENSIONS,
    CALL_LATENCY,
    CALL_SUMS,
    GRAINS,
    HOUR,
    LONG_INPUT,
    RATED,
    RUN_DIMENSIONS,
    RUN_LATENCY,
    RUN_SUMS,
    RUNS_BY,
    SUMS,
    TIME,
    TOKENS,
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


def days_to_sum(connection: sqlite3.Connection, today: date) -> list[str]:
    """The days before today that are over and not summed yet; none in a small ledger."""
    (calls,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM call_rows").fetchone()
    if calls < FEWEST_CALLS:
        return []
    return [row[0] for row in connection.execute(_DAYS_TO_SUM, {"today": today.isoformat()})]


def sum_each(days: Sequence[str], write: Callable[[Callable[[sqlite3.Connection], None]], None]) -> None:
    """Sum these days, each in a transaction of its own: `write` carries out a change in one."""
    for number, day in enumerate(days, start=1):
        write(lambda db, day=day: sum_day(db, day))  # type: ignore[misc]
        progress.show("summing up the days of the ledger", number, len(days))


def sum_day(connection: sqlite3.Connection, day: str) -> None:
    """Within a transaction: make the sums of a day anew from its rows."""
    _end(connection, day)
    _look_at(connection, "runs.day = ?", day)
    # Triggers leave alone what happens to a run under way and to an open call: neither may be in the sums.
    running = connection.execute("SELECT 1 FROM run_rows WHERE status = 'running' AND day = ?", (day,)).fetchone()
    if running or connection.execute("SELECT 1 FROM temp.of_call_sums WHERE unsettled_calls").fetchone():
        return
    _keep(connection, pruned=False)
    connection.execute(_ANSWERS)
    _put_away(connection)
    connection.execute("INSERT OR IGNORE INTO summed_days VALUES (?)", (day,))


def keep_sums_of_day(connection: sqlite3.Connection, day: str) -> None:
    """Within a transaction, before the rows of a day are deleted: let its sums stay."""
    _end(connection, day)
    _look_at(connection, "runs.day = ?", day)
    _keep(connection, pruned=True)
    _put_away(connection)


def keep_sums_of_run(connection: sqlite3.Connection, run_id: str) -> None:
    """Within a transaction, before a run is deleted: let its sums stay."""
    _look_at(connection, "runs.run_id = ?", run_id)
    _keep(connection, pruned=True)
    _put_away(connection)


def _end(connection: sqlite3.Connection, day: str) -> None:
    """Delete the sums of a day's rows."""
    for table in SUMS:
        connection.execute(f"DELETE FROM {table} WHERE {_OF_DAY}", (*GRAINS, day))
    for table in ("answer_sums", "summed_days"):
        connection.execute(f"DELETE FROM {table} WHERE day = ?", (day,))
    connection.execute("DELETE FROM page_days WHERE day = ? AND NOT pruned", (day,))


# Each grain is named, so that the index by grain and day finds the rows.
_OF_DAY = f"grain IN ({', '.join('?' * len(GRAINS))}) AND day = ? AND NOT pruned"

_REPEATED = f"CREATE TEMP TABLE repeated (call INTEGER PRIMARY KEY, {', '.join(RUNS_BY.values())})"
_OF_SEVERAL_CALLS = f"""
    SELECT calls.run_id, calls.rowid, {", ".join(CALL_DIMENSIONS)} FROM call_rows AS calls WHERE calls.run_id IN (
        SELECT runs.run_id FROM run_rows AS runs JOIN call_rows AS calls ON calls.run_id = runs.run_id
        WHERE {{which}} GROUP BY 1 HAVING count(*) > 1
    ) ORDER BY 1, 2
"""
_PLACES = [[CALL_DIMENSIONS.index(name) for name in names] for names in RUNS_BY]
# What is asked of a call beside the sums: whether it gave its run's answer, and by which price.
_OF_ANSWERS = {
    "answered": "runs.model_used IS NOT NULL AND calls.status = 'completed'"
    f" AND (repeated.call IS NULL OR calls.rowid = {ANSWERING})",
    "utc_day": "calls.created_at / 86400000000",
    "long_input": f"CASE WHEN calls.input_tokens > {LONG_INPUT} THEN calls.rowid END",
}
_ANSWERED_BY = (*ALWAYS, "category", "tags", "utc_day", "long_input")
_ANSWERS = f"""
    INSERT INTO answer_sums ({", ".join([*_ANSWERED_BY, "answers", *TOKENS])})
    SELECT {", ".join([*_ANSWERED_BY, "count(*)", *(f"sum({name})" for name in TOKENS)])}
    FROM temp.of_call_sums WHERE answered GROUP BY {", ".join(reversed(_ANSWERED_BY[1:]))}
"""
_DIMENSIONS = {
    **{name: f"runs.{name}" for name in RUN_DIMENSIONS},
    **{name: f"calls.{name}" for name in CALL_DIMENSIONS},
    TIME: HOUR,
}
# What each call and each run adds to the sums.
_ADDS = {
    "call_sums": (
        {**{name: f"coalesce(repeated.{name}, 1)" for name in RUNS_BY.values()}, **CALL_SUMS},
        CALL_LATENCY,
        "run_rows AS runs JOIN call_rows AS calls ON calls.run_id = runs.run_id"
        " LEFT JOIN temp.repeated ON repeated.call = calls.rowid",
    ),
    "run_sums": (
        {**RUN_SUMS, **RATED},
        RUN_LATENCY,
        f"run_rows AS runs LEFT JOIN ratings ON ratings.run_id = runs.run_id {ANSWER}",
    ),
}


def _look_at(connection: sqlite3.Connection, which: str, value: str) -> None:
    """Make temporary tables of what the runs of a condition and their calls add to the sums: a row for each."""
    add_packing(connection)
    _put_away(connection)
    connection.execute(_REPEATED)
    marks = f"INSERT INTO temp.repeated VALUES ({', '.join('?' * (1 + len(RUNS_BY)))})"
    connection.executemany(marks, _firsts(connection.execute(_OF_SEVERAL_CALLS.format(which=which), (value,))))
    for table, (adds, latency, rows) in _ADDS.items():
        columns = {**_DIMENSIONS, **adds, "latencies": latency, **(_OF_ANSWERS if table == "call_sums" else {})}
        connection.execute(
            f"CREATE TEMP TABLE of_{table} AS SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())}"
            f" FROM {rows} WHERE {which}",
            (value,),
        )


def _firsts(calls: Iterable[Sequence[Any]]) -> Iterator[tuple[int, ...]]:
    """A run of several calls counts for a model, role or step with the first of the calls that have it: for each of
    `RUNS_BY`, whether that is this call. The calls come run by run."""
    of, seen = None, [set[tuple[Any, ...]]() for _ in _PLACES]
    for run_id, call, *values in calls:
        if run_id != of:
            of, seen = run_id, [set() for _ in _PLACES]
        row = [call]
        for known, places in zip(seen, _PLACES, strict=True):
            what = tuple([values[place] for place in places])
            row.append(what not in known)
            known.add(what)
        yield tuple(row)


def _put_away(connection: sqlite3.Connection) -> None:
    for table in ("repeated", *(f"{kind}_{table}" for table in SUMS for kind in ("of", "all_of"))):
        connection.execute(f"DROP TABLE IF EXISTS temp.{table}")


def _keep(connection: sqlite3.Connection, *, pruned: bool) -> None:
    """Add up what was looked at, at every grain."""
    for table, names in SUMS.items():
        largest = ", ".join(f"max({name})" for name in names)
        row = connection.execute(f"SELECT {largest} FROM temp.of_{table}").fetchone()
        there = [name for name, most in zip(names, row, strict=True) if most]  # the others are 0, as they begin
        by_all = _added(f"of_{table}", (*ALWAYS, *GRAINS[ALL]), there)
        connection.execute(f"CREATE TEMP TABLE all_of_{table} AS {by_all}")
        for grain, columns in GRAINS.items():
            dimensions = (*ALWAYS, *columns)
            of_calls = set(columns) & set(CALL_DIMENSIONS)
            kept = [name for name in there if of_calls or name not in RUNS_BY.values()]
            added = _added(f"of_{table}" if TIME in columns else f"all_of_{table}", dimensions, kept)
            connection.execute(
                f"INSERT INTO {table} (grain, pruned, {', '.join([*dimensions, *kept])}, latencies)"
                f" SELECT '{grain}', {int(pruned)}, * FROM {f'temp.all_of_{table}' if grain == ALL else f'({added})'}"
            )


def _added(source: str, dimensions: Sequence[str], names: Sequence[str]) -> str:
    sums = [f"sum({name}) AS {name}" for name in names]
    # All of it is of one day; what tells groups apart comes first, for the sorting.
    return (
        f"SELECT {', '.join([*dimensions, *sums])}, packed(latencies) AS latencies FROM temp.{source}"
        f" GROUP BY {', '.join(reversed(dimensions[1:]))}"
    )
