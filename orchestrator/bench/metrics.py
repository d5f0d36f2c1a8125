"""What a routing score and a confidence are worth, as figures with intervals. Pure arithmetic.

Routing is measured as RouteLLM does (https://arxiv.org/abs/2406.18665, section 3.2; its `evals/evaluate.py`). The
prompts are ordered by a score, the highest first, and the first share of them goes to the strong model, the others to
the weak one. Quality is the mean score of the answers. PGR, the performance gap recovered, is how far quality has come
from the weak model's to the strong one's:

    PGR(share)  = (quality(share) - quality(weak)) / (quality(strong) - quality(weak))
    APGR        = the integral of PGR over all shares, by the trapezoidal rule
    CPT(x)      = the smallest share of strong calls that reaches PGR = x
    saving at q = 1 - cost(share) / cost(strong), at the smallest share that reaches q times the strong model's quality

RouteLLM evaluates about ten thresholds; here every place where the score changes is one. Prompts with equal scores
count as if in random order: the expected quality then runs straight from one end of the tie to the other, so a score
that tells nothing apart has an APGR of exactly 0.5.

Each figure takes weights, how often a prompt counts, so that a bootstrap resample is nothing but other weights: the
order is worked out once. A figure that the data do not define (no gap between the models, no wrong answer) is None.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress, count, pairwise, repeat
from operator import add, ge, mul, sub
from typing import NamedTuple, TypeVar

BINS = 10
RESAMPLES = 1_000
LEVEL = 0.95
_MOST_UNDEFINED = 0.05  # of the resamples: beyond it an interval would tell of the others only

T = TypeVar("T", bound=float)
Numbers = Sequence[float]
Weights = Sequence[int] | None


def apgr(scores: Numbers, weak: Numbers, strong: Numbers) -> float | None:
    """Average performance gap recovered, 0.5 for a coin flip. `weak` and `strong` are each prompt's two outcomes."""
    return Routing(scores, weak, strong).apgr()


def cpt(share: float, scores: Numbers, weak: Numbers, strong: Numbers) -> float | None:
    """Call-performance threshold: the share of strong calls, 0 to 1, that recovers `share` of the gap."""
    return Routing(scores, weak, strong).cpt(share)


def saving_at_quality(
    quality: float, scores: Numbers, weak: Numbers, strong: Numbers, costs: tuple[Numbers, Numbers] | None = None
) -> float | None:
    """What is saved, 0 to 1, against sending all to the strong model, at `quality` times its quality.

    `costs` are each prompt's on the weak and on the strong model; without them the weak model counts as free.
    """
    return Routing(scores, weak, strong, costs).saving_at_quality(quality)


class Point(NamedTuple):
    """A place on the curve: the share of strong calls, the mean quality, and the mean cost (None without costs)."""

    share: float
    quality: float
    cost: float | None


