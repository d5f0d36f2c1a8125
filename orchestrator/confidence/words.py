"""Words alone, for comparing short answers."""

from __future__ import annotations

from ..expressions import expression
from .numerals import unlatex

_WORD = expression(r"(?<![\w)])-?\d+(?:[.,]\d+)*|\w+(?:[.,]\d+)*|[+<>=*/^≤≥±≠√%-]")
_ARTICLES = ("a", "an", "the", "-")
_SHORT_NOT = expression(r"\b(is|are|was|were|do|does|did|has|have|had|could|would|should|must|might|need|ca|wo)n't\b")


def plain_words(text: str) -> str:
    """Words alone: no case, no punctuation, no article. A sign stays with its number, and "isn't" is "is not"."""
    lowered = unlatex(text).lower().replace("’", "'")
    if "n't" in lowered:
        lowered = _SHORT_NOT.sub(r"\1 not", lowered)
    words = _WORD.findall(lowered)
    return " ".join([word for word in words if word not in _ARTICLES] or words)
