"""What every wire is, and what they share: server-sent events, JSON, and fields that several APIs have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from ...config.strict_json import parse_json
from ...errors import ConfigError, UsageError
from ...reading.tool_definitions import parse_tools
from ...types import Tool, ToolCall
from ..asked import Asked
from ..fields import Fields
from ..problems import Problem
from ..reply import Reply

Json = dict[str, Any]
COMMENT = b": at work\n\n"
DONE = b"data: [DONE]\n\n"
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# What a client may say of a tool that is not passed on, and changes at most how well it is called.
_OF_TOOLS = ("strict", "cache_control", "eager_input_streaming", "defer_loading", "allowed_callers", "input_examples")


class Stream(Protocol):
    """Writes one reply as a stream. `begin` comes once, before the first piece or the end."""

    def alive(self) -> bytes:
        """A sign of life, which clients pass over."""

    def begin(self, run_id: str, model: str) -> bytes:
        """What stands before the first piece."""

    def piece(self, text: str) -> bytes:
        """A piece of the answer."""

    def end(self, reply: Reply) -> bytes:
        """What follows the last piece."""

    def fail(self, problem: Problem) -> bytes:
        """An error, where the status has been sent already."""


class Wire(Protocol):
    """The form of an API. A module is one."""

    def read(self, document: Mapping[str, Any]) -> Asked:
        """Read the body of a request. Raises UsageError, which names the field at fault."""

    def whole(self, reply: Reply, asked: Asked) -> Json:
        """A reply in one piece."""

    def stream(self, asked: Asked) -> Stream:
        """What writes a reply as a stream."""

    def error(self, problem: Problem) -> Json:
        """The body of an error."""


def encoded(document: object) -> bytes:
    """Compact JSON in UTF-8; escaped where it holds a lone surrogate, which UTF-8 cannot."""
    try:
        return _ENCODER.encode(document).encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":")).encode()


def event(document: Mapping[str, Any], *, named: bool = False) -> bytes:
    """A server-sent event, with its type as its name if it is `named`."""
    head = b"event: " + document["type"].encode() + b"\n" if named else b""
    return b"%sdata: %s\n\n" % (head, encoded(document))


def tools_in(listed: list[Any]) -> tuple[Tool, ...]:
    """The tools of a request in any API's form. Raises UsageError for one that the provider would run itself."""
    if not listed:
        return ()
    try:
        return parse_tools([_plain(each) for each in listed])
    except ConfigError as error:
        raise UsageError(error.message, hint=error.hint) from None


def _plain(tool: object) -> object:
    """A tool without what is said of it besides."""
    if not isinstance(tool, dict):
        return tool
    kept = {key: value for key, value in tool.items() if key not in _OF_TOOLS and value is not None}
    if isinstance(function := kept.get("function"), dict):
        kept["function"] = _plain(function)
    for key in ("parameters", "input_schema"):
        if isinstance(schema := kept.get(key), dict) and "type" not in schema:
            kept[key] = {"type": "object", **schema}
    return kept


def schema_in(table: Fields | None, schema_field: str = "schema") -> Mapping[str, Any] | None:
    """The schema that a reply has to fit, by `{"type": "json_object" | "json_schema" | "text"}`."""
    if table is None:
        return None
    kind = table.text("type")
    table.ignore("name", "strict", "description")
    match kind:
        case "text" | None:
            return None
        case "json_object":
            return {"type": "object"}
        case "json_schema":
            inside = table.table("json_schema") or table
            inside.ignore("name", "strict", "description")
            schema = inside.any(schema_field)
            if not isinstance(schema, dict):
                raise UsageError(f"{inside.at(schema_field)}: expected a JSON Schema")
            return schema
    raise UsageError(f"{table.at('type')}: expected text, json_object or json_schema, not {kind!r}")


EFFORTS: Mapping[str, str | None] = {
    "none": None,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}


def effort_in(fields: Fields | None, name: str) -> str | None:
    """How long to think, of the three that there are."""
    written = None if fields is None else fields.text(name)
    if fields is None or written is None:
        return None
    if written not in EFFORTS:
        raise UsageError(f"{fields.at(name)}: expected {', '.join(EFFORTS)}, not {written!r}")
    return EFFORTS[written]


def stops_in(fields: Fields, name: str) -> list[str] | None:
    """Where to stop: a text or several."""
    value = fields.any(name)
    listed = [value] if isinstance(value, str) else value
    if listed is None or listed == []:
        return None
    if not isinstance(listed, list) or not all(isinstance(each, str) and each for each in listed):
        raise UsageError(f"{fields.at(name)}: expected a text, or a list of texts")
    return listed


def arguments_of(call: ToolCall) -> Any:
    """The arguments of a tool call as an object; as far as the model wrote one."""
    try:
        found = parse_json(call.arguments or "{}")
    except ValueError:
        return {"arguments": call.arguments}
    return found if isinstance(found, dict) else {"arguments": found}


def given(**options: Any) -> dict[str, Any]:
    """The options that are there."""
    return {name: value for name, value in options.items() if value is not None}
