"""Adding up the ledger: calls joined to their runs, grouped, in a few SELECTs on one snapshot.

A run's cost stands nowhere in the ledger: it is the sum over its calls. SQLite adds in 64-bit integers and fails,
rather than wrap around, above nine thousand million dollars.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..clock import local_now
from ..deferred import replace
from ..ledger.pace import nearest_rank
from ..ledger.store import Ledger
from ..ledger.sum_tables import ANSWER, CALL_SUMS, RATED, RUN_SUMS, RUNS_BY_ONE
from ..ledger.sums import sum_days
from .dimensions import By, Grouping, grouping, in_words
from .model import Group, Report
from .selection import Selection, in_one_snapshot
from .summed import call_sums, latencies_of, run_sums, whole_days

_CALL_SUMS = f"""
    SELECT {{keys}}, {", ".join(f"{sql} AS {name}" for name, sql in CALL_SUMS.items() if name not in RUNS_BY_ONE)}
    FROM run_rows AS runs {{joined}} JOIN call_rows AS calls ON calls.run_id = runs.run_id
    WHERE {{where}}
    GROUP BY {{groups}}
"""

_RUN_SUMS = f"""
    SELECT {{keys}}, {", ".join(f"{sql} AS {name}" for name, sql in RUN_SUMS.items() if name not in RATED)}
    FROM run_rows AS runs {{joined}}
    WHERE {{where}}
    GROUP BY {{groups}}
"""

# How often each latency occurs: exact percentiles in memory that does not grow with the number of calls.
_LATENCIES = """
    SELECT {keys}, calls.latency_ms AS latency_ms, count(*) AS times
    FROM run_rows AS runs {joined} JOIN call_rows AS calls ON calls.run_id = runs.run_id
    WHERE calls.status = 'completed' AND calls.latency_ms IS NOT NULL AND {where}
    GROUP BY {groups}, calls.latency_ms
"""

# What the user waited for: a run is as long as its calls, one after the other, and the waits between them.
_RUN_LATENCIES = """
    SELECT {keys}, runs.latency_ms AS latency_ms, count(*) AS times
    FROM run_rows AS runs {joined}
    WHERE runs.status = 'complete' AND runs.latency_ms IS NOT NULL AND {where}
    GROUP BY {groups}, runs.latency_ms
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
    latencies: dict[_Key, Counter[int]]
    run_latencies: dict[_Key, Counter[int]]
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
        found.latencies.setdefault(key, Counter()).update(latencies_of(row))
    runs = _ALL_OF_THEM if grouped.is_of_calls else grouped
    rated = False
    for key, row in run_sums(connection, selection, whole, runs):
        rated = rated or row["rated_runs"] > 0
        _add(found.runs, key, row)
        if not grouped.is_of_calls:
            found.run_latencies.setdefault(key, Counter()).update(latencies_of(row))
    if rated:
        for key, row in run_sums(connection, selection, whole, grouped):
            _add(found.ratings, key, row)
    return found


def _add(sums: dict[_Key, _Row], key: _Key, row: _Row) -> None:
    """Add the sums of another part."""
    there = sums.get(key)
    sums[key] = row if there is None else {name: value + row[name] for name, value in there.items() if name in row}


