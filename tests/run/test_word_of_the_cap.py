"""A cap that leaves out a model says so, whatever the strategy, and one voice is not called an ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playing import play
from scripted import SURE, UNSURE, Script, Stage, TooLate, reply

from orchestrator.config import RunOptions
from orchestrator.run.events import Event, Note
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Prompt

CHEAP, MIDDLE, STRONG = "gpt-4o-mini", "claude-haiku-4-5", "claude-opus-5-5"
NAMED = {"models": (CHEAP, MIDDLE, STRONG), "ensemble_size": 3}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({name: [reply(SURE)] for name in (CHEAP, MIDDLE, STRONG)}))


def run(stage: Stage, **options: Any) -> tuple[OrchestrationResult, list[str]]:
    told: list[Event] = []
    result = stage.run(observe=told.append, **options)
    return result, [note.text for note in told if isinstance(note, Note) and note.loud]


@pytest.mark.parametrize(
    ("options", "used"),
    [
        pytest.param({"strategy": "ensemble", **NAMED}, CHEAP, id="ensemble"),
        pytest.param({"chain": f"{STRONG},{CHEAP}"}, CHEAP, id="chain"),
        pytest.param({"strategy": "round-robin", "models": (STRONG, CHEAP)}, CHEAP, id="round-robin"),
    ],
)
def test_a_model_that_the_cap_leaves_out_is_named(stage: Stage, options: dict[str, Any], used: str) -> None:
    result, warnings = run(stage, max_cost_nanousd=100_000, **options)
    assert (result.status, result.model_used) == ("complete", used)
    left_out = [warning for warning in warnings if warning.startswith(f"left out {STRONG}: over the cost cap")]
    assert len(left_out) == 1
    assert left_out[0] in result.metadata["decisions"]


@pytest.mark.parametrize("strategy", ["cheapest", "cost", "capability", "ensemble", "tiers", "select"])
def test_a_model_that_a_strategy_would_have_chosen_without_the_cap_is_named(stage: Stage, strategy: str) -> None:
    prompt = "Prove that there are infinitely many primes, and design a distributed proof checker for it."
    free = stage.engine().plan(*_asked(prompt, strategy=strategy))
    capped = stage.engine().plan(*_asked(prompt, strategy=strategy, max_cost_nanousd=2_000_000))
    assert free.warnings == frozenset() or not any("cost cap" in warning for warning in free.warnings)
    assert any("over the cost cap" in warning for warning in capped.warnings), capped.reasons
    assert capped.warnings <= set(capped.reasons)


def _asked(prompt: str, **options: Any) -> Any:
    return Prompt(prompt), RunOptions(**options)


def test_without_a_model_left_out_nothing_is_said(stage: Stage) -> None:
    assert run(stage, chain=f"{CHEAP},{MIDDLE}", max_cost_nanousd=10**9)[1] == []


def test_an_ensemble_that_the_cap_narrows_to_one_is_one_models_answer(stage: Stage) -> None:
    result, warnings = run(stage, strategy="ensemble", max_cost_nanousd=100_000, **NAMED)
    assert len(result.calls) == 1
    assert any(f"the answer is {CHEAP}'s alone, not an ensemble's" in warning for warning in warnings)
    assert (result.strategy, result.ensemble_models, "ensemble_size" in result.metadata) == ("fallback", (), False)


def test_an_ensemble_of_which_one_answers_is_one_models_answer(stage: Stage) -> None:
    stage.script.acts |= {MIDDLE: [TooLate()], STRONG: [TooLate()]}
    result, warnings = run(stage, strategy="ensemble", **NAMED)
    assert f"one of 3 members answered: the answer is {CHEAP}'s alone" in warnings
    assert (result.status, result.strategy, result.ensemble_models) == ("complete", "fallback", ())


def test_an_ensemble_of_two_is_one(stage: Stage) -> None:
    stage.script.acts[STRONG] = [TooLate()]
    result, _ = run(stage, strategy="ensemble", **NAMED)
    assert (result.strategy, set(result.ensemble_models)) == ("ensemble", {CHEAP, MIDDLE})


def test_a_leg_that_the_cap_refuses_on_the_way_is_told_of(stage: Stage) -> None:
    plan = f"mine: [{CHEAP}, {{call: {{name: second, model: {MIDDLE}, budget_share: 0.000001}}}}]"
    told: list[Event] = []
    result = play(stage, plan, {CHEAP: [reply(UNSURE)]}, max_cost_nanousd=10**9, observe=told.append)
    assert (result.status, result.model_used) == ("complete", CHEAP)
    assert any(isinstance(note, Note) and note.loud and note.text.startswith("left out 'second': ") for note in told)
