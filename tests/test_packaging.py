"""What a user installs: the wheel, by itself, away from the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from patience import PATIENCE_S

from orchestrator.distribution import DISTRIBUTION

ROOT = Path(__file__).resolve().parents[1]


def uv(*argv: str, cwd: Path) -> None:
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *argv], cwd=cwd, check=True, timeout=PATIENCE_S)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    uv("build", "--wheel", "--out-dir", str(tmp_path / "dist"), str(ROOT), cwd=tmp_path)
    (built,) = (tmp_path / "dist").glob("*.whl")
    return built


def test_every_hint_and_document_names_the_distribution_and_extras_that_there_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == DISTRIBUTION
    texts = {
        path: path.read_text()
        for pattern in ("orchestrator/**/*.py", "docs/*.md", "*.md", "examples/**/*")
        for path in ROOT.glob(pattern)
        if path.is_file() and path.suffix in (".py", ".md", ".toml")
    }
    named = {
        (name, extra)
        for text in texts.values()
        for name, extras in re.findall(r"\b(orch[\w-]*)\[([a-z, ]+)\]", text)
        for extra in extras.replace(" ", "").split(",")
    }
    named |= {(DISTRIBUTION, extra) for text in texts.values() for extra in re.findall(r"with_extra\(['\"](\w+)", text)}
    assert named == {(DISTRIBUTION, extra) for extra in project["optional-dependencies"]}


def test_the_wheel_answers_a_prompt_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"orchestrator/models.yaml", "orchestrator/chains.yaml", "orchestrator/py.typed"} <= names
    assert {"orchestrator/reading/weights.json", "orchestrator/confidence/weights.json"} <= names
    assert "orchestrator/simulator/answers/answers.json" in names
    assert {f"orchestrator/starter/{name}.yaml" for name in ("config", "chains", "models")} <= names
    assert not any(name.startswith(("tests/", "scripts/")) for name in names)

    env = tmp_path / "env"
    uv("venv", "--python", sys.executable, str(env), cwd=tmp_path)
    uv("pip", "install", "--python", str(env / "bin" / "python"), str(wheel), cwd=tmp_path)
    orch = [str(env / "bin" / "orch"), "run", "--simulate", "-p", "What is the capital of France?", "-o", "json"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run = subprocess.run(
        orch, cwd=tmp_path, env=clean, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "Paris" in json.loads(run.stdout)["response"]
    where = "import orchestrator; print(orchestrator.__file__)"
    found = subprocess.run(
        [str(env / "bin" / "python"), "-c", where], cwd=tmp_path, env=clean, capture_output=True, check=True
    )
    assert str(env) in found.stdout.decode()
