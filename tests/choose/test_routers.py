"""The routers, through the engine: whom they call, in which order, and why."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import NOW, SURE, UNSURE, Script, Stage, reply

from orchestrator.choose.experiment import draw
from orchestrator.choose.latency import tokens_per_second
from orchestrator.choose.making import Planned
from orchestrator.choose.quality import rating
from orchestrator.choose.strategies.capability import price_per_million
from orchestrator.config import Complexity, RunOptions, Unfamiliar, load_settings
from orchestrator.errors import ConfigError, OverloadedError, UsageError
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.store import Ledger
from orchestrator.plan import Call, Cascade, calls
from orchestrator.reading.attachments import attach
from orchestrator.reading.complexity import CUTS, analyzer_for, difficulty_of, level_of
from orchestrator.registry.routes import Arm, Experiment
from orchestrator.types import Level, Prompt, Task

KEYS = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"), "k")
QUESTION, CODE = "What is the capital of France?", "Write a Python function that merges two sorted lists."
HARD = "Research and comprehensively compare multiple consensus protocols, and prove their safety."


def stage(folder: Path, acts: dict[str, Any] | None = None, **environ: str) -> Stage:
    return Stage(folder, Script(acts or {}), environ={**KEYS, "DEEPSEEK_API_KEY": "k", **environ})


def planned(folder: Path, prompt: str | Prompt, environ: dict[str, str] | None = None, **options: Any) -> Planned:
    asked = Prompt(prompt) if isinstance(prompt, str) else prompt
    return stage(folder, None, **(environ or {})).engine().plan(asked, replace(RunOptions(), **options))


def models(plan: Planned) -> list[str]:
    return [call.model for call in calls(plan.plan)]


# -- round-robin -----------------------------------------------------------------------------------------------------

RING = ("claude-haiku-5-5", "gpt-6-luna", "gemini-3.8-flash")
ANSWERS = {name: [reply(SURE)] for name in RING}


def test_runs_go_round_and_a_plan_shows_whose_turn_it_is_without_taking_it(tmp_path: Path) -> None:
    theatre = stage(tmp_path, ANSWERS)
    asked: dict[str, Any] = {"strategy": "round-robin", "models": RING}
    seen: list[str | None] = []
    for _ in range(7):
        for _ in range(2):
            shown = theatre.engine().plan(Prompt("Why?"), replace(RunOptions(), **asked))
        seen.append(theatre.run(**asked).model_used)
        assert models(shown)[0] == seen[-1]
    assert seen == [RING[turn % 3] for turn in range(7)]


def test_the_turn_is_taken_when_a_plan_is_carried_out_and_not_when_it_is_made(tmp_path: Path) -> None:
    engine = stage(tmp_path, ANSWERS).engine()
    options = replace(RunOptions(), strategy="round-robin", models=RING)
    both = [engine.plan(Prompt("Why?"), options) for _ in range(2)]
    answered = [asyncio.run(engine.execute(plan)).model_used for plan in both]
    assert answered == list(RING[:2])


def test_a_model_whose_turn_it_is_and_that_fails_is_stood_in_for_by_the_next(tmp_path: Path) -> None:
    down = OverloadedError("busy", provider="anthropic")
    result = stage(tmp_path, ANSWERS | {"claude-haiku-5-5": [down]}).run(strategy="round-robin", models=RING)
    assert result.status == "complete"
    assert result.model_used == "gpt-6-luna"


def test_a_model_without_a_key_is_left_out_of_the_ring(tmp_path: Path) -> None:
    plan = Stage(tmp_path, Script({}), environ={"ANTHROPIC_API_KEY": "k"}).engine()
    shown = plan.plan(Prompt("Why?"), replace(RunOptions(), strategy="round-robin"))
    assert models(shown) == ["claude-sonnet-5-5"]
    assert "left out gpt-6.1-terra: no key" in shown.reasons


# -- cost and capability ---------------------------------------------------------------------------------------------


def test_cost_asks_the_cheapest_that_is_rated_and_the_next_cheapest_if_it_fails(tmp_path: Path) -> None:
    plan = planned(tmp_path, HARD, strategy="cost")
    costs = [plan.costs[call].expected or 0 for call in calls(plan.plan)]
    assert len(costs) == 3
    assert costs == sorted(costs)
    assert models(plan)[0] == models(planned(tmp_path, HARD, strategy="cheapest"))[0]


# Code and a complaint, of a kind that was never recorded; no order in it names a level.
STRANGE = "def f(x):\n    return x +\n\nf(3) gives SyntaxError on line 2 although it worked yesterday"


def test_where_only_the_score_says_that_an_unfamiliar_prompt_is_hard_cheapest_leaves_it_to_a_cascade(
    tmp_path: Path,
) -> None:
    plan = planned(tmp_path, STRANGE, strategy="cheapest", threshold=0.7)
    assert (plan.analysis.unfamiliar, plan.analysis.ordered) == (True, False)
    assert isinstance(plan.plan, Cascade)
    assert plan.plan.accept.threshold == 0.7
    first, rated, *_ = models(plan)
    assert first == models(planned(tmp_path, "Format this", strategy="cheapest"))[0] != rated
    assert any("its answer decides" in reason for reason in plan.reasons)
    ordered = planned(tmp_path, f"Explain why.\n{STRANGE}", strategy="cheapest")
    assert isinstance(ordered.plan, Call), "an order names the level"
    by_score = stage(tmp_path).engine(complexity=Complexity(unfamiliar=Unfamiliar.SCORE))
    assert isinstance(by_score.plan(Prompt(STRANGE), RunOptions(strategy="cheapest")).plan, Call)


def test_the_fit_of_a_model_is_the_weighed_sum_of_its_scores_less_its_price(tmp_path: Path) -> None:
    engine = stage(tmp_path).engine()
    plan = engine.plan(Prompt(HARD), replace(RunOptions(), strategy="capability"))
    fit = engine.registry.routing.fit
    fits = {}
    for name, spec in engine.registry.models.items():
        if spec.provider in ("anthropic", "openai", "google", "openrouter", "deepseek") and not spec.is_retired(
            NOW.date()
        ):
            scores = spec.scores  # an expert prompt without code: reasoning is raised, the others as usual
            worth = 0.2 * scores.coding + 0.4 * scores.reasoning + 0.1 * scores.speed
            fits[name] = worth - 0.3 * price_per_million(spec, fit, NOW) / 100
    assert plan.analysis.level in ("advanced", "expert")
    assert models(plan) == sorted(fits, key=lambda name: -fits[name])[:3]
    assert f"{fits[models(plan)[0]]:.3f}" in " ".join(plan.reasons)


def test_what_a_prompt_asks_for_raises_the_weight_of_it(tmp_path: Path) -> None:
    assert "speed weighs more for this prompt" in planned(tmp_path, QUESTION, strategy="capability").reasons
    raised = [
        reason for reason in planned(tmp_path, CODE, strategy="capability").reasons if "for this prompt" in reason
    ]
    assert len(raised) == 1
    assert raised[0].startswith("coding")


def test_a_users_scores_and_weights_decide(tmp_path: Path) -> None:
    (tmp_path / "routing.yaml").write_text(
        "capability:\n  weights: {coding: 1}\n  cost: {weight: 0, per: 1, output_share: 0.25}\n"
        "  scores: {haiku: {coding: 1.0}}\n"
    )
    assert models(planned(tmp_path, QUESTION, strategy="capability"))[0] == "claude-haiku-5-5"


def test_a_model_whose_window_is_too_small_is_not_considered(tmp_path: Path) -> None:
    plan = planned(tmp_path, "word " * 300_000, strategy="capability")
    registry = stage(tmp_path).engine().registry
    assert all(registry.model(name).context_window > 300_000 for name in models(plan))


# -- task tables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "prompt", "row", "primary"),
    [
        ("tasks", QUESTION, "simple-tasks", "openrouter/qwen/qwen3.8-flash"),
        ("tasks", CODE, "code-generation", "claude-sonnet-5-5"),
        ("tasks", f"Refactor this: {CODE}", "refactoring", "claude-sonnet-5-5"),
        ("tasks", "Is there an SQL  injection in this login form?", "security", "gpt-6.1-sol"),
        ("tasks", HARD, "complex-reasoning", "claude-opus-5-5"),
        ("tasks", "Summarize this: " + "all the words of a long file " * 12_000, "long-files", "gemini-4-argon"),
        ("matrix", QUESTION, "orchestration", "gemini-2.5-flash-lite"),
        ("matrix", CODE, "code-generation", "claude-haiku-5-5"),
        ("matrix", "Write the README of this project.", "documentation", "claude-haiku-5-5"),
        ("matrix", "Which tests should run tonight?", "testing", "gemini-2.5-flash-lite"),
        ("matrix", "Give me a design review of this service.", "design-review", "claude-sonnet-5-5"),
        ("matrix", HARD, "reasoning", "claude-sonnet-5-5"),
        ("matrix", "Write unit tests for add()", "code-generation", "claude-haiku-5-5"),
        ("matrix", "Implement a distributed rate limiter", "code-generation", "claude-haiku-5-5"),
        ("matrix", "Do a security review of this login code", "design-review", "claude-sonnet-5-5"),
        ("matrix", "Review this code for vulnerabilities", "design-review", "claude-sonnet-5-5"),
    ],
)
def test_a_prompt_goes_to_the_model_of_its_row(tmp_path: Path, table: str, prompt: str, row: str, primary: str) -> None:
    plan = planned(tmp_path, prompt, strategy=table)
    assert models(plan)[0] == primary
    assert f": {row} (" in plan.reasons[0]
    assert len(models(plan)) > 1


def test_an_answer_that_cannot_be_trusted_goes_to_the_fallback(tmp_path: Path) -> None:
    acts = {"claude-haiku-5-5": [reply(UNSURE)], "gpt-6-luna": [reply(SURE)]}
    result = stage(tmp_path, acts).run(CODE, strategy="matrix")
    assert [call.model for call in result.calls] == ["claude-haiku-5-5", "gpt-6-luna"]
    assert result.model_used == "gpt-6-luna"
    assert result.strategy == "matrix"


def test_the_task_can_be_said(tmp_path: Path) -> None:
    assert models(planned(tmp_path, "Go on.", strategy="matrix", task="design-review"))[0] == "claude-sonnet-5-5"
    said = planned(tmp_path, "Go on.", strategy="cheapest", task="summary")
    assert said.analysis.task == "summary"
    with pytest.raises(UsageError, match="no task 'sumary'") as caught:
        planned(tmp_path, "Go on.", strategy="cheapest", task="sumary")
    assert caught.value.hint == "did you mean 'summary'?"


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({"MODEL_OVERRIDE_IMPLEMENTATION": "opus"}, "claude-opus-5-5"),
        ({"MODEL_OVERRIDE_CODE": "gpt-6.1-sol", "MODEL_OVERRIDE_IMPLEMENTATION": "opus"}, "gpt-6.1-sol"),
        ({"MODEL_OVERRIDE_CODE_GENERATION": "sonnet", "MODEL_OVERRIDE_CODE": "opus"}, "claude-sonnet-5-5"),
        ({"MODEL_OVERRIDE_REASONING": "opus"}, "claude-haiku-5-5"),
        ({"MODEL_OVERRIDE_IMPLEMENTATION": ""}, "claude-haiku-5-5"),
    ],
    ids=["kind", "task before kind", "row before task", "of another row", "empty"],
)
def test_a_variable_puts_another_model_first(tmp_path: Path, variables: dict[str, str], first: str) -> None:
    plan = planned(tmp_path, CODE, variables, strategy="matrix")
    assert models(plan)[0] == first
    assert {"claude-haiku-5-5", "gpt-6-luna"} <= set(models(plan))


def test_a_variable_with_an_unknown_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="MODEL_OVERRIDE_REASONING: there is no model named 'clawd-opus'") as caught:
        planned(tmp_path, QUESTION, {"MODEL_OVERRIDE_REASONING": "clawd-opus"}, strategy="tasks")
    assert caught.value.exit_code == 3


def test_a_variable_for_no_task_of_the_table_is_mentioned(tmp_path: Path) -> None:
    plan = planned(tmp_path, QUESTION, {"MODEL_OVERRIDE_REASONNING": "opus"}, strategy="matrix")
    assert any(reason.startswith("MODEL_OVERRIDE_REASONNING is for no task of matrix") for reason in plan.reasons)


def test_a_free_tier_goes_first_and_when_its_day_is_used_up_what_is_paid_for_comes(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(
        "checked: 2026-11-21\nsource: test\nmodels:\n  free:\n    provider: google\n    context_window: 1000000\n"
        "    output_limit: 8000\n    levels: [basic]\n"
        "    scores: {coding: 0.1, reasoning: 0.1, speed: 0.9, long_context: 0.5}\n"
        "    free_quota: {requests_per_day: 2}\n    prices: [{input: 1, output: 1}]\n"
    )
    (tmp_path / "routing.yaml").write_text(
        "tables: {mine: {free_first: true, rows: [{name: all, primary: haiku, fallback: free}]}}"
    )
    theatre = stage(tmp_path, {"free": [reply(SURE)], "claude-haiku-5-5": [reply(SURE)]})
    base = theatre.engine()
    engine = theatre.engine(free_tier=("google",))
    options = replace(RunOptions(), strategy="mine")
    results = [asyncio.run(engine.run(Prompt(QUESTION), options)) for _ in range(3)]
    assert [result.model_used for result in results] == ["free", "free", "claude-haiku-5-5"]
    assert [result.cost_nanousd == 0 for result in results] == [True, True, False]
    assert models(base.plan(Prompt(QUESTION), options)) == ["claude-haiku-5-5", "free"]  # who pays, pays in order


def test_where_no_model_of_the_row_can_be_called_the_cheapest_that_will_do_is(tmp_path: Path) -> None:
    alone = Stage(tmp_path, Script({}), environ={"DEEPSEEK_API_KEY": "k"}).engine()
    plan = alone.plan(Prompt(CODE), replace(RunOptions(), strategy="matrix"))
    assert all(name.startswith("deepseek") for name in models(plan))
    assert "none of claude-haiku-5-5, gpt-6-luna can be called: no key" in plan.reasons


# -- experiments -----------------------------------------------------------------------------------------------------


def test_a_split_of_70_to_30_over_10_000_subjects_is_kept_within_a_point() -> None:
    arms = (Arm("control", 0.7, model="a"), Arm("treatment", 0.3, model="b"))
    for name in ("small-models", "prompt-caching"):
        drawn = [draw(Experiment(name, arms), f"user-{number}").name for number in range(10_000)]
        assert abs(drawn.count("treatment") / 10_000 - 0.3) < 0.01


@given(st.text(), st.text(min_size=1), st.floats(0.01, 0.99))
def test_a_subject_always_gets_the_same_arm(subject: str, name: str, share: float) -> None:
    experiment = Experiment(name, (Arm("a", share, model="x"), Arm("b", 1 - share, model="y")))
    assert draw(experiment, subject) == draw(experiment, subject)


def test_who_is_in_one_experiments_treatment_says_nothing_of_another() -> None:
    arms = (Arm("a", 0.5, model="x"), Arm("b", 0.5, model="y"))
    one, other = Experiment("one", arms), Experiment("other", arms)
    same = sum(draw(one, str(number)) == draw(other, str(number)) for number in range(10_000))
    assert 4_800 < same < 5_200


EXPERIMENT = """
experiments:
  trial:
    arms: {control: {model: haiku}, treatment: {chain: fast}, third: {strategy: cheapest}}
    from: 2026-11-01
    until: 2026-11-30
  later: {arms: {a: {model: haiku}, b: {model: opus}}, from: 2026-12-01}
  broken: {arms: {a: {strategy: chepest}, b: {strategy: chepest}}}
