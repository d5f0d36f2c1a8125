"""A threshold chosen on some prompts, and what it comes to on others: cross-validation, twice.

With prompts left out, the others are of the same tasks; with whole tasks left out, they are not. The first says what to
expect on more of the same, the second on work of another kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .figures import Figures, Found
from .intervals import mean
from .paired import Choice
from .report import CrossValidated
from .tune.held_out import FOLDS, fold_of, in_parts
from .tune.tuning_tradeoff import fit_number
from .verdict import LOSS, worth_of

_FEWEST_TASKS = 2
_MOST_PARTS = 10  # of tasks: more would take long and say the same


def cross_validated(
    name: str,
    choices: Sequence[Choice],
    tasks: Sequence[str],
    figures: Figures,
    *,
    asks_above: bool,
) -> list[Callable[[Found], CrossValidated]]:
    """With prompts left out, and with tasks left out where there are several. `asks_above`: the strong model is asked
    from the threshold on, and not below it."""
    prompts = [fold_of(choice.digest) for choice in choices]
    places = {task: place % _MOST_PARTS for place, task in enumerate(sorted(set(tasks)))}
    divisions = [("prompts", prompts, FOLDS)]
    if len(places) >= _FEWEST_TASKS:
        divisions.append(("tasks", [places[task] for task in tasks], min(len(places), _MOST_PARTS)))
    return [
        _one(name, left_out, count, choices, parts, figures, asks_above=asks_above)
        for left_out, parts, count in divisions
    ]


def _one(
    name: str,
    left_out: str,
    count: int,
    choices: Sequence[Choice],
    parts: Sequence[int],
    figures: Figures,
    *,
    asks_above: bool,
) -> Callable[[Found], CrossValidated]:
    numbers = in_parts(choices, parts, lambda _, others: fit_number(others, 1 - LOSS))
    courses = [choice.course(number) for choice, number in zip(choices, numbers, strict=True)]
    asked = [float((choice.reading >= number) == asks_above) for choice, number in zip(choices, numbers, strict=True)]
    quality = figures.add(mean([course.quality for course in courses]))
    share = figures.add(mean(asked))
    priced = figures.weak.cost is not None and figures.strong.cost is not None
    cost = [course.cost for course in courses] if priced else None
    worth = worth_of(name, [course.quality for course in courses], cost, figures)
    return lambda found: CrossValidated(name, left_out, count, found[quality], found[share], worth(found))
