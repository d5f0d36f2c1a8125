"""The rate limits of models, divided between a ledger's own processes and the workers that have leases.

An account's limit holds for everybody who uses it. So a lease has a share of each model's limits: the owner's processes
keep to what is left, and the worker keeps to its share, which stands in its own ledger.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from ..deferred import replace
from ..registry.model import RateLimits, lower

FIELDS = ("rpm", "tpm", "rpd", "tpd")


def set_shares(connection: sqlite3.Connection, shares: Mapping[str, RateLimits], *, simulated: bool) -> None:
    """Within a transaction, in a worker's own ledger: the shares that it has."""
    connection.executemany(
        "INSERT OR REPLACE INTO rate_shares VALUES (?, ?, ?, ?, ?, ?)",
        [(simulated, model, *(getattr(share, field) for field in FIELDS)) for model, share in shares.items()],
    )


def limits_here(connection: sqlite3.Connection, key: tuple[bool, str], limits: RateLimits, now: int) -> RateLimits:
    """What is left of a model's limits for the processes of this ledger, beside what is lent; in a worker's ledger, its
    share. A limit of 0 lets nothing through."""
    share = connection.execute(
        "SELECT rpm, tpm, rpd, tpd FROM rate_shares WHERE simulated = ? AND model = ?", key
    ).fetchone()
    if share is not None:
        limits = RateLimits(*(lower(getattr(limits, field), share[field]) for field in FIELDS))
    if connection.execute("SELECT 1 FROM lease_rates LIMIT 1").fetchone() is None:
        return limits
    lent = lent_of(connection, key, now)
    left = {
        field: max(0, limit - (getattr(lent, field) or 0))
        for field in FIELDS
        if (limit := getattr(limits, field)) is not None
    }
    return replace(limits, **left)


def lent_of(connection: sqlite3.Connection, key: tuple[bool, str], now: int, but: str = "") -> RateLimits:
    """The sum of all shares of a model but those of one lease."""
    row = connection.execute(
        "SELECT sum(rpm), sum(tpm), sum(rpd), sum(tpd) FROM lease_rates JOIN leases USING (lease_id)"
        " WHERE simulated = ? AND model = ? AND lease_id <> ? AND (status IN ('held', 'lost') OR rates_until > ?)",
        (*key, but, now),
    ).fetchone()
    return RateLimits(*row)
