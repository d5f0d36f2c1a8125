"""A comparison with a baseline as a table with all of its columns, and as rows for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..money import format_short
from .baseline import EASY_FROM, LEAST_RATED, LEAST_RUNS, Compared, Comparison, Ease, Figures, easy_tasks
from .day_parts import GOOD_RATING
from .figures import Sheet, idle_line, scope
from .formats import Row
from .savings import Savings

_UNKNOWN = "-"
_NO_TASK = "(none)"


def comparison_sheet(comparison: Comparison) -> Sheet:
    """The comparison by task, with the total in the last row, and in words what else there is to say."""
    tasks = [(task.task or _NO_TASK, *_cells(task)) for task in comparison.tasks]
    return Sheet(
        title="; ".join(periods(comparison)[:2]),
        names=("Task",),
        figures=_HEADERS,
        rows=(*tasks, ("Total", *_cells(comparison.total))),
        notes=(*periods(comparison)[2:], *_lines(comparison)),
    )


def comparison_rows(comparison: Comparison) -> tuple[tuple[str, ...], list[Row]]:
    """The columns, and a row for each task, in exact nano-dollars; figures of the later period begin with `later_`."""
    rows: list[Row] = []
    for task in comparison.tasks:
        change = task.rating_change
        row: dict[str, Any] = {"task": task.task}
        for when, figures in (("baseline", task.baseline), ("later", task.later)):
            row |= {f"{when}_{name}": getattr(figures, name) for name in _COLUMNS}
        row |= {
            "cost_change": task.cost_change,
            "rating_change": None if change is None else change.value,
            "rating_change_low": None if change is None else change.low,
            "rating_change_high": None if change is None else change.high,
            "local": None if task.easy is None else task.easy.verdict.value,
        }
        rows.append(row)
    columns = [f"{when}_{name}" for when in ("baseline", "later") for name in _COLUMNS]
    changes = ("cost_change", "rating_change", "rating_change_low", "rating_change_high", "local")
    return ("task", *columns, *changes), rows


def periods(comparison: Comparison) -> list[str]:
    """Which runs are compared, and whether there are any."""
    said = [
        f"Baseline: {scope(comparison.baseline.selection)}",
        f"Compared: {scope(comparison.later.selection)}",
    ]
    if not comparison.total.baseline.runs or not comparison.total.later.runs:
        which = "baseline" if not comparison.total.baseline.runs else "period compared with it"
        said.append(f"no runs in the {which}")
    return said


_COLUMNS = (
    *("runs", "complete_runs", "cost_nanousd", "unpriced_calls", "mean_cost_nanousd", "mean_confidence"),
    *("rated_runs", "mean_rating"),
)
_HEADERS = ("Runs", "Cost of a run", "Change", "Rated", "Change", "Local?")


def _cells(task: Compared) -> list[str]:
    before, after = task.baseline, task.later
    change = task.rating_change
    return [
        f"{before.runs:,} → {after.runs:,}",
        f"{_mean_cost(before)} → {_mean_cost(after)}",
        _UNKNOWN if task.cost_change is None else f"{task.cost_change:+.0%}",
        f"{_rating(before)} → {_rating(after)}",
        _UNKNOWN if change is None else f"{change.value:+.2f} ({change.low:+.2f} to {change.high:+.2f})",
        _UNKNOWN if task.easy is None else task.easy.verdict.value,
    ]


def _mean_cost(figures: Figures) -> str:
    if figures.mean_cost_nanousd is None:
        return _UNKNOWN
    return ("≥ " if figures.unpriced_calls else "") + format_short(figures.mean_cost_nanousd)


def _rating(figures: Figures) -> str:
    return _UNKNOWN if figures.mean_rating is None else f"{figures.mean_rating:.2f} ({figures.rated_runs:,})"


def _lines(comparison: Comparison) -> Iterator[str]:
    """Who answered, what a day costs, and what may go to a local model."""
    for task in (*comparison.tasks, comparison.total):
        name = "Total" if task is comparison.total else task.task or _NO_TASK
        for when, figures in (("baseline", task.baseline), ("compared", task.later)):
            if figures.models:
                shares = ", ".join(f"{model} {share:.0%}" for model, share in figures.models.items())
                yield f"{name}, answered in the {when} period by: {shares}"
    for task in comparison.tasks:
        if task.later.rollout_runs:
            share = task.later.rollout_runs / task.later.runs
            yield f"{task.task or _NO_TASK}: the rollout's model was asked first in {share:.0%} of the compared runs"
    for when, span, figures in (
        ("baseline", comparison.baseline, comparison.total.baseline),
        ("compared", comparison.later, comparison.total.later),
    ):
        yield from (f"{when}: {idle_line(machine)}" for machine in span.idle)
        per_day = span.cost_per_day(figures)
        if per_day is not None:
            with_idle = ", idle machines included" if span.idle else ""
            yield f"{when}: {format_short(per_day)} a day over {span.days:,.1f} days{with_idle}"
    yield from _savings(comparison.savings)
    if comparison.total.rating_change is None:
        yield f"ratings are compared from {LEAST_RATED} rated runs on in both periods (orch rate)"
    yield from _verdicts(comparison)


def _savings(found: Savings) -> Iterator[str]:
    """What was saved, by tier, and whether the machines are worth it."""
    for tier in found.tiers:
        name = "no tier" if tier.tier is None else f"tier {tier.tier}"
        if tier.saved_nanousd is None or tier.expected_nanousd is None:
            yield f"{name}: {tier.runs:,} runs cost {format_short(tier.spent_nanousd)}; the baseline has none"
            continue
        share = f" ({tier.saved_nanousd / tier.expected_nanousd:+.0%})" if tier.expected_nanousd else ""
        spent, expected = format_short(tier.spent_nanousd), format_short(tier.expected_nanousd)
        saved = f"saved {format_short(tier.saved_nanousd)}{share}"
        yield f"{name}: {tier.runs:,} runs cost {spent} at providers, {expected} at the baseline's mean: {saved}"
    if not found.gpu_nanousd:
        return
    month = found.a_month(found.net_nanousd)
    roi = "" if found.roi is None else f", ROI {found.roi:+.0%}"
    yield (
        f"saved {format_short(found.saved_nanousd)}, machines cost {format_short(found.gpu_nanousd)}: "
        f"net {format_short(found.net_nanousd)} ({format_short(month)} a month){roi}"
    )
    runs = found.a_month(found.runs)
    if found.break_even_runs is None or runs is None:
        yield "break-even: none, as the runs saved nothing"
    else:
        yield f"break-even: {found.break_even_runs:,} runs a month; there are {runs:,}"


def _verdicts(comparison: Comparison) -> Iterator[str]:
    easy = easy_tasks(comparison.tasks)
    said = ", ".join(easy) if easy else "no task yet"
    yield f"Easy enough for a local model, by the baseline: {said}"
    for task in comparison.tasks:
        if task.easy is None or task.easy.verdict is Ease.NOT_ROUTINE:
            continue
        good, runs = task.easy.good, task.easy.runs
        if task.easy.verdict is Ease.UNKNOWN or good is None:
            yield f"  {task.task}: not enough data, {runs} of {LEAST_RUNS} runs at the lower levels"
        else:
            yield (
                f"  {task.task}: {good.value:.0%} of {runs:,} runs were good ({good.low:.0%} to {good.high:.0%}), "
                f"{task.easy.rated_runs:,} of them rated; they cost {format_short(task.easy.cost_nanousd)}"
            )
    yield (
        f"(basic and intermediate runs, rated {GOOD_RATING:g} or more, or else with confidence "
        f"{comparison.threshold:g} or more; easy if the interval's lower end is {EASY_FROM:.0%} or more)"
    )
