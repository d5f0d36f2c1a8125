"""Sums in which each prompt counts as often as its weight says."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add, mul, sub
from typing import TypeVar

T = TypeVar("T", bound=float)

Numbers = Sequence[float]
Weights = Sequence[int] | None  # how often each prompt counts, in the prompts' order; None is once each


def weighed(values: Numbers, weights: Sequence[int]) -> float:
    return float(sum(map(mul, weights, values)))


def picked(values: Sequence[T], order: Sequence[int]) -> list[T]:
    return [values[index] for index in order]


def twice_the_area(across: Numbers, up: Numbers) -> float:
    """Under straight lines from point to point; halved by the caller at the end, so that what is exact stays so."""
    widths = map(sub, across[1:], across[:-1])
    return float(sum(map(mul, widths, map(add, up[1:], up[:-1]))))
