"""Finds runs in the ledger."""

from __future__ import annotations

import sqlite3

from ..errors import UsageError
from .records import CallRecord, Recorded, RunRecord
from .rows import from_row
from .store import Ledger

LAST = "last"


def find_run(ledger: Ledger, wanted: str) -> Recorded:
    """A run by its id, by an unambiguous prefix of it, or, by the word `last`, the newest one.

    Raises UsageError if there is no such run, or more than one.
    """
    return ledger.read(lambda connection: _find_run(connection, wanted))


def has_runs(ledger: Ledger, *, simulated: bool) -> bool:
    """Whether there is any run of the kind: simulated, or not."""
    query = "SELECT EXISTS (SELECT 1 FROM run_rows WHERE simulated = ?)"
    return bool(ledger.read(lambda connection: connection.execute(query, (simulated,)).fetchone()[0]))


def _find_run(connection: sqlite3.Connection, wanted: str) -> Recorded:
    if wanted.lower() == LAST:
        # In the order in which they were made: a clock that was wrong once makes no run the last one for ever.
        rows = connection.execute("SELECT * FROM runs WHERE source IS NULL ORDER BY rowid DESC LIMIT 1").fetchall()
    else:
        # ULIDs have no case; a range instead of LIKE, so that no character of the argument is a wildcard.
        prefix = wanted.upper()
        rows = connection.execute(
            "SELECT * FROM runs WHERE run_id >= ? AND run_id < ? || char(0x10FFFF) LIMIT 2", (prefix, prefix)
        ).fetchall()
    if not rows:
        raise UsageError(f"no run {wanted!r} in the ledger", hint="orch stats lists the latest runs")
    if len(rows) > 1:
        raise UsageError(f"{wanted!r} is the beginning of more than one run: give more of the id")
    run = from_row(RunRecord, rows[0])
    calls = connection.execute("SELECT * FROM calls WHERE run_id = ? ORDER BY rowid", (run.run_id,)).fetchall()
    return Recorded(run, tuple(from_row(CallRecord, row) for row in calls))
