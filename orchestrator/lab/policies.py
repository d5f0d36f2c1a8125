"""Ways to answer the prompts, each with what became of every prompt: what is compared with what.

Those of strategies are replayed by the engine. What a model does alone, a coin flip between two of them and the oracle
follow from the record itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from statistics import fmean

from ..deferred import dataclass
from ..money import cost_nanousd
from .intervals import Numbers
from .metrics import Routing
from .paired import Choice, Course
from .pricing import RecordedModel, usage_of
from .records import Item


class Source(StrEnum):
    """How the figures of a policy came about."""

    ENGINE = "engine"  # every prompt was run
    RECORD = "record"  # straight from the recorded outcomes
    DERIVED = "derived"  # from the scores or confidences of runs at another threshold


@dataclass(frozen=True, slots=True)
class Column:
    """What one model made of each prompt, in the prompts' order. None is not known of all of them."""

    quality: list[float]
    cost: list[int] | None
    latency: list[int] | None


@dataclass(frozen=True, slots=True)
class Policy:
    """One way to answer the prompts. Sequences run in the prompts' order.

    Costs are nano-dollars, latency is in milliseconds. `strong` is 1 where the strong model was called and 0 where it
    was not; None if that is not known. `of_pair` says that no model but the weak and the strong one takes part.
    """

    name: str
    source: Source
    quality: Numbers
    strong: Numbers | None
    cost: Numbers | None
    latency: Numbers | None
    strategy: str | None = None
    threshold: float | None = None
    attainable: bool = True
    of_pair: bool = True


def column_of(model: RecordedModel, items: Sequence[Item], expected_output: int) -> Column:
    """A model's outcomes, and what they cost."""
    outcomes = [item.outcomes[model.name] for item in items]
    latencies = [outcome.latency_ms for outcome in outcomes if outcome.latency_ms is not None]
    price = model.price
    costs = None
    if price is not None:
        pairs = zip(items, outcomes, strict=True)
        costs = [cost_nanousd(price, usage_of(item, outcome, expected_output)[0]) for item, outcome in pairs]
    return Column(
        quality=[outcome.score for outcome in outcomes],
        cost=costs,
        latency=latencies if len(latencies) == len(items) else None,
    )


def alone(name: str, column: Column, *, strong: bool = False, of_pair: bool = True) -> Policy:
    """Every prompt to one model, which may be the strong one."""
    return Policy(
        name=name,
        source=Source.RECORD,
        quality=column.quality,
        strong=[float(strong)] * len(column.quality),
        cost=column.cost,
        latency=column.latency,
        of_pair=of_pair,
    )


def coin_flip(weak: Column, strong: Column) -> Policy:
    """Each prompt to either model with a chance of one half, in expectation."""
    return Policy(
        name="random",
        source=Source.RECORD,
        quality=_means(weak.quality, strong.quality),
        strong=[0.5] * len(weak.quality),
        cost=None if weak.cost is None or strong.cost is None else _means(weak.cost, strong.cost),
        latency=None if weak.latency is None or strong.latency is None else _means(weak.latency, strong.latency),
        attainable=False,
    )


def oracle(weak: Column, strong: Column) -> Policy:
    """The strong model for exactly those prompts on which it does better: what nobody can know beforehand."""
    better = [after > before for before, after in zip(weak.quality, strong.quality, strict=True)]

    def chosen(before: Numbers | None, after: Numbers | None) -> Numbers | None:
        if before is None or after is None:
            return None
        return [b if use else a for a, b, use in zip(before, after, better, strict=True)]

    return Policy(
        name="oracle",
        source=Source.RECORD,
        quality=chosen(weak.quality, strong.quality) or [],
        strong=[float(use) for use in better],
        cost=chosen(weak.cost, strong.cost),
        latency=chosen(weak.latency, strong.latency),
        attainable=False,
    )


def recorded_plan(name: str, items: Sequence[Item]) -> Policy:
    """What a plan came to that was run live, with what its calls did cost."""
    outcomes = [item.plans[name] for item in items]
    costs = [outcome.cost_nanousd for outcome in outcomes if outcome.cost_nanousd is not None]
    latencies = [outcome.latency_ms for outcome in outcomes if outcome.latency_ms is not None]
    return Policy(
        name=name,
        source=Source.RECORD,
        quality=[outcome.score for outcome in outcomes],
        strong=None,
        cost=costs if len(costs) == len(items) else None,
        latency=latencies if len(latencies) == len(items) else None,
        strategy=name,
        of_pair=False,
    )


def alone_by_prompt(weak: Column, strong: Column) -> list[tuple[Course, Course]]:
    """What each of two models comes to alone, prompt by prompt. Where a price is not known, a call of the strong model
    costs 1 and one of the weak model nothing."""
    unpriced = weak.cost is None or strong.cost is None
    cheap = [0] * len(weak.quality) if unpriced else weak.cost or []
    dear = [1] * len(strong.quality) if unpriced else strong.cost or []
    return [
        (Course(*one), Course(*other))
        for one, other in zip(
            zip(weak.quality, cheap, strict=True), zip(strong.quality, dear, strict=True), strict=True
        )
    ]


def routing_by_score(scores: Numbers, weak: Column, strong: Column) -> Routing:
    """Prompts that score at least a threshold go to the strong model alone."""
    costs = None if weak.cost is None or strong.cost is None else (weak.cost, strong.cost)
    return Routing(scores, weak.quality, strong.quality, costs)


def routing_of_cascade(choices: Sequence[Choice], weak: Column, strong: Column) -> Routing:
    """Prompts whose weak answer is below a confidence are passed on, and both models are paid for. The score is the
    confidence with its sign turned."""
    costs = None
    if weak.cost is not None and strong.cost is not None:
        costs = [choice.reached.cost for choice in choices], [choice.below.cost for choice in choices]
    return Routing(
        [-choice.reading for choice in choices],
        [choice.reached.quality for choice in choices],
        [choice.below.quality for choice in choices],
        costs,
        reference=(strong.quality, strong.cost),
    )


def _means(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [fmean(pair) for pair in zip(first, second, strict=True)]
