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

from ...config.tuned import Calibration
from .regression import fit_logistic

_SURE = 1e-15  # a chance of exactly 0 or 1 has no finite loss when it is wrong


def losses(confidences: Sequence[float], outcomes: Sequence[float]) -> list[float]:
    """Each answer's loss in nats, -log of the chance that was given to what happened. An outcome may be in between."""
    return [
        -(outcome * math.log(max(chance, _SURE)) + (1 - outcome) * math.log(max(1 - chance, _SURE)))
        for chance, outcome in zip(confidences, outcomes, strict=True)
    ]


def fit_calibration(logits: Sequence[float], outcomes: Sequence[float]) -> Calibration:
    """The likeliest line. Outcomes are 0 to 1. Without any answer it is the identity; where all logits are the same it
    is level.

    Logits are brought to mean 0 and deviation 1 first, and the search starts from a level line at the mean target,
    where the loss is never flat (Lin, Lin and Weng, A Note on Platt's Probabilistic Outputs for Support Vector
    Machines, Machine Learning 68, 2007).
    """
    if not logits:
        return Calibration()
    targets = _targets(outcomes)
    center, scale, mean = fmean(logits), pstdev(logits) or 1.0, fmean(targets)
    columns = [[1.0] * len(logits), [(logit - center) / scale for logit in logits]]
    intercept, slope = fit_logistic(columns, targets, (0.0, 0.0), (math.log(mean / (1 - mean)), 0.0), (0.0, 0.0))
    return Calibration(slope / scale, intercept - slope * center / scale)


def _targets(outcomes: Sequence[float]) -> list[float]:
    right = math.fsum(outcomes)
    wrong = len(outcomes) - right
    high, low = (right + 1) / (right + 2), 1 / (wrong + 2)
    return [outcome * high + (1 - outcome) * low for outcome in outcomes]
