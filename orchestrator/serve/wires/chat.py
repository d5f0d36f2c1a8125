"""OpenAI's Chat Completions: https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ...config.tool_choice import choice_among
from ...deferred import replace
from ...errors import UsageError
from ...reading.messages import from_openai, written_call
from ...reading.tool_definitions import choice_from_openai
from ...types import FinishReason, Tool
from ..asked import Asked
from ..fields import Fields
from ..problems import FORBIDDEN, PAYMENT, TOO_MANY, UNAUTHORIZED, Problem
from ..reply import Reply
from .base import (
    COMMENT,
    DONE,
    Json,
    Stream,
    effort_in,
    event,
    given,
    schema_in,
    stops_in,
    tools_in,
)

_FINISH = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.REFUSED: "content_filter",
    FinishReason.INCOMPLETE: "length",
}
_MOST_TOP = 20  # https://platform.openai.com/docs/api-reference/chat/create, and as many at Google
_NO_DIFFERENCE = (
    "user",
    "metadata",
    "store",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "modalities",
)
_NOT_PASSED_ON = ("functions", "function_call", "audio", "web_search_options")
# By status and by orch's code: OpenAI's own words, by which its SDK and others tell errors apart.
_TYPES = {
    UNAUTHORIZED: "authentication_error",
    FORBIDDEN: "permission_error",
    PAYMENT: "insufficient_quota",
    TOO_MANY: "rate_limit_error",
}
_CODES = {"rate_limited": "rate_limit_exceeded", "budget": "insufficient_quota", "authentication": "upstream_key"}


def read(document: Mapping[str, Any]) -> Asked:
    """As `Wire.read`."""
    fields = Fields(document)
    model, prompt = fields.required("model"), from_openai(fields.any("messages"))
    _check_possible(fields)
    fields.ignore(*_NO_DIFFERENCE, "orch")
    tools = tools_in(fields.items("tools"))
    choice = choice_among(choice_from_openai(fields.any("tool_choice")), tools, "tool_choice")
    options = fields.table("stream_options")
    logprobs = fields.flag("logprobs")
    top_logprobs = top_in(fields)
    if top_logprobs and not logprobs:
        raise UsageError("top_logprobs: goes with logprobs")
    wanted = given(
        max_tokens=fields.integer("max_completion_tokens") or fields.integer("max_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        seed=fields.integer("seed"),
        stop=stops_in(fields, "stop"),
        effort=effort_in(fields, "reasoning_effort"),
        schema=schema_in(fields.table("response_format")),
        tools=tools or None,
    )
    return Asked(
        model,
        prompt,
        wanted,
        stream=fields.flag("stream"),
        tool_choice=choice,
        logprobs=logprobs,
        top_logprobs=top_logprobs,
        left_out=_left_out(fields),
        echo={"usage": options is not None and options.flag("include_usage")},
    )


def top_in(fields: Fields) -> int:
    """How many tokens are wanted in each place. Raises UsageError for more than any provider gives."""
    wanted = fields.integer("top_logprobs") or 0
    if not 0 <= wanted <= _MOST_TOP:
        raise UsageError(f"top_logprobs: from 0 to {_MOST_TOP}, not {wanted}")
    return wanted


def _check_possible(fields: Fields) -> None:
    if (fields.integer("n") or 1) != 1:
        raise UsageError("n: one answer is given to a request", hint='for the best of several: "model": "ensemble"')
    for name in _NOT_PASSED_ON:
        if fields.any(name) is not None:
            raise UsageError(f"{name}: cannot be passed on")


def _left_out(fields: Fields) -> tuple[str, ...]:
    """What is not passed on and says something: a penalty of 0 and parallel calls that are allowed say nothing."""
    neutral = {name for name in ("frequency_penalty", "presence_penalty") if not fields.any(name)}
    neutral |= {"parallel_tool_calls"} if fields.any("parallel_tool_calls") is not False else set()
    told = ("frequency_penalty", "presence_penalty", "parallel_tool_calls")
    return (*fields.unread(), *(name for name in told if name not in neutral))


def whole(reply: Reply, asked: Asked) -> Json:
    """As `Wire.whole`."""
    message: Json = {"role": "assistant", "content": reply.text or None, "refusal": reply.refusal}
    if not reply.tool_calls and reply.refusal is None:
        message["content"] = reply.text
    if reply.tool_calls:
        message["tool_calls"] = _calls(reply)
    choice = {"index": 0, "message": message, "logprobs": _logprobs(reply), "finish_reason": _FINISH[reply.finish]}
    return {
        "id": f"chatcmpl-{reply.run_id}",
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.model,
        "choices": [choice],
        "usage": _usage(reply),
        "orch": reply.orch,
    }


def stream(asked: Asked) -> Stream:
    """As `Wire.stream`."""
    return _Chunks(with_usage=bool(asked.echo.get("usage")))


class _Chunks:
    def __init__(self, *, with_usage: bool) -> None:
        self._with_usage = with_usage
        self._head: Json = {}

    def alive(self) -> bytes:
        return COMMENT

    def begin(self, run_id: str, model: str) -> bytes:
        head = {"id": f"chatcmpl-{run_id}", "object": "chat.completion.chunk", "created": int(time.time())}
        self._head = {**head, "model": model}
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def piece(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def end(self, reply: Reply) -> bytes:
        chunks = []
        if reply.refusal is not None:
            chunks.append(self._chunk({"refusal": reply.refusal}))
        if reply.tool_calls:
            calls = [{"index": index, **call} for index, call in enumerate(_calls(reply))]
            chunks.append(self._chunk({"tool_calls": calls}))
        if reply.logprobs:  # they are complete only now
            chunks.append(self._chunk({}, logprobs=_logprobs(reply)))
        chunks.append(self._chunk({}, finish=_FINISH[reply.finish], orch=reply.orch))
        if self._with_usage:
            chunks.append(event({**self._head, "choices": [], "usage": _usage(reply)}))
        return b"".join((*chunks, DONE))

    def fail(self, problem: Problem) -> bytes:
        return event(error(problem)) + DONE

    def _chunk(self, delta: Json, *, finish: str | None = None, logprobs: Json | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return event({**self._head, "choices": [choice], **more})


def error(problem: Problem) -> Json:
    """As `Wire.error`."""
    kind = _TYPES.get(problem.status, "invalid_request_error" if problem.status < 500 else "server_error")
    code = _CODES.get(problem.code, problem.code)
    described: Json = {"message": problem.message, "type": kind, "param": None, "code": code}
    return {"error": described} if problem.orch is None else {"error": described, "orch": problem.orch}


def tool_of(tool: Tool) -> Json:
    """A tool as the Responses API has it."""
    parameters = dict(tool.parameters)
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": parameters,
        "strict": False,
    }


def _calls(reply: Reply) -> list[Json]:
    return [written_call(replace(call, arguments=call.arguments or "{}")) for call in reply.tool_calls]


def _usage(reply: Reply) -> Json:
    usage = reply.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": 0},
    }


def logprobs_of(reply: Reply) -> list[Json]:
    """The log-probabilities of a reply's tokens, and of those that were likely in their places."""
    return [
        {**_scored(each.token, each.logprob), "top_logprobs": [_scored(*other) for other in each.top]}
        for each in reply.logprobs
    ]


def _scored(token: str, logprob: float) -> Json:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "replace"))}


def _logprobs(reply: Reply) -> Json | None:
    return {"content": logprobs_of(reply), "refusal": None} if reply.logprobs else None
