"""`orch runs`: the history, and a search of it."""

from __future__ import annotations

from typing import Annotated

import typer

from ...deferred import dataclass
from ...errors import UsageError
from ...report.figures import NOTHING, run_rows, runs_sheet, scope
from ...report.formats import Format
from ...report.history import newest_runs
from .. import render
from ..options import command
from ..table_output import TableFlags, TableOutput
from .selecting import SelectionFlags, selected

_LIMIT = 20


@dataclass(frozen=True, kw_only=True)
class _RunsFlags(TableFlags, SelectionFlags):
    grep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Only runs with these words, in this order, in a prompt or an answer; again for more that all must be "
            "there.",
        ),
    ] = None
    limit: Annotated[int, typer.Option("--limit", "-n", help="Most runs to list.")] = _LIMIT
    json: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False


@command(_RunsFlags)
def runs(flags: _RunsFlags) -> int:
    """The newest come first. orch show RUN has the rest of a run; the start of an id is enough.

    The first --grep reads all texts once and makes an index beside the ledger; later ones read what is new. Case and
    accents do not matter, and the last word of TEXT may be the beginning of one.
    """
    if flags.limit < 1:
        raise UsageError(f"--limit takes a number from 1 on, not {flags.limit}")
    output = TableOutput(Format.JSON) if flags.json else TableOutput.parse(flags.output)
    if flags.json and flags.output not in ("text", "json"):
        raise UsageError(f"--json and --output {flags.output} are two formats", hint="give one of them")
    with selected(flags) as (ledger, selection, now):
        found = newest_runs(ledger, selection, limit=flags.limit, now=now, texts=flags.grep or ())
    notes = [f"there are older ones: --limit {10 * flags.limit} shows more of them"] if found.more else []
    output.emit(
        found.to_dict(),
        rows=lambda: run_rows(found.runs),
        tables=lambda: [runs_sheet(found.runs, f"Runs: {scope(selection)}", notes)],
    )
    if output.is_text:
        if found.runs:
            from ...report.table import RunsTable  # heavy

            render.table(RunsTable(found.runs))
        else:
            render.line(NOTHING if not found.texts else "no run has these words")
        for note in notes:
            render.say(note)
    return 0


commands = {"runs": runs}
