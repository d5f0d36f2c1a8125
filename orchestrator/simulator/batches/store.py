"""What the simulator keeps of batches and files, in memory and, if it has a folder, on disk: a server that is started
again has them still, and its journal what they cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ...files import replacing
from ..journal import Entry, Journal
from .records import Batch, State

_ENTRIES = "journal.jsonl"


class BatchStore:
    """Batches and files by their ids, in the order in which they were made."""

    def __init__(self, journal: Journal, folder: Path | None = None) -> None:
        self._journal = journal
        self._folder = folder
        self._batches: dict[str, Batch] = {}
        self._files: dict[str, bytes] = {}
        if folder is not None and _is_there(folder):
            self._load(folder)

    def __len__(self) -> int:
        return len(self._batches) + len(self._files)

    def add(self, batch: Batch) -> None:
        """Keep a new batch."""
        self._batches[batch.id] = batch
        self._make_folder()
        self.keep(batch)

    def keep(self, batch: Batch) -> None:
        """Keep a batch as it stands."""
        if self._folder is not None:
            with replacing(self._folder / f"{batch.id.replace('/', '_')}.json") as file:
                file.write(json.dumps(batch.as_json()).encode())

    def get(self, batch_id: str, wire: str) -> Batch | None:
        """A batch of a wire, by its id."""
        found = self._batches.get(batch_id)
        return found if found is not None and found.wire == wire else None

    def listed(self, wire: str) -> Iterator[Batch]:
        """The batches of a wire, the latest first."""
        return (batch for batch in reversed(self._batches.values()) if batch.wire == wire)

    def add_file(self, file_id: str, content: bytes) -> None:
        """Keep a file."""
        self._files[file_id] = content
        self._make_folder()
        if self._folder is not None:
            (self._folder / f"{file_id}.file").write_bytes(content)

    def file(self, file_id: str) -> bytes | None:
        """A file by its id."""
        return self._files.get(file_id)

    def charge(self, entries: list[Entry]) -> None:
        """Put what a batch cost into the journal."""
        self._journal.entries.extend(entries)
        if self._folder is not None:
            with (self._folder / _ENTRIES).open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(entry.as_json()) + "\n" for entry in entries)

    def _make_folder(self) -> None:
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _load(self, folder: Path) -> None:
        known = [Batch.from_json(json.loads(path.read_text("utf-8"))) for path in folder.glob("*.json")]
        self._batches = {batch.id: batch for batch in sorted(known, key=lambda batch: (batch.created_at, batch.id))}
        self._files = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.file"))}
        with suppress(FileNotFoundError), (folder / _ENTRIES).open(encoding="utf-8") as file:
            self._journal.entries.extend(Entry.from_json(json.loads(line)) for line in file)


def is_open(batch: Batch) -> bool:
    """Whether a batch can still be cancelled."""
    return batch.state is State.RUNNING


def _is_there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:  # no folder can have this name
        return False
