"""Whose turn it is, among models that take turns: a counter for each ring of them, shared by every process."""

from __future__ import annotations

import sqlite3

from .store import Ledger


def turns_taken(ledger: Ledger, *, simulated: bool) -> dict[str, int]:
    """How many turns were taken in each ring. Raises LedgerError."""
    query = "SELECT ring, taken FROM turns WHERE simulated = ?"
    return dict(ledger.read(lambda db: [tuple(row) for row in db.execute(query, (int(simulated),))]))


def take_turn(connection: sqlite3.Connection, ring: str, *, simulated: bool) -> int:
    """Within a transaction: take the next turn; gives how many were taken before it."""
    change = (
        "INSERT INTO turns (simulated, ring, taken) VALUES (?, ?, 1)"
        " ON CONFLICT DO UPDATE SET taken = taken + 1 RETURNING taken - 1"
    )
    (before,) = connection.execute(change, (int(simulated), ring)).fetchone()
    return int(before)
