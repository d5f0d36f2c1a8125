"""The input of a batch, line by line: JSON lines, a table (CSV, TSV) or plain lines, gzipped or not, UTF-8 or UTF-16.

It is never in memory as a whole. A line that cannot be read is a `Line` with an error; only a file that cannot be read
at all is an error here.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, BinaryIO

from ..config.strict_json import parse_json
from ..decoding import is_utf16
from ..errors import UsageError
from .lines import Common, Line, broken, line_of_object, line_of_row, line_of_text

STDIN = "-"
LONGEST_LINE = 64 * 1024 * 1024  # bytes: what is longer fits no window
_GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, 2.3.1
_CHUNK = 1024 * 1024
_BOM = "\ufeff"


class Form(StrEnum):
    """How the input is written."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    LINES = "lines"


_BY_NAME: Mapping[str, Form] = {
    ".jsonl": Form.JSONL,
    ".ndjson": Form.JSONL,
    ".json": Form.JSONL,
    ".csv": Form.CSV,
    ".tsv": Form.TSV,
    ".tab": Form.TSV,
}


class Input:
    """An input that is read. `path` is `-` for standard input, which is passed in as `stdin`.

    `position` and `size` are in bytes, of the file as it is: how far it has been read, and all of it, None if that is
    unknown. Raises UsageError if it cannot be opened.
    """

    def __init__(self, path: str, stdin: BinaryIO | None = None) -> None:
        self.path = path
        self.size: int | None = None
        if path == STDIN:
            if stdin is None:
                raise UsageError("there is no standard input to read lines from")
            self._raw: BinaryIO = stdin
        else:
            self._raw = self._opened(Path(path))
        self._head = b""
        self._read = 0
        self._given: int | None = 0

    def _opened(self, path: Path) -> BinaryIO:
        try:
            if path.is_dir():
                raise UsageError(f"{path} is a folder", hint="name a file, or - for standard input")
            stream = path.open("rb")
            self.size = path.stat().st_size if path.is_file() else None
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
        return stream

    @property
    def position(self) -> int:
        """The bytes of the lines that have been given; of a file that is packed, those that have been read."""
        return self._read if self._given is None else self._given

    @property
    def name(self) -> str:
        """What it is, in words."""
        return "standard input" if self.path == STDIN else self.path

    def lines(self, common: Common, form: Form | None = None) -> Iterator[Line]:
        """Every line, in order. Raises UsageError for what cannot be read as a whole."""
        try:
            written = self._written()
            first = list(islice(written, 100))
            form = form or _form_of(self.path, first, common)
            written = chain(first, written)
            match form:
                case Form.JSONL:
                    yield from _from_json_lines(written, common)
                case Form.CSV | Form.TSV:
                    yield from _from_table(written, common, "\t" if form is Form.TSV else ",")
                case Form.LINES:
                    yield from _from_plain_lines(written, common)
        except (OSError, EOFError, zlib.error) as error:
            problem = getattr(error, "strerror", None) or error
            raise UsageError(f"{self.name} cannot be read to the end: {problem}") from error

    def close(self) -> None:
        """Close a file; standard input stays."""
        if self.path != STDIN:
            self._raw.close()

    def _written(self) -> Iterator[str]:
        """The lines as they are written, with their ends; a byte that is no text is a lone surrogate in them."""
        counted: io.BufferedReader[Any] = io.BufferedReader(_Counted(self))
        head = counted.peek(4)
        if head.startswith(_GZIP_MAGIC):
            self._given = None
            counted = io.BufferedReader(gzip.GzipFile(fileobj=counted))
            head = counted.peek(4)
        if is_utf16(head):
            self._given = None
            yield from _bounded(io.TextIOWrapper(counted, "utf-16", errors="replace", newline=""))
            return
        first = True
        while line := counted.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                _skip_line(counted)
                line = line[:100] + b"\xff\n"  # too long to be one
            if self._given is not None:
                self._given += len(line)
            text = line.decode("utf-8", "surrogateescape")
            yield text.removeprefix(_BOM) if first else text
            first = False