"""


def test_a_run_of_an_experiment_is_recorded_with_its_arm_and_answers_by_it(tmp_path: Path) -> None:
    (tmp_path / "routing.yaml").write_text(EXPERIMENT)
    theatre = stage(tmp_path, {name: [reply(SURE)] for name in (*RING, "gemini-2.5-flash-lite")})
    seen: dict[str, str | None] = {}
    for number in range(12):
        result = theatre.run("Why?", strategy="experiment", experiment="trial", subject=f"user {number}")
        with Ledger.open(theatre.ledger) as ledger:
            run = find_run(ledger, str(result.run_id)).run
        assert (run.strategy, run.experiment) == ("experiment", "trial")
        assert run.subject_sha256 is not None
        assert run.arm is not None
        seen[run.arm] = result.model_used
        again = theatre.run("Something else?", strategy="experiment", experiment="trial", subject=f"user {number}")
        assert again.metadata["experiment"]["arm"] == run.arm
    assert set(seen) == {"control", "treatment", "third"}
    assert seen["control"] == "claude-haiku-5-5"


def test_outside_its_days_everybody_gets_the_control_and_no_run_counts(tmp_path: Path) -> None:
    (tmp_path / "routing.yaml").write_text(EXPERIMENT)
    theatre = stage(tmp_path, ANSWERS)
    for number in range(4):
        result = theatre.run("Why?", strategy="experiment", experiment="later", subject=str(number))
        with Ledger.open(theatre.ledger) as ledger:
            run = find_run(ledger, str(result.run_id)).run
        assert (run.model_used, run.experiment, run.arm) == ("claude-haiku-5-5", None, None)


def test_an_empty_subject_is_a_variable_that_was_not_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the subject is empty"):
        planned(tmp_path, "Why?", strategy="experiment", subject=" ")


def test_an_arm_with_an_unknown_strategy_is_a_mistake_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "routing.yaml").write_text(EXPERIMENT)
    with pytest.raises(ConfigError, match=r"experiment broken: .*chepest"):
        planned(tmp_path, "Why?", strategy="experiment", experiment="broken")
    with pytest.raises(UsageError, match="which experiment"):
        planned(tmp_path, "Why?", strategy="experiment")


# -- latency ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("score", "tokens"), [(0.3, 20), (0.7, 80), (1.0, 1_500)])
def test_a_score_for_speed_stands_for_the_tokens_that_the_registry_says(score: float, tokens: float) -> None:
    assert tokens_per_second(score) == pytest.approx(tokens)


def test_a_slow_model_is_passed_over_by_its_speed_until_it_is_measured(tmp_path: Path) -> None:
    essay = "Write an essay on trees."
    plan = planned(tmp_path, essay, strategy="fallback", chain="opus,haiku", max_latency_s=3.0)
    assert models(plan) == ["claude-haiku-5-5"]
    assert any("claude-opus-5-5 would take" in reason and "not measured yet" in reason for reason in plan.reasons)

    theatre = stage(tmp_path, {"claude-opus-5-5": [reply(SURE)]})
    for _ in range(5):
        theatre.run(essay, chain="opus")
    measured = planned(tmp_path, essay, strategy="fallback", chain="opus,haiku", max_latency_s=3.0)
    assert models(measured) == ["claude-opus-5-5", "claude-haiku-5-5"]
    assert any("claude-opus-5-5" in reason and "p95 of 5 calls measured" in reason for reason in measured.reasons)


def test_where_nothing_is_quick_enough_the_quickest_is_taken(tmp_path: Path) -> None:
    plan = planned(tmp_path, "Write an essay on trees.", strategy="fallback", chain="opus,haiku", max_latency_s=0.01)
    assert models(plan) == ["claude-haiku-5-5"]
    assert "nothing that could answer is within 0.01 s: the quickest is taken" in plan.reasons


def test_of_a_table_the_quickest_of_the_row_is_taken_before_any_other(tmp_path: Path) -> None:
    prompt = "Write a Python function that merges two sorted lists"
    named = set(models(planned(tmp_path, prompt, strategy="tasks")))
    plan = planned(tmp_path, prompt, strategy="tasks", max_latency_s=0.01)
    (chosen,) = models(plan)
    (quickest,) = models(planned(tmp_path, prompt, strategy="cheapest", max_latency_s=0.01))
    assert chosen in named
    assert quickest not in named
    assert "nothing that could answer is within 0.01 s: the quickest of the row is taken" in plan.reasons


# -- select and quality ------------------------------------------------------------------------------------------------

CEREBRAS = {"CEREBRAS_API_KEY": "k"}
MEDIUM = "Summarize the article"


@pytest.mark.parametrize(
    ("prompt", "options", "row", "model"),
    [
        (QUESTION, {}, "simple", "cerebras/gpt-oss-120b"),
        (MEDIUM, {}, "medium", "cerebras/qwen-3.8-27b"),
        (HARD, {}, "complex", "gemini-4-argon"),
        (QUESTION, {"critical": True}, "critical-simple", "gemini-3.8-flash"),
        (MEDIUM, {"critical": True}, "critical", "gemini-4-argon"),
        (attach(MEDIUM, None, "It rained again. " * 200), {}, "middling-length", "gemini-3.8-flash"),
        (attach(MEDIUM, None, "It rained again. " * 2_000), {}, "long", "gemini-4-argon"),
        (QUESTION, {"max_latency_s": 0.9}, "urgent", "cerebras/gpt-oss-120b"),
        (MEDIUM, {"max_latency_s": 60.0}, "medium", "cerebras/qwen-3.8-27b"),
    ],
)
def test_select_goes_by_difficulty_care_length_and_latency(
    tmp_path: Path, prompt: str | Prompt, options: dict[str, Any], row: str, model: str
) -> None:
    plan = planned(tmp_path, prompt, CEREBRAS, strategy="select", **options)
    assert models(plan)[0] == model
    assert f": {row} (" in plan.reasons[0]


def test_difficulty_is_the_place_between_the_cuts_that_the_user_has_set(tmp_path: Path) -> None:
    analysis, (low, high, _) = planned(tmp_path, MEDIUM).analysis, CUTS
    assert analysis.difficulty == pytest.approx(0.25 + 0.25 * (analysis.score - low) / (high - low))
    easier = replace(load_settings({}), complexity=Complexity(cuts=(0.2, 0.3, 0.4)))
    assert analyzer_for(easier).analyze(MEDIUM).difficulty == pytest.approx(0.25 * analysis.score / 0.2)


@given(st.floats(0, 1), st.floats(0, 1))
def test_difficulty_rises_with_the_score_and_keeps_to_the_levels(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= difficulty_of(low) <= difficulty_of(high) <= 1
    assert level_of(high) is list(Level)[min(3, int(4 * difficulty_of(high)))]


def test_models_rated_lower_than_was_asked_for_are_passed_over(tmp_path: Path) -> None:
    plan = planned(tmp_path, QUESTION, strategy="fallback", chain="haiku,opus", min_quality=0.9)
    assert models(plan) == ["claude-opus-5-5"]
    assert "left out claude-haiku-5-5: rated lower than was asked for" in plan.reasons
    assert models(planned(tmp_path, QUESTION, CEREBRAS, strategy="select", min_quality=0.8))[0] == "gemini-3.8-flash"
    with pytest.raises(UsageError, match="rated as high as was asked for: not claude-haiku-5-5"):
        planned(tmp_path, QUESTION, strategy="fallback", chain="haiku", min_quality=0.99)


def test_code_goes_by_the_score_for_coding_and_the_rest_by_that_for_reasoning(tmp_path: Path) -> None:
    spec = stage(tmp_path).engine().registry.model("cerebras/qwen-3.8-27b")
    assert (rating(spec, Task.CODE), rating(spec, Task.CHAT)) == (spec.scores.coding, spec.scores.reasoning)


# -- limits by task --------------------------------------------------------------------------------------------------


def test_the_task_of_a_prompt_limits_its_reply(tmp_path: Path) -> None:
    limits = {"summary": 400}
    plan = planned(tmp_path, "Summarize Hamlet.", strategy="cheapest", max_tokens_by_task=limits)
    assert plan.options.max_tokens == 400
    assert planned(tmp_path, QUESTION, strategy="cheapest", max_tokens_by_task=limits).options.max_tokens is None
    theatre = stage(tmp_path, ANSWERS)
    theatre.run("Summarize Hamlet.", chain="haiku", max_tokens_by_task=limits)
    assert theatre.script.sent[-1].max_tokens == 400
