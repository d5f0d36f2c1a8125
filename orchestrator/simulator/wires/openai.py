"""OpenAI Chat Completions, as OpenAI itself and those compatible with it speak it.

https://platform.openai.com/docs/api-reference/chat and .../guides/error-codes. Where Cerebras, DeepSeek and OpenRouter
differ, they differ here too: the shape of an error, the headers, the names of cached tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ...errors import UsageError
from ...registry.model import ModelSpec
from ...types import FinishReason, Media, Tool
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
    likeliest,
    media_from,
    media_in,
    offered,
)

_FINISH_REASONS = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.REFUSED: "content_filter",
}
_ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
_NO_HEADERS_FROM = {"deepseek", "vllm", "ollama", "llamacpp"}  # they say nothing of limits

# Status, type, code and message of each problem; its blanks are the particulars of the complaint.
_ERRORS: dict[Problem, tuple[int, str, str | None, str]] = {
    Problem.BAD_REQUEST: (400, "invalid_request_error", None, "{message}"),
    Problem.UNSUPPORTED_PARAMETER: (400, "invalid_request_error", "unsupported_parameter", "{message}"),
    Problem.CONTEXT_TOO_LONG: (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is {limit} tokens. However, you requested {tokens} tokens. "
        "Please reduce the length of the messages or completion.",
    ),
    Problem.OUTPUT_TOO_LONG: (
        400,
        "invalid_request_error",
        "invalid_value",
        "{message} is too large: {tokens}. This model supports at most {limit} completion tokens, "
        "whereas you provided {tokens}.",
    ),
    Problem.NOT_FOUND: (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `{message}` does not exist or you do not have access to it.",
    ),
    Problem.AUTH: (
        401,
        "invalid_request_error",
        "invalid_api_key",
        "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
    ),
    Problem.RATE_LIMITED: (429, "requests", "rate_limit_exceeded", "Rate limit reached for {message}."),
    Problem.OVERLOADED: (
        503,
        "server_error",
        "server_overloaded",
        "The engine is currently overloaded, please try again later",
    ),
    Problem.SERVER_ERROR: (
        500,
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    Problem.OUT_OF_CREDIT: (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
}
# Those that say it with 402: type, code and message.
_PAYMENT_REQUIRED = {
    "deepseek": ("unknown_error", "invalid_request_error", "Insufficient Balance"),
    "openrouter": ("", "", "Insufficient credits. Add more using https://openrouter.ai/settings/credits"),
    "cerebras": ("payment_required_error", "payment_required", "Payment required to continue using the API."),
}


def parse(body: Json, *, model: str | None, stream: bool) -> Ask:
    """Read a request. Raises Rejected."""
    fields = Fields(
        body, missing="Missing required parameter: '{path}'.", mistyped="Invalid type for '{path}': expected a {kind}."
    )
    fields.require("model")
    fields.require("messages")
    turns = tuple(_turn(message) for message in fields.tables("messages"))
    if not turns:
        raise Rejected(Problem.BAD_REQUEST, "Invalid 'messages': empty array. Expected at least one message.")
    format_ = fields.table("response_format")
    current = fields.integer("max_completion_tokens")
    stop = body.get("stop")
    said = tuple(turn for turn in turns if turn.role != "system")
    system = joined(turn.text for turn in turns if turn.role == "system")
    return Ask(
        model=fields.text("model") or "",
        turns=said or (Turn("user", ""),),
        prompt_text=joined([offered(body), *(turn.text for turn in turns)]),
        system=system,
        max_tokens=fields.integer("max_tokens") if current is None else current,
        max_tokens_name="max_tokens" if body.get("max_tokens") is not None else "max_completion_tokens",
        stop=(stop,) if isinstance(stop, str) else tuple(str(item) for item in fields.items("stop")),
        tools=tuple(_tool(tool.table("function")) for tool in fields.tables("tools")),
        tool_choice=_tool_choice(body.get("tool_choice")),
        json=format_.text("type") in ("json_object", "json_schema"),
        schema=format_.table("json_schema").table("schema").content or None,
        stream=fields.flag("stream"),
        stream_usage=fields.table("stream_options").flag("include_usage"),
        logprobs=fields.flag("logprobs"),
        top_logprobs=fields.integer("top_logprobs") or 0,
    )


def _turn(message: Fields) -> Turn:
    message.require("role")
    role, content = message.text("role") or "", message.content.get("content") or ""
    if role not in _ROLES:
        raise Rejected(Problem.BAD_REQUEST, f"Invalid value: '{role}'. Supported values are: {sorted(_ROLES)}.")
    media: tuple[Media, ...] = ()
    if isinstance(content, list):
        media = tuple(each for part in content for each in media_in(part, _media))
        content = joined(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        raise Rejected(Problem.BAD_REQUEST, f"Invalid type for '{message.path}.content': expected a string.")
    return Turn({"developer": "system", "function": "tool"}.get(role, role), content, message.text("name"), media)


def _media(part: Mapping[str, Any]) -> Media | None:
    match part:
        case {"type": "image_url", "image_url": {"url": url}} | {"type": "input_image", "image_url": url}:
            return media_from(None, None, str(url))
        case {"type": "file", "file": {"file_data": data}} | {"type": "input_file", "file_data": data}:
            if not str(data).startswith("data:"):
                raise UsageError("file_data is no data URL")  # this API takes no address of a document
            return media_from(None, None, data)
    return None


def _tool(function: Fields) -> Tool:
    function.require("name")
    return Tool(function.text("name") or "", function.text("description") or "", function.table("parameters").content)


def _tool_choice(choice: Any) -> str:
    if isinstance(choice, dict):
        return f"={Fields(choice).table('function').text('name')}"
    return choice if choice in ("none", "required") else "auto"


def _usage(reply: Reply, envelope: Envelope) -> Json:
    usage = reply.usage
    counted: Json = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    if envelope.provider == "deepseek":
        counted["prompt_cache_hit_tokens"] = usage.cached_tokens
        counted["prompt_cache_miss_tokens"] = usage.input_tokens - usage.cached_tokens
    return counted


def _head(envelope: Envelope, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{envelope.serial}",
        "object": kind,
        "created": int(envelope.now.timestamp()),
        "model": envelope.model,
    }


def _finish_reason(reply: Reply) -> str:
    return "stop" if reply.refused_at_prompt else _FINISH_REASONS[reply.finish]


def _logprob(piece: str, logprob: float, ask: Ask) -> Json:
    def scored(token: str, number: float) -> Json:
        return {"token": token, "logprob": number, "bytes": list(token.encode(errors="surrogatepass"))}

    return scored(piece, logprob) | {"top_logprobs": [scored(*each) for each in likeliest(piece, logprob, ask)]}


def _calls(reply: Reply) -> list[Json]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in reply.tool_calls
    ]


def body(reply: Reply, ask: Ask, envelope: Envelope) -> Json:
    """A whole reply."""
    message: Json = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.tool_calls:
        message |= {"content": reply.text or None, "tool_calls": _calls(reply)}
    if reply.refused_at_prompt:
        message |= {"content": None, "refusal": "I'm sorry, but I can't assist with that request."}
    logprobs = None
    if reply.logprobs:
        scored = zip(reply.pieces, reply.logprobs, strict=True)
        logprobs = {"content": [_logprob(piece, logprob, ask) for piece, logprob in scored], "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": _finish_reason(reply)}
    return _head(envelope, "chat.completion") | {"choices": [choice], "usage": _usage(reply, envelope)}


def frames(reply: Reply, ask: Ask, envelope: Envelope) -> Iterator[Frame]:
    """The chunks of a streamed reply."""

    def chunk(delta: Json, reason: str | None = None, logprobs: Json | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        tail = {"usage": None} if ask.stream_usage else {}
        return event(_head(envelope, "chat.completion.chunk") | {"choices": [choice]} | tail)

    yield Frame(chunk({"role": "assistant", "content": "", "refusal": None}), 0, Stage.START)
    generated = reply.usage.reasoning_tokens
    if reply.refused_at_prompt:
        yield Frame(chunk({"refusal": "I'm sorry, but I can't assist with that request."}), generated, Stage.TEXT)
    for index, piece in enumerate(reply.pieces):
        generated += 1
        logprobs = {"content": [_logprob(piece, reply.logprobs[index], ask)]} if reply.logprobs else None
        yield Frame(chunk({"content": piece}, logprobs=logprobs), generated, Stage.TEXT)
    total = reply.usage.output_tokens
    for index, call in enumerate(_calls(reply)):
        yield Frame(chunk({"tool_calls": [{"index": index} | call]}), total, Stage.TEXT)
    yield Frame(chunk({}, _finish_reason(reply)), total, Stage.FINISH)
    if ask.stream_usage:
        last = {"choices": [], "usage": _usage(reply, envelope)}
        yield Frame(event(_head(envelope, "chat.completion.chunk") | last), total, Stage.FINISH)
    yield Frame(b"data: [DONE]\n\n", total, Stage.MARKER)


def error(complaint: Complaint, envelope: Envelope) -> ErrorReply:
    """The reply that reports a complaint."""
    status, kind, code, message = _ERRORS[complaint.problem]
    message = complaint.worded(message)
    if complaint.problem is Problem.OUT_OF_CREDIT:
        if envelope.provider in _PAYMENT_REQUIRED and complaint.status != status:
            status = 402
            kind, code, message = _PAYMENT_REQUIRED[envelope.provider]
    elif complaint.status is not None:
        status = complaint.status
    if envelope.provider == "openrouter":
        return ErrorReply(status, {"error": {"code": status, "message": message}, "user_id": "user_simulated"})
    return ErrorReply(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})


def error_frame(complaint: Complaint, envelope: Envelope) -> bytes:
    """The chunk that reports a complaint within a stream."""
    return event(error(complaint, envelope).body)


def headers(envelope: Envelope, limits: Limits | None) -> Headers:
    """The headers of a reply."""
    named = [("x-request-id", f"req_{envelope.serial}")]
    if limits is None or envelope.provider in _NO_HEADERS_FROM:
        return tuple(named)
    if envelope.provider == "openrouter":
        resets_at = int((envelope.now.timestamp() + limits.resets_in_s) * 1000)
        return (*named, *_limit_headers("x-ratelimit-{}", limits.requests, limits.requests_left, str(resets_at)))
    if envelope.provider == "cerebras":
        day, minute = "86400.0", f"{limits.resets_in_s:.3f}"
        named += _limit_headers("x-ratelimit-{}-requests-day", limits.requests_per_day, limits.requests_left_today, day)
        return (*named, *_limit_headers("x-ratelimit-{}-tokens-minute", limits.tokens, limits.tokens_left, minute))
    resets_in = _duration(limits.resets_in_s)
    named += _limit_headers("x-ratelimit-{}-requests", limits.requests, limits.requests_left, resets_in)
    return (*named, *_limit_headers("x-ratelimit-{}-tokens", limits.tokens, limits.tokens_left, resets_in))


def _limit_headers(pattern: str, limit: int | None, left: int | None, resets: str) -> list[tuple[str, str]]:
    if limit is None:
        return []
    return [(pattern.format(what), str(value)) for what, value in _triple(limit, left, resets)]


def _triple(limit: int, left: int | None, resets: str) -> tuple[tuple[str, int | str | None], ...]:
    return ("limit", limit), ("remaining", left), ("reset", resets)


def _duration(seconds: float) -> str:
    """`12ms`, `7s`, `1m0s`, as OpenAI writes a duration."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def models(specs: Sequence[ModelSpec], now: datetime) -> Json:
    """The list of models."""
    listed = [{"id": spec.id, "object": "model", "created": 0, "owned_by": spec.provider} for spec in specs]
    return {"object": "list", "data": listed}
