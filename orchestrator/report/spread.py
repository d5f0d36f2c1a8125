"""The mean and the percentiles of latencies."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import NamedTuple

from ..ledger.pace import nearest_rank

_MANY = 4_000  # so many are counted faster than they are sorted


_DEARER = 3  # to add a count takes so many times as long as to count a value once more


class Spread(NamedTuple):
    """Of some latencies in milliseconds the mean, and percentiles by nearest rank; None if there are none."""

    mean: float | None
    p50: int | None
    p95: int | None


NO_SPREAD = Spread(None, None, None)


class Together:
    """The latencies of several groups, each group counted or sorted once."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._others = array("I")

    def spread_with(self, values: array[int] | None) -> Spread:
        """The spread of another group, which is added."""
        if not values:
            return NO_SPREAD
        count = len(values)
        if count > _MANY:
            counts = Counter(values)
            if len(counts) * _DEARER < count:
                self._counts.update(counts)
            else:
                self._others.extend(values)
            return _spread(counts)
        self._others.extend(values)
        ordered = sorted(values)
        return Spread(sum(ordered) / count, ordered[-(-count * 50 // 100) - 1], ordered[-(-count * 95 // 100) - 1])

    def spread(self) -> Spread:
        """The spread of all of them."""
        self._counts.update(self._others)
        self._others = array("I")
        return _spread(self._counts)


def _spread(counts: Counter[int]) -> Spread:
    if not counts:
        return NO_SPREAD
    mean = sum(value * count for value, count in counts.items()) / counts.total()
    return Spread(mean, nearest_rank(counts, 50), nearest_rank(counts, 95))
