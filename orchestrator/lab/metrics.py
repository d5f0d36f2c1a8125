"""What a routing score and a confidence are worth, as figures with intervals. Pure arithmetic.

Each figure takes weights, how often a prompt counts, so that a bootstrap resample is nothing but other weights: the
order is worked out once. A figure that the data do not define (no gap between the models, no wrong answer) is None.

Routing is measured as RouteLLM does (https://arxiv.org/abs/2406.18665, section 3.2, and its `evals/evaluate.py`). The
prompts are ordered by a score, the highest first; the first share of them goes to the strong model, the others to the
weak one. Quality is the mean score of the answers. PGR, the performance gap recovered, is how far quality has come from
the weak model's to the strong one's:

    PGR(share)  = (quality(share) - quality(weak)) / (quality(strong) - quality(weak))
    APGR        = the integral of PGR over all shares, by the trapezoidal rule
    CPT(x)      = the smallest share of strong calls that reaches PGR = x
    saving at q = 1 - cost(share) / cost(strong), at the smallest share that reaches q times the strong model's quality

RouteLLM evaluates about ten thresholds; here every place where the score changes is one. Prompts with equal scores
count as if in random order: the expected quality then runs straight from one end of the tie to the other, so a score
that tells nothing apart has an APGR of exactly 0.5.
"""

from __future__ import annotations

from typing import NamedTuple

from .arrays import Array, np
from .intervals import Numbers, Weights

BINS = 10
Costs = tuple[Numbers, Numbers]


# -- confidence ------------------------------------------------------------------------------------------------------


class Bin(NamedTuple):
    """Answers with a confidence from `low` up to `high`: how many, their mean confidence and their mean outcome."""

    low: float
    high: float
    answers: int
    confidence: float
    outcome: float


class Confidence:
    """Confidences held against outcomes, both 0 to 1. Bins are of equal width (Guo et al., 2017), closed below.

    An outcome between 0 and 1 is right and wrong in part.
    """

    def __init__(self, confidences: Numbers, outcomes: Numbers) -> None:
        known = np.asarray(confidences, float)
        self._order = np.argsort(known, kind="stable")
        self._confidences, self._right = known[self._order], np.asarray(outcomes, float)[self._order]
        self._ends = _ends(self._confidences)
        self._bin = np.minimum((self._confidences * BINS).astype(int), BINS - 1)

    def auc(self, weights: Weights = None) -> float | None:
        """The chance that a right answer has the higher confidence of a right and a wrong one; a tie counts one half.

        The area under the ROC curve, by midranks."""
        in_order, pairs = self.pairs(weights)
        return in_order / pairs if pairs > 0 else None

    def pairs(self, weights: Weights = None) -> tuple[float, float]:
        """How many pairs of a right and a wrong answer are in the right order, a tie as one half; and how many pairs
        there are."""
        counted = _ordered(weights, self._order)
        right = _cumulated(counted * self._right, self._ends)
        wrong = _cumulated(counted * (1 - self._right), self._ends)
        return float(np.trapezoid(wrong, right)), float(right[-1] * wrong[-1])

    def brier(self, weights: Weights = None) -> float | None:
        """The mean of (confidence - outcome)²: 0 is perfect, 0.25 is a constant 0.5 (Brier, 1950)."""
        counted = _ordered(weights, self._order)
        total = counted.sum()
        return float(counted @ (self._confidences - self._right) ** 2 / total) if total else None

    def ece(self, weights: Weights = None) -> float | None:
        """Expected calibration error: how far confidence is off the outcomes, bin by bin, weighted by their sizes."""
        sizes, confidences, outcomes = self._in_bins(weights)
        total = sizes.sum()
        return float(np.abs(confidences - outcomes).sum() / total) if total else None

    def reliability(self, weights: Weights = None) -> list[Bin]:
        """The bins of a reliability diagram, the empty ones left out."""
        return [
            Bin(number / BINS, (number + 1) / BINS, int(size), confidence / size, outcome / size)
            for number, (size, confidence, outcome) in enumerate(self._in_bins(weights).T.tolist())
            if size
        ]

    def _in_bins(self, weights: Weights) -> Array:
        """How many answers are in each bin, and the sums of their confidences and outcomes."""
        counted = _ordered(weights, self._order)
        summed = (counted, counted * self._confidences, counted * self._right)
        return np.array([np.bincount(self._bin, values, BINS) for values in summed])


