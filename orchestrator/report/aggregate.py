"""Adding up the ledger: calls joined to their runs, grouped, in a few SELECTs on one snapshot.

A run's cost stands nowhere in the ledger: it is the sum over its calls. SQLite adds in 64-bit integers and fails,
rather than wrap around, above nine thousand million dollars.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..clock import local_now
from ..deferred import replace
from ..ledger.store import Ledger
from ..ledger.sum_tables import ANSWER, CALL_LATENCY, CALL_SUMS, RUN_LATENCY, RUN_SUMS
from ..ledger.summing import sum_days
from .dimensions import By, Grouping, grouping, in_words
from .model import Group, Report
from .selection import Selection, in_one_snapshot
from .spread import Spread, spread
from .summed import call_sums, run_sums, whole_days

_CALL_SUMS = f"""
    SELECT {{keys}}, count(DISTINCT calls.run_id) AS runs,
           {", ".join(f"sum({sql}) AS {name}" for name, sql in CALL_SUMS.items())}
    FROM run_rows AS runs {{joined}} JOIN call_rows AS calls ON calls.run_id = runs.run_id
    WHERE {{where}}
    GROUP BY {{groups}}
"""

_RUN_SUMS = f"""
    SELECT {{keys}}, {", ".join(f"sum({sql}) AS {name}" for name, sql in RUN_SUMS.items())}
    FROM run_rows AS runs {{joined}}
    WHERE {{where}}
    GROUP BY {{groups}}
"""

_LATENCIES = f"""
    SELECT {{keys}}, {CALL_LATENCY} AS latency_ms
    FROM run_rows AS runs {{joined}} JOIN call_rows AS calls ON calls.run_id = runs.run_id
    WHERE {CALL_LATENCY} IS NOT NULL AND {{where}}
"""

# What the user waited for: a run is as long as its calls, one after the other, and the waits between them.
_RUN_LATENCIES = f"""
    SELECT {{keys}}, {RUN_LATENCY} AS latency_ms FROM run_rows AS runs {{joined}}
    WHERE {RUN_LATENCY} IS NOT NULL AND {{where}}
"""

# A rating is of the run's answer, so it counts for the call that gave it.
_RATINGS = """
    SELECT {keys}, count(*) AS rated_runs, total(ratings.rating) AS rating
    FROM run_rows AS runs {joined} JOIN ratings ON ratings.run_id = runs.run_id {answering}
    WHERE {where}
    GROUP BY {groups}
