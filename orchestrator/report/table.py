"""Reports and statistics for a terminal: tables with a bar a row. The only module of this folder that loads rich."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.box import SIMPLE
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Column, Table
from rich.text import Text

from ..deferred import dataclass
from ..money import format_short
from .idle import Idle
from .model import Group, LatestRun, ModelUse, Report, Stats
from .plain import one_line
from .selection import Selection

_GAP = "  "
_BAR_WIDTH = 12
_BARS_FROM_WIDTH = 72
_PROMPT_FROM_WIDTH = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_NAME_LENGTH = 60
_UNKNOWN = "-"
_NOTHING = "no runs in this period"
_WINDOWS = {"today": "Today", "week": "This week", "month": "This month", "all": "All time", "selected": "Selected"}


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A report for rich's `Console.print`. It keeps to ASCII where the console's encoding holds no more."""

    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        report, draw = self.report, Draw(options.ascii_only)
        yield draw.text(f"By {report.by}: {scope(report.selection)}")
        if not report.total.runs:
            yield draw.text(_NOTHING)
            yield from (draw.text(idle_line(machine)) for machine in report.idle)
            return
        names = [_name(group.key) for group in report.groups]
        yield _groups_table(report.by.capitalize(), names, report.groups, report.total, options.max_width, draw)
        yield from (draw.text(idle_line(machine)) for machine in report.idle)
        yield from (draw.text(note) for note in notes(report.total))
        if report.by.is_of_calls and sum(group.runs for group in report.groups) > report.total.runs:
            yield draw.text(f"a run counts once for every {report.by} that it called, and once in the total")


@dataclass(frozen=True, slots=True)
class StatsTable:
    """Statistics for rich's `Console.print`. It keeps to ASCII where the console's encoding holds no more."""

    stats: Stats

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        stats, draw = self.stats, Draw(options.ascii_only)
        yield draw.text(scope(stats.selection))
        widest = stats.windows[-1]
        if not widest.runs:
            yield draw.text(_NOTHING)
            return
        names = [_WINDOWS[window.key or ""] for window in stats.windows]
        yield _groups_table("Period", names, stats.windows, None, options.max_width, draw)
        yield from (draw.text(note) for note in notes(widest))
        for title, use in (("Cheapest", stats.cheapest), ("Dearest", stats.dearest), ("Busiest", stats.busiest)):
            if use is not None:
                yield draw.text(f"{title + ' model':<14} {_model_use(use)}")
        yield Text()
        yield _latest_table(stats.latest, options.max_width, draw)


