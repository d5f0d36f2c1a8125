"""What kind of prompt it is, as far as its form and task tell: what recorded prompts are counted by.

The fitted score knows prompts like those that it was fitted to. `weights.json` has the kinds of which enough were
recorded, and for each form how the scores of the recorded prompts are spread. So a prompt of any other kind can be
said to be unfamiliar, and a cut of the score can be given as a share of prompts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum

from .features import Family, Features

_LENGTHS = (4, 12, 37, 122, 404)  # words: where the classes of length begin, each about 3.3 times the one before
_FOREIGN = 0.05  # of the characters in another script: it is a prompt in another language
_ASKING = tuple(f"first word {word}" for word in ("what", "who", "which", "how", "why", "where", "when", "is"))


class Form(StrEnum):
    """The form of a prompt; open ones are told apart by what stands in them."""

    CHOICE = "multiple choice"
    PROBLEM = "word problem"
    GIVEN = "with given parts"  # an open prompt with labelled parts, options, or a box for the answer
    CODE = "with code"
    OPEN = "open"


def form_of(features: Features) -> Form:
    """The form of a prompt with these features."""
    values = features.values
    if features.family is not Family.OPEN:
        return Form(features.family)
    if values["labelled parts"] or values["asks for a box"] or values["options"]:
        return Form.GIVEN
    return Form.CODE if values["code"] else Form.OPEN


def kind_of(features: Features, task: str) -> str:
    """Form, task, opening, class of length and language as one word. Forms with a question that is plain to see are
    not told apart by task, and only open prompts by their opening."""
    values, form = features.values, form_of(features)
    length = bisect_right(_LENGTHS, features.word_count)
    script = "other script" if values["other scripts, share"] > _FOREIGN else ""
    asks = form is Form.OPEN and any(map(values.get, _ASKING))
    told = task if features.family is Family.OPEN else ""
    return "/".join((form, told, "asks" if asks else "", str(length), script))


def at_share(spread: Sequence[float], share: float) -> float:
    """The score below which this share of the recorded prompts of a form lies. `spread` has their quantiles, evenly
    from the least to the greatest score."""
    place = share * (len(spread) - 1)
    low = min(int(place), len(spread) - 2)
    return spread[low] + (place - low) * (spread[low + 1] - spread[low])
