"""The columns of reports, statistics and lists of runs, as people read them. No drawing: see `table` for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..deferred import dataclass
from ..money import format_short
from .dimensions import NO_KEY
from .formats import Row
from .history import RunLine
from .idle import Idle
from .model import Group, ModelUse, Report, Stats
from .plain import one_line
from .selection import ALL, IMPORTED, OWN, Selection

UNKNOWN = "-"
NOTHING = "no runs in this period"
_NAME_LENGTH = 60
_WINDOWS = {"today": "Today", "week": "This week", "month": "This month", "all": "All time", "selected": "Selected"}


class Figure(NamedTuple):
    """A column of numbers: what it shows of a group, and the least width of terminal that has room for it."""

    header: str
    show: Callable[[Group], str]
    from_width: int = 0


class RunFigure(NamedTuple):
    """A column of a list of runs, and the least width of terminal that has room for it. A rare one is left out where
    it holds nothing."""

    header: str
    show: Callable[[RunLine], str]
    from_width: int = 0
    is_number: bool = False
    is_rare: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as text, with all of its columns: `names`, then `figures`."""

    title: str
    names: tuple[str, ...]
    figures: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def headings(self) -> tuple[str, ...]:
        """Those of all columns, in order."""
        return (*self.names, *self.figures)

    @property
    def right(self) -> tuple[bool, ...]:
        """Of each column, whether it holds figures."""
        return (False,) * len(self.names) + (True,) * len(self.figures)


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**6 else _tokens(number)


def _tokens(number: int) -> str:
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def latency(ms: float | None) -> str:
    """Milliseconds for reading."""
    if ms is None:
        return UNKNOWN
    return f"{ms:.0f} ms" if ms < 1_000 else f"{ms / 1_000:.1f} s"


def ratio(share: float | None) -> str:
    """A confidence or a rating for reading."""
    return UNKNOWN if share is None else f"{share:.2f}"


def _rating(mean: float | None, runs: int) -> str:
    return UNKNOWN if mean is None else f"{mean:.2f} ({_count(runs)})"


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.0%}"


def _cost(group: Group) -> str:
    if group.unpriced_calls and group.unpriced_calls == group.calls:
        return "unpriced"
    if group.cost_is_lower_bound:
        return f"≥ {format_short(group.cost_nanousd, at_most=True)}"
    return format_short(group.cost_nanousd)


_COUNTS = (
    Figure("Runs", lambda group: _count(group.runs), from_width=46),
    Figure("Calls", lambda group: _count(group.calls), from_width=36),
    Figure("Failed", lambda group: _count(group.failed_calls), from_width=90),
    Figure("Success", lambda group: _percent(group.success_rate), from_width=140),
    Figure("Several models", lambda group: _percent(group.multi_model_share), from_width=150),
    Figure("Input", lambda group: _tokens(group.input_tokens), from_width=62),
    Figure("Output", lambda group: _tokens(group.output_tokens), from_width=62),
)
_COSTS = (
    Figure("Rated", lambda group: _rating(group.mean_rating, group.rated_runs), from_width=80),
    Figure("Cost", _cost),
    Figure("Share", lambda group: _percent(group.cost_share), from_width=120),
)
# What a run took is what the user waited for; of a part of runs, there is only what its calls took.
FIGURES_OF_RUNS = (
    *_COUNTS,
    Figure("Run p50", lambda group: latency(group.p50_run_latency_ms), from_width=100),
    Figure("Run p95", lambda group: latency(group.p95_run_latency_ms), from_width=86),
    Figure("Run conf.", lambda group: ratio(group.mean_confidence), from_width=80),
    *_COSTS,
)
FIGURES_OF_CALLS = (
    *_COUNTS,
    Figure("Call p50", lambda group: latency(group.p50_latency_ms), from_width=100),
    Figure("Call p95", lambda group: latency(group.p95_latency_ms), from_width=86),
    Figure("Call conf.", lambda group: ratio(group.mean_confidence), from_width=80),
    *_COSTS,
)

