"""What it says of an answer which model gave it, and which of two answers of a cascade is kept.

Models whose answers were recorded have logits of their own; any other starts from its score in the registry. A model
that nobody has rated says nothing. All of it is fitted to recorded outcomes (`scripts/fit_confidence.py`).
"""

from __future__ import annotations

import math

from ..registry.model import undated
from ..types import Verdict
from .curves import weights
from .signal import Signal

NAME = "model"
_MOST = 2.0  # logits
_TOLD = 0.3  # logits from which it is a reason
_SURE = 1e-9


def family(name: str) -> str:
    """A model's name as recorded outcomes are kept by: without its maker, a date or a variant."""
    bare = undated(name.replace("_", ".")).removeprefix("meta-").removesuffix("-v0.1")
    return bare[:-4] if bare[-4:-2] == "-0" and bare[-2:].isdecimal() else bare


def strength(name: str, score: float | None) -> float | None:
    """The logits that a model's answers have over those of the average one. `score` is its score in the registry for
    the kind of task, 0 to 1, None where it is not rated. None where nothing is known of it."""
    fitted = weights().strength
    recorded = fitted.models.get(family(name))
    if recorded is not None:
        return recorded
    return None if score is None else max(-_MOST, min(_MOST, fitted.slope * (score - fitted.center)))


def strength_signal(name: str, score: float | None) -> Signal | None:
    """The strength of a model as evidence for its answers; None where nothing is known of it."""
    logit = strength(name, score)
    if logit is None:
        return None
    often = "more" if logit > 0 else "less"
    return Signal(NAME, logit, f"{name} is right {often} often than most ({logit:+.2f})" if abs(logit) >= _TOLD else "")


def later_bonus(earlier: float | None, later: float | None) -> float:
    """The logits that a later answer of a cascade starts with, by the strengths of the two models.

    Who writes a cascade puts the better model later: that counts unless the model is rated no better, and more where
    nothing is known of one of them.
    """
    fitted = weights().strength
    if earlier is None or later is None:
        return fitted.later_unrated
    return fitted.later_rated if later > earlier else 0.0


def stands_above(later: Verdict, earlier: Verdict) -> bool:
    """Whether a later answer of a cascade is kept rather than an earlier one, where neither was accepted."""
    bonus = later_bonus(earlier.signals.get(NAME), later.signals.get(NAME))
    return is_kept(later.confidence, earlier.confidence, bonus)


def is_kept(later: float, earlier: float, bonus: float) -> bool:
    """Whether of two confidences in answers the later one counts more, with a bonus in logits. Of equals it does."""
    return bool(later or not earlier) and logit(later) + bonus >= logit(earlier)


def logit(confidence: float) -> float:
    """The logit of a confidence, finite for any."""
    kept = min(1 - _SURE, max(_SURE, confidence))
    return math.log(kept / (1 - kept))
