"""`--output` of commands whose result is a table: text, JSON, CSV, Markdown or HTML, on stdout or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import typer

from ..deferred import dataclass
from ..errors import UsageError
from ..files import replacing
from ..report.formats import Format, Row, Sink, format_of, write_rows, write_tables
from ..report.markup import Table
from . import render
from .output import writable_file

TABLE_FORMATS = (Format.TEXT, Format.JSON, Format.CSV, Format.MD, Format.HTML)


@dataclass(frozen=True, kw_only=True)
class TableFlags:
    """`--output` of commands that print a table."""

    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="text|json|csv|md|html|FILE",
            help="Output format, or a file whose name ends in .json, .csv, .md or .html.",
        ),
    ] = "text"


# A result as rows for a spreadsheet, with their columns, and as tables for people: made when they are asked for.
Rows = Callable[[], tuple[Sequence[str], Iterable[Row]]]
Tables = Callable[[], Sequence[Table]]


@dataclass(frozen=True, slots=True)
class TableOutput:
    """Of a command whose result is a table: a format for stdout, or text there and another format in `file`."""

    format: Format = Format.TEXT
    file: Path | None = None

    @classmethod
    def parse(cls, wanted: str, formats: Sequence[Format] = TABLE_FORMATS) -> Self:
        """Raises UsageError for anything but one of the formats and the name of a file that ends in one."""
        if wanted in formats:
            return cls(Format(wanted))
        found = format_of(wanted)
        if found is None or found not in formats or found is Format.TEXT:
            names = [each.value for each in formats]
            raise UsageError(
                f"--output takes {', '.join(names)}, or a file name that ends in one of them, not {wanted!r}",
                hint=f"for example: --output {names[-1]}, or --output table.{names[-1]}",
            )
        return cls(found, writable_file(wanted))

    @property
    def is_text(self) -> bool:
        """Whether text goes to stdout."""
        return self.format is Format.TEXT or self.file is not None

    def emit(self, document: Mapping[str, Any], *, rows: Rows, tables: Tables) -> None:
        """Print or write the result, if it was asked for as anything but text. Raises UsageError if the file cannot be
        written."""

        def write(out: Sink, indent: int | None) -> None:
            match self.format:
                case Format.JSON:
                    out.write(f"{render.as_json(document, indent=indent)}\n".encode())
                case Format.CSV:
                    columns, found = rows()
                    write_rows(found, columns, out, self.format)
                case _:
                    write_tables(tables(), out, self.format)

        if self.file is not None:
            with replacing(self.file) as stream:
                write(stream, 2)
        elif self.format is not Format.TEXT:
            write(render.Bytes(), None)
