"""How long models took: the 95th percentile of the latest completed calls of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
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
    ) WHERE place <= ? ORDER BY model, latency_ms
"""


def nearest_rank(values: Sequence[int], percent: int) -> int:
    """A percentile of values in order, at least one: the smallest that so many per cent of them do not exceed."""
    return values[-(-percent * len(values) // 100) - 1]


def measured_p95(ledger: Ledger, *, simulated: bool, now: datetime) -> dict[str, tuple[int, int]]:
    """By model: its p95 latency in milliseconds, by nearest rank, and of how many calls. Raises LedgerError.

    Models of which there are fewer than five calls in the last thirty days are left out.
    """
    since = to_micros(now - timedelta(days=_DAYS))

    def query(connection: sqlite3.Connection) -> list[sqlite3.Row]:
        return connection.execute(_LATEST, (int(simulated), since, _SAMPLE)).fetchall()

    latencies: dict[str, list[int]] = {}
    for model, latency_ms in ledger.read(query):
        latencies.setdefault(model, []).append(latency_ms)
    return {model: (nearest_rank(found, 95), len(found)) for model, found in latencies.items() if len(found) >= _FEWEST}
