"""OpenAI's Responses: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...config.tool_choice import choice_among
from ...errors import UsageError
from ...reading.messages import prompt_of_turns
from ...reading.tool_definitions import choice_from_openai
from ..asked import Asked
from ..fields import Fields
from ..reply import Reply
from . import chat
from .base import Json, Stream, effort_in, given, schema_in, tools_in
from .response_events import Events
from .response_items import PREFIX, response_of, turns_in

error = chat.error

_NO_DIFFERENCE = (
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "max_tool_calls",
    "orch",
    "stream_options",
)
_NOT_PASSED_ON = ("conversation", "prompt")
_ECHOED = ("instructions", "metadata", "previous_response_id", "store", "temperature", "top_p", "user")


def read(document: Mapping[str, Any]) -> Asked:
    """As `Wire.read`. `echo["previous"]` is the response that the conversation goes on from."""
    fields = Fields(document)
    model = fields.required("model")
    for name in _NOT_PASSED_ON:
        if fields.any(name) is not None:
            raise UsageError(f"{name}: cannot be passed on")
    if fields.flag("background"):
        raise UsageError("background: an answer is given to the request that asks for it")
    previous = fields.text("previous_response_id")
    turns, system = turns_in(fields.any("input")), fields.text("instructions")
    fields.ignore(*_NO_DIFFERENCE)
    tools = tools_in(fields.items("tools"))
    text = fields.table("text")
    wanted = given(
        max_tokens=fields.integer("max_output_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        effort=effort_in(fields.table("reasoning"), "effort"),
        schema=schema_in(text and text.table("format")),
        tools=tools or None,
    )
    include, top_logprobs = fields.items("include"), chat.top_in(fields)
    choice = choice_among(choice_from_openai(fields.any("tool_choice")), tools, "tool_choice")
    neutral = {"parallel_tool_calls"} if fields.any("parallel_tool_calls") is not False else set()
    neutral |= {"truncation"} if fields.any("truncation") in (None, "disabled") else set()
    fields.ignore("store")
    told = tuple(name for name in ("parallel_tool_calls", "truncation") if name not in neutral)
    echo = {name: document.get(name) for name in _ECHOED} | {
        "store": document.get("store") is not False,
        "tools": [chat.tool_of(tool) for tool in tools],
        "tool_choice": document.get("tool_choice") or "auto",
        "text": document.get("text") or {"format": {"type": "text"}},
        "reasoning": document.get("reasoning") or {"effort": None, "summary": None},
        "max_output_tokens": wanted.get("max_tokens"),
        "parallel_tool_calls": True,
        "truncation": "disabled",
    }
    return Asked(
        model,
        prompt_of_turns(turns, system) if previous is None else None,
        wanted,
        stream=fields.flag("stream"),
        tool_choice=choice,
        logprobs=bool(top_logprobs) or "message.output_text.logprobs" in include,
        top_logprobs=top_logprobs,
        left_out=(*fields.unread(), *told),
        echo=echo,
        previous=None if previous is None else run_of(previous),
        turns=turns,
        system=system,
    )


def run_of(response: str) -> str:
    """The run that a response was. Raises UsageError for an id that is none of a response."""
    if not response.startswith(PREFIX):
        raise UsageError(f"previous_response_id: {response[:60]!r} is no response of this server")
    return response.removeprefix(PREFIX)


def whole(reply: Reply, asked: Asked) -> Json:
    """As `Wire.whole`."""
    return response_of(reply, asked.echo)


def stream(asked: Asked) -> Stream:
    """As `Wire.stream`."""
    return Events(asked.echo)
