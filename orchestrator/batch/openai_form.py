"""A line of OpenAI's batch file: https://platform.openai.com/docs/guides/batch, a request to Chat Completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.json_options import typed
from ..errors import ConfigError, UsageError
from ..reading.messages import from_openai
from ..reading.tool_definitions import choice_from_openai, parse_tools
from ..types import Prompt

CUSTOM_ID = "custom_id"
_URL = "/v1/chat/completions"
_SAYS_NOTHING = frozenset(
    {"user", "metadata", "store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier"}
)
_NEUTRAL: Mapping[str, Any] = {
    "n": 1,
    "stream": False,
    "parallel_tool_calls": True,
    "logprobs": False,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "modalities": ["text"],
}
_EFFORTS = {"none": None, "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}
_AS_THEY_ARE = ("temperature", "top_p", "seed")


def is_request(value: Mapping[str, Any]) -> bool:
    """Whether an object is a line of OpenAI's batch file."""
    return "body" in value and (CUSTOM_ID in value or "url" in value)


def read_request(value: Mapping[str, Any]) -> tuple[Prompt, dict[str, Any]]:
    """What a request asks, and its options by their Python names. Raises UsageError for what cannot be passed on."""
    if value.get("method", "POST") != "POST" or value.get("url", _URL) != _URL:
        asked = f"{value.get('method', 'POST')} {value.get('url')}"
        raise UsageError(f"{asked[:80]} cannot be asked", hint=f"of OpenAI's endpoints, POST {_URL} can")
    body = typed(value["body"], dict, "body", "an object")
    given: dict[str, Any] = {"strategy": typed(body.get("model"), str, "body.model", "the name of a model")}
    given |= {name: body[name] for name in _AS_THEY_ARE if body.get(name) is not None}
    for name, written in body.items():
        if written is not None and name not in ("model", "messages", *_AS_THEY_ARE):
            given |= _option(name, written)
    return from_openai(body.get("messages")), given


def _option(name: str, written: Any) -> dict[str, Any]:
    place = f"body.{name}"
    match name:
        case "max_tokens" | "max_completion_tokens":
            return {"max_tokens": typed(written, int, place, "a whole number")}
        case "stop":
            return {"stop": [written] if isinstance(written, str) else typed(written, list, place, "a list of texts")}
        case "reasoning_effort" if written in _EFFORTS:
            return {"effort": _EFFORTS[written]}
        case "tools":
            try:
                return {"tools": parse_tools([_plain(each) for each in typed(written, list, place, "a list")])}
            except ConfigError as error:
                raise UsageError(f"{place}: {error.message}", hint=error.hint) from None
        case "tool_choice":
            return {"tool_choice": choice_from_openai(written)}
        case "response_format":
            return {"schema": _schema(typed(written, dict, place, "an object"), place)}
    if name in _SAYS_NOTHING or _NEUTRAL.get(name) == written:
        return {}
    raise UsageError(f"{place}: {str(written)[:60]} cannot be passed on")


def _plain(tool: Any) -> Any:
    """A tool without `strict`, which says nothing to other models."""
    if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
        return {**tool, "function": {key: each for key, each in tool["function"].items() if key != "strict"}}
    return tool


def _schema(written: Mapping[str, Any], place: str) -> Mapping[str, Any] | None:
    match written:
        case {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "object"}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
    raise UsageError(f"{place}: expected text, json_object or json_schema")
