"""A value of a YAML file as it was written, with its line: the input of `strict_yaml`."""

from __future__ import annotations

from enum import StrEnum

from ..deferred import dataclass
from ..errors import ConfigError
from ..expressions import expression

_SHOWN = 60  # characters of a key or value that a message repeats

_INTEGER = expression(r"[-+]?[0-9]+(?:_[0-9]+)*")
_NUMBER = expression(r"[-+]?(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = expression(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_DATE = expression(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
WORD = expression(r"[A-Za-z][A-Za-z0-9_-]{0,59}")  # as most keys are: text, whatever the rules, and shown as it is
NULL = frozenset({"", "~", "null", "Null", "NULL"})
BOOLEANS = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})


class Kind(StrEnum):
    """What a value is, in the words of a message."""

    TEXT = "text"
    INTEGER = "an integer"
    NUMBER = "a number"
    BOOLEAN = "a boolean"
    DATE = "a date"
    NULL = "nothing"
    LIST = "a list"
    MAPPING = "a mapping"


@dataclass(slots=True)  # not frozen: that would cost a third of the time it takes to read a file
class Scalar:
    """A single value as it was written. `plain` is without quotes."""

    written: str
    plain: bool


@dataclass(slots=True)  # as above
class Value:
    """A value and where it stands: `line` (from 1; that of its key, if it has one) and the `path` of keys to it.

    `key` is the last of those keys, in full; empty for an item of a list.
    """

    source: str
    line: int
    path: str
    content: Scalar | tuple[Value, ...] | dict[str, Value]
    key: str = ""

    @property
    def kind(self) -> Kind:
        """The kind of the value, in the words of a message."""
        content = self.content
        if isinstance(content, Scalar):
            return _plain_kind(content.written) if content.plain else Kind.TEXT
        return Kind.LIST if isinstance(content, tuple) else Kind.MAPPING

    @property
    def written(self) -> str:
        """A single value as it was written, without its quotes; empty for a list or a mapping."""
        return self.content.written if isinstance(self.content, Scalar) else ""

    def error(self, problem: str) -> ConfigError:
        """The error to raise about this value."""
        return error_at(self.source, self.line, self.path, problem)

    def expected(self, what: str, *, advice: str = "") -> ConfigError:
        """The error for a value of another kind than `what`."""
        kind = self.kind
        if kind is Kind.NULL:
            return self.error(f"has no value; expected {what}")
        written = f" {shown(self.written)}" if isinstance(self.content, Scalar) else ""
        return self.error(f"expected {what}, found {kind}{written}{advice}")


def _plain_kind(written: str) -> Kind:
    if written in NULL:
        return Kind.NULL
    if written in BOOLEANS:
        return Kind.BOOLEAN
    if written[0] not in "+-.0123456789":
        return Kind.TEXT
    if _INTEGER.fullmatch(written):
        return Kind.INTEGER
    if _NUMBER.fullmatch(written) or _NOT_FINITE.fullmatch(written):
        return Kind.NUMBER
    return Kind.DATE if _DATE.fullmatch(written) else Kind.TEXT


def shown(written: str) -> str:
    """As much of a key or value as a message repeats."""
    shortened = written if len(written) <= _SHOWN else f"{written[:_SHOWN]}..."
    return shortened if shortened.isprintable() and shortened.strip() == shortened else repr(shortened)


def path_to(key: str, path: str) -> str:
    """The keys that lead to the value of a key of the mapping at `path`, as a message names them."""
    name = key if WORD.fullmatch(key) else shown(key)
    return f"{path}.{name}" if path else name


def error_at(source: str, line: int, path: str, problem: str) -> ConfigError:
    """The error to raise about a line (from 1) of a file, and the `path` of keys to it, if there is one."""
    return ConfigError(f"{source}:{line}: {path}: {problem}" if path else f"{source}:{line}: {problem}")
