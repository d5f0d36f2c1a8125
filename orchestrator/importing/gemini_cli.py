"""Gemini CLI's sessions: `tmp/PROJECT/chats/session-*.json`, one document each, or `.jsonl`, a line for each message.

A message of type `gemini` has its `model` and `tokens`: `input`, of which `cached`; `output` and, beside it,
`thoughts`; `tool`, which is input too. Where `total` shows that `cached` stands beside `input`, it is added to it. A
message that is written again has its later counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..types import Usage
from .reading import count, document, inner, objects, text, when
from .record import Told, UsageRecord

PATTERNS = ("**/chats/*.json", "**/chats/*.jsonl")


def read(file: Path, told: Told) -> Iterator[UsageRecord]:
    """The calls of a session."""
    if file.suffix == ".jsonl":
        session = file.stem
        for number, line in objects(file, told, (b'"sessionId"', b'"tokens"')):
            session = text(line.get("sessionId")) or session
            yield from _records([line], session, told, f"{file}:{number}")
        return
    whole = document(file, told)
    if whole is not None:
        messages = whole.get("messages")
        session = text(whole.get("sessionId")) or file.stem
        yield from _records(messages if isinstance(messages, list) else [], session, told, f"{file}")


def _records(messages: list[Any], session: str, told: Told, where: str) -> Iterator[UsageRecord]:
    for message in messages:
        tokens = inner(message, "tokens")
        if not tokens or message.get("type") != "gemini":
            continue
        model, at, identity = text(message.get("model")), when(message.get("timestamp")), text(message.get("id"))
        if model is None or at is None or identity is None:
            told.of_broken(where)
            continue
        yield UsageRecord(f"{session}:{identity}", at, model, _usage(tokens), session)


def _usage(tokens: Mapping[str, Any]) -> Usage:
    given, output, cached, thoughts, tool = (
        count(tokens.get(name)) for name in ("input", "output", "cached", "thoughts", "tool")
    )
    beside = count(tokens.get("total")) == given + output + thoughts + tool + cached
    whole = given + tool + (cached if beside else 0)
    return Usage(whole, output + thoughts, min(cached, whole), 0, thoughts)
