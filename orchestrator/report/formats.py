"""Rows as CSV, JSON, JSON lines, Markdown, HTML or tabbed text, one after the other, as UTF-8 bytes.

A row maps column names to None, bool, int, float, str or a list of str. JSON keeps all of these as they are. The others
have an empty cell for None, `true` and `false`, and a JSON array for a list.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import PurePath
from typing import Protocol

from ..expressions import expression
from .markup import Html, Markdown, Markup, Tabbed, Table, pieces

Value = None | bool | int | float | str | list[str]
Row = dict[str, Value]


class Sink(Protocol):
    """What takes bytes: a binary stream, or whatever has its `write`."""

    def write(self, data: bytes, /) -> int: ...


class Format(StrEnum):
    """The format of an export."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    MD = "md"
    HTML = "html"
    TEXT = "text"


_SUFFIXES = {".htm": Format.HTML, ".markdown": Format.MD, ".txt": Format.TEXT, ".tsv": Format.TEXT}


def format_of(name: str) -> Format | None:
    """The format that a file's name asks for by its end, if any."""
    suffix = PurePath(name).suffix.lower()
    return _SUFFIXES.get(suffix) or next((each for each in Format if suffix == f".{each}"), None)


# What a spreadsheet may take for a formula (https://owasp.org/www-community/attacks/CSV_Injection), the full-width
# signs included, behind anything that it may skip or strip first.
_FORMULA = expression(r"[\s\x00-\x20\"'\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]")
_PLAIN_NUMBER = expression(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def defused(text: str) -> str:
    """The text with an apostrophe before it if a spreadsheet could run it as a formula; a plain number stays a number.

    Text that already has the apostrophe gets another, so no two texts come out the same.
    """
    return f"'{text}" if _FORMULA.match(text) and not _PLAIN_NUMBER.fullmatch(text) else text


def write_rows(rows: Iterable[Row], columns: Sequence[str], out: Sink, file_format: Format) -> int:
    """Write the rows, which have these columns in this order; gives their number. Errors of `out` pass through."""
    count = 0

    def counted() -> Iterator[Row]:
        nonlocal count
        for row in rows:
            yield row
            count += 1

    _WRITERS[file_format](counted(), columns, out)
    return count


class _Utf8:
    """A text stream as far as csv.writer needs one. csv breaks its own lines: nothing may translate them."""

    def __init__(self, out: Sink) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write(text.encode())


def _write_csv(rows: Iterable[Row], columns: Sequence[str], out: Sink) -> None:
    writer = csv.writer(_Utf8(out), lineterminator="\r\n")  # RFC 4180
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_defused_cell(row[column]) for column in columns])


def _cell(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case list():
            return _json(value)
        case _:
            return repr(value)


def _defused_cell(value: Value) -> str:
    return defused(value) if isinstance(value, str) else _cell(value)


def _write_marked(markup: Markup, rows: Iterable[Row], columns: Sequence[str], out: Sink) -> None:
    left = [False] * len(columns)
    out.write((markup.begin("orch export") + markup.open("", columns, left)).encode("utf-8", "replace"))
    for row in rows:
        cells = [row[column] for column in columns]
        numbers = [isinstance(cell, (int, float)) for cell in cells]
        out.write(markup.row([_cell(cell) for cell in cells], numbers).encode("utf-8", "replace"))
    out.write((markup.close() + markup.end()).encode())


def write_tables(tables: Sequence[Table], out: Sink, file_format: Format) -> None:
    """Write tables one after the other as Markdown or HTML. Errors of `out` pass through."""
    for piece in pieces(tables, _MARKUP[file_format]):
        out.write(piece.encode("utf-8", "replace"))


def _write_jsonl(rows: Iterable[Row], columns: Sequence[str], out: Sink) -> None:
    for row in rows:
        out.write(_json(row).encode() + b"\n")


def _write_json(rows: Iterable[Row], columns: Sequence[str], out: Sink) -> None:
    before = b"[\n"
    for row in rows:
        out.write(before + _json(row).encode())
        before = b",\n"
    out.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _json(value: object) -> str:
    # ASCII alone: no control character of a prompt or an answer can reach a terminal this way.
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


_MARKUP: Mapping[Format, Markup] = {Format.MD: Markdown(), Format.HTML: Html(), Format.TEXT: Tabbed()}
_WRITERS: Mapping[Format, Callable[[Iterable[Row], Sequence[str], Sink], None]] = {
    Format.CSV: _write_csv,
    Format.JSON: _write_json,
    Format.JSONL: _write_jsonl,
    **{each: partial(_write_marked, markup) for each, markup in _MARKUP.items()},
}
