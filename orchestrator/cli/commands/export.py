"""`orch export`: the ledger for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...deferred import dataclass
from ...report.export import Rows
from ...report.export import export as write_export
from ...report.formats import Format
from .. import render
from ..options import command
from .report import SelectionFlags, selected


@dataclass(frozen=True, kw_only=True)
class _ExportFlags(SelectionFlags):
    format: Annotated[Format, typer.Option("--format", "-f", help="Format of the rows.")] = Format.CSV
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; - is standard output.")] = None
    rows: Annotated[Rows, typer.Option(help="One row for each call, or for each run.")] = Rows.CALLS
    text: Annotated[bool, typer.Option("--text", help="Include prompts and answers.")] = False


@command(_ExportFlags)
def export(flags: _ExportFlags) -> int:
    """Replaces a file only when the whole export is written. Costs are exact; the cost of an unpriced call is empty."""
    to_file = flags.output is not None and str(flags.output) != "-"
    with selected(flags) as (ledger, selection, _):
        out = flags.output if to_file and flags.output is not None else render.Bytes()
        count = write_export(ledger, selection, out, flags.format, rows=flags.rows, text=flags.text)
    if to_file:
        render.say(f"wrote {count:,} {flags.rows} to {flags.output}")
    return 0


commands = {"export": export}
