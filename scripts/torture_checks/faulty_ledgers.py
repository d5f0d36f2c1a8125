"""Ledgers that cannot be used before a call, or can no longer be when its answer has come."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

# What a broken ledger is made of, or how it is held: given the ledger's path, for as long as the block lasts.
Breaking = Callable[[Path], AbstractContextManager[None]]

_TMPFS_BYTES = 2 << 20
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Break:
    """One way for a ledger to be unusable.

    `used` is whether there is a good ledger first; `file_limit` how large a file the command may write (RLIMIT_FSIZE,
    which needs no privilege); `on_tmpfs` whether the ledger is on a small file system of its own.
    """

    name: str
    breaking: Breaking
    used: bool = True
    file_limit: int | None = None
    on_tmpfs: bool = False


@contextmanager
def tmpfs(folder: Path) -> Iterator[bool]:
    """A small file system for as long as the block lasts; False where mounting is not allowed."""
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", f"size={_TMPFS_BYTES}", "orch-torture", str(folder)]
    try:
        mounted = subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def as_it_is(_: Path) -> Iterator[None]:
    """Nothing is done to the file; something else is in the way."""
    yield


@contextmanager
def full(ledger: Path) -> Iterator[None]:
    """No byte is left on the file system."""
    filler = ledger.parent / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(_PAGE)) == _PAGE:
                pass
        except OSError:
            pass
        yield
    filler.unlink()


@contextmanager
def mounted_read_only(ledger: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", str(ledger.parent)], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", str(ledger.parent)], check=True)


@contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Another process is in the middle of a transaction, and stays there."""
    connection = sqlite3.connect(ledger, timeout=30, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


def overwritten(change: Callable[[bytes], bytes]) -> Breaking:
    """The file is replaced by what `change` makes of it."""

    @contextmanager
    def breaking(ledger: Path) -> Iterator[None]:
        ledger.write_bytes(change(ledger.read_bytes() if ledger.exists() else b""))
        yield

    return breaking


def with_sql(statement: str) -> Breaking:
    """The database is changed by another program."""

    @contextmanager
    def breaking(ledger: Path) -> Iterator[None]:
        connection = sqlite3.connect(ledger, isolation_level=None)
        connection.execute(statement)
        connection.close()
        yield

    return breaking


@contextmanager
def a_folder(ledger: Path) -> Iterator[None]:
    ledger.mkdir()
    yield


BEFORE: tuple[Break, ...] = (
    Break("no database at all", overwritten(lambda _: b"What is this?\n" * 999), used=False),
    Break("a folder", a_folder, used=False),
    Break("a head and then noise", overwritten(lambda data: data[:100] + bytes(range(256)) * 64)),
    Break("its second page lost", overwritten(lambda data: data[:_PAGE] + bytes(_PAGE) + data[2 * _PAGE :])),
    Break("cut off in the middle", overwritten(lambda data: data[: len(data) // 3])),
    Break("of a newer version", with_sql("PRAGMA user_version = 999")),
    Break("without its tables", with_sql("DROP TABLE call_rows")),
    Break("locked by another process", locked),
    Break("no room for a page", as_it_is, file_limit=_PAGE),
    Break("no room for a new file", as_it_is, used=False, file_limit=_PAGE),
    Break("on a full disk", full, on_tmpfs=True),
    Break("on a full disk, and new", full, used=False, on_tmpfs=True),
    Break("on a read-only disk", mounted_read_only, on_tmpfs=True),
)


@contextmanager
def file_limited(pid: int) -> Iterator[None]:
    """The process can no longer make any file longer than a few pages; nothing happens if it has ended."""
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4 * _PAGE, resource.RLIM_INFINITY))
    yield


@dataclass(frozen=True, slots=True)
class LateBreak:
    """A way for a ledger to become unusable while a call is under way: given the ledger and the caller's process."""

    name: str
    breaking: Callable[[Path, int], AbstractContextManager[None]]
    on_tmpfs: bool = False


AFTER: tuple[LateBreak, ...] = (
    LateBreak("locked when the answer comes", lambda ledger, _: locked(ledger)),
    LateBreak("no room when the answer comes", lambda _, pid: file_limited(pid)),
    LateBreak("the disk fills up", lambda ledger, _: full(ledger), on_tmpfs=True),
)


def wait_until(holds: Callable[[], bool], patience_s: float) -> bool:
    """Whether it came to hold in time."""
    until = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
