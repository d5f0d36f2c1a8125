"""Rotation among models: a counter for each ring of models, shared by every process."""

from __future__ import annotations

import sqlite3

from .store import Ledger


def rotation_counts(ledger: Ledger, *, simulated: bool) -> dict[str, int]:
    """The number of turns taken so far, by ring. Raises LedgerError."""
    query = "SELECT ring, taken FROM turns WHERE simulated = ?"
    return dict(ledger.read(lambda db: [tuple(row) for row in db.execute(query, (int(simulated),))]))


def advance_rotation(connection: sqlite3.Connection, ring: str, *, simulated: bool) -> int:
    """Within a transaction: take the next turn of a ring. Returns the number of turns taken before it."""
    change = (
        "INSERT INTO turns (simulated, ring, taken) VALUES (?, ?, 1)"
        " ON CONFLICT DO UPDATE SET taken = taken + 1 RETURNING taken - 1"
    )
    (before,) = connection.execute(change, (int(simulated), ring)).fetchone()
    return int(before)