# Names before numbers.
RUN_FIGURES = (
    RunFigure("Run", lambda run: run.run_id, from_width=40),
    RunFigure("Time", lambda run: f"{run.created_at:%Y-%m-%d %H:%M}", 60),
    RunFigure("Strategy", lambda run: run.strategy, 100),
    RunFigure("Model", lambda run: run.model or UNKNOWN, 110),
    RunFigure("Status", lambda run: run.status, 130),
    RunFigure("Latency", lambda run: latency(run.latency_ms), 150, is_number=True),
    RunFigure("Conf.", lambda run: ratio(run.confidence), 100, is_number=True),
    RunFigure("Rated", lambda run: ratio(run.rating), 110, is_number=True, is_rare=True),
    RunFigure("Cost", lambda run: format_short(run.cost_nanousd), is_number=True),
)


def report_rows(report: Report) -> tuple[tuple[str, ...], list[Row]]:
    """A report for a spreadsheet: the columns, and a row for each group."""
    names = [by.value for by in report.grouping.by]
    rows: list[Row] = [report.keys_of(group) | _without_key(group) for group in report.groups]
    return (*names, *_without_key(report.total)), rows


def stats_rows(stats: Stats) -> tuple[tuple[str, ...], list[Row]]:
    """The statistics for a spreadsheet: the columns, and a row for each window."""
    return ("period", *_without_key(Group())), [{"period": each.key} | _without_key(each) for each in stats.windows]


def run_rows(runs: Sequence[RunLine]) -> tuple[tuple[str, ...], list[Row]]:
    """A list of runs for a spreadsheet: the columns, and a row for each run."""
    return RunLine.columns(), [run.to_dict() for run in runs]


def _without_key(group: Group) -> Row:
    return {name: value for name, value in group.to_dict().items() if name != "key"}


def report_sheet(report: Report, notes: Sequence[str] = ()) -> Sheet:
    """A report with all of its columns."""
    figures = FIGURES_OF_CALLS if report.grouping.is_of_calls else FIGURES_OF_RUNS
    rows = [(*map(name_of, group.keys), *(figure.show(group) for figure in figures)) for group in report.groups]
    total = ("Total", *("",) * (len(report.grouping.by) - 1), *(figure.show(report.total) for figure in figures))
    return Sheet(
        title=report_title(report),
        names=tuple(by.capitalize() for by in report.grouping.by),
        figures=tuple(figure.header for figure in figures),
        rows=(*rows, total),
        notes=(*report_notes(report), *filter(None, notes)),
    )


def stats_sheet(stats: Stats) -> Sheet:
    """The windows of the statistics with all of their columns."""
    figures = FIGURES_OF_RUNS[:-1]  # windows share no total
    return Sheet(
        title=scope(stats.selection),
        names=("Period",),
        figures=tuple(figure.header for figure in figures),
        rows=tuple((window_name(group), *(figure.show(group) for figure in figures)) for group in stats.windows),
        notes=tuple(stats_notes(stats)),
    )


def runs_sheet(runs: Sequence[RunLine], title: str, notes: Sequence[str] = ()) -> Sheet:
    """A list of runs with all of its columns."""
    names = [figure for figure in RUN_FIGURES if not figure.is_number]
    numbers = [figure for figure in RUN_FIGURES if figure.is_number]
    return Sheet(
        title=title,
        names=(*(figure.header for figure in names), "Prompt"),
        figures=tuple(figure.header for figure in numbers),
        rows=tuple(
            (*(figure.show(run) for figure in names), run.prompt or UNKNOWN, *(figure.show(run) for figure in numbers))
            for run in runs
        ),
        notes=tuple(notes),
    )


def report_title(report: Report) -> str:
    """What a report is by, and of which runs."""
    *others, last = report.grouping.names
    by = f"{', '.join(others)} and {last}" if others else last
    return f"By {by}: {scope(report.selection)}"