def _of_rows(connection: sqlite3.Connection, where: str, parameters: Sequence[str | int], grouped: Grouping) -> _Sums:
    def rows(sql: str, *, of_calls: bool = True) -> Iterator[tuple[_Key, dict[str, Any]]]:
        keys = ("NULL",) if grouped.is_of_calls and not of_calls else grouped.keys or ("NULL",)
        query = sql.format(
            keys=", ".join(keys),
            groups=", ".join(str(number) for number in range(1, len(keys) + 1)),
            joined=grouped.joined,
            where=where,
            answering=ANSWER if grouped.is_of_calls else "",
        )
        for row in connection.execute(query, parameters):
            yield tuple(row[: len(keys)]), dict(zip(row.keys()[len(keys) :], row[len(keys) :], strict=True))

    def histograms(sql: str) -> dict[_Key, Counter[int]]:
        counters: dict[_Key, Counter[int]] = defaultdict(Counter)
        for key, row in rows(sql):
            counters[key][row["latency_ms"]] = row["times"]
        return counters

    return _Sums(
        runs=dict(rows(_RUN_SUMS, of_calls=False)),
        calls=dict(rows(_CALL_SUMS)),
        latencies=histograms(_LATENCIES),
        run_latencies={} if grouped.is_of_calls else histograms(_RUN_LATENCIES),
        ratings=dict(rows(_RATINGS)),
    )


def _group(sums: _Sums, key: _Key, grouped: Grouping) -> Group:
    calls, latencies = sums.calls.get(key, {}), sums.latencies.get(key, Counter())
    rated = [sums.ratings[key]] if key in sums.ratings else []
    if grouped.is_of_calls:
        unknown = dict.fromkeys(_RUN_COUNTS) | {"runs": calls["runs"]}
        return _figures(key, unknown, calls, latencies, judged=[calls], rated=rated)
    runs = sums.runs[key]
    figures = _figures(key, runs, calls, latencies, judged=[runs], rated=rated)
    return _with_run_latencies(figures, sums.run_latencies.get(key, Counter()))


def _total(sums: _Sums, grouped: Grouping) -> Group:
    """The sum over all groups; runs are counted on the runs themselves, so each of them once."""
    figures = _figures(
        (),
        {column: sum(row[column] for row in sums.runs.values()) for column in _RUN_COUNTS},
        {column: sum(row[column] for row in sums.calls.values()) for column in _CALL_COUNTS},
        _all(sums.latencies),
        judged=(sums.calls if grouped.is_of_calls else sums.runs).values(),
        rated=sums.ratings.values(),
    )
    return _with_run_latencies(figures, _all(sums.run_latencies))


def _all(histograms: Mapping[_Key, Counter[int]]) -> Counter[int]:
    together: Counter[int] = Counter()
    for histogram in histograms.values():
        together.update(histogram)
    return together


def _with_run_latencies(group: Group, latencies: Counter[int]) -> Group:
    p50, p95 = nearest_rank(latencies, 50), nearest_rank(latencies, 95)
    return replace(group, p50_run_latency_ms=p50, p95_run_latency_ms=p95)


def _figures(
    keys: _Key, runs: _Row, calls: _Row, latencies: Counter[int], *, judged: Iterable[_Row], rated: Iterable[_Row]
) -> Group:
    counts: dict[str, Any] = {column: runs[column] for column in _RUN_COUNTS}
    counts |= {column: calls.get(column, 0) for column in _CALL_COUNTS}
    (confidence, _), (rating, ratings) = _mean(judged, "confidence", "judged"), _mean(rated, "rating", "rated_runs")
    return Group(
        key=in_words(keys),
        keys=keys,
        **counts,
        mean_latency_ms=_mean_latency(latencies),
        p50_latency_ms=nearest_rank(latencies, 50),
        p95_latency_ms=nearest_rank(latencies, 95),
        mean_confidence=confidence,
        rated_runs=ratings,
        mean_rating=rating,
    )


def _mean(rows: Iterable[_Row], total: str, count: str) -> tuple[float | None, int]:
    """The mean over all rows from their totals and counts, and how many it is of."""
    pairs = list(rows)
    number = sum(row[count] for row in pairs)
    return (sum(row[total] for row in pairs) / number if number else None), number


def _mean_latency(histogram: Mapping[int, int]) -> float | None:
    """Of a histogram, a latency in milliseconds and how many calls took exactly that long; None without calls."""
    calls = sum(histogram.values())
    return sum(ms * count for ms, count in histogram.items()) / calls if calls else None
