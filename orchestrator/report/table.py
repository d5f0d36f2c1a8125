"""Reports, statistics and lists of runs for a terminal. Besides that of baselines, the only module here that loads
rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from ..deferred import dataclass
from .figures import (
    FIGURES_OF_CALLS,
    FIGURES_OF_RUNS,
    NOTHING,
    RUN_FIGURES,
    UNKNOWN,
    Figure,
    cell_of,
    name_of,
    report_notes,
    report_title,
    scope,
    stats_notes,
    window_name,
)
from .history import RunLine
from .model import Group, Report, Stats

_GAP = "  "
_BAR_WIDTH = 12
_BARS_FROM_WIDTH = 72
_PROMPT_FROM_WIDTH = 12
_MANY_ROWS = 500
_BAR_STYLE = "cyan"
_NAME_ROOM = 36  # columns for the names of groups before a figure is shown that a wider terminal has room for
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A report for rich's `Console.print`. It keeps to ASCII where the console's encoding holds no more."""

    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        report, draw = self.report, Draw(options.ascii_only)
        yield draw.text(report_title(report))
        if report.total.runs:
            figures = FIGURES_OF_CALLS if report.grouping.is_of_calls else FIGURES_OF_RUNS
            columns = [
                (by.capitalize(), [name_of(group.keys[place]) for group in report.groups])
                for place, by in enumerate(report.grouping.by)
            ]
            yield _groups_table(columns, figures, report.groups, report.total, options.max_width, draw)
        else:
            yield draw.text(NOTHING)
        yield from (draw.text(note) for note in report_notes(report))


@dataclass(frozen=True, slots=True)
class StatsTable:
    """Statistics for rich's `Console.print`. It keeps to ASCII where the console's encoding holds no more."""

    stats: Stats

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        stats, draw = self.stats, Draw(options.ascii_only)
        yield draw.text(scope(stats.selection))
        if not stats.windows[-1].runs:
            yield draw.text(NOTHING)
            return
        columns = [("Period", [window_name(window) for window in stats.windows])]
        yield _groups_table(columns, FIGURES_OF_RUNS, stats.windows, None, options.max_width, draw)
        yield from (draw.text(note) for note in stats_notes(stats))
        yield Text()
        yield _runs_table(stats.latest, options.max_width, draw)


@dataclass(frozen=True, slots=True)
class RunsTable:
    """A list of runs for rich's `Console.print`, one line a run. It keeps to ASCII where the console holds no more."""

    runs: Sequence[RunLine]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _runs_table(self.runs, options.max_width, Draw(options.ascii_only))


