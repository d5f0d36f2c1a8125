"""Reading openclaw.json: which agents there are, and which model a kind of work goes to.

    {"agents": {"main": {"model": "gemini-2.0-flash", "description": "..."}, ...},
     "routing": {"orchestration": "gemini-2.0-flash", ...}}

A model is its name, `provider/name`, or `{"primary": NAME, "fallbacks": [NAME, ...]}`. Agents may also stand in a list
under `agents.list`, each with an `id`, with what they share under `agents.defaults`. What else the file holds is not
read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..config.strict_json import parse_json
from ..decoding import decoded
from ..errors import ConfigError

_MAX_BYTES = 1 << 20
_MAX_ROWS = 1_000  # agents, or kinds of work
_JSON5 = "orch reads plain JSON: no comments, no trailing commas, all names and text in double quotes"
_KINDS = {type(None): "nothing", bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
_KINDS[dict] = "an object"


class Use(NamedTuple):
    """What models are used for: an agent's work, or a kind of work. The first model counts, the others stand in."""

    name: str
    models: tuple[str, ...]
    description: str = ""


class OpenClaw(NamedTuple):
    """The two blocks that say which model does what, in the order of the file."""

    agents: tuple[Use, ...]
    routing: tuple[Use, ...]


def read_openclaw(path: Path) -> OpenClaw:
    """Raises ConfigError, with line and column for what is no JSON and with the key for what is not as expected."""
    try:
        with path.open("rb") as stream:  # which may be a pipe
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"{path} is larger than {_MAX_BYTES >> 20} MiB: that is no openclaw.json")
    try:
        return _openclaw(parse_json(decoded(raw, str(path), ConfigError)))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.colno}: {error.msg}", hint=_JSON5) from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply") from error
    except ValueError as error:  # ours, below, or a number of thousands of digits
        raise ConfigError(f"{path}: {error}") from error


def _openclaw(document: object) -> OpenClaw:
    """The functions from here on raise ValueError, with the key, for what is not as expected."""
    top = _mapping(document, "")
    if "agents" not in top and "routing" not in top:
        raise ValueError("has neither 'agents' nor 'routing'")
    work = _mapping(top.get("routing", {}), "routing").items()
    routing = [Use(name, models) for name, value in work if (models := _models(value, f"routing.{name}"))]
    agents = list(_agents(_mapping(top.get("agents", {}), "agents")))
    if not agents and not routing:
        raise ValueError("names no model under 'agents' or 'routing'")
    return OpenClaw(tuple(agents), tuple(routing))


def _agents(block: dict[str, Any]) -> Iterator[Use]:
    shared = _models(_mapping(block.get("defaults", {}), "agents.defaults").get("model"), "agents.defaults.model")
    named = {name: value for name, value in block.items() if name not in ("defaults", "list")}
    for number, value in enumerate(_expect(list, block.get("list", []), "agents.list")):
        where = f"agents.list[{number}]"
        name = _name(_mapping(value, where).get("id"), f"{where}.id")
        if name in named:
            raise ValueError(f"{where}: there is an agent {_shown(name)} already")
        named[name] = value
    for name, value in named.items():
        where = f"agents.{name}"
        agent = {"model": value} if isinstance(value, str) else _mapping(value, where)
        models = _models(agent.get("model"), f"{where}.model") or shared
        description = _expect(str, agent.get("description") or "", f"{where}.description").strip()
        if models:
            yield Use(name, models, description)
    if shared and not named:
        yield Use("main", shared)


def _models(value: object, where: str) -> tuple[str, ...]:
    """The models of one entry, the first one first; none if nothing is said."""
    if value is None:
        return ()
    if not isinstance(value, dict):
        return (_name(value, where),)
    fallbacks = _expect(list, value.get("fallbacks", []), f"{where}.fallbacks")
    names = [_name(value.get("primary"), f"{where}.primary")]
    names += [_name(name, f"{where}.fallbacks[{number}]") for number, name in enumerate(fallbacks)]
    return tuple(dict.fromkeys(names))


def _mapping(value: object, where: str) -> dict[str, Any]:
    mapping: dict[str, Any] = _expect(dict, value, where)
    if len(mapping) > _MAX_ROWS:
        raise ValueError(f"{_at(where)}has more than {_MAX_ROWS:,} entries")
    return mapping


def _name(value: object, where: str) -> str:
    name: str = _expect(str, value, where).strip()
    if not name:
        raise ValueError(f"{_at(where)}must not be empty")
    return name


def _expect(kind: type, value: object, where: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{_at(where)}expected {_KINDS[kind]}, not {_KINDS[type(value)]}")
    return value


def _at(where: str) -> str:
    return f"{_shown(where)}: " if where else ""


def _shown(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:79]}…"
