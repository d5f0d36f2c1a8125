"""Lines and values of logs that others wrote: whatever is not as expected is no error, but nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ..money import MOST_TOKENS
from .record import Told

LONGEST_LINE = 64 << 20  # bytes: a turn with pictures may have megabytes
_PIECE = 1 << 20


def objects(file: Path, told: Told, needed: tuple[bytes, ...]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The JSON objects of a file of lines that hold one of the `needed` words, with their line numbers.

    A line without these words is not parsed, only looked at: one that is cut off counts as broken.
    """
    try:
        with file.open("rb") as stream:
            number = 0
            while line := stream.readline(LONGEST_LINE):
                number += 1
                if not line.endswith(b"\n") and len(line) >= LONGEST_LINE:
                    _skip(stream)
                    told.of_broken(f"{file}:{number}")
                    continue
                text = line.strip()
                if not text:
                    continue
                if not (text.startswith(b"{") and text.endswith(b"}")):
                    told.of_broken(f"{file}:{number}")
                elif any(word in text for word in needed):
                    parsed = _parsed(text)
                    if parsed is None:
                        told.of_broken(f"{file}:{number}")
                    else:
                        yield number, parsed
    except OSError as error:
        told.unread.append(f"{file}: {error.strerror}")


def document(file: Path, told: Told) -> Mapping[str, Any] | None:
    """The JSON object that a file is, or None."""
    try:
        with file.open("rb") as stream:
            text = stream.read(LONGEST_LINE + 1)
    except OSError as error:
        told.unread.append(f"{file}: {error.strerror}")
        return None
    parsed = _parsed(text) if len(text) <= LONGEST_LINE else None
    if parsed is None:
        told.of_broken(f"{file}")
    return parsed


def _skip(stream: Any) -> None:
    """To the end of a line."""
    while (piece := stream.readline(_PIECE)) and not piece.endswith(b"\n"):
        pass


def _parsed(text: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def inner(value: object, *path: str) -> Mapping[str, Any]:
    """The object at a path of keys; an empty one where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: object) -> str | None:
    """A text that is not empty."""
    return value.strip() or None if isinstance(value, str) else None


def count(value: object) -> int:
    """A number of tokens; 0 for what is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_TOKENS else 0


def when(value: object) -> datetime | None:
    """An ISO 8601 time, in UTC unless it says otherwise."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def folder_name(path: object) -> str | None:
    """The last part of a path, of whatever system."""
    written = text(path)
    if written is None:
        return None
    return (PureWindowsPath(written) if "\\" in written else PurePosixPath(written)).name or None
