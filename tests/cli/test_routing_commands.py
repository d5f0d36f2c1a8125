"""The commands around routers: orch experiment, orch models bench, and the flags and variables of a run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Orch = Callable[..., subprocess.CompletedProcess[bytes]]


def document(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)


def test_every_router_runs_by_its_name(orch: Orch) -> None:
    for strategy in ("round-robin", "cost", "capability", "tasks", "matrix", "select", "experiment", "hybrid"):
        done = orch("run", "--simulate", "-s", strategy, "-p", "What is the capital of France?")
        assert (done.returncode, b"Paris" in done.stdout) == (0, True), (strategy, done.stderr)


def test_an_unknown_strategy_names_the_routers_and_tables(orch: Orch) -> None:
    done = orch("plan", "--simulate", "-s", "matrx", "-p", "Why?")
    assert done.returncode == 2
    assert b"did you mean 'matrix'?" in done.stderr


def test_an_experiment_is_listed_shown_stopped_and_taken_up_again(orch: Orch) -> None:
    run = ("run", "--simulate", "--experiment", "small-models", "-p", "Hello", "--output", "json")
    arms = [document(orch(*run, "--subject", who))["metadata"]["experiment"]["arm"] for who in ("ada", "ada", "bob")]
    assert arms[0] == arms[1]
    (listed,) = document(orch("experiment", "--simulate", "-o", "json"))["experiments"]
    assert (listed["name"], listed["state"]) == ("small-models", "running")
    assert {arm["name"]: arm["runs"] for arm in listed["arms"]} == {
        name: arms.count(name) for name in ("control", "treatment")
    }
    shown = document(orch("experiment", "show", "small-models", "--simulate", "-o", "json"))
    assert sum(arm["runs"] for arm in shown["arms"]) == 3
    assert sum(arm["subjects"] for arm in shown["arms"]) == 2
    assert all(found["verdict"].startswith("not enough data") for found in shown["comparisons"])
    assert b"not enough data" in orch("experiment", "show", "small-models", "--simulate").stdout

    assert orch("experiment", "stop", "small-models", "--arm", "treatment", "--simulate").returncode == 0
    after = document(orch(*run, "--subject", "ada"))
    assert after["model_used"] == "gpt-6-luna"
    assert after["metadata"]["experiment"]["counts"] is False
    assert document(orch("experiment", "show", "small-models", "--simulate", "-o", "json"))["kept_arm"] == "treatment"
    assert orch("experiment", "resume", "small-models", "--simulate").returncode == 0
    assert document(orch(*run, "--subject", "ada"))["metadata"]["experiment"]["counts"] is True


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("show",), b"which experiment?"),
        (("show", "smal-models"), b"did you mean 'small-models'?"),
        (("stop", "small-models", "--arm", "treatmnt"), b"did you mean 'treatment'?"),
        (("small-models",), b"orch experiment show small-models"),
        (("show", "small-models", "--arm", "control"), b"--arm\n      it is for orch experiment stop"),
    ],
    ids=["no name", "misspelt", "misspelt arm", "no action", "arm of nothing"],
)
def test_a_mistake_is_a_usage_error(orch: Orch, argv: tuple[str, ...], said: bytes) -> None:
    done = orch("experiment", *argv, "--simulate")
    assert done.returncode == 2
    assert said in done.stderr


def test_models_bench_measures_within_its_cap_and_max_latency_goes_by_it(orch: Orch) -> None:
    done = orch("models", "bench", "haiku", "gpt-6-luna", "--simulate", "-o", "json")
    measured = document(done)
    assert [found["model"] for found in measured["models"]] == ["claude-haiku-5-5", "gpt-6-luna"]
    for found in measured["models"]:
        assert (found["calls"], found["completed_calls"]) == (5, 5)
        assert found["p50_latency_ms"] <= found["p95_latency_ms"]
        assert found["ttft_ms"] is not None
    assert 0 < measured["cost_nanousd"] <= measured["max_cost_nanousd"]
    plan = orch("plan", "--simulate", "--chain", "haiku", "--max-latency", "60", "-p", "Why?")
    assert b"p95 of 5 calls measured" in plan.stdout
    report = document(orch("report", "--simulate", "--by", "category", "-o", "json"))
    assert [group["key"] for group in report["groups"]] == ["models-bench"]


def test_models_bench_stops_where_the_cap_does(orch: Orch) -> None:
    done = orch("models", "bench", "opus", "--simulate", "--max-cost", "0.009", "-o", "json")
    (found,) = document(done)["models"]
    assert found["calls"] < 5
    assert found["error"]["code"] == "budget"
    assert document(done)["cost_nanousd"] <= 9_000_000


def test_models_bench_of_nothing_measured_has_the_exit_code_of_the_error(orch: Orch) -> None:
    assert orch("models", "bench", "haiku").returncode == 4
    assert orch("models", "bench").returncode == 2
    assert orch("models", "bench", "no-such-model").returncode == 2
    assert orch("models", "haiku").returncode == 2


def test_a_variable_with_an_unknown_model_ends_in_3_and_is_named(orch: Orch) -> None:
    done = orch("run", "--simulate", "-s", "matrix", "-p", "Hello", MODEL_OVERRIDE_REASONING="no-such-model")
    assert done.returncode == 3
    assert b"MODEL_OVERRIDE_REASONING" in done.stderr


def test_the_config_limits_replies_by_task_and_the_command_line_goes_before_it(orch: Orch, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("max_tokens_by_task: {summary: 40}\nmax_latency: 30\n")
    argv = ("plan", "--simulate", "--chain", "haiku", "-p", "Summarize Hamlet.", "--config", str(config))
    assert b"at most 40 tokens" in orch(*argv).stdout
    assert b"at most 40 tokens" not in orch(*argv, "--max-tokens", "500").stdout
    config.write_text("max_tokens_by_task: {sumary: 40}\n")
    done = orch(*argv)
    assert done.returncode == 3
    assert b"did you mean 'summary'?" in done.stderr


def test_a_run_has_so_many_tokens_and_minutes_and_no_more(orch: Orch) -> None:
    argv = ("run", "--simulate", "-s", "pipeline", "-p", "Design a rate limiter for a public API", "-o", "json")
    whole = json.loads(orch(*argv, "--max-time", "5", "--max-tokens-total", "8000").stdout)
    assert whole["status"] == "complete"
    assert sum(call["input_tokens"] + call["output_tokens"] for call in whole["calls"]) <= 8_000
    part = orch(*argv, "--max-tokens-total", "1000")
    assert (part.returncode, json.loads(part.stdout)["response"]) == (5, "")  # notes are no answer
    assert orch(*argv, "--max-tokens-total", "10").returncode == 5
    assert orch(*argv, "--max-time", "0").returncode == 2
    assert orch(*argv, "--max-time", "0.00002").returncode in (6, 8)
    assert orch("plan", "--simulate", "-p", "Why?", "--min-quality", "1.5").returncode == 2


def test_another_routing_file_can_be_named(orch: Orch, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("tables: {mine: {rows: [{name: all, primary: opus}]}}\n")
    argv = ("plan", "--simulate", "-s", "mine", "-p", "Hello")
    for flags, environ in (
        (("--routing-file", str(tmp_path / "mine.yaml")), {}),
        ((), {"ORCH_ROUTING": str(tmp_path / "mine.yaml")}),
    ):
        assert b"claude-opus-5-5" in orch(*argv, *flags, **environ).stdout
    assert orch(*argv).returncode == 2
