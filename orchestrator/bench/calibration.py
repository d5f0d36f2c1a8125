"""Calibration: the line on the logit of a confidence that makes it the chance it claims to be.

    confidence = 1 / (1 + exp(-(slope * logit + intercept)))

The line is fitted by maximum likelihood (J. Platt, Probabilistic Outputs for Support Vector Machines, 1999), with
Platt's targets: instead of 1 and 0, the chances that a further right and a further wrong answer would be expected to
have under a uniform prior, so that answers that a line tells apart completely still give a finite one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, pstdev

from ..settings import Calibration

_ITERATIONS = 100
_RIDGE = 1e-12  # keeps the Hessian invertible where all logits are the same
_SMALLEST_STEP = 1e-10
_LEAST_DESCENT = 1e-14  # of the mean loss, in nats: the fit is over
_SURE = 1e-15  # a chance of exactly 0 or 1 has no finite loss when it is wrong


def logistic(logit: float) -> float:
    """1 / (1 + exp(-logit)), for any finite logit."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    power = math.exp(logit)
    return power / (1 + power)


def calibrated(logit: float, calibration: Calibration) -> float:
    """The confidence, 0 to 1, of evidence that adds up to `logit`."""
    return logistic(calibration.slope * logit + calibration.intercept)


def losses(confidences: Sequence[float], outcomes: Sequence[float]) -> list[float]:
    """Each answer's loss in nats, -log of the chance that was given to what happened. An outcome may be in between."""
    return [
        -(outcome * math.log(max(chance, _SURE)) + (1 - outcome) * math.log(max(1 - chance, _SURE)))
        for chance, outcome in zip(confidences, outcomes, strict=True)
    ]


def fit_calibration(logits: Sequence[float], outcomes: Sequence[float]) -> Calibration:
    """The likeliest line. Outcomes are 0 to 1. Without any answer it is the identity; where all logits are the same it
    is level.

    Newton's method with backtracking, as in Lin, Lin and Weng, A Note on Platt's Probabilistic Outputs for Support
    Vector Machines (Machine Learning 68, 2007), on logits brought to mean 0 and deviation 1. The loss is convex, so
    there is one answer; from a level line at the mean target Newton's steps never start where the loss is flat.
    """
    if not logits:
        return Calibration()
    targets = _targets(outcomes)
    center, scale = fmean(logits), pstdev(logits) or 1.0
    slope, intercept = _descend([(logit - center) / scale for logit in logits], targets)
    return Calibration(slope / scale, intercept - slope * center / scale)


def _descend(logits: Sequence[float], targets: Sequence[float]) -> tuple[float, float]:
    mean = fmean(targets)
    slope, intercept = 0.0, math.log(mean / (1 - mean))
    loss = _loss(logits, targets, slope, intercept)
    for _ in range(_ITERATIONS):
        to_slope, to_intercept, descent = _newton(logits, targets, slope, intercept)
        if descent < _LEAST_DESCENT:
            break
        step = 1.0
        while step >= _SMALLEST_STEP:
            new = slope + step * to_slope, intercept + step * to_intercept
            new_loss = _loss(logits, targets, *new)
            if new_loss < loss - 1e-4 * step * descent:  # Armijo's rule
                break
            step /= 2
        else:
            break  # as low as floating point gets
        (slope, intercept), loss = new, new_loss
    return slope, intercept


def _targets(outcomes: Sequence[float]) -> list[float]:
    right = math.fsum(outcomes)
    wrong = len(outcomes) - right
    high, low = (right + 1) / (right + 2), 1 / (wrong + 2)
    return [outcome * high + (1 - outcome) * low for outcome in outcomes]


def _loss(logits: Sequence[float], targets: Sequence[float], slope: float, intercept: float) -> float:
    """The mean loss, by log(1 + exp(z)) - t z, which no size of z overflows."""
    total = 0.0
    for logit, target in zip(logits, targets, strict=True):
        z = slope * logit + intercept
        total += max(z, 0.0) + math.log1p(math.exp(-abs(z))) - target * z
    return total / len(logits)


def _newton(
    logits: Sequence[float], targets: Sequence[float], slope: float, intercept: float
) -> tuple[float, float, float]:
    """The Newton step for slope and intercept, and how steeply the mean loss falls along it."""
    g_slope = g_intercept = 0.0
    h_ss, h_si, h_ii = _RIDGE, 0.0, _RIDGE
    for logit, target in zip(logits, targets, strict=True):
        chance = logistic(slope * logit + intercept)
        off, curvature = chance - target, chance * (1 - chance)
        g_slope += off * logit
        g_intercept += off
        h_ss += curvature * logit * logit
        h_si += curvature * logit
        h_ii += curvature
    size = len(logits)
    g_slope, g_intercept, h_ss, h_si, h_ii = (sum_ / size for sum_ in (g_slope, g_intercept, h_ss, h_si, h_ii))
    determinant = h_ss * h_ii - h_si * h_si
    if determinant <= 0:  # by rounding: a plain step downhill
        return -g_slope, -g_intercept, g_slope * g_slope + g_intercept * g_intercept
    to_slope = (h_si * g_intercept - h_ii * g_slope) / determinant
    to_intercept = (h_si * g_slope - h_ss * g_intercept) / determinant
    return to_slope, to_intercept, -(to_slope * g_slope + to_intercept * g_intercept)
