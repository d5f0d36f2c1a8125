"""What the prompt says of how likely any model is to get it right."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from ..analysis.prose import EDGE_CHARS
from .answers import numbers_in, options_in
from .signal import Answer, Measure
from .wording import cue_counts, share_of_long


def difficulty(answer: Answer) -> Iterator[Measure]:
    """Measures of the prompt; none where it is not known. Counts are binary logarithms, shares run from 0 to 1."""
    if answer.prompt is None:
        return
    prompt = answer.prompt[: 2 * EDGE_CHARS]
    words = re.findall(r"\w+", prompt.lower())
    yield Measure("prompt: words", math.log2(1 + len(words)), f"a prompt of {len(words)} words")
    yield Measure("prompt: long words", share_of_long(words), f"{share_of_long(words):.0%} long words in the prompt")
    numbers = len(numbers_in(prompt))
    yield Measure("prompt: numbers", math.log2(1 + numbers), f"{numbers} numbers in the prompt")
    options = len(options_in(prompt))
    yield Measure("prompt: options", options, f"{options} options to choose from")
    for name, count in cue_counts(prompt.lower()).items():
        yield Measure(f"prompt: {name}", math.log2(1 + count), f"{count} {name} in the prompt")
