"""Scorers of the user's own, named in the config file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.config import load_settings
from orchestrator.errors import ConfigError
from orchestrator.reading.complexity import ComplexityAnalyzer
from orchestrator.types import Level

Orch = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's config directory, on any platform that XDG reaches."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "orch"
    folder.mkdir(parents=True)
    return folder


def plan(orch: Orch, prompt: str = "hello") -> dict[str, object]:
    done = orch("plan", "--simulate", "-s", "cheapest", "--output", "json", "-p", prompt)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)["complexity"]
    return found


def refused(orch: Orch) -> str:
    done = orch("plan", "--simulate", "-p", "hello")
    assert done.returncode == 3
    assert not done.stdout
    assert b"Traceback" not in done.stderr
    return done.stderr.decode()


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the config directory follows XDG on Linux")


@linux_only
def test_a_scorer_beside_the_config_file_takes_the_place_of_the_built_in_one(orch: Orch, config_folder: Path) -> None:
    (config_folder / "mine.py").write_text("def score(prompt):\n    return 0.9 if 'law' in prompt else 0.05\n")
    (config_folder / "config.yaml").write_text("complexity: {scorer: 'mine:score'}\n")
    assert plan(orch, "a law") == {"score": 0.9, "level": "expert", "features": {}, "unfamiliar": False}
    assert plan(orch, "a cow") == {"score": 0.05, "level": "basic", "features": {}, "unfamiliar": False}


@linux_only
def test_what_a_scorer_says_counted_is_shown(orch: Orch, config_folder: Path) -> None:
    source = "class Legal:\n    @staticmethod\n    def score(prompt):\n        return 0.5, {'about contracts': 1.25}\n"
    (config_folder / "mine.py").write_text(source)
    (config_folder / "config.yaml").write_text("complexity: {scorer: 'mine:Legal.score', cuts: [0.2, 0.6, 0.9]}\n")
    done = orch("plan", "--simulate", "-v", "-p", "hello")
    assert b"+1.25  about contracts" in done.stdout
    assert b"intermediate" in done.stdout
    assert orch("run", "--simulate", "-p", "hello").returncode == 0
    assert b"+1.25  about contracts" in orch("why", "last", ORCH_SIMULATE="1").stdout


@linux_only
@pytest.mark.parametrize(
    ("source", "named", "said"),
    [
        ("", "mine:score", "has no attribute 'score'"),
        ("", "nowhere_at_all:score", "No module named 'nowhere_at_all'"),
        ("", "nothing", "no installed package has it in the entry point group orch.complexity"),
        ("def score(:", "mine:score", "SyntaxError"),
        ("raise RuntimeError('no licence')", "mine:score", "no licence"),
        ("raise SystemExit(7)", "mine:score", "SystemExit"),
        ("score = 0.5", "mine:score", "is no function"),
        ("def score(): return 0.5", "mine:score", "TypeError"),
        ("def score(prompt): return 1 / 0", "mine:score", "ZeroDivisionError"),
        ("def score(prompt): return 1.5", "mine:score", "a score of 1.5"),
        ("def score(prompt): return -0.1", "mine:score", "a score of -0.1"),
        ("def score(prompt): return float('nan')", "mine:score", "no finite number"),
        ("def score(prompt): return True", "mine:score", "a number from 0 to 1"),
        ("def score(prompt): return 'hard'", "mine:score", "returned str for a score"),
        ("def score(prompt): return None", "mine:score", "returned NoneType for a score"),
        pytest.param(
            "async def score(prompt): return 0.5",
            "mine:score",
            "returned coroutine for a score",
            marks=pytest.mark.filterwarnings("ignore:coroutine 'score' was never awaited"),
        ),
        ("def score(prompt): return 0.5, ['x']", "mine:score", "no mapping to numbers"),
        ("def score(prompt): return 0.5, {'x': 'y'}", "mine:score", "no mapping to numbers"),
    ],
)
def test_a_scorer_that_cannot_be_used_is_an_error_of_the_configuration(
    orch: Orch, config_folder: Path, source: str, named: str, said: str
) -> None:
    (config_folder / "mine.py").write_text(source)
    (config_folder / "config.yaml").write_text(f"complexity: {{scorer: '{named}'}}\n")
    problem = refused(orch)
    assert "complexity.scorer: " in problem
    assert said in problem


@linux_only
def test_no_scorer_is_taken_from_the_current_directory(
    orch_process: Orch, config_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "theirs.py").write_text("def score(prompt):\n    return 1.0\n")
    (config_folder / "config.yaml").write_text("complexity: {scorer: 'theirs:score'}\n")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.chdir(checkout)
    assert "No module named 'theirs'" in refused(orch_process)
    (checkout / "config.yaml").write_text("complexity: {scorer: 'theirs:score'}\n")
    (config_folder / "config.yaml").unlink()
    assert plan(orch_process)["score"] != 1.0


@linux_only
def test_an_installed_package_offers_a_scorer_by_name(
    orch_process: Orch, config_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    information = site / "acme_orch-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-orch\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[orch.complexity]\nlegal = acme_orch:score\n")
    (site / "acme_orch.py").write_text("def score(prompt):\n    return 0.75\n")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).resolve().parents[2]}:{site}")
    assert plan(orch_process)["score"] != 0.75  # not unasked
    (config_folder / "config.yaml").write_text("complexity: {scorer: legal}\n")
    assert plan(orch_process)["score"] == 0.75
    (config_folder / "config.yaml").write_text("complexity: {scorer: legall}\n")
    assert "did you mean 'legal'?" in refused(orch_process)


def test_cuts_in_the_config_file_move_the_levels(orch: Orch, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("complexity: {cuts: [0, 0, 0.001]}\n")
    done = orch("plan", "--simulate", "--config", str(config), "-p", "hello")
    assert b"expert chat" in done.stdout


@pytest.mark.parametrize(
    "cuts", ["[0.5, 0.2, 0.8]", "[0.1, 0.2]", "[0.1, 0.2, 1.5]", "0.5", "[]", "[a, b, c]"], ids=lambda cuts: str(cuts)
)
def test_cuts_are_three_numbers_that_rise(tmp_path: Path, cuts: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"complexity:\n  cuts: {cuts}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:2: complexity\.cuts"):
        load_settings({}, config=config)


def test_a_function_can_be_given_in_python() -> None:
    analyzer = ComplexityAnalyzer(
        scorer=lambda prompt: (len(prompt) / 10, {"characters": len(prompt)}), cuts=(0.1, 0.2, 0.6)
    )
    analysis = analyzer.analyze("hello")
    assert (analysis.score, analysis.level, analysis.features) == (0.5, Level.ADVANCED, {"characters": 5.0})
    assert analysis.task == "chat"
    with pytest.raises(ConfigError, match=r"a score of 1\.1"):
        analyzer.analyze("hello there")
