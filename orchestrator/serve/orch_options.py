"""Options of a run that a client gives: `"orch": {"max_cost": 0.05}` in the body, or `X-Orch-Max-Cost: 0.05`.

The names are those of the one table of options, as flags or as Python parameters. What would act on the server itself
is not for clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from ..config.ages import age_s
from ..config.options import OPTIONS, Kind, Option
from ..config.strict_json import parse_json
from ..errors import UsageError, did_you_mean

STRATEGY, STAY = "strategy", "stay"
_HEADER = b"x-orch-"
_NOT_FOR_CLIENTS = {
    "verify": "it is a command on the server",
    "allow_unpriced": "it would take a call out of the budgets",
    "tools": "they stand in the body, as its API has them",
    "stream": "it stands in the body, as its API has it",
}


@cache
def _known() -> Mapping[str, Option]:
    """Options by all of their names."""
    rows = [option for option in OPTIONS.values() if option.python_name]
    by_flag = {option.flag_name[2:].replace("-", "_"): option for option in rows if option.flag_name}
    return by_flag | {option.python_name: option for option in rows}


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
        return STAY, _typed(value, bool, place, "true or false")
    if name == STRATEGY:
        return STRATEGY, _typed(value, str, place, "text")
    if name in _NOT_FOR_CLIENTS:
        raise UsageError(f"{place}: a client cannot give this: {_NOT_FOR_CLIENTS[name]}")
    option = _known().get(name)
    if option is None:
        known = [each for each in (*_known(), STRATEGY, STAY) if each not in _NOT_FOR_CLIENTS]
        raise UsageError(f"{place}: there is no such option", hint=did_you_mean(name, known))
    return option.python_name, _CHECKS[option.kind](value, place)


def _typed(value: Any, kind: type | tuple[type, ...], place: str, called: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"{place}: expected {called}")
    return value


def _texts(value: Any, place: str) -> list[str]:
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) and each.strip() for each in listed):
        raise UsageError(f"{place}: expected a list of names")
    return list(dict.fromkeys(each.strip() for each in listed))


def _chain(value: Any, place: str) -> str:
    return value if isinstance(value, str) else ",".join(_texts(value, place))


def _dollars(value: Any, place: str) -> Decimal:
    written = str(_typed(value, (int, float, str), place, "an amount in dollars"))
    try:
        amount = Decimal(written)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{place}: expected an amount in dollars, such as 0.05")
    return amount


def _flag(value: Any, place: str) -> bool:
    return bool(_typed(value, bool, place, "true or false"))


def _age(value: Any, place: str) -> float:
    try:
        return age_s(value)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None


_CHECKS: Mapping[Kind, Callable[[Any, str], Any]] = {
    Kind.TEXT: lambda value, place: _typed(value, str, place, "text"),
    Kind.CHAIN: _chain,
    Kind.NAMES: _texts,
    Kind.TEXTS: _texts,
    Kind.NUMBER: lambda value, place: _typed(value, (int, float), place, "a number"),
    Kind.INTEGER: lambda value, place: _typed(value, int, place, "a whole number"),
    Kind.DOLLARS: _dollars,
    Kind.SWITCH: _flag,
    Kind.YES_NO: _flag,
    Kind.SCHEMA: lambda value, place: _typed(value, dict, place, "a JSON Schema"),
    Kind.LIMITS: lambda value, place: _typed(value, dict, place, "an object"),
    Kind.AGE: _age,
}
_AS_TEXT = frozenset({Kind.TEXT, Kind.CHAIN, Kind.NAMES, Kind.TEXTS, Kind.DOLLARS, Kind.AGE})


def _read(name: str, written: str, place: str) -> Any:
    """The value of a header: a text as it is, anything else as JSON."""
    option = _known().get(name)
    if name != STAY and (option is None or option.kind in _AS_TEXT):
        return written
    try:
        return parse_json(written.lower() if written.lower() in ("true", "false") else written)
    except ValueError:
        raise UsageError(f"{place}: {written[:60]!r} cannot be read") from None
