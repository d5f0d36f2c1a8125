"""The health of a ledger's file: looked at, never changed. Each check stands by itself, and can be skipped."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from ..deferred import dataclass
from ..errors import LedgerError
from ..ledger.breakers import breaker_states
from ..ledger.leases import LeaseStatus, leases_of
from ..ledger.rows import to_micros
from ..ledger.schema import COMMITTED, MIGRATIONS, SETTLED
from ..ledger.schema_of_leases import HELD_BY_LEASES
from ..ledger.spool import put_aside, spooled
from ..ledger.store import Ledger
from ..money import format_nanousd

MOUNTS = Path("/proc/self/mountinfo")  # Linux; see proc_pid_mountinfo(5)

_MIB = 1024 * 1024
_LARGE_WAL = 256 * _MIB
_LITTLE_SPACE, _NO_SPACE = 256 * _MIB, 8 * _MIB
_LONG_OPEN = timedelta(hours=1)
_CHECK_TIMEOUT_S = 5.0
_RESCUE = "keep a copy, and rescue what can be read with: sqlite3 FILE .recover"

# WAL needs memory that is shared between all processes, which no network file system gives (sqlite.org/wal.html).
_NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "9p", "ceph", "lustre", "glusterfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.davfs2", "davfs", "beegfs"),
    }
)

# Two connections that write and checkpoint at the same moment can corrupt a WAL database: in SQLite 3.7.0 to 3.51.2,
# fixed in 3.51.3 and in the branches named here (sqlite.org/wal.html, "The WAL-reset bug").
_WAL_SINCE, _WAL_RESET_FIXED = (3, 7, 0), (3, 51, 3)
_WAL_RESET_BACKPORTS = {(3, 44): 6, (3, 50): 7}


class CheckStatus(StrEnum):
    """The status of a check."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was looked at, and what was found, in words. No detail ever holds a key or a part of one."""

    name: str
    status: CheckStatus
    detail: str


def check_ledger(path: Path, *, now: datetime, full: bool = False, mounts: Path = MOUNTS) -> Iterator[Check]:
    """Look at a ledger and at where it lies. `full` reads all of it: every index entry and every counter."""
    yield check_sqlite(sqlite3.sqlite_version_info)
    yield check_file_system(path, mounts)
    yield _space(path)
    exists = _existence(path)
    yield exists
    if exists.status is not CheckStatus.OK or not path.exists():
        return
    yield _permissions(path)
    yield _size(path)
    yield _spool(path)
    yield from _contents(path, now, full=full)


def check_breakers(path: Path, *, now: datetime, simulated: bool) -> Iterator[Check]:
    """What is set aside because it kept failing, or one check that says that nothing is."""
    name = "circuit breakers"
    try:
        if not path.is_file():
            yield Check(name, CheckStatus.OK, "nothing is set aside")
            return
        with closing(_connect(path)) as connection:
            states = [s for s in breaker_states(Ledger(path, connection), now) if s.simulated == simulated]
    except (sqlite3.Error, LedgerError, OSError):
        yield Check(name, CheckStatus.SKIPPED, "the ledger, which they are kept in, cannot tell")
        return
    for state in states:
        until = f" until {state.open_until.astimezone(now.tzinfo):%H:%M:%S}" if state.open_until is not None else ""
        detail = f"{state.state}{until} after {state.failures} failures, the last: {state.reason}"
        status = CheckStatus.OK if state.state == "closed" else CheckStatus.WARNING
        yield Check(f"circuit breaker of {state.model or state.provider}", status, detail)
    if not states:
        yield Check(name, CheckStatus.OK, "nothing is set aside")


def check_sqlite(version: tuple[int, ...]) -> Check:
    """Whether this version of the SQLite library can corrupt a ledger that two processes write to."""
    name, shown = "SQLite library", ".".join(map(str, version))
    backport = _WAL_RESET_BACKPORTS.get((version[0], version[1]))
    fixed = version >= _WAL_RESET_FIXED or (backport is not None and version[2] >= backport)
    if version < _WAL_SINCE:
        return Check(name, CheckStatus.ERROR, f"{shown} has no write-ahead log")
    if fixed:
        return Check(name, CheckStatus.OK, shown)
    detail = (
        f"{shown} has the WAL-reset bug, unless your system patched it: very rarely, two processes that write at the "
        "same moment corrupt a ledger; fixed in 3.51.3"
    )
    return Check(name, CheckStatus.WARNING, detail)


