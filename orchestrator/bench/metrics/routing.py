"""What a score is worth that decides which prompts go to the strong model, as RouteLLM measures it.

https://arxiv.org/abs/2406.18665, section 3.2, and its `evals/evaluate.py`. The prompts are ordered by a score, the
highest first; the first share of them goes to the strong model, the others to the weak one. Quality is the mean score
of the answers. PGR, the performance gap recovered, is how far quality has come from the weak model's to the strong
one's:

    PGR(share)  = (quality(share) - quality(weak)) / (quality(strong) - quality(weak))
    APGR        = the integral of PGR over all shares, by the trapezoidal rule
    CPT(x)      = the smallest share of strong calls that reaches PGR = x
    saving at q = 1 - cost(share) / cost(strong), at the smallest share that reaches q times the strong model's quality

RouteLLM evaluates about ten thresholds; here every place where the score changes is one. Prompts with equal scores
count as if in random order: the expected quality then runs straight from one end of the tie to the other, so a score
that tells nothing apart has an APGR of exactly 0.5.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, compress, count, pairwise, repeat
from operator import ge, mul, neg
from typing import NamedTuple

from .weighing import Numbers, Weights, picked, twice_the_area, weighed

Costs = tuple[Numbers, Numbers]


def apgr(scores: Numbers, weak: Numbers, strong: Numbers) -> float | None:
    """Average performance gap recovered, 0.5 for a coin flip. `weak` and `strong` are each prompt's two outcomes."""
    return Routing(scores, weak, strong).apgr()


def cpt(share: float, scores: Numbers, weak: Numbers, strong: Numbers) -> float | None:
    """Call-performance threshold: the share of strong calls, 0 to 1, that recovers `share` of the gap."""
    return Routing(scores, weak, strong).cpt(share)


def saving_at_quality(
    quality: float, scores: Numbers, weak: Numbers, strong: Numbers, costs: Costs | None = None
) -> float | None:
    """What is saved, 0 to 1, against sending all to the strong model, at `quality` times its quality.

    `costs` are each prompt's on the weak and on the strong model; without them the weak model counts as free.
    """
    return Routing(scores, weak, strong, costs).saving_at_quality(quality)


class Point(NamedTuple):
    """A place on the curve: prompts that score at least `threshold` go to the strong model, `share` of them all.

    `threshold` is None where none does. `quality` and `cost` are means a prompt; `cost` is None without costs.
    """

    threshold: float | None
    share: float
    quality: float
    cost: float | None


