"""`orch blocks`: usage in windows of five hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from ...deferred import dataclass
from ...errors import UsageError
from ...money import format_short
from ...report.blocks import Block, blocks, blocks_dict
from ...report.selection import ALL
from .. import render
from ..options import OutputFlags, command
from ..output import Output
from ..tables import print_table
from .selecting import SelectionFlags, selected

_HEADINGS = ("Window", "Calls", "Input", "Output", "Cost", "Models")


@dataclass(frozen=True, kw_only=True)
class _BlocksFlags(OutputFlags, SelectionFlags):
    limit: Annotated[int, typer.Option(help="Show at most so many windows, the latest ones.")] = 10


@command(_BlocksFlags)
def list_blocks(flags: _BlocksFlags) -> int:
    """A window begins at the full hour of its first call and ends five hours later, as those of plans for coding tools
    do. Imported usage (orch import) counts too: --source claude-code shows that of one tool alone.
    """
    output = Output.parse(flags.output)
    if flags.limit < 1:
        raise UsageError(f"--limit takes a number from 1, not {flags.limit}")
    with selected(flags, source=ALL) as (ledger, selection, now):
        found = blocks(ledger, selection)[-flags.limit :]
    output.emit(blocks_dict(found, selection, now))
    if output.json:
        return 0
    if not found:
        render.line("no calls in this period")
        return 0
    print_table(_HEADINGS, [_row(block) for block in found], right=_HEADINGS[1:5])
    for line in _now(found[-1], now):
        render.line(line)
    return 0


commands = {"blocks": list_blocks}


def _row(block: Block) -> tuple[str, ...]:
    start, end = block.start.astimezone(), block.end.astimezone()
    bound = "≥ " if block.unpriced_calls else ""
    models = sorted(block.models, key=lambda model: (-block.models[model], model))
    more = f" and {len(models) - 1} more" if len(models) > 1 else ""
    return (
        f"{start:%Y-%m-%d %H:%M} to {end:%H:%M}",
        f"{block.calls:,}",
        f"{block.input_tokens:,}",
        f"{block.output_tokens:,}",
        f"{bound}{format_short(block.cost_nanousd)}",
        f"{models[0]}{more}",
    )


def _now(block: Block, now: datetime) -> Iterator[str]:
    """Where the window that is open is going."""
    if not block.is_active(now):
        return
    left = int((block.end - now).total_seconds() // 60)
    expected = format_short(block.expected_nanousd(now))
    yield f"the last window is open for another {left // 60} h {left % 60:02} min; at this pace {expected} at its end"
