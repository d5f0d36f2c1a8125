"""`orch models --by-task`: which models do best at which task, as the user's ratings have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...config import Settings
from ...lab.by_task import Standing, Task, by_task
from ...ledger.ratings import rated_runs
from ...money import format_short
from ...report.plain import one_line
from .. import render
from ..output import Output
from ..tables import print_table
from .ledgers import read_ledger, tell_of_other_runs

_FIGURES = ("rating", "95 %", "runs", "cost", "latency")
_WORDS = {Standing.BEST: "best", Standing.WORSE: "worse"}


def show_by_task(settings: Settings, output: Output) -> int:
    """Print it, as a table or as the object that docs/json.md describes. Without ratings it says so."""
    ledger = read_ledger(settings.ledger)
    tasks: tuple[Task, ...] = ()
    tell_of_other_runs(ledger, settings)
    if ledger is not None:
        with ledger:
            tasks = by_task(rated_runs(ledger, simulated=settings.simulate))
    output.emit(
        {
            "schema_version": 1,
            "kind": "models_by_task",
            "simulated": settings.simulate,
            "tasks": [task.to_dict() for task in tasks],
        }
    )
    if output.json:
        return 0
    if not tasks:
        render.line("no rated run says anything of a model yet: rate answers with orch rate last good")
        return 0
    print_table(("task", "model", *_FIGURES, ""), _rows(tasks), right=_FIGURES)
    render.line("Models were rated on different prompts: one that was asked the harder ones looks worse than it is.")
    return 0


def _rows(tasks: Sequence[Task]) -> Iterator[tuple[str, ...]]:
    for task in tasks:
        for place, model in enumerate(task.models):
            yield (
                "" if place else task.task or "(none)",
                one_line(model.model, 60),
                f"{model.mean_rating:.2f}",
                f"{model.low:.2f} to {model.high:.2f}",
                f"{model.runs:,}",
                "unpriced" if model.mean_cost_nanousd is None else format_short(model.mean_cost_nanousd),
                "-" if model.mean_latency_ms is None else f"{model.mean_latency_ms:,} ms",
                _standing(model.standing, task) if len(task.models) > 1 else "",
            )


def _standing(standing: Standing, task: Task) -> str:
    decided = any(model.standing is Standing.BEST for model in task.models)
    return _WORDS.get(standing, "cannot be told from the best" if decided else "too few ratings to tell")