class Routing:
    """Prompts ordered by a score, and what routing by it comes to. Sequences run in the prompts' order.

    `strong` is what becomes of a prompt that is passed on, and `costs` what it costs in either case. Where that is not
    simply the strong model's (a cascade pays for both answers and may return to the first), `reference` has the
    outcomes and costs of the strong model by itself, to which the figures refer.
    """

    def __init__(
        self,
        scores: Numbers,
        weak: Numbers,
        strong: Numbers,
        costs: Costs | None = None,
        *,
        reference: tuple[Numbers, Numbers | None] | None = None,
    ) -> None:
        self._order = order = sorted(range(len(scores)), key=lambda index: -scores[index])
        self._weak = picked(weak, order)
        self._gains = [strong[index] - weak[index] for index in order]
        self._ends = [a != b for a, b in pairwise(scores[index] for index in order)] + [True] * bool(order)
        self._thresholds = list(compress((scores[index] for index in order), self._ends))
        self._costs = self._strong_costs = None
        self._strong = None if reference is None else picked(reference[0], order)
        if costs is not None:
            self._costs = picked(costs[0], order), [costs[1][index] - costs[0][index] for index in order]
            alone = None if reference is None else reference[1]
            self._strong_costs = picked(costs[1] if alone is None else alone, order)
        self._known: tuple[Weights, _Sums] | None = None

    def apgr(self, weights: Weights = None) -> float | None:
        sums = self._sums(weights)
        return twice_the_area(sums.counts, sums.gains) / 2 / (sums.counts[-1] * sums.gap) if sums.gap > 0 else None

    def cpt(self, share: float, weights: Weights = None) -> float | None:
        """None as well where no share of calls gets that far."""
        sums = self._sums(weights)
        place = sums.crossing(share * sums.gap) if sums.gap > 0 else None
        return None if place is None else place / sums.counts[-1]

    def share_at_quality(self, quality: float, weights: Weights = None) -> float | None:
        """The smallest share of strong calls that reaches `quality` times the strong model's; None if none does."""
        sums = self._sums(weights)
        place = sums.crossing(quality * (sums.weak + sums.gap) - sums.weak)
        return None if place is None or not sums.counts[-1] else place / sums.counts[-1]

    def saving_at_quality(self, quality: float, weights: Weights = None) -> float | None:
        """None as well where no share of calls gets that far."""
        share, sums = self.share_at_quality(quality, weights), self._sums(weights)
        if share is None:
            return None
        place = share * sums.counts[-1]
        if sums.costs is None:
            return 1 - share
        return 1 - sums.at(place, sums.costs) / sums.strong_cost if sums.strong_cost > 0 else None

    def threshold_at_quality(self, quality: float) -> float | None:
        """A threshold that reaches `quality` times the strong model's, midway between two scores; None where none does
        or none is needed."""
        sums = self._sums(None)
        wanted = quality * (sums.weak + sums.gap) - sums.weak
        place = next(compress(count(), map(ge, sums.gains, repeat(wanted))), 0)
        if not place:
            return None
        reached, *lower = self._thresholds[place - 1 : place + 1]
        return (reached + lower[0]) / 2 if lower else reached

    def passed_on(self, threshold: float, weights: Weights = None) -> Point | None:
        """What it comes to if the prompts that score at least `threshold` go to the strong model. None without any."""
        sums = self._sums(weights)
        total = sums.counts[-1]
        if not total:
            return None
        place = bisect_right(self._thresholds, -threshold, key=neg)
        cost = None if sums.costs is None else sums.costs[place] / total
        return Point(threshold, sums.counts[place] / total, (sums.weak + sums.gains[place]) / total, cost)

    def quality_at(self, share: float, weights: Weights = None) -> float | None:
        sums = self._sums(weights)
        total = sums.counts[-1]
        return (sums.weak + sums.at(share * total, sums.gains)) / total if total else None

    def cost_at(self, share: float, weights: Weights = None) -> float | None:
        sums = self._sums(weights)
        total = sums.counts[-1]
        return sums.at(share * total, sums.costs) / total if total and sums.costs is not None else None

    def curve(self, weights: Weights = None) -> list[Point]:
        """From all prompts on the weak model to all on the strong one, a point wherever the score changes."""
        sums = self._sums(weights)
        total = sums.counts[-1]
        if not total:
            return []
        costs: Sequence[float | None] = [None] * len(sums.counts)
        if sums.costs is not None:
            costs = [cost / total for cost in sums.costs]
        columns = zip([None, *self._thresholds], sums.counts, sums.gains, costs, strict=True)
        return [Point(threshold, n / total, (sums.weak + gain) / total, cost) for threshold, n, gain, cost in columns]

    def _sums(self, weights: Weights) -> _Sums:
        """Worked out once for all the figures of one resample."""
        if self._known is None or self._known[0] is not weights:
            self._known = weights, self._sum_up([1] * len(self._order) if weights is None else weights)
        return self._known[1]

    def _sum_up(self, weights: Sequence[int]) -> _Sums:
        counted = picked(weights, self._order)

        def cumulated(values: Numbers, start: float = 0.0) -> list[float]:
            sums = accumulate(map(mul, counted, values), initial=start)
            next(sums)
            return [start, *compress(sums, self._ends)]

        costs, strong_cost = None, 0.0
        if self._costs is not None and self._strong_costs is not None:
            costs = cumulated(self._costs[1], weighed(self._costs[0], counted))
            strong_cost = weighed(self._strong_costs, counted)
        gains, weak = cumulated(self._gains), weighed(self._weak, counted)
        return _Sums(
            counts=[0, *compress(accumulate(counted), self._ends)],
            gains=gains,
            costs=costs,
            weak=weak,
            gap=gains[-1] if self._strong is None else weighed(self._strong, counted) - weak,
            strong_cost=strong_cost,
        )


class _Sums(NamedTuple):
    """Sums over prompts at each place, from no strong calls to all: how many there are, what they gain, and the cost of
    everything; the weak model's outcomes, how much better the strong one's are, and the strong one's cost alone."""

    counts: list[int]
    gains: list[float]
    costs: list[float] | None
    weak: float
    gap: float
    strong_cost: float

    def crossing(self, wanted: float) -> float | None:
        """How many strong calls it takes to gain as much, between two places by a straight line."""
        if wanted <= 0:
            return 0.0
        end = next(compress(count(), map(ge, self.gains, repeat(wanted))), None)
        if end is None:  # by no more than the rounding of a sum, or not to be had
            return float(self.counts[-1]) if wanted - self.gains[-1] < 1e-9 * wanted else None
        left, right = self.gains[end - 1 : end + 1]
        return self.counts[end - 1] + (self.counts[end] - self.counts[end - 1]) * (wanted - left) / (right - left)

    def at(self, place: float, values: Sequence[float]) -> float:
        """What `values`, given at the same places, is after this many strong calls."""
        end = min(bisect_left(self.counts, place), len(self.counts) - 1)
        if self.counts[end] == place or end == 0:
            return values[end]
        span = self.counts[end] - self.counts[end - 1]
        return values[end - 1] + (values[end] - values[end - 1]) * (place - self.counts[end - 1]) / span
