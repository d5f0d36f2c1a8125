"""Opens the ledger and writes to it. A write is durable when it returns or when its future is done.

The file is created 0600 in a directory created 0700. Opening takes a file lock beside it for about a millisecond, so
many processes can start on a ledger that does not exist yet: the first one creates it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from ..clock import local_now
from ..errors import LedgerError
from . import entries, progress
from .budgets import Alert
from .impossible import correct_impossible, has_impossible_costs
from .orphans import interrupt_orphans, running_processes
from .process import Presence, is_gone, moving_lock, opening_lock, remove_dead
from .records import CallRecord, RunRecord
from .schema import MIGRATIONS, migrate, version_of
from .spool import clear, spooled, take_in
from .texts import move_texts, unmoved
from .transaction import BUSY_TIMEOUT_S, Work, as_ledger_errors, transaction

if TYPE_CHECKING:
    from .group_commit import Written

T = TypeVar("T")
Identity = tuple[int, int]  # of a file: its device and inode


class Ledger:
    """An open ledger. Safe to use from several threads; each write is a transaction of its own."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, presence: Presence | None = None, *, reads_only: bool = False
    ) -> None:
        self.path = path
        self._connection = connection
        self._presence = presence
        self._lock = threading.Lock()
        self._identity = _identity(path)
        self.warnings: list[str] = []  # of its opening, for whoever can tell the user
        self._changes = None
        if not reads_only:
            from .group_commit import GroupCommit  # heavy

            self._changes = GroupCommit(path, connection, self._lock, self._check_in_place)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open for writing, and create or migrate the file as needed. Raises LedgerError, before anything is spent.

        This settles what earlier processes left open: rows of dead processes, and records in a spool. All of it goes by
        the file itself, whatever link names it: lock files stand beside the real file.
        """
        path = path.resolve()
        with as_ledger_errors(path):
            if not path.parent.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_is_ours(path)
            _check_has_one_name(path)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with opening_lock(path, BUSY_TIMEOUT_S):
                connection = _connect(path, "rwc")
                try:
                    version_of(connection)  # before anything is changed in a file that is not ours
                    (journal_mode,) = connection.execute("PRAGMA journal_mode").fetchone()
                    if journal_mode != "wal":
                        connection.execute("PRAGMA journal_mode = WAL")
                    migrated = migrate(connection)
                    warnings = _tidy(connection, path)
                    presence = Presence.announce(path)
                except BaseException:
                    connection.close()
                    raise
        ledger = cls(path, connection, presence)
        ledger.warnings += warnings
        with as_ledger_errors(path):
            if unmoved(connection):
                with moving_lock(path) as held:
                    if held:  # otherwise another process is at it, and the ledger can be used meanwhile
                        move_texts(connection, progress.show)
        if migrated:
            from .sums import days_to_sum, sum_each  # rarely needed

            sum_each(ledger.read(lambda db: days_to_sum(db, local_now().date())), ledger.write)
        return ledger

    @classmethod
    def in_memory(cls) -> Self:
        """A ledger that is gone when it is closed, for runs that only replay recorded answers."""
        connection = _set_up(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
        migrate(connection)
        return cls(Path(":memory:"), connection)

    @classmethod
    def open_for_reading(cls, path: Path) -> Self | None:
        """Open for reading, or None if there is no ledger yet. Raises LedgerError if it is unusable.

        Nothing is written, unless the ledger needs a migration or has rows that a dead process left open.
        """
        if not is_there(path):
            return None
        path = path.resolve()
        with as_ledger_errors(path):
            _check_has_one_name(path)
            connection = _connect_for_reading(path)
            try:
                version = version_of(connection)
                tidy = version == len(MIGRATIONS) and not (has_impossible_costs(connection) or unmoved(connection))
                if tidy and not (spooled(path) or _gone(connection, path)):
                    return cls(path, connection, reads_only=True)
            except BaseException:
                connection.close()
                raise
        try:
            writable = cls.open(path)
        except LedgerError:
            if version < len(MIGRATIONS):
                connection.close()
                raise
            return cls(path, connection, reads_only=True)  # it cannot be tidied, but it can be read
        connection.close()
        return writable

    def close(self) -> None:
        """Close, after everything that was submitted is durable."""
        if self._changes is not None:
            self._changes.close()
        with self._lock:
            self._connection.close()
            if self._presence is not None:
                self._presence.withdraw()

    def is_replaced(self) -> bool:
        """Whether the ledger's path names another file than the open one: it was deleted or replaced, and new writes
        would be lost. A ledger in memory has no file."""
        return self._identity is not None and self._identity != _identity(self.path)

    def _check_in_place(self) -> None:
        if self.is_replaced():
            raise LedgerError(
                f"the ledger {self.path} was deleted or replaced while it was in use",
                hint="the next command opens what is there now, or makes a new one",
            )

    @property
    def process(self) -> str | None:
        """The name under which this process's runs are recorded; None if it only reads."""
        return None if self._presence is None else self._presence.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, change: Work[T]) -> T:
        """Run a function in one `BEGIN IMMEDIATE` transaction: all of its changes become durable, or none."""
        with self._lock, as_ledger_errors(self.path):
            with transaction(self._connection):
                result = change(self._connection)
            self._check_in_place()
            return result

    def maintain(self, change: Work[T]) -> T:
        """As `write`, also for a ledger that was opened for reading: for what can be made anew from its rows."""
        if self._changes is not None:
            return self.write(change)
        with as_ledger_errors(self.path), closing(_connect(self.path, "rw")) as connection, transaction(connection):
            return change(connection)

    @contextmanager
    def apart(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own, for upkeep of many transactions; what is deleted on it is overwritten."""
        with as_ledger_errors(self.path), closing(_connect(self.path, "rw")) as connection:
            connection.execute("PRAGMA secure_delete = ON").fetchall()
            yield connection

    def submit(self, change: Work[T], *, reads: bool = False) -> Written[T]:
        """Like `write`, without blocking the event loop: the future is done when the change is durable. Changes that
        wait at the same time share one commit. With `reads`, no transaction is needed.

        A task that waits for the future waits to the end, even if it is cancelled meanwhile: then it knows what is on
        disk.
        """
        if self._changes is None:
            raise LedgerError(f"the ledger {self.path} was opened for reading alone")
        return self._changes.submit(change, reads=reads)

    def start_run(self, run: RunRecord) -> None:
        """As `entries.start_run`, in a transaction."""
        self.write(lambda connection: entries.start_run(connection, run))

    def reserve(self, calls: Sequence[CallRecord], exempt: Collection[str] = ()) -> None:
        """As `entries.reserve`, in a transaction."""
        self.write(lambda connection: entries.reserve(connection, calls, exempt))

    def mark_sent(self, call_id: str, at: datetime) -> None:
        """As `entries.mark_sent`, in a transaction."""
        self.write(lambda connection: entries.mark_sent(connection, call_id, at))

    def settle(self, call: CallRecord) -> tuple[Alert, ...]:
        """As `entries.settle`, in a transaction."""
        return self.write(lambda connection: entries.settle(connection, call))

    def judge(self, call_id: str, confidence: float, verdict: str) -> None:
        """As `entries.judge`, in a transaction."""
        self.write(lambda connection: entries.judge(connection, call_id, confidence, verdict))

    def finish_run(self, run: RunRecord) -> None:
        """As `entries.finish_run`, in a transaction."""
        self.write(lambda connection: entries.finish_run(connection, run))

    def left_nanousd(self, call: CallRecord) -> int | None:
        """As `entries.left_nanousd`."""
        return self.read(lambda connection: entries.left_nanousd(connection, call))

    # -- reading -------------------------------------------------------------------------------------------------

    def read(self, query: Work[T]) -> T:
        """Run a query on the connection, one at a time. Raises LedgerError. If a sum overflows, impossible amounts are
        corrected first."""
        with self._lock, as_ledger_errors(self.path):
            try:
                return query(self._connection)
            except sqlite3.OperationalError as error:
                if "integer overflow" not in str(error):
                    raise
            with closing(_connect(self.path, "rw")) as connection, transaction(connection):
                self.warnings += _corrected(connection)
            return query(self._connection)


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


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


# The file itself is never opened but by SQLite: closing it would drop the locks of every other connection that this
# process has to it, and another process could take the log away from under them. https://sqlite.org/howtocorrupt.html,
# 2.2


def is_there(path: Path) -> bool:
    """Whether there is a ledger at a path. Raises LedgerError if that cannot be told, as below a closed folder."""
    with as_ledger_errors(path):
        try:
            return path.stat().st_size > 0
        except FileNotFoundError:
            return False


def _check_is_ours(path: Path) -> None:
    """Raises ValueError for a file that is no ledger, before anything is put beside it.

    SQLite reads it, not this program: closing a file releases all locks that the process holds on it, including those
    of other connections (https://www.sqlite.org/howtocorrupt.html, 2.2).
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


def _check_has_one_name(path: Path) -> None:
    """Raises ValueError for a file with a second hard link. SQLite keeps a log beside each name, and two logs damage
    the file (https://www.sqlite.org/howtocorrupt.html, 2.5)."""
    if path.exists() and path.stat().st_nlink > 1:
        raise ValueError("it has two names (hard links), which would damage it: put a copy in its place")


def _gone(connection: sqlite3.Connection, path: Path) -> list[str | None]:
    return [name for name in running_processes(connection) if name is None or is_gone(path, name)]


def _tidy(connection: sqlite3.Connection, path: Path) -> list[str]:
    """Settle what was left open. Returns warnings, in words. It always writes, so that a ledger that cannot be
    written is refused now and not after a call."""
    with transaction(connection):
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        taken = take_in(connection, path)
        interrupt_orphans(connection, _gone(connection, path), datetime.now(UTC))
        warnings = _corrected(connection) if has_impossible_costs(connection) else []
    warnings += clear(path, taken)
    remove_dead(path)
    return warnings


def _corrected(connection: sqlite3.Connection) -> list[str]:
    calls = correct_impossible(connection)
    return [f"{calls} calls had impossible costs or tokens; they have their worst case now"] if calls else []


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
