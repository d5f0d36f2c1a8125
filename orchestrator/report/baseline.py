"""A later period compared with a baseline, task by task: cost, quality, and who did the work.

Quality is what users said: ratings, and the difference of their means with an interval of 95 % (Welch's standard error,
normal quantile), from LEAST_RATED rated runs on either side on. A cost is that of a whole run, all of its calls.

A task looks easy enough for a local model by its runs of the baseline at the levels that such models are rated for. A
run of them is good if it was rated at least GOOD_RATING, or, unrated, if its confidence reached the threshold; the task
is easy if the lower bound of Wilson's 95 % interval of the share of good runs (E. B. Wilson, 1927) is at least
EASY_FROM, from LEAST_RUNS runs on. With no bad run among them 20 are enough: the bound is then 0.84.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field
from enum import StrEnum
from typing import Any

from ..clock import local_now
from ..deferred import dataclass
from ..ledger.store import Ledger
from ..ledger.summing import sum_days
from ..reading.needs import ROUTINE_TASKS
from .baseline_sums import BASELINE, EASY_LEVELS, Task, TaskSums, task_sums, tier_sums
from .day_parts import GOOD_RATING, keep_parts, read_parts
from .idle import Idle
from .savings import Savings, TierTable, savings
from .selection import SCHEMA_VERSION, Selection, in_one_snapshot
from .significance import normal_quantile, wilson

LEAST_RATED = 10
LEAST_RUNS = 20
EASY_FROM = 0.8


class Ease(StrEnum):
    """What is to be said of a task."""

    EASY = "easy"
    NOT_EASY = "not easy"
    UNKNOWN = "not enough data"
    NOT_ROUTINE = "not routine"  # it weighs and judges; a rollout is for what is done by rote


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figures:
    """A task in one period. Costs are nano-dollars, of the calls whose price is known; means and shares of nothing
    are None. `rollout_runs` are those in which a rollout's model was asked first. `models` has the share of the
    answered runs that each model answered."""

    runs: int = 0
    complete_runs: int = 0
    cost_nanousd: int = 0
    unpriced_calls: int = 0
    mean_cost_nanousd: int | None = None
    mean_confidence: float | None = None
    rated_runs: int = 0
    mean_rating: float | None = None
    rollout_runs: int = 0
    models: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Easy:
    """The baseline's runs of a task at the lower levels, as evidence for a local model. `good` is None without runs."""

    verdict: Ease
    runs: int
    rated_runs: int
    cost_nanousd: int
    good: Interval | None


@dataclass(frozen=True, slots=True)
class Compared:
    """A task in both periods. `cost_change` is relative, of the mean cost of a run; `rating_change` the difference of
    the mean ratings, None while too few runs are rated. None for a task is the runs without one, or all of them."""

    task: str | None
    baseline: Figures
    later: Figures
    cost_change: float | None
    rating_change: Interval | None
    easy: Easy | None