class _Counted(io.RawIOBase):
    """The raw bytes, counted."""

    def __init__(self, source: Input) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader passes
        read = getattr(self._source._raw, "read1", self._source._raw.read)
        data = read(min(len(buffer), _CHUNK))
        buffer[: len(data)] = data
        self._source._read += len(data)
        return len(data)


def _bounded(stream: IO[str]) -> Iterator[str]:
    while line := stream.readline(LONGEST_LINE):
        yield line


def _skip_line(stream: io.BufferedReader[Any]) -> None:
    while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
        pass


def _form_of(path: str, first: list[str], common: Common) -> Form:
    """By the name; else by the first line that says something, and by whether prompts are made of columns."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes[-2:]]
    by_name = next((form for suffix, form in _BY_NAME.items() if suffix in suffixes), None)
    if by_name is not None:
        return by_name
    begin = next((line.strip() for line in first if line.strip()), "")
    if begin.startswith("{"):
        return Form.JSONL
    names = () if common.filling is None else common.filling.names
    return Form.CSV if names and set(names) != {"line"} else Form.LINES


def _undecodable(text: str) -> str | None:
    """What is wrong with a text that is no UTF-8; None if it is."""
    if text.isascii():
        return None
    bad = next((place for place, letter in enumerate(text) if "\udc80" <= letter <= "\udcff"), None)
    if bad is None:
        return None
    return f"is not UTF-8: byte 0x{ord(text[bad]) - 0xDC00:02x} at position {bad:,}"


def _from_json_lines(written: Iterator[str], common: Common) -> Iterator[Line]:
    for number, line in enumerate(written, start=1):
        text = line.strip()
        if not text:
            continue
        if (problem := _undecodable(text)) is not None:
            yield broken(number, text, problem)
            continue
        try:
            value = parse_json(text)
        except ValueError as error:
            is_list = number == 1 and text.startswith("[")
            hint = "a list is no JSON lines: jq -c '.[]' makes lines of it" if is_list else None
            yield broken(number, text, f"is not JSON: {error}", hint=hint)
            continue
        yield line_of_object(number, text, value, common)


def _from_plain_lines(written: Iterator[str], common: Common) -> Iterator[Line]:
    if common.filling is not None:
        common.filling.check(("line",))
    for number, line in enumerate(written, start=1):
        text = line.rstrip("\r\n")
        if not text.strip():
            continue
        problem = _undecodable(text)
        yield line_of_text(number, text, common) if problem is None else broken(number, text, problem)


def _from_table(written: Iterator[str], common: Common, delimiter: str) -> Iterator[Line]:
    csv.field_size_limit(LONGEST_LINE)
    rows = csv.reader(written, delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    while True:
        number = rows.line_num + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield broken(number, f"{number}", f"is no row of a table: {error}")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            columns = _checked_columns([cell.strip() for cell in cells], common)
            continue
        yield _row(number, cells, columns, common, delimiter)


def _row(number: int, cells: list[str], columns: list[str], common: Common, delimiter: str) -> Line:
    text = delimiter.join(cells)
    if len(cells) != len(columns):
        return broken(number, text, f"has {len(cells)} columns where the head has {len(columns)}")
    if (problem := _undecodable(text)) is not None:
        return broken(number, text, problem)
    return line_of_row(number, text, dict(zip(columns, cells, strict=True)), common)


def _checked_columns(columns: list[str], common: Common) -> list[str]:
    doubled = next((name for place, name in enumerate(columns) if name in columns[:place]), None)
    if doubled is not None:
        raise UsageError(f"the table has two columns {doubled[:60]!r}")
    if common.filling is not None:
        common.filling.check(columns)
    elif "prompt" not in columns:
        raise UsageError(
            f"the table has no column 'prompt'; there are: {', '.join(columns[:20])}",
            hint='make prompts of its columns: --prompt "Translate {text}"',
        )
    return columns
