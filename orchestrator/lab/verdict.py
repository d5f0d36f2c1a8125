"""Whether it is worth it: at least SAVING cheaper than the strong model alone, at a loss of less than LOSS.

    saving = 1 - cost / cost of the strong model alone,   loss = 1 - quality / quality of the strong model alone

Where no strategy gets there, it may be for want of a better router or of a better cheap model. With costs c (cheap) and
s (strong) a prompt, at most the share a of the prompts may go to the strong model, and they have to recover the share r
of the gap between the two models' qualities C and S:

    a = ((1 - SAVING) s - c) / (s - c),   r = ((1 - LOSS) S - C) / (S - C)

A router recovers r = a^k of the gap in a share a of the calls, if its curve is a power of the share; its APGR is then
1 / (1 + k), which gives the APGR that it takes. The best that are published have about GOOD_ROUTER (RouteLLM on MT
Bench, https://arxiv.org/abs/2406.18665). Beyond it, a better cheap model is what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean

from .figures import Figures, Found
from .intervals import Estimate, Numbers, Statistic, Weights, mean
from .paired import Course
from .policies import alone_by_prompt, column_of
from .pricing import RecordedModel
from .records import Item
from .report import CheapModel, Meets, Needs, Verdict, Worth
from .selecting import Lineup

SAVING, LOSS = 0.7, 0.05
GOOD_ROUTER = 0.8  # APGR
_MODEL = "a {} model is needed and not a better router."


def verdict_of(
    worths: Sequence[Worth],
    items: Sequence[Item],
    lineup: Lineup,
    recorded: Mapping[str, RecordedModel],
    expected_output: int,
) -> Verdict:
    """What the strategies are worth, and what every model of the file would come to as the cheap one."""

    def as_cheap(name: str) -> CheapModel:
        both = [item for item in items if name in item.outcomes and lineup.strong in item.outcomes]
        weak, strong = (column_of(recorded[model], both, expected_output) for model in (name, lineup.strong))
        priced = weak.cost is not None and strong.cost is not None
        return cheap_model(name, alone_by_prompt(weak, strong), priced=priced)

    answering = {name for item in items if lineup.strong in item.outcomes for name in item.outcomes}
    weak, others = as_cheap(lineup.weak), sorted(answering - {lineup.weak, lineup.strong})
    rest = sorted(map(as_cheap, others), key=lambda each: (list(Needs).index(each.needs), each.cost or 0.0))
    return Verdict(SAVING, LOSS, worths, [weak, *rest], concluded(lineup.strong, weak, worths, rest))


def worth_of(name: str, quality: Numbers, cost: Numbers | None, figures: Figures) -> Callable[[Found], Worth]:
    """The worth of one way, once the figures are found."""
    strong = figures.strong
    loss = figures.add(_less(mean(quality), mean(strong.quality)))
    known = cost is not None and strong.cost is not None
    saving = figures.add(_less(mean(cost or ()), mean(strong.cost or ()))) if known else None

    def worth(found: Found) -> Worth:
        saved, lost = None if saving is None else found[saving], found[loss]
        return Worth(name, saved, lost, meets(saved, lost))

    return worth


def meets(saving: Estimate | None, loss: Estimate) -> Meets:
    """By the bounds of the intervals; by the values where there are none."""
    if saving is None or saving.value is None or loss.value is None:
        return Meets.UNDECIDED
    least, most = _bounds(saving, saving.value)
    best, worst = _bounds(loss, loss.value)
    if least >= SAVING and worst < LOSS:
        return Meets.YES
    return Meets.NO if most < SAVING or best >= LOSS else Meets.UNDECIDED


def cheap_model(model: str, pairs: Sequence[tuple[Course, Course]], *, priced: bool) -> CheapModel:
    """What it takes beside a cheap model, from what it and the strong model come to alone on each prompt."""
    weak, strong = (
        Course(fmean(course.quality for course in courses), fmean(course.cost for course in courses))
        for courses in zip(*pairs, strict=True)
    )
    wanted = (1 - LOSS) * strong.quality
    recover = 0.0 if weak.quality >= wanted else (wanted - weak.quality) / (strong.quality - weak.quality)
    left = (1 - SAVING) * strong.cost - weak.cost
    allowed = max(0.0, left / (strong.cost - weak.cost)) if strong.cost > weak.cost else 0.0
    router = 1 / (1 + math.log(recover) / math.log(allowed)) if 0 < recover < 1 and 0 < allowed < 1 else None
    return CheapModel(
        model=model,
        prompts=len(pairs),
        quality=weak.quality / strong.quality if strong.quality else 1.0,
        cost=weak.cost / strong.cost if priced and strong.cost else None,
        strong_calls=allowed,
        recover=recover,
        router=router,
        needs=_needs(left, recover, router),
    )


def concluded(strong: str, weak: CheapModel, worths: Sequence[Worth], others: Sequence[CheapModel]) -> str:
    """What follows for the cheap model of the bench, and which of the other ones would do."""
    return " ".join([*_of_strategies(strong, worths), *_of_cheap(strong, weak, worths), *_of_others(others)])


def _of_strategies(strong: str, worths: Sequence[Worth]) -> Iterator[str]:
    aim = f"at least {SAVING:.0%} cheaper than {strong} at less than {LOSS:.0%} loss"
    reached = [worth.name for worth in worths if worth.meets is Meets.YES]
    close = [worth.name for worth in worths if worth.meets is Meets.UNDECIDED and worth.saving is not None]
    if reached:
        yield f"{' and '.join(reached)}: {aim}."
    elif close:
        yield f"No strategy is shown to be {aim}; it cannot be told of {' and '.join(close)}."
    elif worths:
        yield f"No strategy is {aim}."


def _of_cheap(strong: str, weak: CheapModel, worths: Sequence[Worth]) -> Iterator[str]:
    if any(worth.meets is Meets.YES for worth in worths):
        return
    calls = f"{weak.strong_calls:.0%} of the prompts may go to {strong} and must recover {weak.recover:.0%} of the gap"
    match weak.needs:
        case Needs.NOTHING:
            yield f"{weak.model} alone does it."
        case Needs.MIXING:
            yield f"With {weak.model}, prompts sent to {strong} at random would do it: {calls}."
        case Needs.ROUTER:
            yield f"With {weak.model}, {calls}: it takes a router with an APGR of {weak.router or 0:.2f}."
        case Needs.CHEAPER_MODEL:
            yield f"{weak.model} costs {weak.cost or 0:.0%} of {strong}: {_MODEL.format('cheaper')}"
        case Needs.BETTER_MODEL:
            best = f"more than a router with an APGR of {GOOD_ROUTER:g}, the best published, does"
            yield f"With {weak.model}, {calls}, {best}: {_MODEL.format('better cheap')}"


def _of_others(others: Sequence[CheapModel]) -> Iterator[str]:
    alone = [each.model for each in others if each.needs is Needs.NOTHING]
    routed = [each.model for each in others if each.needs in (Needs.MIXING, Needs.ROUTER)]
    if alone:
        yield f"Alone it is done by {_listed(alone)}."
    if routed:
        yield f"With a good router it could be done with {_listed(routed)} as the cheap one."
    if others and not alone and not routed:
        yield "None of the other models of the file would do as the cheap one."


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _needs(left: float, recover: float, router: float | None) -> Needs:
    if left < 0:
        return Needs.CHEAPER_MODEL
    if recover <= 0:
        return Needs.NOTHING
    if router is None or router > GOOD_ROUTER:
        return Needs.BETTER_MODEL
    return Needs.MIXING if router <= 0.5 else Needs.ROUTER


def _less(of: Statistic, than: Statistic) -> Statistic:
    """By what share one figure is less than another."""

    def statistic(weights: Weights) -> float | None:
        one, other = of(weights), than(weights)
        return None if one is None or not other else 1 - one / other

    return statistic


def _bounds(estimate: Estimate, value: float) -> tuple[float, float]:
    return value if estimate.low is None else estimate.low, value if estimate.high is None else estimate.high
