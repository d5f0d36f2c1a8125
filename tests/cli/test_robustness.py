"""What a shell can do to a command: closed and full outputs, odd environments, other people's files."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import PATIENCE_S

Run = subprocess.CompletedProcess[bytes]
Orch = Callable[..., Run]
ASK = ["run", "--simulate", "-p", "What is the capital of France?"]


def shell(redirection: str, *argv: str) -> Run:
    line = f'exec "$0" -m orchestrator "$@" {redirection}'
    return subprocess.run(
        ["sh", "-c", line, sys.executable, *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("redirection", "argv"),
    [
        *((redirection, ASK) for redirection in (">&-", "2>&-", "<&-", ">&- 2>&-")),
        *((">&-", argv) for argv in ([*ASK, "-o", "json"], ["--help"], ["report"])),
    ],
)
def test_closed_standard_streams_are_no_bug(user_files: Path, redirection: str, argv: list[str]) -> None:
    run = shell(redirection, *argv)
    assert run.returncode == 0, run.stderr
    assert b"Traceback" not in run.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "argv",
    [ASK, [*ASK, "-o", "json"], ["models"], ["export"], ["export", "--format", "json"], ["--help"], ["run", "--help"]],
    ids=["text", "json", "table", "export", "json export", "help", "help of a command"],
)
def test_an_output_that_is_full_is_said_to_be(user_files: Path, argv: list[str]) -> None:
    run = shell("> /dev/full", *argv)
    assert run.returncode == 141
    assert b"cannot be written to stdout: No space left" in run.stderr
    assert b"Traceback" not in run.stderr


@pytest.mark.parametrize("argv", [["export"], ["export", "--rows", "runs", "--text"]], ids=["calls", "text of runs"])
def test_an_export_to_a_closed_output_says_that_it_wrote_nothing(user_files: Path, argv: list[str]) -> None:
    run = shell(">&-", *argv, "--simulate")
    assert run.returncode == 141
    assert b"cannot be written to stdout: Bad file descriptor" in run.stderr


def test_a_file_for_the_json_that_cannot_be_written_is_refused_before_spending(orch: Orch, tmp_path: Path) -> None:
    (tmp_path / "taken.json").mkdir()
    for file in (tmp_path / "taken.json", tmp_path / "absent" / "out.json", Path("result.txt")):
        run = orch(*ASK, "-o", str(file))
        assert run.returncode == 2
        assert run.stdout == b""
        assert b"--output" in run.stderr
    assert orch("show", "--simulate").returncode == 2


def test_a_failing_call_leaves_no_log_lines_of_libraries(orch_process: Orch, tmp_path: Path) -> None:
    scenario = tmp_path / "faults.yaml"
    scenario.write_text("rules:\n  - {fault: overloaded}\n")
    config = tmp_path / "config.yaml"
    config.write_text("retry: {initial_backoff: 0, max_backoff: 0}\n")
    run = orch_process("cheapest", "hi", "--simulate", "--scenario", str(scenario), "--config", str(config))
    assert run.returncode == 6
    assert run.stdout == b""
    (line,) = run.stderr.decode().splitlines()
    assert line.startswith("orch: ")


@pytest.mark.parametrize("amount", ["1e12", "1e99999999", "nan", "inf", "-1", "", "0x10"])
def test_what_is_no_amount_is_refused_at_once(orch: Orch, amount: str) -> None:
    run = orch(*ASK, f"--max-cost={amount}")
    assert run.returncode == 2
    assert b"--max-cost" in run.stderr


@pytest.mark.parametrize("option", ["--max-wait=-5", "--max-wait=nan", "--timeout=nan", "--threshold=nan"])
def test_a_number_that_is_out_of_range_is_refused(orch: Orch, option: str) -> None:
    assert orch(*ASK, option).returncode == 2


@pytest.mark.parametrize("argv", [["show", "nope"], ["run", "-s", "nope", "-p", "Hi"], ["run", "--nope"], ["nope"]])
@pytest.mark.parametrize(
    ("option", "variable", "simulated"),
    [([], "1", True), ([], "", False), ([], "0", False), (["--simulate"], "0", True), ([], "maybe", False)],
    ids=["variable", "neither", "variable says no", "flag", "variable that cannot be read"],
)
def test_a_refused_result_says_whether_it_would_have_been_simulated(
    orch: Orch, argv: list[str], option: list[str], variable: str, simulated: bool
) -> None:
    run = orch(*argv, *option, "-o", "json", ORCH_SIMULATE=variable)
    assert run.returncode in (2, 3)
    assert json.loads(run.stdout)["simulated"] is simulated


@pytest.mark.parametrize(("variable", "simulated"), [("1", True), ("maybe", False)])
def test_the_doctor_says_so_without_settings_too(orch: Orch, variable: str, simulated: bool) -> None:
    run = orch("doctor", "--offline", "--config", "none.yaml", "-o", "json", ORCH_SIMULATE=variable)
    assert (run.returncode, json.loads(run.stdout)["simulated"]) == (3, simulated)


def test_a_scenario_without_the_simulator_is_refused(orch: Orch, tmp_path: Path) -> None:
    run = orch("run", "-p", "Hi", "--scenario", str(tmp_path / "faults.yaml"))
    assert run.returncode == 2
    assert b"add --simulate" in run.stderr


@pytest.mark.parametrize("option", ["--category", "--tag", "--system"])
def test_a_name_that_is_not_text_is_a_usage_error(orch: Orch, option: str) -> None:
    assert orch(*ASK, option, b"\xff").returncode == 2


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        pytest.param('{"type": "object", "type": "array"}', b"the key 'type' is there twice", id="key twice"),
        pytest.param('{"minimum": NaN}', b"NaN is no number of JSON", id="NaN"),
        pytest.param("[" * 100_000, b"is not JSON", id="deep"),
        pytest.param("{", b"is not JSON", id="cut off"),
    ],
)
def test_a_schema_that_cannot_be_taken_at_its_word_is_refused(
    orch: Orch, tmp_path: Path, written: str, problem: bytes
) -> None:
    (tmp_path / "schema.json").write_text(written)
    run = orch(*ASK, "--schema", str(tmp_path / "schema.json"))
    assert run.returncode == 2
    assert problem in run.stderr


def test_a_time_zone_that_is_none_is_a_configuration_error(orch_process: Orch) -> None:
    run = orch_process("report", TZ="UTC+25")
    assert run.returncode == 3
    assert b"TZ='UTC+25'" in run.stderr


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_output_is_utf8_whatever_the_locale(orch_process: Orch, locale: str) -> None:
    run = orch_process("plan", "--simulate", "-p", "naïve?", LC_ALL=locale, LANG=locale, PYTHONIOENCODING="latin-1")
    assert run.returncode == 0
    assert "≥" in run.stdout.decode("utf-8")


def test_another_programs_file_is_refused_and_left_alone(orch: Orch, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE precious (x)")
    connection.close()
    before = foreign.read_bytes()
    for ledger in (str(foreign), "/dev/null", str(tmp_path)):
        run = orch(*ASK, "--ledger", ledger)
        assert run.returncode == 11, ledger
        assert b"Traceback" not in run.stderr
    assert foreign.read_bytes() == before
    text = tmp_path / "notes.txt"
    text.write_text("not a ledger at all")
    assert orch(*ASK, "--ledger", str(text)).returncode == 11
    assert not Path(f"{text}.lock").exists()


def test_a_budget_is_set_shown_kept_to_and_cleared(orch: Orch, user_files: Path) -> None:
    told = user_files / "told.jsonl"
    command = user_files / "tell"
    command.write_text(f"#!/bin/sh\ncat >> {told}\necho >> {told}\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    config = user_files / "config.yaml"
    config.write_text(f"on_alert: {command}\n")
    shown = orch("budget", "set", "--daily", "0.00005", "--category", "batch", "--simulate", "-o", "json")
    (budget,) = json.loads(shown.stdout)["budgets"]
    assert (budget["period"], budget["scope"], budget["name"]) == ("day", "category", "batch")
    assert budget["limit_nanousd"] == budget["left_nanousd"] == 50_000

    ask = [*ASK, "--chain", "claude-haiku-5-5", "--category", "batch", "-o", "json", "--config", str(config)]
    results = [json.loads(orch(*ask, "--max-tokens", "20").stdout) for _ in range(6)]
    assert results[0]["status"] == "complete"
    last = results[-1]
    assert (last["status"], last["error"]["code"], last["calls"]) == ("failed", "budget", [])
    assert "a day for category batch has" in last["error"]["message"]
    assert sum(result["cost_nanousd"] for result in results) <= 50_000
    alerts = [json.loads(line) for line in told.read_text().splitlines() if line]
    assert [alert["percent"] for alert in alerts] in ([50, 80], [50], [80])

    elsewhere = orch(*ASK, "--chain", "claude-haiku-5-5", "-o", "json")
    assert json.loads(elsewhere.stdout)["status"] == "complete"
    assert b"no budgets" in orch("budget", "clear", "--all", "--simulate").stdout


def test_an_unpriced_model_has_no_cost_and_needs_leave_under_a_budget(orch: Orch, tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(
        "models:\n  mystery:\n    provider: openai\n    id: gpt-4o\n"
        "    context_window: 100000\n    output_limit: 1000\n"
        "    levels: [basic]\n    scores: {coding: 0.5, reasoning: 0.5, speed: 0.5, long_context: 0.5}\n"
        "    supports: [streaming]\n    prices: unpriced\n"
    )
    ask = [*ASK, "--chain", "mystery", "--models-file", str(models), "-o", "json"]
    free = json.loads(orch(*ask).stdout)
    assert (free["status"], free["cost"], free["cost_nanousd"], free["cost_source"]) == (
        "complete",
        None,
        None,
        "unpriced",
    )
    assert orch(*ask, "--max-cost", "1").returncode == 5
    assert json.loads(orch(*ask, "--max-cost", "1", "--allow-unpriced").stdout)["cost"] is None
    assert "unpriced" in orch("report", "--simulate").stdout.decode()
    orch("budget", "set", "--daily", "100", "--simulate")
    refused = json.loads(orch(*ask).stdout)
    assert "no known price" in refused["error"]["message"]


def test_a_command_that_fails_leaves_the_file_for_its_output_as_it_was(orch: Orch, tmp_path: Path) -> None:
    kept = tmp_path / "out.json"
    kept.write_text("precious")
    assert orch("export", "--format", "json", "-o", str(kept), "--since", "soonish").returncode == 2
    assert orch("run", "-p", f"-o{kept}", "--frobnicate").returncode == 2
    assert kept.read_text() == "precious"


def test_the_self_test_is_one_object_under_json(orch: Orch) -> None:
    run = orch("run", "--test", "-o", "json")
    assert json.loads(run.stdout)["failed"] == 0


def test_a_leg_that_stops_a_chain_is_among_the_decisions(orch: Orch, tmp_path: Path) -> None:
    scenario = tmp_path / "faults.yaml"
    scenario.write_text("rules:\n  - {model: claude-haiku-5-5, fault: redirect}\n")
    ask = ["run", "--simulate", "-p", "Should I use REST or GraphQL?", "--scenario", str(scenario), "-o", "json"]
    result = json.loads(orch(*ask, "--chain", "gpt-6-luna,claude-haiku-5-5").stdout)
    assert result["model_used"] == "gpt-6-luna"
    assert any("claude-haiku-5-5" in decision for decision in result["metadata"]["decisions"][1:])


@pytest.mark.parametrize("model", ["openrouter/foo/bar", "ollama/qwen3:8b", "ft:gpt-4o:me::abc"])
def test_a_model_that_no_file_lists_is_called_as_unpriced(orch: Orch, tmp_path: Path, model: str) -> None:
    ask = ["run", "--simulate", "--chain", model, "-p", "hi", "-o", "json"]
    done = orch(*ask)
    found = json.loads(done.stdout)
    assert (done.returncode, found["model_used"]) == (0, model)
    assert (found["cost"], found["cost_nanousd"], found["cost_source"]) == (None, None, "unpriced")
    told = done.stderr.decode()
    assert f"{model} is in no models.yaml" in told
    assert "prices: unpriced}" in told
    assert orch(*ask, "--max-cost", "1").returncode == 5
    assert orch(*ask, "--max-cost", "1", "--allow-unpriced").returncode == 0
    orch("budget", "set", "--simulate", "--daily", "1")
    exempt = model.startswith("ollama")  # what a user hosts counts towards no budget
    assert orch(*ask).returncode == (0 if exempt else 5)
    assert orch(*ask, "--allow-unpriced").returncode == 0


def test_names_with_their_provider_in_front_are_taken_everywhere(orch: Orch, tmp_path: Path) -> None:
    def models(*argv: str, **environ: str) -> set[str]:
        done = orch("plan", "--simulate", "-o", "json", "-p", "Write a function that adds", *argv, **environ)
        assert done.returncode == 0, done.stderr
        return {call["model"] for call in json.loads(done.stdout)["calls"]}

    assert models("--chain", "openai/gpt-4o,anthropic/claude-sonnet-5-5") == {"gpt-4o", "claude-sonnet-5-5"}
    assert models("-s", "ensemble", "--models", "openai/gpt-4o,gemini/gemini-3.8-flash") <= {
        "gpt-4o",
        "gemini-3.8-flash",
    }
    assert "gpt-4o" in models("-s", "matrix", MODEL_OVERRIDE_CODE="openai/gpt-4o")
    config = tmp_path / "config.yaml"
    config.write_text("chain: openai:gpt-4o\n")
    assert models("--config", str(config)) == {"gpt-4o"}
    assert b"for model gpt-4o " in orch("budget", "set", "--model", "openai/gpt-4o", "--daily", "1").stdout
    assert orch("run", "--simulate", "--chain", "fast", "--self-check", "openai/gpt-4o", "-p", "hi").returncode == 0
    assert b"'gpt-4o'" in orch("plan", "-p", "x", "--chain", "opnai/gpt-4o").stderr
