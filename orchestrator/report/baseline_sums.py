"""What a comparison with a baseline adds up, by task and by tier: of each day in parts, which are kept as those of the
page are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..deferred import dataclass
from ..types import Level
from .day_parts import GOOD_RATING, GROUP, OF, Part, Parts, rows_of
from .savings import TierSums, TierTable
from .selection import Selection

EASY_LEVELS = (Level.BASIC, Level.INTERMEDIATE)
COLUMNS = (
    *("runs", "complete_runs", "cost_nanousd", "unpriced_calls", "judged", "confidence", "rated_runs", "rating"),
    *("squares", "rollout_runs", "easy_runs", "easy_rated", "easy_nanousd", "good_runs"),
)
_NOTHING = dict.fromkeys(COLUMNS, 0)

_EASY = ", ".join(f"'{level}'" for level in EASY_LEVELS)
_STEPS = 1_000  # a confidence is kept as how many thousandths it has reached
_REACHED = f"CAST(confidence * {_STEPS} + 0.5 AS INTEGER)"
# Rounding may have gone up. A threshold of whole thousandths is reached by just the confidences that have as many.
_REACHED = f"{_REACHED} - ({_REACHED} / {_STEPS}.0 > confidence)"
_COUNTS = f"""
    runs.status = 'complete' AND runs.level IN ({_EASY}) AND coalesce(ratings.rating, runs.confidence) IS NOT NULL
"""
# A machine of the user's own is paid by the hour.
_HOSTED = """
    coalesce(instr(calls.price, 'gpu_hour') > 0 AND json_extract(calls.price, '$.gpu_hour') IS NOT NULL, false)
"""
_COST = "coalesce(sum(coalesce(calls.cost_nanousd, calls.reserved_nanousd))"

BASELINE = Parts(
    "baseline",
    "reading the days of the ledger for the comparison",
    {
        # task, its sums in the order of `COLUMNS`, where only rated runs are known to be good; the confidences of the
        # others
        "tasks": f"""
            WITH priced AS (
                SELECT {GROUP}, runs.task, runs.status, runs.confidence, ratings.rating,
                       json_extract(runs.metadata, '$.rollout.taken') AS rolled_out,
                       (SELECT {_COST}, 0) FROM call_rows AS calls WHERE calls.run_id = runs.run_id) AS cost,
                       (SELECT coalesce(sum(cost_source = 'unpriced'), 0) FROM call_rows AS calls
                        WHERE calls.run_id = runs.run_id) AS unpriced,
                       {_COUNTS} AS counts
                FROM run_rows AS runs LEFT JOIN ratings ON ratings.run_id = runs.run_id
                WHERE {{where}}
            )
            SELECT {", ".join(OF)}, task, count(*), sum(status = 'complete'), sum(cost), sum(unpriced),
                   count(confidence), total(confidence), count(rating), total(rating), total(rating * rating),
                   coalesce(sum(rolled_out), 0), sum(counts), count(rating) FILTER (WHERE counts),
                   coalesce(sum(cost) FILTER (WHERE counts), 0),
                   coalesce(sum(rating >= {GOOD_RATING}) FILTER (WHERE counts), 0),
                   json_group_array({_REACHED}) FILTER (WHERE counts AND rating IS NULL)
            FROM priced GROUP BY 1, 2, 3, 4, 5
        """,
        # task, model, the runs that it answered
        "answered": f"""
            SELECT {GROUP}, runs.task, runs.model_used, count(*) FROM run_rows AS runs
            WHERE runs.model_used IS NOT NULL AND {{where}} GROUP BY 1, 2, 3, 4, 5, 6
        """,
        # tier, runs, nano-dollars at providers, and of the user's own machines
        "tiers": f"""
            SELECT {GROUP}, runs.tier, count(DISTINCT runs.run_id), {_COST} FILTER (WHERE NOT {_HOSTED}), 0),
                   {_COST} FILTER (WHERE {_HOSTED}), 0)
            FROM run_rows AS runs LEFT JOIN call_rows AS calls ON calls.run_id = runs.run_id
            WHERE {{where}} GROUP BY 1, 2, 3, 4, 5
        """,
    },
)
_BETWEEN = f"""
    SELECT runs.task, count(*) FROM run_rows AS runs LEFT JOIN ratings ON ratings.run_id = runs.run_id
    WHERE {_COUNTS} AND ratings.rating IS NULL AND runs.confidence >= ? AND runs.confidence < ? AND {{where}}
    GROUP BY 1
"""

Task = str | None


@dataclass(frozen=True, slots=True)
class TaskSums:
    """By task the sums of its runs, by the names of `COLUMNS`, and how many of them each model answered."""

    runs: Mapping[Task, Mapping[str, Any]]
    answered: Mapping[Task, Mapping[str, int]]

    def of(self, task: Task) -> Mapping[str, Any]:
        """The sums of a task; zeros if there is none of it."""
        return self.runs.get(task, _NOTHING)

    def total(self) -> TaskSums:
        """All tasks as one, under None."""
        runs = {name: sum(row[name] for row in self.runs.values()) for name in COLUMNS}
        models: dict[str, int] = {}
        for found in self.answered.values():
            for model, count in found.items():
                models[model] = models.get(model, 0) + count
        return TaskSums({None: runs}, {None: models})


def task_sums(
    connection: sqlite3.Connection, selection: Selection, parts: Sequence[Part], threshold: float
) -> TaskSums:
    """The sums of a selection by task, from its parts. `threshold` is the confidence from which an unrated answer is
    good: with one that is not of whole thousandths, the rows tell of those up to the next."""
    runs: dict[Task, dict[str, Any]] = {}
    steps = round(threshold * _STEPS)
    steps += steps / _STEPS < threshold  # the thousandths that a good answer has reached
    for task, *sums, reached in rows_of(parts, "tasks"):
        known = runs.setdefault(task, dict(_NOTHING))
        for name, value in zip(COLUMNS, sums, strict=True):
            known[name] += value
        known["good_runs"] += sum(each >= steps for each in json.loads(reached))
    if threshold < steps / _STEPS:
        where, parameters = selection.where()
        between = (threshold, steps / _STEPS, *parameters)
        for task, good in connection.execute(_BETWEEN.format(where=where), between):
            runs[task]["good_runs"] += good
    answered: dict[Task, dict[str, int]] = {}
    for task, model, count in rows_of(parts, "answered"):
        of_task = answered.setdefault(task, {})
        of_task[model] = of_task.get(model, 0) + count
    return TaskSums(runs, answered)


def tier_sums(parts: Iterable[Part]) -> TierTable:
    """The sums of a selection by tier, from its parts."""
    tiers: TierTable = {}
    for tier, *sums in rows_of(parts, "tiers"):
        tiers[tier] = TierSums._make(a + b for a, b in zip(tiers.get(tier, (0, 0, 0)), sums, strict=True))
    return tiers
