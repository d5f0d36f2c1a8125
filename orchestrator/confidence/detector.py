"""How far an answer can be trusted: a calibrated chance that it is acceptable.

    logit = baseline + what every signal adds
    confidence = 1 / (1 + exp(-(slope * logit + intercept)))

Two kinds of signal are put together. What speaks against an answer in so many words (hedges, a refusal, an answer cut
off) has weights set by hand, since recorded answers to benchmarks have too few of them to fit. What is measured of a
definite answer (a number, an option, code, a few words) has curves fitted to recorded outcomes, and so has where each
kind of answer starts from. Nothing was recorded of open answers, essays and advice: for those only the signals set by
hand count, around the threshold of 0.6 at which a cascade goes on.

`slope` and `intercept` are 1 and 0 unless `orch tune` has fitted them to a user's own ratings. `Verdict.signals` has
the logits before that, which add up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..analysis.prose import EDGE_CHARS, count_words, read_prose
from ..expressions import expression
from ..tuned import Calibration
from ..types import FinishReason, Verdict
from .answers import final_answer
from .arithmetic import arithmetic
from .asked import Asked
from .completeness import completeness, fullness
from .conclusion import conclusion
from .curves import weigh_measures, weights
from .difficulty import difficulty
from .fit import fit
from .hedging import STRONG, find_hedges, hedging
from .length import length
from .signal import Answer, Hedge, Measure, Signal
from .wording import wording
from .working import working

BASELINE = 1.0  # of an open answer: 0.73 where nothing speaks for or against it
_VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2060\ufeff]"

BY_HAND: tuple[Callable[[Answer], Iterator[Signal]], ...] = (hedging, completeness, fit)
MEASURED: dict[str, Callable[[Answer], Iterator[Measure]]] = {
    "length": length,
    "working": working,
    "arithmetic": arithmetic,
    "conclusion": conclusion,
    "wording": wording,
    "difficulty": difficulty,
}
_OF_A_BARE_ANSWER = ("arithmetic", "difficulty")


class ConfidenceDetector:
    """Reads an answer, and the prompt where it is known, and says how far to trust it. Pure, and without state."""

    def __init__(self, *, slope: float = 1.0, intercept: float = 0.0) -> None:
        self._calibration = Calibration(slope, intercept)

    def assess(
        self,
        response: str,
        prompt: str | Asked | None = None,
        *,
        finish_reason: FinishReason | None = None,
        evidence: Sequence[Signal] = (),
    ) -> Verdict:
        """Assess any string; nothing is raised. The cost is bounded: the middle of a very long answer is not read.

        Without the prompt, a very short answer counts half against, since it may be what was asked for. `evidence`
        is what is known of the answer beyond its text, such as whether another model agrees. Whoever assesses several
        answers to a prompt gives it as `Asked`, so that it is read once.
        """
        if _is_blank(response) and finish_reason is not FinishReason.TOOL_CALLS:
            return Verdict(0.0, {}, ("empty",))
        if finish_reason is FinishReason.TOOL_CALLS:
            signals = [_baseline(BASELINE), Signal("tool call", 0.0, "calls a tool")]
        else:
            signals = list(text_signals(read_answer(response, prompt, finish_reason)))
        signals += evidence
        return self.verdict(signals)

    def verdict(self, signals: Iterable[Signal]) -> Verdict:
        """Signals put together; those of one name add up."""
        logits: dict[str, float] = {}
        reasons: list[str] = []
        for signal in signals:
            logits[signal.name] = logits.get(signal.name, 0.0) + signal.logit
            if signal.reason:
                reasons.append(signal.reason)
        confidence = self._calibration.confidence(math.fsum(logits.values()))
        return Verdict(confidence, logits, tuple(reasons) or ("complete, without hedging",))


def read_answer(response: str, prompt: str | Asked | None, finish_reason: FinishReason | None = None) -> Answer:
    """A response, read once for all signals."""
    prose = read_prose(response)
    hedges = tuple(find_hedges(prose))
    text = _without_asides(response, hedges)
    words = count_words(response if not prose.cut else response[:EDGE_CHARS] + "\n" + response[-EDGE_CHARS:])
    asked = None if prompt is None else Asked.of(prompt)
    return Answer(
        text=text,
        prose=prose,
        hedges=hedges,
        word_count=max(0, words - sum(count_words(hedge.phrase) for hedge in hedges)),
        finish_reason=finish_reason,
        final=final_answer(text, None if asked is None else asked.wanted),
        asked=asked,
    )


def text_signals(answer: Answer) -> Iterator[Signal]:
    """The baseline and every signal that the answer's text gives."""
    if answer.is_open:
        yield _baseline(BASELINE)
    else:
        yield _baseline(weights().baselines[answer.final.kind])
    for read in BY_HAND:
        yield from read(answer)
    if answer.is_open:
        yield from fullness(answer)
        return
    for name, measures in measures_of(answer).items():
        yield from weigh_measures(name, measures)


def measures_of(answer: Answer) -> dict[str, list[Measure]]:
    """What can be measured of a definite answer, by signal."""
    names = _OF_A_BARE_ANSWER if answer.is_bare else tuple(MEASURED)
    return {name: list(MEASURED[name](answer)) for name in names}


_SENTENCE = expression(r"[^.!?\n]*(?:[.!?]+|\n|\Z)")
_ASIDE_WORDS = 12


def _without_asides(text: str, hedges: Sequence[Hedge]) -> str:
    """A text without its short sentences of doubt, unless there is nothing else in it."""
    if not hedges or len(text) > 2 * EDGE_CHARS:
        return text
    doubts = [rf"(?<!\w){re.escape(hedge.phrase)}(?!\w)" for hedge in hedges if hedge.weight >= STRONG]

    def is_aside(sentence: str) -> bool:
        said = " ".join(sentence.lower().replace("’", "'").split())
        return count_words(said) <= _ASIDE_WORDS and any(re.search(doubt, said) for doubt in doubts)

    kept = "".join(part for part in _SENTENCE.findall(text) if not is_aside(part)).rstrip()
    return text if _is_blank(kept) else kept


def _baseline(logit: float) -> Signal:
    return Signal("baseline", logit, "")


def _is_blank(text: str) -> bool:
    return re.search(_VISIBLE, text) is None
