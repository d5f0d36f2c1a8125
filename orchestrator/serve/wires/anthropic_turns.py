"""Conversations in Anthropic's form: a system prompt, and turns of blocks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...conversation import Media, Message, Part, Prompt, Role, ToolCall
from ...errors import UsageError
from ...reading.media import decoded_base64, media_at, media_of
from ...reading.messages import MOST_TURNS, prompt_of_turns
from ..fields import Fields

_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_THOUGHTS = ("thinking", "redacted_thinking")  # of another model, perhaps: no other takes them back


def prompt_in(fields: Fields) -> Prompt:
    """The conversation of a request. Raises UsageError, which names the place, for what cannot be passed on."""
    messages = fields.items("messages")
    if len(messages) > MOST_TURNS:
        raise UsageError(f"messages: {len(messages):,} are more than fit any context window")
    turns = [turn for place, each in enumerate(messages) for turn in _turns(each, f"messages[{place}]")]
    return prompt_of_turns(turns, _system(fields.any("system")))


def _system(system: object) -> str | None:
    if system is None or isinstance(system, str):
        return system
    parts = _parts(system, "system")
    if any(isinstance(part, Media) for part in parts):
        raise UsageError("system: only text can stand here")
    return "\n\n".join(str(part) for part in parts)


def _turns(item: object, place: str) -> list[Message]:
    """The turns of one message: results of tools are turns of their own, before what else the user says."""
    if not isinstance(item, Mapping):
        raise UsageError(f"{place}: expected an object")
    named, content = item.get("role"), item.get("content")
    role = _ROLES.get(named) if isinstance(named, str) else None
    if role is None:
        raise UsageError(f"{place}.role: expected user or assistant, found {str(named)[:40]!r}")
    place = f"{place}.content"
    if isinstance(content, str):
        return [Message(role, content)]
    blocks = _blocks(content, place)
    if role == "assistant":
        calls = tuple(_call(block, where) for block, where in blocks if block.get("type") == "tool_use")
        said = _parts_of([each for each in blocks if each[0].get("type") not in ("tool_use", *_THOUGHTS)])
        return [Message.of("assistant", said, tool_calls=calls)]
    results = [_result(block, where) for block, where in blocks if block.get("type") == "tool_result"]
    said = _parts_of([each for each in blocks if each[0].get("type") != "tool_result"])
    return [*results, Message.of(role, said)] if said or not results else results


def _blocks(content: object, place: str) -> list[tuple[Mapping[str, Any], str]]:
    if not isinstance(content, list):
        raise UsageError(f"{place}: expected a text or a list of blocks")
    blocks = []
    for number, block in enumerate(content):
        if not isinstance(block, Mapping):
            raise UsageError(f"{place}[{number}]: expected an object")
        blocks.append((block, f"{place}[{number}]"))
    return blocks


def _call(block: Mapping[str, Any], place: str) -> ToolCall:
    fields, arguments = Fields(block, place), block.get("input")
    if not isinstance(arguments, Mapping):
        raise UsageError(f"{place}.input: expected an object")
    written = json.dumps(arguments, ensure_ascii=False)
    return ToolCall(fields.required("id"), fields.required("name"), written)


def _result(block: Mapping[str, Any], place: str) -> Message:
    called = Fields(block, place).required("tool_use_id")
    content = block.get("content")
    parts: list[Part] = [content] if isinstance(content, str) else []
    if isinstance(content, list):
        parts = _parts(content, f"{place}.content")
    if block.get("is_error") is True:
        parts.insert(0, "The tool failed:")
    return Message.of("tool", parts, tool_call_id=called)


def _parts(content: object, place: str) -> list[Part]:
    return _parts_of(_blocks(content, place))


def _parts_of(blocks: list[tuple[Mapping[str, Any], str]]) -> list[Part]:
    return [part for block, place in blocks for part in _part(block, place)]


def _part(block: Mapping[str, Any], place: str) -> list[Part]:
    fields = Fields(block, place)
    match block.get("type"):
        case "text":
            text = fields.text("text")
            return [text] if text else []
        case "image" | "document":
            return [_media(fields, place)]
        case "search_result":
            return _parts(block.get("content"), f"{place}.content")
    raise UsageError(f"{place}.type: {str(block.get('type'))[:40]!r} cannot be passed on")


def _media(fields: Fields, place: str) -> Part:
    source = fields.table("source")
    if source is None:
        raise UsageError(f"{place}.source: is missing")
    where = f"{place}.source"
    match source.text("type"):
        case "base64":
            return media_of(
                decoded_base64(source.required("data"), f"{where}.data"), f"{where}.data", fields.text("title")
            )
        case "url":
            return media_at(source.required("url"), f"{where}.url")
        case "text":
            return source.required("data")
    raise UsageError(f"{where}.type: expected base64, url or text")
