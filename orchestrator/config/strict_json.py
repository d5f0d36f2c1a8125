"""JSON in which nothing is passed over: a key that stands twice in an object is an error, and so is NaN or Infinity."""

from __future__ import annotations

import json
from typing import Any, NoReturn

_SHOWN = 80  # characters of a key


def parse_json(text: str) -> Any:
    """What a JSON text holds. Raises ValueError (JSONDecodeError where it is no JSON), RecursionError for one that is
    nested too deeply."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:_SHOWN]!r} is there twice")
        found[key] = value
    return found


def _refuse(written: str) -> NoReturn:
    raise ValueError(f"{written} is no number of JSON")
