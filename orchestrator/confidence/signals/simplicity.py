"""A short question with a definite answer: easier than what outcomes were recorded of.

Set by hand: of the recorded prompts none is as short as what people ask in passing ("What is the capital of France?").
"""

from __future__ import annotations

from collections.abc import Iterator

from ...reading.answer import AnswerForm
from ..final import AnswerKind
from ..signal import Answer, Signal
from .fit import lists_enough

SIMPLE = 1.3  # logits
_SHORT, _LONG = 12, 40  # words of the prompt: up to which it counts in full, and from which not at all
_FORMS = (AnswerForm.NUMBER, AnswerForm.NAME, AnswerForm.YES_NO, AnswerForm.CHOICE, AnswerForm.BRIEF)


def simplicity(answer: Answer) -> Iterator[Signal]:
    """Of a definite answer, without doubt in it, to a prompt of a few words that asks for one and lists no options."""
    asked = answer.asked
    if asked is None or answer.is_open or answer.hedges or asked.word_count >= _LONG or asked.wanted.options:
        return
    is_program = asked.form is AnswerForm.CODE and answer.final.kind is AnswerKind.CODE
    if asked.form in _FORMS or is_program or (asked.form is AnswerForm.LIST and lists_enough(answer)):
        yield Signal("simplicity", SIMPLE * min(1.0, (_LONG - asked.word_count) / (_LONG - _SHORT)), "")
