"""The JSON in a reply: its value in one form, and the answer in an object that has its reasoning beside it."""

from __future__ import annotations

import json
import re
from typing import Any

from ..expressions import expression
from ..reading.prose import EDGE_CHARS

_FENCE = expression(r"```(?:json)?[^\S\n]*\n")
_ANSWERS = ("answer", "final_answer", "finalanswer", "final answer")
# Said on the way to an answer, and no part of it.
_REASONING = frozenset(
    "reasoning explanation rationale thought thoughts thinking steps analysis working justification solution cot"  # noqa: SIM905
    " chain_of_thought notes note comment comments confidence step_by_step".split()
)
# In an object that does not parse, for instance for LaTeX in its strings.
_FIELD = expression(r'"(?:final[_ ]?)?answer"\s*:\s*("(?:[^"\\]|\\.){0,2000}"|[^\s,}"][^,}\n]{0,300})', re.IGNORECASE)


def json_in(text: str) -> str | None:
    """The JSON value that a reply holds, in one form for equal values; None if there is none."""
    value = _value_in(text)
    if value is None:
        return None
    try:
        return json.dumps(value[0], sort_keys=True)
    except (ValueError, RecursionError):  # writing nests a little deeper than reading, and may fail where that did not
        return None


def answer_field(text: str) -> str | None:
    """The answer, as text, of a JSON object that has nothing but it and its reasoning; None if there is no such one."""
    if '"' not in text:
        return None
    found = _value_in(text)
    if found is not None:
        return _answer_of(found[0])
    fields = _FIELD.findall(text[-2 * EDGE_CHARS :]) if text.lstrip()[:7].strip("`json \n")[:1] in ("{", "") else []
    return None if not fields else _unescaped(fields[-1]) or None


def _answer_of(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    by_name = {str(name).lower(): each for name, each in value.items()}
    answers = [name for name in _ANSWERS if name in by_name]
    if len(answers) != 1 or not (by_name.keys() - {answers[0]}) <= _REASONING:
        return None
    answer = by_name[answers[0]]
    return answer.strip() or None if isinstance(answer, str) else json.dumps(answer)


def _unescaped(written: str) -> str:
    inside = written[1:-1] if written.startswith('"') else written
    return inside.replace('\\"', '"').replace("\\\\", "\\").strip()


def _value_in(text: str) -> tuple[Any] | None:
    fenced = _fenced(text)
    body = text if fenced is None else fenced
    start = min((at for at in (body.find("{"), body.find("[")) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(body[start:])
    except (ValueError, RecursionError):
        return None
    return (value,)


def _fenced(text: str) -> str | None:
    """What stands between the first fence for JSON, or for nothing in particular, and the one that ends it; None
    without both. A reply of any length goes through here whole: the time grows with its length and no faster."""
    opening = _FENCE.search(text)
    if opening is None:
        return None
    end = text.find("```", opening.end())
    return None if end < 0 else text[opening.end() : end]
