"""How sure a figure is: percentile bootstrap intervals over prompts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from ..deferred import dataclass
from .arrays import Array, np

RESAMPLES = 1_000
LEVEL = 0.95
_MOST_UNDEFINED = 0.05  # of the resamples: beyond it an interval would tell of the others only

Numbers = Sequence[float]
Weights = Array | None  # how often each prompt counts, in the prompts' order; None is once each
Statistic = Callable[[Weights], float | None]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval. `value` is None where it is not defined, the bounds where no interval can be given."""

    value: float | None
    low: float | None = None
    high: float | None = None


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
    samples: list[list[float]] = [[] for _ in statistics]
    for done, weights in enumerate(resampled(size, seed, resamples) if size > 1 else ()):
        if progress is not None:
            progress(done, resamples)
        for values, statistic in zip(samples, statistics, strict=True):
            if (value := statistic(weights)) is not None:
                values.append(value)
    enough, middle = (1 - _MOST_UNDEFINED) * resamples, ((1 - level) / 2, (1 + level) / 2)
    return [
        Estimate(statistic(None), *(np.quantile(values, middle).tolist() if values and len(values) >= enough else ()))
        for statistic, values in zip(statistics, samples, strict=True)
    ]


def resampled(size: int, seed: int, resamples: int) -> Iterator[Array]:
    """How often each of `size` prompts is drawn in as many draws with replacement, for each resample.

    The draws are those of `random.Random(seed).random`, the one sequence that Python promises not to change.
    """
    _, state, _ = random.Random(seed).getstate()
    draws = np.random.RandomState()
    draws.set_state(("MT19937", np.asarray(state[:-1], np.uint32), state[-1], 0, 0.0))
    for _ in range(resamples):
        yield np.bincount((draws.random_sample(size) * size).astype(int), minlength=size)


def mean(values: Numbers, places: Sequence[int] | None = None) -> Statistic:
    """The mean of `values` as a statistic; those of some prompts only where `places` has each one's."""
    known = np.asarray(values, float)

    def statistic(weights: Weights) -> float | None:
        counted = np.ones(len(known)) if weights is None else weights if places is None else weights[places]
        total = counted.sum()
        return float(counted @ known / total) if total else None

    return statistic


def remembered(statistic: Statistic) -> Statistic:
    """The same statistic, worked out once for weights that it is asked for several times in a row."""
    latest: list[tuple[Weights, float | None]] = []

    def once(weights: Weights) -> float | None:
        if not latest or latest[0][0] is not weights:
            latest[:] = [(weights, statistic(weights))]
        return latest[0][1]

    return once
