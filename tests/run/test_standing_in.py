"""What happens where a call fails: the next model of the list that is there is asked, in every strategy and plan."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playing import CHEAP, MIDDLE, STRONG, asked, decided, failing, play, verdict
from scripted import SURE, Act, Script, Stage, reply

from orchestrator.config import RunOptions, load_settings
from orchestrator.config.options import Failure
from orchestrator.errors import (
    AdapterError,
    ConfigError,
    ContextTooLongError,
    DeadlineError,
    EmptyReplyError,
    IncompleteError,
    OutcomeUnknownError,
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    RefusedError,
    RequestRejectedError,
    UnsupportedError,
)
from orchestrator.plan import calls, models
from orchestrator.providers.base import RateLimitStatus
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Completion, FinishReason, Prompt, Request, Usage

QUESTION = "Which one is it?"
DESIGN = "Design the architecture of a distributed rate limiter."
KEYS = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "DEEPSEEK_API_KEY"), "k")
CHAIN = f"{CHEAP},{MIDDLE},{STRONG}"


class Outage:
    """Providers of which one fails every call, and the others answer; a check passes everything."""

    def __init__(self, down: str, error: ProviderError) -> None:
        self.down, self.error = down, error
        self.seen: list[tuple[str, str]] = []

    def connect(self, provider: str) -> Any:
        return _Connection(provider, self)


class _Connection:
    def __init__(self, name: str, outage: Outage) -> None:
        self.name, self._outage = name, outage

    async def complete(self, request: Request) -> Completion:
        self._outage.seen.append((self.name, request.model))
        if self.name == self._outage.down:
            raise self._outage.error
        judging = request.response_format is not None or "JSON object and nothing else" in request.messages[-1].content
        return reply(verdict(0.9) if judging else SURE)

    def rate_limit_status(self) -> RateLimitStatus:
        return RateLimitStatus()

    async def aclose(self) -> None: ...


def with_an_outage(folder: Path, down: str, prompt: str, error: ProviderError, **options: Any) -> OrchestrationResult:
    stage = Stage(folder, Script({}), environ=KEYS)
    outage = Outage(down, error)
    result = asyncio.run(stage.engine(outage.connect).run(Prompt(prompt), RunOptions(**options)))
    assert any(provider == down for provider, _ in outage.seen), "the outage was not met at all"
    return result


@pytest.mark.parametrize("kind", [OverloadedError, QuotaExhaustedError, ContextTooLongError, UnsupportedError])
@pytest.mark.parametrize(
    ("down", "prompt", "options"),
    [
        pytest.param("anthropic", DESIGN, {"strategy": "tiers"}, id="tiers: arch"),
        pytest.param("anthropic", "Implement a token bucket.", {"strategy": "tiers", "tier": "exec"}, id="tiers: exec"),
        pytest.param("anthropic", QUESTION, {"strategy": "tiers", "tier": "tasks"}, id="tiers: tasks"),
        pytest.param("google", DESIGN, {"strategy": "pipeline"}, id="pipeline"),
        pytest.param("google", DESIGN, {"strategy": "build"}, id="build"),
        pytest.param("google", QUESTION, {"strategy": "refine"}, id="refine"),
        pytest.param("google", QUESTION, {"strategy": "diverge"}, id="diverge"),
        pytest.param("google", QUESTION, {"strategy": "vote"}, id="vote"),
        pytest.param("google", QUESTION, {"strategy": "fallback", "role": "reasoner"}, id="a role"),
        pytest.param("deepseek", QUESTION, {"strategy": "cheapest", "role": "builder"}, id="cheapest in a role"),
        pytest.param("openai", QUESTION, {"strategy": "fallback"}, id="fallback"),
        pytest.param("anthropic", QUESTION, {"strategy": "fallback", "chain": "agree"}, id="agree"),
        pytest.param("anthropic", DESIGN, {"strategy": "matrix"}, id="matrix"),
        pytest.param("openai", QUESTION, {"strategy": "ensemble"}, id="ensemble"),
        pytest.param("anthropic", QUESTION, {"strategy": "round-robin"}, id="round-robin"),
    ],
)
def test_a_provider_that_is_down_stops_no_strategy(
    tmp_path: Path, kind: type[ProviderError], down: str, prompt: str, options: dict[str, Any]
) -> None:
    result = with_an_outage(tmp_path, down, prompt, kind("down", provider=down), **options)
    assert (result.status, result.error) == ("complete", None)
    assert result.response == SURE


def test_the_next_cheapest_answers_where_the_cheapest_fails(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({}), environ=KEYS)
    planned = stage.engine().plan(Prompt(QUESTION), RunOptions(strategy="cheapest"))
    first, *others = models(planned.plan)
    registry = stage.engine().registry
    assert len({registry.model(name).provider for name in (first, *others)}) > 1
    down = registry.model(first).provider
    result = with_an_outage(tmp_path, down, QUESTION, failing(OverloadedError), strategy="cheapest")
    assert result.model_used in others
    assert result.status == "complete"


def test_all_of_a_list_are_asked_before_a_step_fails_and_notes_are_no_answer(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({}), environ=KEYS)
    script: dict[str, list[Act]] = {spec.id: [reply(SURE)] for spec in stage.engine().registry.models.values()}
    for name in stage.engine().registry.role("reasoner").models_for(planned_level(stage)):
        script[stage.engine().registry.model(name).id] = [failing(RefusedError)]
    stage.script.acts.update(script)
    result = stage.run(DESIGN, strategy="pipeline")
    reasoners = [call for call in result.calls if call.step == "reasoning"]
    assert len({call.model for call in reasoners}) == 4
    assert (result.status, result.response) == ("failed", "")
    assert result.exception is not None
    assert result.exception.exit_code == 9


def planned_level(stage: Stage) -> Any:
    return stage.engine().plan(Prompt(DESIGN), RunOptions(strategy="pipeline")).analysis.level


def test_the_most_that_a_plan_can_cost_covers_those_who_stand_in(tmp_path: Path) -> None:
    engine = Stage(tmp_path, Script({}), environ=KEYS).engine()
    planned = engine.plan(Prompt(QUESTION), RunOptions(strategy="cheapest"))
    (call,) = calls(planned.plan)
    each = [engine.plan(Prompt(QUESTION), RunOptions(chain=name)).cost for name in models(planned.plan)]
    assert planned.cost.expected == each[0].expected
    assert planned.cost.maximum == sum(cost.maximum or 0 for cost in each)
    assert planned.costs[call] == planned.cost


def test_a_written_call_may_name_who_stands_in_for_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({CHEAP: [failing(UnsupportedError)], MIDDLE: [reply(SURE)]}))
    result = play(stage, f"mine: {{call: {{model: {CHEAP}, stand_ins: [{MIDDLE}, {STRONG}]}}}}")
    assert (result.status, result.model_used, asked(stage)) == ("complete", MIDDLE, [CHEAP, MIDDLE])
    assert "it went wrong: going on to the next model" in decided(result)


def test_an_answer_without_a_word_goes_on_to_who_stands_in(tmp_path: Path) -> None:
    empty = reply("", finish=FinishReason.LENGTH)
    stage = Stage(tmp_path, Script({CHEAP: [empty], MIDDLE: [reply(SURE)]}))
    result = play(stage, f"mine: {{call: {{model: {CHEAP}, stand_ins: [{MIDDLE}]}}}}")
    assert (result.status, result.model_used) == ("complete", MIDDLE)


def test_an_empty_reply_is_no_answer_of_anybody(tmp_path: Path) -> None:
    empty = failing(EmptyReplyError, partial=Completion("", FinishReason.STOP, Usage(5, 1), 5, "m"))
    stage = Stage(tmp_path, Script({CHEAP: [empty], MIDDLE: [empty], STRONG: [reply(SURE)]}))
    panel = f"mine: {{panel: {{members: [{CHEAP}, {MIDDLE}, {STRONG}], reduce: vote}}}}"
    assert play(stage, panel).model_used == STRONG
    result = stage.run(chain=CHAIN)
    assert (result.status, result.model_used) == ("complete", STRONG)
    assert play(stage, f"mine: {{sequence: [{CHEAP}, {STRONG}]}}").status == "failed"


def test_a_prompt_that_is_too_long_is_sent_to_the_larger_windows_first(tmp_path: Path) -> None:
    acts: dict[str, Sequence[Act]] = {
        CHEAP: [failing(ContextTooLongError)],
        STRONG: [reply(SURE)],
        MIDDLE: [reply(SURE)],
    }
    stage = Stage(tmp_path, Script(acts))
    registry = stage.engine().registry
    same, larger = registry.model(STRONG), registry.model(MIDDLE)
    assert registry.model(CHEAP).context_window == same.context_window < larger.context_window
    assert stage.run(chain=f"{CHEAP},{STRONG},{MIDDLE}").model_used == MIDDLE
    assert play(stage, f"mine: {{call: {{model: {CHEAP}, stand_ins: [{STRONG}, {MIDDLE}]}}}}").model_used == MIDDLE


CUT = failing(IncompleteError, partial=Completion("half of it", FinishReason.INCOMPLETE, None, 5, "m"))


@pytest.mark.parametrize(
    ("error", "usual"),
    [
        pytest.param(failing(RequestRejectedError), None, id="the request is at fault"),
        pytest.param(CUT, None, id="broken off"),
        pytest.param(failing(RefusedError), MIDDLE, id="refused"),
        pytest.param(failing(OverloadedError), MIDDLE, id="overloaded"),
        pytest.param(failing(OutcomeUnknownError), MIDDLE, id="outcome unknown"),
    ],
)
def test_the_user_chooses_what_goes_on_and_what_stops(tmp_path: Path, error: ProviderError, usual: str | None) -> None:
    def run(folder: str, **options: Any) -> OrchestrationResult:
        (tmp_path / folder).mkdir()  # with a ledger of its own: what keeps failing is set aside
        stage = Stage(tmp_path / folder, Script({CHEAP: [error], MIDDLE: [reply(SURE)]}))
        return stage.run(chain=f"{CHEAP},{MIDDLE}", **options)

    assert run("usual").model_used == usual
    assert run("next", next_on=(error.code,)).model_used == MIDDLE
    stopped = run("stop", stop_on=(error.code,))
    assert stopped.model_used is None
    assert stopped.exception is not None
    assert stopped.exception.code == error.code


def test_what_was_shown_is_never_taken_back(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({CHEAP: [CUT], MIDDLE: [reply(SURE)]}))
    plan = f"mine: {{call: {{model: {CHEAP}, stand_ins: [{MIDDLE}]}}}}"
    result = play(stage, plan, stream=True, next_on=("incomplete",))
    assert (result.status, result.response, asked(stage)) == ("incomplete", "half of it", [CHEAP])


def test_every_failure_of_a_call_can_be_named_but_the_runs_own_and_a_plugins() -> None:
    def below(kind: type[ProviderError]) -> set[str]:
        return {kind.code}.union(*(below(child) for child in kind.__subclasses__()))

    kinds = below(ProviderError) - {ProviderError.code, DeadlineError.code, AdapterError.code}
    assert kinds == set(Failure)


def test_the_config_file_names_failures_and_a_slip_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("next_on: [request_rejected]\nstop_on: [refused, rate_limited]\n")
    loaded = load_settings({}, config=path).run
    assert (loaded.next_on, loaded.stop_on) == (("request_rejected",), ("refused", "rate_limited"))
    path.write_text("stop_on: [refusd]\n")
    with pytest.raises(ConfigError, match="refusd"):
        load_settings({}, config=path)
