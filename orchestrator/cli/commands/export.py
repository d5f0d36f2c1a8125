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
    format: Annotated[Format, typer.Option("--format", "-f", help="The form of the rows.")] = Format.CSV
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; - or none is standard output.")] = None
    rows: Annotated[Rows, typer.Option(help="One row a call, or one a run.")] = Rows.CALLS
    text: Annotated[bool, typer.Option("--text", help="With prompts and answers.")] = False


@command(_ExportFlags)
def export(flags: _ExportFlags) -> int:
    """A file is replaced only when the whole export is written. Costs are exact; an unpriced call's is empty."""
    to_file = flags.output is not None and str(flags.output) != "-"
    with selected(flags) as (ledger, selection, _):
        out = flags.output if to_file and flags.output is not None else render.Bytes()
        count = write_export(ledger, selection, out, flags.format, rows=flags.rows, text=flags.text)
    if to_file:
        render.say(f"wrote {count:,} {flags.rows} to {flags.output}")
    return 0


commands = {"export": export}
