"""What a reply finally answers, and how far two replies answer the same.

A reply reasons, shows and repeats; what counts is where it ends up. `final_answer` finds it (`final.py`), and
`same_answer` compares two replies by the strongest form that they share (`likeness.py`), from 0 (different) to 1 (the
same).
"""

from __future__ import annotations

from .final import SHORT_WORDS, AnswerKind, FinalAnswer, boxes_in, final_answer
from .json_answers import json_in
from .likeness import AGREES_FROM, compare
from .numerals import numbers_in
from .wanted import Wanted, options_in

__all__ = [
    "AGREES_FROM",
    "SHORT_WORDS",
    "AnswerKind",
    "FinalAnswer",
    "Wanted",
    "boxes_in",
    "compare",
    "final_answer",
    "json_in",
    "numbers_in",
    "options_in",
    "same_answer",
]


def same_answer(one: str, other: str, prompt: str | None = None) -> float:
    """How far two replies to one prompt give the same answer, 0 to 1; they agree from `AGREES_FROM`. Symmetric."""
    wanted = Wanted.by(prompt)
    return compare(final_answer(one, wanted), final_answer(other, wanted))
