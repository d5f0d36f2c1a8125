"""How long models took: the 95th percentile of the latest completed calls of each."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from .rows import to_micros
from .store import Ledger

_SAMPLE = 200  # calls of a model, at most: so many give its p95 to within a percentile or two
_FEWEST = 5  # below it the p95 is a guess; from it on, up to 19 calls, it is the slowest of them
_DAYS = 30  # older ones say little of how a model is served now

_LATEST = """
    SELECT model, latency_ms FROM (
        SELECT model, latency_ms, row_number() OVER (PARTITION BY model ORDER BY created_at DESC) AS place
        FROM calls
        WHERE simulated = ? AND created_at >= ? AND status = 'completed' AND latency_ms IS NOT NULL
    ) WHERE place <= ? ORDER BY model
"""
_LATEST_OF_MODEL = """
    SELECT model, latency_ms FROM calls
    WHERE simulated = ? AND model = ? AND created_at >= ? AND status = 'completed' AND latency_ms IS NOT NULL
    ORDER BY created_at DESC LIMIT ?
"""


def nearest_rank(histogram: Mapping[int, int], percent: int) -> int | None:
    """A percentile of values, given as a histogram: the smallest value that at least `percent` % of them do not exceed;
    None without values.

    The result is always one of the values: nothing is interpolated. A histogram needs no more memory for more calls.
    """
    rank = -(-sum(histogram.values()) * percent // 100)
    seen = 0
    for value in sorted(histogram):
        seen += histogram[value]
        if seen >= rank:
            return value
    return None


def measured_p95(ledger: Ledger, *, simulated: bool, now: datetime) -> dict[str, tuple[int, int]]:
    """For each model its p95 latency in milliseconds, by nearest rank, and the number of calls. Raises LedgerError.

    Models with fewer than five calls in the last thirty days are left out.
    """
    since = _since(now)

    def query(connection: sqlite3.Connection) -> list[sqlite3.Row]:
        return connection.execute(_LATEST, (int(simulated), since, _SAMPLE)).fetchall()

    return _p95s(ledger.read(query))


def p95_of(
    connection: sqlite3.Connection, models: Iterable[str], *, simulated: bool, now: datetime
) -> dict[str, tuple[int, int]]:
    """`measured_p95` of these models alone."""
    found: list[sqlite3.Row] = []
    for model in models:
        found += connection.execute(_LATEST_OF_MODEL, (int(simulated), model, _since(now), _SAMPLE))
    return _p95s(found)


def _since(now: datetime) -> int:
    return to_micros(now - timedelta(days=_DAYS))


def _p95s(rows: Iterable[sqlite3.Row]) -> dict[str, tuple[int, int]]:
    latencies: dict[str, Counter[int]] = defaultdict(Counter)
    for model, latency_ms in rows:
        latencies[model][latency_ms] += 1
    measured = {model: (nearest_rank(counts, 95), counts.total()) for model, counts in latencies.items()}
    return {model: (p95, calls) for model, (p95, calls) in measured.items() if p95 is not None and calls >= _FEWEST}
