"""Keeps records that the ledger could not take in files, until it can.

A call was paid for and its answer is here, but the row cannot be written: the disk is full, or the ledger file was
removed. The record goes into a folder beside the ledger, or, if that cannot be written either, into one in the system's
temporary folder. Whoever opens the ledger next takes it in.

    ledger.db.spool/01K....json        a checksum, and one or more records as JSON
    ledger.db.spool.01K....aside       a file with a record that could not be taken in; orch doctor names it

A file gets its name only when all of it is on disk, and is never written again, so it can be read and removed while
other processes add theirs. No file blocks a command: one that cannot be read or applied is put aside.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Any

from ..deferred import dataclass
from ..errors import UsageError
from ..files import replacing
from ..money import MOST_NANOUSD, MOST_TOKENS
from .orphans import interrupt_calls
from .records import CallRecord, CallStatus, RunRecord, RunStatus
from .rows import change_row, columns_of, from_micros, insert_row, to_sql

_ASIDE = ".aside"
_ATTEMPTS = 3  # whoever takes in records removes the folder when it is empty: it may be gone when a file is made in it


@dataclass(frozen=True, slots=True)
class _Table:
    """How records of a table are taken in. `open`: the statuses of a row that is not settled for certain."""

    key: str
    columns: frozenset[str]
    unsettled: frozenset[str]
    open: frozenset[str]


_TABLES = {
    "runs": _Table(
        "run_id",
        frozenset(each.name for each in fields(RunRecord)),
        frozenset({RunStatus.RUNNING.value}),
        frozenset({RunStatus.RUNNING.value, RunStatus.INTERRUPTED.value}),
    ),
    "calls": _Table(
        "call_id",
        frozenset(each.name for each in fields(CallRecord)),
        frozenset({CallStatus.RESERVED.value, CallStatus.SENT.value}),
        frozenset({CallStatus.RESERVED.value, CallStatus.SENT.value, CallStatus.INTERRUPTED.value}),
    ),
}


@dataclass(slots=True)
class Taken:
    """The files that were read from the spool: those that are in the ledger now, and those with something that does
    not fit, with the reason."""

    files: list[Path] = field(default_factory=list)
    unfit: dict[Path, str] = field(default_factory=dict)


def spool(ledger: Path, *records: CallRecord | RunRecord) -> Path | None:
    """Store records for later. Returns their file, or None if no file could be written."""
    written = json.dumps([_entry(record) for record in records]).encode()
    content = hashlib.sha256(written).hexdigest().encode() + b" " + written + b"\n"
    for place in _paths(ledger):
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(OSError, UsageError):
                return _kept(place, content)
    return None


def spooled(ledger: Path) -> list[Path]:
    """The files that wait to be taken in, oldest first in each folder."""
    return [file for place in _paths(ledger) for file in _files(place)]


def put_aside(ledger: Path) -> list[Path]:
    """The files that could not be taken in."""
    asides = (place.parent.glob(f"{glob.escape(place.name)}.*{_ASIDE}") for place in _paths(ledger))
    return sorted(file for files in asides for file in files if _is_ours(file, stat.S_ISREG))


def take_in(connection: sqlite3.Connection, ledger: Path) -> Taken:
    """Within a transaction: apply the spool's records. Call `clear` after the commit.

    A missing row is inserted: the ledger may have been replaced. A row that is settled stays: it has the record
    already. Raises sqlite3.OperationalError if the ledger can take nothing at all.
    """
    taken = Taken()
    entries: list[tuple[Path, str, dict[str, Any]]] = []
    for path in spooled(ledger):
        taken.files.append(path)
        try:
            for line in path.read_bytes().splitlines() or [b""]:
                try:
                    entries += [(path, *entry) for entry in _entries(line)]
                except ValueError as error:
                    taken.unfit.setdefault(path, str(error))
        except OSError as error:
            taken.unfit[path] = str(error)
    entries.sort(key=lambda entry: entry[1] != "runs")  # a call's row needs its run's
    fresh: set[tuple[str, str]] = set()
    for path, table, row in entries:
        if (reason := _refusal(connection, table, row, fresh)) is not None:
            taken.unfit.setdefault(path, reason)
    for _, table, row in entries:
        if table == "runs" and ("runs", row["run_id"]) in fresh and row.get("ended_at") is not None:
            interrupt_calls(connection, "run_id = ?", (row["run_id"],), from_micros(row["ended_at"]))
    return taken


def clear(ledger: Path, taken: Taken) -> list[str]:
    """Remove the files that are in the ledger, and put aside those that do not fit. Returns warnings about these."""
    warnings = []
    for file in taken.files:
        with contextlib.suppress(OSError):  # it is read again the next time, and changes nothing then
            if file not in taken.unfit:
                file.unlink(missing_ok=True)
                continue
            place = file if file in _paths(ledger) else file.parent
            aside = place.with_name(f"{place.name}.{_new_id()}{_ASIDE}")
            file.rename(aside)
            warnings.append(f"a record that cannot be taken into the ledger is put aside, {aside}: {taken.unfit[file]}")
    for place in _paths(ledger):
        with contextlib.suppress(OSError):  # there is none, or something else is in it
            place.rmdir()
    return warnings


def _entry(record: CallRecord | RunRecord) -> dict[str, Any]:
    table = "calls" if isinstance(record, CallRecord) else "runs"
    return {"table": table, "row": {name: to_sql(value) for name, value in columns_of(record).items()}}


def _kept(place: Path, content: bytes) -> Path:
    """Write a file into a folder that belongs to this user. Raises OSError or UsageError."""
    place.mkdir(mode=0o700, exist_ok=True)
    if not _is_ours(place, stat.S_ISDIR):  # in the temporary folder somebody else may have made it, or a link
        raise PermissionError(f"{place} is not ours")
    path = place / f"{_new_id()}.json"
    with replacing(path) as stream:
        stream.write(content)
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)  # its name too is to outlast a power cut
        finally:
            os.close(handle)
    return path


def _files(place: Path) -> list[Path]:
    """The spool files of a place; earlier versions kept one file of lines."""
    if _is_ours(place, stat.S_ISREG):
        return [place] if _size(place) else []
    if not _is_ours(place, stat.S_ISDIR):
        return []
    try:
        names = sorted(name for name in os.listdir(place) if not name.startswith("."))  # noqa: PTH208  # names suffice
    except OSError:
        return []
    return [place / name for name in names if _is_ours(place / name, stat.S_ISREG)]


def _entries(line: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tables and rows of a line. Raises ValueError if it is damaged or of another shape."""
    checksum, separator, written = line.partition(b" ")
    if line.startswith(b"{"):  # of a file of lines: each is one record, and has no checksum
        written = line
    elif not separator or hashlib.sha256(written).hexdigest().encode() != checksum:
        raise ValueError("it is damaged")
    try:
        read = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is damaged ({error})") from error
    for entry in read if isinstance(read, list) else [read]:
        name = entry.get("table") if isinstance(entry, dict) else None
        row = entry.get("row") if isinstance(entry, dict) else None
        table = _TABLES.get(name) if isinstance(name, str) else None
        if table is None or not isinstance(row, dict):
            raise ValueError("it is of another shape")
        if not isinstance(row.get(table.key), str) or not isinstance(row.get("status"), str):
            raise ValueError("it has a row without key or status")
        yield str(name), {column: value for column, value in row.items() if column in table.columns}