# -- routing ---------------------------------------------------------------------------------------------------------


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
    outcomes and costs of the strong model by itself, to which the figures refer. Without costs the weak model counts as
    free.
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
        known = np.asarray(scores, float)
        self._order = order = np.argsort(-known, kind="stable")
        self._ends = _ends(known[order])
        self._thresholds = known[order][self._ends]
        self._weak, passed = (np.asarray(values, float)[order] for values in (weak, strong))
        self._gains = passed - self._weak
        self._strong = None if reference is None else np.asarray(reference[0], float)[order]
        self._costs: tuple[Array, Array, Array] | None = None
        if costs is not None:
            alone = None if reference is None else reference[1]
            cheap, dear, strong_costs = (
                np.asarray(values, float)[order] for values in (*costs, costs[1] if alone is None else alone)
            )
            self._costs = cheap, dear - cheap, strong_costs
        self._known: tuple[Weights, _Sums] | None = None

    def apgr(self, weights: Weights = None) -> float | None:
        """Average performance gap recovered, 0.5 for a coin flip."""
        sums = self._sums(weights)
        return float(np.trapezoid(sums.gains, sums.counts) / (sums.counts[-1] * sums.gap)) if sums.gap > 0 else None

    def cpt(self, share: float, weights: Weights = None) -> float | None:
        """Call-performance threshold: the share of strong calls, 0 to 1, that recovers `share` of the gap.

        None as well where no share of calls gets that far."""
        sums = self._sums(weights)
        place = sums.crossing(share * sums.gap) if sums.gap > 0 else None
        return None if place is None else place / sums.total

    def share_at_quality(self, quality: float, weights: Weights = None) -> float | None:
        """The smallest share of strong calls that reaches `quality` times the strong model's; None if none does."""
        sums = self._sums(weights)
        place = sums.crossing(quality * (sums.weak + sums.gap) - sums.weak)
        return None if place is None or not sums.total else place / sums.total

    def saving_at_quality(self, quality: float, weights: Weights = None) -> float | None:
        """What is saved, 0 to 1, against sending all to the strong model, at `quality` times its quality.

        None as well where no share of calls gets that far."""
        share, sums = self.share_at_quality(quality, weights), self._sums(weights)
        if share is None or sums.costs is None:
            return None if share is None else 1 - share
        return 1 - sums.at(share * sums.total, sums.costs) / sums.strong_cost if sums.strong_cost > 0 else None

    def threshold_at_quality(self, quality: float) -> float | None:
        """A threshold that reaches `quality` times the strong model's, midway between two scores; None where none does
        or none is needed."""
        sums = self._sums(None)
        place = _first(sums.gains >= quality * (sums.weak + sums.gap) - sums.weak)
        return float(self._thresholds[place - 1 : place + 1].mean()) if place else None

    def passed_on(self, threshold: float, weights: Weights = None) -> Point | None:
        """What it comes to if the prompts that score at least `threshold` go to the strong model. None without any."""
        sums = self._sums(weights)
        if not sums.total:
            return None
        place = int(np.searchsorted(-self._thresholds, -threshold, side="right"))
        share, quality, cost = sums.means(place)
        return Point(threshold, share, quality, cost)

    def quality_at(self, share: float, weights: Weights = None) -> float | None:
        """The quality at a share of strong calls."""
        sums = self._sums(weights)
        return (sums.weak + sums.at(share * sums.total, sums.gains)) / sums.total if sums.total else None

    def cost_at(self, share: float, weights: Weights = None) -> float | None:
        """The cost at a share of strong calls."""
        sums = self._sums(weights)
        return sums.at(share * sums.total, sums.costs) / sums.total if sums.total and sums.costs is not None else None

    def curve(self, weights: Weights = None) -> list[Point]:
        """From all prompts on the weak model to all on the strong one, a point wherever the score changes."""
        sums = self._sums(weights)
        if not sums.total:
            return []
        thresholds = [None, *self._thresholds.tolist()]
        return [Point(threshold, *sums.means(place)) for place, threshold in enumerate(thresholds)]

    def _sums(self, weights: Weights) -> _Sums:
        """Worked out once for all the figures of one resample."""
        if self._known is None or self._known[0] is not weights:
            self._known = weights, self._sum_up(_ordered(weights, self._order))
        return self._known[1]

    def _sum_up(self, counted: Array) -> _Sums:
        costs, strong_cost, weak = None, 0.0, float(counted @ self._weak)
        if self._costs is not None:
            cheap, more, strong_costs = self._costs
            costs = counted @ cheap + _cumulated(counted * more, self._ends)
            strong_cost = float(counted @ strong_costs)
        counts, gains = _cumulated(counted, self._ends), _cumulated(counted * self._gains, self._ends)
        gap = float(gains[-1]) if self._strong is None else float(counted @ self._strong) - weak
        return _Sums(float(counts[-1]), counts, gains, costs, weak, gap, strong_cost)


class _Sums(NamedTuple):
    """Sums over prompts at each place, from no strong calls to all: how many there are, what they gain, and the cost of
    everything; the weak model's outcomes, how much better the strong one's are, and the strong one's cost alone."""

    total: float
    counts: Array
    gains: Array
    costs: Array | None
    weak: float
    gap: float
    strong_cost: float

    def means(self, place: int) -> tuple[float, float, float | None]:
        """Share of strong calls, quality and cost at a place."""
        cost = None if self.costs is None else float(self.costs[place]) / self.total
        return float(self.counts[place]) / self.total, (self.weak + float(self.gains[place])) / self.total, cost

    def crossing(self, wanted: float) -> float | None:
        """How many strong calls it takes to gain as much, between two places by a straight line."""
        if wanted <= 0:
            return 0.0
        end = _first(self.gains >= wanted)
        if end is None:  # by no more than the rounding of a sum, or not to be had
            return self.total if wanted - self.gains[-1] < 1e-9 * wanted else None
        return float(np.interp(wanted, self.gains[end - 1 : end + 1], self.counts[end - 1 : end + 1]))

    def at(self, place: float, values: Array) -> float:
        """What `values`, given at the same places, is after this many strong calls."""
        return float(np.interp(place, self.counts, values))


def _ordered(weights: Weights, order: Array) -> Array:
    return np.ones(len(order)) if weights is None else np.asarray(weights)[order]


def _ends(ordered: Array) -> Array:
    """The last place of each run of equal values."""
    return np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(ordered) else np.zeros(0, int)


def _cumulated(values: Array, ends: Array) -> Array:
    """0, and the sums up to each of the places."""
    return np.concatenate(([0.0], np.cumsum(values)[ends]))


def _first(which: Array) -> int | None:
    """The first place where it is true."""
    return int(np.argmax(which)) if which.any() else None
