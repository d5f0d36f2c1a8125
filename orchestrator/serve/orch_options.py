"""Options of a run that a client gives: `"orch": {"max_cost": 0.05}` in the body, or `X-Orch-Max-Cost: 0.05`.

The names are those of the one table of options, as flags or as Python parameters. What would act on the server itself
is not for clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..config.json_options import known_options, read_option, typed
from ..config.options import Kind
from ..config.strict_json import parse_json
from ..errors import UsageError

STRATEGY, STAY = "strategy", "stay"
_HEADER = b"x-orch-"
_NOT_FOR_CLIENTS = {
    name: f"a client cannot give this: {why}"
    for name, why in {
        "verify": "it is a command on the server",
        "allow_unpriced": "it would take a call out of the budgets",
        "tools": "they stand in the body, as its API has them",
        "tool_choice": "it stands in the body, as its API has it",
        "stream": "it stands in the body, as its API has it",
    }.items()
}
_AS_TEXT = frozenset({Kind.TEXT, Kind.CHAIN, Kind.NAMES, Kind.TEXTS, Kind.DOLLARS, Kind.AGE})


def from_body(document: Mapping[str, Any]) -> dict[str, Any]:
    """The options in an `orch` object, by their Python names. Raises UsageError, which names the one at fault."""
    return dict(_option(name, value, f"orch.{name}") for name, value in document.items() if value is not None)


def from_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    """The options in `X-Orch-*` headers. Raises UsageError."""
    found: dict[str, Any] = {}
    for raw, value in headers:  # ASGI has their names in lower case
        if raw.startswith(_HEADER):
            name = raw.decode("latin-1")
            key = name[len(_HEADER) :].replace("-", "_")
            written = value.decode("utf-8", "replace").strip()
            found.update([_option(key, _read(key, written, name), name)])
    return found


def _option(name: str, value: Any, place: str) -> tuple[str, Any]:
    if name == STAY:
        return STAY, typed(value, bool, place, "true or false")
    if name == STRATEGY:
        return STRATEGY, typed(value, str, place, "text")
    return read_option(name, value, place, _NOT_FOR_CLIENTS, (STRATEGY, STAY))


def _read(name: str, written: str, place: str) -> Any:
    """The value of a header: a text as it is, anything else as JSON."""
    option = known_options().get(name)
    if name != STAY and (option is None or option.kind in _AS_TEXT):
        return written
    try:
        return parse_json(written.lower() if written.lower() in ("true", "false") else written)
    except ValueError:
        raise UsageError(f"{place}: {written[:60]!r} cannot be read") from None