class Routing:
    """Prompts ordered by a score, and what routing by it comes to. Sequences run in the prompts' order."""

    def __init__(
        self, scores: Numbers, weak: Numbers, strong: Numbers, costs: tuple[Numbers, Numbers] | None = None
    ) -> None:
        self._order = sorted(range(len(scores)), key=lambda index: -scores[index])
        self._weak = _picked(weak, self._order)
        self._gains = [strong[index] - weak[index] for index in self._order]
        self._ends = [a != b for a, b in pairwise(scores[index] for index in self._order)] + [True] * bool(self._order)
        self._costs = None
        if costs is not None:
            self._costs = _picked(costs[0], self._order), [costs[1][i] - costs[0][i] for i in self._order]

    def apgr(self, weights: Weights = None) -> float | None:
        sums = self._sums(weights)
        total, gap = sums.counts[-1], sums.gains[-1]
        if gap <= 0:
            return None
        return _twice_the_area(sums.counts, sums.gains) / 2 / (total * gap)

    def cpt(self, share: float, weights: Weights = None) -> float | None:
        sums = self._sums(weights)
        return None if sums.gains[-1] <= 0 else sums.crossing(share * sums.gains[-1]) / sums.counts[-1]

    def saving_at_quality(self, quality: float, weights: Weights = None) -> float | None:
        sums = self._sums(weights)
        counted = self._weights(weights)
        weak = _dot(counted, self._weak)
        wanted = quality * (weak + sums.gains[-1]) - weak
        place = sums.crossing(wanted)
        if self._costs is None:
            return 1 - place / sums.counts[-1] if sums.counts[-1] else None
        weak_cost, extra = _dot(counted, self._costs[0]), self._cumulated(self._costs[1], counted)
        strong_cost = weak_cost + extra[-1]
        return 1 - (weak_cost + sums.at(place, extra)) / strong_cost if strong_cost > 0 else None

    def curve(self, weights: Weights = None) -> list[Point]:
        """From all prompts on the weak model to all on the strong one, a point wherever the score changes."""
        sums, counted = self._sums(weights), self._weights(weights)
        total, weak = sums.counts[-1], _dot(counted, self._weak)
        if not total:
            return []
        costs: Sequence[float | None] = [None] * len(sums.counts)
        if self._costs is not None:
            weak_cost = _dot(counted, self._costs[0])
            costs = [(weak_cost + extra) / total for extra in self._cumulated(self._costs[1], counted)]
        return [
            Point(n / total, (weak + gain) / total, cost)
            for n, gain, cost in zip(sums.counts, sums.gains, costs, strict=True)
        ]

    def _weights(self, weights: Weights) -> list[int]:
        return [1] * len(self._order) if weights is None else _picked(weights, self._order)

    def _cumulated(self, values: Numbers, counted: Sequence[int]) -> list[float]:
        return [0.0, *compress(accumulate(map(mul, counted, values)), self._ends)]

    def _sums(self, weights: Weights) -> _Sums:
        counted = self._weights(weights)
        return _Sums([0, *compress(accumulate(counted), self._ends)], self._cumulated(self._gains, counted))


class _Sums(NamedTuple):
    """How many prompts go to the strong model, and what that gains, from none of them to all."""

    counts: list[int]
    gains: list[float]

    def crossing(self, wanted: float) -> float:
        """How many strong calls it takes to gain as much, between two places by a straight line; all at most."""
        if wanted <= 0:
            return 0.0
        end = next(compress(count(), map(ge, self.gains, repeat(wanted))), None)
        if end is None:
            return float(self.counts[-1])
        left, right = self.gains[end - 1 : end + 1]
        return self.counts[end - 1] + (self.counts[end] - self.counts[end - 1]) * (wanted - left) / (right - left)

    def at(self, place: float, values: Sequence[float]) -> float:
        """What `values`, given at the same places, is after this many strong calls."""
        end = next(compress(count(), map(ge, self.counts, repeat(place))), len(self.counts) - 1)
        if self.counts[end] == place or end == 0:
            return values[end]
        span = self.counts[end] - self.counts[end - 1]
        return values[end - 1] + (values[end] - values[end - 1]) * (place - self.counts[end - 1]) / span


def auc(confidences: Numbers, outcomes: Numbers) -> float | None:
    """The chance that a right answer has the higher confidence of a right and a wrong one; a tie counts one half.

    The area under the ROC curve, by midranks. An outcome between 0 and 1 is right and wrong in part.
    """
    return Confidence(confidences, outcomes).auc()


def brier(confidences: Numbers, outcomes: Numbers) -> float | None:
    """The mean of (confidence - outcome)²: 0 is perfect, 0.25 is a constant 0.5 (Brier, 1950)."""
    return Confidence(confidences, outcomes).brier()


def ece(confidences: Numbers, outcomes: Numbers) -> float | None:
    """Expected calibration error: how far confidence is off the outcomes, bin by bin, weighted by their sizes."""
    return Confidence(confidences, outcomes).ece()


def reliability(confidences: Numbers, outcomes: Numbers) -> list[Bin]:
    """The bins of a reliability diagram, the empty ones left out."""
    return Confidence(confidences, outcomes).reliability()


class Bin(NamedTuple):
    """Answers with a confidence from `low` up to `high`: how many, their mean confidence and their mean outcome."""

    low: float
    high: float
    answers: int
    confidence: float
    outcome: float


