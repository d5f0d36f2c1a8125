"""Anthropic Messages: https://docs.anthropic.com/en/api/messages and .../errors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ...registry.model import ModelSpec, Status
from ...types import FinishReason, Media, Tool
from .. import tokens
from ..tokens import Block
from .base import (
    Ask,
    Complaint,
    Envelope,
    ErrorReply,
    Fields,
    Frame,
    Headers,
    Json,
    Limits,
    Problem,
    Rejected,
    Reply,
    Stage,
    Turn,
    event,
    joined,
    media_from,
    media_in,
    offered,
    rfc3339,
)

_STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.REFUSED: "refusal",
}
_TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}

# Status, error type and message of each problem; its blanks are the particulars of the complaint.
_ERRORS: dict[Problem, tuple[int, str, str]] = {
    Problem.BAD_REQUEST: (400, "invalid_request_error", "{message}"),
    Problem.UNSUPPORTED_PARAMETER: (400, "invalid_request_error", "{message}"),
    Problem.CONTEXT_TOO_LONG: (400, "invalid_request_error", "prompt is too long: {tokens} tokens > {limit} maximum"),
    Problem.OUTPUT_TOO_LONG: (
        400,
        "invalid_request_error",
        "max_tokens: {tokens} > {limit}, which is the maximum allowed number of output tokens for {message}",
    ),
    Problem.NOT_FOUND: (404, "not_found_error", "model: {message}"),
    Problem.AUTH: (401, "authentication_error", "invalid x-api-key"),
    Problem.RATE_LIMITED: (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    Problem.OVERLOADED: (529, "overloaded_error", "Overloaded"),
    Problem.SERVER_ERROR: (500, "api_error", "Internal server error"),
    Problem.OUT_OF_CREDIT: (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. "
        "Please go to Plans & Billing to upgrade or purchase credits.",
    ),
}
# The same problem under another status: type, message and details.
_VARIANTS: dict[tuple[Problem, int], tuple[str, str, Json | None]] = {
    (Problem.OUT_OF_CREDIT, 402): ("billing_error", "There is an issue with your payment information.", None),
    (Problem.OUT_OF_CREDIT, 429): (
        "rate_limit_error",
        "Your organization has reached its monthly API usage threshold.",
        {"error_code": "enforced_spend_limit_reached"},
    ),
    (Problem.AUTH, 403): ("permission_error", "Your API key does not have permission to use this resource.", None),
    (Problem.SERVER_ERROR, 504): ("timeout_error", "Request timed out", None),
}


def parse(body: Json, *, model: str | None, stream: bool) -> Ask:
    """Read a request. Raises Rejected."""
    fields = Fields(body)
    for key in ("model", "max_tokens", "messages"):
        fields.require(key)
    turns = tuple(turn for message in fields.tables("messages") for turn in _turns(message))
    if not turns:
        raise Rejected(Problem.BAD_REQUEST, "messages: at least one message is required")
    if any(not (turn.text.strip() or turn.media) for turn in turns if turn.role == "user"):
        raise Rejected(Problem.BAD_REQUEST, "messages: text content blocks must be non-empty")
    tools = tuple(_tool(tool) for tool in fields.tables("tools"))
    choice = fields.table("tool_choice")
    system = body.get("system")
    system = system if isinstance(system, str) else _text(fields.items("system"))
    output_format = fields.table("output_config").table("format").content
    return Ask(
        model=fields.text("model") or "",
        turns=turns,
        prompt_text=joined([offered(body), system, *(turn.text for turn in turns)]),
        system=system,
        max_tokens=fields.integer("max_tokens"),
        stop=tuple(str(stop) for stop in fields.items("stop_sequences")),
        tools=tools,
        tool_choice=_tool_choice(choice),
        json=output_format.get("type") == "json_schema",
        schema=output_format.get("schema"),
        stream=fields.flag("stream"),
        thinking=fields.table("thinking").text("type") in ("enabled", "adaptive"),
        blocks=tuple(_blocks(body)),
    )


def _blocks(body: Json) -> Iterator[Block]:
    """The blocks that prefixes to be cached are made of, in the order in which they count: tools, system, messages."""
    system, messages = body.get("system") or [], body["messages"]
    groups = [body.get("tools") or [], system, *(message["content"] for message in messages)]
    listed = [
        block
        for group in groups
        for block in ([{"type": "text", "text": group}] if isinstance(group, str) else group)
        if isinstance(block, dict)
    ]
    marked = [block.get("cache_control") is not None for block in listed]
    marked[-1:] = [marked[-1] or body.get("cache_control") is not None]
    for block, is_marked in zip(listed, marked, strict=True):
        content = {key: value for key, value in block.items() if key != "cache_control"}
        yield Block(json.dumps(content, sort_keys=True), tokens.count(_said(content)), is_marked)


def _said(block: Json) -> str:
    """What counts of a block: its text, or all of it."""
    return str(block["text"]) if block.get("type") == "text" else json.dumps(block)


def _turns(message: Fields) -> Iterator[Turn]:
    message.require("role")
    message.require("content")
    role, content = message.text("role") or "", message.content["content"]
    if role not in ("user", "assistant"):
        raise Rejected(Problem.BAD_REQUEST, f"{message.path}.role: Input should be 'user' or 'assistant'")
    if isinstance(content, str):
        yield Turn(role, content)
        return
    blocks = message.tables("content")
    media = tuple(each for block in blocks for each in media_in(block.content, _media))
    if media or any(block.content.get("type") == "text" for block in blocks) or role == "assistant":
        yield Turn(role, _text([block.content for block in blocks]), media=media)
    for block in blocks:
        if block.content.get("type") == "tool_result":
            result = block.content.get("content") or ""
            shown = () if isinstance(result, str) else (each for part in result for each in media_in(part, _media))
            yield Turn("tool", result if isinstance(result, str) else _text(result), media=tuple(shown))


def _media(block: Mapping[str, Any]) -> Media | None:
    match block:
        case {"type": "image" | "document", "source": {"type": "url", "url": url}}:
            return media_from(None, None, url)
        case {"type": "image" | "document", "source": {"type": "base64", "media_type": kind, "data": data}}:
            return media_from(kind, data, None)
    return None


def _text(blocks: Sequence[Any]) -> str:
    return joined(str(block.get("text") or "") for block in blocks if isinstance(block, dict))


def _tool(tool: Fields) -> Tool:
    tool.require("name")
    return Tool(tool.text("name") or "", tool.text("description") or "", tool.table("input_schema").content)


def _tool_choice(choice: Fields) -> str:
    kind = choice.text("type") or "auto"
    return f"={choice.text('name')}" if kind == "tool" else _TOOL_CHOICES.get(kind, "auto")


def _usage(reply: Reply) -> Json:
    usage = reply.usage
    counted = {
        "input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "service_tier": "standard",
    }
    if usage.reasoning_tokens:
        counted["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counted


def _content(reply: Reply, ask: Ask) -> list[Json]:
    content: list[Json] = []
    if ask.thinking and reply.usage.reasoning_tokens:
        content.append({"type": "thinking", "thinking": "", "signature": "c2ltdWxhdGVk"})
    if reply.text:
        content.append({"type": "text", "text": reply.text})
    for call in reply.tool_calls:
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)})
    return content


def _message(reply: Reply, envelope: Envelope, content: list[Json], usage: Json) -> Json:
    return {
        "id": f"msg_{envelope.serial}",
        "type": "message",
        "role": "assistant",
        "model": envelope.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _ending(reply: Reply) -> Json:
    reason = "stop_sequence" if reply.stop_sequence is not None else _STOP_REASONS[reply.finish]
    ending: Json = {"stop_reason": reason, "stop_sequence": reply.stop_sequence}
    if reply.finish is FinishReason.REFUSED:
        ending["stop_details"] = {"type": "refusal", "category": "general_harms", "explanation": None}
    return ending


def body(reply: Reply, ask: Ask, envelope: Envelope) -> Json:
    """A whole reply."""
    return _message(reply, envelope, _content(reply, ask), _usage(reply)) | _ending(reply)


def frames(reply: Reply, ask: Ask, envelope: Envelope) -> Iterator[Frame]:
    """The events of a streamed reply."""
    usage = _usage(reply) | {"output_tokens": 1}
    usage.pop("output_tokens_details", None)
    start = {"type": "message_start", "message": _message(reply, envelope, [], usage)}
    yield Frame(event(start, "message_start") + event({"type": "ping"}, "ping"), 0, Stage.START)
    generated = reply.usage.reasoning_tokens
    for index, block in enumerate(_content(reply, ask)):
        yield Frame(_block_start(index, block), generated, Stage.START)
        if block["type"] == "text":
            for piece in reply.pieces:
                generated += 1
                yield Frame(_delta(index, {"type": "text_delta", "text": piece}), generated, Stage.TEXT)
        elif block["type"] == "thinking":
            signature = {"type": "signature_delta", "signature": block["signature"]}
            yield Frame(_delta(index, signature), generated, Stage.START)
        else:
            arguments = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            generated = reply.usage.output_tokens
            yield Frame(_delta(index, arguments), generated, Stage.TEXT)
        yield Frame(event({"type": "content_block_stop", "index": index}, "content_block_stop"), generated, Stage.TEXT)
    total = reply.usage.output_tokens
    spent = {name: count for name, count in _usage(reply).items() if name != "service_tier"}
    last = {"type": "message_delta", "delta": _ending(reply), "usage": spent}
    yield Frame(event(last, "message_delta"), total, Stage.FINISH)
    yield Frame(event({"type": "message_stop"}, "message_stop"), total, Stage.MARKER)


def _block_start(index: int, block: Json) -> bytes:
    blank: Json = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}
    started = block | blank[block["type"]]
    return event({"type": "content_block_start", "index": index, "content_block": started}, "content_block_start")


def _delta(index: int, delta: Json) -> bytes:
    return event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")


def error(complaint: Complaint, envelope: Envelope) -> ErrorReply:
    """The reply that reports a complaint."""
    status, kind, message = _ERRORS[complaint.problem]
    details: Json | None = None
    if complaint.status is not None:
        status = complaint.status
        kind, message, details = _VARIANTS.get((complaint.problem, status), (kind, message, None))
    described: Json = {"type": kind, "message": complaint.worded(message)}
    if details is not None:
        described["details"] = details
    return ErrorReply(status, {"type": "error", "error": described, "request_id": f"req_{envelope.serial}"})


def error_frame(complaint: Complaint, envelope: Envelope) -> bytes:
    """The event that reports a complaint within a stream."""
    return event(error(complaint, envelope).body, "error")


def headers(envelope: Envelope, limits: Limits | None) -> Headers:
    """The headers of a reply."""
    named = [("request-id", f"req_{envelope.serial}")]
    if limits is not None:
        resets_at = envelope.now.astimezone(UTC) + timedelta(seconds=math.ceil(limits.resets_in_s))
        for name, limit, left in (
            ("requests", limits.requests, limits.requests_left),
            ("tokens", limits.tokens, limits.tokens_left),
        ):
            if limit is not None:
                named += [
                    (f"anthropic-ratelimit-{name}-limit", str(limit)),
                    (f"anthropic-ratelimit-{name}-remaining", str(left)),
                    (f"anthropic-ratelimit-{name}-reset", rfc3339(resets_at)),
                ]
    return tuple(named)


def models(specs: Sequence[ModelSpec], now: datetime) -> Json:
    """The list of models."""
    listed = [
        {
            "type": "model",
            "id": spec.id,
            "display_name": spec.name,
            "created_at": "1970-01-01T00:00:00Z",
            "lifecycle": {Status.CURRENT: "active"}.get(spec.status, str(spec.status)),
            "max_input_tokens": spec.context_window,
            "max_tokens": spec.output_limit,
        }
        for spec in specs
    ]
    ids: list[str | None] = [*(spec.id for spec in specs)] or [None]
    return {"data": listed, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
