"""How long models took: the 95th percentile of the latest completed calls of each."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from .rows import to_micros
from .store import Ledger

_SAMPLE = 200  # calls of a model, at most: so many give its p95 to within a percentile or two
_FEWEST = 5  # below it the p95 is a guess; from it on, up to 19 calls, it is the slowest of them
_DAYS = 30  # older ones say little of how a model is served now
_CLOCK_TOLERANCE = timedelta(seconds=5)  # clocks are corrected by less than this all the time

_LATEST = """
    SELECT latency_ms FROM call_rows
    WHERE simulated = ? AND model = ? AND created_at BETWEEN ? AND ? AND status = 'completed' AND latency_ms IS NOT NULL
    ORDER BY created_at DESC LIMIT ?
"""
_FROM_THE_FUTURE = """
    SELECT latency_ms, rowid AS position FROM call_rows
    WHERE simulated = ? AND model = ? AND created_at > ? AND status = 'completed' AND latency_ms IS NOT NULL
    ORDER BY rowid DESC LIMIT ?
"""
_MODELS = "SELECT DISTINCT model FROM call_rows WHERE simulated = ?"
_OLDEST_AFTER = "SELECT min(created_at) FROM call_rows WHERE rowid > ?"
# An answer that another one bore out was not accepted by itself: the cascade went on.
_JUDGED = """
    SELECT model, avg(confidence >= ? AND verdict NOT LIKE '%"agreement"%') FROM (
        SELECT model, confidence, coalesce(verdict, '') AS verdict,
            row_number() OVER (PARTITION BY model ORDER BY created_at DESC) AS place
        FROM call_rows
        WHERE simulated = ? AND created_at >= ? AND status = 'completed' AND confidence IS NOT NULL
    ) WHERE place <= ? GROUP BY model HAVING count(*) >= ?
"""


def accepted_shares(ledger: Ledger, threshold: float, *, simulated: bool, now: datetime) -> dict[str, float]:
    """By model, the share of its latest answers whose confidence reached a threshold, 0 to 1; models with fewer than
    five in the last thirty days are left out. Raises LedgerError."""
    since = to_micros(now - timedelta(days=_DAYS))
    values = (threshold, int(simulated), since, _SAMPLE, _FEWEST)
    return dict(ledger.read(lambda connection: [tuple(row) for row in connection.execute(_JUDGED, values)]))


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

    def query(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
        models = [row[0] for row in connection.execute(_MODELS, (int(simulated),))]
        return p95_of(connection, models, simulated=simulated, now=now)

    return ledger.read(query)


def p95_of(
    connection: sqlite3.Connection, models: Iterable[str], *, simulated: bool, now: datetime
) -> dict[str, tuple[int, int]]:
    """`measured_p95` of these models alone."""
    measured = {}
    for model in models:
        latencies = Counter(_latest(connection, int(simulated), model, now))
        p95 = nearest_rank(latencies, 95)
        if p95 is not None and latencies.total() >= _FEWEST:
            measured[model] = (p95, latencies.total())
    return measured


def _latest(connection: sqlite3.Connection, simulated: int, model: str, now: datetime) -> list[int]:
    """The latencies of a model's latest calls.

    A call with a date in the future was made under a clock that was wrong then, or is wrong now. Such calls fill up the
    sample, so that a clock that was set back loses no measurement. They are as old as the oldest call made after them.
    """
    since, until = to_micros(now - timedelta(days=_DAYS)), to_micros(now + _CLOCK_TOLERANCE)
    latencies = [row[0] for row in connection.execute(_LATEST, (simulated, model, since, until, _SAMPLE))]
    ahead = connection.execute(_FROM_THE_FUTURE, (simulated, model, until, _SAMPLE - len(latencies))).fetchall()
    if ahead:
        (oldest_after,) = connection.execute(_OLDEST_AFTER, (ahead[0]["position"],)).fetchone()
        if oldest_after is None or oldest_after >= since:
            latencies += [row["latency_ms"] for row in ahead]
    return latencies