class Confidence:
    """Confidences held against outcomes, both 0 to 1. Bins are of equal width (Guo et al., 2017), closed below."""

    def __init__(self, confidences: Numbers, outcomes: Numbers) -> None:
        self._order = sorted(range(len(confidences)), key=confidences.__getitem__)
        ordered = _picked(confidences, self._order)
        self._right = _picked(outcomes, self._order)
        self._wrong = [1 - right for right in self._right]
        self._ends = [a != b for a, b in pairwise(ordered)] + [True] * bool(ordered)
        self._confidences = ordered
        self._squares = [(a - b) ** 2 for a, b in zip(ordered, self._right, strict=True)]
        bins = [min(int(confidence * BINS), BINS - 1) for confidence in ordered]
        self._bounds = [sum(1 for found in bins if found < number) for number in range(BINS + 1)]

    def auc(self, weights: Weights = None) -> float | None:
        counted = self._weights(weights)
        right: list[float] = [0.0, *compress(accumulate(map(mul, counted, self._right)), self._ends)]
        wrong: list[float] = [0.0, *compress(accumulate(map(mul, counted, self._wrong)), self._ends)]
        if right[-1] <= 0 or wrong[-1] <= 0:
            return None
        return _twice_the_area(right, wrong) / 2 / (right[-1] * wrong[-1])

    def brier(self, weights: Weights = None) -> float | None:
        counted = self._weights(weights)
        total = sum(counted)
        return _dot(counted, self._squares) / total if total else None

    def ece(self, weights: Weights = None) -> float | None:
        bins = self.reliability(weights)
        total = sum(found.answers for found in bins)
        return sum(found.answers * abs(found.confidence - found.outcome) for found in bins) / total if total else None

    def reliability(self, weights: Weights = None) -> list[Bin]:
        counted = self._weights(weights)
        bins = []
        for number, (start, end) in enumerate(pairwise(self._bounds)):
            part = counted[start:end]
            if size := sum(part):
                confidence = _dot(part, self._confidences[start:end]) / size
                outcome = _dot(part, self._right[start:end]) / size
                bins.append(Bin(number / BINS, (number + 1) / BINS, size, confidence, outcome))
        return bins

    def _weights(self, weights: Weights) -> list[int]:
        return [1] * len(self._order) if weights is None else _picked(weights, self._order)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval. `value` is None where it is not defined, the bounds where no interval can be given."""

    value: float | None
    low: float | None = None
    high: float | None = None


Statistic = Callable[[Weights], float | None]


def estimates(
    size: int, statistics: Sequence[Statistic], *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> list[Estimate]:
    """Each figure with a percentile bootstrap interval (Efron, 1979): prompts are drawn again with replacement.

    All figures see the same draws, so a difference of two figures, as a statistic of its own, is a paired one. A draw
    that does not define a figure counts for nothing; if those are more than one in twenty there is no interval.
    """
    draws = random.Random(seed)
    found: list[list[float]] = [[] for _ in statistics]
    for _ in range(resamples if size > 1 else 0):
        weights = resampled(size, draws)
        for values, statistic in zip(found, statistics, strict=True):
            if (value := statistic(weights)) is not None:
                values.append(value)
    enough = (1 - _MOST_UNDEFINED) * resamples
    return [
        Estimate(statistic(None), *(_percentiles(values, level) if values and len(values) >= enough else (None, None)))
        for statistic, values in zip(statistics, found, strict=True)
    ]


def resampled(size: int, draws: random.Random) -> list[int]:
    """How often each of `size` prompts is drawn in as many draws with replacement."""
    uniform = draws.random  # of all of `random`, the one sequence that Python promises not to change
    drawn = Counter([int(uniform() * size) for _ in repeat(None, size)])
    return list(map(drawn.get, range(size), repeat(0)))


def mean(values: Numbers) -> Statistic:
    """The mean of `values` as a statistic."""

    def statistic(weights: Weights) -> float | None:
        total = len(values) if weights is None else sum(weights)
        return (sum(values) if weights is None else _dot(weights, values)) / total if total else None

    return statistic


def _percentiles(values: list[float], level: float) -> tuple[float, float]:
    """The middle `level` of the values, by linear interpolation between the two nearest ranks."""
    values.sort()
    return _quantile(values, (1 - level) / 2), _quantile(values, (1 + level) / 2)


def _quantile(values: Sequence[float], share: float) -> float:
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def _twice_the_area(across: Numbers, up: Numbers) -> float:
    """Under straight lines from point to point; halved at the end, so that what is exact stays so."""
    widths = map(sub, across[1:], across[:-1])
    return float(sum(map(mul, widths, map(add, up[1:], up[:-1]))))


def _dot(weights: Sequence[int], values: Numbers) -> float:
    return float(sum(map(mul, weights, values)))


def _picked(values: Sequence[T], order: Sequence[int]) -> list[T]:
    return [values[index] for index in order]
