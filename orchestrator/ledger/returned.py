"""The rows that a worker's ledger has for its owner: read there, taken in here within the worker's lease.

worker's ledger ── returned_runs ──► JSON ── take_in_returned ──► owner's ledger, and out of the lease's holds
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..deferred import dataclass
from .bringing import bring, is_known
from .leases import lease_of, note_spent

_TURNS = """
    WITH RECURSIVE said (turn_id) AS (
        SELECT last_turn FROM conversations WHERE run_id = ?
        UNION
        SELECT previous FROM conversation_turns JOIN said USING (turn_id) WHERE previous IS NOT NULL
    )
    SELECT turn_id, previous, message FROM conversation_turns WHERE turn_id IN (SELECT turn_id FROM said)
"""


@dataclass(frozen=True, slots=True)
class ReturnedRun:
    """A run as a worker's ledger has it: rows of `runs`, `calls` and `conversation_turns`, which JSON can hold."""

    run: Mapping[str, Any]
    calls: Sequence[Mapping[str, Any]]
    turns: Sequence[Sequence[Any]] = ()
    last_turn: str | None = None

    @property
    def cost_nanousd(self) -> int:
        """What its calls count for in budgets."""
        return sum(_committed(call) for call in self.calls)


def returned_runs(connection: sqlite3.Connection, first: str, last: str) -> list[ReturnedRun]:
    """The runs of a worker's ledger with ids in this range that have ended, in order."""
    found = []
    query = "SELECT * FROM runs WHERE run_id BETWEEN ? AND ? AND status <> 'running' ORDER BY run_id"
    for row in connection.execute(query, (first, last)).fetchall():
        run_id = row["run_id"]
        calls = connection.execute("SELECT * FROM calls WHERE run_id = ? ORDER BY rowid", (run_id,)).fetchall()
        said = connection.execute("SELECT last_turn FROM conversations WHERE run_id = ?", (run_id,)).fetchone()
        turns = [] if said is None else connection.execute(_TURNS, (run_id,)).fetchall()
        found.append(
            ReturnedRun(
                dict(row), [dict(call) for call in calls], [tuple(turn) for turn in turns], said and said["last_turn"]
            )
        )
    return found


def take_in_returned(connection: sqlite3.Connection, lease_id: str, returned: Sequence[ReturnedRun]) -> int:
    """Within a transaction: insert the runs that are new here, and move their cost out of the lease's holds. They get
    the lease's day. Returns what they cost, in nano-dollars."""
    day, cost = lease_of(connection, lease_id).day, 0
    for each in returned:
        if is_known(connection, each.run):
            continue
        bring(connection, {**each.run, "day": day}, [{**call, "day": day} for call in each.calls])
        for turn in each.turns:
            connection.execute("INSERT OR IGNORE INTO conversation_turns VALUES (?, ?, ?)", tuple(turn))
        if each.last_turn is not None:
            connection.execute(
                "INSERT OR IGNORE INTO conversations VALUES (?, ?)", (each.run["run_id"], each.last_turn)
            )
        note_spent(connection, lease_id, each.run, each.calls)
        cost += each.cost_nanousd
    return cost


def _committed(call: Mapping[str, Any]) -> int:
    cost = call["cost_nanousd"]
    return int(cost if cost is not None else call["reserved_nanousd"] or 0)
