"""The Python interface: names, and the examples that old callers run with the import changed."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import stamina
from patience import PATIENCE_S
from scripted import SURE, Script, Stage, reply

import orchestrator
from orchestrator import (
    ComplexityAnalyzer,
    ConfidenceDetector,
    ModelConfig,
    OrchError,
    OrchestrationResult,
    RateLimiter,
    orchestrate,
    route_to_model,
    run_ensemble,
    run_orchestration,
    run_with_fallback,
    select_model,
    synthesize_responses,
)
from orchestrator.config import RetryPolicy
from orchestrator.config.options import OPTIONS
from orchestrator.errors import AuthenticationError, BudgetError, OverloadedError, UsageError
from orchestrator.run.call.retry import Backoff


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ORCH_SIMULATE", "1")
    monkeypatch.setenv("ORCH_LEDGER", str(tmp_path / "ledger.db"))


def test_all_public_names_can_be_had_and_are_what_they_say() -> None:
    for name in orchestrator.__all__:
        assert getattr(orchestrator, name) is not None
    assert set(orchestrator.__all__) == set(orchestrator._EXPORTS)
    with pytest.raises(AttributeError, match="no attribute 'run_orchestra'"):
        _ = orchestrator.run_orchestra


def test_simple_usage() -> None:
    result = run_orchestration(prompt="Explain neural networks", strategy="cheapest")
    assert isinstance(result, OrchestrationResult)
    assert result.model_used
    assert result.cost is not None
    assert result.cost > 0
    assert result.response


def test_ensemble_with_a_size_and_a_budget() -> None:
    result = run_orchestration(prompt="Design a scalable system", strategy="ensemble", ensemble_size=3, max_cost=0.05)
    assert len(result.ensemble_models) == 3
    assert result.confidence is not None
    assert 0 < result.confidence <= 1
    assert result.latency >= 0
    assert (result.cost or 1) <= 0.05


def test_a_conversation_is_asked_with_files_and_read_piece_by_piece(tmp_path: Path) -> None:
    picture = tmp_path / "dot.gif"
    picture.write_bytes(b"GIF89a" + bytes([64, 0, 64, 0]) + b"\0" * 8)
    said = [{"role": "user", "content": "Name a town."}, {"role": "assistant", "content": "Bern."}]
    alone = run_orchestration("And this?", "fallback", chain="haiku")
    asked = run_orchestration(
        messages=[*said, {"role": "user", "content": "And this?"}],
        strategy="fallback",
        chain="haiku",
        attach=[str(picture)],
    )
    assert asked.input_tokens > alone.input_tokens + 4
    for prompt, messages in (("x", said), (None, None)):
        with pytest.raises(UsageError):
            run_orchestration(prompt, messages=messages)

    async def read() -> str:
        async with orchestrator.Orchestrator() as orch:
            return "".join([piece async for piece in orch.stream(messages=said[:1], chain="haiku", effort="low")])

    assert asyncio.run(read()).strip()


def test_a_plan_a_role_and_agreement_can_be_asked_for() -> None:
    result = run_orchestration("Should I use REST or GraphQL?", "pipeline", simulate=True)
    assert [call.role for call in result.calls] == ["retriever", "reasoner", "critic"]
    assert [call.role for call in run_orchestration("Why?", role="critic", simulate=True).calls] == ["critic"]
    agreed = run_with_fallback("What is the capital of France?", chain="fast", accept="agreement", simulate=True)
    assert len(agreed.ensemble_models) == 2
    with pytest.raises(UsageError, match="accept takes confidence or agreement"):
        run_orchestration("Why?", accept="majority", simulate=True)


def test_ensemble_with_models_of_old() -> None:
    models = ["claude-sonnet-3.5", "gpt-4o", "claude-opus-3"]
    result = run_ensemble(prompt="Evaluate this architecture", models=models, ensemble_size=3, max_cost=0.10)
    assert list(result.ensemble_models) == models


def test_fallback_with_a_chain_by_name_by_text_and_by_list() -> None:
    prompt = "What is the capital of France?"
    for chain in ("legacy-mixed", "gpt-4o-mini,claude-haiku-3.5", ["gpt-4o-mini", "claude-haiku-3.5"]):
        result = run_with_fallback(prompt, chain=chain, confidence_threshold=0.6, max_cost=1)
        assert result.model_used == "gpt-4o-mini"


def test_routing_calls_nothing(tmp_path: Path) -> None:
    name = route_to_model("What is 2+2?", max_cost=0.01)
    assert isinstance(name, str)
    assert not (tmp_path / "ledger.db").exists()


def test_selecting_a_model_goes_by_what_is_asked_of_it_and_calls_nothing(tmp_path: Path) -> None:
    prompt = "What is the capital of France?"
    usual = select_model(prompt, simulate=True)
    assert usual == "cerebras/gpt-oss-120b"
    assert select_model(prompt, critical=True) == "gemini-3.8-flash"
    assert select_model(prompt, max_latency=0.9) == usual
    assert select_model(prompt, min_quality=0.9) == "claude-sonnet-5-5"
    assert not (tmp_path / "ledger.db").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_latency": 0}, "limit on latency in seconds must be from 0.001"),
        ({"min_quality": 1.5}, "minimum quality must be from 0 to 1"),
        ({"min_quality": 1.0}, "rated as high as was asked for"),
        ({"max_cost": "a lot"}, "max_cost takes an amount"),
    ],
)
def test_a_model_that_cannot_be_selected_is_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select_model("What is the capital of France?", **options)


def test_token_probabilities_and_models_without_a_price_can_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("""
models:
  own:
    provider: openai
    context_window: 8_000
    output_limit: 1_000
    levels: [basic]
    scores: {coding: 0.5, reasoning: 0.5, speed: 0.5, long_context: 0.5}
    supports: [logprobs]
    prices: unpriced
