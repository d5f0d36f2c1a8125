"""Means and percentiles from a histogram: a latency in milliseconds, and how many calls took exactly that long."""

from __future__ import annotations

from collections.abc import Mapping


def mean(histogram: Mapping[int, int]) -> float | None:
    """In milliseconds; None without calls."""
    calls = sum(histogram.values())
    return sum(ms * count for ms, count in histogram.items()) / calls if calls else None


def percentile(histogram: Mapping[int, int], percent: int) -> int | None:
    """By nearest rank: the smallest latency that at least `percent` % of the calls did not exceed; None without calls.

    So it is always the latency of some call, and exact: nothing is interpolated.
    """
    rank = -(-sum(histogram.values()) * percent // 100)
    seen = 0
    for ms in sorted(histogram):
        seen += histogram[ms]
        if seen >= rank:
            return ms
    return None
