"""What a command makes use of: a flag that was given and is of no use to what is done is refused, never ignored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from ..config.options import OPTIONS
from ..errors import UsageError
from .options import spelled

REGISTRY_FILES = ("models_file", "chains_file", "routing_file")


def check_used(flags: Any, doing: str, uses: Mapping[str, Collection[str]]) -> None:
    """Raises UsageError for a flag that was given and that what is done makes no use of.

    `uses` has the fields of `flags` that only some of the things take which a command does, by the words of its command
    line for each of them; `doing` is one of those. A field that stands nowhere in it is of use to all of them.
    """
    apart = {name for names in uses.values() for name in names}
    for row in fields(flags):
        given = vars(flags)[row.name]
        if row.name in uses[doing] or row.name not in apart or given == _default(row):
            continue
        takers = [each for each, names in uses.items() if row.name in names]
        flag = OPTIONS[next(iter(given))].flag_name if isinstance(given, Mapping) else spelled(type(flags), row.name)
        raise UsageError(f"{doing} makes no use of {flag}", hint=f"it is for {' and '.join(takers)}")


def _default(row: Field[Any]) -> Any:
    return row.default if row.default_factory is MISSING else row.default_factory()
