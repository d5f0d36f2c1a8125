"""What there is to learn from, made of rated runs and of recorded outcomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orchestrator.confidence import ConfidenceDetector
from orchestrator.lab.pricing import RecordedModel
from orchestrator.lab.records import Item, RecordedOutcome
from orchestrator.lab.tune.cases import Case, GradedAnswer, cases_of_items, cases_of_runs
from orchestrator.ledger.ratings import RatedRun, Rating
from orchestrator.money import Price, Rates
from orchestrator.reading.complexity import ComplexityAnalyzer
from orchestrator.types import digest_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANALYZER = ComplexityAnalyzer()
PROMPT, SURE, UNSURE = "Which item is it?", "It is item 4, as every source says.", "I'm not sure, it might be item 4."
RUN = RatedRun(
    run_id="R1",
    rating=Rating(1.0, NOW),
    strategy="fallback",
    task="question",
    level="basic",
    score=0.3,
    model_used="small",
    confidence=0.7,
    signals={"baseline": 1.0, "hedging": -0.25},
    finish_reason="stop",
    prompt_sha256=digest_of(PROMPT),
    system=None,
    prompt=None,
    response=None,
    cost_nanousd=30,
    answer_nanousd=10,
    latency_ms=100,
)
TEXT = replace(RUN, prompt=PROMPT, response=SURE)


def only(*runs: RatedRun) -> Case:
    (case,) = cases_of_runs(runs, ANALYZER)
    return case


def text_logit(response: str) -> float:
    return sum(ConfidenceDetector().assess(response, PROMPT).signals.values())


def test_a_run_whose_text_was_not_kept_counts_as_it_was_recorded() -> None:
    case = only(RUN)
    assert (case.digest, case.score) == (digest_of(PROMPT), 0.3)
    assert case.of("small") == GradedAnswer(1.0, 0.75, cost_nanousd=10)


def test_an_answer_whose_text_was_kept_is_judged_anew() -> None:
    case = only(TEXT)
    assert case.score == ANALYZER.analyze(PROMPT).score
    assert case.of("small") == GradedAnswer(1.0, text_logit(SURE), cost_nanousd=10)
    assert only(replace(TEXT, response=UNSURE)).of("small").logit < case.of("small").logit  # type: ignore[union-attr, operator]


def test_what_was_known_beyond_the_text_is_kept() -> None:
    agreed = only(replace(TEXT, signals={"baseline": 9.0, "agreement": 2.0, "verification": -5.0})).of("small")
    assert agreed is not None
    assert agreed.logit == pytest.approx(text_logit(SURE) - 3.0)


def test_an_empty_answer_has_no_evidence_and_no_confidence() -> None:
    for run in (replace(RUN, signals={}, confidence=0.0), replace(TEXT, response=" ", signals={}, confidence=0.0)):
        assert only(run).of("small") == GradedAnswer(1.0, None, blank=True, cost_nanousd=10)


def test_the_same_prompt_to_two_models_is_one_case_and_another_system_prompt_makes_another() -> None:
    large = replace(RUN, model_used="large", rating=Rating(0.0, NOW), answer_nanousd=None)
    again = replace(RUN, rating=Rating(0.5, NOW), signals={"baseline": 0.25}, answer_nanousd=20)
    case = only(RUN, large, again)
    assert case.of("small") == GradedAnswer(0.75, 0.5, cost_nanousd=15)
    assert case.of("large") == GradedAnswer(0.0, 0.75)
    assert case.of("other") is None
    assert sum(1 for _ in case.graded()) == 3
    assert len(cases_of_runs([RUN, replace(RUN, system="Be brief.")], ANALYZER)) == 2


def test_a_run_that_was_not_finished_belongs_to_no_model() -> None:
    assert cases_of_runs([replace(RUN, model_used=None)], ANALYZER) == []


def test_recorded_outcomes_have_grades_evidence_and_costs() -> None:
    outcomes = {
        "small": RecordedOutcome(0.5, UNSURE, 1_000, 100),
        "large": RecordedOutcome(1.0),
        "blank": RecordedOutcome(0.0, ""),
    }
    price = Price(NOW.date(), "given", NOW.date(), Rates(Decimal(1), Decimal(2)))
    models = {name: RecordedModel(name, price if name == "small" else None) for name in outcomes}
    (case,) = cases_of_items([Item("1", "t", PROMPT, outcomes)], models, ANALYZER, with_evidence=True)
    assert case.digest == digest_of(PROMPT)
    assert case.of("small") == GradedAnswer(0.5, text_logit(UNSURE), cost_nanousd=1_200_000)
    assert case.of("large") == GradedAnswer(1.0)
    assert case.of("blank") == GradedAnswer(0.0, None, blank=True)
    assert case.evidence == ANALYZER.evidence(PROMPT)
