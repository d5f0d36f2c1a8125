"""Strict JSON: a key that stands twice in an object is an error, and so are NaN, Infinity and numbers that no float
can hold, such as 1e400."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

_SHOWN = 80  # characters of a key


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for nesting that is too deep; JSONDecodeError if it is not
    JSON."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    pairs_by_key: dict[str, Any] = {}
    for key, value in pairs:
        if key in pairs_by_key:
            raise ValueError(f"the key {key[:_SHOWN]!r} is there twice")
        pairs_by_key[key] = value
    return pairs_by_key


def _refuse(written: str) -> NoReturn:
    raise ValueError(f"{written} is no number of JSON")


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(f"{written[:_SHOWN]} is too large a number")
    return number
