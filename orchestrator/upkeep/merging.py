"""Brings the runs of another ledger into this one: each once, however often it is merged, and with the machine and the
account that it is from.

A run comes over with all that hangs on it, or not at all: whatever stops a merge, the next one goes on. What is under
way there stays, and so do its budgets and keys. Runs that were pruned or forgotten here do not come back. Of those that
were pruned there the sums come, a day at a time, if none of the day's runs is known here, as a row or as pruned.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..clock import local_now
from ..deferred import dataclass, replace
from ..errors import UsageError
from ..ledger import progress
from ..ledger.bringing import bring, is_known
from ..ledger.schema import MIGRATIONS, version_of
from ..ledger.store import Ledger, is_there
from ..ledger.sum_tables import ALL, SUMS
from ..ledger.summing import sum_days
from ..ledger.transaction import as_ledger_errors, transaction

_BATCH = 200  # runs a transaction
_NEW = """
    SELECT rowid, run_id, source, source_key FROM other.run_rows
    WHERE rowid > ? AND status <> 'running' ORDER BY rowid LIMIT ?
"""
_SUMMED = "SELECT day FROM other.run_sums WHERE pruned AND grain = '' GROUP BY day"
_PRUNED_OF_DAY = """
    SELECT count(*), sum(
        EXISTS (SELECT 1 FROM main.run_rows WHERE run_rows.run_id = theirs.run_id)
        OR EXISTS (SELECT 1 FROM main.pruned_runs WHERE pruned_runs.run_id = theirs.run_id)
    ) FROM other.pruned_runs AS theirs WHERE day = ?
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
    summed_days: int = 0  # whose sums of pruned runs were brought
    pruned_days: int = 0  # whose sums of pruned runs stay there


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
        merged = _merge(connection, host, user)
        days = [_bring_sums(connection, day[0], host, user) for day in connection.execute(_SUMMED).fetchall()]
        merged = replace(merged, summed_days=days.count(True), pruned_days=days.count(False))
    sum_days(ledger, local_now().date())
    return merged


def _merge(connection: sqlite3.Connection, host: str | None, user: str | None) -> Merged:
    (of,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM other.run_rows").fetchone()
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
            return Merged(runs, calls, known)
        progress.show("merging runs", last, of)


def _bring_sums(connection: sqlite3.Connection, day: str, host: str | None, user: str | None) -> bool | None:
    """The sums of the runs of a day that were pruned there. Returns whether they came; None if they had come before."""
    with transaction(connection):
        theirs, known = connection.execute(_PRUNED_OF_DAY, (day,)).fetchone()
        if theirs and theirs == known:
            return None
        if not theirs or known:
            return False
        for table in SUMS:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            values = {name: name for name in names} | {
                name: f"CASE WHEN grain = '{ALL}' OR grain LIKE '%C%' THEN coalesce({name}, ?) END"
                for name in ("host", "user")
            }
            connection.execute(
                f"INSERT INTO main.{table} ({', '.join(names)}) SELECT {', '.join(values.values())}"
                f" FROM other.{table} WHERE day = ? AND pruned",
                (*(said for name, said in {"host": host, "user": user}.items() if name in names), day),
            )
        parts = ", ".join(row[1] for row in connection.execute("PRAGMA table_info(page_days)"))
        connection.execute(
            f"INSERT INTO main.page_days ({parts}) SELECT {parts} FROM other.page_days WHERE day = ? AND pruned", (day,)
        )
        connection.execute("INSERT INTO main.pruned_runs SELECT * FROM other.pruned_runs WHERE day = ?", (day,))
        return True


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