def check_file_system(path: Path, mounts: Path) -> Check:
    """Whether the ledger lies on a network file system, by the kernel's list of mounts."""
    name = "file system"
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
        kind = _file_system_type(path.resolve(), lines)
    except OSError:
        kind = None
    if kind is None:
        return Check(name, CheckStatus.SKIPPED, "its type is not known on this system")
    if kind.lower() in _NETWORK_FILE_SYSTEMS:
        detail = f"{kind}: a network file system, on which a ledger can be corrupted; name a local file with --ledger"
        return Check(name, CheckStatus.WARNING, detail)
    return Check(name, CheckStatus.OK, kind)


def _file_system_type(path: Path, mountinfo: list[str]) -> str | None:
    """The type of the mount that a path lies in: the deepest mount point above it, the last mounted of equals."""
    best, file_system = -1, None
    for line in mountinfo:
        before, separator, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, file_system = len(point.parts), kinds[0]
    return file_system


def _existence(path: Path) -> Check:
    name = "ledger file"
    try:
        if path.is_file():
            if os.access(path, os.R_OK | os.W_OK):
                return Check(name, CheckStatus.OK, str(path))
            return Check(name, CheckStatus.ERROR, f"{path} cannot be read and written by you")
        if path.exists():
            return Check(name, CheckStatus.ERROR, f"{path} is not a file")
        folder = _nearest_folder(path)
        if os.access(folder, os.W_OK | os.X_OK):
            return Check(name, CheckStatus.OK, f"{path}: not there yet; the first run makes it")
        return Check(name, CheckStatus.ERROR, f"{path}: not there, and {folder} cannot be written to")
    except OSError as error:
        return Check(name, CheckStatus.ERROR, f"{path}: {error.strerror or error}")


def _space(path: Path) -> Check:
    name = "disk space"
    try:
        free = shutil.disk_usage(_nearest_folder(path)).free
    except OSError as error:
        return Check(name, CheckStatus.SKIPPED, str(error.strerror or error))
    status = CheckStatus.OK if free >= _LITTLE_SPACE else CheckStatus.WARNING
    return Check(name, status if free >= _NO_SPACE else CheckStatus.ERROR, f"{_bytes(free)} left")


def _nearest_folder(path: Path) -> Path:
    parents = path.absolute().parents
    folders = (folder for folder in parents if os.path.isdir(folder))  # noqa: PTH112  # Path.is_dir raises for names too long
    return next(folders, Path(path.anchor or "."))


def _permissions(path: Path) -> Check:
    name = "permissions"
    if os.name != "posix":
        return Check(name, CheckStatus.SKIPPED, "they are not kept in modes on this system")
    files = [file for file in _files(path) if file.exists()]
    open_files = [file for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077]
    folder, mode = path.absolute().parent, stat.S_IMODE(path.absolute().parent.stat().st_mode)
    if open_files:
        named = " ".join(str(file) for file in open_files)
        return Check(name, CheckStatus.WARNING, f"others can reach prompts and answers: chmod 600 {named}")
    # The sticky bit, as of /tmp, keeps others from replacing a file; being able to list it gives nothing away.
    if mode & 0o022 and not mode & stat.S_ISVTX:
        return Check(name, CheckStatus.WARNING, f"others can replace the ledger: chmod 700 {folder}")
    return Check(name, CheckStatus.OK, f"file {stat.S_IMODE(path.stat().st_mode):04o}, folder {mode:04o}")


def _size(path: Path) -> Check:
    sizes = [file.stat().st_size if file.exists() else 0 for file in _files(path)]
    detail = f"{_bytes(sum(sizes))}, {_bytes(sizes[1])} of it write-ahead log"
    if sizes[1] <= _LARGE_WAL:
        return Check("size", CheckStatus.OK, detail)
    return Check("size", CheckStatus.WARNING, f"{detail}: a process that reads without end keeps it from shrinking")


def _files(path: Path) -> tuple[Path, Path, Path]:
    return path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _spool(path: Path) -> Check:
    aside, waiting = put_aside(path), spooled(path)
    if aside:
        named = ", ".join(str(file) for file in aside)
        detail = f"what could not be taken into the ledger is put aside: {named}; delete it when it is not needed"
        return Check("spool", CheckStatus.WARNING, detail)
    if not waiting:
        return Check("spool", CheckStatus.OK, "nothing waits to be recorded")
    named = ", ".join(str(file) for file in waiting)
    return Check("spool", CheckStatus.WARNING, f"the next command that writes takes in what waits in {named}")


