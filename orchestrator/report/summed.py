"""Where a report reads sums of days, and which days' rows are left to read.

A report reads the smallest grain that has all dimensions that it needs. Days that are not summed, or lie only in part
within what was asked for, are read row by row; what is left of pruned runs stands in the sums alone.
"""

from __future__ import annotations

import sqlite3
import time
from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..expressions import expression
from ..ledger.latencies import LATENCIES_OF_GROUP, latencies_of_group
from ..ledger.sum_tables import (
    ALL,
    ALWAYS,
    CALL_DIMENSIONS,
    CALL_SUMS,
    GRAINS,
    RATED,
    RUN_DIMENSIONS,
    RUN_SUMS,
    RUNS_BY,
    TIME,
)
from .dimensions import Grouping
from .selection import Selection

Key = tuple[str | None, ...]

_COLUMN = expression(r"\b(?:runs|calls)\.(\w+)")
_TABLE = expression(r"\b(?:runs|calls)\.")
_SUMMED_BY = frozenset({*RUN_DIMENSIONS, *CALL_DIMENSIONS, TIME})
# The days that have rows, each found in the index in one step.
_DAYS = """
    WITH RECURSIVE days (day) AS (
        SELECT min(day) FROM run_rows
        UNION ALL
        SELECT (SELECT min(day) FROM run_rows WHERE run_rows.day > days.day) FROM days WHERE days.day IS NOT NULL
    )
    SELECT day FROM days WHERE day IS NOT NULL
"""


class Whole(NamedTuple):
    """What of a selection is read from the sums, and what of it from the rows: a condition and its parameters."""

    where: str
    parameters: tuple[str | int, ...]
    rows_where: str
    rows_parameters: tuple[str | int, ...]
    pruned_only: bool  # the sums cannot tell what was asked for, but what is pruned is nowhere else


def whole_days(connection: sqlite3.Connection, selection: Selection, grouped: Grouping) -> Whole | None:
    """How to read a selection; None if there are no sums, and all of it is read from the rows."""
    if connection.execute("SELECT 1 FROM run_sums LIMIT 1").fetchone() is None:
        return None
    where, parameters = selection.where()
    whole, values = selection.whole_days()
    if not _grains(selection, grouped):
        return Whole(f"{whole} AND sums.pruned", values, where, parameters, pruned_only=True)
    (asked, of_asked), (inside, of_inside) = selection.days_within(whole=False), selection.days_within()
    rest = f"{_DAYS} AND {asked} AND day NOT IN (SELECT day FROM summed_days WHERE {inside})"
    days = [row[0] for row in connection.execute(rest, (*of_asked, *of_inside))]
    return Whole(
        f"{whole} AND (sums.pruned OR sums.day IN (SELECT day FROM summed_days))",
        values,
        f"{where} AND runs.day IN ({', '.join('?' * len(days))})",
        (*parameters, *days),
        pruned_only=False,
    )


class Sums(NamedTuple):
    """The sums of whole days by key, and the milliseconds of their latencies by key."""

    rows: dict[Key, Mapping[str, Any]]
    latencies: dict[Key, array[int]]


def call_sums(
    connection: sqlite3.Connection, selection: Selection, whole: Whole, grouped: Grouping, *, with_latencies: bool
) -> Sums:
    """The sums over the calls of whole days."""
    # A run asks a model of one provider.
    of_calls = frozenset(CALL_DIMENSIONS) & _columns(grouped)
    runs = RUNS_BY.get(of_calls - {"provider"} if "model" in of_calls else of_calls, "0")
    names = {"runs": runs, **{name: name for name in CALL_SUMS}}
    return _read(connection, "call_sums", names, selection, whole, grouped, with_latencies=with_latencies)


def run_sums(
    connection: sqlite3.Connection, selection: Selection, whole: Whole, grouped: Grouping, *, with_latencies: bool
) -> Sums:
    """The sums over the runs of whole days: by a dimension of the calls, it is that of the answering call of runs that
    were rated."""
    names = {name: name for name in (*RUN_SUMS, *RATED)}
    return _read(connection, "run_sums", names, selection, whole, grouped, with_latencies=with_latencies)


def _read(
    connection: sqlite3.Connection,
    table: str,
    sums: Mapping[str, str],
    selection: Selection,
    whole: Whole,
    grouped: Grouping,
    *,
    with_latencies: bool,
) -> Sums:
    """Sums, each by its name and the column that it adds up."""
    keys = [_in_sums(key) if _is_summed(key) else "NULL" for key in grouped.keys] or ["NULL"]
    columns = [
        *keys,
        *(f"sum({column})" for column in sums.values()),
        *([LATENCIES_OF_GROUP] if with_latencies else []),
    ]
    grain = ALL if whole.pruned_only else _grain(connection, table, selection, grouped)
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples
    cursor.execute(
        f"""
        SELECT {", ".join(columns)} FROM {table} AS sums {_in_sums(grouped.joined)}
        WHERE sums.grain = ? AND {whole.where}
        GROUP BY {", ".join(str(number + 1) for number in range(len(keys)))}
        """,
        (grain, *whole.parameters),
    )
    found, names, first, last = Sums({}, {}), tuple(sums), len(keys), len(keys) + len(sums)
    for row in cursor:
        found.rows[row[:first]] = dict(zip(names, row[first:last], strict=True))
        if with_latencies and (latencies := latencies_of_group(*row[last:])) is not None:
            found.latencies[row[:first]] = latencies
    return found


def _grain(connection: sqlite3.Connection, table: str, selection: Selection, grouped: Grouping) -> str:
    """The grain with the fewest rows among those that have what is asked for."""
    grains = _grains(selection, grouped)
    if len(grains) == 1 or "" in grains:
        return grains[0]
    counting = " UNION ALL ".join(f"SELECT count(*), ? FROM {table} WHERE grain = ?" for _ in grains)
    rows = connection.execute(f"{counting} ORDER BY 1 LIMIT 1", [grain for each in grains for grain in (each, each)])
    return str(rows.fetchone()[1])


def _grains(selection: Selection, grouped: Grouping) -> list[str]:
    needed = (_columns(grouped) | selection.columns()) - {*ALWAYS}
    if TIME in needed and not _has_whole_hours():
        return []
    return [grain for grain, columns in GRAINS.items() if needed <= {*columns}]


def _has_whole_hours() -> bool:
    """Whether the hours of the local time zone are those of UTC, which the sums have."""
    return time.timezone % 3600 == 0 and time.altzone % 3600 == 0


def _is_summed(key: str) -> bool:
    return {*_COLUMN.findall(key)} <= _SUMMED_BY


def _columns(grouped: Grouping) -> set[str]:
    return {*_COLUMN.findall(" ".join([*grouped.keys, grouped.joined]))}


def _in_sums(sql: str) -> str:
    return _TABLE.sub("sums.", sql)
