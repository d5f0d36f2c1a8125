"""Adding up the ledger: calls joined to their runs, grouped, in a few SELECTs on one snapshot.

A run's cost stands nowhere in the ledger: it is the sum over its calls. SQLite adds in 64-bit integers and fails,
rather than wrap around, above nine thousand million dollars.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..deferred import replace
from ..ledger.pace import nearest_rank
from ..ledger.store import Ledger
from .model import By, Group, Report
from .selection import Selection, in_one_snapshot

_KEYS = {
    By.MODEL: "calls.model",
    By.PROVIDER: "calls.provider",
    By.STRATEGY: "runs.strategy",
    By.TASK: "runs.task",
    By.LEVEL: "runs.level",
    By.CATEGORY: "runs.category",
    By.DAY: "runs.day",
}
_NO_KEY = "NULL"

_CALL_SUMS = """
    SELECT {key} AS key,
           count(DISTINCT calls.run_id) AS runs,
           count(*) AS calls,
           sum(calls.status = 'failed') AS failed_calls,
           sum(calls.status = 'interrupted') AS interrupted_calls,
           sum(calls.cost_source IS NULL) AS unsettled_calls,
           sum(calls.cost_source IS NOT NULL AND calls.cost_nanousd IS NULL) AS unpriced_calls,
           sum(calls.cost_source IS 'estimate') AS estimated_calls,
           coalesce(sum(calls.cost_nanousd), 0) AS cost_nanousd,
           coalesce(sum(CASE WHEN calls.cost_source IS NULL THEN calls.reserved_nanousd END), 0) AS reserved_nanousd,
           sum(calls.input_tokens) AS input_tokens,
           sum(calls.output_tokens) AS output_tokens,
           sum(calls.cached_tokens) AS cached_tokens,
           sum(calls.cache_write_tokens) AS cache_write_tokens,
           sum(calls.reasoning_tokens) AS reasoning_tokens,
           total(calls.confidence) AS confidence,
           count(calls.confidence) AS judged
    FROM runs JOIN calls ON calls.run_id = runs.run_id
    WHERE {where}
    GROUP BY 1
"""

_RUN_SUMS = """
    SELECT {key} AS key,
           count(*) AS runs,
           sum(runs.status = 'complete') AS complete_runs,
           sum(runs.status <> 'running') AS finished_runs,
           coalesce(sum((SELECT min(model) <> max(model) FROM calls WHERE calls.run_id = runs.run_id)), 0)
               AS multi_model_runs,
           total(runs.confidence) AS confidence,
           count(runs.confidence) AS judged
    FROM runs
    WHERE {where}
    GROUP BY 1
"""

# How often each latency occurs: exact percentiles in memory that does not grow with the number of calls.
_LATENCIES = """
    SELECT {key} AS key, calls.latency_ms AS latency_ms, count(*) AS calls
    FROM runs JOIN calls ON calls.run_id = runs.run_id
    WHERE calls.status = 'completed' AND calls.latency_ms IS NOT NULL AND {where}
    GROUP BY 1, 2
"""

# What the user waited for: a run is as long as its calls, one after the other, and the waits between them.
_RUN_LATENCIES = """
    SELECT {key} AS key, runs.latency_ms AS latency_ms, count(*) AS runs
    FROM runs
    WHERE runs.status = 'complete' AND runs.latency_ms IS NOT NULL AND {where}
    GROUP BY 1, 2
"""

# A rating is of the run's answer, so it counts for the model that gave it, and for that model's provider.
_RATINGS = """
    SELECT {key} AS key, count(*) AS rated_runs, total(ratings.rating) AS rating
    FROM runs JOIN ratings ON ratings.run_id = runs.run_id
    WHERE {where}
    GROUP BY 1
