"""How long a reply is: what a model finds hard it works at longer, and gets wrong more often."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ...expressions import expression
from ..signal import Answer, Measure

_SENTENCE_END = expression(r"[.!?](?:\s|$)")


def length(answer: Answer) -> Iterator[Measure]:
    """Words, sentences and lines (binary logarithms), and words for each word of the prompt."""
    words = answer.word_count
    yield Measure("words", math.log2(1 + words), f"{words} words")
    sentences = len(_SENTENCE_END.findall(answer.text))
    yield Measure("sentences", math.log2(1 + sentences), f"{sentences} sentences")
    lines = answer.text.count("\n")
    yield Measure("lines", math.log2(1 + lines), f"{lines + 1} lines")
    if answer.asked is not None:
        ratio = (1 + words) / (1 + answer.asked.word_count)
        yield Measure("words by prompt", math.log2(ratio), f"{ratio:.1f} words for each of the prompt's")