class Draw(NamedTuple):
    """Text and bars in what the console's encoding can hold. Nothing is read as markup."""

    ascii_only: bool

    def text(self, text: str, style: str = "") -> Text:
        return Text(self.plain(text), style=style)

    def plain(self, text: str) -> str:
        """A text as far as the encoding holds it."""
        if self.ascii_only and not text.isascii():
            text = text.replace("≥", ">=").replace("→", "->").encode("ascii", "backslashreplace").decode("ascii")
        return text

    def bar(self, amount: int, most: int) -> str:
        """A bar in proportion to `most`; whatever is not 0 can be seen."""
        if amount <= 0 or most <= 0:
            return ""
        steps = 1 if self.ascii_only else 8
        length = max(1, amount * _BAR_WIDTH * steps // most)
        whole, rest = divmod(length, steps)
        return "#" * whole if self.ascii_only else _EIGHTHS[8] * whole + _EIGHTHS[rest].strip()


def _groups_table(
    names: Sequence[tuple[str, Sequence[str]]],
    figures: Sequence[Figure],
    groups: Sequence[Group],
    total: Group | None,
    width: int,
    draw: Draw,
) -> Table | _LongTable:
    """One row a group, with a bar for its cost; for its calls, if nothing cost anything. `names` are the columns before
    the figures: headings and cells."""
    heads = (Column(heading, overflow="fold") for heading, _ in names)
    table = plain_table(*heads, show_footer=total is not None)
    table.columns[0].footer = "Total"
    columns = [[draw.plain(cell) for cell in cells] for _, cells in names]
    shown = {
        figure: [draw.plain(figure.show(group)) for group in ([*groups, total] if total else groups)]
        for figure in figures
        if width >= figure.from_width
    }
    room = width - sum(
        _room_for(heading, cells, len(names)) for (heading, _), cells in zip(names, columns, strict=True)
    )
    wanted, has_bars = _that_fit(shown, room, bars=width >= _BARS_FROM_WIDTH)
    for figure in wanted:
        _add_figures(table, figure.header, shown[figure], footer=shown[figure][-1] if total else None)
        columns.append(shown[figure][: len(groups)])
    if has_bars:
        lengths = [group.cost_nanousd for group in groups]
        if not any(lengths):
            lengths = [group.calls for group in groups]
        most = max(lengths)
        columns.append([draw.bar(length, most) for length in lengths])
        table.add_column(width=_BAR_WIDTH, style=_BAR_STYLE)
    if len(groups) > _MANY_ROWS and not draw.ascii_only and (long := _LongTable(table.columns, columns)).width <= width:
        return long
    for row in zip(*columns, strict=True):
        table.add_row(*map(Text, row))
    return table


class _LongTable:
    """A table as `plain_table` makes it, of so many rows that rich, which measures each cell again and again, takes
    seconds for them. No cell is broken."""

    def __init__(self, heads: Sequence[Column], columns: Sequence[Sequence[str]]) -> None:
        self._heads, self._columns = heads, columns
        self._widths = [
            max(head.width or 0, _width_of(str(head.header), [*cells, str(head.footer)]))
            for head, cells in zip(heads, columns, strict=True)
        ]

    @property
    def width(self) -> int:
        """How many characters wide it is."""
        return sum(self._widths) + len(_GAP) * (len(self._widths) - 1)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        bold, rule = console.get_style("bold"), "─" * self.width
        head, foot = (
            [self._padded(place, [str(text)])[0] for place, text in enumerate(texts)]
            for texts in ([head.header for head in self._heads], [head.footer for head in self._heads])
        )
        columns = [self._padded(place, cells) for place, cells in enumerate(self._columns)]
        bars = columns.pop() if self._heads[-1].style and console.color_system else None
        yield Segment(f"{_GAP.join(head)}\n", bold)
        yield Segment(f"{rule}\n")
        lines = map(_GAP.join, zip(*columns, strict=True))
        if bars is None:
            yield Segment("\n".join([*lines, ""]))
        else:
            style = console.get_style(_BAR_STYLE)
            for line, bar in zip(lines, bars, strict=True):
                yield Segment(line + _GAP)
                yield Segment(f"{bar}\n", style)
        if "".join(foot).strip():
            yield Segment(f"{rule}\n")
            yield Segment(f"{_GAP.join(foot)}\n", bold)

    def _padded(self, place: int, cells: Sequence[str]) -> list[str]:
        """Cells as wide as their column."""
        width, is_number = self._widths[place], self._heads[place].justify == "right"
        if "".join(cells).isascii():
            return [cell.rjust(width) if is_number else cell.ljust(width) for cell in cells]
        gaps = [" " * (width - cell_len(cell)) for cell in cells]
        return [f"{gap}{cell}" if is_number else f"{cell}{gap}" for cell, gap in zip(cells, gaps, strict=True)]


def _room_for(heading: str, cells: Sequence[str], names: int) -> int:
    """What a column of names is to have at least, so that few names are broken, with the gap after it."""
    return min(_width_of(heading, cells), _NAME_ROOM // names) + len(_GAP)


def _that_fit(shown: Mapping[Figure, Sequence[str]], room: int, *, bars: bool) -> tuple[list[Figure], bool]:
    """The figures that there is room for, in their order, and whether there is room for bars. What a narrower terminal
    would show goes first; what a group cost is always there. No column of unknowns."""
    ranked: list[tuple[int, int, Figure | None]] = [
        (figure.from_width, _width_of(figure.header, cells) + len(_GAP), figure)
        for figure, cells in shown.items()
        if any(cell != UNKNOWN for cell in cells)
    ]
    ranked += [(_BARS_FROM_WIDTH, _BAR_WIDTH, None)] if bars else []
    taken: set[Figure | None] = set()
    for rank, needed, figure in sorted(ranked, key=lambda each: each[0]):
        if rank == 0 or needed <= room:
            taken.add(figure)
            room -= needed
    return [figure for figure in shown if figure in taken], None in taken


def _runs_table(runs: Sequence[RunLine], width: int, draw: Draw) -> Table:
    """One line a run, with as much of its prompt as there is room for."""
    table, columns, used = plain_table(), list[list[Text]](), 0
    for figure in RUN_FIGURES:
        if width >= figure.from_width:
            cells = [draw.plain(cell_of(figure, run)) for run in runs]
            if figure.is_rare and all(cell == UNKNOWN for cell in cells):
                continue
            columns.append([Text(cell) for cell in cells])
            used += _add_figures(table, figure.header, cells, justify="left") + len(_GAP)
    room = width - used
    if room >= _PROMPT_FROM_WIDTH:
        prompts = [draw.text(UNKNOWN if run.prompt is None else run.prompt) for run in runs]
        for prompt in prompts:
            prompt.truncate(room, overflow="crop")
        columns.append(prompts)
        table.add_column("Prompt", no_wrap=True, overflow="crop")
    for row in zip(*columns, strict=True):
        table.add_row(*row)
    return table


def _add_figures(
    table: Table, header: str, cells: Sequence[str], *, footer: str | None = None, justify: JustifyMethod = "right"
) -> int:
    """Add a column of cells that are not broken: names give way to them. Gives its width."""
    table.add_column(header, footer=Text(footer or ""), justify=justify, no_wrap=True)
    return _width_of(header, cells)


def _width_of(header: str, cells: Sequence[str]) -> int:
    measured = len if "".join(cells).isascii() else cell_len  # the one is much faster
    return max(len(header), *map(measured, cells))


def plain_table(*columns: Column, show_footer: bool = False) -> Table:
    """A table without lines around it."""
    return Table(
        *columns, box=SIMPLE, show_footer=show_footer, show_edge=False, pad_edge=False, padding=(0, len(_GAP) - 1, 0, 0)
    )
