"""The words that a reply is written in: turns, conditions, approximations, the prompt's own words again."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ...expressions import expression
from ...reading.prose import EDGE_CHARS
from ..cues import cue_counts, share_of_foreign, share_of_long
from ..signal import Answer, Measure

_WORD = expression(r"\w+")


def wording(answer: Answer) -> Iterator[Measure]:
    """Counts are binary logarithms; shares run from 0 to 1."""
    text = answer.text[: 2 * EDGE_CHARS]
    lowered = text.lower()
    words = _WORD.findall(lowered)
    for name, count in cue_counts(lowered, words).items():
        yield Measure(name, math.log2(1 + count), f"{count} {name}")
    if not words:
        return
    different = set(words)
    yield Measure("variety", len(different) / len(words) ** 0.8, f"{len(different)} different words")
    long_words = share_of_long(words)
    yield Measure("long words", long_words, f"{long_words:.0%} long words")
    capitals = sum(map(text.count, filter(str.isupper, set(text)))) / len(text)
    yield Measure("capitals", capitals, f"{capitals:.0%} capital letters")
    foreign = share_of_foreign(text)
    yield Measure("other scripts", foreign, f"{foreign:.0%} of it not in ASCII")
    if answer.asked is not None:
        again = len(different & answer.asked.words) / len(different)
        yield Measure("prompt's words", again, f"{again:.0%} of its words are the prompt's")
