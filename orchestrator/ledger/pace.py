"""How long models took: the 95th percentile of the latest completed calls of each.

The latest are those that were made last, in the order of their rows: a clock that was wrong once must neither keep new
calls out of the sample nor old ones in it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from .rows import to_micros
from .store import Ledger

_SAMPLE = 200  # calls of a model, at most: so many give its p95 to within a percentile or two
_FEWEST = 5  # below it the p95 is a guess; from it on, up to 19 calls, it is the slowest of them
_DAYS = 30  # older ones say little of how a model is served now
_CLOCK_TOLERANCE = timedelta(seconds=5)  # clocks are corrected by less than this all the time

_LATEST = """
    SELECT model, latency_ms, created_at, position FROM (
        SELECT model, latency_ms, created_at, rowid AS position,
               row_number() OVER (PARTITION BY model ORDER BY rowid DESC) AS place
        FROM calls
        WHERE simulated = ? AND created_at >= ? AND status = 'completed' AND latency_ms IS NOT NULL
    ) WHERE place <= ? ORDER BY model
"""
_OLDEST_AFTER = "SELECT min(created_at) FROM calls WHERE rowid > ?"


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

    Models with fewer than five calls in the last thirty days are left out. A call that is dated in the future was made
    under a wrong clock, then or now: it is as old as the oldest call that was made after it.
    """
    since, latest = to_micros(now - timedelta(days=_DAYS)), to_micros(now + _CLOCK_TOLERANCE)

    def query(connection: sqlite3.Connection) -> tuple[list[sqlite3.Row], set[str]]:
        rows = connection.execute(_LATEST, (int(simulated), since, _SAMPLE)).fetchall()
        ahead: dict[str, int] = {}
        for row in rows:
            if row["created_at"] > latest:
                ahead[row["model"]] = max(row["position"], ahead.get(row["model"], 0))
        stale = set()
        for model, position in ahead.items():
            (oldest,) = connection.execute(_OLDEST_AFTER, (position,)).fetchone()
            if oldest is not None and oldest < since:
                stale.add(model)
        return rows, stale

    rows, stale = ledger.read(query)
    latencies: dict[str, Counter[int]] = defaultdict(Counter)
    for row in rows:
        if not (row["created_at"] > latest and row["model"] in stale):
            latencies[row["model"]][row["latency_ms"]] += 1
    measured = {model: (nearest_rank(counts, 95), counts.total()) for model, counts in latencies.items()}
    return {model: (p95, calls) for model, (p95, calls) in measured.items() if p95 is not None and calls >= _FEWEST}
