"""Tools that a model may call, from the JSON in which OpenAI and Anthropic define them.

    {"type": "function", "function": {"name", "description", "parameters"}}     OpenAI, Chat Completions
    {"type": "function", "name", "description", "parameters"}                   OpenAI, Responses
    {"name", "description", "input_schema"}                                     Anthropic

A file holds a list of them, or an object with such a list under `tools`. What is not known is refused: an option that
is left out without a word could change what a tool does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config.strict_json import parse_json
from ..decoding import decoded
from ..errors import ConfigError, UsageError, did_you_mean
from ..expressions import expression
from ..types import Tool

_NAME = expression(r"[A-Za-z0-9_-]{1,64}")  # what OpenAI and Anthropic both take
_MOST = 128  # OpenAI's limit
_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


def read_tools(path: Path) -> tuple[Tool, ...]:
    """The tools of a file. Raises ConfigError, which names the file and the place in it."""
    try:
        document = parse_json(decoded(path.read_bytes(), str(path), ConfigError))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON: {error}") from error
    try:
        return parse_tools(document)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", hint=error.hint) from None


def parse_tools(document: object) -> tuple[Tool, ...]:
    """Tools from decoded JSON. Raises ConfigError, which names the place."""
    if isinstance(document, Mapping) and "tools" in document:
        _only(document, "the file", ("tools",))
        document = document["tools"]
    if not isinstance(document, list):
        raise ConfigError("expected a list of tools, or an object with a list under 'tools'")
    if not document:
        raise ConfigError("holds no tools")
    if len(document) > _MOST:
        raise ConfigError(f"holds {len(document)} tools; {_MOST} are the most that providers take")
    tools = tuple(_tool(item, f"tools[{position}]") for position, item in enumerate(document))
    names = [tool.name for tool in tools]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise ConfigError(f"tools[{position}]: there is a tool {name!r} already")
    return tools


def _tool(item: object, place: str) -> Tool:
    if not isinstance(item, Mapping):
        raise ConfigError(f"{place}: expected an object")
    if "input_schema" in item or ("type" not in item and "function" not in item):
        if item.get("type", "custom") != "custom":
            raise ConfigError(f"{place}.type: a tool that the provider runs itself cannot be passed on")
        _only(item, place, ("type", "name", "description", "input_schema"))
        return _made(item, place, "input_schema")
    if item.get("type", "function") != "function":
        raise ConfigError(f"{place}.type: {item['type']!r} cannot be passed on, only 'function'")
    if "function" not in item:
        _only(item, place, ("type", "name", "description", "parameters"))
        return _made(item, place, "parameters")
    _only(item, place, ("type", "function"))
    function, place = item["function"], f"{place}.function"
    if not isinstance(function, Mapping):
        raise ConfigError(f"{place}: expected an object")
    _only(function, place, ("name", "description", "parameters"))
    return _made(function, place, "parameters")


def _made(item: Mapping[str, Any], place: str, schema_key: str) -> Tool:
    name, description = item.get("name"), item.get("description", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f"{place}.name: {'expected 1 to 64 letters, digits, - and _' if name else 'is missing'}")
    if not isinstance(description, str):
        raise ConfigError(f"{place}.description: expected text")
    schema = item.get(schema_key, _NO_PARAMETERS)
    where = f"{place}.{schema_key}"
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise ConfigError(f'{where}: expected a JSON Schema with "type": "object"')
    _check_schema(schema, where)
    return Tool(name, description, schema)


def _check_schema(schema: Mapping[str, Any], where: str) -> None:
    from jsonschema import SchemaError, validators  # heavy

    try:
        validators.validator_for(schema).check_schema(dict(schema))
    except SchemaError as error:
        inside = "".join(f".{part}" for part in error.absolute_path)
        raise ConfigError(f"{where}{inside}: is no JSON Schema: {error.message[:200]}") from error


def _only(item: Mapping[str, Any], place: str, known: Sequence[str]) -> None:
    for key in item:
        if key not in known:
            raise ConfigError(f"{place}: unknown key {key!r}", hint=did_you_mean(key, known))


def choice_from_openai(choice: object) -> str:
    """A choice among tools in OpenAI's form: `auto`, `none`, `required`, or a tool's name after `=`. Raises
    UsageError."""
    match choice:
        case None:
            return "auto"
        case "auto" | "none" | "required":
            return str(choice)
        case {"type": "function", "function": {"name": str(name)}} | {"type": "function", "name": str(name)}:
            return f"={name}"
    raise UsageError(f"tool_choice: expected auto, none, required or a function, not {str(choice)[:60]!r}")