@dataclass(frozen=True, slots=True)
class Span:
    """One of the two periods: how many days of it have passed, and the machines that were on in it."""

    selection: Selection
    days: float
    idle: tuple[Idle, ...] = ()

    def cost_per_day(self, figures: Figures) -> int | None:
        """Nano-dollars a day, with what idle machines cost."""
        idle = sum(machine.idle_nanousd for machine in self.idle)
        return round((figures.cost_nanousd + idle) / self.days) if self.days > 0 else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tasks in the order of what they cost in the baseline, and all of them together."""

    baseline: Span
    later: Span
    tasks: tuple[Compared, ...]
    total: Compared
    threshold: float
    savings: Savings

    def to_dict(self) -> dict[str, Any]:
        """The object that docs/json.md describes."""
        selection = self.later.selection
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "baseline",
            "simulated": selection.simulated,
            "category": selection.category,
            "tag": selection.tag,
            "baseline": _span_dict(self.baseline, self.total.baseline),
            "later": _span_dict(self.later, self.total.later),
            "criterion": {
                "levels": [level.value for level in EASY_LEVELS],
                "least_runs": LEAST_RUNS,
                "rated_from": GOOD_RATING,
                "confident_from": self.threshold,
                "easy_from": EASY_FROM,
                "least_rated": LEAST_RATED,
            },
            "tasks": [asdict(task) for task in self.tasks],
            "total": asdict(self.total),
            "savings": self.savings.to_dict(),
        }


def compare(ledger: Ledger | None, baseline: Span, later: Span, *, threshold: float) -> Comparison:
    """Both periods, on one state of the ledger. `threshold` is the confidence from which an answer is trusted.

    Raises LedgerError.
    """
    found = [(TaskSums({}, {}), TierTable())] * 2
    if ledger is not None:
        sum_days(ledger, local_now().date())
        keep_parts(ledger, BASELINE)

        def read(connection: sqlite3.Connection) -> list[tuple[TaskSums, TierTable]]:
            parts = [
                (each.selection, list(read_parts(connection, each.selection, BASELINE))) for each in (baseline, later)
            ]
            return [(task_sums(connection, *each, threshold), tier_sums(each[1])) for each in parts]

        found = in_one_snapshot(ledger, read)
    (before, tiers_before), (after, tiers_after) = found
    tasks = sorted({*before.runs, *after.runs}, key=lambda task: (-before.of(task)["cost_nanousd"], task or ""))
    return Comparison(
        baseline,
        later,
        tuple(_compared(task, before, after) for task in tasks),
        _compared(None, before.total(), after.total(), with_ease=False),
        threshold,
        savings(tiers_before, tiers_after, later.idle, later.days),
    )


def _compared(task: Task, before: TaskSums, after: TaskSums, *, with_ease: bool = True) -> Compared:
    first, second = _figures(task, before), _figures(task, after)
    change = None
    if first.mean_cost_nanousd and second.mean_cost_nanousd is not None:
        change = second.mean_cost_nanousd / first.mean_cost_nanousd - 1
    return Compared(
        task,
        first,
        second,
        change,
        _difference(before.of(task), after.of(task)),
        _ease(task, before) if with_ease else None,
    )


def _figures(task: Task, sums: TaskSums) -> Figures:
    row, answered = sums.of(task), sums.answered.get(task, {})
    count = sum(answered.values())
    runs = row["runs"]
    return Figures(
        runs=runs,
        complete_runs=row["complete_runs"],
        cost_nanousd=row["cost_nanousd"],
        unpriced_calls=row["unpriced_calls"],
        mean_cost_nanousd=math.ceil(row["cost_nanousd"] / runs) if runs else None,
        mean_confidence=row["confidence"] / row["judged"] if row["judged"] else None,
        rated_runs=row["rated_runs"],
        mean_rating=row["rating"] / row["rated_runs"] if row["rated_runs"] else None,
        rollout_runs=row["rollout_runs"],
        models={model: answered[model] / count for model in sorted(answered, key=lambda name: (-answered[name], name))},
    )


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Interval | None:
    """By how much the mean rating has changed, or None while too few runs are rated."""
    if min(before["rated_runs"], after["rated_runs"]) < LEAST_RATED:
        return None
    (first, first_error), (second, second_error) = _mean_and_error(before), _mean_and_error(after)
    value, margin = second - first, normal_quantile() * math.sqrt(first_error + second_error)
    return Interval(value, value - margin, value + margin)


def _mean_and_error(row: Mapping[str, Any]) -> tuple[float, float]:
    """The mean rating, and its squared standard error."""
    count = row["rated_runs"]
    mean = row["rating"] / count
    variance = max(0.0, (row["squares"] - count * mean * mean) / (count - 1))
    return mean, variance / count


def _ease(task: Task, sums: TaskSums) -> Easy:
    row = sums.of(task)
    runs = row["easy_runs"]
    good = Interval(row["good_runs"] / runs, *wilson(row["good_runs"], runs)) if runs else None
    if task not in ROUTINE_TASKS:
        verdict = Ease.NOT_ROUTINE
    elif good is None or runs < LEAST_RUNS:
        verdict = Ease.UNKNOWN
    else:
        verdict = Ease.EASY if good.low >= EASY_FROM else Ease.NOT_EASY
    return Easy(verdict, runs, row["easy_rated"], row["easy_nanousd"], good)


def easy_tasks(tasks: Iterable[Compared]) -> list[str]:
    """The tasks that look easy enough for a local model."""
    return [
        task.task
        for task in tasks
        if task.task is not None and task.easy is not None and task.easy.verdict is Ease.EASY
    ]


def _span_dict(span: Span, figures: Figures) -> dict[str, Any]:
    return {
        "range": span.selection.within.to_dict(),
        "days": round(span.days, 4),
        "cost_per_day_nanousd": span.cost_per_day(figures),
        "idle": [machine.to_dict() for machine in span.idle],
    }
