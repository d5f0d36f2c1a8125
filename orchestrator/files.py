"""Writes whole files: afterwards the file has all of the new content, or the old file is untouched."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .errors import UsageError
from .unseen import for_terminal

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Terminal(BufferedWriter):
    """A terminal that is named as a file. Each write is of whole characters, in UTF-8."""

    def write(self, data: ReadableBuffer, /) -> int:
        super().write(for_terminal(bytes(data).decode(errors="replace")).encode())
        return len(bytes(data))


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream that replaces `path` (mode 0600) when the block has ended and everything is on disk.

    A symlink keeps pointing at the new content; a pipe or a device is written to, not replaced. Raises UsageError if
    the file cannot be written; a closed pipe raises BrokenPipeError.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raw = path.open("wb", buffering=0)
            with _Terminal(raw) if raw.isatty() else BufferedWriter(raw) as stream:
                yield stream
            return
        target = path.resolve()
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=".tmp", dir=target.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error


def is_private(folder: Path) -> bool:
    """Whether only this user can have written into a folder; False for a symlink. Raises OSError."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return False
    return sys.platform == "win32" or (
        status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )
