"""The words that a reply is written in: turns, conditions, approximations, the prompt's own words again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache

from ..analysis.prose import EDGE_CHARS
from ..expressions import expression
from .signal import Answer, Measure

# name -> pattern over lower-case text. Counted in replies here, and, where they say how hard a prompt is, in prompts
# by `difficulty`.
CUES: dict[str, str] = {
    "turns": r"\b(?:however|but|although|while)\b",
    "corrections": r"\b(?:wait|actually|mistake|correction|apologi[sz]e)\b|let'?s (?:re|double)",
    "negations": r"\b(?:not|no|cannot|none|never)\b|n't\b",
    "approximations": r"approximat|≈|\broughly\b|\bround",
    "assumptions": r"\bassum",
    "settings": r"\blet(?:'s)?\b",
    "possibilities": r"\b(?:likely|probably|possibly|may|might|could|suggests?|seems?|appears?|perhaps)\b",
    "conditions": r"\bif\b",
    "reasons": r"\b(?:because|since|due to)\b",
    "inferences": r"\b(?:therefore|thus|so|hence)\b",
    "totals": r"\b(?:total|altogether|sum)\b",
    "fractions": r"\d/\d|\b(?:half|third|quarter)s?\b",
    "percentages": r"%|\bpercent",
    "times": r"\b(?:hour|minute|day|week|month|year|age|old)s?\b",
    "rates": r"\b(?:each|per|every)\b",
    "remainders": r"\b(?:remain\w*|left|rest)\b",
    "multiples": r"\b(?:twice|times|double|triple)\b",
    "comparisons": r"\b(?:more|less|fewer|than)\b",
    "superlatives": r"\b(?:most|best|least)\b",
    "money": r"\$",
    "steps": r"\bstep|\n\d\.",
    "references": r"\bthe (?:context|passage|text|question|statement)\b",
    "explanations": r"\bexplanation:|\breasoning?\b",
    "questions": r"\?",
}


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
    if answer.prompt is not None:
        again = len(different & set(re.findall(r"\w+", answer.prompt.lower()))) / len(different)
        yield Measure("prompt's words", again, f"{again:.0%} of its words are the prompt's")


def cue_counts(lowered: str) -> dict[str, int]:
    """How often each cue occurs in a lower-case text."""
    return {name: len(pattern.findall(lowered)) for name, pattern in _patterns().items()}


def share_of_long(words: list[str]) -> float:
    """The part of the words that have more than seven letters."""
    return sum(len(word) > 7 for word in words) / max(1, len(words))


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {name: expression(pattern) for name, pattern in CUES.items()}