class Draw(NamedTuple):
    """Text and bars in what the console's encoding can hold. Nothing is read as markup."""

    ascii_only: bool

    def text(self, text: str, style: str = "") -> Text:
        if self.ascii_only:
            text = text.replace("≥", ">=").replace("→", "->").encode("ascii", "backslashreplace").decode("ascii")
        return Text(text, style=style)

    def bar(self, amount: int, most: int) -> Text:
        """A bar in proportion to `most`; whatever is not 0 can be seen."""
        if amount <= 0 or most <= 0:
            return Text()
        steps = 1 if self.ascii_only else 8
        length = max(1, amount * _BAR_WIDTH * steps // most)
        whole, rest = divmod(length, steps)
        return Text("#" * whole if self.ascii_only else _EIGHTHS[8] * whole + _EIGHTHS[rest].strip(), style="cyan")


class _Figure(NamedTuple):
    """A column of numbers: what it shows of a group, and the least width of terminal that has room for it."""

    header: str
    show: Callable[[Group], str]
    from_width: int = 0


class _RunFigure(NamedTuple):
    """A column of the list of latest runs, and the least width of terminal that has room for it. A rare one is left
    out where it holds nothing."""

    header: str
    show: Callable[[LatestRun], str]
    from_width: int = 0
    is_rare: bool = False


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**6 else _tokens(number)


def _tokens(number: int) -> str:
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def _latency(ms: float | None) -> str:
    if ms is None:
        return _UNKNOWN
    return f"{ms:.0f} ms" if ms < 1_000 else f"{ms / 1_000:.1f} s"


def _of_runs(run_ms: int | None, call_ms: int | None) -> int | None:
    """What the user waited for; in a table of models, what the calls took."""
    return call_ms if run_ms is None else run_ms


def _ratio(share: float | None) -> str:
    return _UNKNOWN if share is None else f"{share:.2f}"


def _rating(mean: float | None, runs: int) -> str:
    return _UNKNOWN if mean is None else f"{mean:.2f} ({_count(runs)})"


def _percent(share: float | None) -> str:
    return _UNKNOWN if share is None else f"{share:.0%}"


def _cost(group: Group) -> str:
    if group.unpriced_calls and group.unpriced_calls == group.calls:
        return "unpriced"
    if group.cost_is_lower_bound:
        return f"≥ {format_short(group.cost_nanousd, at_most=True)}"
    return format_short(group.cost_nanousd)


_FIGURES = (
    _Figure("Runs", lambda group: _count(group.runs), from_width=46),
    _Figure("Calls", lambda group: _count(group.calls), from_width=36),
    _Figure("Failed", lambda group: _count(group.failed_calls), from_width=90),
    _Figure("Success", lambda group: _percent(group.success_rate), from_width=140),
    _Figure("Several models", lambda group: _percent(group.multi_model_share), from_width=150),
    _Figure("Input", lambda group: _tokens(group.input_tokens), from_width=62),
    _Figure("Output", lambda group: _tokens(group.output_tokens), from_width=62),
    _Figure("p50", lambda group: _latency(_of_runs(group.p50_run_latency_ms, group.p50_latency_ms)), from_width=100),
    _Figure("p95", lambda group: _latency(_of_runs(group.p95_run_latency_ms, group.p95_latency_ms)), from_width=84),
    _Figure("Conf.", lambda group: _ratio(group.mean_confidence), from_width=80),
    _Figure("Rated", lambda group: _rating(group.mean_rating, group.rated_runs), from_width=80),
    _Figure("Cost", _cost),
    _Figure("Share", lambda group: _percent(group.cost_share), from_width=120),
)

_LATEST = (
    _RunFigure("Run", lambda run: run.run_id, from_width=40),
    _RunFigure("Time", lambda run: f"{run.created_at:%Y-%m-%d %H:%M}", 60),
    _RunFigure("Strategy", lambda run: run.strategy, 100),
    _RunFigure("Model", lambda run: run.model or _UNKNOWN, 110),
    _RunFigure("Status", lambda run: run.status, 130),
    _RunFigure("Conf.", lambda run: _ratio(run.confidence), 100),
    _RunFigure("Rated", lambda run: _ratio(run.rating), 110, is_rare=True),
    _RunFigure("Cost", lambda run: format_short(run.cost_nanousd)),
)


def _groups_table(
    first: str, names: Sequence[str], groups: Sequence[Group], total: Group | None, width: int, draw: Draw
) -> Table:
    """One row a group, with a bar for its cost; for its calls, if nothing cost anything. No column of unknowns."""
    table = plain_table(Column(first, footer="Total", overflow="fold"), show_footer=total is not None)
    columns: list[list[Text]] = [[draw.text(name) for name in names]]
    for figure in _FIGURES:
        if width >= figure.from_width:
            cells = [draw.text(figure.show(group)) for group in ([*groups, total] if total else groups)]
            if any(cell.plain != _UNKNOWN for cell in cells):
                _add_figures(table, figure.header, cells, footer=cells[-1] if total else None)
                columns.append(cells[: len(groups)])
    if width >= _BARS_FROM_WIDTH:
        lengths = [group.cost_nanousd for group in groups]
        if not any(lengths):
            lengths = [group.calls for group in groups]
        columns.append([draw.bar(length, max(lengths)) for length in lengths])
        table.add_column(width=_BAR_WIDTH)
    for row in zip(*columns, strict=True):
        table.add_row(*row)
    return table


def _latest_table(runs: Sequence[LatestRun], width: int, draw: Draw) -> Table:
    """One line a run, with as much of its prompt as there is room for."""
    table, columns, used = plain_table(), [], 0
    for figure in _LATEST:
        if width >= figure.from_width:
            cells = [draw.text(one_line(figure.show(run), _NAME_LENGTH)) for run in runs]
            if figure.is_rare and all(cell.plain == _UNKNOWN for cell in cells):
                continue
            columns.append(cells)
            used += _add_figures(table, figure.header, columns[-1], justify="left") + len(_GAP)
    room = width - used
    if room >= _PROMPT_FROM_WIDTH:
        prompts = [draw.text(_UNKNOWN if run.prompt is None else run.prompt) for run in runs]
        for prompt in prompts:
            prompt.truncate(room, overflow="crop")
        columns.append(prompts)
        table.add_column("Prompt", no_wrap=True, overflow="crop")
    for row in zip(*columns, strict=True):
        table.add_row(*row)
    return table


def _add_figures(
    table: Table, header: str, cells: Sequence[Text], *, footer: Text | None = None, justify: JustifyMethod = "right"
) -> int:
    """Add a column of cells that are not broken: names give way to them. Gives its width."""
    width = max(len(header), *(cell.cell_len for cell in cells))
    table.add_column(header, footer=footer or "", justify=justify, no_wrap=True)
    return width


def plain_table(*columns: Column, show_footer: bool = False) -> Table:
    """A table without lines around it."""
    return Table(
        *columns, box=SIMPLE, show_footer=show_footer, show_edge=False, pad_edge=False, padding=(0, len(_GAP) - 1, 0, 0)
    )


def _name(key: str | None) -> str:
    return "(none)" if key is None else one_line(key, _NAME_LENGTH)


def _model_use(use: ModelUse) -> str:
    mean = "" if use.mean_cost_nanousd is None else f", {format_short(use.mean_cost_nanousd)} a call on average"
    return f"{_name(use.model)}: {_plural(use.calls, 'call')}{mean}"


def scope(selection: Selection) -> str:
    """Which runs, in words."""
    parts = [str(selection.within)]
    parts += [f"category {one_line(selection.category, _NAME_LENGTH)}"] if selection.category is not None else []
    parts += [f"tag {one_line(selection.tag, _NAME_LENGTH)}"] if selection.tag is not None else []
    parts += ["simulated runs"] if selection.simulated else []
    return "; ".join(parts)


def notes(total: Group) -> list[str]:
    """What the numbers alone do not say."""
    said = []
    if total.unpriced_calls:
        said.append(f"{_plural(total.unpriced_calls, 'call')} of unknown price: ≥ is what the others cost")
    if total.estimated_calls:
        said.append(f"{_plural(total.estimated_calls, 'cost')} estimated from above: the provider sent no usage")
    if total.unsettled_calls:
        reserved = format_short(total.reserved_nanousd)
        said.append(f"{_plural(total.unsettled_calls, 'call')} not settled, {reserved} reserved beside the cost")
    return said


def idle_line(machine: Idle) -> str:
    """A machine that is always on, in a line."""
    names = _name(", ".join(machine.models))
    kind = "always on" if machine.starts is None else f"started {machine.starts:,} times"
    return (
        f"{kind}, {names}: {machine.hours:,.1f} h cost {format_short(machine.cost_nanousd)}, "
        f"calls {format_short(machine.busy_nanousd)} of it: idle {format_short(machine.idle_nanousd)} beside the total"
    )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