def _contents(path: Path, now: datetime, *, full: bool) -> Iterator[Check]:
    try:
        with closing(_connect(path)) as connection:
            yield _integrity(connection, full=full)
            schema = _schema(connection)
            yield schema
            if schema.status is CheckStatus.OK:
                yield _open_calls(connection, now)
                yield from _leases(connection)
                if full:
                    yield _counters(connection)
    except sqlite3.Error as error:
        yield Check("integrity", CheckStatus.ERROR, f"it cannot be read: {error}; {_RESCUE}")


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=_CHECK_TIMEOUT_S, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _integrity(connection: sqlite3.Connection, *, full: bool) -> Check:
    problems = [row[0] for row in connection.execute(f"PRAGMA {'integrity_check' if full else 'quick_check'}(5)")]
    orphans = len(connection.execute("PRAGMA foreign_key_check").fetchall()) if full and problems == ["ok"] else 0
    if problems != ["ok"]:
        return Check("integrity", CheckStatus.ERROR, f"{'; '.join(problems)[:300]}; {_RESCUE}")
    if orphans:
        return Check("integrity", CheckStatus.ERROR, f"{orphans} rows refer to rows that are not there")
    return Check("integrity", CheckStatus.OK, "integrity_check found nothing" if full else "quick_check found nothing")


def _schema(connection: sqlite3.Connection) -> Check:
    name, known = "schema", len(MIGRATIONS)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if version > known:
        return Check(name, CheckStatus.ERROR, f"version {version} is of a newer orch; this one knows {known}")
    if version < known:
        return Check(name, CheckStatus.WARNING, f"version {version}; the next command brings it to version {known}")
    if mode != "wal":
        return Check(name, CheckStatus.WARNING, f"version {version}, journal mode {mode}; the next run sets it to wal")
    return Check(name, CheckStatus.OK, f"version {version}, write-ahead log")


def _open_calls(connection: sqlite3.Connection, now: datetime) -> Check:
    count, held, oldest = connection.execute(
        "SELECT count(*), coalesce(sum(reserved_nanousd), 0), min(created_at) FROM calls"
        " WHERE status IN ('reserved', 'sent')"
    ).fetchone()
    if not count:
        return Check("open calls", CheckStatus.OK, "none")
    detail = f"{count} not settled, {format_nanousd(held)} set aside for them"
    if oldest >= to_micros(now - _LONG_OPEN):
        return Check("open calls", CheckStatus.OK, detail)
    return Check("open calls", CheckStatus.WARNING, f"{detail}; the oldest is more than an hour old")


def _leases(connection: sqlite3.Connection) -> Iterator[Check]:
    """What workers on other machines have of the budgets, if any has something."""
    out = leases_of(connection, out=True)
    if not out:
        return
    held = format_nanousd(sum(lease.hold.left for lease in out))
    lost = [lease.lease_id for lease in out if lease.status is LeaseStatus.LOST]
    detail = f"{len(out)} workers have leases, {held} set aside for them"
    if not lost:
        yield Check("leases", CheckStatus.OK, detail)
    else:
        detail += f"; of {len(lost)} it is not known what they sent: see orch batch leases"
        yield Check("leases", CheckStatus.WARNING, detail)


def _counters(connection: sqlite3.Connection) -> Check:
    """The counters that budgets are checked by, held against the rows that they count."""
    summed, counted = (
        {(row[0], row[1]): (row[2], row[3]) for row in connection.execute(query)}
        for query in (
            f"SELECT simulated, day, sum(committed), sum(settled) FROM ("
            f" SELECT simulated, day, {COMMITTED} AS committed, {SETTLED} AS settled FROM call_rows AS calls"
            " UNION ALL SELECT simulated, day, committed_nanousd, settled_nanousd FROM pruned_spending"
            f" WHERE scope = 'all' UNION ALL SELECT simulated, day, held, 0 FROM ({HELD_BY_LEASES})"
            " WHERE scope = 'all') GROUP BY 1, 2",
            "SELECT simulated, day, committed_nanousd, settled_nanousd FROM spending WHERE scope = 'all'",
        )
    )
    wrong = sum(summed.get(key, (0, 0)) != counted.get(key, (0, 0)) for key in {*summed, *counted})
    if wrong:
        return Check("budget counters", CheckStatus.ERROR, f"on {wrong} days they are not the sums of the calls")
    return Check("budget counters", CheckStatus.OK, "they are the sums of the calls")


def _bytes(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
