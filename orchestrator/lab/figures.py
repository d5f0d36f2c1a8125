"""From policies, orderings and confidences to figures with intervals, all of one set on the same resamples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import NamedTuple

from ..deferred import dataclass, replace
from .intervals import RESAMPLES, Estimate, Numbers, Statistic, Weights, estimates, mean, remembered
from .metrics import Confidence, Point, Routing
from .pareto import frontier
from .policies import Column, Policy, Source
from .report import Calibration, Ordering, Row

QUALITY_SHARE = 0.95  # of the strong model's quality: what a saving refers to
_STEPS = 20  # of a band, from no strong calls to all
_MOST_POINTS = 200  # of a curve, for a picture


@dataclass
class Figures:
    """Gathers statistics and works them out together: `add` gives an index into what `estimate` returns.

    `weak` and `strong` are the two models' outcomes, to which some of the figures refer.
    """

    weak: Column
    strong: Column
    resamples: int = RESAMPLES
    seed: int = 0
    progress: Callable[[int, int], None] | None = None
    _statistics: list[Statistic] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bottom, self._top = remembered(mean(self.weak.quality)), remembered(mean(self.strong.quality))

    def over_random(self, quality: Statistic, share: Statistic) -> Statistic:
        """The quality above that of as large a share of strong calls that is drawn at random."""

        def statistic(weights: Weights) -> float | None:
            found, part, bottom, top = quality(weights), share(weights), self._bottom(weights), self._top(weights)
            if found is None or part is None or bottom is None or top is None:
                return None
            return found - (bottom + part * (top - bottom))

        return statistic

    def add(self, statistic: Statistic) -> int:
        """Add a statistic. Returns its place in the estimates."""
        self._statistics.append(statistic)
        return len(self._statistics) - 1

    def estimate(self) -> list[Estimate]:
        """The estimates of all statistics, by one bootstrap."""
        return estimates(
            len(self.weak.quality), self._statistics, resamples=self.resamples, seed=self.seed, progress=self.progress
        )


Found = Sequence[Estimate]


class Sweep(NamedTuple):
    """An ordering at a threshold, as the strategy has it, whose place in the ordering is `at`."""

    name: str
    strategy: str
    threshold: float
    routing: Routing
    at: float


def row_of(policy: Policy, figures: Figures) -> Callable[[Found], Row]:
    """The row of a policy, once the figures are found."""
    of_quality = remembered(mean(policy.quality))
    of_share = None if policy.strong is None else remembered(mean(policy.strong))
    quality, share = figures.add(of_quality), None if of_share is None else figures.add(of_share)
    cost = None if policy.cost is None else figures.add(mean(policy.cost))
    latency = None if policy.latency is None else figures.add(mean(policy.latency))
    over = None
    if policy.source is Source.ENGINE and of_share is not None:
        over = figures.add(figures.over_random(of_quality, of_share))

    def row(estimates: Found) -> Row:
        return Row(
            name=policy.name,
            source=policy.source,
            quality=estimates[quality],
            strong_share=Estimate(None) if share is None else estimates[share],
            cost_nanousd=None if cost is None else estimates[cost],
            latency_ms=None if latency is None else estimates[latency],
            over_random=None if over is None else estimates[over],
            strategy=policy.strategy,
            threshold=policy.threshold,
            attainable=policy.attainable,
            of_pair=policy.of_pair,
        )

    return row


def sweep_row_of(sweep: Sweep, figures: Figures) -> Callable[[Found], Row]:
    """The row of a threshold that follows from an ordering."""

    def part(choose: Callable[[Point], float | None]) -> Statistic:
        def statistic(weights: Weights) -> float | None:
            point = sweep.routing.passed_on(sweep.at, weights)
            return None if point is None else choose(point)

        return statistic

    quality, share, cost = (part(choose) for choose in (_quality, _share, _cost))
    places = [figures.add(statistic) for statistic in (quality, share, cost)]
    over = figures.add(figures.over_random(quality, share))

    def row(estimates: Found) -> Row:
        cost = estimates[places[2]]
        return Row(
            name=sweep.name,
            source=Source.DERIVED,
            quality=estimates[places[0]],
            strong_share=estimates[places[1]],
            cost_nanousd=None if cost.value is None else cost,
            latency_ms=None,
            over_random=estimates[over],
            strategy=sweep.strategy,
            threshold=sweep.threshold,
        )

    return row


def ordering_of(
    name: str, by: str, routing: Routing, figures: Figures, *, turned: bool = False
) -> Callable[[Found], Ordering]:
    """The figures of an ordering over all of its thresholds. `turned` says that the score is a threshold's negative."""
    statistics: tuple[Statistic, ...] = (
        routing.apgr,
        lambda weights: routing.cpt(0.5, weights),
        lambda weights: routing.cpt(0.8, weights),
        lambda weights: routing.share_at_quality(QUALITY_SHARE, weights),
        lambda weights: routing.saving_at_quality(QUALITY_SHARE, weights),
    )
    places = [figures.add(statistic) for statistic in statistics]
    shares = [step / _STEPS for step in range(_STEPS + 1)]
    band = [figures.add(_quality_at(routing, share)) for share in shares]
    sign = -1 if turned else 1

    def ordering(estimates: Found) -> Ordering:
        apgr, cpt_50, cpt_80, share, saving = (estimates[place] for place in places)
        threshold = routing.threshold_at_quality(QUALITY_SHARE)
        points = _thinned(routing.curve())
        return Ordering(
            name=name,
            by=by,
            apgr=apgr,
            cpt_50=cpt_50,
            cpt_80=cpt_80,
            share_at_95=share,
            saving_at_95=saving,
            threshold=None if threshold is None else sign * threshold,
            curve=[
                point if point.threshold is None else point._replace(threshold=sign * point.threshold)
                for point in points
            ],
            band=[(share, routing.cost_at(share), estimates[place]) for share, place in zip(shares, band, strict=True)],
        )

    return ordering


