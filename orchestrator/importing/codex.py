"""Codex's session logs: `sessions/YYYY/MM/DD/rollout-*.jsonl` below its folder.

`turn_context` names the model of what follows. `token_count` has what was used in all (`total_token_usage`) and by the
latest call (`last_token_usage`); where the latter is missing, it is the difference of two totals. The event is written
again, with the same total, whenever the limits of the account change: that is no call.

The file of a fork names the session before it (`forked_from_id`) and begins with that one's history, sometimes with the
time of the fork: its counts are those of the other file, one by one, up to where the two part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ..deferred import dataclass
from ..types import Usage
from .reading import count, folder_name, inner, objects, text, when
from .record import Told, UsageRecord

PATTERNS = ("**/*.jsonl",)
_WORDS = (b'"token_count"', b'"turn_context"', b'"session_meta"')
_COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")
_FOLDERS = ("sessions", "archived_sessions")
_UNKNOWN = "unknown"  # sessions of the first versions name no model

_Counts = tuple[int, ...]


@dataclass(slots=True)
class _Session:
    """What the first lines of a file say: whose it is, which one it was forked from, and when."""

    id: str
    forked_from: str | None = None
    began: datetime | None = None
    is_told: bool = False


class _Call(NamedTuple):
    """A call of a file, by its place in it. `total` is what was used in all after it."""

    place: int
    at: datetime
    model: str
    counts: _Counts
    total: _Counts | None
    project: str | None


def read(file: Path, told: Told) -> Iterator[UsageRecord]:
    """The calls of a session, without those that it has from the one it was forked from."""
    session, replayed = _Session(file.stem), True
    before: list[_Call] | None = None
    for call in _calls(file, told, session):
        if replayed and session.forked_from is not None:
            before = _history(file, session.forked_from) if before is None else before
            replayed = _is_replayed(call, before, session.began)
            if replayed:
                continue
        if any(call.counts):
            yield UsageRecord(
                f"{session.id}:{call.place}", call.at, call.model, _usage(call.counts), session.id, call.project
            )


def _calls(file: Path, told: Told, session: _Session) -> Iterator[_Call]:
    """Each call of a file, and what its head says in `session`."""
    model, project = _UNKNOWN, None
    total: _Counts | None = None
    place = 0
    for number, event in objects(file, told, _WORDS):
        payload = inner(event, "payload")
        if event.get("type") == "session_meta":
            # The first one is the file's own; a fork's file has those of the sessions before it too.
            if not session.is_told:
                session.id = text(payload.get("id")) or session.id
                session.forked_from = text(payload.get("forked_from_id"))
                session.began, session.is_told = when(event.get("timestamp")), True
                project = folder_name(payload.get("cwd")) or project
        elif event.get("type") == "turn_context":
            model = text(payload.get("model")) or model
            project = folder_name(payload.get("cwd")) or project
        elif payload.get("type") == "token_count" and isinstance(payload.get("info"), dict):
            info = inner(payload, "info")
            now, latest = _counts(info, "total_token_usage"), _counts(info, "last_token_usage")
            if now is not None and now == total:
                continue
            if latest is None and now is not None:
                latest = tuple(max(0, after - then) for after, then in zip(now, total or (0,) * 4, strict=True))
            total = now or total
            at = when(event.get("timestamp"))
            if latest is None or at is None:
                told.of_broken(f"{file}:{number}")
                continue
            place += 1
            model = text(info.get("model")) or text(payload.get("model")) or model
            yield _Call(place, at, model, latest, now, project)


def _history(file: Path, session: str) -> list[_Call]:
    """The calls of the session that a file was forked from; none if its file is not there."""
    folder = next((each.parent for each in file.parents if each.name in _FOLDERS), file.parent)
    for other in folder.rglob("*.jsonl"):
        if other.stem.endswith(session) and other != file:
            return list(_calls(other, Told(), _Session(other.stem)))
    return []


def _is_replayed(call: _Call, before: Sequence[_Call], began: datetime | None) -> bool:
    """Whether a call at the beginning of a fork is one of the session before. Where that is not at hand, it is if it is
    not later than the second in which the fork was made."""
    if before:
        there = before[call.place - 1] if call.place <= len(before) else None
        return there is not None and (there.counts, there.total) == (call.counts, call.total)
    return began is not None and call.at < began + timedelta(seconds=1)


def _counts(info: Mapping[str, Any], name: str) -> _Counts | None:
    written = inner(info, name)
    return tuple(count(written.get(each)) for each in _COUNTS) if written else None


def _usage(counts: _Counts) -> Usage:
    """Output includes reasoning, and input what was cached, as everywhere at OpenAI."""
    given, cached, output, reasoning = counts
    return Usage(given, output, min(cached, given), 0, min(reasoning, output))
