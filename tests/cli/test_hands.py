"""What is within reach of whoever types: prompts and models without much ado, help, completion, and what to do next."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from documents import blocks, commands

from orchestrator.cli.completing import ACTIONS
from orchestrator.cli.dispatch import COMMANDS

Orch = Callable[..., subprocess.CompletedProcess[bytes]]
ROOT = Path(__file__).resolve().parents[2]
PROMPT = "What is the capital of France?"


def result_of(orch: Orch, *argv: str, stdin: bytes = b"") -> dict[str, object]:
    done = orch(*argv, "--simulate", "--output", "json", stdin=stdin)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("argv", [[PROMPT], ["-p", PROMPT], ["-"], []], ids=["argument", "-p", "dash", "piped"])
@pytest.mark.parametrize("command", ["run", "cheapest", "fallback"])
def test_a_prompt_is_an_argument_an_option_or_piped(orch: Orch, command: str, argv: list[str]) -> None:
    piped = b"" if PROMPT in argv else PROMPT.encode()
    assert "Paris" in str(result_of(orch, command, *argv, stdin=piped)["response"])


def test_plan_takes_a_prompt_as_an_argument_too(orch: Orch) -> None:
    assert result_of(orch, "plan", PROMPT) == result_of(orch, "plan", "-p", PROMPT)


@pytest.mark.parametrize("command", ["run", "plan", "cheapest"])
def test_two_prompts_are_refused_and_so_are_words_without_quotes(orch: Orch, command: str) -> None:
    twice = orch(command, "One?", "-p", "Two?", "--simulate")
    assert (twice.returncode, b"two prompts: 'One?' and the one after -p" in twice.stderr) == (2, True)
    words = orch(command, "What", "is", "it?", "--simulate")
    assert (words.returncode, b"in quotes" in words.stderr) == (2, True)


def test_a_prompt_stands_before_the_files_of_context(orch: Orch, tmp_path: Path) -> None:
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for file in files:
        file.write_text("Hello there")
    argv = ["run", PROMPT, "--context", *map(str, files)]
    assert "Paris" in str(result_of(orch, *argv)["response"])
    behind = orch("run", "--simulate", "--context", *map(str, files), "What is it?")
    assert (behind.returncode, b"the prompt stands before --context" in behind.stderr) == (2, True)
    after = orch("run", "--simulate", "--context", *map(str, files), "--", PROMPT)
    assert b"Paris" in after.stdout


# -- which model -----------------------------------------------------------------------------------------------------


def asked(orch: Orch, *argv: str) -> tuple[object, list[str]]:
    plan = result_of(orch, "plan", PROMPT, *argv)
    called = plan["calls"]
    assert isinstance(called, list)
    return plan["strategy"], [call["model"] for call in called]


@pytest.mark.parametrize(
    ("argv", "strategy", "models"),
    [
        pytest.param(["-m", "haiku"], "fallback", ["claude-haiku-5-5"], id="one"),
        pytest.param(["-m", "gpt-6-luna", "-m", "haiku"], "fallback", ["gpt-6-luna", "claude-haiku-5-5"], id="chain"),
        pytest.param(["-m", "gpt-6-luna,haiku"], "fallback", ["gpt-6-luna", "claude-haiku-5-5"], id="commas"),
        pytest.param(["-s", "fallback", "-m", "haiku"], "fallback", ["claude-haiku-5-5"], id="fallback"),
        pytest.param(["-s", "haiku"], "fallback", ["claude-haiku-5-5"], id="as a strategy"),
        pytest.param(
            ["-s", "ensemble", "-m", "haiku", "-m", "gpt-6-luna"],
            "ensemble",
            ["claude-haiku-5-5", "gpt-6-luna"],
            id="ensemble",
        ),
        pytest.param(["-s", "round-robin", "-m", "haiku"], "round-robin", ["claude-haiku-5-5"], id="turns"),
    ],
)
def test_models_are_named(orch: Orch, argv: list[str], strategy: str, models: list[str]) -> None:
    assert asked(orch, *argv) == (strategy, models)


def test_a_model_as_the_strategy_is_a_default_too(orch: Orch, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("strategy: haiku\n")
    assert asked(orch, "--config", str(config)) == ("fallback", ["claude-haiku-5-5"])


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["-m", "haiku", "--chain", "fast"], id="a chain"),
        pytest.param(["-m", "haiku", "--models", "gpt-6-luna"], id="models"),
        pytest.param(["-s", "haiku", "--chain", "fast"], id="strategy and chain"),
        pytest.param(["-s", "haiku", "--models", "gpt-6-luna"], id="strategy and models"),
        pytest.param(["-s", "haiku", "-m", "gpt-6-luna"], id="strategy and model"),
        pytest.param(["-s", "haiku", "--role", "critic"], id="strategy and role"),
        pytest.param(["-s", "cheapest", "-m", "haiku"], id="a strategy that chooses"),
        pytest.param(["-m", "haiku,"], id="an empty name"),
        pytest.param(["-m", "nobody"], id="unknown"),
        pytest.param(["-s", "hiaku"], id="mistyped"),
    ],
)
def test_whom_to_ask_is_said_once(orch: Orch, argv: list[str]) -> None:
    assert orch("run", PROMPT, "--simulate", *argv).returncode == 2


# -- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS.built_in)
def test_help_comes_in_every_spelling(orch: Orch, command: str) -> None:
    spellings = [orch(command, "--help"), orch(command, "-h"), orch("help", command)]
    assert {(each.returncode, each.stdout) for each in spellings} == {(0, spellings[0].stdout)}


def test_orch_alone_is_its_help_and_what_to_do_next(orch: Orch) -> None:
    alone = orch()
    assert alone.returncode == 0
    assert alone.stdout.startswith(orch("help").stdout)
    assert alone.stdout.startswith(orch("-h").stdout)
    assert b"--simulate" in alone.stdout.removeprefix(orch("help").stdout)
    assert b"Set up: openai" in orch(OPENAI_API_KEY="k").stdout


def test_the_everyday_options_of_a_run_come_first(orch: Orch) -> None:
    text = orch("run", "-h").stdout.decode()
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings[:2] == ["Arguments:", "Options:"]
    assert "More:" in headings
    everyday = text.split("\nOptions:\n")[1].split("\n\n")[0]
    for flag in ("--prompt", "--strategy", "--model", "--max-cost", "--verbose", "--simulate", "--output", "--help"):
        assert flag in everyday
    for flag in ("--logprobs", "--routing-file", "--test", "--max-wait"):
        assert flag not in everyday


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["rnu"], b"'run'"),
        (["help", "reprot"], b"'report'"),
        (["Why is the sky blue?"], b"orch run"),
        (["run", "--modle"], b"--model"),
        (["report", "yesterday"], b"orch report --help"),
    ],
)
def test_what_is_mistyped_has_a_suggestion(orch: Orch, argv: list[str], hint: bytes) -> None:
    done = orch(*argv)
    assert (done.returncode, hint in done.stderr) == (2, True)


def test_without_a_model_to_call_it_is_said_what_to_do(orch: Orch) -> None:
    done = orch("models", "--available", "--provider", "openai")
    assert b"export OPENAI_API_KEY" in done.stderr
    assert orch("models", "--available", "--provider", "openai", OPENAI_API_KEY="k").stderr == b""


# -- completion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["che"], ["cheapest"], id="command"),
        pytest.param(["help", "che"], ["cheapest"], id="command to help with"),
        pytest.param(["run", "-s", "rou"], ["round-robin"], id="strategy"),
        pytest.param(["run", "-s", "pipel"], ["pipeline"], id="plan"),
        pytest.param(["plan", "Why?", "-m", "hai"], ["haiku"], id="model"),
        pytest.param(["run", "--chain", "fast,hai"], ["fast,haiku"], id="last of a list"),
        pytest.param(["run", "--chain=hybr"], ["--chain=hybrid"], id="joined"),
        pytest.param(["run", "--chain", "=", "hybr"], ["hybrid"], id="joined, as bash parts it"),
        pytest.param(["run", "--chain", "="], None, id="joined, nothing yet"),
        pytest.param(["run", "--routi"], ["--routine", "--routing-file"], id="option"),
        pytest.param(["run", "--no-str"], ["--no-stream"], id="negated option"),
        pytest.param(["run", "--accept", "a"], ["agreement"], id="choice"),
        pytest.param(["run", "--role", "crit"], ["critic"], id="role"),
        pytest.param(["chains", "sh"], ["show"], id="action"),
        pytest.param(["chains", "show", "deb"], ["debate"], id="name after an action"),
        pytest.param(["chains", "-o", "json", "show", "deb"], ["debate"], id="options between"),
        pytest.param(["models", "bench", "haiku", "son"], ["sonnet"], id="the second of many"),
        pytest.param(["run", "--context", "a"], [], id="a file"),
        pytest.param(["run", "Wh"], [], id="a prompt"),
        pytest.param(["nothing", "x"], [], id="unknown command"),
        pytest.param(["report", "x", "y"], [], id="too many"),
    ],
)
def test_words_are_completed(orch: Orch, words: list[str], expected: list[str] | None) -> None:
    done = orch("completion", "words", "--", *words)
    found = [line.partition("\t")[0] for line in done.stdout.decode().splitlines()]
    assert (done.returncode, done.stderr) == (0, b"")
    assert "mixed" in found if expected is None else found == expected


def test_models_of_the_users_own_are_completed_and_a_broken_file_gives_none(orch: Orch, tmp_path: Path) -> None:
    chains = tmp_path / "chains.yaml"
    chains.write_text("zebra: [haiku]\n")
    words = ["completion", "words", "--", "run", "-s", "zeb"]
    assert orch(*words, ORCH_CHAINS=str(chains)).stdout == b"zebra\n"
    chains.write_text("zebra: [nobody]\n")
    broken = orch(*words, ORCH_CHAINS=str(chains))
    assert (broken.returncode, broken.stdout, broken.stderr) == (0, b"", b"")


@pytest.mark.parametrize("command", ACTIONS)
def test_the_actions_that_are_completed_are_those_that_there_are(orch: Orch, command: str) -> None:
    for action in ACTIONS[command]:
        assert f"takes {ACTIONS[command][0]}".encode() not in orch(command, action).stderr
    refused = orch(command, "nothing-such")
    assert refused.returncode == 2
    for action in ACTIONS[command]:
        assert action.encode() in refused.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(orch: Orch, shell: str) -> None:
    done = orch("completion", shell)
    assert done.returncode == 0
    assert b"completion words --" in done.stdout


# -- where the runs are ----------------------------------------------------------------------------------------------


LOOKING_BACK = ["report", "stats", "export", "models --by-task", "tune", "show", "why", "rate last good"]


@pytest.mark.parametrize("command", LOOKING_BACK)
def test_simulated_runs_are_pointed_to(orch: Orch, command: str) -> None:
    hint = b"--simulate"
    assert hint not in orch(*command.split()).stderr
    assert orch("run", PROMPT, "--simulate").returncode == 0
    assert hint in orch(*command.split()).stderr
    assert hint not in orch(*command.split(), "--simulate").stderr


@pytest.mark.parametrize("command", LOOKING_BACK[:5])
def test_simulated_runs_in_a_ledger_of_both_kinds_are_pointed_to(orch: Orch, command: str, tmp_path: Path) -> None:
    ledger = ["--ledger", str(tmp_path / "both.db")]
    assert orch("run", PROMPT, "--simulate", *ledger).returncode == 0
    assert b"--simulate" in orch(*command.split(), *ledger).stderr


def test_a_run_of_the_other_kind_is_pointed_to_by_its_id(orch: Orch) -> None:
    run_id = str(result_of(orch, "run", PROMPT)["run_id"])
    assert b"--simulate" in orch("show", run_id).stderr


# -- the README ------------------------------------------------------------------------------------------------------


def test_the_lines_of_the_readme_work_one_after_the_other(
    orch: Orch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without_key = (ROOT / "README.md").read_text("utf-8").split("**Then for real.**")[0].split("**Ask.**")[1]
    tried = 0
    for body in blocks(without_key, "sh"):
        for command in commands(body):
            if command.words[0] == "echo":
                Path("prompts.jsonl").write_text('{"prompt": "What is 2 + 2?", "expected": 4}\n')
                continue
            done = orch(*command.words[1:], stdin=b"ERROR: refused" if command.piped else b"", **command.environ)
            assert (command.words[0], done.returncode) == ("orch", 0), (command, done.stderr)
            tried += 1
    assert tried > 15
