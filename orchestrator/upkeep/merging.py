"""Brings the runs of another ledger into this one: each once, however often it is merged, and with the machine and the
account that it is from.

A run comes over with all that hangs on it, or not at all: whatever stops a merge, the next one goes on. What is under
way there stays, and so do its budgets and keys. Runs that were pruned or forgotten here do not come back; what is left
of those that were pruned there are sums, which nothing tells apart from sums that were merged before, so they stay too.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..deferred import dataclass
from ..errors import UsageError
from ..ledger import progress
from ..ledger.bringing import bring, is_known
from ..ledger.schema import MIGRATIONS, version_of
from ..ledger.store import Ledger, is_there
from ..ledger.transaction import as_ledger_errors, transaction

_BATCH = 200  # runs a transaction
_NEW = """
    SELECT rowid, run_id, source, source_key FROM other.run_rows
    WHERE rowid > ? AND status <> 'running' ORDER BY rowid LIMIT ?
"""
_HANGS_ON_IT = (
    "INSERT OR IGNORE INTO main.ratings (run_id, rating, rated_at, note)"
    " SELECT run_id, rating, rated_at, note FROM other.ratings WHERE run_id = ?",
    "INSERT OR IGNORE INTO main.repricings SELECT * FROM other.repricings"
    " WHERE call_id IN (SELECT call_id FROM other.call_rows WHERE run_id = ?)",
    """
    INSERT OR IGNORE INTO main.conversation_turns
    WITH RECURSIVE said (turn_id) AS (
        SELECT last_turn FROM other.conversations WHERE run_id = ?
        UNION
        SELECT previous FROM other.conversation_turns JOIN said USING (turn_id) WHERE previous IS NOT NULL
    )
    SELECT * FROM other.conversation_turns WHERE turn_id IN (SELECT turn_id FROM said)
    """,
    "INSERT OR IGNORE INTO main.conversations SELECT * FROM other.conversations WHERE run_id = ?",
)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge brought: runs and calls that are new here; `known` runs were here, or were taken out here."""

    runs: int = 0
    calls: int = 0
    known: int = 0
    pruned_days: int = 0


def merge(ledger: Ledger, other: Path, *, host: str | None, user: str | None) -> Merged:
    """Bring in the finished runs of another ledger. `host` and `user` are for its runs that do not say theirs.

    Raises UsageError if there is none, or it is this one, and LedgerError.
    """
    if not is_there(other):
        raise UsageError(f"there is no ledger at {other}")
    if other.resolve() == ledger.path:
        raise UsageError(f"{other} is the ledger itself: it has all of its runs")
    with as_ledger_errors(other), _current(other) as path, ledger.apart() as connection:
        connection.execute("ATTACH ? AS other", (f"{path.absolute().as_uri()}?mode=ro",))
        return _merge(connection, host, user)


def _merge(connection: sqlite3.Connection, host: str | None, user: str | None) -> Merged:
    (of,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM other.run_rows").fetchone()
    (pruned,) = connection.execute("SELECT count(DISTINCT day) FROM other.run_sums WHERE pruned").fetchone()
    runs = calls = known = last = 0
    while True:
        with transaction(connection):
            rows = connection.execute(_NEW, (last, _BATCH)).fetchall()
            for row in rows:
                last, run_id = row["rowid"], row["run_id"]
                if is_known(connection, row):
                    known += 1
                    continue
                runs, calls = runs + 1, calls + _bring(connection, run_id, host, user)
        if not rows:
            return Merged(runs, calls, known, pruned)
        progress.show("merging runs", last, of)


@contextmanager
def _current(other: Path) -> Iterator[Path]:
    """The other ledger in this program's schema: itself, or a copy that is brought there."""
    with tempfile.TemporaryDirectory(prefix="orch-merge-") as folder:
        copy = Path(folder) / "ledger.db"
        with closing(sqlite3.connect(f"{other.absolute().as_uri()}?mode=ro", uri=True)) as reading:
            is_current = version_of(reading) == len(MIGRATIONS)
            if not is_current:
                reading.execute("VACUUM INTO ?", (str(copy),))
        if not is_current:
            Ledger.open(copy).close()
        yield other if is_current else copy


def _bring(connection: sqlite3.Connection, run_id: str, host: str | None, user: str | None) -> int:
    """Within a transaction: one run with its calls and all that hangs on it. Returns the number of calls."""
    run = dict(connection.execute("SELECT * FROM other.runs WHERE run_id = ?", (run_id,)).fetchone())
    run |= {"host": run["host"] or host, "user": run["user"] or user}
    calls = connection.execute("SELECT * FROM other.calls WHERE run_id = ? ORDER BY rowid", (run_id,)).fetchall()
    bring(connection, run, [dict(call) for call in calls])
    for statement in _HANGS_ON_IT:
        connection.execute(statement, (run_id,))
    return len(calls)
