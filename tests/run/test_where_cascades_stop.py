"""A cascade stops at a short complete answer, and where the next model agrees; a plan knows what that may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted import NOW, Script, Stage, reply

from orchestrator.choose.base import Offer, by_expected_cost
from orchestrator.choose.making import Planned
from orchestrator.confidence import ConfidenceDetector
from orchestrator.config import RunOptions
from orchestrator.plan import Accept, Call, Cascade, CostRange, price
from orchestrator.types import Prompt

CHEAP, MIDDLE, STRONG = "gpt-4o-mini", "claude-haiku-4-5", "claude-opus-5-5"
CHAIN = f"{CHEAP},{MIDDLE},{STRONG}"
assess = ConfidenceDetector().assess


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({}))


def plan(stage: Stage, prompt: str, **options: Any) -> Planned:
    return stage.engine().plan(Prompt(prompt), RunOptions(**options))


@pytest.mark.parametrize(
    ("prompt", "answer", "accepted"),
    [
        pytest.param("List three fruits", "Apple, banana, cherry", True, id="a list in a line"),
        pytest.param("List three fruits", "1. Apple\n2. Banana\n3. Cherry", True, id="a list by line"),
        pytest.param("Name three fruits.", "Apples, bananas and oranges.", True, id="with an and"),
        pytest.param("What are the three primary colours?", "Red, yellow, blue", True, id="asked as a question"),
        pytest.param("List the planets", "Mercury, Venus, Earth, Mars", True, id="without a number"),
        pytest.param("Which is bigger, the sun or the moon?", "The sun.", True, id="a comparison"),
        pytest.param("List three fruits", "Apple", False, id="one of three"),
        pytest.param("List ten European countries", "France, Spain", False, id="two of ten"),
        pytest.param("List three reasons why Rome fell", "War, money, plague", False, id="reasons want words"),
        pytest.param("Explain quantum entanglement", "Particles are linked.", False, id="an explanation"),
        pytest.param("What are the benefits of sport?", "Health, joy", False, id="benefits want words"),
    ],
)
def test_a_short_answer_is_taken_where_it_is_complete(prompt: str, answer: str, accepted: bool) -> None:
    assert (assess(answer, prompt).confidence >= 0.6) is accepted


def test_a_short_complete_answer_ends_the_cascade(stage: Stage) -> None:
    stage.script.acts[CHEAP] = [reply("Apple, banana, cherry")]
    result = stage.run("List three fruits", chain=CHAIN)
    assert (result.status, result.model_used, len(result.calls)) == ("complete", CHEAP, 1)


def test_the_next_models_agreement_ends_the_cascade(stage: Stage) -> None:
    stage.script.acts = {CHEAP: [reply("Particles are linked.")], MIDDLE: [reply("Particles are linked")]}
    result = stage.run("Explain quantum entanglement", chain=CHAIN)
    assert (result.status, result.model_used, len(result.calls)) == ("complete", CHEAP, 2)
    assert f"{MIDDLE} answers the same as {CHEAP}" in result.metadata["decisions"]
    assert result.calls[0].confidence == result.confidence
    assert result.confidence is not None
    assert result.confidence >= 0.6


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("Particles are linked.", "Waves are spread.", id="another answer"),
        pytest.param("I'm not sure.", "I'm not sure.", id="the same doubt"),
        pytest.param("I can't help with that.", "I can't help with that.", id="the same refusal"),
    ],
)
def test_what_is_no_agreement_on_an_answer_goes_on(stage: Stage, first: str, second: str) -> None:
    stage.script.acts = {CHEAP: [reply(first)], MIDDLE: [reply(second)], STRONG: [reply("Yes.")]}
    assert len(stage.run("Explain quantum entanglement", chain=CHAIN).calls) == 3


@pytest.mark.parametrize(
    ("chain", "acts", "kept"),
    [
        pytest.param(f"{CHEAP},{STRONG}", ("I'd say blue.", "I think it is red."), STRONG, id="the stronger one's"),
        pytest.param(f"{CHEAP},{STRONG}", ("I'd say blue.", "I can't help with that."), CHEAP, id="not a refusal"),
        pytest.param(f"{STRONG},{CHEAP}", ("I think it is red.", "I'd say blue."), STRONG, id="wherever it stands"),
        pytest.param(
            "openai/new-a,openai/new-b", ("I'd say blue.", "I think it's red."), "new-b", id="not rated: later"
        ),
    ],
)
def test_where_nothing_is_accepted_the_better_models_answer_is_kept(
    stage: Stage, chain: str, acts: tuple[str, str], kept: str
) -> None:
    registry = stage.engine().registry
    stage.script.acts = {
        registry.model(name).id: [reply(text)] for name, text in zip(chain.split(","), acts, strict=True)
    }
    result = stage.run("Which colour is best?", chain=chain, threshold=0.99)
    assert len(result.calls) == 2
    assert (result.model_used or "").endswith(kept)


def test_agreement_does_not_lower_a_threshold(stage: Stage) -> None:
    stage.script.acts = {model: [reply("Particles are linked.")] for model in (CHEAP, MIDDLE, STRONG)}
    assert len(stage.run("Explain quantum entanglement", chain=CHAIN, threshold=0.99).calls) == 3


def test_an_expected_cost_counts_each_leg_by_the_chance_that_it_is_reached() -> None:
    cascade = Cascade((Call("a"), Call("b"), Call("c")), Accept(threshold=0.6))
    costs = {"a": 100, "b": 1_000, "c": 10_000}

    def cost(call: Call) -> CostRange:
        return CostRange(1, costs[call.model], 2 * costs[call.model])

    assert price(cascade, cost, lambda _: 0.5).expected == 100 + 500 + 2_500
    assert price(cascade, cost, lambda _: 1.0).expected == 100
    assert price(Cascade(cascade.legs, Accept(threshold=0.0)), cost, lambda _: 0.5).expected == 100


def test_how_often_answers_are_accepted_is_measured(stage: Stage) -> None:
    before = plan(stage, "Which one is it?", chain=CHAIN).cost.expected
    stage.script.acts = {CHEAP: [reply("I'm not sure.")], MIDDLE: [reply("I'm not sure.")], STRONG: [reply("No.")]}
    for _ in range(5):
        stage.run("Which one is it?", chain=CHAIN)
    planned = plan(stage, "Which one is it?", chain=CHAIN)
    assert before is not None
    assert planned.cost.expected == sum(cost.expected or 0 for cost in planned.costs.values()) > before


def test_a_chain_that_is_not_in_the_order_of_expected_cost_says_why(stage: Stage) -> None:
    planned = plan(stage, "List three fruits", chain="mixed")
    assert any("not that of expected cost: claude-haiku-5-5" in reason for reason in planned.reasons)
    assert not any("expected cost" in reason for reason in plan(stage, "Why?", chain=f"{STRONG},{CHEAP}").reasons)


@pytest.mark.parametrize("strategy", ["cheapest", "cost", "capability", "ensemble"])
@pytest.mark.parametrize("limit", [20, 200])
def test_a_small_limit_is_not_given_to_a_model_that_thinks_first(stage: Stage, strategy: str, limit: int) -> None:
    engine = stage.engine()
    planned = plan(stage, "What is the capital of France?", strategy=strategy, max_tokens=limit)
    assert not any("reasoning" in engine.registry.model(call.model).tags for call in planned.costs)


def test_a_model_that_thinks_is_taken_where_there_is_no_other(stage: Stage) -> None:
    stage.environ = {"OPENAI_API_KEY": "k"}
    thinking = plan(stage, "Say hello", strategy="cheapest", max_tokens=20, min_quality=0.9)
    assert thinking.costs


def test_equal_prices_are_decided_by_quality_and_not_by_name(stage: Stage) -> None:
    specs = stage.engine().registry.models.values()
    at_one_price = [Offer(spec, CostRange(1, 1, 1), None) for spec in specs if not spec.is_retired(NOW.date())]
    ranked = [offer.spec for offer in sorted(at_one_price, key=by_expected_cost)]
    assert ranked[0].scores.reasoning + ranked[0].scores.coding >= 1.9
    assert ranked.index(stage.engine().registry.model("claude-opus-5-5")) < ranked.index(
        stage.engine().registry.model("claude-opus-4-5")
    )
