"""Opening the ledger, and writing to it: every write is one `BEGIN IMMEDIATE` transaction, durable when it returns.

The file is created 0600 in a directory created 0700. Opening takes a file lock beside it for about a millisecond, so
that many processes may start on a ledger that does not exist yet: the first one makes it, the others find it made.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from filelock import Timeout

from ..errors import BudgetError, LedgerError
from ..money import format_nanousd
from .budgets import Alert, check_budgets, left_nanousd, new_alerts
from .orphans import interrupt_calls, interrupt_orphans, running_processes
from .process import Presence, is_gone, opening_lock, remove_dead
from .records import CallRecord, CallStatus, RunRecord
from .rows import columns_of, insert, update
from .schema import MIGRATIONS, migrate, version_of
from .spool import spooled, take_in

BUSY_TIMEOUT_S = 30.0
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.0002, 0.004

T = TypeVar("T")


class Ledger:
    """One open ledger. Safe to use from several threads of one process; each write is a transaction of its own."""

    def __init__(self, path: Path, connection: sqlite3.Connection, presence: Presence | None = None) -> None:
        self.path = path
        self._connection = connection
        self._presence = presence
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open for writing, creating or migrating the file as needed. Raises LedgerError, before anything is spent.

        What earlier processes left unsettled is settled here: rows of those that died, and settlements in a spool.
        """
        with _as_ledger_errors(path):
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_is_ours(path)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with opening_lock(path, BUSY_TIMEOUT_S):
                connection = _connect(path, "rwc")
                try:
                    version_of(connection)  # before anything is changed in a file that is not ours
                    (journal_mode,) = connection.execute("PRAGMA journal_mode").fetchone()
                    if journal_mode != "wal":
                        connection.execute("PRAGMA journal_mode = WAL")
                    migrate(connection)
                    _tidy(connection, path)
                    presence = Presence.announce(path)
                except BaseException:
                    connection.close()
                    raise
        return cls(path, connection, presence)

    @classmethod
    def in_memory(cls) -> Self:
        """A ledger like any other that is gone when it is closed: for runs that only play what was recorded."""
        connection = _set_up(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
        migrate(connection)
        return cls(Path(":memory:"), connection)

    @classmethod
    def open_for_reading(cls, path: Path) -> Self | None:
        """Open to look things up, or None if there is no ledger yet. Raises LedgerError if it is unusable.

        Nothing is written, unless the ledger needs a migration or holds what a dead process left unsettled.
        """
        if not path.exists() or path.stat().st_size == 0:
            return None
        with _as_ledger_errors(path):
            connection = _connect_for_reading(path)
            try:
                version = version_of(connection)
                if version == len(MIGRATIONS) and not (spooled(path) or _gone(connection, path)):
                    return cls(path, connection)
            except BaseException:
                connection.close()
                raise
        try:
            writable = cls.open(path)
        except LedgerError:
            if version < len(MIGRATIONS):
                connection.close()
                raise
            return cls(path, connection)  # it cannot be tidied, but it can be read
        connection.close()
        return writable

    def close(self) -> None:
        with self._lock:
            self._connection.close()
            if self._presence is not None:
                self._presence.withdraw()

    @property
    def process(self) -> str | None:
        """The name under which this process's runs are recorded; None if it only reads."""
        return None if self._presence is None else self._presence.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing -------------------------------------------------------------------------------------------------

    def start_run(self, run: RunRecord) -> None:
        with self._transaction() as connection:
            insert(connection, "runs", run)

    def reserve(self, calls: Sequence[CallRecord], exempt: Collection[str] = ()) -> None:
        """Insert calls of one run with their worst cases set aside, all of them or none, in one transaction.

        Raises BudgetError, with nothing written, if they do not fit together into the run's cap and every budget that
        applies. A free call, or one whose id is in `exempt`, is not held against them.
        """
        with self._transaction() as connection:
            counted = [call for call in calls if call.call_id not in exempt and call.reserved_nanousd != 0]
            if counted:
                _check_cap(connection, counted)
                check_budgets(connection, counted)
            for call in calls:
                insert(connection, "calls", call)

    def mark_sent(self, call_id: str, at: datetime) -> None:
        """The last thing before the request leaves."""
        with self._transaction() as connection:
            update(connection, "calls", "call_id", call_id, {"status": CallStatus.SENT, "sent_at": at})

    def settle(self, call: CallRecord) -> tuple[Alert, ...]:
        """What became of a call: status, usage, cost. Gives the budget alerts that this brings about."""
        with self._transaction() as connection:
            update(connection, "calls", "call_id", call.call_id, columns_of(call))
            return new_alerts(connection, call, call.ended_at or call.created_at)

    def judge(self, call_id: str, confidence: float, verdict: str) -> None:
        """What was thought of a call's answer; `verdict` is a JSON object."""
        with self._transaction() as connection:
            update(connection, "calls", "call_id", call_id, {"confidence": confidence, "verdict": verdict})

    def finish_run(self, run: RunRecord) -> None:
        """The end of a run. A call of it that is still open, as after a cancellation, is interrupted with it."""
        with self._transaction() as connection:
            interrupt_calls(connection, "run_id = ?", (run.run_id,), run.ended_at or run.created_at)
            update(connection, "runs", "run_id", run.run_id, columns_of(run))

    def left_nanousd(self, call: CallRecord) -> int | None:
        """What the run's cap and the budgets leave for a call that is not in the ledger yet; None is no limit."""

        def query(connection: sqlite3.Connection) -> int | None:
            cap = _cap(connection, call.run_id)
            of_cap = None if cap is None else max(0, cap - _committed(connection, call.run_id))
            amounts = [amount for amount in (of_cap, left_nanousd(connection, call)) if amount is not None]
            return min(amounts, default=None)

        return self.read(query)

    # -- reading -------------------------------------------------------------------------------------------------

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query function on the connection, one at a time. Raises LedgerError."""
        with self._lock, _as_ledger_errors(self.path):
            return query(self._connection)

    def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function in one `BEGIN IMMEDIATE` transaction: all of what it changes is durable, or none of it."""
        with self._transaction() as connection:
            return change(connection)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _as_ledger_errors(self.path):
            _begin(self._connection)
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
    return _set_up(connection)


def _set_up(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _check_is_ours(path: Path) -> None:
    """Raises ValueError for what is no database, before anything is put beside it.

    SQLite reads it, and not this program: whoever closes a file gives up all locks that its process holds on it, those
    of other connections included (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    if not path.exists():
        return
    if not path.is_file():
        raise ValueError("it is not a file")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        try:
            connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_NOTADB:
                raise ValueError("it is not an SQLite database") from error


def _gone(connection: sqlite3.Connection, path: Path) -> list[str | None]:
    return [name for name in running_processes(connection) if name is None or is_gone(path, name)]


def _tidy(connection: sqlite3.Connection, path: Path) -> None:
    """Settle what was left unsettled. It writes in any case, so that a ledger that cannot be written is refused now
    and not after a call."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        files = take_in(connection, path)
        interrupt_orphans(connection, _gone(connection, path), datetime.now(UTC))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    for file in files:
        file.unlink(missing_ok=True)
    remove_dead(path)


def _begin(connection: sqlite3.Connection) -> None:
    """`BEGIN IMMEDIATE`, waiting up to the busy timeout for other writers.

    SQLite's own waits grow to 100 ms; a transaction here takes well under a millisecond, so asking again soon lets
    many processes write one after the other with hardly a pause.
    """
    deadline, wait_s = time.monotonic() + BUSY_TIMEOUT_S, _SHORTEST_WAIT_S
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(random.uniform(_SHORTEST_WAIT_S, wait_s))
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_TIMEOUT_S)}")


