"""Tuning what trades quality for money: the confidence from which a cascade accepts, the score from which routing asks
the strong model.

Both leave some prompts to a weak model and hand others to a strong one, by one number. It is set to the cheapest that
keeps a wanted share of the strong model's quality: what RouteLLM calls the cost at a quality
(https://arxiv.org/abs/2406.18665). It takes prompts that both models answered and that were graded for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any, NamedTuple

from ..settings import Calibration
from .calibration import calibrated
from .cases import Case, GradedAnswer
from .held_out import Change, Sample, changes, cross_fitted, digits, more_needed
from .metrics import mean
from .part import FEWEST, Finding, Part

_DIGITS = 4
_PROMPTS = 1_000  # a cost is that of so many
_DOLLAR = 1e9


class Pair(NamedTuple):
    """The two models between which is decided."""

    weak: str
    strong: str


class Duel(NamedTuple):
    """A prompt that both models answered. Costs are in dollars, or in calls of the strong model (`priced` says)."""

    digest: str
    score: float | None
    weak: GradedAnswer
    strong: GradedAnswer
    weak_cost: float
    strong_cost: float


class Course(NamedTuple):
    """How a prompt ends: the grade of the answer that is given, and the cost of all that were asked for."""

    quality: float
    cost: float


class Choice(NamedTuple):
    """A prompt as the number decides on it: how it ends where `reading` reaches the number, and where it does not."""

    digest: str
    reading: float
    reached: Course
    below: Course
    strong: float  # the grade of the strong model's answer

    def course(self, number: float) -> Course:
        return self.reached if self.reading >= number else self.below


def acceptance(duel: Duel, calibration: Calibration) -> Choice:
    """A cascade: the strong model is asked where the weak one's confidence does not reach the number.

    Then the more confident of the two answers is given, as the executor does: where only the strong one's reaches the
    number it is the more confident one.
    """
    weak, strong = (_confidence(answer, calibration) for answer in (duel.weak, duel.strong))
    best = duel.weak if weak >= strong else duel.strong
    return Choice(
        duel.digest,
        weak,
        reached=Course(duel.weak.outcome, duel.weak_cost),
        below=Course(best.outcome, duel.weak_cost + duel.strong_cost),
        strong=duel.strong.outcome,
    )


def difficulty(duel: Duel) -> Choice:
    """Routing: the strong model is asked where the prompt's score reaches the number, else the weak one."""
    return Choice(
        duel.digest,
        duel.score or 0.0,
        reached=Course(duel.strong.outcome, duel.strong_cost),
        below=Course(duel.weak.outcome, duel.weak_cost),
        strong=duel.strong.outcome,
    )


class Duels(NamedTuple):
    """The prompts that two models can be compared on, and whether their costs are known."""

    pair: Pair
    priced: bool
    found: list[Duel]


def duels_of(cases: Iterable[Case], pair: Pair, *, wanted: Callable[[GradedAnswer], bool]) -> Duels:
    """The prompts for which both models have an answer that is `wanted`."""
    both = [
        (case, weak, strong)
        for case in cases
        if (weak := case.of(pair.weak)) and (strong := case.of(pair.strong)) and wanted(weak) and wanted(strong)
    ]
    priced = all(None not in (weak.cost_nanousd, strong.cost_nanousd) for _, weak, strong in both)
    return Duels(
        pair,
        priced,
        [
            Duel(case.digest, case.score, weak, strong, *_costs(weak, strong) if priced else (0.0, 1.0))
            for case, weak, strong in both
        ],
    )


def choose_pair(cases: Sequence[Case], weak: str | None, strong: str | None) -> Pair | None:
    """The two models to decide between, as they are named, else those that have most prompts in common.

    Of such pairs it is the one with the best strong model, and the cheapest weak one where costs are known.
    """
    models = sorted({model for case in cases for model in case.answers})
    found: list[tuple[tuple[float, ...], Pair]] = []
    for one, other in combinations(models, 2):
        both = [(a, b) for case in cases if (a := case.of(one)) and (b := case.of(other))]
        if not both:
            continue
        means = {one: fmean(a.outcome for a, _ in both), other: fmean(b.outcome for _, b in both)}
        pair = Pair(one, other) if means[one] < means[other] else Pair(other, one)
        if weak in (one, other) or strong in (one, other):
            named = weak or (one if strong == other else other), strong or (one if weak == other else other)
            pair = Pair(*named)
        if weak not in (None, pair.weak) or strong not in (None, pair.strong) or {*pair} != {one, other}:
            continue
        costs = [answers[pair.weak == other].cost_nanousd for answers in both]
        known = [cost for cost in costs if cost is not None]
        cheapness = -fmean(known) if known and len(known) == len(costs) else 0.0
        found.append(((len(both), means[pair.strong], cheapness, -means[pair.weak]), pair))
    return max(found, default=(None, None))[1]


