"""Grades on other scales than 0 to 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..deferred import replace
from .records import Item, RecordedOutcome, Scale

SCALES = (Scale(1, 5), Scale(1, 10), Scale(0, 10), Scale(0, 100))  # the narrower ones first
BEST_GRADE = max(scale.best for scale in SCALES)


def scale_of(grades: Sequence[float]) -> Scale | None:
    """The scale of grades of which some are above 1: the first of SCALES that has all of them.

    None if there is none, or if at least half of them are 1 or less: those above then look like mistakes.
    """
    above = sum(grade > 1 for grade in grades)
    if 2 * above <= len(grades):
        return None
    return next((scale for scale in SCALES if scale.worst <= min(grades) and max(grades) <= scale.best), None)


def rescaled(item: Item, scale: Scale) -> Item:
    """The prompt with its grades brought from the scale to 0 to 1."""

    def all_of(outcomes: Mapping[str, RecordedOutcome]) -> dict[str, RecordedOutcome]:
        return {name: replace(outcome, score=scale.share(outcome.score)) for name, outcome in outcomes.items()}

    return replace(item, outcomes=all_of(item.outcomes), plans=all_of(item.plans), rescaled=scale)


def notes_on_grades(items: Sequence[Item]) -> Iterator[str]:
    """What has to be known of the grades of these prompts before figures are made of them."""
    if any(item.simulated for item in items):
        yield "the simulator answered: nothing here says anything of a real model"
    for scale in dict.fromkeys(item.rescaled for item in items if item.rescaled is not None):
        yield f"grades from {scale} are rescaled to 0 to 1"