"""
_RATING_KEYS = {
    By.MODEL: "runs.model_used",
    By.PROVIDER: "(SELECT provider FROM calls WHERE calls.run_id = runs.run_id AND calls.model = runs.model_used)",
}

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
)

_Key = str | None
_Row = Mapping[str, Any]  # numbers by the name of their column


class _Sums(NamedTuple):
    """What the SELECTs found, by key."""

    runs: dict[_Key, _Row]
    calls: dict[_Key, _Row]
    latencies: dict[_Key, Counter[int]]
    run_latencies: dict[_Key, Counter[int]]
    ratings: dict[_Key, _Row]


def summarise(ledger: Ledger | None, selection: Selection, *, by: By) -> Report:
    """The selected runs and their calls, by one of their properties. No ledger is one without runs.

    Raises LedgerError.
    """
    sums = _Sums({}, {}, {}, {}, {})
    if ledger is not None:
        sums = in_one_snapshot(ledger, lambda connection: _sums(connection, selection, by))
    total = _total(sums, by)
    groups = [_group(sums, key, by) for key in (sums.calls if by.is_of_calls else sums.runs)]
    groups.sort(key=lambda group: group.key or "")
    if by is not By.DAY:
        groups.sort(key=lambda group: (group.cost_nanousd, group.calls, group.runs), reverse=True)
    return Report(
        by=by,
        selection=selection,
        groups=tuple(group.with_share_of(total.cost_nanousd) for group in groups),
        total=total.with_share_of(total.cost_nanousd),
    )


def overall(connection: sqlite3.Connection, selection: Selection, *, name: str) -> Group:
    """All selected runs and calls as one group, keyed by `name`."""
    return _total(_sums(connection, selection, None), None, name=name)


def _sums(connection: sqlite3.Connection, selection: Selection, by: By | None) -> _Sums:
    key = _KEYS[by] if by else _NO_KEY
    run_key = _NO_KEY if by and by.is_of_calls else key
    rating_key = _RATING_KEYS.get(by, key) if by else key
    where, parameters = selection.where()

    def rows(sql: str, key: str) -> Iterable[sqlite3.Row]:
        return connection.execute(sql.format(key=key, where=where), parameters)

    def histograms(sql: str) -> dict[_Key, Counter[int]]:
        counters: dict[_Key, Counter[int]] = defaultdict(Counter)
        for group, ms, count in rows(sql, key):
            counters[group][ms] = count
        return counters

    return _Sums(
        runs={row["key"]: dict(row) for row in rows(_RUN_SUMS, run_key)},
        calls={row["key"]: dict(row) for row in rows(_CALL_SUMS, key)},
        latencies=histograms(_LATENCIES),
        run_latencies={} if by and by.is_of_calls else histograms(_RUN_LATENCIES),
        ratings={row["key"]: dict(row) for row in rows(_RATINGS, rating_key)},
    )


def _group(sums: _Sums, key: _Key, by: By) -> Group:
    calls, latencies = sums.calls.get(key, {}), sums.latencies.get(key, Counter())
    rated = [sums.ratings[key]] if key in sums.ratings else []
    if by.is_of_calls:
        unknown = dict.fromkeys(_RUN_COUNTS) | {"runs": calls["runs"]}
        return _figures(key, unknown, calls, latencies, judged=[calls], rated=rated)
    runs = sums.runs[key]
    figures = _figures(key, runs, calls, latencies, judged=[runs], rated=rated)
    return _with_run_latencies(figures, sums.run_latencies.get(key, Counter()))


def _total(sums: _Sums, by: By | None, *, name: str | None = None) -> Group:
    """The sum over all groups; runs are counted on the runs themselves, so each of them once."""
    figures = _figures(
        name,
        {column: sum(row[column] for row in sums.runs.values()) for column in _RUN_COUNTS},
        {column: sum(row[column] for row in sums.calls.values()) for column in _CALL_COUNTS},
        _all(sums.latencies),
        judged=(sums.calls if by and by.is_of_calls else sums.runs).values(),
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
    key: _Key, runs: _Row, calls: _Row, latencies: Counter[int], *, judged: Iterable[_Row], rated: Iterable[_Row]
) -> Group:
    counts: dict[str, Any] = {column: runs[column] for column in _RUN_COUNTS}
    counts |= {column: calls.get(column, 0) for column in _CALL_COUNTS}
    (confidence, _), (rating, ratings) = _mean(judged, "confidence", "judged"), _mean(rated, "rating", "rated_runs")
    return Group(
        key=key,
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
