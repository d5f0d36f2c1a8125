"""A YAML file as values that know their line.

The accepted YAML is a subset of 1.2: one document, no anchors, aliases, tags or merge keys, text keys, no duplicate
keys. Anything else raises a `ConfigError` that reads `file:line: key.path: what is wrong`, before it can cost time,
memory or stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn, Protocol

import yaml

from ..decoding import how_to_convert
from ..expressions import expression
from .yaml_value import BOOLEANS, NULL, WORD, Kind, Scalar, Value, error_at, path_to, shown

MAX_DEPTH = 20  # far above any real file, far below what recursion can take
MAX_VALUES = 50_000  # keeps a hostile file of the largest size well under a second

_NOT_TEXT = NULL | BOOLEANS
# What YAML calls printable, less the line separators that editors do not count as the end of a line.
_UNPRINTABLE = expression("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG_DIRECTIVE = expression(r"^%TAG", re.MULTILINE)  # libyaml takes quadratic time over many of them
_NEVER_IN_TEXT = expression("[\0\ud800-\udfff]")  # what an escape in double quotes could still bring in


def parse_bytes(data: bytes, source: str) -> Value:
    """The value of a file that holds `data`; `source` is its name in errors. Raises ConfigError."""
    return parse(_decode(data, source), source)


def parse(document: str, source: str) -> Value:
    """The value of a document; an empty one is an empty mapping. `source` is its name in errors."""
    bad = _UNPRINTABLE.search(document)
    if bad:
        line = document.count("\n", 0, bad.start()) + 1
        raise error_at(source, line, "", f"the character U+{ord(bad[0]):04X} is not allowed")
    directive = _TAG_DIRECTIVE.search(document)
    if directive:
        raise error_at(source, document.count("\n", 0, directive.start()) + 1, "", "%TAG directives are not allowed")
    try:
        return _Document(document, source).root()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise error_at(source, mark.line + 1 if mark else 1, "", f"is not YAML: {_reason(error)}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: bad escapes, without libyaml
        raise error_at(source, 1, "", f"is not YAML: {_reason(error)}") from None


class _EventSource(Protocol):
    def get_event(self) -> yaml.Event: ...


# A PyYAML built without libyaml gives the same events, slower.
_parser: Callable[[str], _EventSource] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Document:
    """Builds values from the parser's events, so that a hostile file is refused before it fills memory."""

    def __init__(self, document: str, source: str) -> None:
        self._events = _parser(document)
        self._source = source
        self._count = 0

    def root(self) -> Value:
        self._events.get_event()  # the start of the stream
        start = self._events.get_event()
        if isinstance(start, yaml.StreamEndEvent):
            return Value(self._source, 1, "", {})
        value = self._value(self._events.get_event(), "", 1)
        self._events.get_event()  # the end of the document
        end = self._events.get_event()
        if not isinstance(end, yaml.StreamEndEvent):
            self._refuse(end, "", "a second document starts here; only one is allowed")
        return Value(self._source, 1, "", {}) if value.kind is Kind.NULL else value

    def _value(self, event: yaml.Event, path: str, depth: int, key: str = "", key_line: int = 0) -> Value:
        self._count += 1
        if self._count > MAX_VALUES:
            self._refuse(event, path, f"the file holds more than {MAX_VALUES:,} values")
        if depth > MAX_DEPTH:
            self._refuse(event, path, f"nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, path, f"aliases (*{shown(str(event.anchor))}) are not allowed")
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.anchor is not None:
            self._refuse(event, path, f"anchors (&{shown(event.anchor)}) are not allowed")
        if event.tag is not None:
            self._refuse(event, path, f"tags ({shown(event.tag)}) are not allowed")
        content: Scalar | tuple[Value, ...] | dict[str, Value]
        if isinstance(event, yaml.ScalarEvent):
            if event.style == '"' and _NEVER_IN_TEXT.search(event.value):
                self._refuse(event, path, "holds a character that text cannot hold")
            content = Scalar(event.value, not event.style)  # '' with libyaml, None without
        elif isinstance(event, yaml.SequenceStartEvent):
            content = self._items(path, depth)
        else:
            content = self._entries(path, depth)
        return Value(self._source, key_line or _line(event), path, content, key)

    def _items(self, path: str, depth: int) -> tuple[Value, ...]:
        items: list[Value] = []
        while not isinstance(event := self._events.get_event(), yaml.SequenceEndEvent):
            items.append(self._value(event, f"{path}[{len(items)}]", depth + 1))
        return tuple(items)

    def _entries(self, path: str, depth: int) -> dict[str, Value]:
        entries: dict[str, Value] = {}
        while not isinstance(event := self._events.get_event(), yaml.MappingEndEvent):
            key = self._key(event, path, depth)
            key_path = path_to(key, path)
            if key in entries:
                self._refuse(event, key_path, f"duplicate key; the first is on line {entries[key].line}")
            value = self._events.get_event()
            entries[key] = self._value(value, key_path, depth + 1, key, _line(event))
        return entries

    def _key(self, event: yaml.Event, path: str, depth: int) -> str:
        key = self._value(event, path, depth + 1)
        if WORD.fullmatch(key.written) and key.written not in _NOT_TEXT:
            return key.written
        if key.written == "<<":
            raise key.error("merge keys (<<) are not allowed")
        if key.kind is not Kind.TEXT:
            raise key.error(f"a key must be text, found {key.kind} {shown(key.written)}".rstrip())
        if not key.written.strip():
            raise key.error("a key must not be empty")
        return key.written

    def _refuse(self, event: yaml.Event, path: str, problem: str) -> NoReturn:
        raise error_at(self._source, _line(event), path, problem)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _decode(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        failed = error_at(source, line, "", "is not UTF-8")
        failed.hint = how_to_convert(data)
        raise failed from None


def _reason(error: Exception) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return " ".join(str(problem).split())
