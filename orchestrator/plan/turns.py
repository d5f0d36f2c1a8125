"""The turns of a conversation as they are sent, or shown as text where they are material and not a conversation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from ..conversation import Message, ToolCall
from ..deferred import replace

_SAID_BY: Mapping[str, str] = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}


def sent_text(turn: Message) -> str:
    """All text of a turn as it goes over a wire: with its calls of tools, and a result as some wires quote it."""
    if turn.role == "tool":
        return json.dumps(turn.content, ensure_ascii=False)
    return "\n".join([turn.content, *(f"{call.name} {call.arguments}" for call in turn.tool_calls)])


def transcript(turns: Iterable[Message]) -> str:
    """A conversation as one text."""
    return "\n\n".join(f"{_SAID_BY[turn.role]}: {_shown(turn)}" for turn in without_tools(turns))


def without_tools(turns: Iterable[Message]) -> Iterator[Message]:
    """The turns for a model that is offered no tools: calls and their results are told in words."""
    names: dict[str | None, str] = {}
    for turn in turns:
        names |= {call.id: call.name for call in turn.tool_calls}
        if turn.role == "tool":
            told = f"[result of {names.get(turn.tool_call_id, 'a tool')}]"
            yield with_text(Message("user", turn.content, parts=turn.parts), f"{told}\n{turn.content}")
        elif turn.tool_calls:
            said = [turn.content] if turn.content.strip() else []
            yield replace(turn, content="\n".join([*said, *map(_called, turn.tool_calls)]), tool_calls=())
        else:
            yield turn


def with_text(turn: Message, text: str) -> Message:
    """A turn with another text: its images and documents stand before it. A text that is the same leaves everything
    where it is."""
    if text == turn.content:
        return turn
    return Message.of(turn.role, (*turn.media, text))


def without_media(turn: Message) -> Message:
    """A turn for a model that sees no images: they are told in words."""
    return Message(turn.role, _shown(turn), turn.tool_calls, turn.tool_call_id) if turn.media else turn


def _called(call: ToolCall) -> str:
    return f"[called {call.name} with {call.arguments or '{}'}]"


def _shown(turn: Message) -> str:
    kinds = ("[document]" if media.is_document else "[image]" for media in turn.media)
    return "\n".join([*kinds, turn.content])
