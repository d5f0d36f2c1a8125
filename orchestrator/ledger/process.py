"""Tells whether the process that a run belongs to is still alive.

A process that writes to a ledger holds a lock on a file of its own beside it, and its runs store the file's name. The
system releases the lock however the process ends, including `kill -9`, and process numbers are not used, so none can be
reused: whoever gets the lock knows that the process is gone.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..errors import LedgerError

if TYPE_CHECKING:
    from filelock import FileLock

_SUFFIX = ".alive"


@contextmanager
def opening_lock(ledger: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock under which a ledger is opened, created, migrated or tidied, by one process at a time. Raises
    LedgerError if another process still holds it after `timeout_s` seconds."""
    lock = _file_lock(ledger.with_name(f"{ledger.name}.lock"))
    try:
        lock.acquire(timeout=timeout_s)
    except TimeoutError as error:
        raise LedgerError(f"the ledger {ledger} stayed locked for {timeout_s:.0f} s") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def moving_lock(ledger: Path) -> Iterator[bool]:
    """Hold the lock under which the texts of an older ledger are moved, by one process at a time; gives whether it is
    held."""
    lock = _file_lock(ledger.with_name(f"{ledger.name}.moving"))
    try:
        lock.acquire(timeout=0)
    except TimeoutError:
        yield False
        return
    try:
        yield True
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@contextmanager
def repricing_lock(ledger: Path) -> Iterator[None]:
    """Hold the lock under which calls are repriced, by one process at a time. Raises LedgerError at once if it is
    held."""
    lock = _file_lock(ledger.with_name(f"{ledger.name}.repricing"))
    try:
        lock.acquire(timeout=0)
    except TimeoutError as error:
        raise LedgerError("another repricing of this ledger is under way", hint="wait until it has ended") from error
    try:
        yield
    finally:
        lock.release()


class Presence:
    """A lock file beside a ledger that shows that a process is alive, until it is withdrawn or the process ends."""

    def __init__(self, ledger: Path) -> None:
        from ulid import ULID  # heavy

        self.name = str(ULID())
        # The thread that withdraws it need not be the one that announced it.
        self._lock = _file_lock(_path(ledger, self.name), thread_local=False)

    @classmethod
    def announce(cls, ledger: Path) -> Self:
        """Create and lock the file."""
        presence = cls(ledger)
        presence._lock.acquire(timeout=0)
        return presence

    def withdraw(self) -> None:
        """Remove the file and release the lock."""
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


def remove_dead(ledger: Path) -> None:
    """Remove the lock files of processes that ended without doing so, and had nothing open."""
    for path in ledger.parent.glob(f"{glob.escape(ledger.name)}.*{_SUFFIX}"):
        is_gone(ledger, path.name.removeprefix(f"{ledger.name}.").removesuffix(_SUFFIX))


def others_at_work(ledger: Path) -> bool:
    """Whether any process that writes to a ledger is alive."""
    found = [path.name for path in ledger.parent.glob(f"{glob.escape(ledger.name)}.*{_SUFFIX}")]
    names = [name.removeprefix(f"{ledger.name}.").removesuffix(_SUFFIX) for name in found]
    return any(not is_gone(ledger, name) for name in names)


def is_gone(ledger: Path, name: str) -> bool:
    """Whether the process of this name has ended. If so, its lock file is removed."""
    path = _path(ledger, name)
    if not path.exists():
        return True
    lock = _file_lock(path)
    try:
        lock.acquire(timeout=0)
    except TimeoutError:
        return False
    path.unlink(missing_ok=True)
    lock.release()
    return True


def _path(ledger: Path, name: str) -> Path:
    return ledger.with_name(f"{ledger.name}.{name}{_SUFFIX}")


def _file_lock(path: Path, *, thread_local: bool = True) -> FileLock:
    from filelock import FileLock  # heavy

    return FileLock(path, mode=0o600, thread_local=thread_local)
