"""What there is to learn from: prompts with graded answers, from rated runs or from files of recorded outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from statistics import fmean

from ...confidence import ConfidenceDetector
from ...confidence.experience import NAME as FROM_RATINGS
from ...confidence.strength import strength_signal
from ...deferred import dataclass
from ...ledger.ratings import RatedRun
from ...money import cost_nanousd
from ...reading.complexity import ComplexityAnalyzer, Evidence
from ...types import Analysis, FinishReason, Level, digest_of
from ..pricing import RecordedModel, usage_of
from ..records import Item, RecordedOutcome

# Signals that are not read from the text of an answer: where they were recorded they are taken as they were.
_BEYOND_THE_TEXT = frozenset(
    {"agreement", "log-probabilities", "model", "schema", "self-check", "tool arguments", "verification"}
)


@dataclass(frozen=True, slots=True)
class GradedAnswer:
    """An answer's grade, 0 to 1, and what its confidence is made of.

    `logit` is what the signals add up to, before any calibration. It is None where nothing can be said: for an answer
    that is `blank`, which has a confidence of 0 whatever the calibration, and for one whose text was not kept.
    """

    outcome: float
    logit: float | None = None
    blank: bool = False
    cost_nanousd: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One prompt, by its digest, with every graded answer of every model.

    `score` is how hard it looks, 0 to 1, `level` the level that it has by the cuts in force, and `evidence` what the
    built-in score is made of, where that is wanted.
    """

    digest: str
    score: float | None
    answers: Mapping[str, Sequence[GradedAnswer]] = field(default_factory=dict)
    evidence: Evidence | None = None
    level: Level | None = None

    def graded(self) -> Iterable[GradedAnswer]:
        """All answers, of all models."""
        return (answer for answers in self.answers.values() for answer in answers)

    def of(self, model: str) -> GradedAnswer | None:
        """What the model makes of this prompt: its answer, or the mean of several; None if there is none."""
        answers = self.answers.get(model, ())
        if len(answers) < 2:
            return answers[0] if answers else None
        logits = [answer.logit for answer in answers if answer.logit is not None]
        costs = [answer.cost_nanousd for answer in answers if answer.cost_nanousd is not None]
        return GradedAnswer(
            outcome=fmean(answer.outcome for answer in answers),
            logit=fmean(logits) if logits else None,
            blank=all(answer.blank for answer in answers),
            cost_nanousd=round(fmean(costs)) if len(costs) == len(answers) else None,
        )


def cases_of_runs(runs: Iterable[RatedRun], analyzer: ComplexityAnalyzer, *, with_evidence: bool = False) -> list[Case]:
    """Rated runs by prompt (and system prompt). A run that was not finished has no model and is left out."""
    runs_of: dict[tuple[str, str | None], dict[str, list[RatedRun]]] = {}
    for run in runs:
        if run.model_used is not None:
            runs_of.setdefault((run.prompt_sha256, run.system), {}).setdefault(run.model_used, []).append(run)
    detector = ConfidenceDetector()
    cases = []
    for (digest, _), by_model in runs_of.items():
        first = next(run for runs in by_model.values() for run in runs)
        answers = {model: tuple(_of_run(run, detector) for run in runs) for model, runs in by_model.items()}
        if first.prompt is None:
            cases.append(Case(digest, first.score, answers, level=Level(first.level) if first.level else None))
        else:
            evidence = analyzer.evidence(first.prompt) if with_evidence else None
            analysis = analyzer.analyze(first.prompt)
            cases.append(Case(digest, analysis.score, answers, evidence, analysis.level))
    return cases


def _of_run(run: RatedRun, detector: ConfidenceDetector) -> GradedAnswer:
    """Where the text was kept it is assessed anew: the confidence that is tuned is that of this version."""
    signals = {name: logit for name, logit in run.signals.items() if name != FROM_RATINGS}
    if run.prompt is not None and run.response is not None:
        finish = None if run.finish_reason is None else FinishReason(run.finish_reason)
        if finish is FinishReason.LENGTH and signals and "finish" not in signals:
            finish = None  # the user had set the limit, so it did not count against the answer
        kept = {name: logit for name, logit in signals.items() if name in _BEYOND_THE_TEXT}
        signals = dict(detector.assess(run.response, run.prompt, finish_reason=finish).signals)
        signals = signals | kept if signals else {}
    blank = not signals and run.confidence == 0
    return GradedAnswer(run.rating.rating, sum(signals.values()) if signals else None, blank, run.answer_nanousd)


def cases_of_items(
    items: Iterable[Item],
    models: Mapping[str, RecordedModel],
    analyzer: ComplexityAnalyzer,
    *,
    with_evidence: bool = False,
) -> list[Case]:
    """Recorded outcomes. `models` has what each costs, as far as it is known; `analyzer` is the one in force."""
    detector = ConfidenceDetector()
    cases = []
    for item in items:
        analysis = analyzer.analyze(item.prompt)
        evidence = analyzer.evidence(item.prompt) if with_evidence else None
        answers = {
            name: (_of_outcome(item, outcome, analysis, models.get(name), detector),)
            for name, outcome in item.outcomes.items()
        }
        cases.append(Case(digest_of(item.prompt), analysis.score, answers, evidence, analysis.level))
    return cases


def _of_outcome(
    item: Item, outcome: RecordedOutcome, analysis: Analysis, model: RecordedModel | None, detector: ConfidenceDetector
) -> GradedAnswer:
    cost = None
    if model is not None and model.price is not None:
        cost = cost_nanousd(model.price, usage_of(item, outcome, analysis.output_tokens)[0])
    if outcome.text is None:
        return GradedAnswer(outcome.score, cost_nanousd=cost)
    scores = None if model is None else model.scores
    known = strength_signal(model.name, None if scores is None else scores.reasoning) if model is not None else None
    signals = detector.assess(outcome.text, item.prompt, evidence=() if known is None else (known,)).signals
    return GradedAnswer(outcome.score, sum(signals.values()) if signals else None, not signals, cost)