""")
    stage = Stage(tmp_path, Script({"own": [reply(SURE)]}))
    asked = partial(orchestrate, "What is the capital of France?", chain="own", max_cost=1)
    with pytest.raises(BudgetError, match="no model has a known price"):
        asyncio.run(asked(engine=stage.engine()))
    result = asyncio.run(asked(engine=stage.engine(), allow_unpriced=True, logprobs=True))
    assert (result.status, result.model_used, result.cost) == ("complete", "own", None)
    assert [request.logprobs for request in stage.script.sent] == [True]


def test_a_command_that_could_verify_nothing_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    for command in ("", "python 'x", "no-such-command-anywhere"):
        with pytest.raises(UsageError, match="verify"):
            run_orchestration("Why?", verify=command)
    assert not (tmp_path / "ledger.db").exists()


def test_editors_see_every_option_of_a_run_and_its_type() -> None:
    parameters = inspect.signature(orchestrate).parameters
    own = {"prompt", "strategy", "messages", "system", "context", "attach", "simulate", "engine"}
    assert parameters.keys() - own == {option.python_name for option in OPTIONS.values() if option.python_name}
    assert parameters["confidence_threshold"].annotation == "float | None"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"strategy": "cheapest", "confidence_threshold": 0.9}, "cheapest makes no use of confidence_threshold"),
        ({"tier": "arch"}, "fallback makes no use of tier"),
        ({"strategy": "tiers", "experiment": "small-models"}, "experiment decides on the strategy"),
        ({"chain": "mixed", "models": ["haiku"]}, "chain and models both say whom to ask"),
        ({"accept": "both"}, "accept takes confidence or agreement"),
        ({"ensemble_size": 0, "strategy": "ensemble"}, "ensemble size"),
    ],
    ids=str,
)
def test_options_that_would_be_ignored_or_contradict_each_other_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        run_orchestration("Hi", simulate=True, **options)


def test_an_option_that_no_run_has_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"no option 'max_token': did you mean 'max_tokens'"):
        run_orchestration("Hi", simulate=True, max_token=5)


def test_the_default_threshold_of_run_with_fallback_goes_with_every_chain() -> None:
    assert run_with_fallback("Hi", "pipeline", simulate=True).status == "complete"


def test_it_works_where_a_loop_is_running_already() -> None:
    async def notebook() -> tuple[str, str]:
        return run_orchestration("What is 2+2?", "cheapest").response, (await orchestrate("What is 2+2?")).status

    response, status = asyncio.run(notebook())
    assert "4" in response
    assert status == "complete"


def test_failures_are_errors_with_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="max_cost takes an amount"):
        run_orchestration("hi", max_cost="a lot")
    monkeypatch.delenv("ORCH_SIMULATE")
    with pytest.raises(AuthenticationError) as caught:
        run_orchestration("hi")
    assert isinstance(caught.value, OrchError)
    assert caught.value.exit_code == 4


def test_a_prompt_is_analysed_and_an_answer_assessed() -> None:
    analysis = ComplexityAnalyzer().analyze("Prove that there are infinitely many primes")
    assert (analysis.level, analysis.task) == ("expert", "math")
    assert 0 <= analysis.score <= 1
    assert analysis.features
    verdict = ConfidenceDetector().assess("I'm not sure, it might be 4.", prompt="What is 2+2?")
    assert verdict.confidence < 0.6
    assert verdict.reasons


def test_responses_are_synthesised() -> None:
    best = synthesize_responses(
        [
            {"model": "a", "response": "I'm not sure.", "confidence": 0.2, "capability": 0.5},
            {"model": "b", "response": "Paris is the capital of France.", "confidence": 0.9, "capability": 0.75},
        ]
    )
    assert best["model"] == "b"


def test_a_rate_limiter_spaces_calls_in_the_order_in_which_they_came() -> None:
    now, waits = [0.0], []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    limiter = RateLimiter({"gpt-4": 2}, clock=lambda: now[0], sleep=sleep)

    async def five() -> None:
        for _ in range(5):
            await limiter.acquire("gpt-4")
        await limiter.acquire("another")

    asyncio.run(five())
    assert waits == [60.0, 60.0, 120.0]
    now[0] = 500.0
    assert limiter.wait_s("gpt-4") == 0.0


def test_a_model_is_described() -> None:
    assert {"name", "prices", "levels", "limits"} <= set(ModelConfig.__dataclass_fields__)


SLOW = "rules:\n  - {fault: slow, latency_ms: 60000}\n"
OVERLOADED = "rules:\n  - {fault: overloaded}\n"


@pytest.mark.parametrize("strategy", ["cheapest", "ensemble"])
def test_a_time_limit_around_a_run_gives_a_timeout_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, strategy: str
) -> None:
    (tmp_path / "slow.yaml").write_text(SLOW)
    monkeypatch.setenv("ORCH_SCENARIO", str(tmp_path / "slow.yaml"))

    async def main() -> None:
        async with asyncio.timeout(0.05):
            await orchestrate("What is 2+2?", strategy)

    with pytest.raises(TimeoutError):
        asyncio.run(main())


def test_a_cancelled_run_ends_as_any_other_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text(SLOW)
    monkeypatch.setenv("ORCH_SCENARIO", str(tmp_path / "slow.yaml"))

    async def main() -> BaseException | None:
        task = asyncio.create_task(orchestrate("What is 2+2?", "cheapest"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        return task.exception() if not task.cancelled() else None

    assert asyncio.run(main()) is None


def test_a_program_that_uses_the_library_prints_nothing_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text(SLOW)
    (tmp_path / "overloaded.yaml").write_text(OVERLOADED)
    (tmp_path / "config.yaml").write_text("retry: {initial_backoff: 0, max_backoff: 0}\n")
    program = """if True:
        import asyncio, os, sys
        from orchestrator import orchestrate, run_orchestration

        async def cancelled():
            tasks = [asyncio.create_task(orchestrate("hi", each)) for each in ("ensemble", "fallback", "cheapest")]
            await asyncio.sleep(0.2)
            for task in tasks:
                task.cancel()
            return [type(found) for found in await asyncio.gather(*tasks, return_exceptions=True)]

        assert set(asyncio.run(cancelled())) == {asyncio.CancelledError}
        os.environ["ORCH_SCENARIO"] = sys.argv[1]
        for strategy in ("cheapest", "ensemble"):
            try:
                run_orchestration("hi", strategy)
            except Exception as error:
                assert error.exit_code == 6, error
    """
    environ = {"ORCH_SCENARIO": str(tmp_path / "slow.yaml"), "ORCH_CONFIG": str(tmp_path / "config.yaml")}
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "overloaded.yaml")],
        env={**os.environ, **environ},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == (b"", b"", 0)


def test_what_others_retry_is_still_told_of() -> None:
    told: list[str] = []
    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([lambda details: told.append(type(details.caused_by).__name__)])
    try:
        backoff = Backoff(RetryPolicy(), lambda: 60.0, random.Random(0), lambda seconds, error: None)
        for error, on in ((OverloadedError("busy", provider="p"), backoff), (OSError("busy"), OSError)):
            failures = [error]
            for attempt in stamina.retry_context(on=on):
                with attempt:
                    if failures:
                        raise failures.pop()
    finally:
        stamina.instrumentation.set_on_retry_hooks(before)
    assert told == ["OSError"]


_QUIET = """
import asyncio, gc
from orchestrator import orchestrate, run_orchestration

assert len(run_orchestration("Why?", simulate=True, chain="gpt-4o").calls) == 3  # sent again twice
run_orchestration("Why?", simulate=True, chain="openrouter/no/such")  # a model that no file lists

async def cancelled(strategy, turns):
    running = asyncio.create_task(orchestrate("Compare REST and GraphQL", strategy, simulate=True))
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

for strategy in ("fallback", "ensemble", "pipeline"):
    for turns in (0, 1, 3, 10, 30, 100):
        asyncio.run(cancelled(strategy, turns))
        gc.collect()
"""


def test_a_program_that_uses_it_prints_nothing_of_its_own(tmp_path: Path, user_files: Path) -> None:
    (tmp_path / "faults.yaml").write_text(
        "rules:\n"
        "  - {model: gpt-4o, when: {first: 2}, fault: rate_limited, retry_after_s: 0}\n"
        "  - {model: claude-*, when: {every: 2}, fault: server_error}\n"
    )
    environ = {**os.environ, "ORCH_SCENARIO": str(tmp_path / "faults.yaml")}
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", _QUIET],
        env=environ,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.decode()) == (0, b"", "")
