"""How sure a figure is: percentile bootstrap intervals over prompts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import repeat

from ...deferred import dataclass
from .weighing import Numbers, Weights, weighed

RESAMPLES = 1_000
LEVEL = 0.95
_MOST_UNDEFINED = 0.05  # of the resamples: beyond it an interval would tell of the others only


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval. `value` is None where it is not defined, the bounds where no interval can be given."""

    value: float | None
    low: float | None = None
    high: float | None = None


Statistic = Callable[[Weights], float | None]


def estimates(
    size: int,
    statistics: Sequence[Statistic],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    progress: Callable[[int, int], None] | None = None,
) -> list[Estimate]:
    """Each figure with a percentile bootstrap interval (Efron, 1979): prompts are drawn again with replacement.

    All figures see the same draws, so a difference of two figures, as a statistic of its own, is a paired one. A draw
    that does not define a figure counts for nothing; if those are more than one in twenty there is no interval.
    `progress` is told how many draws of how many are done.
    """
    draws = random.Random(seed)
    found: list[list[float]] = [[] for _ in statistics]
    for done in range(resamples if size > 1 else 0):
        if progress is not None:
            progress(done, resamples)
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
        return (sum(values) if weights is None else weighed(values, weights)) / total if total else None

    return statistic


def remembered(statistic: Statistic) -> Statistic:
    """The same statistic, worked out once for weights that it is asked for several times in a row."""
    latest: list[tuple[Weights, float | None]] = []

    def once(weights: Weights) -> float | None:
        if not latest or latest[0][0] is not weights:
            latest[:] = [(weights, statistic(weights))]
        return latest[0][1]

    return once


def _percentiles(values: list[float], level: float) -> tuple[float, float]:
    """The middle `level` of the values, by linear interpolation between the two nearest ranks."""
    values.sort()
    return _quantile(values, (1 - level) / 2), _quantile(values, (1 + level) / 2)


def _quantile(values: Sequence[float], share: float) -> float:
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)
