"""Codex's session logs: `sessions/YYYY/MM/DD/rollout-*.jsonl` below its folder.

`turn_context` names the model of what follows. `token_count` has what was used in all (`total_token_usage`) and by the
latest call (`last_token_usage`); where the latter is missing, it is the difference of two totals. The event is written
again, with the same total, whenever the limits of the account change: that is no call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..types import Usage
from .reading import count, folder_name, inner, objects, text, when
from .record import Told, UsageRecord

PATTERNS = ("**/*.jsonl",)
_WORDS = (b'"token_count"', b'"turn_context"', b'"session_meta"')
_COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")
_UNKNOWN = "unknown"  # sessions of the first versions name no model

_Counts = tuple[int, ...]


def read(file: Path, told: Told) -> Iterator[UsageRecord]:
    """The calls of a session."""
    session, model, project = file.stem, _UNKNOWN, None
    total: _Counts | None = None
    place = 0
    for number, event in objects(file, told, _WORDS):
        payload = inner(event, "payload")
        if event.get("type") == "session_meta":
            session = text(payload.get("id")) or session
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
            if any(latest):
                yield UsageRecord(f"{session}:{place}", at, model, _usage(latest), session, project)


def _counts(info: Mapping[str, Any], name: str) -> _Counts | None:
    written = inner(info, name)
    return tuple(count(written.get(each)) for each in _COUNTS) if written else None


def _usage(counts: _Counts) -> Usage:
    """Output includes reasoning, and input what was cached, as everywhere at OpenAI."""
    given, cached, output, reasoning = counts
    return Usage(given, output, min(cached, given), 0, min(reasoning, output))
