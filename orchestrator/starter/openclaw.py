"""Reading openclaw.json: which agents there are, and which model a kind of work goes to.

    {"agents": {"main": {"model": "gemini-2.0-flash", "description": "..."}, ...},
     "routing": {"orchestration": "gemini-2.0-flash", ...}}

A model is its name, `provider/name`, or `{"primary": NAME, "fallbacks": [NAME, ...]}`. Agents may also stand in a list
under `agents.list`, each with an `id`, with what they share under `agents.defaults`. What else the file holds is not
read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..deferred import dataclass
from ..errors import ConfigError
from ..strict_json import parse_json

_MAX_BYTES = 1 << 20
_MAX_ROWS = 1_000  # agents, or kinds of work
_JSON5 = "orch reads plain JSON: no comments, no trailing commas, all names and text in double quotes"


@dataclass(frozen=True, slots=True)
class Use:
    """What models are used for: an agent's work, or a kind of work. The first model counts, the others stand in."""

    name: str
    models: tuple[str, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class OpenClaw:
    """The two blocks that say which model does what, in the order of the file."""

    agents: tuple[Use, ...]
    routing: tuple[Use, ...]


def read_openclaw(path: Path) -> OpenClaw:
    """Raises ConfigError, with line and column for what is no JSON and with the key for what is not as expected."""
    document = _parsed(path)
    return _Reader(str(path)).openclaw(document)


def _parsed(path: Path) -> object:
    try:
        with path.open("rb") as stream:  # which may be a pipe
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"{path} is larger than {_MAX_BYTES >> 20} MiB: that is no openclaw.json")
    try:
        return parse_json(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: byte 0x{raw[error.start]:02x} at position {error.start}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.colno}: {error.msg}", hint=_JSON5) from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply") from error
    except ValueError as error:  # ours, below, or a number of thousands of digits
        raise ConfigError(f"{path}: {error}") from error


class _Reader:
    """From parsed JSON to records; `source` is what errors call the file."""

    def __init__(self, source: str) -> None:
        self._source = source

    def openclaw(self, document: object) -> OpenClaw:
        top = self._mapping(document, "")
        if "agents" not in top and "routing" not in top:
            raise self._error("", "has neither 'agents' nor 'routing'")
        agents = list(self._agents(self._mapping(top.get("agents", {}), "agents")))
        routing = [
            Use(name, models)
            for name, value in self._mapping(top.get("routing", {}), "routing").items()
            if (models := self._models(value, f"routing.{name}"))
        ]
        if not agents and not routing:
            raise self._error("", "names no model under 'agents' or 'routing'")
        return OpenClaw(tuple(agents), tuple(routing))

    def _agents(self, block: Mapping[str, Any]) -> Iterator[Use]:
        defaults = self._mapping(block.get("defaults", {}), "agents.defaults").get("model")
        shared = self._models(defaults, "agents.defaults.model")
        listed = block.get("list", [])
        if not isinstance(listed, list):
            raise self._error("agents.list", f"expected a list, not {_kind(listed)}")
        named = {name: value for name, value in block.items() if name not in ("defaults", "list")}
        for number, value in enumerate(listed):
            where = f"agents.list[{number}]"
            name = self._text(self._mapping(value, where).get("id"), f"{where}.id")
            if name in named:
                raise self._error(where, f"there is an agent {_shown(name)} already")
            named[name] = value
        for name, value in named.items():
            agent = {"model": value} if isinstance(value, str) else self._mapping(value, f"agents.{name}")
            models = self._models(agent.get("model"), f"agents.{name}.model") or shared
            description = agent.get("description") or ""
            if not isinstance(description, str):
                raise self._error(f"agents.{name}.description", f"expected text, not {_kind(description)}")
            if models:
                yield Use(name, models, description.strip())
        if shared and not named:
            yield Use("main", shared)

    def _models(self, value: object, where: str) -> tuple[str, ...]:
        """The models of one entry, the first one first; none if nothing is said."""
        if value is None:
            return ()
        if isinstance(value, dict):
            fallbacks = value.get("fallbacks", [])
            if not isinstance(fallbacks, list):
                raise self._error(f"{where}.fallbacks", f"expected a list, not {_kind(fallbacks)}")
            primary = self._text(value.get("primary"), f"{where}.primary")
            names = [primary, *(self._text(name, f"{where}.fallbacks[{n}]") for n, name in enumerate(fallbacks))]
            return tuple(dict.fromkeys(names))
        return (self._text(value, where),)

    def _mapping(self, value: object, where: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._error(where, f"expected an object, not {_kind(value)}")
        if len(value) > _MAX_ROWS:
            raise self._error(where, f"has more than {_MAX_ROWS:,} entries")
        return value

    def _text(self, value: object, where: str) -> str:
        if not isinstance(value, str):
            raise self._error(where, f"expected text, not {_kind(value)}")
        if not value.strip():
            raise self._error(where, "must not be empty")
        return value.strip()

    def _error(self, where: str, problem: str) -> ConfigError:
        return ConfigError(f"{self._source}: {f'{_shown(where)}: ' if where else ''}{problem}")


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _shown(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:79]}…"
