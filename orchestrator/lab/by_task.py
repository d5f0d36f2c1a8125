"""Which model does best at which task, from rated runs, and which differences the ratings cannot tell.

A mean of ratings has Wilson's interval. It is meant for shares of yes and no; a rating in between varies no more than
those (R. Bhatia and C. Davis, A Better Bound on the Variance, 2000), so for it the interval is rather too wide than too
narrow. Two means are compared by Newcombe's interval of their difference, made of the two (R. G. Newcombe, Interval
Estimation for the Difference between Independent Proportions, 1998, method 10). All comparisons of one task hold
together at 95 %: each is made at a higher level (Bonferroni).

Models were not rated on the same prompts: one that was asked the harder ones looks worse than it is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from statistics import fmean
from typing import Any

from ..deferred import dataclass
from ..ledger.ratings import RatedRun
from ..report.significance import LEVEL, wilson


class Standing(StrEnum):
    """How a model stands beside the leading one at a task, the one whose interval begins highest."""

    BEST = "best"  # it leads, and the ratings tell at least one other model from it
    WORSE = "worse"
    UNDECIDED = "undecided"  # the ratings do not tell it from the leading one, or nothing from it where it leads


@dataclass(frozen=True, slots=True)
class ModelAtTask:
    """A model's rated answers to one kind of task. `low` and `high` are the interval of the mean rating, 0 to 1.

    Cost (nano-dollars) and latency (milliseconds) are means of whole runs, an escalation included; the cost is that of
    the runs whose cost is known, None if there is none.
    """

    model: str
    runs: int
    mean_rating: float
    low: float
    high: float
    mean_cost_nanousd: int | None
    mean_latency_ms: int | None
    standing: Standing


@dataclass(frozen=True, slots=True)
class Task:
    """The models that answered one kind of task, the leading one first: the one whose interval begins highest, so that
    one lucky rating is not ahead of twenty good ones. `task` is None where it was not recorded."""

    task: str | None
    models: tuple[ModelAtTask, ...]

    @property
    def runs(self) -> int:
        """The number of rated runs."""
        return sum(model.runs for model in self.models)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            "task": self.task,
            "runs": self.runs,
            "models": [asdict(model) | {"standing": model.standing.value} for model in self.models],
        }


def by_task(runs: Iterable[RatedRun]) -> tuple[Task, ...]:
    """Rated runs by task and by the model that answered, the task with most runs first. A run without a complete
    answer belongs to no model, and is left out."""
    runs_of: dict[str | None, dict[str, list[RatedRun]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        if run.model_used is not None:
            runs_of[run.task][run.model_used].append(run)
    tasks = [Task(task, _ranked(models)) for task, models in runs_of.items()]
    return tuple(sorted(tasks, key=lambda task: (-task.runs, task.task or "")))


def told_apart(better: Sequence[float], worse: Sequence[float], *, level: float = LEVEL) -> bool:
    """Whether the mean of the first ratings is above that of the second, as far as the ratings can tell."""
    one, other = fmean(better), fmean(worse)
    low, _ = wilson(math.fsum(better), len(better), level=level)
    _, high = wilson(math.fsum(worse), len(worse), level=level)
    return one - other - math.hypot(one - low, high - other) > 0


def _ranked(models: dict[str, list[RatedRun]]) -> tuple[ModelAtTask, ...]:
    ratings = {model: [run.rating.rating for run in runs] for model, runs in models.items()}
    low = {model: wilson(math.fsum(rated), len(rated))[0] for model, rated in ratings.items()}
    order = sorted(models, key=lambda model: (-low[model], -fmean(ratings[model]), model))
    leading, *others = order
    level = 1 - (1 - LEVEL) / max(1, len(others))
    worse = {model for model in others if told_apart(ratings[leading], ratings[model], level=level)}

    def standing(model: str) -> Standing:
        if model == leading and worse:
            return Standing.BEST
        return Standing.WORSE if model in worse else Standing.UNDECIDED

    return tuple(_at_task(model, models[model], standing(model)) for model in order)


def _at_task(model: str, runs: Sequence[RatedRun], standing: Standing) -> ModelAtTask:
    ratings = [run.rating.rating for run in runs]
    costs = [run.cost_nanousd for run in runs if run.cost_nanousd is not None]
    latencies = [run.latency_ms for run in runs if run.latency_ms is not None]
    low, high = wilson(math.fsum(ratings), len(ratings))
    return ModelAtTask(
        model=model,
        runs=len(runs),
        mean_rating=fmean(ratings),
        low=low,
        high=high,
        mean_cost_nanousd=math.ceil(sum(costs) / len(costs)) if costs else None,
        mean_latency_ms=round(fmean(latencies)) if latencies else None,
        standing=standing,
    )
