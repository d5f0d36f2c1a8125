"""Opening the ledger, and writing to it: every write is one `BEGIN IMMEDIATE` transaction, durable when it returns.

The file is created 0600 in a directory created 0700. Opening takes a file lock beside it for about a millisecond, so
that many processes may start on a ledger that does not exist yet: the first one makes it, the others find it made.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

from filelock import FileLock, Timeout

from ..errors import BudgetError, LedgerError
from ..money import format_nanousd
from .records import CallRecord, CallStatus, RunRecord
from .rows import columns_of, insert, update
from .schema import MIGRATIONS, migrate

BUSY_TIMEOUT_S = 30.0

T = TypeVar("T")


class Ledger:
    """One open ledger. Safe to use from several threads of one process; each write is a transaction of its own."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open for writing, creating or migrating the file as needed. Raises LedgerError, before anything is spent."""
        with _as_ledger_errors(path):
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            with FileLock(f"{path}.lock", timeout=BUSY_TIMEOUT_S, mode=0o600):
                connection = _connect(path, "rwc")
                try:
                    (journal_mode,) = connection.execute("PRAGMA journal_mode").fetchone()
                    if journal_mode != "wal":
                        connection.execute("PRAGMA journal_mode = WAL")
                    migrate(connection)
                    # A write that changes nothing, so that a read-only ledger is refused now and not after a call.
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
                    connection.execute("ROLLBACK")
                except BaseException:
                    connection.close()
                    raise
        return cls(path, connection)

    @classmethod
    def open_for_reading(cls, path: Path) -> Self | None:
        """Open without writing anything, or None if there is no ledger yet. Raises LedgerError if it is unusable."""
        if not path.exists() or path.stat().st_size == 0:
            return None
        with _as_ledger_errors(path):
            connection = _connect(path, "ro")
            try:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version > len(MIGRATIONS):
                    migrate(connection)  # says that the file is too new
                if version < len(MIGRATIONS):
                    connection.close()
                    return cls.open(path)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing -------------------------------------------------------------------------------------------------

    def start_run(self, run: RunRecord) -> None:
        with self._transaction() as connection:
            insert(connection, "runs", run)

    def reserve(self, call: CallRecord) -> None:
        """Insert a call with its worst case set aside, if the run's cap allows it; in one transaction.

        Raises BudgetError, with nothing written, if what the run has spent and reserved plus this worst case is more
        than its cap, or if the run has a cap and the call has no price.
        """
        with self._transaction() as connection:
            (cap,) = connection.execute("SELECT max_cost_nanousd FROM runs WHERE run_id = ?", (call.run_id,)).fetchone()
            if cap is not None:
                _check_cap(cap, _committed(connection, call.run_id), call)
            insert(connection, "calls", call)

    def mark_sent(self, call_id: str, at: datetime) -> None:
        """The last thing before the request leaves."""
        with self._transaction() as connection:
            update(connection, "calls", "call_id", call_id, {"status": CallStatus.SENT, "sent_at": at})

    def settle(self, call: CallRecord) -> None:
        """What became of a call: status, usage, cost."""
        with self._transaction() as connection:
            update(connection, "calls", "call_id", call.call_id, columns_of(call))

    def judge(self, call_id: str, confidence: float, verdict: str) -> None:
        """What was thought of a call's answer; `verdict` is a JSON object."""
        with self._transaction() as connection:
            update(connection, "calls", "call_id", call_id, {"confidence": confidence, "verdict": verdict})

    def finish_run(self, run: RunRecord) -> None:
        with self._transaction() as connection:
            update(connection, "runs", "run_id", run.run_id, columns_of(run))

    def committed_nanousd(self, run_id: str) -> int:
        """What a run has spent and reserved so far."""
        return self.read(lambda connection: _committed(connection, run_id))

    # -- reading -------------------------------------------------------------------------------------------------

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query function on the connection, one at a time. Raises LedgerError."""
        with self._lock, _as_ledger_errors(self.path):
            return query(self._connection)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _as_ledger_errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,  # transactions are begun and ended here, in words
        check_same_thread=False,  # guarded by a lock
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@contextmanager
def _as_ledger_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except Timeout as error:
        raise LedgerError(f"the ledger {path} stayed locked for {BUSY_TIMEOUT_S:.0f} s") from error
    except (sqlite3.Error, OSError, ValueError) as error:
        raise LedgerError(
            f"the ledger {path} cannot be used: {error}",
            hint="nothing was sent; name another file with --ledger or ORCH_LEDGER",
        ) from error


def _committed(connection: sqlite3.Connection, run_id: str) -> int:
    (total,) = connection.execute(
        "SELECT coalesce(sum(coalesce(cost_nanousd, reserved_nanousd, 0)), 0) FROM calls WHERE run_id = ?", (run_id,)
    ).fetchone()
    return int(total)


def _check_cap(cap: int, committed: int, call: CallRecord) -> None:
    if call.reserved_nanousd is None:
        raise BudgetError(f"{call.model} has no known price, so it cannot be called under a cost cap")
    left = cap - committed
    if call.reserved_nanousd > left:
        raise BudgetError(
            f"a call to {call.model} could cost {format_nanousd(call.reserved_nanousd)}, "
            f"and {format_nanousd(max(left, 0))} of the run's {format_nanousd(cap)} is left",
            hint="raise --max-cost, lower --max-tokens, or name a cheaper model",
        )