def _refusal(
    connection: sqlite3.Connection, name: str, row: Mapping[str, Any], fresh: set[tuple[str, str]]
) -> str | None:
    """Apply one record. Returns why it does not fit, or None. `fresh` are the rows written since the ledger was
    opened."""
    connection.execute("SAVEPOINT record")
    try:
        _check_amounts(row)
        if _is_written(connection, name, row, overwrite=(name, row[_TABLES[name].key]) in fresh):
            fresh.add((name, row[_TABLES[name].key]))
    except (sqlite3.Error, ValueError, OverflowError) as error:
        of_record = not isinstance(error, sqlite3.OperationalError) or error.sqlite_errorcode == sqlite3.SQLITE_ERROR
        if not of_record or not connection.in_transaction:
            raise  # a full disk, say: it is no fault of the record
        connection.execute("ROLLBACK TO record")
        connection.execute("RELEASE record")
        return str(error)
    connection.execute("RELEASE record")
    return None


def _is_written(connection: sqlite3.Connection, name: str, row: Mapping[str, Any], *, overwrite: bool) -> bool:
    table = _TABLES[name]
    existing = connection.execute(f"SELECT status FROM {name} WHERE {table.key} = ?", (row[table.key],)).fetchone()
    if existing is None:
        insert_row(connection, name, tuple(row), list(row.values()), row.get("run_id", ""))
        return True
    if row["status"] in table.unsettled or not (overwrite or existing[0] in table.open):
        return False
    change_row(connection, name, table.key, row[table.key], tuple(row), list(row.values()), row.get("run_id", ""))
    return True


def _check_amounts(row: Mapping[str, Any]) -> None:
    """Raises ValueError for an amount that no call can have, and that would make sums overflow."""
    for column, value in row.items():
        most = MOST_NANOUSD if column.endswith("_nanousd") else MOST_TOKENS if column.endswith("_tokens") else None
        if most is not None and isinstance(value, int) and not 0 <= value <= most:
            raise ValueError(f"{column} is {value}, which cannot be")


def _new_id() -> str:
    from ulid import ULID  # heavy

    return str(ULID())


def _size(path: Path) -> int:
    """The size of a file that belongs to this user; other users' files are ignored."""
    return path.lstat().st_size if _is_ours(path, stat.S_ISREG) else 0


def _is_ours(path: Path, kind: Any) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return kind(status.st_mode) and status.st_uid == _uid()


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _paths(ledger: Path) -> tuple[Path, Path]:
    absolute = str(ledger.absolute())
    name = f"orch-{_uid()}-{hashlib.sha256(absolute.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.spool"
    return ledger.with_name(f"{ledger.name}.spool"), Path(tempfile.gettempdir()) / name
