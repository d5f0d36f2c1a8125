"""Settles the rows of processes that ended without doing so: they become `interrupted`, and are never silently
refunded.

A call that was only reserved was never sent and costs nothing. A call that was sent may have been billed and keeps its
worst case.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from .rows import to_micros

AWAY = "at a provider"  # in the place of a process: the run goes on in whatever process fetches what it waits for
_WHY = "it ended before the call was settled"


def running_processes(connection: sqlite3.Connection) -> list[str | None]:
    """The names of all processes with a run that is not finished, or with workers that have a lease; None stands for
    rows from before processes had names."""
    query = (
        "SELECT process FROM run_rows WHERE status = 'running' AND process IS NOT ?"
        " UNION SELECT process FROM leases WHERE status = 'held'"
    )
    return [name for (name,) in connection.execute(query, (AWAY,))]


def interrupt_orphans(connection: sqlite3.Connection, gone: Sequence[str | None], at: datetime) -> None:
    """Within a transaction: settle the runs and calls of processes that are gone. What they lent to workers stays set
    aside, as those may be at work."""
    for name in gone:
        runs = "run_id IN (SELECT run_id FROM run_rows WHERE status = 'running' AND process IS ?)"
        interrupt_calls(connection, runs, (name,), at)
        connection.execute(
            "UPDATE run_rows SET status = 'interrupted', ended_at = ?, error_code = 'interrupted', error_message = ?"
            " WHERE status = 'running' AND process IS ?",
            (to_micros(at), _WHY, name),
        )
        connection.execute("UPDATE leases SET status = 'lost' WHERE status = 'held' AND process IS ?", (name,))


def interrupt_calls(
    connection: sqlite3.Connection, which: str, parameters: Sequence[str | None], at: datetime
) -> list[sqlite3.Row]:
    """Within a transaction: settle the open calls that the condition `which` selects. Returns their new rows."""
    changed = connection.execute(
        "UPDATE call_rows SET ended_at = ?, error_code = 'interrupted', error_message = ?,"
        " cost_nanousd = CASE status WHEN 'reserved' THEN 0 ELSE reserved_nanousd END,"
        " cost_source = CASE WHEN status = 'reserved' THEN 'none'"
        " WHEN reserved_nanousd IS NULL THEN 'unpriced' ELSE 'estimate' END, status = 'interrupted'"
        f" WHERE status IN ('reserved', 'sent') AND {which} RETURNING call_id",
        (to_micros(at), _WHY, *parameters),
    ).fetchall()
    return [connection.execute("SELECT * FROM calls WHERE call_id = ?", tuple(row)).fetchone() for row in changed]
