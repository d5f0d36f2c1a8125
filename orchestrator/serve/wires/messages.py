"""Anthropic's Messages: https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...config.tool_choice import choice_among
from ...deferred import replace
from ...errors import UsageError
from ...types import FinishReason
from ..asked import Asked
from ..fields import Fields
from ..problems import FORBIDDEN, NOT_FOUND, PAYMENT, TIMED_OUT, TOO_LARGE, TOO_MANY, UNAUTHORIZED, UNAVAILABLE, Problem
from ..reply import Reply
from .anthropic_turns import prompt_in
from .base import Json, Stream, arguments_of, effort_in, event, given, schema_in, stops_in, tools_in

_STOP = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.REFUSED: "refusal",
    FinishReason.INCOMPLETE: "max_tokens",
}
_TYPES = {
    UNAUTHORIZED: "authentication_error",
    PAYMENT: "billing_error",
    FORBIDDEN: "permission_error",
    NOT_FOUND: "not_found_error",
    TOO_LARGE: "request_too_large",
    TOO_MANY: "rate_limit_error",
    UNAVAILABLE: "overloaded_error",
    TIMED_OUT: "timeout_error",
}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_LOW, _MEDIUM = 4_096, 16_384  # tokens of thought, up to which the effort is low, and medium


def read(document: Mapping[str, Any]) -> Asked:
    """As `Wire.read`."""
    fields = Fields(document)
    model = fields.required("model")
    limit = fields.integer("max_tokens")
    if limit is None:
        raise UsageError("max_tokens: is missing")
    return _asked(fields, model, {"max_tokens": limit})


def read_for_count(document: Mapping[str, Any]) -> Asked:
    """The body of a request for a count, which has no limit on the reply."""
    fields = Fields(document)
    return _asked(fields, fields.required("model"), {})


def _asked(fields: Fields, model: str, limits: Mapping[str, Any]) -> Asked:
    for name in ("mcp_servers", "container"):
        if fields.any(name):
            raise UsageError(f"{name}: cannot be passed on")
    prompt = prompt_in(fields)
    fields.ignore("metadata", "orch", "cache_control")
    tools = tools_in(fields.items("tools"))
    chosen = fields.table("tool_choice")
    choice = choice_among(_choice(chosen), tools, "tool_choice")
    output = fields.table("output_config")
    wanted = given(
        **limits,
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        stop=stops_in(fields, "stop_sequences"),
        effort=effort_in(output, "effort") or _effort_of(fields.table("thinking")),
        schema=schema_in(fields.table("output_format") or (output and output.table("format"))),
        tools=tools or None,
    )
    left_out = fields.unread()
    if chosen is not None and chosen.any("disable_parallel_tool_use"):
        left_out = (*left_out, chosen.at("disable_parallel_tool_use"))
    return Asked(model, prompt, wanted, fields.flag("stream"), choice, left_out=left_out)


def _choice(chosen: Fields | None) -> str:
    if chosen is None:
        return "auto"
    kind = chosen.required("type")
    if kind == "tool":
        return f"={chosen.required('name')}"
    if kind not in _CHOICES:
        raise UsageError(f"{chosen.at('type')}: expected auto, any, none or tool, not {kind!r}")
    return _CHOICES[kind]


def _effort_of(thinking: Fields | None) -> str | None:
    """The effort that a number of tokens of thought stands for."""
    tokens = None if thinking is None or thinking.text("type") != "enabled" else thinking.integer("budget_tokens")
    if tokens is None:
        return None
    return "low" if tokens <= _LOW else "medium" if tokens <= _MEDIUM else "high"


def whole(reply: Reply, asked: Asked) -> Json:
    """As `Wire.whole`."""
    content = [{"type": "text", "text": reply.text}] if reply.text else []
    return {
        **_message(reply.run_id, reply.model),
        "content": [*content, *map(_tool_use, reply.tool_calls)],
        "stop_reason": _STOP[reply.finish],
        "usage": _usage(reply),
        "orch": reply.orch,
    }


def stream(asked: Asked) -> Stream:
    """As `Wire.stream`."""
    return _Events()


class _Events:
    """`open_` is the index of the block that is being written, `blocks` how many there were before."""

    def __init__(self) -> None:
        self._blocks = 0
        self._in_text = False

    def alive(self) -> bytes:
        return event({"type": "ping"}, named=True)

    def begin(self, run_id: str, model: str) -> bytes:
        usage = {"input_tokens": 0, "output_tokens": 0}  # the provider tells them at the end
        message = {**_message(run_id, model), "content": [], "usage": usage}
        return event({"type": "message_start", "message": message}, named=True)

    def piece(self, text: str) -> bytes:
        opened = b""
        if not self._in_text:
            self._in_text, opened = True, self._open({"type": "text", "text": ""})
        return opened + self._delta({"type": "text_delta", "text": text})

    def end(self, reply: Reply) -> bytes:
        written = [self._close()] if self._in_text else []
        for call in reply.tool_calls:
            used = _tool_use(replace(call, arguments="{}"))
            arguments = call.arguments or "{}"
            written += [self._open(used), self._delta({"type": "input_json_delta", "partial_json": arguments})]
            written.append(self._close())
        delta = {"stop_reason": _STOP[reply.finish], "stop_sequence": None}
        last = {"type": "message_delta", "delta": delta, "usage": _usage(reply), "orch": reply.orch}
        written += [event(last, named=True), event({"type": "message_stop"}, named=True)]
        return b"".join(written)

    def fail(self, problem: Problem) -> bytes:
        return event(error(problem), named=True)

    def _open(self, block: Json) -> bytes:
        return event({"type": "content_block_start", "index": self._blocks, "content_block": block}, named=True)

    def _delta(self, delta: Json) -> bytes:
        return event({"type": "content_block_delta", "index": self._blocks, "delta": delta}, named=True)

    def _close(self) -> bytes:
        self._blocks += 1
        self._in_text = False
        return event({"type": "content_block_stop", "index": self._blocks - 1}, named=True)


def error(problem: Problem) -> Json:
    """As `Wire.error`."""
    kind = _TYPES.get(problem.status, "invalid_request_error" if problem.status < 500 else "api_error")
    described: Json = {"type": kind, "message": problem.message, "code": problem.code}
    body: Json = {"type": "error", "error": described, "request_id": None}
    return body if problem.orch is None else {**body, "orch": problem.orch}


def _message(run_id: str, model: str) -> Json:
    return {
        "id": f"msg_{run_id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _tool_use(call: Any) -> Json:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)}


def _usage(reply: Reply) -> Json:
    usage = reply.usage
    return {
        "input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
    }
