"""The items of the Responses API: what goes in, read as turns, and the response that comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import UsageError
from ...reading.messages import MOST_TURNS, turns_from_openai
from ...types import FinishReason, Message, ToolCall
from ..reply import Reply
from .base import Json
from .chat import logprobs_of

PREFIX = "resp_"


def turns_in(given: object) -> tuple[Message, ...]:
    """The turns of an input: a text, or a list of items. Raises UsageError for what cannot be passed on."""
    if isinstance(given, str):
        return (Message("user", given),)
    if not isinstance(given, list):
        raise UsageError("input: expected a text or a list of items")
    if len(given) > MOST_TURNS:
        raise UsageError(f"input: {len(given):,} items are more than fit any context window")
    listed = list(_messages(given))
    return turns_from_openai([message for message, _ in listed], [place for _, place in listed])


def _messages(items: list[Any]) -> Iterator[tuple[Any, str]]:
    """Items as messages of the older API, and where they stand. Calls that follow each other are one turn's."""
    calls: list[Any] = []
    for number, item in enumerate(items):
        place = f"input[{number}]"
        kind = item.get("type", "message") if isinstance(item, Mapping) else None
        if kind == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments") or "{}"}
            calls.append({"id": item.get("call_id"), "type": "function", "function": function})
            continue
        if kind == "reasoning":  # of one model, which no other takes back
            continue
        if calls:
            yield {"role": "assistant", "content": None, "tool_calls": calls}, f"input[{number - 1}]"
            calls = []
        if kind == "function_call_output":
            yield {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}, place
        elif kind == "message" or not isinstance(item, Mapping):
            yield item, place
        else:
            raise UsageError(f"{place}.type: {str(kind)[:40]!r} cannot be passed on")
    if calls:
        yield {"role": "assistant", "content": None, "tool_calls": calls}, f"input[{len(items) - 1}]"


def message_item(reply: Reply, text: str | None = None, *, status: str = "completed") -> Json:
    """The item that has a reply's text, or its refusal."""
    content: list[Json] = [text_part(reply.text if text is None else text, reply)]
    if reply.refusal is not None:
        content = [{"type": "refusal", "refusal": reply.refusal}]
    item_id = f"msg_{reply.run_id}"
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": content}


def text_part(text: str, reply: Reply | None = None) -> Json:
    """A part of a message that is text."""
    logprobs = [] if reply is None else logprobs_of(reply)
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def call_item(call: ToolCall, *, arguments: str | None = None, status: str = "completed") -> Json:
    """The item of a call of a tool."""
    return {
        "id": f"fc_{call.id}",
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": (call.arguments or "{}") if arguments is None else arguments,
    }


def items_of(reply: Reply) -> list[Json]:
    """The output of a response."""
    said = [message_item(reply)] if reply.text or reply.refusal is not None or not reply.tool_calls else []
    return [*said, *map(call_item, reply.tool_calls)]


def frame(run_id: str, model: str, created: int, status: str, echo: Mapping[str, Any]) -> Json:
    """A response without its output."""
    return {
        "id": f"{PREFIX}{run_id}",
        "object": "response",
        "created_at": created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "usage": None,
        **echo,
        "metadata": echo.get("metadata") or {},
    }


def response_of(reply: Reply, echo: Mapping[str, Any]) -> Json:
    """A whole response."""
    reasons = {
        FinishReason.LENGTH: "max_output_tokens",
        FinishReason.INCOMPLETE: "max_output_tokens",
        FinishReason.REFUSED: "content_filter",
    }
    reason = reasons.get(reply.finish)
    status = "completed" if reason is None else "incomplete"
    usage = reply.usage
    return {
        **frame(reply.run_id, reply.model, reply.created, status, echo),
        "incomplete_details": None if reason is None else {"reason": reason},
        "output": items_of(reply),
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        },
        "orch": reply.orch,
    }
