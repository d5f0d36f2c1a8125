"""`orch models --by-task` as a user meets it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

Run = subprocess.CompletedProcess[bytes]
Orch = Callable[..., Run]


def test_without_ratings_it_says_so_and_is_no_error(orch: Orch) -> None:
    run = orch("models", "--by-task")
    assert (run.returncode, run.stdout.startswith(b"no rated run says anything")) == (0, True)
    found = json.loads(orch("models", "--by-task", "-o", "json").stdout)
    assert found == {"schema_version": 1, "kind": "models_by_task", "simulated": False, "tasks": []}


def test_rated_answers_are_shown_by_task_and_model(orch: Orch) -> None:
    for prompt, rating in (
        ("What is 2 + 2?", "good"),
        ("What is 3 + 3?", "0.5"),
        ("What is the capital of France?", "bad"),
    ):
        assert orch("cheapest", prompt, "--simulate").returncode == 0
        assert orch("rate", "last", rating, "--simulate").returncode == 0
    found = json.loads(orch("models", "--by-task", "--simulate", "-o", "json").stdout)
    assert [(task["task"], task["runs"]) for task in found["tasks"]] == [("math", 2), ("question", 1)]
    (model,) = found["tasks"][0]["models"]
    assert (model["mean_rating"], model["runs"], model["standing"]) == (0.75, 2, "undecided")
    assert 0 < model["low"] < 0.75 < model["high"] < 1
    assert model["mean_cost_nanousd"] > 0
    text = orch("models", "--by-task", "--simulate").stdout.decode()
    assert model["model"] in text
    assert "different prompts" in text
    assert json.loads(orch("models", "--by-task", "-o", "json").stdout)["tasks"] == []


@pytest.mark.parametrize("option", [["--provider", "openai"], ["--level", "basic"], ["--available"]])
def test_what_is_about_the_registry_does_not_go_with_it(orch: Orch, option: list[str]) -> None:
    run = orch("models", "--by-task", *option)
    assert run.returncode == 2
    assert b"orch models --by-task makes no use of --" in run.stderr
