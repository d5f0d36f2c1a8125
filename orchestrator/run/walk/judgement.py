"""Reads the verdict of a model that checked an answer. Only its own whole reply counts."""

from __future__ import annotations

from ...confidence.signals.schema import json_document
from ...config.strict_json import parse_json
from ...deferred import dataclass
from ...types import Completion, FinishReason


@dataclass(frozen=True, slots=True)
class Judgement:
    """`score` is 0 to 1. `issues` are the faults of the answer, in the judge's words."""

    score: float
    issues: tuple[str, ...]

    @property
    def text(self) -> str:
        """The issues as a list for a prompt; empty if there are none."""
        return "\n".join(f"- {issue}" for issue in self.issues)


def read_judgement(completion: Completion) -> Judgement | None:
    """The judgement in a reply that is a single JSON object with a `score` and a list of `issues`.

    The object may stand in one code block. None for any other reply: a verdict with words around it may be a quotation.
    """
    if completion.finish_reason is not FinishReason.STOP:
        return None
    try:
        verdict = parse_json(json_document(completion.text))
    except ValueError:
        return None
    if not isinstance(verdict, dict):
        return None
    score, issues = verdict.get("score"), verdict.get("issues")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        return None
    if not isinstance(issues, list) or not all(isinstance(issue, str) for issue in issues):
        return None
    return Judgement(float(score), tuple(" ".join(issue.split()) for issue in issues if issue.strip()))
