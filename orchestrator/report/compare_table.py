"""Answers side by side on a terminal: in columns where there is room for them, else one below the other."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from ..deferred import dataclass
from .side_by_side import FIGURES, SideBySide, answer_of, name_and_status
from .table import Draw, plain_table

_LEAST_COLUMN = 36
_GAP = 3


@dataclass(frozen=True, slots=True)
class CompareTable:
    """For rich's `Console.print`. `in_columns`: answers may stand beside each other."""

    compared: SideBySide
    in_columns: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        compared, draw = self.compared, Draw(options.ascii_only)
        figures = plain_table()
        figures.add_column("Model", overflow="fold")
        figures.add_column("Status")
        for heading, _ in FIGURES:
            figures.add_column(heading, justify="right", no_wrap=True)
        for side in compared.sides:
            cells = (*name_and_status(side), *(show(side) for _, show in FIGURES))
            figures.add_row(*map(draw.text, cells))
        yield figures
        yield Text()
        if self.in_columns and options.max_width // len(compared.sides) >= _LEAST_COLUMN:
            yield self._columns(draw)
            yield Text()
        else:
            for side in compared.sides:
                yield draw.text(name_and_status(side)[0], "bold")
                yield draw.text(answer_of(side))
                yield Text()
        yield from map(draw.text, compared.notes())

    def _columns(self, draw: Draw) -> Table:
        columns = Table.grid(padding=(0, _GAP, 0, 0), expand=True)
        for _ in self.compared.sides:
            columns.add_column(ratio=1, overflow="fold")
        columns.add_row(*(draw.text(name_and_status(side)[0], "bold") for side in self.compared.sides))
        columns.add_row(*(draw.text(answer_of(side)) for side in self.compared.sides))
        return columns
