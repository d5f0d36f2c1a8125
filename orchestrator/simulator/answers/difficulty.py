"""How hard a prompt is for a model, and how able a model is: the simulator's own estimate.

It is deliberately apart from `orchestrator.reading`: measured against an estimate of its own kind, that one would
only agree with itself. The scale of both numbers is that of `Level.rank`: 0 basic, 1 intermediate, 2 advanced,
3 expert; a model answers with confidence when its ability is at least the need.
"""

from __future__ import annotations

import re

from ...expressions import expression
from ...registry.model import ModelSpec
from .canned import canned, names
from .prompt import Prompt

_PARTS = expression(r"^\s*(?:\d+[.)]|[-*•])\s", re.MULTILINE)
_MANY_PARTS = 4
_LONG_CHARACTERS = 8_000  # about 2,000 tokens
_EXTRA = 0.5  # many parts, or much to read: half a level each
_CODE = "code|function|script|program|class|bug|debug|sql|regex|api|implement|compile"


def need(prompt: Prompt) -> float:
    """How able a model must be, 0 (any will do) to 3. The hardest kind of work that a prompt names decides."""
    base: float = next((level for level, words in canned("needs") if names(words, prompt.instruction)), 0.0)
    if base == 0.0:
        return base
    many = len(_PARTS.findall(prompt.text[:_LONG_CHARACTERS])) >= _MANY_PARTS
    long = len(prompt.text) > _LONG_CHARACTERS
    return min(3.0, base + _EXTRA * many + _EXTRA * long)


def ability(spec: ModelSpec, prompt: Prompt) -> float:
    """The rank of a model's highest level, and as a fraction of the next one its score for this kind of work."""
    score = spec.scores.coding if names(_CODE, prompt.instruction) else spec.scores.reasoning
    return spec.top_level.rank + min(score, 0.99)
