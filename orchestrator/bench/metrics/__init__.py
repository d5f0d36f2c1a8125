"""What a routing score and a confidence are worth, as figures with intervals. Pure arithmetic.

Each figure takes weights, how often a prompt counts, so that a bootstrap resample is nothing but other weights: the
order is worked out once. A figure that the data do not define (no gap between the models, no wrong answer) is None.
"""

from __future__ import annotations

from .confidence import BINS, Bin, Confidence, auc, brier, ece, reliability
from .intervals import LEVEL, RESAMPLES, Estimate, Statistic, estimates, mean, remembered, resampled
from .routing import Point, Routing, apgr, cpt, saving_at_quality
from .weighing import Numbers, Weights

__all__ = [
    "BINS",
    "LEVEL",
    "RESAMPLES",
    "Bin",
    "Confidence",
    "Estimate",
    "Numbers",
    "Point",
    "Routing",
    "Statistic",
    "Weights",
    "apgr",
    "auc",
    "brier",
    "cpt",
    "ece",
    "estimates",
    "mean",
    "reliability",
    "remembered",
    "resampled",
    "saving_at_quality",
]
