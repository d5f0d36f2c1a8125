"""What a plan may cost and take, and which models it gets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plans import MODELS, plans
from playing import CHEAP, CHECKED, MIDDLE, NOTES_FIRST, STRONG, asked, decided, failing, play
from scripted import SURE, UNSURE, Script, Stage, TooLate, reply

from orchestrator.config import RunOptions
from orchestrator.errors import AuthenticationError, BudgetError, OutcomeUnknownError
from orchestrator.ledger.budgets import Budget, Scope, set_budgets
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period
from orchestrator.plan import Node, to_dict
from orchestrator.reading.tokens import estimate_tokens
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Prompt, Request


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({CHEAP: [reply(SURE)], MIDDLE: [reply(SURE)], STRONG: [reply(SURE)]}))


def test_a_plan_never_costs_more_than_its_range_whatever_its_steps_give(stage: Stage) -> None:
    (stage.folder / "chains.yaml").write_text(CHECKED)

    def full(request: Request) -> Any:
        text = "wörd " * (2 * request.max_tokens)  # far more than it was allowed
        sent = len(request.messages[0].content.encode()) + len((request.system or "").encode())
        return reply(text, tokens=(sent, request.max_tokens))

    stage.script.acts |= {MIDDLE: [full], CHEAP: [full]}
    planned = stage.engine().plan(Prompt("Which?"), RunOptions(strategy="mine", max_tokens=200))
    result = asyncio.run(stage.engine().execute(planned))
    assert len(result.calls) == 6
    assert planned.cost.maximum is not None
    assert sum(call.reserved_nanousd or 0 for call in result.calls) <= planned.cost.maximum
    assert (planned.cost.minimum or 0) <= (result.cost_nanousd or 0) <= planned.cost.maximum


def test_a_node_spends_no_more_than_its_share_of_the_cap(stage: Stage) -> None:
    plan = NOTES_FIRST.replace("name: notes", "name: notes, optional: true, budget_share: 0.0001")
    result = play(stage, plan, max_cost_nanousd=100_000_000)
    assert asked(stage) == [MIDDLE]
    assert "of its share" in decided(result)
    plan = NOTES_FIRST.replace("name: notes", "name: notes, budget_share: 0.01")
    result = play(stage, plan, max_cost_nanousd=100_000_000)
    assert result.status == "complete"
    assert 0 < (result.calls[0].reserved_nanousd or 0) <= 1_000_000


def test_a_share_is_for_all_rounds_of_a_loop_together(stage: Stage) -> None:
    body = f"{{call: {{model: {CHEAP}, budget_share: 0.2}}}}"
    stage.script.acts[CHEAP] = [lambda request: reply(UNSURE, tokens=(10, request.max_tokens))]
    result = play(
        stage, f"mine: {{loop: {{max_rounds: 5, until: {{threshold: 1.0}}, body: {body}}}}}", max_cost_nanousd=3_000_000
    )
    assert sum(call.cost_nanousd or 0 for call in result.calls) <= 600_000


def test_a_schema_is_part_of_what_is_set_aside(stage: Stage) -> None:
    schema = {"type": "object", "properties": {f"field {n}": {"type": "string"} for n in range(500)}}
    plain, bound = (stage.run(chain=CHEAP, max_tokens=50, schema=wanted).calls[0] for wanted in (None, schema))
    assert bound.reserved_nanousd is not None
    assert plain.reserved_nanousd is not None
    least = 500 * len(["field", "number", "type", "string"])
    assert bound.reserved_nanousd - plain.reserved_nanousd >= least * 150  # nano-dollars a token
    with pytest.raises(BudgetError):
        stage.run(chain=CHEAP, max_tokens=50, schema=schema, max_cost_nanousd=plain.reserved_nanousd)


def test_members_that_cannot_all_be_paid_for_leave_out_the_one_that_is_refused(stage: Stage) -> None:
    members = f"[{{call: {{model: {CHEAP}, budget_share: 0.0001}}}}, {STRONG}]"
    result = play(stage, f"mine: {{panel: {{members: {members}, reduce: best}}}}", max_cost_nanousd=500_000_000)
    assert (result.status, asked(stage)) == ("complete", [STRONG])


def test_members_share_what_a_budget_leaves_as_they_share_a_cap(stage: Stage) -> None:
    with Ledger.open(stage.ledger) as ledger:
        ledger.write(lambda db: set_budgets(db, [Budget(Period.DAY, Scope.ALL, "", 20_000_000)]))
    plan = f"mine: {{panel: {{members: [{CHEAP}, {MIDDLE}, {STRONG}], reduce: best}}}}"
    assert sorted(call.model for call in play(stage, plan).calls) == sorted([CHEAP, MIDDLE, STRONG])


def test_a_share_holds_for_all_that_is_below_the_node(stage: Stage) -> None:
    inner = f"{{sequence: {{name: work, budget_share: 0.5, steps: [{CHEAP}, {CHEAP}, {CHEAP}]}}}}"

    def full(request: Request) -> Any:
        return reply(SURE, tokens=(10, request.max_tokens))

    result = play(stage, f"mine: {inner}", {CHEAP: [full]}, max_cost_nanousd=3_000_000)
    assert 1_400_000 < sum(call.cost_nanousd or 0 for call in result.calls) <= 1_500_000
    assert (result.status, len(result.calls)) == ("incomplete", 1)


def test_a_step_that_uses_up_its_share_of_the_time_is_gone_on_from(stage: Stage) -> None:
    plan = f"mine: [{{call: {{name: slow, model: {CHEAP}, time_share: 0.1}}}}, {MIDDLE}]"
    result = play(stage, plan, {CHEAP: [TooLate()]}, timeout_s=600.0)
    assert (result.status, result.model_used) == ("complete", MIDDLE)
    assert "'slow' did not finish within its share" in decided(result)


def test_a_streamed_step_that_uses_up_its_share_of_the_time_is_gone_on_from_too(stage: Stage) -> None:
    plan = f"mine: [{{call: {{name: slow, model: {CHEAP}, time_share: 0.1}}}}, {MIDDLE}]"
    result = play(stage, plan, {CHEAP: [TooLate()]}, timeout_s=600.0, stream=True)
    assert (result.status, result.model_used) == ("complete", MIDDLE)


def test_when_the_runs_own_time_is_up_the_plan_stops_with_what_there_is(stage: Stage) -> None:
    result = play(stage, NOTES_FIRST, {CHEAP: [reply("It is the second.")], MIDDLE: [TooLate()]}, timeout_s=600.0)
    assert (result.status, result.response) == ("incomplete", "It is the second.")
    assert result.exception is not None
    assert result.exception.exit_code == 8


def test_a_cap_below_what_a_plan_needs_sends_nothing(stage: Stage) -> None:
    with pytest.raises(BudgetError) as caught:
        play(stage, NOTES_FIRST, max_cost_nanousd=60_000)
    assert caught.value.exit_code == 5
    assert stage.script.sent == []


def counted(text: str) -> Any:
    """An answer that takes as many tokens as its call was counted for, and as many as it may."""

    def act(request: Request) -> Any:
        sent = estimate_tokens(request.messages[0].content) + estimate_tokens(request.system or "")
        return reply(text, tokens=(sent, request.max_tokens))

    return act


def taken(result: OrchestrationResult) -> int:
    return sum(call.input_tokens + call.output_tokens for call in result.calls)


def test_all_calls_of_a_run_together_take_no_more_tokens_than_it_has(stage: Stage) -> None:
    stage.script.acts |= {CHEAP: [counted("Notes. " * 200)], MIDDLE: [counted(SURE)]}
    result = play(stage, NOTES_FIRST, max_tokens_total=2_000)
    assert result.status == "complete"
    assert 1_000 < taken(result) <= 2_000
    few = play(stage, NOTES_FIRST, max_tokens_total=200)
    assert (few.status, len(few.calls)) == ("incomplete", 1)
    assert few.exception is not None
    assert few.exception.exit_code == 8
    assert "of its 200 left" in few.exception.message
    assert few.exception.hint is not None
    assert "--max-tokens-total" in few.exception.hint


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans(), total=st.integers(300, 6_000), longest=st.sampled_from([None, 100]))
def test_no_plan_takes_more_tokens_than_its_run_has(
    tmp_path_factory: pytest.TempPathFactory, plan: Node, total: int, longest: int | None
) -> None:
    folder = tmp_path_factory.mktemp("stage")
    (folder / "chains.yaml").write_text(yaml.safe_dump({"mine": to_dict(plan)}, allow_unicode=True))
    stage = Stage(folder, Script({model: [counted(UNSURE)] for model in MODELS}))
    stage.script.ledger = None
    try:
        result = stage.run(strategy="mine", max_tokens_total=total, max_tokens=longest)
    except BudgetError:
        assert stage.script.sent == []
    else:
        assert taken(result) <= total
        assert len(result.calls) == len(stage.script.sent)


def test_a_call_that_nobody_knows_the_tokens_of_counts_for_all_that_it_might_have_taken(stage: Stage) -> None:
    stage.script.acts |= {CHEAP: [failing(OutcomeUnknownError)], MIDDLE: [counted(SURE)]}
    result = play(stage, f"mine: [{CHEAP}, {MIDDLE}]", max_tokens_total=1_000)
    assert sum(request.max_tokens for request in stage.script.sent) <= 1_000
    assert result.status == "failed"


def test_a_run_whose_tokens_would_not_do_for_one_answer_is_not_begun(stage: Stage) -> None:
    with pytest.raises(BudgetError, match="one answer takes about"):
        stage.run("Which? " * 500, max_tokens_total=300)
    assert stage.script.sent == []


def test_a_panel_shares_what_is_left_of_the_tokens(stage: Stage) -> None:
    members = f"mine: {{panel: {{members: [{CHEAP}, {MIDDLE}, {STRONG}], reduce: best}}}}"
    stage.script.acts = {model: [counted(SURE)] for model in (CHEAP, MIDDLE, STRONG)}
    result = play(stage, members, max_tokens_total=3_000)
    assert (result.status, len(result.calls)) == ("complete", 3)
    assert taken(result) <= 3_000


ROLES = f"""
mine:
  sequence:
    - call: {{name: gather, role: scout, template: $prompt}}
    - call: {{name: think, role: sage}}
