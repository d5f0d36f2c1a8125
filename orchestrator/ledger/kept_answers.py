"""Answers that are kept for the response cache, in a file of their own beside the ledger.

It can be deleted at any time. An answer is found by the hash of all that was asked; prompts are in the file only for
runs that use the semantic cache (`kept_prompts.py`). A write survives
the end of the process, and may be lost with the machine's power; the file is usable after either. Where it is larger
than its limit, the answers that were longest of no use go first.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ..errors import LedgerError
from .process import opening_lock
from .rows import from_micros, to_micros
from .transaction import BUSY_TIMEOUT_S, transaction

_FORMAT = 1  # of the file
_PER_ANSWER = 200  # bytes that an answer takes beside its text
_USED_AGAIN = timedelta(minutes=1)  # an answer that is asked for all the time is not written as often
_FILLED_UP_TO = 0.9  # of the limit, where answers were removed: not each that comes needs another to go
_OF_SQLITE = ("", "-wal", "-shm")
_SETTINGS = (
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
)
_SCHEMA = (
    # Times are integer microseconds since 1970. `expires_at` is what the run that keeps it asked for.
    """
    CREATE TABLE answers (
        key           TEXT PRIMARY KEY,
        created_at    INTEGER NOT NULL,
        used_at       INTEGER NOT NULL,
        expires_at    INTEGER NOT NULL,
        bytes         INTEGER NOT NULL,
        run_id        TEXT NOT NULL,
        cost_nanousd  INTEGER,
        answer        TEXT NOT NULL CHECK (json_valid(answer))
    ) STRICT
    """,
    "CREATE INDEX answers_by_use ON answers (used_at, bytes)",
    "CREATE INDEX answers_by_run ON answers (run_id)",
    f"PRAGMA user_version = {_FORMAT}",
)
_INSERT = """
    INSERT OR REPLACE INTO answers
        (key, created_at, used_at, expires_at, bytes, run_id, cost_nanousd, answer)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


class KeptAnswer(NamedTuple):
    """An answer under the key of what was asked. `answer` is a JSON object, `run_id` the run that paid for it, and
    `cost_nanousd` what it paid; None is unknown. `beside`: bytes that are kept for it besides."""

    key: str
    answer: str
    run_id: str
    cost_nanousd: int | None
    created_at: datetime
    expires_at: datetime
    beside: int = 0

    @property
    def bytes(self) -> int:
        """What it counts for in the file's size."""
        return len(self.answer.encode()) + _PER_ANSWER + self.beside

    def is_fresh(self, now: datetime, ttl_s: float) -> bool:
        """Whether it is not older than `ttl_s` seconds, nor from the future."""
        return 0 <= (now - self.created_at).total_seconds() <= ttl_s


class Kept(NamedTuple):
    """What is in the file: how many answers, their bytes, and when the oldest and the newest were given."""

    answers: int = 0
    bytes: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None


