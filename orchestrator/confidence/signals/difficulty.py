"""What the prompt says of how likely any model is to get it right."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from ..signal import Answer, Measure


def difficulty(answer: Answer) -> Iterator[Measure]:
    """Measures of the prompt; none where it is not known. Counts are binary logarithms, shares run from 0 to 1."""
    if answer.asked is None:
        return
    words, long_words, numbers, options, cues = answer.asked.opening
    yield Measure("prompt: words", math.log2(1 + words), f"a prompt of {words} words")
    yield Measure("prompt: long words", long_words, f"{long_words:.0%} long words in the prompt")
    yield Measure("prompt: numbers", math.log2(1 + numbers), f"{numbers} numbers in the prompt")
    yield Measure("prompt: options", options, f"{options} options to choose from")
    yield from map(_of_cue, cues, cues.values())


@lru_cache(1000)  # most counts are 0, or a few
def _of_cue(name: str, count: int) -> Measure:
    return Measure(f"prompt: {name}", math.log2(1 + count), f"{count} {name} in the prompt")
