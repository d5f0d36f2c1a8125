"""What a node comes to, and what later evidence does to how far its answer is trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..confidence.synthesis import Candidate, Weighed, capability
from ..registry.model import ModelSpec
from ..types import Completion, Verdict

# Logits for what others said of an answer: from -2 where they do not agree at all to +2 where they do in full. Set by
# hand: +2 lifts an answer of 0.73 to 0.95, -2 takes it to 0.27.
_EVIDENCE_RANGE = 4.0
_SURE = 1e-6


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, which model gave it, and how far it can be trusted.

    `panel` is set where several were weighed. `accepted` is what agreement or a check said of it; None if nobody was
    asked. `max_tokens` is the limit that the answer was written under, and `call_id` its row.
    """

    completion: Completion
    spec: ModelSpec
    verdict: Verdict
    call_id: str
    max_tokens: int
    panel: tuple[Weighed, ...] = ()
    accepted: bool | None = None

    @property
    def confidence(self) -> float:
        return self.verdict.confidence

    def candidate(self) -> Candidate:
        """The outcome as one of several answers to be weighed."""
        return Candidate(
            model=self.spec.name,
            text=self.completion.text,
            confidence=self.confidence,
            capability=capability(self.spec.top_level),
            finish_reason=self.completion.finish_reason,
        )

    def with_evidence(self, name: str, value: float, reason: str) -> Outcome:
        """The outcome with one more signal, `value` 0 to 1: what others made of its answer."""
        logit = _EVIDENCE_RANGE * (value - 0.5)
        confidence = min(max(self.confidence, _SURE), 1 - _SURE)
        moved = math.log(confidence / (1 - confidence)) + logit
        verdict = Verdict(
            1 / (1 + math.exp(-moved)), {**self.verdict.signals, name: logit}, (*self.verdict.reasons, reason)
        )
        return replace(self, verdict=verdict if self.confidence > 0 else self.verdict)
