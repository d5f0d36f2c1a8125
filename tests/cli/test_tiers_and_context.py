"""Tiers, files given with a prompt and rollouts from the command line, on the simulator."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from orchestrator.cli.source import spread_context

Orch = Callable[..., CompletedProcess[bytes]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "limiter.py").write_text("def allow():\n    return True\n")
    (tmp_path / "notes.md").write_text("The limiter is called for every request.\n")
    return tmp_path


def document(ended: CompletedProcess[bytes]) -> dict[str, Any]:
    found: Any = json.loads(ended.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("argv", "pattern", "steps"),
    [
        pytest.param(
            ["--tier", "ARCH", "--context", "src", "-p", "Is it safe?"], "memory-brain",
            [("memory", "retriever"), ("brain", "reasoner")], id="arch",
        ),
        pytest.param(
            ["-s", "tiers", "-p", "Implement a rate limiter"], "lead-junior",
            [("plan", "planner"), ("work", "builder"), ("review", "critic")], id="exec",
        ),
        pytest.param(
            ["-s", "tiers", "-p", "What is the capital of France?"], "debate", [("first", None), ("second", None)],
            id="tasks",
        ),
    ],
)  # fmt: skip
def test_a_tier_runs_its_plan_within_its_price_and_its_rows_name_it(
    orch: Orch, folder: Path, argv: list[str], pattern: str, steps: list[tuple[str, str | None]]
) -> None:
    priced = document(orch("plan", "--simulate", "-o", "json", *argv))["cost_nanousd"]
    ended = document(orch("run", "--simulate", "--ledger", "ledger.db", "-o", "json", *argv))
    assert ended["status"] == "complete"
    assert priced["minimum"] <= ended["cost_nanousd"] <= priced["maximum"]
    connection = sqlite3.connect(folder / "ledger.db")
    rows = connection.execute("SELECT step, role FROM calls ORDER BY rowid").fetchall()
    named = connection.execute("SELECT strategy, pattern FROM runs").fetchall()
    connection.close()
    assert rows[: len(steps)] == steps
    assert named == [("tiers", pattern)]


def test_files_folders_globs_and_standard_input_are_read_together(orch: Orch, folder: Path) -> None:
    argv = ["--context", "src", "*.md", "-", "-p", "Is it safe?", "--chain", "claude-haiku-5-5"]
    assert orch("run", "--simulate", *argv, stdin=b"from a pipe").returncode == 0
    shown = document(orch("show", "last", "--simulate", "-o", "json"))
    for expected in (
        "Is it safe?\n\nfile: src/limiter.py\n1\tdef allow():",
        "file: notes.md\n1\tThe",
        "1\tfrom a pipe",
    ):
        assert expected in shown["prompt"]


def test_what_is_piped_goes_with_the_files(orch: Orch, folder: Path) -> None:
    planned = orch("run", "--simulate", "--context", "notes.md", "-p", "Is it safe?", stdin=b"from a pipe")
    assert planned.returncode == 0
    assert (
        "file: standard input\n1\tfrom a pipe" in document(orch("show", "last", "--simulate", "-o", "json"))["prompt"]
    )


def test_the_prompt_itself_can_be_piped_in_beside_files(orch: Orch, folder: Path) -> None:
    assert orch("run", "--simulate", "--context", "notes.md", "-p", "-", stdin=b"Is it safe?").returncode == 0
    assert document(orch("show", "last", "--simulate", "-o", "json"))["prompt"].startswith("Is it safe?\n\nfile: notes")


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        pytest.param(["--context", "none.txt", "-p", "Why?"], 2, b"there is no file none.txt", id="no such file"),
        pytest.param(["--context", "latin.txt", "-p", "Why?"], 2, b"latin.txt is not UTF-8", id="not UTF-8"),
        pytest.param(["--context", "-", "-p", "-"], 2, b"not both", id="standard input twice"),
        pytest.param(["--context", "notes.md", "-p", " "], 2, b"the prompt is empty", id="no question"),
        pytest.param(["--context", "long.txt", "-p", "Why?"], 7, b"tokens", id="beyond every window"),
        pytest.param(["--tier", "ARHC", "-p", "Why?"], 2, b"there is no tier 'ARHC'", id="no such tier"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_right_code(
    orch: Orch, folder: Path, argv: list[str], code: int, message: bytes
) -> None:
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    (folder / "long.txt").write_text("some words and more\n" * 400_000)
    ended = orch("run", "--simulate", *argv, stdin=b"piped")
    assert ended.returncode == code
    assert message in ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        pytest.param("run --context a b -p hi", "run --context a --context b -p hi", id="several"),
        pytest.param("plan -p hi --context a - b", "plan -p hi --context a --context - --context b", id="stdin"),
        pytest.param("run --context a --context b", "run --context a --context b", id="one by one"),
        pytest.param("cheapest --context a hi", "cheapest --context a hi", id="where a prompt may follow"),
        pytest.param("run -p hi", "run -p hi", id="none"),
    ],
)
def test_words_after_context_belong_to_it_up_to_the_next_option(argv: str, expected: str) -> None:
    assert spread_context(argv.split()) == expected.split()


def test_a_rollout_in_the_config_file_is_carried_out(orch: Orch, folder: Path) -> None:
    config = folder / "config.yaml"
    config.write_text("rollout: {model: ollama/qwen2.5-coder-32b, starts: 2026-01-01, tasks: [question]}\n")
    argv = ["-s", "tiers", "-p", "What is the capital of France?"]
    ended = document(orch("run", "--simulate", "--config", "config.yaml", "-o", "json", *argv))
    assert ended["calls"][0]["model"] == "ollama/qwen2.5-coder-32b"
    assert ended["metadata"]["rollout"] == {"model": "ollama/qwen2.5-coder-32b", "share": 1.0, "taken": True}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param("rollout: {model: m}", b"config.yaml:1: rollout: 'starts' is missing", id="no day"),
        pytest.param(
            "rollout: {model: haiku, starts: 2026-01-01, share: 2}", b"1: rollout.share: 2 is more than 1", id="share"
        ),
        pytest.param("rollout: {model: olama, starts: 2026-01-01}", b"there is no model 'olama'", id="no such model"),
        pytest.param(
            "always_on: [{models: [haiku], since: 2026-01-02, until: 2026-01-01, gpu_hour: 1}]",
            b"ends on 2026-01-01, before it starts on 2026-01-02",
            id="a machine's days",
        ),
        pytest.param("always_on: [{models: [], since: 2026-01-01, gpu_hour: 1}]", b"needs at least 1", id="no models"),
    ],
)
def test_a_slip_in_the_config_file_is_named(orch: Orch, folder: Path, config: str, message: bytes) -> None:
    (folder / "config.yaml").write_text(config)
    ended = orch("run", "--simulate", "--config", "config.yaml", "-p", "Why?")
    assert ended.returncode == 3
    assert message in ended.stderr
