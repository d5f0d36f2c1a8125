"""Whether a reply has the form that was asked for: a number, an option, code that parses, JSON, more than a few words.

The weights are logits, set by hand: recorded answers that miss their form are too few to fit them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...expressions import expression
from ...reading.answer import AnswerForm
from ..code_form import parses
from ..final import AnswerKind
from ..signal import Answer, Signal

WRONG_FORM = -1.4
WRONG_FORM_OF_A_TEXT = -2.7  # which starts higher than a definite answer does
VERY_SHORT, VERY_SHORT_UNKNOWN = -1.0, -0.5  # of no words at all; the second where the prompt is not known
VERY_SHORT_WORDS = 20
_FEW_ITEMS = 2  # of a list whose length is left open

_PYTHON_FENCE = expression(r"^[ \t]{0,3}(?:`{3,}|~{3,})(?:python|py)\b", re.MULTILINE | re.IGNORECASE)


def fit(answer: Answer) -> Iterator[Signal]:
    """What is missing of the form that was asked for; nothing where the prompt asks for none."""
    if missing := _missing(answer):
        yield Signal("form", WRONG_FORM_OF_A_TEXT if answer.is_open else WRONG_FORM, missing)
    yield from _brevity(answer)


def _missing(answer: Answer) -> str | None:
    kind = answer.final.kind
    match answer.form:
        case AnswerForm.JSON if kind is not AnswerKind.JSON:
            return "asked for JSON, and there is none that parses"
        case AnswerForm.NUMBER if not (kind is AnswerKind.NUMBER or answer.numbers):
            return None if _spelt(answer.text) else "asked for a number, and there is none"
        case AnswerForm.CHOICE if answer.asked and answer.asked.wanted.options and kind is not AnswerKind.CHOICE:
            return "chooses none of the options"
    if kind is AnswerKind.CODE and _PYTHON_FENCE.search(answer.text) and not parses(answer.final.text):
        return "a Python program that does not parse"
    return None


_SPELT = expression(
    r"\b(?:zero|none|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty"
    r"|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|half|third|quarter)\b",
    re.IGNORECASE,
)


def _spelt(text: str) -> bool:
    """Whether a text writes a number in words, or in a script whose digits are no ASCII."""
    return bool(_SPELT.search(text)) or any(character.isnumeric() for character in text)


_BETWEEN = expression(r"[,;、，؛،\n]|\b(?:and|or|und|et|y|e|и)\b")


def _items(text: str) -> int:
    """How many items a text lists: by line, or within one by comma."""
    return sum(1 for part in _BETWEEN.split(text) if any(character.isalpha() for character in part))


def lists_enough(answer: Answer) -> bool:
    """Whether it lists as many items as are asked for."""
    return answer.asked is not None and _items(answer.text) >= (answer.asked.items or _FEW_ITEMS)


def _brevity(answer: Answer) -> Iterator[Signal]:
    if answer.word_count >= VERY_SHORT_WORDS or (answer.form is not None and answer.form.may_be_short):
        return
    if answer.form is AnswerForm.CODE and answer.prose.code:
        return
    if answer.form is AnswerForm.LIST and lists_enough(answer):
        return
    length = f"{answer.word_count} word{'' if answer.word_count == 1 else 's'}"
    missing = 1 - answer.word_count / VERY_SHORT_WORDS
    if answer.form is None:
        yield Signal("brevity", VERY_SHORT_UNKNOWN * missing, f"very short ({length})")
    else:
        yield Signal("brevity", VERY_SHORT * missing, f"very short for what was asked ({length})")
