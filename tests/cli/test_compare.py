from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest

Orch = Callable[..., CompletedProcess[bytes]]
TWO = ("-m", "haiku", "-m", "gpt-6-luna")
PROMPT = "Which is better, REST or GraphQL?"


def document(done: CompletedProcess[bytes]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_models_answer_one_prompt_each_in_a_run_of_its_own(orch: Orch) -> None:
    done = orch("compare", PROMPT, *TWO, "--simulate", "--category", "trial", "-o", "json")
    assert (done.returncode, b"asking 2 models: $0." in done.stderr) == (0, True)
    found = document(done)
    assert [side["model"] for side in found["sides"]] == ["claude-haiku-5-5", "gpt-6-luna"]
    for side in found["sides"]:
        assert side["run"]["model_used"] == side["model"]
        assert side["score"] == pytest.approx(sum(side["parts"].values()), abs=0.001)
        assert side["reasons"]
    assert 0 <= found["agreement"] <= 1
    runs = document(orch("runs", "--simulate", "--category", "trial", "--json"))["runs"]
    assert {run["run_id"] for run in runs} == {side["run"]["run_id"] for side in found["sides"]}
    again = document(orch("compare", *(run["run_id"] for run in runs[::-1]), "--simulate", "-o", "json"))
    assert again["agreement"] == found["agreement"]
    assert [side["score"] for side in again["sides"]] == [
        next(side["score"] for side in found["sides"] if side["run"]["run_id"] == run["run_id"]) for run in runs[::-1]
    ]


def test_it_is_shown_as_text_and_as_tables(orch: Orch) -> None:
    text = orch("compare", PROMPT, *TWO, "--simulate").stdout.decode()
    for words in ("claude-haiku-5-5", "gpt-6-luna", "Score", "an ensemble of these would have given", "REST"):
        assert words in text
    assert orch("compare", PROMPT, *TWO, "--simulate", "-o", "csv").stdout.startswith(b"model,run_id,status,confidence")
    assert b"| Model | Status | Answer |" in orch("compare", PROMPT, *TWO, "--simulate", "-o", "md").stdout


def test_a_dry_run_prices_and_calls_nothing(orch: Orch) -> None:
    done = orch("compare", PROMPT, *TWO, "--simulate", "--dry-run", "-o", "json")
    models = document(done)["models"]
    assert all(0 < row["minimum_nanousd"] <= row["expected_nanousd"] <= row["maximum_nanousd"] for row in models)
    assert b"expected, at most $0." in orch("compare", PROMPT, *TWO, "--simulate", "--dry-run").stdout
    page = orch("compare", PROMPT, *TWO, "--simulate", "--dry-run", "-o", "md").stdout
    assert b"| Model | Obstacle | Lowest |" in page
    assert b"| gpt-6-luna |" in page
    assert document(orch("runs", "--simulate", "--json"))["runs"] == []


def test_a_cap_is_for_all_of_them_together_and_a_budget_for_each_call(orch: Orch) -> None:
    models = document(orch("compare", PROMPT, *TWO, "--simulate", "--dry-run", "-o", "json"))["models"]
    most = max(row["maximum_nanousd"] for row in models)
    capped = document(orch("compare", PROMPT, *TWO, "--simulate", "--max-cost", f"{most / 1e9:.9f}", "-o", "json"))
    assert sum(side["run"]["cost_nanousd"] for side in capped["sides"]) <= most
    orch("budget", "set", "--simulate", "--daily", "0", "--model", "haiku")
    partly = orch("compare", PROMPT, *TWO, "--simulate", "-o", "json")
    assert (partly.returncode, b"budget" in partly.stderr) == (10, True)
    refused, answered = document(partly)["sides"]
    assert (refused["run"]["error"]["code"], answered["run"]["status"]) == ("budget", "complete")
    orch("budget", "set", "--simulate", "--daily", "0")
    assert orch("compare", PROMPT, *TWO, "--simulate").returncode == 5


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        pytest.param([PROMPT, "-m", "haiku", "--simulate"], 2, b"two models", id="one model"),
        pytest.param([PROMPT, "-m", "haiku,haiku", "--simulate"], 2, b"two models", id="one model twice"),
        pytest.param(["why", "not", *TWO, "--simulate"], 2, b"in quotes", id="a prompt without quotes"),
        pytest.param(["last", "--simulate"], 2, b"takes two runs, or a prompt and two models", id="one run"),
        pytest.param(["last", "last", "--max-cost", "1", "--simulate"], 2, b"--max-cost", id="a flag of no use"),
        pytest.param(["last", "01NONE", "--simulate"], 2, b"no run '01NONE'", id="a run that is not there"),
        pytest.param([PROMPT, *TWO], 4, b"ANTHROPIC_API_KEY", id="no keys"),
    ],
)
def test_what_cannot_be_compared(orch: Orch, argv: list[str], code: int, words: bytes) -> None:
    orch("run", "--simulate", "-p", "What is the capital of France?")
    done = orch("compare", *argv)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
