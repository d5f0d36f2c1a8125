"""What hangs does not use up the run: a leg, a member, a step and a check have their time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playing import play
from scripted import SURE, UNSURE, Act, Pieces, Script, Stage, TooLate, reply

from orchestrator.choose.latency import longest_silence_s
from orchestrator.choose.observed import Pace
from orchestrator.errors import OutcomeUnknownError
from orchestrator.ledger.breakers import breaker_states
from orchestrator.ledger.store import Ledger
from orchestrator.providers.base import AtWork, StreamEvent
from orchestrator.registry import load_registry
from orchestrator.run.call.health import Health, finding
from orchestrator.run.events import Event, Note
from orchestrator.types import Request, Usage

CHEAP, MIDDLE, STRONG = "gpt-4o-mini", "claude-haiku-4-5", "claude-sonnet-5-5"
CHAIN = f"{CHEAP},{MIDDLE}"
REGISTRY = load_registry(models_file=None, chains_file=None, config_dir=Path("/nonexistent"))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({MIDDLE: [reply(SURE)], STRONG: [reply(SURE)]}))


def late(*events: tuple[float, StreamEvent]) -> Pieces:
    return Pieces((*events, (3_000.0, "too late")))


@pytest.mark.parametrize(
    ("act", "stream"),
    [
        pytest.param(TooLate(), False, id="no reply"),
        pytest.param(late(), True, id="a stream without an event"),
        pytest.param(late((1.0, Usage(10, 1)), (1.0, Usage(10, 2)), (1.0, "  ")), True, id="counts and blanks alone"),
        pytest.param(Pieces([(20.0, Usage(10, 1)), (20.0, "\n"), (25.0, "\n"), (1.0, "late")]), True, id="a drip"),
    ],
)
def test_a_silent_first_model_leaves_the_run_to_the_next(stage: Stage, act: Act, stream: bool) -> None:
    stage.script.acts[CHEAP] = [act]
    told: list[Event] = []
    result = stage.run(chain=CHAIN, stream=stream, timeout_s=4_000.0, observe=told.append)
    assert (result.status, result.model_used) == ("complete", MIDDLE)
    assert (result.calls[0].status.value, result.calls[0].error_code) == ("failed", "outcome_unknown")
    warning = f"{CHEAP} gave nothing for 60 s: going on to the next model"
    assert [note.text for note in told if isinstance(note, Note) and note.loud] == [warning]
    assert warning in result.metadata["decisions"]


def test_half_of_a_short_runs_time_is_left_to_the_legs_that_come_after(stage: Stage) -> None:
    stage.script.acts = {CHEAP: [TooLate()], MIDDLE: [TooLate()], STRONG: [reply(SURE)]}
    result = stage.run(chain=f"{CHEAP},{MIDDLE},{STRONG}", timeout_s=40.0)
    assert result.model_used == STRONG
    assert [round(request.timeout_s) for request in stage.script.sent] == [20, 10, 10]
    with Ledger.open(stage.ledger) as ledger:  # others might have waited longer: nothing is held against the models
        assert [each for each in breaker_states(ledger, stage.engine()._clock()) if each.failures] == []


def test_a_stream_that_goes_on_has_all_of_the_runs_time(stage: Stage) -> None:
    pieces: list[tuple[float, StreamEvent]] = [(50.0, AtWork())] * 4 + [(50.0, "word ")] * 4
    stage.script.acts[CHEAP] = [Pieces([*pieces, (50.0, reply(SURE))])]
    result = stage.run(chain=CHAIN, stream=True, timeout_s=600.0)
    assert (result.model_used, result.response, len(result.calls)) == (CHEAP, SURE, 1)


def test_the_last_model_has_the_rest_of_the_runs_time(stage: Stage) -> None:
    stage.script.acts = {CHEAP: [late()], MIDDLE: [Pieces([(400.0, reply(SURE))])]}
    result = stage.run(chain=MIDDLE, stream=True, timeout_s=600.0)
    assert (result.status, result.model_used) == ("complete", MIDDLE)


def test_what_a_leg_wrote_before_it_fell_silent_is_given_where_no_other_answers(stage: Stage) -> None:
    stage.script.acts = {
        CHEAP: [late((1.0, "Half of an answer."))],
        MIDDLE: [OutcomeUnknownError("gone", provider="x")],
    }
    result = stage.run(chain=CHAIN, stream=True, timeout_s=4_000.0)
    assert (result.status, result.response) == ("incomplete", "Half of an answer.")


def test_a_hung_member_is_left_out_and_the_others_answers_are_put_together(stage: Stage) -> None:
    members = f"[{CHEAP}, {MIDDLE}]"
    plan = f"mine: {{panel: {{reduce: synthesise, members: {members}, synthesiser: {{model: {STRONG}}}}}}}"
    result = play(stage, plan, {CHEAP: [TooLate()]}, timeout_s=30.0)
    assert (result.status, result.model_used) == ("complete", STRONG)
    assert stage.script.sent[0].timeout_s < 30


def test_a_hung_member_of_an_ensemble_ends_before_the_run_does(stage: Stage) -> None:
    stage.script.acts[CHEAP] = [TooLate()]
    result = stage.run(strategy="ensemble", models=(CHEAP, MIDDLE), ensemble_size=2, timeout_s=600.0)
    assert (result.status, result.model_used, result.latency < 100) == ("complete", MIDDLE, True)


def test_an_optional_step_leaves_time_for_those_that_must_be(stage: Stage) -> None:
    notes = f"{{call: {{name: notes, model: {CHEAP}, optional: true}}}}"
    plan = f"mine: {{sequence: {{steps: [{notes}, {{call: {{name: answer, model: {MIDDLE}}}}}]}}}}"
    result = play(stage, plan, {CHEAP: [TooLate()]}, timeout_s=20.0)
    assert (result.status, result.response) == ("complete", SURE)


def test_a_hung_self_check_leaves_the_answer_unchecked_and_the_run_its_time(stage: Stage) -> None:
    stage.script.acts = {CHEAP: [reply(UNSURE)], STRONG: [TooLate()], MIDDLE: [reply(SURE)]}
    result = stage.run(chain=CHAIN, self_check=STRONG, threshold=0.6, timeout_s=600.0)
    assert (result.status, result.model_used) == ("complete", MIDDLE)


@pytest.mark.parametrize("stream", [False, True])
def test_a_leg_has_the_time_that_the_user_gives_it(stage: Stage, stream: bool) -> None:
    dripping = Pieces([(1.0, "word ")] * 100)
    stage.script.acts[CHEAP] = [dripping if stream else TooLate()]
    result = stage.run(chain=CHAIN, leg_timeout_s=5.0, stream=stream, timeout_s=600.0)
    assert (result.status, result.model_used, result.latency < 10) == ("complete", MIDDLE, True)


def test_the_time_of_a_leg_is_that_of_the_only_model_too(stage: Stage) -> None:
    stage.script.acts[CHEAP] = [TooLate()]
    result = stage.run(chain=CHEAP, leg_timeout_s=5.0, timeout_s=600.0)
    assert result.exception is not None
    assert (result.exception.code, result.exception.exit_code) == ("outcome_unknown", 6)
    assert result.exception.message == f"{CHEAP} did not finish within the 5 s that a call has"


def test_a_model_that_is_known_to_take_long_is_waited_for_longer(stage: Stage) -> None:
    def slowly(_: Request) -> Any:
        stage.script.clock.skip(40.0)
        return reply(SURE)

    stage.script.acts[CHEAP] = [slowly]
    for _ in range(5):
        stage.run(chain=CHEAP)
    stage.script.sent.clear()
    stage.run(chain=CHAIN, timeout_s=600.0)
    assert round(stage.script.sent[0].timeout_s) == 160


@pytest.mark.parametrize(
    ("model", "tokens", "pace", "seconds"),
    [
        pytest.param(CHEAP, 100, None, 60, id="nothing is known of it"),
        pytest.param(CHEAP, 100, Pace(2_000, 50), 30, id="measured: quick"),
        pytest.param(CHEAP, 100, Pace(20_000, 50), 80, id="measured: slow"),
        pytest.param("ollama/llama3-70b", 100, None, 180, id="one of the user's own may have to load"),
        pytest.param(STRONG, 4_000, None, 203, id="a long answer, by its speed"),
        pytest.param(STRONG, 4_000, Pace(2_000, 50), 203, id="a long answer of a model that gave short ones"),
    ],
)
def test_how_long_a_model_may_be_silent(model: str, tokens: int, pace: Pace | None, seconds: float) -> None:
    assert round(longest_silence_s(REGISTRY.model(model), tokens, pace)) == seconds


@pytest.mark.parametrize(("telling", "health"), [(True, Health.DOWN), (False, Health.UNKNOWN)])
def test_what_was_given_up_early_says_nothing_of_the_provider(telling: bool, health: Health) -> None:
    error = OutcomeUnknownError("silent", provider="openai")
    error.telling = telling
    assert finding(error).health is health
