"""What `orch models` says of limits, what is left of them, cache prices and other names; one `--by` a report."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Orch = Callable[..., subprocess.CompletedProcess[bytes]]
LIMITED = """
models:
  small:
    provider: openai
    aliases: [tiny]
    context_window: 10_000
    output_limit: 1_000
    levels: [basic]
    scores: {coding: 0.5, reasoning: 0.5, speed: 0.5, long_context: 0.5}
    limits: {rpm: 10, tpm: 50_000, rpd: 100}
    free_quota: {requests_per_day: 20}
    prices: [{input: 1, output: 2, cache_read: 0.1, cache_write: 1.25, checked: 2026-11-21, source: test}]
"""


@pytest.fixture
def models_file(tmp_path: Path) -> str:
    path = tmp_path / "models.yaml"
    path.write_text(LIMITED)
    return str(path)


def shown(orch: Orch, models_file: str, *argv: str) -> Any:
    done = orch("models", "show", "tiny", "--models-file", models_file, "--output", "json", "--simulate", *argv)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["models"]
    return found


def test_a_model_has_its_limits_quota_cache_prices_and_other_names(orch: Orch, models_file: str) -> None:
    found = shown(orch, models_file)
    assert (found["name"], found["aliases"], found["context_window"]) == ("small", ["tiny"], 10_000)
    assert found["limits"] == {"rpm": 10, "tpm": 50_000, "rpd": 100, "tpd": None}
    assert found["free_quota"] == {"requests_per_day": 20, "tokens_per_day": None}
    assert (found["cache_read_per_million"], found["cache_write_per_million"]) == ("0.1", "1.25")
    assert found["cache_write_hour_per_million"] is None
    assert found["left"] == found["limits"]


def test_what_calls_have_taken_of_the_limits_is_left_no_more(orch: Orch, models_file: str) -> None:
    ask = ("run", "Hello", "-m", "small", "--simulate", "--models-file", models_file)
    assert orch(*ask).returncode == orch(*ask).returncode == 0
    left = shown(orch, models_file)["left"]
    assert (left["rpm"], left["rpd"], left["tpd"]) == (8, 98, None)
    assert 0 < left["tpm"] < 50_000


def test_on_the_free_tier_its_quota_is_what_is_left(orch: Orch, models_file: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("free_tier: [openai]\n")
    assert shown(orch, models_file, "--config", str(config))["left"]["rpd"] == 20


def test_a_model_is_shown_in_lines_and_in_the_wide_table(orch: Orch, models_file: str) -> None:
    lines = orch("models", "show", "small", "--models-file", models_file, "--simulate").stdout.decode()
    for words in ("cache read per million", "rpm 10, tpm 50,000, rpd 100", "tiny", "10,000"):
        assert words in lines
    table = orch("models", "--models-file", models_file, "--simulate").stdout.decode()
    (row,) = [line for line in table.splitlines() if line.startswith("small ")]
    for words in ("10 rpm, 50,000 tpm, 100 rpd", "0.1", "tiny"):
        assert words in row


@pytest.mark.parametrize("argv", [["show"], ["show", "nobody"], ["haiku"]], ids=" ".join)
def test_which_model_must_be_said_and_be_there(orch: Orch, argv: list[str]) -> None:
    assert orch("models", *argv, "--simulate").returncode == 2


def test_a_beginning_that_a_period_would_drop_is_refused(orch: Orch) -> None:
    both = orch("stats", "--simulate", "--period", "daily", "--since", "7d")
    assert (both.returncode, b"--since 7d" in both.stderr) == (2, True)


def test_an_incomplete_run_says_whose_answer_it_has(orch: Orch) -> None:
    done = orch("run", "Why is the sky blue?", "-m", "haiku", "--simulate", "--verify", "false", "--output", "json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["status"], found["model_used"]) == (8, "incomplete", "claude-haiku-5-5")
    assert found["confidence"] is not None
