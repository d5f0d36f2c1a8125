"""The outcome of a node, and how later evidence changes the confidence in its answer."""

from __future__ import annotations

import math

from ...confidence.detector import ConfidenceDetector
from ...confidence.signal import Signal
from ...confidence.synthesis import Candidate, Weighed, capability
from ...deferred import dataclass, replace
from ...registry.model import ModelSpec
from ...types import Completion, Verdict

# Logits for what others say of an answer: from -2 for nothing good to +2 for nothing bad. Set by hand, since no
# recorded outcomes have it: +2 lifts an answer of 0.73 to 0.95, -2 takes it to 0.27.
_OPINION_RANGE = 4.0

# The signals of an answer that is none, and the logits from which it is: a refusal, or doubt of the whole of it. That
# another one says the same speaks for neither.
_OF_NO_ANSWER, _NO_ANSWER = ("hedging", "refusal"), -1.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, the model that gave it, and the confidence in it.

    `panel` is set where several answers were weighed. `accepted`: the decision of agreement, a check or the user's
    command; None if there was none. `unfit`: why the user's schema or command rejects it; `examined`: they were asked.
    `max_tokens` is the output limit of the call, `call_id` its row.
    """

    completion: Completion
    spec: ModelSpec
    verdict: Verdict
    call_id: str
    max_tokens: int
    panel: tuple[Weighed, ...] = ()
    accepted: bool | None = None
    examined: bool = False
    unfit: str | None = None

    @property
    def confidence(self) -> float:
        """The confidence in the answer, 0 to 1."""
        return self.verdict.confidence

    def candidate(self) -> Candidate:
        """The outcome as a candidate among several answers."""
        return Candidate(
            model=self.spec.name,
            text=self.completion.text,
            confidence=self.confidence,
            capability=capability(self.spec.top_level),
            finish_reason=self.completion.finish_reason,
        )

    def with_evidence(self, signal: Signal, detector: ConfidenceDetector) -> Outcome:
        """The outcome with one more signal from outside its text. An empty answer keeps its confidence."""
        if not self.confidence:
            return self
        known = [Signal(name, logit, "") for name, logit in self.verdict.signals.items()]
        verdict = detector.verdict([*known, signal])
        return replace(self, verdict=replace(verdict, reasons=(*self.verdict.reasons, signal.reason)))


def opinion(name: str, value: float, reason: str) -> Signal:
    """Agreement of others with an answer, `value` 0 to 1, as a signal."""
    return Signal(name, _OPINION_RANGE * (value - 0.5), reason)


def is_no_answer(verdict: Verdict) -> bool:
    """Whether what a model wrote is hardly an answer: a refusal, or that it does not know."""
    return math.fsum(verdict.signals.get(name, 0.0) for name in _OF_NO_ANSWER) <= _NO_ANSWER
