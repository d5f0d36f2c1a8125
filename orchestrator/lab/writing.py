"""A file of recorded outcomes that grows: what was gathered is in it at once, and is found again later."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, field
from io import FileIO
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from ..deferred import dataclass
from ..errors import UsageError
from ..files import replacing
from .reading import ends_a_line, is_csv, is_gzipped, read_items
from .records import Item, RecordedOutcome

_BINARY = getattr(os, "O_BINARY", 0)  # Windows changes line ends without it
_REWRITE_AFTER = 20  # lines that have grown: each rewriting takes as long as the file


@dataclass(slots=True)
class RecordFile:
    """JSON lines, gzipped if the name ends in `.gz`. A new prompt is appended; one that has grown is written over.

    A context: what is still to be written over is written when it is left. Until then no other process can open the
    file, since each would write over what the other has added. The lock is a file beside it, which is removed.
    """

    path: Path
    items: dict[str, Item] = field(default_factory=dict)
    _stale: int = 0
    _appendable: bool = True  # False: another line would not do after what is there, and the next one rewrites the file
    _lock: FileLock | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """With what is in the file already. Raises UsageError if that cannot be read, nothing be written, or the file
        is open elsewhere."""
        if is_csv(path):
            hint = "name a .jsonl or a .jsonl.gz file: a .csv file would be read as CSV"
            raise UsageError(f"{path}: outcomes are written as JSON lines, not as CSV", hint=hint)
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} cannot be written: it is no file")
        target = path.resolve()  # a link's file is replaced, and locked, where it is
        if not target.parent.is_dir():
            raise UsageError(f"there is no folder {target.parent}")
        for needed in (target.parent, *([target] if target.exists() else [])):  # the folder, for what replaces the file
            if not os.access(needed, os.W_OK):
                raise UsageError(f"{path} cannot be written: {needed} is read-only")
        lock = _locked(path, target)
        try:
            if not target.exists() or not target.stat().st_size:
                return cls(path, _lock=lock)
            items = {item.id: item for item in read_items(path)}
            fits = is_gzipped(path) == _is_to_be_gzipped(path) and ends_a_line(path)
            fits = fits and not any(item.rescaled for item in items.values())  # one file, one scale
            return cls(path, items, _appendable=fits, _lock=lock)
        except BaseException:
            _unlock(lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._stale:
                self._rewrite()
        finally:
            if self._lock is not None:
                _unlock(self._lock)

    def put(self, item: Item) -> None:
        """Keep a prompt with its outcomes, in place of what there is of it."""
        grown = item.id in self.items
        self.items[item.id] = item
        if not self._appendable:
            self._rewrite()
        elif not grown:
            self._append(item)
        else:
            self._stale += 1
            if self._stale >= _REWRITE_AFTER:
                self._rewrite()

    def _append(self, item: Item) -> None:
        content = self._bytes([item])
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as stream:
                _append_whole(stream, content)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror or error}") from error

    def _rewrite(self) -> None:
        with replacing(self.path) as stream:
            stream.write(self._bytes(self.items.values()))
        self._stale, self._appendable = 0, True

    def _bytes(self, items: Iterable[Item]) -> bytes:
        lines = "".join(f"{json.dumps(line_of(item), ensure_ascii=False)}\n" for item in items).encode()
        return gzip.compress(lines) if _is_to_be_gzipped(self.path) else lines


def line_of(item: Item) -> dict[str, Any]:
    """A prompt as the file has it; what is not recorded is left out."""
    line: dict[str, Any] = {"id": item.id, "task": item.task, "prompt": item.prompt}
    line["outcomes"] = {name: _fields(outcome) for name, outcome in item.outcomes.items()}
    if item.plans:
        line["plans"] = {name: _fields(outcome) for name, outcome in item.plans.items()}
    return line | ({"simulated": True} if item.simulated else {})


def _is_to_be_gzipped(path: Path) -> bool:
    return path.suffix == ".gz"


def _append_whole(stream: FileIO, content: bytes) -> None:
    """All of it onto the disk; where that fails, nothing of it stays, as half a line would make the file unreadable."""
    before = os.fstat(stream.fileno()).st_size
    try:
        left = memoryview(content)
        while left:
            left = left[stream.write(left) :]
        os.fsync(stream.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            stream.truncate(before)
        raise


def _locked(path: Path, target: Path) -> FileLock:
    lock = FileLock(target.with_name(f"{target.name}.lock"), timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise UsageError(f"another orch is writing to {path}", hint="wait for it, or name another file") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    return lock


def _unlock(lock: FileLock) -> None:
    """Let go of a lock, without its file. Whoever has opened the file just before finds it gone, and takes the lock for
    held. Where an open file cannot be removed it stays, empty."""
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink()
    lock.release()


def _fields(outcome: RecordedOutcome) -> dict[str, Any]:
    return {name: value for name, value in asdict(outcome).items() if value is not None}
