"""A transaction of the ledger, and the errors of its files."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import LedgerError

BUSY_TIMEOUT_S = 30.0
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.0002, 0.004

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


@contextmanager
def as_ledger_errors(path: Path) -> Iterator[None]:
    """Turn errors of the ledger's files into LedgerError."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
        raise LedgerError(
            f"the ledger {path} cannot be used: {error}",
            hint="nothing was sent; name another file with --ledger or ORCH_LEDGER",
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A `BEGIN IMMEDIATE` transaction: all changes inside become durable, or none."""
    when_free(connection, "BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def is_busy(error: Exception) -> bool:
    """Whether an error says that another process has the lock."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def when_free(connection: sqlite3.Connection, statement: str, parameters: Sequence[Any] = ()) -> None:
    """Execute a statement that takes the lock for writing, waiting up to the busy timeout for other writers.

    SQLite's own waits grow to 100 ms. A transaction here takes well under a millisecond, so asking again soon lets many
    processes write one after the other with hardly a pause.
    """
    deadline, wait_s = time.monotonic() + BUSY_TIMEOUT_S, _SHORTEST_WAIT_S
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute(statement, parameters)
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(random.uniform(_SHORTEST_WAIT_S, wait_s))
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_TIMEOUT_S)}")
