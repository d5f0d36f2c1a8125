"""A file of recorded outcomes that grows: what was gathered is in it at once, and is found again later."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from ..errors import UsageError
from ..files import replacing
from .reading import read_items
from .records import Item, RecordedOutcome

_REWRITE_AFTER = 20  # lines that have grown: each rewriting takes as long as the file


@dataclass(slots=True)
class RecordFile:
    """JSON lines, gzipped if the name ends in `.gz`. A new prompt is appended; one that has grown is written over.

    A context: what is still to be written over is written when it is left.
    """

    path: Path
    items: dict[str, Item] = field(default_factory=dict)
    _stale: int = 0

    @classmethod
    def open(cls, path: Path) -> Self:
        """With what is in the file already. Raises UsageError if that cannot be read, or nothing be written."""
        if path.exists() and path.stat().st_size:
            return cls(path, {item.id: item for item in read_items(path)})
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError(f"{path} cannot be written")
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stale:
            self._rewrite()

    def put(self, item: Item) -> None:
        """Keep a prompt with its outcomes, in place of what there is of it."""
        grown = item.id in self.items
        self.items[item.id] = item
        if not grown:
            self._append(item)
            return
        self._stale += 1
        if self._stale >= _REWRITE_AFTER:
            self._rewrite()

    def _append(self, item: Item) -> None:
        content = self._bytes([item])
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, content)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror or error}") from error

    def _rewrite(self) -> None:
        with replacing(self.path) as stream:
            stream.write(self._bytes(self.items.values()))
        self._stale = 0

    def _bytes(self, items: Iterable[Item]) -> bytes:
        lines = "".join(f"{json.dumps(line_of(item), ensure_ascii=False)}\n" for item in items).encode()
        return gzip.compress(lines) if self.path.suffix == ".gz" else lines


def line_of(item: Item) -> dict[str, Any]:
    """A prompt as the file has it; what is not recorded is left out."""
    line: dict[str, Any] = {"id": item.id, "task": item.task, "prompt": item.prompt}
    line["outcomes"] = {name: _fields(outcome) for name, outcome in item.outcomes.items()}
    if item.plans:
        line["plans"] = {name: _fields(outcome) for name, outcome in item.plans.items()}
    return line | ({"simulated": True} if item.simulated else {})


def _fields(outcome: RecordedOutcome) -> dict[str, Any]:
    return {name: value for name, value in asdict(outcome).items() if value is not None}
