"""Whether two arms differ: Welch's test for means, the two-proportion test for shares, and intervals for both.

Student's t is computed from the regularised incomplete beta function by its continued fraction (Press et al.,
Numerical Recipes in C, 2nd ed., 6.4 and 6.14.9), exact to about 1e-12; nothing is simulated, so that the same data
always gives the same figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, fmean

from ..deferred import dataclass

LEVEL = 0.95
# Below so many subjects in an arm the mean of skewed figures such as costs is not yet near to normal (a rule of thumb).
FEWEST = 30
# Below so many expected of either outcome the normal approximation to a share does not hold (Cochran, 1954).
FEWEST_OUTCOMES = 5
_POWER = 0.8  # with which a difference is to be found, in saying how many subjects that would take (Cohen, 1988)
# Means nearer to each other than this are the same but for the rounding of floats.
_SAME_MEAN = 1e-12
_TINY, _PRECISION, _MOST_STEPS = 1e-300, 1e-14, 10_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean or a share over `count` subjects, with its interval; None of it without subjects."""

    count: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One arm less another: its interval, and how likely one at least as large is where there is none (two-sided)."""

    value: float
    low: float
    high: float
    p: float

    @property
    def shown(self) -> bool:
        """Whether the difference is significant at 5 %."""
        return self.p < 1 - LEVEL


def estimate_mean(values: Sequence[float]) -> Estimate:
    """The mean with Student's interval; without an interval for a single value."""
    if len(values) < 2:
        return Estimate(len(values), values[0] if values else None, None, None)
    mean, half = fmean(values), t_quantile(len(values) - 1) * math.sqrt(_variance(values) / len(values))
    return Estimate(len(values), mean, mean - half, mean + half)


def estimate_share(hits: int, count: int) -> Estimate:
    """The share with Wilson's score interval (1927)."""
    if not count:
        return Estimate(0, None, None, None)
    low, high = wilson(hits, count)
    return Estimate(count, hits / count, low, high)


def welch(one: Sequence[float], other: Sequence[float]) -> Difference:
    """The mean of `one` less that of `other`, which may vary differently (Welch, 1947). Two values each at least."""
    parts = [_variance(values) / len(values) for values in (one, other)]
    value, squared = _less(one, other), sum(parts)
    if squared <= 0:
        return Difference(value, value, value, 0.0 if value else 1.0)
    freedom = squared**2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, (one, other), strict=True))
    half = t_quantile(freedom) * math.sqrt(squared)
    return Difference(value, value - half, value + half, t_two_sided(value / math.sqrt(squared), freedom))


def two_proportions(hits: int, count: int, other_hits: int, other_count: int) -> Difference:
    """One share less another: the pooled z test, with Newcombe's interval (1998, method 10)."""
    one, other = hits / count, other_hits / other_count
    pooled = (hits + other_hits) / (count + other_count)
    error = math.sqrt(pooled * (1 - pooled) * (1 / count + 1 / other_count))
    p = 2 * NormalDist().cdf(-abs(one - other) / error) if error else 1.0
    (low, high), (other_low, other_high) = wilson(hits, count), wilson(other_hits, other_count)
    value = one - other
    return Difference(
        value, value - math.hypot(one - low, other_high - other), value + math.hypot(high - one, other - other_low), p
    )


def subjects_needed(one: Sequence[float], other: Sequence[float]) -> int | None:
    """How many subjects an arm must have to find the difference that there seems to be, four times in five; None if
    there seems to be none."""
    difference = _less(one, other)
    if not difference:
        return None
    reach = normal_quantile() + NormalDist().inv_cdf(_POWER)
    return max(FEWEST, math.ceil(reach**2 * (_variance(one) + _variance(other)) / difference**2))


def wilson(total: float, count: int, *, level: float = LEVEL) -> tuple[float, float]:
    """The interval of the mean of `count` values from 0 to 1, at least one, that add up to `total`.

    It is Wilson's (Probable Inference, the Law of Succession, and Statistical Inference, 1927), meant for shares of yes
    and no. Values in between vary no more than those, so for them it is rather too wide than too narrow.
    """
    z = normal_quantile(level)
    mean, spread = total / count, z * z / count
    middle = mean + spread / 2
    half = z * math.sqrt(mean * (1 - mean) / count + spread / (4 * count))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def normal_quantile(level: float = LEVEL) -> float:
    """The standard normal quantile that leaves as much on either side: 1.959964 for 95 %."""
    return NormalDist().inv_cdf((1 + level) / 2)


def t_two_sided(t: float, freedom: float) -> float:
    """The chance of a Student's t at least this far from 0."""
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


@lru_cache
def t_quantile(freedom: float) -> float:
    """The t beyond which, on both sides together, there is 1 - LEVEL."""
    low, high = 0.0, 1.0
    while t_two_sided(high, freedom) > 1 - LEVEL:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if t_two_sided(middle, freedom) > 1 - LEVEL:
            low = middle
        else:
            high = middle
    return high


def _variance(values: Sequence[float]) -> float:
    """As statistics.variance, which takes ten times as long for its exact fractions. Two values at least."""
    if min(values) == max(values):
        return 0.0  # where the mean is rounded, a constant would differ from it
    mean = fmean(values)
    return math.fsum([(value - mean) ** 2 for value in values]) / (len(values) - 1)


def _less(one: Sequence[float], other: Sequence[float]) -> float:
    """The mean of `one` less that of `other`: 0 where only rounding sets them apart, as it does for one constant."""
    mean, other_mean = fmean(one), fmean(other)
    return 0.0 if math.isclose(mean, other_mean, rel_tol=_SAME_MEAN) else mean - other_mean


def _incomplete_beta(a: float, b: float, x: float) -> float:
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1) / (a + b + 2):
        return math.exp(logarithm) * _continued_fraction(a, b, x) / a
    return 1 - math.exp(logarithm) * _continued_fraction(b, a, 1 - x) / b


def _continued_fraction(a: float, b: float, x: float) -> float:
    """By Lentz's method."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, _MOST_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            result *= d * c
        if abs(d * c - 1) < _PRECISION:
            break
    return result


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
