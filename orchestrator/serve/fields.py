"""Reads the JSON object of a request: what is there has the type that it should have, and what nobody reads is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from ..errors import UsageError

T = TypeVar("T")
_CALLED: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    dict: "an object",
    list: "a list",
}


class Fields:
    """An object of a request. `place` is where it stands, for errors; null counts as left out."""

    def __init__(self, document: Mapping[str, Any], place: str = "") -> None:
        self._document = document
        self._place = place
        self._read: set[str] = set()

    def at(self, name: str) -> str:
        """Where a field stands."""
        return f"{self._place}.{name}" if self._place else name

    def any(self, name: str) -> Any:
        """A field of any type; None if it is left out."""
        self._read.add(name)
        return self._document.get(name)

    def text(self, name: str) -> str | None:
        """A text, or None. Raises UsageError, as the others do, for what is of another type."""
        return self._typed(name, str)

    def required(self, name: str) -> str:
        """A text that has to be there."""
        value = self.text(name)
        if not value:
            raise UsageError(f"{self.at(name)}: is missing")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false if it is left out."""
        return bool(self._typed(name, bool))

    def integer(self, name: str) -> int | None:
        """A whole number, or None."""
        value = self.any(name)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return self._typed(name, int)

    def number(self, name: str) -> float | None:
        """A number, or None."""
        value = self.any(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise UsageError(f"{self.at(name)}: expected a number")
        return value

    def table(self, name: str) -> Fields | None:
        """An object, or None."""
        value = self._typed(name, dict)
        return None if value is None else Fields(value, self.at(name))

    def items(self, name: str) -> list[Any]:
        """A list; empty if it is left out."""
        return self._typed(name, list) or []

    def ignore(self, *names: str) -> None:
        """Fields that make no difference to an answer."""
        self._read.update(names)

    def unread(self) -> tuple[str, ...]:
        """The fields that are there and were not read."""
        return tuple(
            self.at(name) for name, value in self._document.items() if name not in self._read and value is not None
        )

    def _typed(self, name: str, kind: type[T]) -> T | None:
        value = self.any(name)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            raise UsageError(f"{self.at(name)}: expected {_CALLED[kind]}")
        return value
