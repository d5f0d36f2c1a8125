"""How far an answer can be trusted: the signals put together.

    confidence = 1 / (1 + exp(-(BASELINE + sum of the signals' logits)))

A complete answer that neither hedges nor claims certainty has 0.73; an empty one 0. Each signal has its own weights,
as data, in its own file; `Verdict.signals` has the logits, which add up. The weights are set by hand around the
threshold of 0.6 at which a cascade goes on: one mild hedge is accepted, two in a short answer are not, nor is an
answer that was refused, cut off, or not given for want of context.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from ..analysis.answer import answer_form
from ..analysis.prose import EDGE_CHARS, count_words, read_prose
from ..analysis.tasks import classify
from ..types import FinishReason, Verdict
from .completeness import completeness
from .hedging import find_hedges, hedging
from .signal import Answer, Signal

BASELINE = 1.0
_VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2060\ufeff]"

SIGNALS: tuple[Callable[[Answer], Iterator[Signal]], ...] = (hedging, completeness)


class ConfidenceDetector:
    """Reads an answer, and the prompt where it is known, and says how far to trust it. Pure, and without state."""

    def __init__(self, *, slope: float = 1.0, intercept: float = 0.0) -> None:
        self._slope = slope
        self._intercept = intercept

    def assess(self, response: str, prompt: str | None = None, *, finish_reason: FinishReason | None = None) -> Verdict:
        """Assess any string; nothing is raised. The cost is bounded: the middle of a very long answer is not read.

        Without the prompt, a very short answer counts half against, since it may be what was asked for.
        """
        if _is_blank(response) and finish_reason is not FinishReason.TOOL_CALLS:
            return Verdict(0.0, {}, ("empty",))
        if finish_reason is FinishReason.TOOL_CALLS:
            signals = [Signal("tool call", 0.0, "calls a tool")]
        else:
            answer = _read(response, prompt, finish_reason)
            signals = [signal for read in SIGNALS for signal in read(answer)]
        logits = {"baseline": BASELINE} | {signal.name: signal.logit for signal in signals}
        reasons = tuple(signal.reason for signal in signals) or ("complete, without hedging",)
        logit = self._slope * math.fsum(logits.values()) + self._intercept
        return Verdict(1 / (1 + math.exp(-logit)), logits, reasons)


def _read(response: str, prompt: str | None, finish_reason: FinishReason | None) -> Answer:
    prose = read_prose(response)
    hedges = tuple(find_hedges(prose))
    words = count_words(response if not prose.cut else response[:EDGE_CHARS] + "\n" + response[-EDGE_CHARS:])
    asked = None if prompt is None else read_prose(prompt, lenient=True)
    task = None if asked is None else classify(asked)
    return Answer(
        text=response,
        prose=prose,
        hedges=hedges,
        word_count=max(0, words - sum(count_words(hedge.phrase) for hedge in hedges)),
        finish_reason=finish_reason,
        form=None if asked is None or task is None else answer_form(asked, task),
        task=task,
    )


def _is_blank(text: str) -> bool:
    return re.search(_VISIBLE, text) is None