class KeptAnswers:
    """The file of a ledger, opened on first use. Safe to use from several threads and processes.

    `limit_bytes` is the most that the answers may take; whatever only removes some needs none. Each method raises
    LedgerError if the file cannot be used.
    """

    def __init__(self, ledger: Path, limit_bytes: int = 0) -> None:
        self.path = answers_path(ledger.resolve())
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def find(self, key: str, now: datetime, ttl_s: float) -> KeptAnswer | None:
        """The answer under a key, whatever its age; one that is not older than `ttl_s` seconds counts as used."""
        with self.opened(create=False) as connection:
            if connection is None:
                return None
            row = connection.execute(
                "SELECT key, answer, run_id, cost_nanousd, created_at, expires_at, used_at FROM answers WHERE key = ?",
                (key,),
            ).fetchone()
            if row is None:
                return None
            found, answer, run_id, cost, created_at, expires_at, used_at = row
            kept = KeptAnswer(found, answer, run_id, cost, from_micros(created_at), from_micros(expires_at))
            if kept.is_fresh(now, ttl_s) and to_micros(now - _USED_AGAIN) > used_at:
                connection.execute("UPDATE answers SET used_at = ? WHERE key = ?", (to_micros(now), key))
        return kept

    def keep(self, answers: Sequence[KeptAnswer], now: datetime) -> None:
        """Keep answers, in the place of those that have their keys. One that is larger than the limit is not kept."""
        rows = [_row(each, now) for each in answers if each.bytes <= self.limit_bytes]
        if not rows:
            return
        with self.opened(create=True) as connection:
            assert connection is not None
            with transaction(connection):
                connection.executemany(_INSERT, rows)
                removed = self._make_room(connection, now)
            if removed:
                _give_back(connection)

    def prune(self, now: datetime) -> int:
        """Remove what is out of date, and what is beyond the limit. Returns how many answers that were."""
        with self.opened(create=False) as connection:
            if connection is None:
                return 0
            with transaction(connection):
                removed = _remove_expired(connection, now) + self._make_room(connection, now)
            _give_back(connection)
        return removed

    def runs(self) -> list[str]:
        """The runs that paid for what is kept."""
        with self.opened(create=False) as connection:
            rows = () if connection is None else connection.execute("SELECT DISTINCT run_id FROM answers")
            return [row[0] for row in rows]

    def forget(self, runs: Sequence[str]) -> None:
        """Remove the answers of these runs."""
        with self.opened(create=False) as connection:
            if connection is not None and runs:
                with transaction(connection):
                    connection.executemany("DELETE FROM answers WHERE run_id = ?", [(run,) for run in runs])
                _give_back(connection)

    def clear(self) -> int:
        """Remove all answers; a file that cannot be read is deleted. Returns how many answers that were."""
        try:
            with self.opened(create=False) as connection:
                if connection is None:
                    return 0
                with transaction(connection):
                    removed = connection.execute("DELETE FROM answers").rowcount
                _give_back(connection)
                return removed
        except LedgerError as error:
            if isinstance(error.__cause__, sqlite3.OperationalError | OSError):
                raise
            self.close()
            for suffix in _OF_SQLITE:
                with suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").unlink()
            return 0

    def kept(self) -> Kept:
        """What is in the file."""
        with self.opened(create=False) as connection:
            if connection is None:
                return Kept()
            count, size, oldest, newest = connection.execute(
                "SELECT count(*), coalesce(sum(bytes), 0), min(created_at), max(created_at) FROM answers"
            ).fetchone()
        return Kept(count, size, *(None if each is None else from_micros(each) for each in (oldest, newest)))

    def close(self) -> None:
        """Close the file, if it is open."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def opened(self, *, create: bool) -> Iterator[sqlite3.Connection | None]:
        """The connection, for one thread at a time; None if there is no file and none is to be made."""
        try:
            with self._lock:
                if self._connection is None and (create or self.path.exists()):
                    self._connection = _connect(self.path)
                yield self._connection
        except (sqlite3.Error, OSError) as error:
            hint = "orch cache clear makes a new one; --no-cache does without"
            raise LedgerError(f"the cached answers in {self.path} cannot be used: {error}", hint=hint) from error

    def _make_room(self, connection: sqlite3.Connection, now: datetime) -> int:
        """Where the answers are beyond the limit, remove some until there is room for more. Returns how many."""
        (size,) = connection.execute("SELECT coalesce(sum(bytes), 0) FROM answers").fetchone()
        if size <= self.limit_bytes:
            return 0
        removed = _remove_expired(connection, now)
        (size,) = connection.execute("SELECT coalesce(sum(bytes), 0) FROM answers").fetchone()
        leaving: list[tuple[int]] = []
        for rowid, taken in connection.execute("SELECT rowid, bytes FROM answers ORDER BY used_at, rowid"):
            if size <= _FILLED_UP_TO * self.limit_bytes:
                break
            leaving.append((rowid,))
            size -= taken
        connection.executemany("DELETE FROM answers WHERE rowid = ?", leaving)
        return removed + len(leaving)


def answers_path(ledger: Path) -> Path:
    """Where the answers are that a ledger's runs keep."""
    return ledger.with_name(f"{ledger.name}.answers")


def _row(answer: KeptAnswer, now: datetime) -> tuple[object, ...]:
    times = (to_micros(answer.created_at), to_micros(now), to_micros(answer.expires_at))
    return (answer.key, *times, answer.bytes, answer.run_id, answer.cost_nanousd, answer.answer)


def _remove_expired(connection: sqlite3.Connection, now: datetime) -> int:
    return connection.execute("DELETE FROM answers WHERE expires_at < ?", (to_micros(now),)).rowcount


def _give_back(connection: sqlite3.Connection) -> None:
    """Give the room of what was removed back to the disk."""
    connection.execute("PRAGMA incremental_vacuum").fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _connect(path: Path) -> sqlite3.Connection:
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA secure_delete = ON")  # what is removed cannot be read from the file
        if not _version(connection):
            _make_tables(connection, path)
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    """The format of the file; 0 if there is nothing in it yet."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, _FORMAT):
        raise sqlite3.DatabaseError("another version of orch wrote it")
    return version


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    with opening_lock(path, BUSY_TIMEOUT_S):
        if _version(connection):  # another process was quicker
            return
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()
        with transaction(connection):
            for statement in _SCHEMA:
                connection.execute(statement)
