"""The flow from prompt to result, over scripted providers and a real ledger."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_S
from scripted import NOW, SURE, UNSURE, Act, Hang, Script, Stage, TooLate, reply

from orchestrator.config import RunOptions
from orchestrator.errors import (
    AuthenticationError,
    BudgetError,
    ConnectionFailedError,
    ContextTooLongError,
    EmptyReplyError,
    IncompleteError,
    LedgerError,
    OutcomeUnknownError,
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    UsageError,
)
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.records import CallStatus, CostSource
from orchestrator.ledger.store import Ledger
from orchestrator.plan import Call
from orchestrator.providers.base import RateLimitStatus
from orchestrator.reading.tokens import upper_bound_tokens
from orchestrator.run.engine import RunInterrupted
from orchestrator.run.events import Event, Note, TextArrived
from orchestrator.types import Completion, FinishReason, Prompt

CHAIN = "gpt-4o-mini,claude-haiku-4-5,claude-sonnet-5-5"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({}))


def play(stage: Stage, **acts: list[Act]) -> Stage:
    stage.script.acts = {name.replace("__", ".").replace("_", "-"): these for name, these in acts.items()}
    return stage


def failing(kind: type[ProviderError], **details: object) -> ProviderError:
    return kind("it went wrong", provider="openai", **details)  # type: ignore[arg-type]


def asked(stage: Stage) -> list[str]:
    return [request.model for request in stage.script.sent]


# -- fallback -----------------------------------------------------------------------------------------------------


def test_a_confident_first_answer_ends_the_chain(stage: Stage) -> None:
    result = play(stage, gpt_4o_mini=[reply(SURE)]).run(chain=CHAIN)
    assert (result.status, result.model_used, asked(stage)) == ("complete", "gpt-4o-mini", ["gpt-4o-mini"])


def test_an_unsure_answer_goes_to_the_next_model(stage: Stage) -> None:
    result = play(stage, gpt_4o_mini=[reply(UNSURE)], claude_haiku_4_5=[reply(SURE)]).run(chain=CHAIN)
    assert result.model_used == "claude-haiku-4-5"
    assert len(result.calls) == 2
    assert any("gpt-4o-mini answered with confidence" in line for line in result.metadata["decisions"])


def test_the_best_answer_seen_is_returned_when_none_is_confident(stage: Stage) -> None:
    play(
        stage,
        gpt_4o_mini=[reply("I'm not sure.")],
        claude_haiku_4_5=[
            reply("It might be the second of the three, I think, though nothing here says so for certain.")
        ],
        claude_sonnet_5_5=[reply("Not sure, uncertain; possibly. I would need more context.")],
    )
    result = stage.run(chain=CHAIN, threshold=0.99)
    confidences = {call.model: call.confidence for call in result.calls}
    assert result.model_used == max(confidences, key=lambda name: confidences[name] or 0)
    assert result.status == "complete"


def test_a_threshold_of_zero_accepts_anything(stage: Stage) -> None:
    assert play(stage, gpt_4o_mini=[reply(UNSURE)]).run(chain=CHAIN, threshold=0.0).model_used == "gpt-4o-mini"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(failing(QuotaExhaustedError), id="quota"),
        pytest.param(failing(OutcomeUnknownError), id="outcome-unknown"),
        pytest.param(failing(ContextTooLongError), id="too-long"),
        pytest.param(failing(RefusedError), id="refused"),
        pytest.param(failing(AuthenticationError), id="key-rejected"),
    ],
)
def test_a_failure_that_another_model_may_not_have_goes_to_it_at_once(stage: Stage, error: ProviderError) -> None:
    result = play(stage, gpt_4o_mini=[error], claude_haiku_4_5=[reply(SURE)]).run(chain=CHAIN)
    assert (result.model_used, asked(stage)) == ("claude-haiku-4-5", ["gpt-4o-mini", "claude-haiku-4-5"])


@pytest.mark.parametrize(
    "error",
    [pytest.param(failing(kind), id=kind.code) for kind in (OverloadedError, RateLimitedError, ConnectionFailedError)],
)
def test_a_passing_failure_is_tried_again_twice_and_every_attempt_is_a_row(stage: Stage, error: ProviderError) -> None:
    result = play(stage, gpt_4o_mini=[error], claude_haiku_4_5=[reply(SURE)]).run(chain=CHAIN)
    assert asked(stage) == ["gpt-4o-mini"] * 3 + ["claude-haiku-4-5"]
    assert [(call.attempt, call.status.value) for call in result.calls] == [
        (1, "failed"),
        (2, "failed"),
        (3, "failed"),
        (1, "completed"),
    ]


def test_an_empty_reply_is_tried_again_once_and_paid_for(stage: Stage) -> None:
    empty = failing(EmptyReplyError, partial=reply("", tokens=(10, 0)))
    result = play(stage, gpt_4o_mini=[empty], claude_haiku_4_5=[reply(SURE)]).run(chain=CHAIN)
    assert asked(stage) == ["gpt-4o-mini"] * 2 + ["claude-haiku-4-5"]
    assert [call.cost_nanousd for call in result.calls[:2]] == [1500, 1500]


def test_a_wait_longer_than_the_cap_is_not_waited_for(stage: Stage) -> None:
    limited = failing(RateLimitedError, retry_after_s=3600.0)
    play(stage, gpt_4o_mini=[limited], claude_haiku_4_5=[reply(SURE)]).run(chain=CHAIN)
    assert asked(stage) == ["gpt-4o-mini", "claude-haiku-4-5"]


def test_a_request_at_fault_stops_the_chain(stage: Stage) -> None:
    result = play(stage, gpt_4o_mini=[failing(RequestRejectedError)]).run(chain=CHAIN)
    assert (result.status, asked(stage)) == ("failed", ["gpt-4o-mini"])
    assert result.exception is not None
    assert result.exception.exit_code == 7


def test_when_every_model_fails_the_run_fails_with_every_call_in_the_ledger(stage: Stage) -> None:
    play(
        stage,
        gpt_4o_mini=[failing(QuotaExhaustedError)],
        claude_haiku_4_5=[failing(RefusedError)],
        claude_sonnet_5_5=[failing(OverloadedError)],
    )
    result = stage.run(chain=CHAIN)
    assert result.exception is not None
    assert result.exception.exit_code == 6
    with Ledger.open(stage.ledger) as ledger:
        found = find_run(ledger, "last")
    assert (found.run.status.value, found.run.error_code, len(found.calls)) == ("failed", "overloaded", 5)


def test_a_reply_cut_off_after_some_text_is_delivered_as_incomplete(stage: Stage) -> None:
    cut = failing(IncompleteError, partial=Completion("half of it", FinishReason.INCOMPLETE, None, 5, "m"))
    result = play(stage, gpt_4o_mini=[cut]).run(chain=CHAIN)
    assert (result.status, result.response) == ("incomplete", "half of it")
    assert result.exception is not None
    assert result.exception.exit_code == 8
    assert result.calls[0].cost_nanousd == result.calls[0].reserved_nanousd


def test_an_answer_cut_at_its_limit_is_not_trusted_and_escalates(stage: Stage) -> None:
    short = reply(SURE, finish=FinishReason.LENGTH)
    assert (
        play(stage, gpt_4o_mini=[short], claude_haiku_4_5=[reply(SURE)]).run(chain=CHAIN).model_used
        == "claude-haiku-4-5"
    )


def test_models_without_a_key_are_left_out_and_named(stage: Stage) -> None:
    stage.environ = {"ANTHROPIC_API_KEY": "k"}
    result = play(stage, claude_haiku_4_5=[reply(SURE)]).run(chain=CHAIN)
    assert result.model_used == "claude-haiku-4-5"
    assert "left out gpt-4o-mini: no key" in result.metadata["decisions"]


def test_without_any_key_nothing_is_called_and_the_error_says_what_to_set(stage: Stage) -> None:
    stage.environ = {}
    with pytest.raises(AuthenticationError, match="set OPENAI_API_KEY or ANTHROPIC_API_KEY") as caught:
        stage.run(chain=CHAIN)
    assert caught.value.exit_code == 4
    assert not stage.ledger.exists()


# -- cheapest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt", ["What is 2+2?", "Design a distributed system.", "Prove that there are infinitely many primes."]
)
def test_cheapest_takes_the_least_expected_cost_of_those_that_may_be_chosen(stage: Stage, prompt: str) -> None:
    engine = stage.engine()
    planned = engine.plan(Prompt(prompt), RunOptions(strategy="cheapest"))
    expected = {
        spec.name: engine.plan(Prompt(prompt), RunOptions(chain=spec.name)).cost.expected
        for spec in engine.registry.models.values()
        if spec.provider in ("openai", "anthropic", "google")
        and planned.analysis.level in spec.levels
        and not spec.is_retired(NOW.date())
    }
    assert isinstance(planned.plan, Call)
    assert planned.plan.model in expected
    assert planned.cost.expected == min(cost for cost in expected.values() if cost is not None)


def test_a_prompt_longer_than_every_window_is_refused_before_anything_is_sent(stage: Stage) -> None:
    with pytest.raises(ContextTooLongError, match="does not fit") as caught:
        stage.run("word " * 2_000_000, strategy="cheapest")
    assert caught.value.exit_code == 7


# -- ensemble -----------------------------------------------------------------------------------------------------


def test_an_ensemble_asks_all_of_its_models_and_takes_the_answer_that_weighs_most(stage: Stage) -> None:
    play(stage, gpt_4o_mini=[reply(UNSURE)], claude_haiku_4_5=[reply(SURE)], gemini_3__8_flash=[reply(UNSURE)])
    models = ("gpt-4o-mini", "claude-haiku-4-5", "gemini-3.8-flash")
    result = stage.run(strategy="ensemble", models=models)
    assert result.model_used == "claude-haiku-4-5"
    assert result.ensemble_models == models
    assert result.metadata["ensemble_size"] == 3
    assert len(result.metadata["all_confidences"]) == 3
    assert result.cost_nanousd == sum(call.cost_nanousd or 0 for call in result.calls)


def test_members_run_at_the_same_time(stage: Stage) -> None:
    met = asyncio.Barrier(2)

    async def both() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await met.wait()

    class Meeting:
        def __init__(self, name: str) -> None:
            self.name = name

        async def complete(self, _: object) -> Completion:
            await both()
            return reply(SURE)

        def rate_limit_status(self) -> RateLimitStatus:
            return RateLimitStatus()

        async def aclose(self) -> None: ...

    options = RunOptions(strategy="ensemble", models=("gpt-4o-mini", "claude-haiku-4-5"), ensemble_size=2)
    assert asyncio.run(stage.engine(Meeting).run(Prompt("Which?"), options)).status == "complete"  # type: ignore[arg-type]


def test_a_failing_member_does_not_sink_an_ensemble(stage: Stage) -> None:
    play(stage, gpt_4o_mini=[failing(RequestRejectedError)], claude_haiku_4_5=[reply(SURE)])
    notes: list[Event] = []
    result = stage.run(strategy="ensemble", models=("gpt-4o-mini", "claude-haiku-4-5"), observe=notes.append)
    assert result.model_used == "claude-haiku-4-5"
    assert any(isinstance(note, Note) and note.loud and "a member failed" in note.text for note in notes)


def test_an_ensemble_fails_only_if_all_of_its_members_do(stage: Stage) -> None:
    play(stage, gpt_4o_mini=[failing(QuotaExhaustedError)], claude_haiku_4_5=[failing(RefusedError)])
    result = stage.run(strategy="ensemble", models=("gpt-4o-mini", "claude-haiku-4-5"))
    assert result.status == "failed"


def test_an_ensemble_of_its_own_choice_spans_providers(stage: Stage) -> None:
    planned = stage.engine().plan(Prompt("What is the capital of France?"), RunOptions(strategy="ensemble"))
    providers = {stage.engine().registry.model(name).provider for name in _models(planned.plan)}
    assert providers == {"openai", "anthropic", "google"}


def _models(plan: object) -> list[str]:
    return [member.model for member in plan.members]  # type: ignore[attr-defined]


# -- money ---------------------------------------------------------------------------------------------------------


def test_what_is_billed_is_what_the_provider_counted(stage: Stage) -> None:
    result = play(stage, gpt_4o_mini=[reply(SURE, tokens=(1000, 200))]).run(chain=CHAIN)
    assert (result.cost_nanousd, result.cost_source) == (150 * 1000 + 600 * 200, "usage")
    assert result.cost == pytest.approx(0.00027)


def test_a_reply_without_usage_is_estimated_upwards_and_says_so(stage: Stage) -> None:
    uncounted = Completion(SURE, FinishReason.STOP, None, 5, "m")
    result = play(stage, gpt_4o_mini=[uncounted]).run(chain=CHAIN)
    assert result.cost_source == "estimate"
    assert (result.cost_nanousd or 0) >= 600 * upper_bound_tokens(SURE)


def test_what_is_certainly_not_billed_costs_nothing(stage: Stage) -> None:
    play(stage, gpt_4o_mini=[failing(ConnectionFailedError)], claude_haiku_4_5=[reply(SURE)])
    result = stage.run(chain=CHAIN)
    assert [(call.cost_nanousd, call.cost_source) for call in result.calls[:3]] == [(0, CostSource.NONE)] * 3


def test_an_unknown_outcome_keeps_its_reservation(stage: Stage) -> None:
    play(stage, gpt_4o_mini=[failing(OutcomeUnknownError)], claude_haiku_4_5=[reply(SURE)])
    first = stage.run(chain=CHAIN).calls[0]
    assert first.cost_nanousd == first.reserved_nanousd
    assert first.cost_source is CostSource.ESTIMATE


def test_a_cap_below_the_cheapest_call_sends_nothing(stage: Stage) -> None:
    with pytest.raises(BudgetError) as caught:
        stage.run(strategy="cheapest", max_cost_nanousd=10)
    assert caught.value.exit_code == 5
    assert stage.script.sent == []


def test_a_cap_that_the_next_model_would_break_keeps_the_answer_there_is(stage: Stage) -> None:
    play(stage, gpt_4o_mini=[reply(UNSURE, tokens=(10, 100))])
    result = stage.run(chain="gpt-4o-mini,gpt-4", max_cost_nanousd=6_000_000, max_tokens=5000)
    assert (result.status, result.model_used, asked(stage)) == ("complete", "gpt-4o-mini", ["gpt-4o-mini"])


def test_under_a_cap_the_reply_is_limited_to_what_it_can_pay_for(stage: Stage) -> None:
    result = play(stage, gpt_4o_mini=[reply(SURE)]).run(chain="gpt-4o-mini", max_cost_nanousd=500_000)
    assert result.status == "complete"
    assert stage.script.sent[0].max_tokens < 8192
    assert (result.calls[0].reserved_nanousd or 0) <= 500_000


def test_no_run_reserves_more_than_its_cap(stage: Stage) -> None:
    play(stage, gpt_4o_mini=[reply(UNSURE)], claude_haiku_4_5=[reply(UNSURE)], claude_sonnet_5_5=[reply(UNSURE)])
    result = stage.run(chain=CHAIN, max_cost_nanousd=30_000_000)
    assert sum(call.cost_nanousd or 0 for call in result.calls) <= 30_000_000


# -- the ledger ----------------------------------------------------------------------------------------------------


def test_a_committed_row_says_sent_before_the_provider_sees_the_request(stage: Stage) -> None:
    play(stage, gpt_4o_mini=[reply(UNSURE)], claude_haiku_4_5=[reply(SURE)]).run(chain=CHAIN)
    assert [seen.calls[-1].status for seen in stage.script.seen_in_ledger] == [CallStatus.SENT, CallStatus.SENT]
    assert all(seen.calls[-1].reserved_nanousd for seen in stage.script.seen_in_ledger)


def test_a_ledger_that_cannot_be_written_is_refused_before_anything_is_sent(stage: Stage) -> None:
    stage.ledger.write_text("no ledger")
    play(stage, gpt_4o_mini=[reply(SURE)])
    with pytest.raises(LedgerError):
        stage.run(chain=CHAIN)
    assert stage.script.sent == []


def test_the_price_that_applied_and_the_raw_usage_stay_on_the_row(stage: Stage) -> None:
    call = play(stage, gpt_4o_mini=[reply(SURE)]).run(chain=CHAIN).calls[0]
    price = json.loads(call.price or "")
    assert price["rates"]["input"] == "0.15"
    assert price["checked"]
    assert json.loads(call.usage or "") == {"seen": True}


def test_hashes_alone_are_kept_where_text_is_not_wanted(stage: Stage) -> None:
    stage.environ["ORCH_LOG_TEXT"] = "0"
    result = play(stage, gpt_4o_mini=[reply(SURE)]).run("a secret plan", system="hidden", chain=CHAIN, threshold=0.0)
    assert result.response == SURE
    raw = (
        stage.ledger.read_bytes() + Path(f"{stage.ledger}-wal").read_bytes()
        if Path(f"{stage.ledger}-wal").exists()
        else stage.ledger.read_bytes()
    )
    for text in (b"a secret plan", b"hidden", SURE.encode()):
        assert text not in raw
    with Ledger.open(stage.ledger) as ledger:
        found = find_run(ledger, "last")
    assert len(found.run.prompt_sha256) == len(found.run.response_sha256 or "") == 64


def test_connections_are_closed_whatever_happens(stage: Stage) -> None:
    play(stage, gpt_4o_mini=[failing(QuotaExhaustedError)], claude_haiku_4_5=[reply(SURE)]).run(chain=CHAIN)
    assert stage.script.closed == 2


# -- interruption, time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chain", [CHAIN, "gpt-4o-mini"], ids=["chain", "alone"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_cancelled_run_is_settled_as_interrupted(stage: Stage, stream: bool, chain: str) -> None:
    play(stage, gpt_4o_mini=[Hang()])

    async def cancelled() -> None:
        engine = stage.engine()
        task = asyncio.create_task(engine.run(Prompt("Which?"), RunOptions(chain=chain, stream=stream)))
        await asyncio.wait_for(stage.script.hanging.wait(), PATIENCE_S)
        task.cancel()
        await task

    with pytest.raises(RunInterrupted) as caught:
        asyncio.run(cancelled())
    assert caught.value.result.status == "interrupted"
    assert caught.value.result.response == ("the first words" if stream and chain != CHAIN else "")
    with Ledger.open(stage.ledger) as ledger:
        found = find_run(ledger, "last")
    call = found.calls[0]
    assert (found.run.status.value, call.status.value, call.cost_source) == ("interrupted", "interrupted", "estimate")
    assert call.response == ("the first words" if stream else None)
    assert call.cost_nanousd == call.reserved_nanousd
    assert call.input_tokens > 0


def test_a_run_that_takes_too_long_ends_at_its_deadline(stage: Stage) -> None:
    result = play(stage, gpt_4o_mini=[TooLate()]).run(chain="gpt-4o-mini", timeout_s=600.0)
    assert result.exception is not None
    assert (result.exception.code, result.exception.exit_code) == ("deadline", 6)
    assert result.calls[0].cost_source is CostSource.ESTIMATE


def test_an_earlier_answer_is_kept_when_time_runs_out(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {"gpt_4o_mini": [reply(UNSURE)], "claude_haiku_4_5": [TooLate()]}
    result = play(stage, **acts).run(chain="gpt-4o-mini,claude-haiku-4-5", timeout_s=600.0)
    assert (result.status, result.model_used) == ("complete", "gpt-4o-mini")


# -- streaming, options --------------------------------------------------------------------------------------------


def test_pieces_are_shown_as_they_arrive(stage: Stage) -> None:
    pieces: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, TextArrived):
            pieces.append(event.text)

    result = play(stage, gpt_4o_mini=[reply(SURE)]).run(chain=CHAIN, stream=True, observe=watch)
    assert "".join(pieces).strip() == result.response


def test_system_and_limits_reach_the_provider_and_temperature_where_it_is_taken(stage: Stage) -> None:
    play(stage, gpt_4o_mini=[reply(UNSURE)], claude_sonnet_5_5=[reply(SURE)])
    notes: list[Event] = []
    stage.run(
        chain="gpt-4o-mini,claude-sonnet-5-5", temperature=0.2, max_tokens=77, system="Be brief.", observe=notes.append
    )
    first, second = stage.script.sent
    assert (first.system, first.max_tokens, first.temperature) == ("Be brief.", 77, 0.2)
    assert second.temperature is None
    assert any(isinstance(note, Note) and note.loud and "takes no temperature" in note.text for note in notes)


@pytest.mark.parametrize(
    ("prompt", "options", "problem"),
    [
        pytest.param(" \n", {}, "empty", id="empty"),
        pytest.param("a\udcffb", {}, "not valid Unicode", id="lone-surrogate"),
        pytest.param("hi", {"strategy": "fallbak"}, "no strategy", id="strategy"),
        pytest.param("hi", {"chain": "mixd"}, "no chain or model", id="chain"),
        pytest.param("hi", {"models": ("gpt-44",)}, "no model named", id="model"),
        pytest.param("hi", {"threshold": 1.5}, "threshold must be from 0 to 1", id="threshold"),
        pytest.param("hi", {"threshold": float("nan")}, "threshold must be", id="nan"),
        pytest.param("hi", {"ensemble_size": 0}, "ensemble size", id="ensemble-size"),
        pytest.param("hi", {"timeout_s": -1.0}, "timeout", id="timeout"),
        pytest.param("hi", {"max_tokens": 0}, "limit on tokens", id="max-tokens"),
        pytest.param("hi", {"temperature": 3.0}, "temperature", id="temperature"),
        pytest.param("hi", {"max_cost_nanousd": -1}, "cost cap", id="cap"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(
    stage: Stage, prompt: str, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        stage.run(prompt, **options)
    assert not stage.ledger.exists()


@pytest.mark.parametrize(("model", "thinks"), [("gpt-6-luna", True), ("gpt-4o", False)])
def test_without_counts_thought_that_nobody_saw_keeps_the_worst_case(tmp_path: Path, model: str, thinks: bool) -> None:
    uncounted = Completion(SURE, FinishReason.STOP, None, 5, "m")
    stage = Stage(tmp_path, Script({model: [uncounted]}))
    (call,) = stage.run(chain=model).calls
    assert call.cost_source is CostSource.ESTIMATE
    assert (call.cost_nanousd == call.reserved_nanousd) is thinks
