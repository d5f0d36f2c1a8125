"""Ways to answer the prompts, each with what became of every prompt: what is compared with what.

Those of strategies are replayed by the engine. What a model does alone, a coin flip between two of them and the oracle
follow from the record itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from statistics import fmean

from ..confidence.strength import is_kept
from ..deferred import dataclass
from ..money import cost_nanousd
from .intervals import Numbers
from .metrics import Routing
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


def routing_by_score(scores: Numbers, weak: Column, strong: Column) -> Routing:
    """Prompts that score at least a threshold go to the strong model alone."""
    costs = None if weak.cost is None or strong.cost is None else (weak.cost, strong.cost)
    return Routing(scores, weak.quality, strong.quality, costs)


def cascade_by_confidence(
    weak_confidence: Numbers, strong_confidence: Numbers, weak: Column, strong: Column, bonus: float = 0.0
) -> Routing:
    """Prompts whose weak answer is below a confidence are passed on, and both models are paid for.

    The strong answer is then given if its confidence reaches the threshold too or it is kept as the engine keeps it,
    with a bonus in logits, which comes to the same: below the threshold the weak answer's confidence is lower. The
    score is the confidence with its sign turned.
    """
    pairs = list(zip(weak_confidence, strong_confidence, strict=True))
    quality = [
        after if is_kept(sure, unsure, bonus) else before
        for before, after, (unsure, sure) in zip(weak.quality, strong.quality, pairs, strict=True)
    ]
    costs = None
    if weak.cost is not None and strong.cost is not None:
        costs = weak.cost, [a + b for a, b in zip(weak.cost, strong.cost, strict=True)]
    return Routing(
        [-unsure for unsure, _ in pairs], weak.quality, quality, costs, reference=(strong.quality, strong.cost)
    )


def _means(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [fmean(pair) for pair in zip(first, second, strict=True)]
