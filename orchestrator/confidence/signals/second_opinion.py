"""What it says of an answer that another model, or a second sample, answers the same."""

from __future__ import annotations

from ..curves import weights
from ..signal import Signal

# Degrees of agreement, from `answers.same_answer`: 0 to 1.
LEVELS = ("different", "in part", "the same")


def level_of(agreement: float) -> str:
    """Which of LEVELS a degree of agreement is."""
    if agreement >= 0.95:
        return "the same"
    return "in part" if agreement >= 0.5 else "different"


def agreement_signal(agreement: float, text_logit: float, other: str) -> Signal:
    """What agreement with `other` adds to a cheaper model's answer whose text alone has `text_logit`.

    Where models agree, what the text says of itself counts for less: the signal takes that part back.
    """
    fitted = weights().agreement
    level = level_of(agreement)
    reason = {
        "different": f"{other} answers differently",
        "in part": f"{other} answers the same in part",
        "the same": f"{other} answers the same",
    }
    return Signal("agreement", fitted[level] + (fitted["text"] - 1) * text_logit, reason[level])
