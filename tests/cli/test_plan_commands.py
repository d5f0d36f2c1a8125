"""Named plans at the command line: listing, drawing, checking, running."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_S

Run = subprocess.CompletedProcess[bytes]
Orch = Callable[..., Run]
REASONERS = ("gemini-4-argon", "claude-opus-5-5", "gpt-6.1-sol", "deepseek-v4-pro")
QUESTION = "Should I use REST or GraphQL?"


def document(run: Run) -> dict[str, Any]:
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert isinstance(found, dict)
    return found


def test_the_list_says_what_each_plan_does(orch: Orch) -> None:
    lines = orch("chains").stdout.decode().splitlines()
    assert any(re.match(r"mixed +gpt-6-luna → claude-haiku-5-5 → ", line) for line in lines)
    assert any(re.match(r"refine +a fast draft", line) for line in lines)
    found = document(orch("chains", "list", "-o", "json"))
    assert found["chains"]["fast"] == ["claude-haiku-5-5", "gpt-6-luna", "claude-sonnet-5-5"]
    assert "loop" in found["plans"]["refine"]["plan"]["sequence"]["steps"][1]


def test_a_plan_is_drawn_with_its_price_range(orch: Orch) -> None:
    shown = orch("chains", "show", "pipeline", "--simulate").stdout.decode()
    assert re.search(
        r"1\. context: cerebras/gpt-oss-120b as retriever \(else \S+ and 3 more\) +\$[\d.]+ to \$[\d.]+, expected \$",
        shown,
    )
    assert "until its check gives ≥ 0.8, one round" in shown
    assert re.search(r"^cost: \$[\d.]+ to \$[\d.]+, expected \$[\d.]+, for a short question$", shown, re.MULTILINE)
    prices = [
        document(orch("chains", "show", "pipeline", "--simulate", "-o", "json", "-p", prompt))["cost_nanousd"]
        for prompt in ("Why?", "Why? " * 500)
    ]
    assert prices[0]["maximum"] < prices[1]["maximum"]


def test_a_plan_is_drawn_as_a_mermaid_flowchart(orch: Orch) -> None:
    lines = orch("chains", "show", "diverge", "--simulate", "--format", "mermaid").stdout.decode().splitlines()
    assert lines[0] == "flowchart TD"
    boxes = dict(re.findall(r'(n\d+)\["(\w+): ', "\n".join(lines)))
    assert set(boxes.values()) == {"simplest", "sturdiest", "boldest", "synthesis"}
    named = {name: box for box, name in boxes.items()}
    arrows = {line.strip() for line in lines if "-->" in line}
    assert arrows == {f"{named[name]} --> {named['synthesis']}" for name in ("simplest", "sturdiest", "boldest")}
    assert sum("subgraph" in line for line in lines) == sum(line.strip() == "end" for line in lines) == 1


@pytest.mark.parametrize("name", ["mixed", "agree", "vote", "pipeline", "diverge", "refine", "build", "debate"])
def test_every_drawing_is_whole(orch: Orch, name: str) -> None:
    lines = orch("chains", "show", name, "--simulate", "--format", "mermaid").stdout.decode().splitlines()
    drawn = set(re.findall(r'\b(n\d+)(?:\["|\{")', "\n".join(lines)))
    linked = set(re.findall(r"\bn\d+\b", "\n".join(line for line in lines if ">" in line and "[" not in line)))
    assert linked <= drawn
    assert sum("subgraph" in line for line in lines) == sum(line.strip() == "end" for line in lines)


def test_without_a_key_a_plan_is_drawn_as_it_is_written(orch: Orch) -> None:
    shown = orch("chains", "show", "pipeline")
    assert shown.returncode == 0
    assert "context: the retriever's model" in shown.stdout.decode()
    assert "set CEREBRAS_API_KEY" in shown.stderr.decode()


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["chains", "shwo"], "takes list, show or check, not 'shwo'"),
        (["chains", "show"], "which one?"),
        (["chains", "show", "pipelin"], "there is no chain named 'pipelin'"),
        (["chains", "check"], "which file?"),
        (["chains", "list", "mixed"], "takes no name"),
        (["run", "--simulate", "-s", "pipelin", "-p", "Why?"], "no strategy 'pipelin'"),
        (["run", "--simulate", "--role", "critc", "-p", "Why?"], "there is no role 'critc'"),
        (["run", "--simulate", "--role", "critic", "-s", "pipeline", "-p", "Why?"], "have roles of their own"),
    ],
)
def test_what_is_not_there_is_a_usage_error_with_a_hint(orch: Orch, argv: list[str], problem: str) -> None:
    run = orch(*argv)
    said = run.stderr.decode()
    assert (run.returncode, problem in said, "Traceback" in said) == (2, True, False)
    assert len(said.splitlines()) == 2 or said.count("for example")


def test_a_file_is_checked(orch: Orch, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("mine: [gpt-4o, {call: {role: scout}}]\nroles: {scout: {models: [gpt-4o]}}\n")
    assert document(orch("chains", "check", str(file), "-o", "json")) == {
        "schema_version": 1, "file": str(file), "chains": ["mine"], "roles": ["scout"], "tiers": [],
    }  # fmt: skip
    assert b"1 chains, 1 roles, 0 tiers" in orch("chains", "check", str(file)).stdout
    file.write_text("mine:\n  sequence:\n    - call: {name: a, template: $steps.b}\n")
    run = orch("chains", "check", str(file))
    assert (run.returncode, run.stdout) == (3, b"")
    assert f"{file}:3: mine.sequence[0].call.template: there is no step named 'b'" in run.stderr.decode()
    assert orch("chains", "check", str(tmp_path / "missing.yaml")).returncode == 3


def test_a_plan_runs_by_its_name_as_strategy_or_chain(orch: Orch) -> None:
    found = [
        document(orch("run", "--simulate", *how, "-p", QUESTION, "-o", "json"))
        for how in (["-s", "pipeline"], ["--chain", "pipeline"], ["-s", "fallback", "--chain", "pipeline"])
    ]
    assert [run["strategy"] for run in found] == ["pipeline", "fallback", "fallback"]
    steps = [[(call["step"], call["role"]) for call in run["calls"]] for run in found]
    assert steps == [[("context", "retriever"), ("reasoning", "reasoner"), ("verification", "critic")]] * 3
    shown = document(orch("show", "last", "--simulate", "-o", "json"))
    assert shown["plan"]["sequence"]["steps"][0]["call"]["role"] == "retriever"
    assert "fallback with pipeline" in orch("show", "last", "--simulate").stdout.decode()
    assert "verification, cerebras/gpt-oss-120b" in orch("why", "last", "--simulate").stdout.decode()


def test_piped_input_is_a_steps_context(orch: Orch, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text('mine: {call: {model: gpt-6-luna, template: "Ask: $prompt\\n\\nIn:\\n$context"}}')
    plan = document(
        orch("plan", "--simulate", "-s", "mine", "--chains-file", str(file), "-p", "Why?", "-o", "json", stdin=b"log")
    )
    assert plan["plan"]["call"]["model"] == "gpt-6-luna"
    run = orch("run", "--simulate", "-s", "mine", "--chains-file", str(file), "-p", "Why?", stdin=b"a log\n")
    assert run.returncode == 0


def test_streamed_and_whole_answers_of_a_plan_are_the_same(orch: Orch) -> None:
    for name in ("diverge", "refine", "build"):
        runs = [orch("run", "--simulate", "-s", name, "-p", QUESTION, flag) for flag in ("--stream", "--no-stream")]
        assert runs[0].stdout == runs[1].stdout != b""


@pytest.mark.parametrize("opened", ["true", "false"], ids=["marked", "only its end marked"])
@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_what_models_think_is_told_on_request_and_never_part_of_answers(
    orch: Orch, tmp_path: Path, flag: str, opened: str
) -> None:
    scenario = tmp_path / "thoughts.yaml"
    scenario.write_text(f"rules:\n  - {{fault: thoughts, opened: {opened}}}\n")
    for name in ("fallback", "pipeline", "diverge"):
        argv = ["run", "--simulate", "-s", name, "-p", QUESTION]
        plain = document(orch(*argv, "--no-stream", "-o", "json"))
        run = orch(*argv, flag, "-v", "--scenario", str(scenario))
        assert run.stdout.decode() == plain["response"] + "\n"
        assert "thought:\n    Hmm, I'm not sure" in run.stderr.decode()
        found = document(orch(*argv, flag, "--scenario", str(scenario), "-o", "json"))
        assert (found["response"], found["confidence"]) == (plain["response"], plain["confidence"])
        assert [call["model"] for call in found["calls"]] == [call["model"] for call in plain["calls"]]
        assert [call["input_tokens"] for call in found["calls"]] == [call["input_tokens"] for call in plain["calls"]]
        assert found["output_tokens"] > plain["output_tokens"]


def test_a_plan_that_stops_gives_what_it_had_come_to_with_exit_code_8(orch: Orch, tmp_path: Path) -> None:
    scenario = tmp_path / "faults.yaml"
    scenario.write_text("rules:\n" + "".join(f"  - {{model: {model}, fault: refused}}\n" for model in REASONERS))
    run = orch("run", "--simulate", "-s", "build", "-p", QUESTION, "--scenario", str(scenario))
    assert (run.returncode, run.stdout != b"") == (8, True)
    assert b"the plan stopped here" in run.stderr
    shown = document(orch("show", "last", "--simulate", "-o", "json"))
    assert (shown["status"], shown["error"]["code"]) == ("incomplete", "incomplete")
    assert [(call["step"], call["status"]) for call in shown["calls"]] == [
        ("retrieve", "completed"), ("plan", "completed"), *(("design", "failed") for _ in REASONERS),
    ]  # fmt: skip


def test_rows_of_a_plan_are_exported_with_pattern_step_and_role(orch: Orch) -> None:
    assert orch("run", "--simulate", "-s", "pipeline", "-p", QUESTION).returncode == 0
    rows = json.loads(orch("export", "--simulate", "--format", "json").stdout)
    assert {(row["pattern"], row["step"], row["role"]) for row in rows} == {
        ("pipeline", "context", "retriever"), ("pipeline", "reasoning", "reasoner"),
        ("pipeline", "verification", "critic"),
    }  # fmt: skip


def test_accept_agreement_may_stand_in_the_config_file(orch: Orch, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("accept: agreement\n")
    found = document(orch("plan", "--simulate", "-p", QUESTION, "--config", str(config), "-o", "json"))
    assert found["plan"]["cascade"]["accept"] == "agreement"
    assert found["plan"]["cascade"]["legs"][0]["panel"]["reduce"] == "agree"
    flag = document(orch("plan", "--simulate", "-p", QUESTION, "--accept", "agreement", "-o", "json"))
    assert flag["plan"] == found["plan"]


def test_a_terminal_is_told_which_step_is_running(user_files: Path) -> None:
    master, slave = pty.openpty()
    argv = [sys.executable, "-m", "orchestrator", "run", "--simulate", "-s", "pipeline", "-p", QUESTION, "-o", "json"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave) as process:
        os.close(slave)
        seen, deadline = b"", time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                piece = os.read(master, 4096)
            except OSError:  # how Linux says that the other side is closed
                break
            if not piece:
                break
            seen += piece
        assert process.stdout is not None
        process.stdout.read()
    os.close(master)
    for step in ("context: asking cerebras", "reasoning: asking gemini-4-argon", "verification: asking cerebras"):
        assert step in seen.decode()
