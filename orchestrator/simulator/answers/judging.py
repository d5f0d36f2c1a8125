"""Verdicts on an answer, for prompts that ask for a score and a list of issues as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...expressions import expression
from .prompt import Prompt

_DOUBT = expression(
    r"\b(?:not sure|uncertain|might be|possibly|i think|seems like|need (?:more|to know)|could be wrong)\b",
    re.IGNORECASE,
)
_SHORT_WORDS = 12
_GOOD, _FAULT = 0.95, 0.3  # a score without any fault, and what each one takes off it


def wants_verdict(schema: Mapping[str, Any] | None) -> bool:
    """Whether a schema asks for a `score` and `issues`."""
    return schema is not None and {"score", "issues"} <= set(schema.get("properties") or ())


def doubtful(text: str) -> bool:
    """Whether a text says that it is not sure of itself."""
    return _DOUBT.search(text) is not None


def verdict(prompt: Prompt) -> str:
    """The verdict on what the prompt shows as the answer: it is held against an answer that it doubts itself, and that
    it is short where more was asked for than a word. What the answer says of its own score has no say in it."""
    quoted = dict(prompt.quoted)
    answer = quoted.get("answer", prompt.material)
    issues = []
    if doubtful(answer):
        issues.append("The answer is not sure of itself.")
    if len(answer.split()) < _SHORT_WORDS and len(quoted.get("prompt", "").split()) > _SHORT_WORDS:
        issues.append("The answer is too short for what was asked.")
    return json.dumps({"score": round(_GOOD - _FAULT * len(issues), 2), "issues": issues})
