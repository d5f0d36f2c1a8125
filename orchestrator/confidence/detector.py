"""How far an answer can be trusted: a calibrated chance that it is acceptable.

    logit = baseline + what every signal adds
    confidence = 1 / (1 + exp(-(slope * logit + intercept)))

Two kinds of signal are put together. What speaks against an answer in so many words (hedges, a refusal, an answer cut
off) has weights set by hand, since recorded answers to benchmarks have too few of them to fit. What is measured of a
definite answer (a number, an option, code, a few words) has curves fitted to recorded outcomes, and so has where each
kind of answer starts from. Open answers, essays and advice, start from a baseline set by hand; what is measured of
their substance counts for a bounded part. Which model answered (`strength`) and what the user's ratings say
(`experience`) come as evidence.

`slope` and `intercept` are 1 and 0 unless `orch tune` has fitted them to a user's own ratings. `Verdict.signals` has
the logits before that, which add up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from ..config.tuned import Calibration
from ..expressions import expression
from ..plugins import Plugin, Table, said
from ..reading.answer import AnswerForm
from ..reading.prose import EDGE_CHARS, count_words, read_prose
from ..types import FinishReason, Task, Verdict
from .asked import Asked
from .curves import weigh_measures, weights
from .final import final_answer
from .signal import MOST_SHARED, Answer, AnswerSignal, Hedge, Measure, Signal
from .signals.arithmetic import arithmetic
from .signals.completeness import completeness
from .signals.conclusion import conclusion
from .signals.difficulty import difficulty
from .signals.emptiness import emptiness
from .signals.fit import fit
from .signals.hedging import STRONG, find_hedges, hedging
from .signals.length import length
from .signals.simplicity import simplicity
from .signals.substance import substance
from .signals.wording import wording
from .signals.working import working

BASELINE = 1.4  # of an open answer: 0.80 where nothing speaks for or against it
MOST_OF_OPEN = 0.8  # logits: what is measured of an open answer was not measured on your kind of prompt
_VISIBLE = expression(r"[^\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2060\ufeff]")

MEASURED: dict[str, Callable[[Answer], Iterator[Measure]]] = {
    "length": length,
    "working": working,
    "arithmetic": arithmetic,
    "conclusion": conclusion,
    "wording": wording,
    "difficulty": difficulty,
}
_OF_A_BARE_ANSWER = ("arithmetic", "difficulty")
_MOST_LOGIT = 10.0  # of a plugin's signal: 0.99995, or 0.00005, whatever the others say


def _of_plugin(plugin: Plugin, signal: Any) -> AnswerSignal:
    if not callable(signal):
        raise TypeError(f"{plugin.target} is no function")
    if plugin.name in MEASURED:
        raise ValueError("the name is taken by orch itself")
    return signal  # type: ignore[no-any-return]


# Signals with weights set by hand. Those of plugins count where they are asked for by name (`signals` in config.yaml).
SIGNALS: Table[AnswerSignal] = Table(
    "orch.signals",
    {"hedging": hedging, "completeness": completeness, "fit": fit, "emptiness": emptiness, "simplicity": simplicity},
    _of_plugin,
)


class ConfidenceDetector:
    """Reads an answer, and the prompt where it is known, and says how far to trust it. Pure, and without state.

    `plugins` are the names of the signals of installed packages that count as well. One that is broken, or that fails,
    is left out.
    """

    def __init__(self, *, slope: float = 1.0, intercept: float = 0.0, plugins: Collection[str] = ()) -> None:
        self._calibration = Calibration(slope, intercept)
        self._plugins = tuple(name for name in plugins if name in SIGNALS)

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
            answer = read_answer(response, prompt, finish_reason)
            signals = [*text_signals(answer), *(each for name in self._plugins for each in _from_plugin(name, answer))]
        signals += evidence
        return self.verdict(signals)

    def verdict(self, signals: Iterable[Signal]) -> Verdict:
        """Signals put together; those of one name add up. What a share takes off the others is that signal's logit."""
        logits: dict[str, float] = {}
        reasons: list[str] = []
        shares: dict[str, float] = {}
        for signal in signals:
            logits[signal.name] = logits.get(signal.name, 0.0) + signal.logit
            if signal.share != 1:
                shares[signal.name] = signal.share
            if signal.reason:
                reasons.append(signal.reason)
        for name, share in shares.items():
            others = math.fsum(logit for other, logit in logits.items() if other != name)
            logits[name] += (share - 1) * max(-MOST_SHARED, min(MOST_SHARED, others))
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
    for read in SIGNALS.built_in.values():
        yield from read(answer)
    if not answer.is_open and (asked := answer.asked) is not None:
        yield Signal("kind", kind_of_prompt(asked.form, asked.task), "")
    most = MOST_OF_OPEN if answer.is_open else math.inf
    for name, measures in measures_of(answer).items():
        yield from weigh_measures(name, measures, most)


def kind_of_prompt(form: AnswerForm, task: Task) -> float:
    """The logits that definite answers to this kind of prompt start with: how hard such prompts were."""
    prompts = weights().prompts
    return prompts.get(f"form: {form}", 0.0) + prompts.get(f"task: {task}", 0.0)


def _from_plugin(name: str, answer: Answer) -> list[Signal]:
    """What a plugin says of an answer, under the plugin's name. Once it has failed, it is asked no more."""
    read = SIGNALS.get(name)
    if read is None:
        return []
    try:
        return [_checked(name, signal) for signal in read(answer)]
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
        SIGNALS.leave_out(SIGNALS.plugins()[name], said(error))
        return []


def _checked(name: str, signal: Any) -> Signal:
    if not isinstance(signal, Signal):
        raise TypeError(f"it gave {type(signal).__name__} for a Signal")
    if not abs(signal.logit) <= _MOST_LOGIT:
        raise ValueError(
            f"it gave a logit of {signal.logit}, which is not between -{_MOST_LOGIT:g} and {_MOST_LOGIT:g}"
        )
    return Signal(name, float(signal.logit), str(signal.reason))


def measures_of(answer: Answer) -> dict[str, list[Measure]]:
    """What can be measured of an answer, by signal."""
    if answer.is_open:
        return {"substance": list(substance(answer))}
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
    return _VISIBLE.search(text) is None
