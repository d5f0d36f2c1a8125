"""Where a report reads sums of days, and which days' rows are left to read.

The sums have every dimension but the time of day. Days that are not summed, or lie only in part within what was asked
for, are read row by row; what is left of pruned runs stands in the sums alone.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..expressions import expression
from ..ledger.sum_tables import (
    ALL,
    ALWAYS,
    CALL_DIMENSIONS,
    CALL_SUMS,
    GRAINS,
    NONE,
    RUN_DIMENSIONS,
    RUN_SUMS,
    TIME,
    TIMED,
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
    if not _is_told_by_sums(selection, grouped):
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


def call_sums(
    connection: sqlite3.Connection, selection: Selection, whole: Whole, grouped: Grouping
) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """The sums over the calls of whole days, by key."""
    of_calls = [name for name in CALL_DIMENSIONS if name in _columns(grouped)]
    grain = _grain(selection, grouped, whole)
    runs = "runs" if grain not in (ALL, TIME) or not of_calls or whole.pruned_only else f"{_narrowest(of_calls)}_runs"
    return _read(connection, "call_sums", {**dict.fromkeys(CALL_SUMS), "runs": runs}, whole, grain, grouped)


def run_sums(
    connection: sqlite3.Connection, selection: Selection, whole: Whole, grouped: Grouping
) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """The sums over the runs of whole days, by key: by a dimension of the calls, it is that of the answering call."""
    return _read(connection, "run_sums", dict.fromkeys(RUN_SUMS), whole, _grain(selection, grouped, whole), grouped)


def latencies_of(row: Mapping[str, Any]) -> Counter[int]:
    """How often each latency in milliseconds occurs."""
    counted = Counter((row["latencies"] or "").split(","))
    counted.pop("", None)
    return Counter({int(ms): times for ms, times in counted.items()})


def _read(
    connection: sqlite3.Connection,
    table: str,
    names: Mapping[str, str | None],
    whole: Whole,
    grain: str,
    grouped: Grouping,
) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    keys = [_in_sums(key) if _is_summed(key) else "NULL" for key in grouped.keys] or ["NULL"]
    sums = ", ".join(f"sum(sums.{column or name}) AS {name}" for name, column in names.items())
    query = f"""
        SELECT {", ".join(keys)}, {sums}, group_concat(sums.latencies) AS latencies
        FROM {table} AS sums {_in_sums(grouped.joined)} WHERE sums.grain = ? AND {whole.where}
        GROUP BY {", ".join(str(number) for number in range(1, len(keys) + 1))}
    """
    for row in connection.execute(query, (grain, *whole.parameters)):
        yield tuple(row[: len(keys)]), dict(zip(row.keys()[len(keys) :], row[len(keys) :], strict=True))


def _grain(selection: Selection, grouped: Grouping, whole: Whole) -> str:
    if whole.pruned_only:
        return ALL
    needed = (_columns(grouped) | selection.columns()) - {*ALWAYS}
    if not needed:
        return NONE
    if TIME in needed:
        return TIME
    return next(iter(needed)) if len(needed) == 1 and needed <= {*GRAINS} else ALL


def _is_told_by_sums(selection: Selection, grouped: Grouping) -> bool:
    """Whether the sums have the dimensions, and can tell how many runs there are in each group."""
    needed = (_columns(grouped) | selection.columns()) - {*ALWAYS}
    if TIME in needed and not needed <= {TIME, *TIMED}:
        return False
    of_calls = _columns(grouped) & {*CALL_DIMENSIONS}
    return all(map(_is_summed, grouped.keys)) and (len(of_calls) <= 1 or of_calls == {"model", "provider"})


def _is_summed(key: str) -> bool:
    return {*_COLUMN.findall(key)} <= _SUMMED_BY


def _columns(grouped: Grouping) -> set[str]:
    return {*_COLUMN.findall(" ".join([*grouped.keys, grouped.joined]))}


def _narrowest(of_calls: Sequence[str]) -> str:
    """Of a model and its provider, the model: a run asks a model of one provider."""
    return "model" if "model" in of_calls else of_calls[0]


def _in_sums(sql: str) -> str:
    return _TABLE.sub("sums.", sql)
