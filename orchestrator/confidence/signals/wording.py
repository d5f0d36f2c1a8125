"""The words that a reply is written in: turns, conditions, approximations, the prompt's own words again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from ...reading.prose import EDGE_CHARS
from ..cues import cue_counts, share_of_long
from ..signal import Answer, Measure


def wording(answer: Answer) -> Iterator[Measure]:
    """Counts are binary logarithms; shares run from 0 to 1."""
    text = answer.text[: 2 * EDGE_CHARS]
    lowered = text.lower()
    for name, count in cue_counts(lowered).items():
        yield Measure(name, math.log2(1 + count), f"{count} {name}")
    words = re.findall(r"\w+", lowered)
    if not words:
        return
    different = set(words)
    yield Measure("variety", len(different) / len(words) ** 0.8, f"{len(different)} different words")
    yield Measure("long words", share_of_long(words), f"{share_of_long(words):.0%} long words")
    capitals = sum(character.isupper() for character in text) / len(text)
    yield Measure("capitals", capitals, f"{capitals:.0%} capital letters")
    foreign = sum(character > "\x7f" for character in text) / len(text)
    yield Measure("other scripts", foreign, f"{foreign:.0%} of it not in ASCII")
    if answer.asked is not None:
        again = len(different & answer.asked.words) / len(different)
        yield Measure("prompt's words", again, f"{again:.0%} of its words are the prompt's")
