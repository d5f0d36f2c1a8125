"""A task table: the row that matches a prompt says which model answers, and which models follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...deferred import replace
from ...errors import did_you_mean
from ...registry.model import Chain
from ...registry.routes import TaskRow, TaskTable
from ...types import Task
from ..base import Decision, Offer, Situation
from .cost import cost
from .fallback import fallback


def tasks(situation: Situation) -> Decision | None:
    """A cascade over the row's models: the next one when an answer is not accepted or a call fails. If none of them
    can be called, the cheapest suitable model."""
    table = situation.table
    assert table is not None, "whoever chose this strategy named its table"
    row, why = row_for(table, situation)
    models, reasons = _ordered(table, row, situation)
    decision = fallback(replace(situation, chain=Chain.of(f"{table.name}/{row.name}", models)))
    head = f"{why}: {row.name}{f' ({row.reason})' if row.reason else ''}"
    if decision is None:
        decision = cost(situation)
        obstacles = dict.fromkeys(str(offer.obstacle) for name in models if (offer := situation.offers[name]).obstacle)
        reasons.append(f"none of {', '.join(models)} can be called: {', '.join(obstacles) or 'all are retired'}")
    return decision and replace(decision, reasons=(head, *reasons, *decision.reasons))


def models_of_row(situation: Situation) -> list[str]:
    """The models of the row that matches a prompt, in order; empty without a table."""
    table = situation.table
    return [] if table is None else _ordered(table, row_for(table, situation)[0], situation)[0]


def row_for(table: TaskTable, situation: Situation) -> tuple[TaskRow, str]:
    """The row that matches a prompt, and why: the task that the user named, else the first row whose condition
    holds."""
    analysis, asked = situation.analysis, situation.options.task
    named = None if asked is None else next((row for row in table.rows if asked in (row.name, row.kind)), None)
    if named is not None:
        return named, f"{table.name}: asked for {asked}"
    row = next(row for row in table.rows if row.when is None or row.when.holds(situation.asked))
    return row, f"{table.name}: {analysis.level} {analysis.task}, difficulty {analysis.difficulty:.2f}"


def names_of(tables: Iterable[TaskTable]) -> list[str]:
    """The names that --task accepts for these tables: rows, kinds of rows, and the tasks of the analysis."""
    rows = [row for table in tables for row in table.rows]
    kinds = [row.kind for row in rows if row.kind is not None]
    return list(dict.fromkeys([*(row.name for row in rows), *kinds, *(task.value for task in Task)]))


def _ordered(table: TaskTable, row: TaskRow, situation: Situation) -> tuple[list[str], list[str]]:
    """The row's models in order, and what changed the order."""
    models, reasons = list(row.models), []
    if table.free_first:
        models.sort(key=lambda name: not _is_free(situation.offers[name]))
        reasons += [_quota(situation.offers[name]) for name in models if _is_free(situation.offers[name])]
    for variable, name in _overrides(row, situation):
        model = situation.overrides[name]
        reasons.append(f"{variable} puts {model} first")
        models = [model, *(other for other in models if other != model)]
        break
    return models, [*reasons, *_unknown(table, situation.overrides)]


def _overrides(row: TaskRow, situation: Situation) -> list[tuple[str, str]]:
    """The variables that are set for a row, the most specific first: its name, the prompt's task, its kind."""
    names = (row.name, situation.analysis.task, row.kind or "")
    return [(variable(name), key) for name in names if (key := _key(name)) in situation.overrides]


def _unknown(table: TaskTable, overrides: Mapping[str, str]) -> list[str]:
    known = {_key(name): name for name in names_of([table])}
    return [
        f"{variable(key)} is for no task of {table.name}" + (f" ({hint})" if (hint := did_you_mean(key, known)) else "")
        for key in overrides
        if key not in known
    ]


def variable(name: str) -> str:
    """The environment variable that puts another model first for a task."""
    return f"MODEL_OVERRIDE_{_key(name).upper()}"


def _key(name: str) -> str:
    return name.lower().replace("-", "_")


def _is_free(offer: Offer) -> bool:
    """Whether the user is on the free tier of the model: it has a quota, and costs nothing within it."""
    return offer.spec.free_quota is not None and offer.cost.maximum == 0


def _quota(offer: Offer) -> str:
    quota = offer.spec.free_quota
    assert quota is not None
    parts = [f"{quota.requests_per_day:,} requests" if quota.requests_per_day else ""]
    parts += [f"{quota.tokens_per_day:,} tokens" if quota.tokens_per_day else ""]
    return f"{offer.spec.name} first: free up to {' and '.join(part for part in parts if part)} a day, then the others"