def calibration_of(
    name: str, confidences: Numbers, outcomes: Numbers, figures: Figures, owners: Sequence[int] | None = None
) -> Callable[[Found], Calibration]:
    """The figures of a confidence. Where a prompt has several answers, `owners` has each one's prompt."""
    held = Confidence(confidences, outcomes)

    def of_answers(weights: Weights) -> Weights:
        return weights if weights is None or owners is None else weights[owners]

    statistics: tuple[Statistic, ...] = (
        lambda weights: held.auc(of_answers(weights)),
        lambda weights: held.brier(of_answers(weights)),
        lambda weights: held.ece(of_answers(weights)),
    )
    places = [figures.add(statistic) for statistic in statistics]

    def calibration(estimates: Found) -> Calibration:
        auc, brier, ece = (estimates[place] for place in places)
        acceptable = sum(outcomes) / len(outcomes)
        return Calibration(name, len(outcomes), acceptable, auc, brier, ece, held.reliability())

    return calibration


def with_frontier(rows: Sequence[Row], *, by_cost: bool) -> list[Row]:
    """The rows with those marked that are on the Pareto frontier: no other attainable one is as cheap and better.

    Where costs are not known, the share of strong calls stands for them, among rows that call no third model.
    """

    def place(row: Row) -> float | None:
        if by_cost:
            return None if row.cost_nanousd is None else row.cost_nanousd.value
        return row.strong_share.value if row.of_pair else None

    places = [place(row) if row.attainable else None for row in rows]
    marked = frontier([(where, row.quality.value) for where, row in zip(places, rows, strict=True)])
    return [replace(row, on_frontier=True) if index in marked else row for index, row in enumerate(rows)]


def _quality_at(routing: Routing, share: float) -> Statistic:
    return lambda weights: routing.quality_at(share, weights)


def _thinned(points: Sequence[Point]) -> list[Point]:
    """At most so many points, evenly over the curve, the ends included."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    return [points[round(step * (len(points) - 1) / (_MOST_POINTS - 1))] for step in range(_MOST_POINTS)]


def _quality(point: Point) -> float:
    return point.quality


def _share(point: Point) -> float:
    return point.share


def _cost(point: Point) -> float | None:
    return point.cost
