"""The mean from a histogram: a latency in milliseconds, and how many calls took exactly that long."""

from __future__ import annotations

from collections.abc import Mapping


def mean(histogram: Mapping[int, int]) -> float | None:
    """In milliseconds; None without calls."""
    calls = sum(histogram.values())
    return sum(ms * count for ms, count in histogram.items()) / calls if calls else None
