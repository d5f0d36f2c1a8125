"""`orch export`: the ledger for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...deferred import dataclass
from ...errors import UsageError
from ...report.export import Rows
from ...report.export import export as write_export
from ...report.formats import Format, format_of
from .. import render
from ..options import command
from .selecting import SelectionFlags, selected


@dataclass(frozen=True, kw_only=True)
class _ExportFlags(SelectionFlags):
    format: Annotated[
        Format | None, typer.Option("--format", "-f", help="Format of the rows.", show_default="csv, or the file's")
    ] = None
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|FORMAT",
            help="File to write, or a format for standard output; - is standard output.",
        ),
    ] = None
    rows: Annotated[Rows, typer.Option(help="One row for each call, or for each run.")] = Rows.CALLS
    text: Annotated[bool, typer.Option("--text", help="Include prompts and answers.")] = False


@command(_ExportFlags)
def export(flags: _ExportFlags) -> int:
    """Replaces a file only when the whole export is written. Costs are exact; the cost of an unpriced call is empty."""
    file, file_format = _target(flags)
    with selected(flags) as (ledger, selection, _):
        out = render.Bytes() if file is None else file
        count = write_export(ledger, selection, out, file_format, rows=flags.rows, text=flags.text)
    if file is not None:
        render.say(f"wrote {count:,} {flags.rows} to {file}")
    return 0


commands = {"export": export}


def _target(flags: _ExportFlags) -> tuple[Path | None, Format]:
    """The file to write, if any, and the format: the one that was named, else that of the file's name, else CSV."""
    written = flags.output
    if written is None or written == "-":
        return None, flags.format or Format.CSV
    if written in [each.value for each in Format]:
        if flags.format not in (None, Format(written)):
            raise UsageError(f"--output {written} and --format {flags.format} are two formats", hint="give one of them")
        return None, Format(written)
    return Path(written), flags.format or format_of(written) or Format.CSV
