"""A comparison with a baseline for a terminal. Loaded only when it is shown, as it loads rich."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column

from ..deferred import dataclass
from .baseline import Comparison
from .baseline_sheet import comparison_sheet, periods
from .table import Draw, plain_table


@dataclass(frozen=True, slots=True)
class BaselineTable:
    """A comparison for rich's `Console.print`."""

    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        sheet, draw = comparison_sheet(self.comparison), Draw(options.ascii_only)
        said = periods(self.comparison)
        yield from map(draw.text, said)
        *rows, total = sheet.rows
        table = plain_table(
            Column(sheet.names[0], footer=total[0], overflow="fold"),
            *(
                Column(header, footer=draw.text(cell), justify="right", no_wrap=True)
                for header, cell in zip(sheet.figures, total[1:], strict=True)
            ),
            show_footer=True,
        )
        for row in rows:
            table.add_row(*map(draw.text, row))
        yield table
        yield from map(draw.text, sheet.notes[len(said) - 2 :])
