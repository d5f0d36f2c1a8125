"""Strict readers for the YAML files that people write: the registry, the chains and the user's settings.

A file is taken apart by readers, small functions from a `Value` to what the program wants, which combine:

    def server(table: Table) -> Server:
        return Server(host=table.required("host", text), port=table.optional("port", integer(minimum=1), 80))

    servers = read(path, mapping_of(record(server)))     # a key that `server` never asked for is refused

Every mistake is a `ConfigError` that reads `file:line: key.path: what is wrong (did you mean ...)`. `true` and `false`
are the only booleans, and a number is an exact `Decimal` or `int`, never a float.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias, TypeVar

from ..errors import ConfigError, did_you_mean
from ..expressions import expression
from .yaml_files import read_document
from .yaml_value import Kind, Value, shown

T = TypeVar("T")
D = TypeVar("D")
E = TypeVar("E", bound=StrEnum)

_MAX_DIGITS = 30  # of a number, before or after the point
_LEADING_ZERO = expression(r"[-+]?0[0-9_]")  # octal in YAML 1.1, decimal in 1.2

Reader: TypeAlias = Callable[[Value], T]


class Table:
    """The keys of a mapping, each requested by name. `finish` refuses those that nobody requested."""

    def __init__(self, value: Value) -> None:
        if not isinstance(value.content, dict):
            raise value.expected(Kind.MAPPING)
        self.value = value
        self._unread = dict(value.content)
        self._asked: list[str] = []

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value.content, dict) and key in self.value.content

    def required(self, key: str, reader: Reader[T]) -> T:
        """The value of a key, read by `reader`. Raises ConfigError if the key is missing."""
        self._asked.append(key)
        value = self._unread.pop(key, None)
        if value is None:
            raise self._missing(key)
        return reader(value)

    def optional(self, key: str, reader: Reader[T], default: D) -> T | D:
        """The value of a key, read by `reader`, or the default if the key is missing."""
        self._asked.append(key)
        value = self._unread.pop(key, None)
        return default if value is None else reader(value)

    def finish(self) -> None:
        """Raises ConfigError for the first key that nobody requested."""
        for key, value in self._unread.items():
            raise value.error(f"unknown key{_hint(did_you_mean(key, self._asked))}")

    def _missing(self, key: str) -> ConfigError:
        # The likeliest cause is a misspelt key. `finish` would name it, but is not reached.
        for name, value in self._unread.items():
            if did_you_mean(key, [name], cutoff=0.7):
                return self.value.error(f"'{key}' is missing (is it '{shown(name)}' on line {value.line}?)")
        return self.value.error(f"'{key}' is missing")


def record(build: Callable[[Table], T]) -> Reader[T]:
    """A reader for a mapping with known keys: `build` requests each of them, and any other key is refused."""

    def reader(value: Value) -> T:
        table = Table(value)
        built = build(table)
        table.finish()
        return built

    return reader


def mapping_of(item: Reader[T]) -> Reader[dict[str, T]]:
    """A reader for a mapping with user-defined keys, in the order of the file."""

    def reader(value: Value) -> dict[str, T]:
        if not isinstance(value.content, dict):
            raise value.expected(Kind.MAPPING)
        return {name: item(entry) for name, entry in value.content.items()}

    return reader


def list_of(item: Reader[T], *, at_least: int = 0) -> Reader[tuple[T, ...]]:
    """A reader for a list with at least `least` items."""

    def reader(value: Value) -> tuple[T, ...]:
        if not isinstance(value.content, tuple):
            raise value.expected(Kind.LIST)
        if len(value.content) < at_least:
            raise value.error(f"needs at least {at_least} {'entry' if at_least == 1 else 'entries'}")
        return tuple(item(entry) for entry in value.content)

    return reader


def text(value: Value) -> str:
    """Non-empty text. A value that YAML would read as a number, a date or a boolean must be quoted."""
    if value.kind is not Kind.TEXT:
        raise value.expected(Kind.TEXT, advice="; put it in quotes" if value.written else "")
    if not value.written.strip():
        raise value.error("must not be empty")
    return value.written


def boolean(value: Value) -> bool:
    """`true` or `false`."""
    if value.kind is not Kind.BOOLEAN:
        raise value.expected("true or false")
    return value.written.lower() == "true"


def day(value: Value) -> date:
    """A date, YYYY-MM-DD."""
    if value.kind is not Kind.DATE:
        raise value.expected("a date (YYYY-MM-DD)")
    try:
        return date.fromisoformat(value.written)
    except ValueError:
        raise value.error(f"{value.written} is not a day of the calendar") from None


def integer(*, minimum: int | None = None, maximum: int | None = None) -> Reader[int]:
    """A reader for a whole number, `200_000` or `200000`, within bounds."""

    def reader(value: Value) -> int:
        if value.kind is not Kind.INTEGER:
            raise value.expected(Kind.INTEGER)
        return int(_bounded(value, minimum, maximum))

    return reader


def decimal(*, minimum: Decimal | int | None = None, maximum: Decimal | int | None = None) -> Reader[Decimal]:
    """A reader for a finite number, exactly as written, within bounds."""

    def reader(value: Value) -> Decimal:
        if value.kind not in (Kind.INTEGER, Kind.NUMBER):
            raise value.expected(Kind.NUMBER)
        return _bounded(value, minimum, maximum)

    return reader


def one_of(enum: type[E]) -> Reader[E]:
    """A reader for one of the words of an enumeration."""
    words = [str(member) for member in enum]

    def reader(value: Value) -> E:
        word = text(value)
        if word not in words:
            hint = _hint(did_you_mean(word, words))
            raise value.error(f"{shown(word)} is none of {', '.join(words)}{hint}")
        return enum(word)

    return reader


def read(path: Path, reader: Reader[T], keep_in: Path | None = None) -> T:
    """The value that `reader` makes of a file. Raises ConfigError if the file cannot be read or holds anything
    unexpected.

    `keep_in` is the cache directory, as for `read_document`.
    """
    return reader(read_document(path, keep_in))


def _bounded(value: Value, minimum: Decimal | int | None, maximum: Decimal | int | None) -> Decimal:
    written = value.written
    if written.lower().endswith(("inf", "nan")):
        raise value.error(f"{written} is not a finite number")
    if _LEADING_ZERO.match(written):
        raise value.error(f"{shown(written)} starts with 0, which some readers take for octal")
    try:
        number = Decimal(written) if len(written) <= 2 * _MAX_DIGITS else None
    except InvalidOperation:  # an exponent beyond what Decimal holds
        number = None
    if number is None or not -_MAX_DIGITS <= number.adjusted() <= _MAX_DIGITS:
        raise value.error(f"{shown(written)} is out of range")
    if minimum is not None and number < minimum:
        raise value.error(f"{shown(written)} is less than {minimum}")
    if maximum is not None and number > maximum:
        raise value.error(f"{shown(written)} is more than {maximum}")
    return number


def _hint(suggestion: str | None) -> str:
    return f" ({suggestion})" if suggestion else ""
