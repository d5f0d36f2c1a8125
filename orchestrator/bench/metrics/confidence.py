"""What a confidence is worth: whether it tells right answers from wrong ones, and whether it means what it says."""

from __future__ import annotations

from itertools import accumulate, compress, pairwise
from operator import mul
from typing import NamedTuple

from .weighing import Numbers, Weights, picked, twice_the_area, weighed

BINS = 10


def auc(confidences: Numbers, outcomes: Numbers) -> float | None:
    """The chance that a right answer has the higher confidence of a right and a wrong one; a tie counts one half.

    The area under the ROC curve, by midranks. An outcome between 0 and 1 is right and wrong in part.
    """
    return Confidence(confidences, outcomes).auc()


def brier(confidences: Numbers, outcomes: Numbers) -> float | None:
    """The mean of (confidence - outcome)²: 0 is perfect, 0.25 is a constant 0.5 (Brier, 1950)."""
    return Confidence(confidences, outcomes).brier()


def ece(confidences: Numbers, outcomes: Numbers) -> float | None:
    """Expected calibration error: how far confidence is off the outcomes, bin by bin, weighted by their sizes."""
    return Confidence(confidences, outcomes).ece()


def reliability(confidences: Numbers, outcomes: Numbers) -> list[Bin]:
    """The bins of a reliability diagram, the empty ones left out."""
    return Confidence(confidences, outcomes).reliability()


class Bin(NamedTuple):
    """Answers with a confidence from `low` up to `high`: how many, their mean confidence and their mean outcome."""

    low: float
    high: float
    answers: int
    confidence: float
    outcome: float


class Confidence:
    """Confidences held against outcomes, both 0 to 1. Bins are of equal width (Guo et al., 2017), closed below."""

    def __init__(self, confidences: Numbers, outcomes: Numbers) -> None:
        self._order = sorted(range(len(confidences)), key=confidences.__getitem__)
        ordered = picked(confidences, self._order)
        self._right = picked(outcomes, self._order)
        self._wrong = [1 - right for right in self._right]
        self._ends = [a != b for a, b in pairwise(ordered)] + [True] * bool(ordered)
        self._confidences = ordered
        self._squares = [(a - b) ** 2 for a, b in zip(ordered, self._right, strict=True)]
        bins = [min(int(confidence * BINS), BINS - 1) for confidence in ordered]
        self._bounds = [sum(1 for found in bins if found < number) for number in range(BINS + 1)]

    def auc(self, weights: Weights = None) -> float | None:
        counted = self._weights(weights)
        right: list[float] = [0.0, *compress(accumulate(map(mul, counted, self._right)), self._ends)]
        wrong: list[float] = [0.0, *compress(accumulate(map(mul, counted, self._wrong)), self._ends)]
        if right[-1] <= 0 or wrong[-1] <= 0:
            return None
        return twice_the_area(right, wrong) / 2 / (right[-1] * wrong[-1])

    def brier(self, weights: Weights = None) -> float | None:
        counted = self._weights(weights)
        total = sum(counted)
        return weighed(self._squares, counted) / total if total else None

    def ece(self, weights: Weights = None) -> float | None:
        bins = self.reliability(weights)
        total = sum(found.answers for found in bins)
        return sum(found.answers * abs(found.confidence - found.outcome) for found in bins) / total if total else None

    def reliability(self, weights: Weights = None) -> list[Bin]:
        counted = self._weights(weights)
        bins = []
        for number, (start, end) in enumerate(pairwise(self._bounds)):
            part = counted[start:end]
            if size := sum(part):
                confidence = weighed(self._confidences[start:end], part) / size
                outcome = weighed(self._right[start:end], part) / size
                bins.append(Bin(number / BINS, (number + 1) / BINS, size, confidence, outcome))
        return bins

    def _weights(self, weights: Weights) -> list[int]:
        return [1] * len(self._order) if weights is None else picked(weights, self._order)
