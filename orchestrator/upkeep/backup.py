"""A copy of the ledger while it is in use: whole, or none."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ..errors import UsageError
from ..ledger.transaction import as_ledger_errors


def back_up(ledger: Path, file: Path, *, force: bool) -> int:
    """Copy a ledger to a file of one state, compact and readable by the user alone. Returns its bytes.

    The file gets its name when all of it is on disk. Raises UsageError for a file that cannot be written, or is there
    and not to be replaced (`force`), and LedgerError.
    """
    if file.exists() and not force:
        raise UsageError(f"{file} is there already", hint="name another file, or say --force")
    if file.exists() and file.samefile(ledger):
        raise UsageError(f"{file} is the ledger itself")
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}")
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.unfinished")
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with as_ledger_errors(ledger):
            _copy(ledger, unfinished)
        with unfinished.open("rb+") as copy:
            os.fsync(copy.fileno())
        unfinished.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return file.stat().st_size


def _copy(ledger: Path, copy: Path) -> None:
    """Compact, where the ledger can be written: SQLite vacuums no table that has a column which is worked out through
    a connection that only reads (3.40)."""
    mode = "rw" if os.access(ledger, os.W_OK) else "ro"
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode={mode}", uri=True)) as connection:
        if mode == "rw":
            connection.execute("VACUUM INTO ?", (str(copy),))
            return
        with closing(sqlite3.connect(copy)) as target:
            connection.backup(target)
