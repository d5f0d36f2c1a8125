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
from .spread import NO_SPREAD, Spread, Together
from .summed import Sums, call_sums, run_sums, whole_days

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


class _All(NamedTuple):
    """The latencies of all groups together: of calls, and of runs."""

    calls: Together
    runs: Together


def summarise(
    ledger: Ledger | None, selection: Selection, *, by: By | Sequence[By], with_latencies: bool = True
) -> Report:
    """The selected runs and their calls, by one or several of their properties. No ledger is one without runs. Without
    latencies, which take the most time, none is known.

    Raises LedgerError.
    """
    grouped, sums, total = grouping(by), _Sums({}, {}, {}, {}, {}), None
    if ledger is not None:
        sum_days(ledger, local_now().date())

        def read(connection: sqlite3.Connection) -> tuple[_Sums, Group | None]:
            apart = overall(connection, selection, name=None) if grouped.repeats else None
            return _sums(connection, selection, grouped, with_latencies=with_latencies), apart

        sums, total = in_one_snapshot(ledger, read)
    of_calls, every = grouped.is_of_calls, _All(Together(), Together())
    groups = [_group(sums, key, every, of_calls=of_calls) for key in (sums.calls if of_calls else sums.runs)]
    total = total or _total(sums, grouped, every)
    return Report(
        grouping=grouped,
        selection=selection,
        groups=tuple(group.with_share_of(total.cost_nanousd) for group in _in_order(groups, grouped)),
        total=total.with_share_of(total.cost_nanousd),
    )


def overall(connection: sqlite3.Connection, selection: Selection, *, name: str | None) -> Group:
    """All selected runs and calls as one group, keyed by `name`."""
    sums, every = _sums(connection, selection, _ALL_OF_THEM), _All(Together(), Together())
    every.calls.spread_with(sums.latencies.get((None,)))
    every.runs.spread_with(sums.run_latencies.get((None,)))
    return replace(_total(sums, _ALL_OF_THEM, every), key=name)


def calls_by(connection: sqlite3.Connection, selection: Selection, by: By) -> dict[_Key, _Row]:
    """The sums over the selected calls, by a dimension."""
    return _sums(connection, selection, grouping(by)).calls


def _in_order(groups: Sequence[Group], grouped: Grouping) -> list[Group]:
    """By each dimension in turn: times in their own order, of everything else the dearest first."""
    ranked = [depth for depth, by in enumerate(grouped.by) if not by.is_of_time]
    weights: dict[_Key, tuple[int, int, int]] = {}
    for group in groups:
        for depth in ranked:
            cost, calls, runs = weights.get(group.keys[: depth + 1], (0, 0, 0))
            weights[group.keys[: depth + 1]] = (cost - group.cost_nanousd, calls - group.calls, runs - group.runs)

    def place(group: Group) -> list[tuple[Any, ...]]:
        parts: list[tuple[Any, ...]] = [(key or "",) for key in group.keys]
        for depth in ranked:
            parts[depth] = weights[group.keys[: depth + 1]] + parts[depth]
        return parts

    return sorted(groups, key=place)


def _sums(
    connection: sqlite3.Connection, selection: Selection, grouped: Grouping, *, with_latencies: bool = True
) -> _Sums:
    whole = whole_days(connection, selection, grouped)
    if whole is None:
        return _of_rows(connection, *selection.where(), grouped, with_latencies=with_latencies)
    where, parameters = whole.rows_where, whole.rows_parameters
    found = _of_rows(connection, where, parameters, grouped, with_latencies=with_latencies)
    of_calls = call_sums(connection, selection, whole, grouped, with_latencies=with_latencies)
    _add(found.calls, found.latencies, of_calls)
    runs = _ALL_OF_THEM if grouped.is_of_calls else grouped
    of_waits = with_latencies and not grouped.is_of_calls
    of_runs = run_sums(connection, selection, whole, runs, with_latencies=of_waits)
    _add(found.runs, found.run_latencies, of_runs)
    if any(row["rated_runs"] for row in of_runs.rows.values()):
        rated = (
            run_sums(connection, selection, whole, grouped, with_latencies=False) if grouped.is_of_calls else of_runs
        )
        _add(found.ratings, {}, Sums({key: row for key, row in rated.rows.items() if row["rated_runs"]}, {}))
    return found


def _add(sums: dict[_Key, _Row], latencies: dict[_Key, array[int]], of_days: Sums) -> None:
    """Add the sums of another part."""
    for key, row in of_days.rows.items():
        there = sums.get(key)
        sums[key] = row if there is None else {name: value + row[name] for name, value in there.items() if name in row}
    for key, more in of_days.latencies.items():
        if (known := latencies.get(key)) is None:
            latencies[key] = more
        else:
            known.extend(more)


def _of_rows(
    connection: sqlite3.Connection,
    where: str,
    parameters: Sequence[str | int],
    grouped: Grouping,
    *,
    with_latencies: bool,
) -> _Sums:
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
        latencies=latencies(_LATENCIES) if with_latencies else {},
        run_latencies=latencies(_RUN_LATENCIES) if with_latencies and not grouped.is_of_calls else {},
        ratings=dict(rows(_RATINGS)),
    )


def _group(sums: _Sums, key: _Key, every: _All, *, of_calls: bool) -> Group:
    calls, latencies = sums.calls.get(key, {}), every.calls.spread_with(sums.latencies.get(key))
    rated = (sums.ratings[key],) if key in sums.ratings else ()
    if of_calls:
        unknown = dict.fromkeys(_RUN_COUNTS) | {"runs": calls["runs"]}
        return _figures(key, unknown, calls, latencies, judged=(calls,), rated=rated)
    runs = sums.runs[key]
    waited = every.runs.spread_with(sums.run_latencies.get(key))
    return _figures(key, runs, calls, latencies, waited, judged=(runs,), rated=rated)


def _total(sums: _Sums, grouped: Grouping, every: _All) -> Group:
    """The sum over all groups; runs are counted on the runs themselves, so each of them once."""
    return _figures(
        (),
        {column: sum(row[column] for row in sums.runs.values()) for column in _RUN_COUNTS},
        {column: sum(row[column] for row in sums.calls.values()) for column in _CALL_COUNTS},
        every.calls.spread(),
        every.runs.spread(),
        judged=(sums.calls if grouped.is_of_calls else sums.runs).values(),
        rated=sums.ratings.values(),
    )


def _figures(
    keys: _Key,
    runs: _Row,
    calls: _Row,
    latencies: Spread,
    waited: Spread = NO_SPREAD,
    *,
    judged: Iterable[_Row],
    rated: Iterable[_Row],
) -> Group:
    (confidence, _), (rating, ratings) = _mean(judged, "confidence", "judged"), _mean(rated, "rating", "rated_runs")
    return Group(
        key=in_words(keys),
        keys=keys,
        **{column: runs[column] for column in _RUN_COUNTS},
        **{column: calls[column] for column in _CALL_COUNTS if column in calls},
        mean_latency_ms=latencies.mean,
        p50_latency_ms=latencies.p50,
        p95_latency_ms=latencies.p95,
        p50_run_latency_ms=waited.p50,
        p95_run_latency_ms=waited.p95,
        mean_confidence=confidence,
        rated_runs=ratings,
        mean_rating=rating,
    )


def _mean(rows: Iterable[_Row], total: str, count: str) -> tuple[float | None, int]:
    """The mean over all rows from their totals and counts, and how many it is of."""
    added, number = 0.0, 0
    for row in rows:
        added, number = added + row[total], number + row[count]
    return (added / number if number else None), number
