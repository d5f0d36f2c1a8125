"""`orch init`, as a user runs it."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from documents import section

JSON = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text("utf-8")
Orch = Callable[..., CompletedProcess[bytes]]

OPENCLAW = {
    "agents": {"main": {"model": "gemini-2.0-flash"}, "work": {"model": "claude-haiku-4-5"}},
    "routing": {"orchestration": "gemini-2.0-flash", "reasoning": "acme/frob-9"},
}


@pytest.fixture
def folder(user_files: Path) -> Path:
    return user_files / ".config" / "orch"


@pytest.fixture
def openclaw(tmp_path: Path) -> str:
    path = tmp_path / "openclaw.json"
    path.write_text(json.dumps(OPENCLAW))
    return str(path)


def test_it_writes_files_that_only_their_owner_can_read_and_that_work(orch: Orch, folder: Path) -> None:
    run = orch("init")
    assert run.returncode == 0
    assert [line.split("/")[-1] for line in run.stdout.decode().splitlines()[:3]] == [
        "config.yaml",
        "chains.yaml",
        "models.yaml",
    ]
    assert stat.S_IMODE((folder / "config.yaml").stat().st_mode) == 0o600
    assert orch("chains", "check", str(folder / "chains.yaml")).returncode == 0
    answered = orch("run", "--simulate", "-s", "mine", "-p", "What is the capital of France?")
    assert b"Paris" in answered.stdout


def test_it_never_replaces_a_file_without_force(orch: Orch, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("strategy: cheapest\n")
    first = orch("init")
    assert first.returncode == 0
    assert b"kept" in first.stdout
    again = orch("init")
    assert again.returncode == 2
    assert b"--force" in again.stderr
    assert (folder / "config.yaml").read_text() == "strategy: cheapest\n"
    forced = json.loads(orch("init", "--force", "--output", "json").stdout)
    assert forced["copies"] == ["config.yaml.old", "chains.yaml.old", "models.yaml.old"]
    assert (folder / "config.yaml.old").read_text() == "strategy: cheapest\n"


def test_a_config_file_that_cannot_be_read_is_no_obstacle(orch: Orch, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("strateegy: [\n")
    assert orch("init", "--force").returncode == 0
    assert orch("chains").returncode == 0


def test_printing_writes_nothing(orch: Orch, folder: Path, openclaw: str) -> None:
    run = orch("init", "--from-openclaw", openclaw, "--print")
    assert run.returncode == 0
    assert b"orchestration:" in run.stdout
    assert not folder.exists()
    document = json.loads(orch("init", "--print", "-o", "json").stdout)
    assert set(document["files"]) == {"config.yaml", "chains.yaml", "models.yaml"}
    assert set(document) | {"null"} == set(re.findall(r"`([a-z_]+)`", section(JSON, "Init")))


def test_openclaw_is_carried_over_and_answers(orch: Orch, folder: Path, openclaw: str) -> None:
    run = orch("init", "--from-openclaw", openclaw)
    assert run.returncode == 0
    assert b"set GEMINI_API_KEY, ANTHROPIC_API_KEY" in run.stdout
    said = run.stderr.decode()
    assert "gemini-2.0-flash stopped answering" in said
    assert "no model named 'acme/frob-9'" in said
    assert orch("chains", "check", str(folder / "chains.yaml")).returncode == 0
    answered = json.loads(orch("run", "--simulate", "-p", "What is the capital of France?", "-o", "json").stdout)
    assert answered["model_used"] == "gemini-2.5-flash-lite"
    overridden = orch("run", "--simulate", "-p", "Hello", "-o", "json", MODEL_OVERRIDE_ORCHESTRATION="claude-haiku-5-5")
    assert json.loads(overridden.stdout)["model_used"] == "claude-haiku-5-5"
    worked = json.loads(
        orch("run", "--simulate", "-s", "fallback", "--role", "work", "-p", "Hello", "-o", "json").stdout
    )
    assert worked["model_used"] == "claude-haiku-4-5"


def test_once_the_unknown_model_is_added_it_is_used_and_the_users_models_stay(
    orch: Orch, folder: Path, openclaw: str
) -> None:
    said = orch("init", "--from-openclaw", openclaw).stderr.decode()
    entry = said.split("with what is true of it: ")[1].splitlines()[0]
    own = f"checked: 2026-11-21\nmodels:\n  {entry}\n"
    (folder / "models.yaml").write_text(own)
    again = orch("init", "--from-openclaw", openclaw, "--force")
    assert again.returncode == 0
    assert b"frob-9" not in again.stderr
    assert (folder / "models.yaml").read_text() == own
    shown = json.loads(orch("chains", "-o", "json").stdout)["chains"]
    assert shown["reasoning"][0] == "acme/frob-9"


@pytest.mark.parametrize(
    ("text", "said"),
    [("{ // comment\n}", b"openclaw.json:1:3: "), ("[]", b"expected an object"), (None, b"cannot be read")],
    ids=["JSON5", "list", "missing"],
)
def test_a_file_that_cannot_be_used_ends_with_3_and_its_place(
    text: str | None, said: bytes, orch: Orch, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "openclaw.json"
    if text is not None:
        path.write_text(text)
    run = orch("init", "--from-openclaw", str(path))
    assert run.returncode == 3
    assert said in run.stderr
    assert not folder.exists()
