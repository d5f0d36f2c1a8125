"""Two models and the prompts that both answered: what giving an answer of the one or the other comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from statistics import fmean
from typing import NamedTuple

from ..confidence.strength import is_kept, later_bonus
from ..config.tuned import Calibration
from ..reading.complexity import Evidence
from ..types import Level
from .tune.cases import Case, GradedAnswer

_DOLLAR = 1e9


class ModelPair(NamedTuple):
    """The two models between which is decided."""

    weak: str
    strong: str


class Course(NamedTuple):
    """How a prompt ends: the grade of the answer that is given, and the cost of all that were asked for."""

    quality: float
    cost: float


class PairedAnswers(NamedTuple):
    """A prompt that both models answered. Costs are in dollars, or in calls of the strong model (`priced` says)."""

    digest: str
    score: float | None
    evidence: Evidence | None
    weak: GradedAnswer
    strong: GradedAnswer
    weak_cost: float
    strong_cost: float
    level: Level | None = None

    @property
    def weak_alone(self) -> Course:
        """What the weak model comes to alone."""
        return Course(self.weak.outcome, self.weak_cost)

    @property
    def strong_alone(self) -> Course:
        """What the strong model comes to alone."""
        return Course(self.strong.outcome, self.strong_cost)


class Choice(NamedTuple):
    """A prompt as the number decides on it: how it ends where `reading` reaches the number, and where it does not."""

    digest: str
    reading: float
    reached: Course
    below: Course
    strong: float  # the grade of the strong model's answer

    def course(self, number: float) -> Course:
        return self.reached if self.reading >= number else self.below


def cascaded(
    digest: str, confidences: tuple[float, float], weak: Course, strong: Course, bonus: float | None = None
) -> Choice:
    """A cascade: the strong model is asked where the weak one's confidence does not reach the number.

    Then the answer that counts more is given, as the executor does: where only the strong one's reaches the number it
    does. `confidences` are those in the weak and in the strong answer; `weak` and `strong` are what each model comes to
    alone; `bonus` is what the strong one's answer starts with, in logits, by default that of a model rated better.
    """
    unsure, sure = confidences
    best = strong if is_kept(sure, unsure, later_bonus(0.0, 1.0) if bonus is None else bonus) else weak
    below = Course(best.quality, weak.cost + strong.cost)
    return Choice(digest, unsure, reached=weak, below=below, strong=strong.quality)


def routed(digest: str, score: float, weak: Course, strong: Course) -> Choice:
    """Routing: the strong model is asked where the prompt's score reaches the number, else the weak one."""
    return Choice(digest, score, reached=strong, below=weak, strong=strong.quality)


def acceptance(paired: PairedAnswers, calibration: Calibration) -> Choice:
    """What a cascade comes to for a prompt, with this calibration."""
    weak, strong = (_confidence(answer, calibration) for answer in (paired.weak, paired.strong))
    return cascaded(paired.digest, (weak, strong), paired.weak_alone, paired.strong_alone)


def difficulty(paired: PairedAnswers, score: float) -> Choice:
    """What routing comes to for a prompt with this score."""
    return routed(paired.digest, score, paired.weak_alone, paired.strong_alone)


class Comparison(NamedTuple):
    """The prompts that two models can be compared on, and whether their costs are known."""

    pair: ModelPair
    priced: bool
    pairs: list[PairedAnswers]


def comparison_of(cases: Iterable[Case], pair: ModelPair, *, wanted: Callable[[GradedAnswer], bool]) -> Comparison:
    """The prompts for which both models have an answer that is `wanted`."""
    both = [
        (case, weak, strong)
        for case in cases
        if (weak := case.of(pair.weak)) and (strong := case.of(pair.strong)) and wanted(weak) and wanted(strong)
    ]
    priced = all(None not in (weak.cost_nanousd, strong.cost_nanousd) for _, weak, strong in both)
    return Comparison(
        pair,
        priced,
        [
            PairedAnswers(
                case.digest,
                case.score,
                case.evidence,
                weak,
                strong,
                *(_costs(weak, strong) if priced else (0.0, 1.0)),
                case.level,
            )
            for case, weak, strong in both
        ],
    )


def choose_pair(cases: Sequence[Case], weak: str | None, strong: str | None) -> ModelPair | None:
    """The two models to decide between, as they are named, else those that have most prompts in common.

    Of such pairs it is the one with the best strong model, and the cheapest weak one where costs are known.
    """
    models = sorted({model for case in cases for model in case.answers})
    candidates: list[tuple[tuple[float, ...], ModelPair]] = []
    for one, other in combinations(models, 2):
        both = [(a, b) for case in cases if (a := case.of(one)) and (b := case.of(other))]
        if not both:
            continue
        means = {one: fmean(a.outcome for a, _ in both), other: fmean(b.outcome for _, b in both)}
        pair = ModelPair(one, other) if means[one] < means[other] else ModelPair(other, one)
        if weak in (one, other) or strong in (one, other):
            named = weak or (one if strong == other else other), strong or (one if weak == other else other)
            pair = ModelPair(*named)
        if weak not in (None, pair.weak) or strong not in (None, pair.strong) or {*pair} != {one, other}:
            continue
        costs = [answers[pair.weak == other].cost_nanousd for answers in both]
        known = [cost for cost in costs if cost is not None]
        cheapness = -fmean(known) if known and len(known) == len(costs) else 0.0
        candidates.append(((len(both), means[pair.strong], cheapness, -means[pair.weak]), pair))
    return max(candidates, default=(None, None))[1]


def _confidence(answer: GradedAnswer, calibration: Calibration) -> float:
    return 0.0 if answer.logit is None else calibration.confidence(answer.logit)


def _costs(weak: GradedAnswer, strong: GradedAnswer) -> tuple[float, float]:
    return (weak.cost_nanousd or 0) / _DOLLAR, (strong.cost_nanousd or 0) / _DOLLAR
