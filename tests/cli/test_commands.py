"""The command line as a user meets it, on the simulator."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import PATIENCE_S

Run = subprocess.CompletedProcess[bytes]
Orch = Callable[..., Run]

QUESTION = "Should I use REST or GraphQL?"
CONTRACT = {
    "tool_calls",
    "schema_version", "run_id", "status", "response", "model_used", "strategy", "confidence", "cost", "cost_nanousd",
    "cost_source", "latency", "input_tokens", "output_tokens", "ensemble_models", "simulated", "calls", "metadata",
    "timestamp", "error",
}  # fmt: skip
CALL_CONTRACT = {
    "call_id", "model", "provider", "status", "attempt", "finish_reason", "input_tokens", "output_tokens",
    "cached_tokens", "reasoning_tokens", "cost_nanousd", "latency_ms", "confidence", "error",
}  # fmt: skip


def one_object(run: Run) -> dict[str, object]:
    """stdout must hold exactly one JSON object, on one line."""
    text = run.stdout.decode()
    assert text.count("\n") == 1
    document = json.loads(text)
    assert isinstance(document, dict)
    return document


def no_traceback(run: Run) -> None:
    assert b"Traceback" not in run.stdout + run.stderr


# -- answers -------------------------------------------------------------------------------------------------------


def test_a_prompt_is_answered_on_stdout_alone(orch: Orch) -> None:
    run = orch("run", "--simulate", "-p", "What is the capital of France?", "-s", "fallback")
    assert run.returncode == 0
    assert b"Paris" in run.stdout
    assert run.stderr == b""


def test_the_json_object_has_the_contracts_keys(orch: Orch) -> None:
    document = one_object(orch("run", "--simulate", "-p", QUESTION, "-s", "fallback", "--output", "json"))
    assert set(document) == CONTRACT
    calls = document["calls"]
    assert isinstance(calls, list)
    assert len(calls) > 1
    assert all(set(call) >= CALL_CONTRACT for call in calls)
    assert document["status"] == "complete"
    assert document["simulated"] is True
    assert document["cost_nanousd"] == sum(call["cost_nanousd"] for call in calls)


def test_an_ensemble_reports_its_members(orch: Orch) -> None:
    document = one_object(orch("ensemble", QUESTION, "--simulate", "-e", "3", "-o", "json"))
    models = document["ensemble_models"]
    assert isinstance(models, list)
    assert len(set(models)) == 3
    assert document["model_used"] in models
    metadata = document["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["ensemble_size"] == 3
    assert len(metadata["all_confidences"]) == 3


@pytest.mark.parametrize("strategy", ["cheapest", "fallback", "ensemble"])
def test_the_short_forms_are_run_with_a_strategy(orch: Orch, strategy: str) -> None:
    assert one_object(orch(strategy, "What is 2+2?", "--simulate", "-o", "json"))["strategy"] == strategy


def test_the_object_goes_to_a_file_and_the_answer_to_stdout(orch: Orch, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    run = orch("run", "--simulate", "-p", "What is the capital of France?", "--output", str(file))
    assert b"Paris" in run.stdout
    assert set(json.loads(file.read_text())) == CONTRACT


def test_piped_input_is_the_prompt_or_its_context(orch: Orch) -> None:
    alone = one_object(orch("cheapest", "--simulate", "-o", "json", stdin=b"What is the capital of France?"))
    assert "Paris" in str(alone["response"])
    orch("cheapest", "What is this?", "--simulate", stdin="naïve log\r\nline two".encode())
    shown = one_object(orch("show", "--simulate", "-o", "json"))
    assert shown["prompt"] == "What is this?\n\nnaïve log\r\nline two"


def test_nul_bytes_are_kept(orch: Orch) -> None:
    run = orch("run", "--simulate", "-s", "cheapest", "-p", "-", stdin=b"what is\0this?")
    assert run.returncode == 0
    assert one_object(orch("show", "last", "--simulate", "-o", "json"))["prompt"] == "what is\0this?"


def test_streamed_and_whole_answers_are_the_same(orch: Orch) -> None:
    runs = [orch("cheapest", QUESTION, "--simulate", flag) for flag in ("--stream", "--no-stream")]
    assert runs[0].stdout == runs[1].stdout != b""


def test_a_simulated_run_has_a_ledger_of_its_own(orch: Orch, user_files: Path) -> None:
    orch("run", "--simulate", "-p", "hello")
    assert [path.name for path in user_files.rglob("*.db")] == ["ledger-simulated.db"]
    assert b"no runs" in orch("report").stdout
    assert b"hello" in orch("stats", "--simulate").stdout


# -- failures ------------------------------------------------------------------------------------------------------

FAILURES = [
    pytest.param(["run", "--simulate", "-p", ""], 2, "the prompt is empty", id="empty"),
    pytest.param(["run", "--simulate", "-p", "hi", "-s", "cheap"], 2, "no strategy", id="strategy"),
    pytest.param(["run", "--simulate", "-p", "hi", "--chain", "mixd"], 2, "no chain", id="chain"),
    pytest.param(["run", "--simulate", "-p", "hi", "--models", "gpt-44"], 2, "no model", id="model"),
    pytest.param(["run", "--simulate", "-p", "hi", "--frobnicate"], 2, "No such option", id="option"),
    pytest.param(["run", "--simulate", "-p", "hi", "-c", "much"], 2, "amount in dollars", id="cost"),
    pytest.param(["run", "--simulate", "-p", "hi", "--threshold", "2"], 2, "threshold", id="threshold"),
    pytest.param(["run", "--simulate", "-p", b"caf\xe9"], 2, "not valid Unicode", id="bytes"),
    pytest.param(["frobnicate"], 2, "no command", id="command"),
    pytest.param(["run", "--simulate", "-p", "hi", "--config", "none.yaml"], 3, "none.yaml", id="config"),
    pytest.param(["run", "--simulate", "-p", "hi", "--models-file", "none.yaml"], 3, "none.yaml", id="models-file"),
    pytest.param(["run", "-p", "hi"], 4, "OPENAI_API_KEY", id="no-key"),
    pytest.param(["cheapest", "hi"], 4, "ANTHROPIC_API_KEY", id="no-key-cheapest"),
    pytest.param(["run", "--simulate", "-p", "hi", "-c", "0.00000001"], 5, "cost cap", id="budget"),
    pytest.param(["run", "--simulate", "-p", "hi", "--ledger", "/dev/null/x"], 11, "cannot be used", id="ledger"),
    pytest.param(["show", "01NONE", "--simulate"], 2, "no ledger yet", id="no-ledger"),
    pytest.param(["report", "--since", "soonish"], 2, "--since", id="since"),
]


@pytest.mark.parametrize(("argv", "code", "message"), FAILURES)
def test_a_failure_is_one_message_and_its_exit_code(
    orch: Orch, argv: list[str | bytes], code: int, message: str
) -> None:
    run = orch(*argv)
    assert run.returncode == code
    assert run.stdout == b""
    assert message in run.stderr.decode()
    no_traceback(run)


@pytest.mark.parametrize(("argv", "code", "message"), FAILURES)
def test_under_json_a_failure_is_one_object_too(orch: Orch, argv: list[str | bytes], code: int, message: str) -> None:
    run = orch(*argv, "--output", "json")
    document = one_object(run)
    assert run.returncode == code
    assert set(document) == CONTRACT
    assert document["status"] == "failed"
    error = document["error"]
    assert isinstance(error, dict)
    assert message in error["message"]
    assert set(error) == {"code", "message", "provider", "retryable", "retry_after_s"}


def test_input_that_is_not_utf8_is_refused_with_its_place(orch: Orch) -> None:
    run = orch("run", "--simulate", "-p", "-", stdin=b"ab\xff")
    assert run.returncode == 2
    assert b"byte 0xff at position 2" in run.stderr


def test_a_prompt_of_50_megabytes_is_refused_clearly(orch: Orch) -> None:
    run = orch("run", "--simulate", "-s", "cheapest", "-p", "-", stdin=b"words and " * 5_000_000)
    assert run.returncode == 7
    assert b"does not fit" in run.stderr
    no_traceback(run)


def test_a_corrupt_ledger_is_refused_and_left_as_it_was(orch: Orch, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    ledger.write_bytes(b"precious, but no ledger")
    assert orch("run", "--simulate", "-p", "hi", ORCH_LEDGER=str(ledger)).returncode == 11
    assert ledger.read_bytes() == b"precious, but no ledger"


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["--help"], id="help"),
        pytest.param(["models"], id="table"),
        pytest.param(["run", "--simulate", "-p", "hi"], id="answer"),
        pytest.param(["run", "--simulate", "-p", "hi", "-o", "json"], id="json"),
        pytest.param(["run", "--simulate", "-p", "", "-o", "json"], id="json-failure"),
    ],
)
def test_a_closed_pipe_ends_quietly_and_loses_nothing(orch: Orch, user_files: Path, argv: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(
        [sys.executable, "-m", "orchestrator", *argv],
        stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, env=os.environ,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    os.close(writer)
    assert run.returncode == 141
    no_traceback(subprocess.CompletedProcess([], 0, b"", run.stderr))
    if argv[0] == "run" and "hi" in argv:
        shown = one_object(orch("show", "--simulate", "-o", "json"))
        assert (shown["status"], bool(shown["response"])) == ("complete", True)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["interrupt", "terminate"]
)
def test_a_signal_leaves_a_settled_run_and_one_object(
    orch: Orch, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    scenario, ledger = tmp_path / "slow.yaml", tmp_path / "ledger.db"
    scenario.write_text("rules:\n  - {fault: timeout}\n")
    rest = ["--ledger", str(ledger), "-o", "json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "cheapest", "hi", "--simulate", f"--scenario={scenario}", *rest],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    while not _sent(ledger) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    document = json.loads(out)
    assert (document["status"], document["calls"][0]["status"]) == ("interrupted", "interrupted")
    assert b"Traceback" not in err


def _sent(ledger: Path) -> bool:
    try:
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as connection:
            return bool(connection.execute("SELECT 1 FROM calls WHERE status = 'sent'").fetchone())
    except sqlite3.Error:
        return False


# -- looking back --------------------------------------------------------------------------------------------------


def test_show_why_report_stats_and_export_agree_on_a_run(orch: Orch, tmp_path: Path) -> None:
    argv = ("run", "--simulate", "-p", QUESTION, "-s", "fallback", "--category", "api", "--tag", "x", "-o", "json")
    asked = orch(*argv, "--explain")
    answered = one_object(asked)
    explanation = answered.pop("explanation")
    run_id, cost = str(answered["run_id"]), answered["cost_nanousd"]
    shown = one_object(orch("show", run_id[:20], "--simulate", "-o", "json"))
    assert {key: shown[key] for key in CONTRACT} == answered
    assert (shown["category"], shown["tags"], shown["prompt"]) == ("api", ["x"], QUESTION)

    explained = orch("why", "--simulate").stdout.decode()
    assert explained.startswith(asked.stderr.decode())
    assert one_object(orch("why", "--simulate", "-o", "json"))["explanation"] == explanation
    assert "hedges" in explained
    assert "accepted" in explained

    report = one_object(orch("report", "--simulate", "--by", "category", "--period", "weekly", "-o", "json"))
    assert isinstance(report["total"], dict)
    assert report["total"]["cost_nanousd"] == cost
    assert run_id in orch("stats", "--simulate").stdout.decode()

    exported = tmp_path / "calls.csv"
    assert orch("export", "--simulate", "--format", "csv", "--output", str(exported)).returncode == 0
    rows = list(csv.DictReader(io.StringIO(exported.read_text())))
    assert sum(int(row["cost_nanousd"]) for row in rows) == cost
    assert {row["category"] for row in rows} == {"api"}


def test_plan_prices_without_calling_or_writing(orch: Orch, user_files: Path) -> None:
    document = one_object(orch("plan", "--simulate", "-p", QUESTION, "-o", "json"))
    cost = document["cost_nanousd"]
    assert isinstance(cost, dict)
    assert cost["minimum"] <= cost["expected"] <= cost["maximum"]
    assert list(user_files.rglob("*.db*")) == []


def test_models_are_filtered(orch: Orch) -> None:
    def names(*argv: str, **environ: str) -> list[str]:
        models = one_object(orch("models", *argv, "-o", "json", **environ))["models"]
        assert isinstance(models, list)
        return [model["name"] for model in models]

    assert names("--available") == []
    available = names("--available", ANTHROPIC_API_KEY="k")
    assert available
    assert set(available) < set(names("--provider", "anthropic"))
    assert "claude-haiku-4-5" in names("--level", "intermediate")
    assert "claude-haiku-4-5" not in names("--level", "expert")
    assert orch("models", "--provider", "antropic").returncode == 2
    assert len(one_object(orch("run", "--list-models", "-o", "json"))["models"]) > 60  # type: ignore[arg-type]


def test_a_users_chain_is_found_in_the_config_directory(orch: Orch, user_files: Path) -> None:
    (user_files / ".config" / "orch").mkdir(parents=True)
    (user_files / ".config" / "orch" / "chains.yaml").write_text("mine: [gpt-4o-mini]\n")
    (user_files / ".config" / "orch" / "config.yaml").write_text("chain: mine\ncategory: from-config\n")
    answered = one_object(orch("run", "--simulate", "-p", "hello", "-o", "json"))
    assert answered["model_used"] == "gpt-4o-mini"
    assert one_object(orch("show", "--simulate", "-o", "json"))["category"] == "from-config"


def test_the_self_test_passes(orch: Orch) -> None:
    run = orch("run", "--test")
    assert run.returncode == 0, run.stdout
    assert b" 0 failed" in run.stdout


# -- what is loaded ------------------------------------------------------------------------------------------------

SDKS = {"anthropic", "openai", "google.genai"}


@pytest.mark.parametrize(
    ("argv", "loaded"),
    [
        pytest.param(["models"], set(), id="models"),
        pytest.param(["plan", "--simulate", "-p", "hi"], set(), id="plan"),
        *(
            pytest.param(["run", "--simulate", "-p", "hi", "--chain", model], {sdk}, id=sdk)
            for model, sdk in (
                ("claude-haiku-5-5", "anthropic"),
                ("gpt-6-luna", "openai"),
                ("gemini-3.8-flash", "google.genai"),
                ("cerebras/gpt-oss-120b", "openai"),
            )
        ),
    ],
)
def test_a_command_imports_only_the_sdk_that_it_calls(user_files: Path, argv: list[str], loaded: set[str]) -> None:
    assert _loaded(SDKS, argv) == loaded


# What takes long to load, and only some commands need: to write to the ledger, to call, to read a prompt, to draw.
_HEAVY = {"asyncio", "filelock", "ulid", "stamina", "pydantic", "yaml", "rich", "jsonschema"}
_OURS = {
    "orchestrator.run.engine",
    "orchestrator.reading.complexity",
    "orchestrator.confidence",
    "orchestrator.report.baseline",
}


@pytest.mark.parametrize(
    ("argv", "loaded"),
    [
        pytest.param(["--version"], set(), id="version"),
        pytest.param(["--help"], {"typer"}, id="help"),
        pytest.param(["report", "--simulate", "--output", "json"], {"typer", "sqlite3"}, id="report-json"),
        pytest.param(["report", "--simulate"], {"typer", "sqlite3", "rich"}, id="report"),
        pytest.param(["stats", "--simulate", "--output", "json"], {"typer", "sqlite3"}, id="stats-json"),
    ],
)
def test_a_command_that_calls_nobody_loads_nothing_to_call_with(
    orch: Callable[..., subprocess.CompletedProcess[bytes]], argv: list[str], loaded: set[str]
) -> None:
    assert orch("run", "--simulate", "-p", "hi").returncode == 0
    assert _loaded({"typer", "sqlite3", *_HEAVY, *_OURS, *SDKS}, argv) == loaded


def _loaded(modules: set[str], argv: list[str]) -> set[str]:
    """Those of the modules that a command line has loaded in a process of its own."""
    program = (
        "import sys\nfrom orchestrator.cli.app import run\ncode = run(sys.argv[1:])\n"
        f"print(code, *[name for name in {sorted(modules)} if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *argv], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    code, *names = run.stderr.decode().splitlines()[-1].split()
    assert code == "0"
    return set(names)
