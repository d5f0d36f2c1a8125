"""Pieces of a request that more than one wire needs."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..config.strict_json import parse_json
from ..errors import RequestRejectedError
from ..types import Message, ToolCall

_BODY = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def body_text(body: object) -> str:
    """A request's body as it is sent, live and in a batch. Raises ValueError for a number that JSON does not have."""
    return _BODY.encode(body)


def arguments_object(call: ToolCall) -> Mapping[str, object]:
    """A tool call's arguments as the object that they stand for. Raises RequestRejectedError if they are none."""
    try:
        arguments = parse_json(call.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise RequestRejectedError(f"the arguments of tool call {call.name!r} are not a JSON object", provider=None)
    return arguments


def arguments_text(arguments: object) -> str:
    """A tool call's arguments as JSON text, whether they came as that or decoded; "" if they are neither."""
    if isinstance(arguments, Mapping):
        return json.dumps(arguments, ensure_ascii=False)
    return arguments if isinstance(arguments, str) else ""


def tool_names(messages: tuple[Message, ...]) -> Mapping[str, str]:
    """The tool that each call id was for."""
    return {call.id: call.name for message in messages for call in message.tool_calls}


def json_instruction(system: str, schema: Mapping[str, object] | None) -> str:
    """A system prompt that asks for JSON, for where the API cannot be told to enforce it."""
    wish = "Answer with one JSON object and nothing else."
    if schema is not None:
        wish += f" It must fit this JSON Schema: {json.dumps(schema, ensure_ascii=False)}"
    return f"{system}\n\n{wish}" if system else wish


def is_strict(schema: object) -> bool:
    """Whether OpenAI can enforce a schema to the letter: every object closed, every property required.

    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    if isinstance(schema, list):
        return all(is_strict(item) for item in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if schema.get("additionalProperties") is not False or not isinstance(properties, Mapping):
            return False
        if not isinstance(required, list) or set(properties) != set(required):
            return False
        return all(is_strict(item) for item in properties.values()) and is_strict(schema.get("$defs", {}))
    return all(is_strict(item) for item in schema.values())
