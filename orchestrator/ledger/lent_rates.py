"""Lends shares of models' rate limits to workers on other machines, with their leases (leases.py), and takes them back.

A little is always left for the owner's own processes. A share that is given back is free when the last requests under
it are a minute old.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from ..registry.model import RateLimits
from .limits import Window, count_elsewhere, learned_limits, used_of
from .rate_shares import FIELDS, lent_of

_KEPT = 50  # the owner keeps one part in so many, and at least 1
_UNLIMITED = RateLimits()


def lend_rates(
    connection: sqlite3.Connection,
    lease_id: str,
    limits: Mapping[str, RateLimits],
    *,
    simulated: bool,
    sharers: int,
    now: int,
) -> dict[str, RateLimits]:
    """Within a transaction: give a lease its share of the limits of these models, as one of so many workers that share
    them. Returns the shares; one of 0 lets nothing through. `now` is in microseconds.

    What calls of this machine have taken in the last minute is not lent, so a first share can be smaller than a later
    one. A share shrinks only if more is lent than there is, as when a provider reports a lower limit.
    """
    shares = {}
    for model, of_registry in limits.items():
        key = (simulated, model)
        learned = learned_limits(connection, key, now)
        limit = of_registry if learned is None else learned.tighten(of_registry)
        if limit == _UNLIMITED:
            continue
        others, mine = lent_of(connection, key, now, but=lease_id), _share(connection, lease_id, model)
        used = used_of(connection, key, now)
        in_use = (used.requests_in_minute, used.tokens_in_minute, used.requests_in_day, used.tokens_in_day)
        amounts = {
            field: _amount(getattr(limit, field), getattr(mine, field) or 0, getattr(others, field) or 0, busy, sharers)
            for field, busy in zip(FIELDS, in_use, strict=True)
        }
        shares[model] = share = RateLimits(**amounts)
        connection.execute(
            "INSERT INTO lease_rates VALUES (?, ?, ?, ?, ?, ?, 0, 0) ON CONFLICT DO UPDATE SET"
            " rpm = excluded.rpm, tpm = excluded.tpm, rpd = excluded.rpd, tpd = excluded.tpd",
            (lease_id, model, share.rpm, share.tpm, share.rpd, share.tpd),
        )
    return shares


def count_days(connection: sqlite3.Connection, lease_id: str, calls: Iterable[Mapping[str, Any]]) -> None:
    """Within a transaction: count calls that came back in what was used of a lease's shares."""
    connection.executemany(
        "UPDATE lease_rates SET used_requests = used_requests + 1, used_tokens = used_tokens + ?"
        " WHERE lease_id = ? AND model = ?",
        [
            (call["input_tokens"] + call["output_tokens"], lease_id, call["model"])
            for call in calls
            if call["sent_at"] is not None
        ],
    )


def end_rates(connection: sqlite3.Connection, lease_id: str, now: int, *, known: bool) -> None:
    """Within a transaction: give back a lease's shares. What may have been used of those of a minute is free after a
    minute: no more than all that was used, if that is `known`. What was used of those of a day counts in the day."""
    rows = connection.execute(
        "SELECT simulated, model, used_requests, used_tokens FROM lease_rates JOIN leases USING (lease_id)"
        " WHERE lease_id = ? AND used_requests AND (rpd IS NOT NULL OR tpd IS NOT NULL)",
        (lease_id,),
    ).fetchall()
    for simulated, model, requests, tokens in rows:
        count_elsewhere(connection, (bool(simulated), model), now, requests, tokens)
    used = ", rpm = min(rpm, used_requests), tpm = min(tpm, used_tokens)" if known else ""
    connection.execute(f"UPDATE lease_rates SET rpd = NULL, tpd = NULL{used} WHERE lease_id = ?", (lease_id,))
    connection.execute("UPDATE leases SET rates_until = ? WHERE lease_id = ?", (now + Window().span, lease_id))


def _amount(limit: int | None, mine: int, others: int, busy: int, sharers: int) -> int | None:
    """A worker's share of one limit, when it has `mine` and others have `others`, and this machine used `busy`."""
    if limit is None:
        return None
    pool = limit - max(1, limit // _KEPT)
    fair = max(0, pool // sharers)
    if mine + others > pool:
        return min(mine, fair)
    return max(mine, min(fair, pool - others - busy))


def _share(connection: sqlite3.Connection, lease_id: str, model: str) -> RateLimits:
    row = connection.execute(
        "SELECT rpm, tpm, rpd, tpd FROM lease_rates WHERE lease_id = ? AND model = ?", (lease_id, model)
    ).fetchone()
    return _UNLIMITED if row is None else RateLimits(*row)