def report_notes(report: Report) -> list[str]:
    """What the numbers of a report alone do not say."""
    idle = [idle_line(machine) for machine in report.idle]
    if not report.total.runs:
        return idle
    notes, parts = [*idle, *group_notes(report.total)], [by.value for by in report.grouping.by if by.is_of_calls]
    if parts and sum(group.runs for group in report.groups) > report.total.runs:
        what = "model that it called" if parts == ["model"] else f"{' and '.join(parts)} of its calls"
        notes.append(f"a run counts once for every {what}, and once in the total")
    elif report.grouping.repeats and sum(group.runs for group in report.groups) > report.total.runs:
        notes.append("a run counts once for every tag that it has, and once in the total")
    return notes


def stats_notes(stats: Stats) -> list[str]:
    """What the numbers of the statistics alone do not say, and the models that stand out."""
    named = (("Cheapest", stats.cheapest), ("Dearest", stats.dearest), ("Busiest", stats.busiest))
    models = [f"{title + ' model':<14} {_model_use(use)}" for title, use in named if use is not None]
    return [*group_notes(stats.windows[-1]), *models]


def window_name(group: Group) -> str:
    """What a window of the statistics is called."""
    return _WINDOWS[group.key or ""]


def name_of(key: str | None) -> str:
    """A group's key for reading."""
    return NO_KEY if key is None else one_line(key, _NAME_LENGTH)


def cell_of(figure: RunFigure, run: RunLine) -> str:
    """What a column shows of a run, on one line."""
    return one_line(figure.show(run), _NAME_LENGTH)


def _model_use(use: ModelUse) -> str:
    mean = "" if use.mean_cost_nanousd is None else f", {format_short(use.mean_cost_nanousd)} a call on average"
    return f"{name_of(use.model)}: {_plural(use.calls, 'call')}{mean}"


_SOURCES = {ALL: "own runs and imported usage", IMPORTED: "imported usage"}


def scope(selection: Selection) -> str:
    """Which runs, in words."""
    parts = [str(selection.within)]
    parts += [f"category {one_line(selection.category, _NAME_LENGTH)}"] if selection.category is not None else []
    parts += [f"tag {one_line(selection.tag, _NAME_LENGTH)}"] if selection.tag is not None else []
    parts += ["simulated runs"] if selection.simulated else []
    parts += [_SOURCES.get(selection.source, f"imported from {selection.source}")] if selection.source != OWN else []
    return "; ".join(parts)


def group_notes(total: Group) -> list[str]:
    """What the numbers of a group alone do not say."""
    notes = []
    if total.unpriced_calls:
        notes.append(f"{_plural(total.unpriced_calls, 'call')} of unknown price: ≥ is what the others cost")
    if total.estimated_calls:
        notes.append(f"{_plural(total.estimated_calls, 'cost')} estimated from above: the provider sent no usage")
    if total.unsettled_calls:
        reserved = format_short(total.reserved_nanousd)
        notes.append(f"{_plural(total.unsettled_calls, 'call')} not settled, {reserved} reserved beside the cost")
    if total.cache_hits:
        saved = format_short(total.saved_nanousd)
        notes.append(f"{_plural(total.cache_hits, 'call')} answered by the response cache, which saved {saved}")
    if total.batch_calls:
        saved = format_short(total.batch_saved_nanousd)
        notes.append(f"{_plural(total.batch_calls, 'call')} by the providers' batch APIs, which saved {saved}")
    return notes


def idle_line(machine: Idle) -> str:
    """A machine that is always on, in a line."""
    names = name_of(", ".join(machine.models))
    kind = "always on" if machine.starts is None else f"started {machine.starts:,} times"
    return (
        f"{kind}, {names}: {machine.hours:,.1f} h cost {format_short(machine.cost_nanousd)}, "
        f"calls {format_short(machine.busy_nanousd)} of it: idle {format_short(machine.idle_nanousd)} beside the total"
    )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
