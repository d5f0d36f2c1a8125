"""A local model that takes over routine tasks: when, for what, for whom, and what happens when it fails."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from scripted import NOW, SURE, UNSURE, Act, Script, Stage, TooLate, reply
from skipping import carry_out

from orchestrator.choose.rollout import is_in_share
from orchestrator.config import Rollout, RunOptions
from orchestrator.errors import ConfigError, ConnectionFailedError, RequestRejectedError
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.store import Ledger
from orchestrator.plan import Cascade, calls
from orchestrator.run.engine import Engine
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Prompt

LOCAL = "ollama/qwen2.5-coder-32b"
BEGUN = Rollout(LOCAL, starts=NOW.date())
QUESTION = "What is the capital of France?"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    found = Stage(tmp_path, Script({}))
    local = found.engine().registry.model(LOCAL).id
    found.script.acts |= {name: [reply(SURE)] for name in (local, "claude-haiku-5-5", "gemini-3.8-flash")}
    return found


def engine(stage: Stage, rollout: Rollout | None) -> Engine:
    found = stage.engine()
    found.settings = replace(found.settings, rollout=rollout)
    return found


def run(stage: Stage, rollout: Rollout | None, prompt: str = QUESTION, **options: object) -> OrchestrationResult:
    asked = replace(RunOptions(strategy="tiers"), **options)  # type: ignore[arg-type]
    return carry_out(engine(stage, rollout).run(Prompt(prompt), asked), stage.script.clock)


def models(result: OrchestrationResult) -> list[str]:
    return [call.model for call in result.calls]


def test_from_its_day_on_the_local_model_is_asked_first_and_its_row_says_so(stage: Stage) -> None:
    result = run(stage, BEGUN)
    assert models(result) == [LOCAL]
    assert result.metadata["rollout"] == {"model": LOCAL, "share": 1.0, "taken": True}
    with Ledger.open(stage.ledger) as ledger:
        recorded = find_run(ledger, "last")
    assert json.loads(recorded.run.metadata)["rollout"]["taken"] is True
    assert (recorded.run.pattern, recorded.calls[0].step) == ("debate", "rollout")


@pytest.mark.parametrize(
    ("rollout", "options", "why"),
    [
        pytest.param(replace(BEGUN, starts=date(2026, 11, 22)), {}, "starts on 2026-11-22", id="the day before"),
        pytest.param(replace(BEGUN, tasks=("code", "summary")), {}, "it is for code, summary", id="another task"),
        pytest.param(BEGUN, {"tier": "exec"}, "the tier EXEC", id="another tier"),
        pytest.param(BEGUN, {"critical": True}, "the tier ARCH", id="not routine"),
        pytest.param(BEGUN, {"strategy": "ensemble"}, "ensemble decides", id="a strategy that is told what to call"),
        pytest.param(BEGUN, {"strategy": "fallback", "chain": "anthropic"}, "anthropic", id="a chain that is named"),
        pytest.param(BEGUN, {"strategy": "fallback", "role": "critic"}, "a role", id="a role"),
    ],
)
def test_otherwise_nothing_changes_and_it_is_said_why(
    stage: Stage, rollout: Rollout, options: dict[str, object], why: str
) -> None:
    asked = replace(RunOptions(strategy="tiers"), **options)  # type: ignore[arg-type]
    with_it = engine(stage, rollout).plan(Prompt(QUESTION), asked)
    without = engine(stage, None).plan(Prompt(QUESTION), asked)
    assert replace(with_it, reasons=()) == replace(without, reasons=())
    assert with_it.rolled_out is None
    assert with_it.reasons[:-1] == without.reasons
    assert why in with_it.reasons[-1]


@pytest.mark.parametrize(
    ("prompt", "taken"),
    [
        ("Write a function that reverses a string", True),
        ("Write a SQL query that counts users by country", True),
        ("Implement a distributed rate limiter", False),
    ],
)
@pytest.mark.parametrize("strategy", ["tiers", "cheapest", "fallback"])
def test_a_rollout_of_code_takes_what_is_routine_without_being_told(
    stage: Stage, strategy: str, prompt: str, taken: bool
) -> None:
    planned = engine(stage, replace(BEGUN, tasks=("code",))).plan(Prompt(prompt), RunOptions(strategy=strategy))
    assert (planned.rolled_out is not None) is taken


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(ConnectionFailedError("the machine is off", provider="ollama"), id="unreachable"),
        pytest.param(RequestRejectedError("it does not know the model", provider="ollama"), id="rejected"),
        pytest.param(reply(UNSURE), id="an answer that cannot be trusted"),
        pytest.param(TooLate(), id="silence, for half of the run's time"),
    ],
)
def test_the_plan_steps_in_where_the_local_model_fails(stage: Stage, act: Act) -> None:
    stage.script.acts[stage.engine().registry.model(LOCAL).id] = [act]
    result = run(stage, BEGUN, timeout_s=600.0)
    assert result.status == "complete"
    assert result.model_used == "claude-haiku-5-5"
    assert set(models(result)) == {LOCAL, "claude-haiku-5-5", "gemini-3.8-flash"}


def test_nothing_else_brings_the_local_model_in(stage: Stage) -> None:
    cheapest = RunOptions(strategy="cheapest")
    (chosen,) = calls(engine(stage, None).plan(Prompt(QUESTION), cheapest).plan)
    reserved = Rollout(chosen.model, starts=date(2027, 1, 1))
    (another,) = calls(engine(stage, reserved).plan(Prompt(QUESTION), cheapest).plan)
    assert another.model != chosen.model
    named = RunOptions(chain=chosen.model)
    assert [call.model for call in calls(engine(stage, reserved).plan(Prompt(QUESTION), named).plan)] == [chosen.model]


def test_a_share_is_kept_to_and_the_same_subject_always_gets_the_same(stage: Stage) -> None:
    quarter = replace(BEGUN, share=0.25)
    taken = [is_in_share(quarter, f"subject {n}") for n in range(10_000)]
    assert abs(sum(taken) / 10_000 - 0.25) < 0.01
    assert taken == [is_in_share(quarter, f"subject {n}") for n in range(10_000)]
    half = replace(BEGUN, share=0.5)
    assert all(is_in_share(half, f"subject {n}") for n in range(10_000) if taken[n])
    place = taken.index(True)
    for prompt in (QUESTION, "What is the capital of Peru?"):
        assert models(run(stage, quarter, prompt, subject=f"subject {place}")) == [LOCAL]
    left = run(stage, quarter, subject=f"subject {taken.index(False)}")
    assert LOCAL not in models(left)
    assert left.metadata["rollout"] == {"model": LOCAL, "share": 0.25, "taken": False}


@pytest.mark.parametrize("strategy", ["cheapest", "fallback"])
def test_it_works_for_runs_that_name_no_model_and_is_priced(stage: Stage, strategy: str) -> None:
    planned = engine(stage, BEGUN).plan(Prompt(QUESTION), RunOptions(strategy=strategy))
    assert isinstance(planned.plan, Cascade)
    first, *others = calls(planned.plan)
    assert first.model == LOCAL
    assert planned.costs[first].expected is not None
    assert others
    assert LOCAL not in [call.model for call in others]


def test_a_prompt_too_long_for_the_local_model_goes_to_the_plan(stage: Stage) -> None:
    planned = engine(stage, BEGUN).plan(
        Prompt("Summarise this: " + "some words " * 30_000), RunOptions(strategy="tiers", routine=True)
    )
    assert LOCAL not in [call.model for call in calls(planned.plan)]
    assert any("too long" in reason for reason in planned.reasons)


def test_a_local_model_that_is_slower_than_the_run_allows_is_not_called(stage: Stage) -> None:
    def reasons(max_latency_s: float) -> tuple[str, ...]:
        asked = RunOptions(strategy="tiers", max_latency_s=max_latency_s)
        planned = engine(stage, BEGUN).plan(Prompt(QUESTION), asked)
        assert planned.rolled_out is not None
        assert planned.rolled_out.taken is (LOCAL in [call.model for call in calls(planned.plan)])
        return planned.reasons

    assert f"rollout: {LOCAL} cannot be called: slower than was asked for" in reasons(0.8)
    assert any(reason.startswith(f"rollout: {LOCAL} first") for reason in reasons(3_600.0))


@pytest.mark.parametrize(
    ("rollout", "message"),
    [
        pytest.param(replace(BEGUN, model="olama/qwen"), "no model 'olama/qwen'", id="model"),
        pytest.param(replace(BEGUN, tasks=("coding",)), "'coding' is no routine task", id="task"),
        pytest.param(replace(BEGUN, tasks=("analysis",)), "'analysis' is no routine task", id="a task that judges"),
    ],
)
def test_a_slip_in_a_rollout_is_named_even_before_it_starts(stage: Stage, rollout: Rollout, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        engine(stage, replace(rollout, starts=date(2027, 1, 1))).plan(Prompt(QUESTION), RunOptions(strategy="tiers"))
