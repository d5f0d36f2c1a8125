"""How hard a prompt is for a model, and how able a model is: the simulator's own estimate.

It is deliberately apart from `orchestrator.analysis`: measured against an estimate of its own kind, that one would
only agree with itself. The scale of both numbers is that of `Level.rank`: 0 basic, 1 intermediate, 2 advanced,
3 expert; a model answers with confidence when its ability is at least the need.
"""

from __future__ import annotations

import re

from ...expressions import expression
from ...registry.model import ModelSpec
from .prompt import Prompt

# The hardest kind of work that a prompt names decides.
_NEEDS: tuple[tuple[float, re.Pattern[str]], ...] = tuple(
    (need, expression(rf"\b(?:{words})\b", re.IGNORECASE))
    for need, words in (
        (
            3.0,
            r"prove|proofs?|derive|derivation|formali[sz]e|theorems?|lemma|research|comprehensive(?:ly)?|in[- ]depth|"
            r"rigorous(?:ly)?|literature review|novel (?:method|algorithm|approach)|from first principles|"
            r"compare multiple|analy[sz]e deeply|peer[- ]review",
        ),
        (
            2.0,
            r"should (?:i|we|you|they|my|our|one)|better|versus|vs|pros and cons|trade-?offs?|compare|comparison|"
            r"evaluate|design|architect(?:ure)?|distributed|scalab(?:le|ility)|debug|optimi[sz]e|optimi[sz]ation|"
            r"explain why|concurren(?:t|cy)|race conditions?|deadlocks?|root cause|strategy|refactor|migrat(?:e|ion)|"
            r"analy[sz]e|threat model|fault[- ]tolerant",
        ),
        (
            1.0,
            r"write|implement|function|code|script|program|summari[sz]e|summary|translate|calculate|compute|solve|"
            r"list|identify|extract|classify|explain|describe|plan|outline|steps|draft|rewrite|convert|generate|"
            r"how (?:do|does|to|can|would)|why|sql|regex",
        ),
    )
)
_PARTS = expression(r"^\s*(?:\d+[.)]|[-*•])\s", re.MULTILINE)
_MANY_PARTS = 4
_LONG_CHARACTERS = 8_000  # about 2,000 tokens
_EXTRA = 0.5  # many parts, or much to read: half a level each
_CODE = expression(
    r"\b(?:code|function|script|program|class|bug|debug|sql|regex|api|implement|compile)\b", re.IGNORECASE
)


def need(prompt: Prompt) -> float:
    """How able a model must be, 0 (any will do) to 3."""
    base = next((level for level, words in _NEEDS if words.search(prompt.instruction)), 0.0)
    if base == 0.0:
        return base
    many = len(_PARTS.findall(prompt.text[:_LONG_CHARACTERS])) >= _MANY_PARTS
    long = len(prompt.text) > _LONG_CHARACTERS
    return min(3.0, base + _EXTRA * many + _EXTRA * long)


def ability(spec: ModelSpec, prompt: Prompt) -> float:
    """The rank of a model's highest level, and as a fraction of the next one its score for this kind of work."""
    score = spec.scores.coding if _CODE.search(prompt.instruction) else spec.scores.reasoning
    return spec.top_level.rank + min(score, 0.99)
