"""Logistic regression with a ridge penalty, and broken lines as its columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

KNOTS = (0.03, 0.35, 0.65, 0.97)  # quantiles
DIGITS = 3  # of what is written: more would hang on the order of sums


@dataclass(frozen=True)
class Basis:
    """The columns of one measure: hinges at its knots, centred and scaled where it can be taken, 0 elsewhere."""

    knots: list[float]
    centre: Array
    scale: Array

    @classmethod
    def of(cls, values: Array) -> Basis:
        knots = sorted({round(float(knot), DIGITS) for knot in np.quantile(values, KNOTS)})
        if len(knots) < 2:
            knots = [float(values.min()), float(values.max())]
        hinges = _hinges(values, knots)
        scale = hinges.std(axis=0)
        return cls(knots, hinges.mean(axis=0), np.where(scale > 1e-9, scale, np.inf))

    def columns(self, values: Array) -> Array:
        return (_hinges(values, self.knots) - self.centre) / self.scale

    def curve(self, weights: Array) -> tuple[list[float], list[float]]:
        """The knots, and the logits at each."""
        return self.knots, [rounded(float(logit)) for logit in self.columns(np.array(self.knots)) @ weights]


def _hinges(values: Array, knots: Sequence[float]) -> Array:
    """The value itself, kept between the outer knots, and how far it is beyond each inner one."""
    inside = np.clip(values, knots[0], knots[-1])
    return np.stack([inside, *(np.maximum(0, inside - knot) for knot in knots[1:-1])], axis=1)


def rounded(value: float) -> float:
    """As it is written, without a minus before 0."""
    return round(value, DIGITS) + 0.0


def sigmoid(logits: Array) -> Array:
    """The chances of logits."""
    chances: Array = 1 / (1 + np.exp(-logits))
    return chances


def logistic_regression(
    design: Array, outcome: Array, offset: Array, penalties: Array, weight: Array
) -> tuple[float, Array]:
    """Intercept (not penalised) and weights, by Newton's method. Outcomes may lie between 0 and 1."""
    full = np.hstack([np.ones((len(design), 1)), design])
    penalty = np.concatenate([[1e-6], penalties])
    weights = np.zeros(full.shape[1])
    for _ in range(50):
        chance = sigmoid(full @ weights + offset)
        gradient = full.T @ (weight * (outcome - chance)) - penalty * weights
        curvature = (full * (weight * chance * (1 - chance))[:, None]).T @ full + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-6:  # the next one would be its square
            break
    return float(weights[0]), weights[1:]