roles:
  scout: {{models: [{CHEAP}, {MIDDLE}], system: You scout.}}
  sage: {{models: {{basic: [{MIDDLE}], advanced: [{STRONG}]}}, system: You think.}}
tiers:
  low: [{CHEAP}, {MIDDLE}]
"""


def test_a_role_gives_a_call_its_model_and_its_instructions_and_is_in_the_ledger(stage: Stage) -> None:
    result = play(stage, ROLES, system="Be brief.")
    assert [(call.model, call.role) for call in result.calls] == [(CHEAP, "scout"), (MIDDLE, "sage")]
    assert [request.system for request in stage.script.sent] == ["You scout.\n\nBe brief.", "You think.\n\nBe brief."]
    with Ledger.open(stage.ledger) as ledger:
        run, calls = find_run(ledger, "last").run, find_run(ledger, "last").calls
    assert (run.strategy, run.pattern) == ("mine", "mine")
    assert [(call.step, call.role) for call in calls] == [("gather", "scout"), ("think", "sage")]


def test_a_role_may_depend_on_how_hard_the_prompt_is(stage: Stage) -> None:
    hard = "Design a distributed system for payments, evaluate the trade-offs and explain why it scales."
    assert [call.model for call in play(stage, ROLES, prompt=hard).calls] == [CHEAP, STRONG]


def test_a_role_falls_back_on_its_next_model_and_says_so(stage: Stage) -> None:
    stage.environ = {"ANTHROPIC_API_KEY": "k"}
    result = play(stage, ROLES)
    assert [call.model for call in result.calls] == [MIDDLE, MIDDLE]
    assert f"{MIDDLE} for 'gather' in place of {CHEAP}: no key" in decided(result)


def test_a_role_without_a_model_that_can_be_called_gets_the_cheapest_of_its_rank(stage: Stage) -> None:
    stage.environ = {"GEMINI_API_KEY": "k"}
    (stage.folder / "chains.yaml").write_text(ROLES)
    planned = stage.engine().plan(Prompt("Which?"), RunOptions(strategy="mine"))
    assert any("none of gpt-4o-mini, claude-haiku-4-5 can be called (no key)" in reason for reason in planned.reasons)


def test_a_step_that_cannot_be_called_is_said_to_need_its_key_and_no_other(stage: Stage) -> None:
    stage.environ = {"OPENAI_API_KEY": "k"}
    with pytest.raises(AuthenticationError, match=r"set ANTHROPIC_API_KEY$"):
        play(stage, NOTES_FIRST)
    assert stage.script.sent == []


def test_without_any_key_the_error_says_what_would_do(stage: Stage) -> None:
    stage.environ = {}
    with pytest.raises(AuthenticationError, match="set OPENAI_API_KEY or ANTHROPIC_API_KEY"):
        play(stage, ROLES)


def test_a_run_can_be_made_in_a_role(stage: Stage) -> None:
    (stage.folder / "chains.yaml").write_text(ROLES)
    result = stage.run(role="scout")
    assert [(call.model, call.role) for call in result.calls] == [(CHEAP, "scout")]
    assert stage.script.sent[0].system == "You scout."
    assert len(stage.run(role="scout", strategy="ensemble").calls) == 2
    assert stage.run(role="scout", strategy="cheapest").model_used == CHEAP


def test_a_call_may_leave_the_model_to_a_tier_or_a_level(stage: Stage) -> None:
    (stage.folder / "chains.yaml").write_text(
        ROLES.replace("role: scout", "tier: low").replace("role: sage", "level: expert")
    )
    planned = stage.engine().plan(Prompt("Which?"), RunOptions(strategy="mine"))
    first, second = planned.costs
    assert first.model == CHEAP
    assert stage.engine().registry.model(second.model).top_level.value == "expert"
