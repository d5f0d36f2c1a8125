"""Words that tell how a text reasons: how often each kind of them occurs."""

from __future__ import annotations

import re
from functools import cache

# name -> pattern over lower-case text. Counted in replies by `wording`, and, where they say how hard a prompt is,
# in prompts by `difficulty`.
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


def cue_counts(lowered: str) -> dict[str, int]:
    """How often each cue occurs in a lower-case text."""
    return {name: len(pattern.findall(lowered)) for name, pattern in _patterns().items()}


def share_of_long(words: list[str]) -> float:
    """The part of the words that have more than seven letters."""
    return sum(len(word) > 7 for word in words) / max(1, len(words))


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {name: re.compile(pattern) for name, pattern in CUES.items()}
