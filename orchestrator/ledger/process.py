"""Whether the process that a run belongs to is still alive.

A process that writes to a ledger holds a lock on a file of its own beside it, and its runs carry the file's name. The
system lets go of the lock however the process ends, `kill -9` included, and no process number can be mistaken for
another: whoever gets the lock knows that the process is gone.
"""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from ulid import ULID

_SUFFIX = ".alive"


def opening_lock(ledger: Path, timeout_s: float) -> FileLock:
    """The lock that is held while a ledger is opened, made, migrated or tidied: one process at a time."""
    return FileLock(f"{ledger}.lock", timeout=timeout_s, mode=0o600)


class Presence:
    """A process's sign of life beside a ledger, until it is withdrawn or the process ends."""

    def __init__(self, ledger: Path) -> None:
        self.name = str(ULID())
        # The thread that withdraws it need not be the one that announced it.
        self._lock = FileLock(_path(ledger, self.name), mode=0o600, thread_local=False)

    @classmethod
    def announce(cls, ledger: Path) -> Self:
        presence = cls(ledger)
        presence._lock.acquire(timeout=0)
        return presence

    def withdraw(self) -> None:
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


def remove_dead(ledger: Path) -> None:
    """Remove the signs of life of processes that ended without withdrawing them, and had nothing open."""
    for path in ledger.parent.glob(f"{glob.escape(ledger.name)}.*{_SUFFIX}"):
        is_gone(ledger, path.name.removeprefix(f"{ledger.name}.").removesuffix(_SUFFIX))


def is_gone(ledger: Path, name: str) -> bool:
    """Whether the process of this name has ended. Removes what it left behind."""
    path = _path(ledger, name)
    if not path.exists():
        return True
    lock = FileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    path.unlink(missing_ok=True)
    lock.release()
    return True


def _path(ledger: Path, name: str) -> Path:
    return ledger.with_name(f"{ledger.name}.{name}{_SUFFIX}")