def _connect_for_reading(path: Path) -> sqlite3.Connection:
    try:
        connection = _connect(path, "ro")
        connection.execute("PRAGMA user_version").fetchone()
        return connection
    except sqlite3.OperationalError:
        if path.with_name(f"{path.name}-wal").exists():
            raise
        # On a read-only medium SQLite cannot make the shared memory that a WAL database wants; nobody writes there.
        return _connect(path, "ro&immutable=1")


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


def _cap(connection: sqlite3.Connection, run_id: str) -> int | None:
    row = connection.execute("SELECT max_cost_nanousd FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    cap: int | None = row["max_cost_nanousd"]
    return cap


def _committed(connection: sqlite3.Connection, run_id: str) -> int:
    (total,) = connection.execute(
        "SELECT coalesce(sum(coalesce(cost_nanousd, reserved_nanousd, 0)), 0) FROM calls WHERE run_id = ?", (run_id,)
    ).fetchone()
    return int(total)


def _check_cap(connection: sqlite3.Connection, calls: Sequence[CallRecord]) -> None:
    run_id, names = calls[0].run_id, " and ".join(call.model for call in calls)
    cap = _cap(connection, run_id)
    if cap is None:
        return
    reserved = [call.reserved_nanousd for call in calls]
    if None in reserved:
        raise BudgetError(
            f"{calls[reserved.index(None)].model} has no known price, so it cannot be called under a cost cap",
            hint="give it a price in your models.yaml, or say --allow-unpriced",
        )
    worst, left = sum(amount or 0 for amount in reserved), cap - _committed(connection, run_id)
    if worst > left:
        raise BudgetError(
            f"{names} could cost {format_nanousd(worst)}, and {format_nanousd(max(left, 0))} of the run's "
            f"{format_nanousd(cap)} is left",
            hint="raise --max-cost, lower --max-tokens, or name a cheaper model",
        )
