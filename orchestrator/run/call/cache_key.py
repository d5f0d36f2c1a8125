"""What of a request decides the answer, as one key; and an answer as the response cache keeps it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from ...config.strict_json import parse_json
from ...conversation import Media, Message, Part
from ...deferred import dataclass
from ...types import Completion, FinishReason, Request, TokenLogprob, ToolCall, Usage

_FORMAT = 1  # of what is hashed, and of what is kept: another one finds nothing of before


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer that was paid for before: by which run, and what that paid in nano-dollars, None if it is unknown.
    `similarity` is set if that was asked in other words."""

    completion: Completion
    run_id: str
    cost_nanousd: int | None
    similarity: float | None = None


def key_of(request: Request, **beside: Any) -> str:
    """The key of a request: the SHA-256 of everything that decides the answer, in hex.

    `beside` is what the request itself does not say, such as whom it goes to. How long the call may take, and what the
    provider is told to keep, decide nothing.
    """
    asked = {
        "format": _FORMAT,
        "beside": beside,
        "model": request.model,
        "system": request.system,
        "messages": [_turn(message) for message in request.messages],
        "tools": [[tool.name, tool.description, tool.parameters] for tool in request.tools],
        "tool_choice": request.tool_choice,
        "schema": None if request.response_format is None else [request.response_format.name, _schema(request)],
        "sampling": [request.temperature, request.top_p, request.seed],
        "thinking": [request.effort, request.thinking_tokens],
        "limits": [request.max_tokens, request.stop],
        "logprobs": request.top_logprobs or request.logprobs,
    }
    return sha256(json.dumps(asked, default=dict).encode()).hexdigest()


def is_complete(completion: Completion) -> bool:
    """Whether a reply is whole, and has something in it."""
    ended = completion.finish_reason in (FinishReason.STOP, FinishReason.TOOL_CALLS)
    return ended and bool(completion.text.strip() or completion.tool_calls)


def to_json(completion: Completion) -> str:
    """A reply as it is kept, without what was true of its call alone."""
    usage = completion.usage
    kept = {
        "text": completion.text,
        "finish_reason": completion.finish_reason.value,
        "usage": None if usage is None else asdict(usage),
        "model": completion.model,
        "tool_calls": [asdict(call) for call in completion.tool_calls],
        "logprobs": completion.logprobs and [[each.token, each.logprob, each.top] for each in completion.logprobs],
        "thoughts": completion.thoughts,
        "thought": completion.thought,
    }
    return json.dumps(kept, default=str)


def from_json(text: str) -> Completion:
    """The reply that `to_json` was given, as one that took no time. Raises ValueError, KeyError or TypeError for
    anything else."""
    kept = parse_json(text)
    logprobs = kept["logprobs"]
    return Completion(
        text=kept["text"],
        finish_reason=FinishReason(kept["finish_reason"]),
        usage=None if kept["usage"] is None else Usage(**kept["usage"]),
        latency_ms=0,
        model=kept["model"],
        tool_calls=tuple(ToolCall(**call) for call in kept["tool_calls"]),
        logprobs=None if logprobs is None else tuple(map(_scored, logprobs)),
        thoughts=kept["thoughts"],
        thought=kept["thought"],
    )


def _scored(kept: list[Any]) -> TokenLogprob:
    token, logprob, top = kept
    return TokenLogprob(token, logprob, tuple((other, number) for other, number in top))


def _turn(message: Message) -> list[Any]:
    calls = [[call.id, call.name, call.arguments, call.signature] for call in message.tool_calls]
    return [message.role, [_part(part) for part in message.in_parts], calls, message.tool_call_id]


def _part(part: Part) -> Any:
    if isinstance(part, Media):
        digest = None if part.data is None else sha256(part.data).hexdigest()
        return [part.media_type, digest, part.url, part.name]
    return part


def _schema(request: Request) -> Mapping[str, Any] | None:
    return None if request.response_format is None else request.response_format.schema
