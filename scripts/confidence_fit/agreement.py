"""What it is worth that a stronger model answers the same: fitted on top, for all but the strongest model of a set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from orchestrator.confidence.signals.second_opinion import LEVELS, level_of

from .data import Reply
from .regression import Array, logistic_regression, rounded


def fit_agreement(logits: Array, sample: Sequence[Reply]) -> dict[str, float]:
    """What is added to an answer's logit for each level of agreement, and how much of its own logit then counts."""
    chosen = [(i, reply, reply.agreement) for i, reply in enumerate(sample) if reply.agreement is not None]
    levels = np.array([[float(level_of(agreement) == level) for level in LEVELS] for _, _, agreement in chosen])
    own = np.array([logits[i] for i, *_ in chosen])
    design = np.hstack([own[:, None], levels])
    outcome, weight = (np.array([getattr(reply, name) for _, reply, _ in chosen]) for name in ("grade", "weight"))
    mean, weights = logistic_regression(design, outcome, np.zeros(len(own)), np.full(design.shape[1], 0.5), weight)
    found = {"text": rounded(float(weights[0]))}
    return found | {level: rounded(float(mean + weights[i + 1])) for i, level in enumerate(LEVELS)}


def with_agreement(agreement: Mapping[str, float], logits: Array, sample: Sequence[Reply]) -> Array:
    """The logits with that evidence."""
    return np.array(
        [
            logit if reply.agreement is None else agreement["text"] * logit + agreement[level_of(reply.agreement)]
            for logit, reply in zip(logits, sample, strict=True)
        ]
    )
