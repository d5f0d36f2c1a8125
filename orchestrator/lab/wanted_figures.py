"""The figures of a bench before they are worked out: all of a set are estimated together, on the same draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

from ..deferred import dataclass
from .crossval import cross_validated
from .figures import Figures, Found, calibration_of, ordering_of, row_of, sweep_row_of
from .metrics import Confidence
from .policies import Column, Policy, Source, oracle
from .records import Item
from .replay import CASCADE
from .report import Calibration, CrossValidated, Ordering, Row, Worth
from .selecting import Lineup
from .verdict import worth_of
from .ways import ways_of


@dataclass(slots=True)
class Played:
    """All that the engine was run for.

    `scores` are of complexity; None where no strategy goes by them. `agreement` is how far the weak model's answers are
    the strong one's; None without texts. `bonus`: the logits that the strong model's answer has over the weak one's.
    """

    policies: list[Policy] = field(default_factory=list)
    scores: list[float] | None = None
    confidences: dict[str, list[float]] = field(default_factory=dict)
    agreement: list[float] | None = None
    notes: list[str] = field(default_factory=list)
    bonus: float = 0.0


class Wanted(NamedTuple):
    """What is made of the estimates once they are there; `agreement` is the place of its own among them."""

    rows: list[Callable[[Found], Row]]
    sweep: list[Callable[[Found], Row]]
    orderings: list[Callable[[Found], Ordering]]
    validated: list[Callable[[Found], CrossValidated]]
    worths: list[Callable[[Found], Worth]]
    confidence: list[Callable[[Found], Calibration]]
    agreement: int | None


def wanted_figures(
    items: Sequence[Item],
    played: Played,
    lineup: Lineup,
    columns: Mapping[str, Column],
    policies: Sequence[Policy],
    sweep: Sequence[float],
    figures: Figures,
) -> Wanted:
    """All figures of a set, added to `figures`. `sweep` are the thresholds that are derived, not played."""
    cascades = any(policy.strategy == CASCADE and policy.threshold is not None for policy in played.policies)
    ways = ways_of(items, lineup, columns, played.scores, played.confidences if cascades else None, played.bonus)
    best = oracle(columns[lineup.weak], columns[lineup.strong])
    tasks = [item.task for item in items]
    agreement = None if played.agreement is None else Confidence(played.agreement, acceptable(items, lineup.weak))
    return Wanted(
        rows=[row_of(policy, figures) for policy in [*policies, best]],
        sweep=[sweep_row_of(way.at(threshold), figures) for way in ways for threshold in sweep],
        orderings=[ordering_of(way.name, way.by, way.routing, figures, turned=way.turned) for way in ways],
        validated=[
            one
            for way in ways
            for one in cross_validated(way.name, way.choices, tasks, figures, asks_above=not way.turned)
        ],
        worths=[
            worth_of(policy.name, policy.quality, policy.cost, figures)
            for policy in policies
            if policy.source is Source.ENGINE or policy.strategy is not None
        ],
        confidence=[
            calibration_of(model, confidences, acceptable(items, model), figures)
            for model, confidences in played.confidences.items()
        ],
        agreement=None if agreement is None else figures.add(agreement.auc),
    )


def acceptable(items: Sequence[Item], model: str) -> list[float]:
    """Whether each of a model's answers is right: 1 or 0."""
    return [item.outcomes[model].acceptable for item in items]
