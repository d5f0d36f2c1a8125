"""The Pareto frontier of cost and quality: what cannot be had cheaper without being worse."""

from __future__ import annotations

import math
from collections.abc import Sequence


def frontier(points: Sequence[tuple[float | None, float | None]]) -> set[int]:
    """The indices of the points (cost, quality) than which no other is as cheap and better, or cheaper and as good.

    Of points in the same place the first is on it. A point with an unknown coordinate is not.
    """
    known = [(x, -y, index) for index, (x, y) in enumerate(points) if x is not None and y is not None]
    best, efficient = math.inf, set()
    for _, turned, index in sorted(known):
        if turned < best:
            best = turned
            efficient.add(index)
    return efficient
