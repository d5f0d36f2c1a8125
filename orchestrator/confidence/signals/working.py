"""The working that a reply shows: its equations, and what it does with the prompt's numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from ..signal import Answer, Measure

_LARGEST = Fraction(10**12)  # beyond it a number is only large


def working(answer: Answer) -> Iterator[Measure]:
    """Counts are binary logarithms; shares run from 0 to 1."""
    text = answer.text
    equations = text.count("=")
    yield Measure("equations", math.log2(1 + equations), f"{equations} equations")
    numbers = set(answer.numbers)
    given = set(() if answer.asked is None else answer.asked.numbers)
    yield Measure("numbers", math.log2(1 + len(numbers)), f"{len(numbers)} different numbers")
    derived = len(numbers - given)
    yield Measure("new numbers", math.log2(1 + derived), f"{derived} numbers that the prompt has not")
    fractional = sum(number.denominator != 1 for number in numbers)
    yield Measure("fractional numbers", fractional / (1 + len(numbers)), f"{fractional} numbers that are not whole")
    largest = max((abs(number) for number in numbers), default=Fraction(0))
    yield Measure("largest number", _magnitude(largest), f"numbers up to {_shown(largest)}")
    if answer.asked is not None:
        unused = len(given - numbers)
        yield Measure("unused numbers", unused / (1 + len(given)), f"{unused} of the prompt's numbers not used")


def _magnitude(number: Fraction) -> float:
    return math.log10(1 + float(min(number, _LARGEST)))


def _shown(number: Fraction) -> str:
    return f"{float(number):g}" if number < _LARGEST else f"more than {float(_LARGEST):g}"
