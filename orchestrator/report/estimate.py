"""Sums over days to come, from days that are known, with an interval.

The interval is a prediction interval for the mean of m further days: mean ± t · s · √(1/n + 1/m), with t of n - 1
degrees of freedom (Hahn and Meeker, Statistical Intervals, 1991, section 4.7). It takes days for independent and alike,
so that at least a whole week has to be known, and it says nothing of a use that grows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from ..deferred import dataclass
from .significance import t_quantile

LEAST_DAYS = 7  # whole days for an interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A sum over the days to come, in nano-dollars, and the bounds between which it lies with a chance of 95 %; None if
    too few days are known. A cost is never below 0; a saving may be."""

    expected_nanousd: int
    low_nanousd: int | None
    high_nanousd: int | None


def estimate(daily: Sequence[int], ahead: int, *, least: float = -math.inf) -> Estimate:
    """The sum over `ahead` days like those that are known, in nano-dollars; `least` is what it cannot be below."""
    known, mean = len(daily), fmean(daily)
    if known < LEAST_DAYS:
        return Estimate(round(ahead * mean), None, None)
    reach = t_quantile(known - 1) * stdev(daily) * math.sqrt(1 / known + 1 / ahead)
    return Estimate(
        round(ahead * mean), round(max(least, ahead * (mean - reach))), round(max(least, ahead * (mean + reach)))
    )