def tune_number(
    name: str,
    duels: Duels,
    in_force: float,
    share: float,
    *,
    before: Callable[[Duel], Choice],
    after: Callable[[Duel, int | None], Choice],
    settings: Callable[[float], dict[str, Any]],
) -> Part:
    """The number in force against the cheapest one that keeps `share` of the strong model's quality, both on held-out
    prompts. `after` reads a prompt by what is fitted without the prompts of a part, or (None) on all.
    """
    found, pair = duels.found, duels.pair
    gains = [duel.strong.outcome - duel.weak.outcome for duel in found]
    better = sum(gain > 0 for gain in gains)
    if not found or math.fsum(gains) <= 0:
        reason = f"{pair.strong} does no better than {pair.weak} on these prompts" if found else _NO_DUELS
        return Part(name, Finding.NOT_IN_DATA, reason, settings(in_force), prompts=len(found))
    number = fit_number([after(duel, None) for duel in found], share)
    rarer = min(better, len(found) - better)
    if rarer < FEWEST:
        reason = (
            f"{pair.strong} does better on {better} of {len(found)} prompts; it takes {FEWEST} on which it does and "
            f"{FEWEST} on which it does not to tell"
        )
        more = math.ceil((FEWEST - rarer) * (len(found) + 2) / (rarer + 1))
        return Part(
            name, Finding.TOO_LITTLE_DATA, reason, settings(in_force), settings(number), len(found), more_needed=more
        )

    def fit(fold: int, others: list[Duel]) -> tuple[int, float]:
        return fold, fit_number([after(duel, fold) for duel in others], share)

    fits = cross_fitted(found, lambda duel: duel.digest, fit)
    choices = [(before(duel), after(duel, fold)) for duel, (fold, _) in zip(found, fits, strict=True)]
    figures = _figures(
        duels,
        [now.course(in_force) for now, _ in choices],
        [then.course(fitted) for (_, then), (_, fitted) in zip(choices, fits, strict=True)],
        share,
    )
    finding, reason, more_prompts = _judged(figures, len(found))
    return Part(
        name, finding, reason, settings(in_force), settings(number), len(found), 2 * len(found), figures, more_prompts
    )


_NO_DUELS = (
    "no prompt was answered by two models and graded for both: what the other one would have answered is not known"
)


def fit_number(choices: Sequence[Choice], share: float) -> float:
    """The number with the least cost of those that keep `share` of the strong model's quality; if none does, the one
    with the most quality. From 0 to 1, between two readings."""
    if not choices:
        return 0.0
    ordered = sorted(choices, key=lambda choice: choice.reading)
    wanted = share * math.fsum(choice.strong for choice in ordered)
    quality = math.fsum(choice.reached.quality for choice in ordered)
    cost = math.fsum(choice.reached.cost for choice in ordered)
    found = [_Candidate(0.0, quality, cost)]
    for place, choice in enumerate(ordered):
        quality += choice.below.quality - choice.reached.quality
        cost += choice.below.cost - choice.reached.cost
        above = ordered[place + 1].reading if place + 1 < len(ordered) else 1.0
        if choice.reading < above:
            found.append(_Candidate((choice.reading + above) / 2 if place + 1 < len(ordered) else 1.0, quality, cost))
    enough = [candidate for candidate in found if candidate.quality >= wanted - 1e-9]
    if enough:
        best = min(enough, key=lambda candidate: (candidate.cost, -candidate.quality))
    else:
        best = max(found, key=lambda candidate: (candidate.quality, -candidate.cost))
    return round(best.number, _DIGITS)


class _Candidate(NamedTuple):
    number: float
    quality: float
    cost: float


def _figures(duels: Duels, before: Sequence[Course], after: Sequence[Course], share: float) -> tuple[Change, ...]:
    """Mean quality, the mean cost, and what quality is above `share` of the strong model's."""
    asked = [share * duel.strong.outcome for duel in duels.found]
    scale = _PROMPTS if duels.priced else 1
    cost = f"cost of {_PROMPTS:,} prompts ($)" if duels.priced else f"calls of {duels.pair.strong} a prompt"

    def above(courses: Sequence[Course]) -> list[float]:
        return [course.quality - wanted for course, wanted in zip(courses, asked, strict=True)]

    return changes(
        Sample(duel.digest for duel in duels.found),
        [
            ("quality", mean([c.quality for c in before]), mean([c.quality for c in after])),
            (cost, mean([scale * c.cost for c in before]), mean([scale * c.cost for c in after])),
            (f"quality above {share:.0%} of {duels.pair.strong}'s", mean(above(before)), mean(above(after))),
        ],
    )


def _judged(figures: tuple[Change, ...], prompts: int) -> tuple[Finding, str, int | None]:
    """Better, or cheaper without being seen to fall below the quality that was asked for."""
    quality, cost, above = figures
    holds = above.after.high is None or above.after.high >= 0
    if quality.rises:
        return Finding.IMPROVED, f"held-out {quality}; {cost}", None
    if cost.falls and holds:
        return Finding.IMPROVED, f"held-out {cost}; {quality}", None
    if cost.falls:
        return Finding.NO_IMPROVEMENT, f"cheaper, but its held-out quality is {digits(above.after.value)} short", None
    meets = (above.before.value or 0) >= 0
    more = more_needed(prompts, (cost if meets else quality).difference, lower_is_better=meets)
    return Finding.NO_IMPROVEMENT, f"no improvement that the data can show: held-out {quality}; {cost}", more


def _confidence(answer: GradedAnswer, calibration: Calibration) -> float:
    return 0.0 if answer.logit is None else calibrated(answer.logit, calibration)


def _costs(weak: GradedAnswer, strong: GradedAnswer) -> tuple[float, float]:
    return (weak.cost_nanousd or 0) / _DOLLAR, (strong.cost_nanousd or 0) / _DOLLAR