"""
_RUN_COUNTS = ("runs", "complete_runs", "finished_runs", "multi_model_runs")
_CALL_COUNTS = (
    "calls",
    "failed_calls",
    "interrupted_calls",
    "unsettled_calls",
    "unpriced_calls",
    "estimated_calls",
    "cost_nanousd",
    "reserved_nanousd",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cache_hits",
    "saved_nanousd",
    "batch_calls",
    "batch_saved_nanousd",
)

_Key = tuple[str | None, ...]
_Row = Mapping[str, Any]  # numbers by the name of their column
_ALL_OF_THEM = Grouping(())


class _Sums(NamedTuple):
    """What the SELECTs found, by key."""

    runs: dict[_Key, _Row]
    calls: dict[_Key, _Row]
    latencies: dict[_Key, array[int]]  # milliseconds, in no order
    run_latencies: dict[_Key, array[int]]
    ratings: dict[_Key, _Row]


def summarise(ledger: Ledger | None, selection: Selection, *, by: By | Sequence[By]) -> Report:
    """The selected runs and their calls, by one or several of their properties. No ledger is one without runs.

    Raises LedgerError.
    """
    grouped, sums, total = grouping(by), _Sums({}, {}, {}, {}, {}), None
    if ledger is not None:
        sum_days(ledger, local_now().date())

        def read(connection: sqlite3.Connection) -> tuple[_Sums, Group | None]:
            apart = overall(connection, selection, name=None) if grouped.repeats else None
            return _sums(connection, selection, grouped), apart

        sums, total = in_one_snapshot(ledger, read)
    total = total or _total(sums, grouped)
    groups = [_group(sums, key, grouped) for key in (sums.calls if grouped.is_of_calls else sums.runs)]
    return Report(
        grouping=grouped,
        selection=selection,
        groups=tuple(group.with_share_of(total.cost_nanousd) for group in _in_order(groups, grouped)),
        total=total.with_share_of(total.cost_nanousd),
    )


def overall(connection: sqlite3.Connection, selection: Selection, *, name: str | None) -> Group:
    """All selected runs and calls as one group, keyed by `name`."""
    return replace(_total(_sums(connection, selection, _ALL_OF_THEM), _ALL_OF_THEM), key=name)


def calls_by(connection: sqlite3.Connection, selection: Selection, by: By) -> dict[_Key, _Row]:
    """The sums over the selected calls, by a dimension."""
    return _sums(connection, selection, grouping(by)).calls


def _in_order(groups: Sequence[Group], grouped: Grouping) -> list[Group]:
    """By each dimension in turn: times in their own order, of everything else the dearest first."""
    weights: dict[_Key, tuple[int, int, int]] = {}
    for group in groups:
        for depth in range(len(group.keys)):
            cost, calls, runs = weights.get(group.keys[: depth + 1], (0, 0, 0))
            weights[group.keys[: depth + 1]] = (cost - group.cost_nanousd, calls - group.calls, runs - group.runs)

    def place(group: Group) -> list[tuple[Any, ...]]:
        return [
            (() if by.is_of_time else weights[group.keys[: depth + 1]]) + (group.keys[depth] or "",)
            for depth, by in enumerate(grouped.by)
        ]

    return sorted(groups, key=place)


def _sums(connection: sqlite3.Connection, selection: Selection, grouped: Grouping) -> _Sums:
    whole = whole_days(connection, selection, grouped)
    if whole is None:
        return _of_rows(connection, *selection.where(), grouped)
    found = _of_rows(connection, whole.rows_where, whole.rows_parameters, grouped)
    for key, row in call_sums(connection, selection, whole, grouped):
        _add(found.calls, key, row)
        _extend(found.latencies, key, row["latencies"])
    runs = _ALL_OF_THEM if grouped.is_of_calls else grouped
    rated = False
    for key, row in run_sums(connection, selection, whole, runs):
        rated = rated or row["rated_runs"] > 0
        _add(found.runs, key, row)
        if not grouped.is_of_calls:
            _extend(found.run_latencies, key, row["latencies"])
    if rated:
        for key, row in run_sums(connection, selection, whole, grouped):
            if row["rated_runs"]:
                _add(found.ratings, key, row)
    return found


def _add(sums: dict[_Key, _Row], key: _Key, row: _Row) -> None:
    """Add the sums of another part."""
    there = sums.get(key)
    sums[key] = row if there is None else {name: value + row[name] for name, value in there.items() if name in row}


def _extend(latencies: dict[_Key, array[int]], key: _Key, more: array[int]) -> None:
    there = latencies.setdefault(key, more)
    if there is not more:
        there.extend(more)


def _of_rows(connection: sqlite3.Connection, where: str, parameters: Sequence[str | int], grouped: Grouping) -> _Sums:
    def query(sql: str, keys: Sequence[str] = grouped.keys or ("NULL",)) -> tuple[str, Sequence[str | int]]:
        asked = sql.format(
            keys=", ".join(keys),
            groups=", ".join(str(number) for number in range(1, len(keys) + 1)),
            joined=grouped.joined,
            where=where,
            answering=ANSWER if grouped.is_of_calls else "",
        )
        return asked, parameters

    def rows(sql: str, *, of_calls: bool = True) -> Iterator[tuple[_Key, dict[str, Any]]]:
        keys = ("NULL",) if grouped.is_of_calls and not of_calls else grouped.keys or ("NULL",)
        for row in connection.execute(*query(sql, keys)):
            yield tuple(row[: len(keys)]), dict(zip(row.keys()[len(keys) :], row[len(keys) :], strict=True))

    def latencies(sql: str) -> dict[_Key, array[int]]:
        found: dict[_Key, array[int]] = defaultdict(lambda: array("I"))
        for *key, latency in connection.execute(*query(sql)):
            found[tuple(key)].append(latency)
        return found

    return _Sums(
        runs=dict(rows(_RUN_SUMS, of_calls=False)),
        calls=dict(rows(_CALL_SUMS)),
        latencies=latencies(_LATENCIES),
        run_latencies={} if grouped.is_of_calls else latencies(_RUN_LATENCIES),
        ratings=dict(rows(_RATINGS)),
    )


def _group(sums: _Sums, key: _Key, grouped: Grouping) -> Group:
    calls, latencies = sums.calls.get(key, {}), spread(sums.latencies.get(key))
    rated = [sums.ratings[key]] if key in sums.ratings else []
    if grouped.is_of_calls:
        unknown = dict.fromkeys(_RUN_COUNTS) | {"runs": calls["runs"]}
        return _figures(key, unknown, calls, latencies, judged=[calls], rated=rated)
    runs = sums.runs[key]
    figures = _figures(key, runs, calls, latencies, judged=[runs], rated=rated)
    return _with_run_latencies(figures, spread(sums.run_latencies.get(key)))


def _total(sums: _Sums, grouped: Grouping) -> Group:
    """The sum over all groups; runs are counted on the runs themselves, so each of them once."""
    figures = _figures(
        (),
        {column: sum(row[column] for row in sums.runs.values()) for column in _RUN_COUNTS},
        {column: sum(row[column] for row in sums.calls.values()) for column in _CALL_COUNTS},
        spread(_all(sums.latencies)),
        judged=(sums.calls if grouped.is_of_calls else sums.runs).values(),
        rated=sums.ratings.values(),
    )
    return _with_run_latencies(figures, spread(_all(sums.run_latencies)))


def _all(latencies: Mapping[_Key, array[int]]) -> array[int]:
    together = array("I")
    for part in latencies.values():
        together.extend(part)
    return together


def _with_run_latencies(group: Group, latencies: Spread) -> Group:
    return replace(group, p50_run_latency_ms=latencies.p50, p95_run_latency_ms=latencies.p95)


def _figures(
    keys: _Key, runs: _Row, calls: _Row, latencies: Spread, *, judged: Iterable[_Row], rated: Iterable[_Row]
) -> Group:
    counts: dict[str, Any] = {column: runs[column] for column in _RUN_COUNTS}
    counts |= {column: calls.get(column, 0) for column in _CALL_COUNTS}
    (confidence, _), (rating, ratings) = _mean(judged, "confidence", "judged"), _mean(rated, "rating", "rated_runs")
    return Group(
        key=in_words(keys),
        keys=keys,
        **counts,
        mean_latency_ms=latencies.mean,
        p50_latency_ms=latencies.p50,
        p95_latency_ms=latencies.p95,
        mean_confidence=confidence,
        rated_runs=ratings,
        mean_rating=rating,
    )


def _mean(rows: Iterable[_Row], total: str, count: str) -> tuple[float | None, int]:
    """The mean over all rows from their totals and counts, and how many it is of."""
    pairs = list(rows)
    number = sum(row[count] for row in pairs)
    return (sum(row[total] for row in pairs) / number if number else None), number
