"""Settlements that the ledger could not take, kept in a file until it can.

A call has been paid for and its answer is here, but the row cannot be updated: the disk is full, or the file was taken
away. What is known goes into a file beside the ledger, or, if that cannot be written either, into the system's
temporary folder. Whoever opens the ledger next takes it in.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..errors import LedgerError
from .process import opening_lock
from .records import CallRecord, RunRecord
from .rows import columns_of, to_sql

_PATIENCE_S = 1.0
# In a folder that others may write to, the name may be a link or a pipe that somebody else has put there.
_FOR_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_TABLES = {"calls": ("call_id", CallRecord), "runs": ("run_id", RunRecord)}


def spool(ledger: Path, record: CallRecord | RunRecord) -> Path | None:
    """Keep a record for later; gives the file that it is in, or None if no file could be written."""
    table = "calls" if isinstance(record, CallRecord) else "runs"
    row = {name: to_sql(value) for name, value in columns_of(record).items()}
    line = json.dumps({"table": table, "row": row}).encode() + b"\n"
    with contextlib.suppress(LedgerError, OSError), opening_lock(ledger, _PATIENCE_S):  # nobody takes it in meanwhile
        return _append(ledger, line)
    return _append(ledger, line)


def _append(ledger: Path, line: bytes) -> Path | None:
    for path in _paths(ledger):
        with contextlib.suppress(OSError):
            handle = os.open(path, _FOR_APPENDING, 0o600)
            try:
                if _is_ours(os.fstat(handle)) and os.write(handle, line) == len(line):
                    os.fsync(handle)
                    return path
            finally:
                os.close(handle)
    return None


def spooled(ledger: Path) -> list[Path]:
    """The files that hold something to be taken in."""
    return [path for path in _paths(ledger) if _size(path)]


def take_in(connection: sqlite3.Connection, ledger: Path) -> list[Path]:
    """Within a transaction: bring the rows up to date. The files given back can be removed once it is committed."""
    files = spooled(ledger)
    for path in files:
        for table, row in _rows(path):
            key, record = _TABLES[table]
            names = [field.name for field in fields(record) if field.name in row]
            assignments = ", ".join(f"{name} = ?" for name in names)
            values = [row[name] for name in names]
            connection.execute(f"UPDATE {table} SET {assignments} WHERE {key} = ?", [*values, row[key]])
    return files


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in path.read_bytes().splitlines():
        # A line that was cut off by a full disk was not reported as kept; the same record is in the other file.
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            yield entry["table"], entry["row"]


def _size(path: Path) -> int:
    """The size of a spool of this user's; what somebody else put there is not looked at."""
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if _is_ours(found) else 0


def _is_ours(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_uid == _uid()


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _paths(ledger: Path) -> tuple[Path, Path]:
    absolute = str(ledger.absolute())
    name = f"orch-{_uid()}-{hashlib.sha256(absolute.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.spool"
    return ledger.with_name(f"{ledger.name}.spool"), Path(tempfile.gettempdir()) / name
