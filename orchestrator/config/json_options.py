"""Options of a run as JSON values, by their names as flags or as Python parameters: `{"max_cost": 0.05}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from ..errors import UsageError, did_you_mean
from .ages import age_s
from .options import OPTIONS, Kind, Option


@cache
def known_options() -> Mapping[str, Option]:
    """Options by all of their names."""
    rows = [option for option in OPTIONS.values() if option.python_name]
    by_flag = {option.flag_name[2:].replace("-", "_"): option for option in rows if option.flag_name}
    return by_flag | {option.python_name: option for option in rows}


def read_option(
    name: str, value: Any, place: str, refused: Mapping[str, str], others: tuple[str, ...]
) -> tuple[str, Any]:
    """The Python name and the value of an option. `refused` are those that cannot be given here, and why; `others` are
    names of no option that can stand here too. Raises UsageError, which names the `place`."""
    if name in refused:
        raise UsageError(f"{place}: {refused[name]}")
    option = known_options().get(name)
    if option is None:
        known = [each for each in (*known_options(), *others) if each not in refused]
        raise UsageError(f"{place}: there is no such option", hint=did_you_mean(name, known))
    return option.python_name, _CHECKS[option.kind](value, place)


def typed(value: Any, kind: type | tuple[type, ...], place: str, called: str) -> Any:
    """The value, if it is of the type. Raises UsageError, which says what is expected, in words."""
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
    written = str(typed(value, (int, float, str), place, "an amount in dollars"))
    try:
        amount = Decimal(written)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{place}: expected an amount in dollars, such as 0.05")
    return amount


def _flag(value: Any, place: str) -> bool:
    return bool(typed(value, bool, place, "true or false"))


def _age(value: Any, place: str) -> float:
    try:
        return age_s(value)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None


_CHECKS: Mapping[Kind, Callable[[Any, str], Any]] = {
    Kind.TEXT: lambda value, place: typed(value, str, place, "text"),
    Kind.CHAIN: _chain,
    Kind.NAMES: _texts,
    Kind.TEXTS: _texts,
    Kind.NUMBER: lambda value, place: typed(value, (int, float), place, "a number"),
    Kind.INTEGER: lambda value, place: typed(value, int, place, "a whole number"),
    Kind.DOLLARS: _dollars,
    Kind.SWITCH: _flag,
    Kind.YES_NO: _flag,
    Kind.SCHEMA: lambda value, place: typed(value, dict, place, "a JSON Schema"),
    Kind.LIMITS: lambda value, place: typed(value, dict, place, "an object"),
    Kind.AGE: _age,
}
