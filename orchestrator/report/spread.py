"""The mean and the percentiles of latencies."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import NamedTuple

from ..ledger.pace import nearest_rank

_MANY = 4_000  # so many are counted faster than they are sorted


class Spread(NamedTuple):
    """Of some latencies in milliseconds the mean, and percentiles by nearest rank; None if there are none."""

    mean: float | None
    p50: int | None
    p95: int | None


def spread(values: array[int] | None) -> Spread:
    """The mean and the percentiles of latencies in any order."""
    if not values:
        return Spread(None, None, None)
    if len(values) > _MANY:
        counted = Counter(values)
        return Spread(sum(values) / len(values), nearest_rank(counted, 50), nearest_rank(counted, 95))
    ordered = sorted(values)
    p50, p95 = (ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 95))
    return Spread(sum(ordered) / len(ordered), p50, p95)
