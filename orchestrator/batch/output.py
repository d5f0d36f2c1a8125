"""The output of a batch: JSON lines in a file, gzipped if its name says so, or on a stream such as standard output.

What is written is on disk when `write` returns. A file may have a provisional end: lines that were not asked yet, and
the rest of a line that was being written when the machine went down. Both are cut off when the job goes on.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from ..config.strict_json import parse_json
from ..errors import OrchError, UsageError
from ..expressions import expression
from ..files import replacing

STDOUT = "-"
_LINE = expression(rb'\{"line": ([0-9]+), ')


class Writes(Protocol):
    """What a stream has to have."""

    def write(self, data: bytes) -> object:
        """Write bytes, all of them."""


class Sink(Protocol):
    """Where the results go. `size`: the bytes of it that are final."""

    size: int

    def write(self, lines: Sequence[str]) -> None:
        """Write lines that are final."""

    def add_provisional(self, lines: Sequence[str]) -> None:
        """Write lines that are cut off again when the job goes on; after them, nothing is final."""

    def close(self) -> None:
        """Close what was opened."""


class StreamSink:
    """A stream that takes what it is given and cannot be cut: a pipe, a device, standard output."""

    def __init__(self, stream: Writes, flush: Callable[[], None]) -> None:
        self._stream = stream
        self._flush = flush
        self.size = 0

    def write(self, lines: Sequence[str]) -> None:
        """As `Sink.write`. Raises what the stream raises."""
        data = _bytes(lines)
        self._stream.write(data)
        self._flush()
        self.size += len(data)

    def add_provisional(self, lines: Sequence[str]) -> None:
        """As `write`: nothing can be taken back."""
        self.write(lines)

    def close(self) -> None:
        """The stream is its owner's."""


class FileSink:
    """A file of the job. `size` is what is final of it: the rest is cut off when it is opened.

    Raises UsageError if it cannot be written, or has lost some of what was final.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        self.size = size
        try:
            self._stream: BinaryIO = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
            there = self._stream.seek(0, os.SEEK_END)
        except OSError as error:
            raise _unwritable(path, error) from error
        if there < size:
            self._stream.close()
            raise UsageError(
                f"{path} has {there:,} bytes, and {size:,} were written to it",
                hint="put the file back where it was, or begin a batch of its own with another -o",
            )
        self._cut()

    def write(self, lines: Sequence[str]) -> None:
        """As `Sink.write`. Raises UsageError, with nothing of it in the file, if the disk is full."""
        self.size += self._append(lines)

    def add_provisional(self, lines: Sequence[str]) -> None:
        """As `Sink.add_provisional`. Raises UsageError."""
        self._append(lines)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def replace(self, is_replaced: Callable[[int], str | None], about_to: Callable[[int], None]) -> None:
        """Write the file anew, each line for whose number there is another in its place. `about_to` gets the size of
        the new file right before it takes the old one's place."""
        with replacing(self.path) as stream:
            self._stream.seek(0)
            for lines in _in_chunks(self._lines(), is_replaced):
                stream.write(self._packed(_bytes(lines)))
            stream.flush()
            size = stream.tell()
            about_to(size)
        self._stream.close()
        self._stream = self.path.open("r+b", buffering=0)
        self.size = self._stream.seek(0, os.SEEK_END)

    def _lines(self) -> Iterator[bytes]:
        with self.path.open("rb") as stream:
            yield from gzip.GzipFile(fileobj=stream) if self._is_gzipped else stream

    @property
    def _is_gzipped(self) -> bool:
        return self.path.suffix == ".gz"

    def _packed(self, data: bytes) -> bytes:
        return gzip.compress(data) if self._is_gzipped else data

    def _append(self, lines: Sequence[str]) -> int:
        data = memoryview(self._packed(_bytes(lines)))
        before = self._stream.seek(0, os.SEEK_END)
        try:
            left = data
            while left:
                left = left[self._stream.write(left) :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            self._stream.truncate(before)
            raise _unwritable(self.path, error) from error
        return len(data)

    def _cut(self) -> None:
        try:
            self._stream.truncate(self.size)
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error


def check_free(path: Path) -> None:
    """Raises UsageError if a new job cannot have this file for its output: what was paid for is not written over."""
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", hint="name a file with -o")
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}")
        if path.is_file() and path.stat().st_size:
            raise UsageError(
                f"{path} is there already", hint="name another file, or remove it if nobody needs what is in it"
            )
    except OSError as error:
        raise _unwritable(path, error) from error


def number_in(line: bytes) -> int | None:
    """The number of the line that a line of the output is about."""
    if (found := _LINE.match(line)) is not None:
        return int(found[1])
    try:
        value = parse_json(line.decode())
    except ValueError:
        return None
    number = value.get("line") if isinstance(value, dict) else None
    return number if isinstance(number, int) else None


def _in_chunks(lines: Iterator[bytes], is_replaced: Callable[[int], str | None]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for line in lines:
        number = number_in(line)
        other = None if number is None else is_replaced(number)
        chunk.append(line.decode().rstrip("\n") if other is None else other)
        if len(chunk) == 500:
            yield chunk
            chunk = []
    yield chunk


def _bytes(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _unwritable(path: Path, error: OSError) -> OrchError:
    return UsageError(
        f"{path} cannot be written: {error.strerror or error}",
        hint="what was answered is kept in the ledger; once there is room, the same command writes it and goes on",
    )
