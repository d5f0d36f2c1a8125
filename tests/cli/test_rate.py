"""`orch rate` and `--rate-last` as a user meets them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = subprocess.CompletedProcess[bytes]
Orch = Callable[..., Run]


@pytest.fixture
def rated(orch: Orch) -> Callable[..., dict[str, Any]]:
    """Runs a command on the simulator's ledger and reads its JSON."""

    def run(*argv: str) -> dict[str, Any]:
        done = orch(*argv, "--simulate", "--output", "json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    return run


@pytest.fixture
def answered(orch: Orch) -> str:
    """A ledger with one answer in it; gives the run."""
    done = orch("run", "--simulate", "-p", "What is 2 + 2?", "--output", "json")
    run_id: str = json.loads(done.stdout)["run_id"]
    return run_id


def test_ratings_count_in_the_confidence_of_the_next_answers(rated: Callable[..., dict[str, Any]]) -> None:
    ask = ("run", "-p", "What is 2 + 2?", "-m", "gpt-6-luna")
    confidences = []
    for rating in ("bad", "bad", "bad", None):
        confidences.append(rated(*ask)["confidence"])
        if rating is not None:
            rated("rate", "last", rating)
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] > confidences[-1] + 0.05
    assert "3 ratings, 3 of gpt-6-luna" in json.dumps(rated("why", "last"))


@pytest.mark.parametrize(
    ("written", "rating"),
    [("good", 1.0), ("BAD", 0.0), ("0.7", 0.7), ("0", 0.0), ("1", 1.0), ("1e-1", 0.1)],
)
def test_an_answer_is_rated_by_word_or_number(
    answered: str, rated: Callable[..., dict[str, Any]], written: str, rating: float
) -> None:
    found = rated("rate", answered[:20].lower(), written, "--note", "terse")
    assert (found["run_id"], found["rating"], found["rating_note"]) == (answered, rating, "terse")
    assert rated("show")["rating"] == rating


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["rate", "last", "bad"], id="last"),
        pytest.param(["rate", "--rate-last", "bad"], id="rate-last"),
        pytest.param(["rate", "--last", "bad"], id="short"),
        pytest.param(["run", "--rate-last", "bad"], id="run"),
        pytest.param(["fallback", "--rate-last", "bad"], id="short form"),
    ],
)
def test_the_latest_run_is_rated_without_its_id(
    answered: str, rated: Callable[..., dict[str, Any]], argv: list[str]
) -> None:
    rated("rate", "last", "good")
    found = rated(*argv)
    assert (found["run_id"], found["rating"], found["previous"]) == (answered, 0.0, 1.0)


def test_a_rating_is_taken_back(answered: str, rated: Callable[..., dict[str, Any]]) -> None:
    rated("rate", answered, "good")
    assert rated("rate", answered, "none") == {
        "schema_version": 1, "run_id": answered, "rating": None, "rated_at": None, "rating_note": None, "previous": 1.0,
    }  # fmt: skip
    assert rated("show")["rating"] is None


def test_the_earlier_answer_is_rated_before_the_next_one_is_given(
    answered: str, orch: Orch, rated: Callable[..., dict[str, Any]]
) -> None:
    done = orch("run", "--simulate", "--rate-last", "bad", "-p", "What is the capital of France?", "-o", "json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "complete")
    assert f"run {answered}: bad (0)".encode() in done.stderr
    assert rated("show", answered)["rating"] == 0.0
    assert rated("show", "last")["rating"] is None


def test_a_rating_is_seen_in_show_report_and_stats(answered: str, orch: Orch) -> None:
    orch("rate", "--simulate", answered, "0.75", "--note", "half \x1b[31mright")
    assert b"rated 0.75: half" in orch("show", "--simulate").stdout
    assert b"0.75 (1)" in orch("report", "--simulate").stdout
    latest = json.loads(orch("stats", "--simulate", "-o", "json").stdout)["latest"]
    assert [run["rating"] for run in latest] == [0.75]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        pytest.param(["last", "1.2"], b"a number from 0 to 1", id="above"),
        pytest.param(["last", "nan"], b"a number from 0 to 1", id="no-number"),
        pytest.param(["last", "great"], b"good, bad", id="word"),
        pytest.param(["last", ""], b"good, bad", id="empty"),
        pytest.param(["ZZZ", "good"], b"no run 'ZZZ'", id="unknown"),
        pytest.param(["0", "good"], b"more than one run", id="ambiguous"),
        pytest.param(["last"], b"orch rate last good", id="no-rating"),
        pytest.param([], b"orch rate last good", id="nothing"),
        pytest.param(["last", "good", "--rate-last", "bad"], b"without RUN and RATING", id="both"),
        pytest.param(["last", "none", "--note", "x"], b"a note goes with a rating", id="note-for-none"),
        pytest.param(["last", "good", "--note", "x" * 2_001], b"at most 2,000", id="long-note"),
    ],
)
@pytest.mark.usefixtures("answered")
def test_what_cannot_be_rated_ends_with_2_and_a_hint(orch: Orch, argv: list[str], says: bytes) -> None:
    assert orch("run", "--simulate", "-p", "What is 3 + 3?").returncode == 0
    done = orch("rate", "--simulate", *argv)
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in done.stderr
    assert b"Traceback" not in done.stderr
    assert json.loads(orch("export", "--simulate", "--rows", "runs", "-f", "json").stdout)[-1]["rating"] is None


def test_a_run_without_an_answer_cannot_be_rated(orch: Orch, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("rules: [{fault: auth}]\n")
    failed = orch("run", "--simulate", "--scenario", str(scenario), "--chain", "gpt-6-luna", "-p", "Why?")
    assert failed.returncode == 4, failed.stderr
    done = orch("rate", "--simulate", "last", "good")
    assert done.returncode == 2
    assert b"gave no answer (failed)" in done.stderr


def test_without_a_ledger_there_is_nothing_to_rate_and_none_is_made(orch: Orch, tmp_path: Path) -> None:
    done = orch("rate", "last", "good", "--ledger", str(tmp_path / "none.db"))
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert b"there is no ledger yet" in done.stderr
