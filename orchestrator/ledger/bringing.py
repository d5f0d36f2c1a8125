"""Brings a run from another ledger into this one, with all of its calls or not at all, and never twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from .rows import change_row, insert_row
from .views import ROWS, worked_out

Row = Mapping[str, Any]


def is_known(connection: sqlite3.Connection, run: Row) -> bool:
    """Whether a run is here already, or was taken out here: by its id, or by its mark in another tool's log."""
    row = connection.execute(
        "SELECT 1 FROM main.run_rows WHERE run_id = ? UNION ALL SELECT 1 FROM main.pruned_runs WHERE run_id = ?"
        " UNION ALL SELECT 1 FROM main.run_rows WHERE source = ? AND source_key = ?",
        (run["run_id"], run["run_id"], run["source"], run["source_key"]),
    ).fetchone()
    return row is not None


def bring(connection: sqlite3.Connection, run: Row, calls: Sequence[Row]) -> None:
    """Within a transaction: insert a run and its calls, given as rows of the views `runs` and `calls`."""
    columns = dict(run)
    # The answer comes last, as the calls' are looked up for it.
    answer = columns.pop("response")
    for name in worked_out(connection, ROWS["runs"]):
        columns.pop(name, None)
    _insert(connection, "runs", columns)
    for call in calls:
        _insert(connection, "calls", dict(call))
    if answer is not None:
        change_row(connection, "runs", "run_id", run["run_id"], ("response",), [answer], run["run_id"])


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    row.pop("rowid", None)
    insert_row(connection, table, tuple(row), list(row.values()), str(row["run_id"]))
