"""Claude Code's session logs: a line of JSON for each event, in `projects/FOLDER/SESSION.jsonl` below its folder.

An `assistant` event has the message as the API gave it, with its `usage`. A message that came in several blocks has a
line for each, all with the same `message.id` and `requestId`, and the counts grow from line to line: the last one
counts. A session that is resumed copies the lines before it into a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..types import Usage
from .reading import count, folder_name, inner, objects, text, when
from .record import Told, UsageRecord

_NO_MODEL = "<synthetic>"  # of messages that the tool writes itself
PATTERNS = ("**/*.jsonl",)


def read(file: Path, told: Told) -> Iterator[UsageRecord]:
    """The calls of a session, each once for as long as its lines follow each other."""
    held: UsageRecord | None = None
    for number, event in objects(file, told, (b'"usage"',)):
        if event.get("type") not in ("assistant", None) or not inner(event, "message", "usage"):
            continue  # what a tool gave may hold the word too
        record = _record(event, file)
        if record is None:
            if not event.get("isApiErrorMessage") and inner(event, "message").get("model") != _NO_MODEL:
                told.of_broken(f"{file}:{number}")
            continue
        if held is not None and held.key != record.key:
            yield held
        held = record
    if held is not None:
        yield held


def _record(event: Mapping[str, Any], file: Path) -> UsageRecord | None:
    message = inner(event, "message")
    model, at = text(message.get("model")), when(event.get("timestamp"))
    identity = text(message.get("id")) or text(event.get("uuid"))
    if model in (None, _NO_MODEL) or at is None or identity is None or event.get("isApiErrorMessage"):
        return None
    raw = inner(message, "usage")
    cached, written = count(raw.get("cache_read_input_tokens")), count(raw.get("cache_creation_input_tokens"))
    usage = Usage(
        input_tokens=count(raw.get("input_tokens")) + cached + written,
        output_tokens=count(raw.get("output_tokens")),
        cached_tokens=cached,
        cache_write_tokens=written,
        raw=raw,
    )
    request = text(event.get("requestId"))
    return UsageRecord(
        key=identity if request is None else f"{identity}:{request}",
        at=at,
        model=str(model),
        usage=usage,
        session=text(event.get("sessionId")) or file.stem,
        project=folder_name(event.get("cwd")),
    )
