"""A later period held against a baseline: cost, ratings, models, and what looks easy."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from report_recording import UNPRICED, Recorder, recording
from rich.console import Console

from orchestrator.ledger.ratings import Rating, rate
from orchestrator.report.baseline import Compared, Comparison, Ease, Span, compare, easy_tasks
from orchestrator.report.baseline_table import BaselineTable
from orchestrator.report.idle import Idle
from orchestrator.report.period import Range
from orchestrator.report.selection import Selection

recorder = pytest.fixture(recording)
OCTOBER, NOVEMBER = datetime(2026, 10, 10, 9, tzinfo=UTC), datetime(2026, 11, 10, 9, tzinfo=UTC)
DOCUMENT = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")


def span(month: int, days: float, idle: tuple[Idle, ...] = ()) -> Span:
    within = Range(date(2026, month, 1), date(2026, month, 30))
    return Span(Selection(simulated=False, within=within), days, idle)


def compared(recorder: Recorder, idle: tuple[Idle, ...] = ()) -> Comparison:
    return compare(recorder.ledger, span(10, 30), span(11, 10, idle), threshold=0.6)


def record(
    recorder: Recorder,
    at: datetime,
    count: int,
    *,
    rating: float | None = None,
    cost: int = 1000,
    model: str = "haiku",
    **columns: Any,
) -> None:
    columns = {"task": "question", "level": "basic", "confidence": 0.9, **columns}
    for _ in range(count):
        run_id = recorder.run({"cost_nanousd": cost, "model": model}, at=at, model_used=model, **columns)
        if rating is not None:
            rate(recorder.ledger, run_id, Rating(rating, at))


def task(comparison: Comparison, name: str) -> Compared:
    return next(found for found in comparison.tasks if found.task == name)


def test_cost_of_a_run_and_share_by_model_are_compared_by_task(recorder: Recorder) -> None:
    record(recorder, OCTOBER, 4, cost=1000)
    record(recorder, NOVEMBER, 3, cost=200, model="local")
    record(recorder, NOVEMBER, 1, cost=1000)
    record(recorder, NOVEMBER, 1, cost=7, task="code")
    found = compared(recorder)
    question = task(found, "question")
    assert (question.baseline.mean_cost_nanousd, question.later.mean_cost_nanousd) == (1000, 400)
    assert question.cost_change == pytest.approx(-0.6)
    assert question.baseline.models == {"haiku": 1.0}
    assert question.later.models == {"local": 0.75, "haiku": 0.25}
    assert task(found, "code").cost_change is None
    assert (found.total.baseline.runs, found.total.later.runs, found.total.later.cost_nanousd) == (4, 5, 1607)


def test_runs_in_which_a_rollouts_model_was_asked_are_counted(recorder: Recorder) -> None:
    record(recorder, OCTOBER, 1)
    record(recorder, NOVEMBER, 1, metadata='{"rollout": {"model": "local", "share": 0.5, "taken": true}}')
    record(recorder, NOVEMBER, 3, metadata='{"rollout": {"model": "local", "share": 0.5, "taken": false}}')
    found = task(compared(recorder), "question")
    assert (found.baseline.rollout_runs, found.later.rollout_runs) == (0, 1)
    assert "question: the rollout's model was asked first in 25% of the compared runs" in shown(compared(recorder))


def test_a_cost_of_unknown_price_is_marked_and_not_taken_for_nothing(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 5}, UNPRICED, at=OCTOBER, task="question")
    assert compared(recorder).total.baseline.unpriced_calls == 1
    assert "≥" in shown(compared(recorder))


def test_a_change_of_ratings_has_an_interval_once_enough_are_rated(recorder: Recorder) -> None:
    record(recorder, OCTOBER, 5, rating=1.0)
    record(recorder, OCTOBER, 5, rating=0.8)
    record(recorder, NOVEMBER, 5, rating=0.6)
    record(recorder, NOVEMBER, 4, rating=0.4)
    assert task(compared(recorder), "question").rating_change is None
    record(recorder, NOVEMBER, 1, rating=0.4)
    change = task(compared(recorder), "question").rating_change
    assert change is not None
    # both sides: standard deviation 0.10541 over 10 runs, so the standard error of the difference is 0.04714
    assert change.value == pytest.approx(-0.4)
    assert [change.low, change.high] == pytest.approx([-0.4924, -0.3076], abs=1e-4)


@pytest.mark.parametrize(
    ("good", "bad", "columns", "verdict"),
    [
        pytest.param(19, 0, {}, Ease.UNKNOWN, id="too few"),
        pytest.param(20, 0, {}, Ease.EASY, id="just enough"),
        pytest.param(20, 1, {}, Ease.NOT_EASY, id="one of 21 is bad"),
        pytest.param(50, 2, {}, Ease.EASY, id="two of 52 are bad"),
        pytest.param(40, 0, {"level": "advanced"}, Ease.UNKNOWN, id="the higher levels say nothing"),
        pytest.param(40, 0, {"task": "analysis"}, Ease.NOT_ROUTINE, id="a task that judges"),
        pytest.param(40, 0, {"status": "failed"}, Ease.UNKNOWN, id="no answers"),
    ],
)
@pytest.mark.parametrize("rated", [True, False], ids=["rated", "by confidence"])
def test_a_task_is_easy_if_nearly_all_of_enough_runs_were_good(
    recorder: Recorder, good: int, bad: int, columns: dict[str, Any], verdict: Ease, rated: bool
) -> None:
    if rated:  # the rating goes before the confidence
        record(recorder, OCTOBER, good, rating=0.9, confidence=0.1, **columns)
        record(recorder, OCTOBER, bad, rating=0.1, confidence=0.99, **columns)
    else:
        record(recorder, OCTOBER, good, **columns)
        record(recorder, OCTOBER, bad, confidence=0.3, **columns)
    found = compared(recorder)
    (only,) = found.tasks
    assert only.easy is not None
    assert only.easy.verdict is verdict
    assert easy_tasks(found.tasks) == ([only.task] if verdict is Ease.EASY else [])


def test_what_a_day_costs_has_idle_machines_in_it(recorder: Recorder) -> None:
    record(recorder, NOVEMBER, 10, cost=100)
    idle = Idle(("local",), 240.0, cost_nanousd=5000, busy_nanousd=1000)
    found = compared(recorder, (idle,))
    assert found.to_dict()["later"]["cost_per_day_nanousd"] == (1000 + 4000) // 10
    assert "idle machines included" in shown(found)


def shown(comparison: Comparison) -> str:
    out = io.StringIO()
    Console(file=out, width=160, legacy_windows=False, _environ={}).print(BaselineTable(comparison))
    return out.getvalue()


def test_the_table_says_what_there_is_not_enough_data_for(recorder: Recorder) -> None:
    record(recorder, OCTOBER, 3)
    record(recorder, OCTOBER, 30, task="summary")
    text = shown(compared(recorder))
    assert "Easy enough for a local model, by the baseline: summary" in text
    assert "question: not enough data, 3 of 20 runs" in text
    assert "no runs in the period compared with it" in text
    assert "ratings are compared from 10 rated runs on" in text


def test_every_key_of_a_comparison_is_documented(recorder: Recorder) -> None:
    record(recorder, OCTOBER, 10, rating=0.5)
    record(recorder, NOVEMBER, 10, rating=0.5)
    found = compared(recorder, (Idle(("local",), 1.0, 2, 1),)).to_dict()
    text = DOCUMENT.split("\n## Baseline\n")[1].split("\n## ")[0]
    marked = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]+)`", text))))
    assert keys(found) - {"haiku"} <= marked
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys(item) for item in value.values()))
    return set().union(*(keys(item) for item in value)) if isinstance(value, list) else set()


# -- from the command line -------------------------------------------------------------------------------------------

Orch = Callable[..., CompletedProcess[bytes]]


def test_the_command_compares_what_came_after(orch: Orch, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "ledger.db")
    with recorder.ledger:
        record(recorder, OCTOBER, 25)
        record(recorder, NOVEMBER, 2)
    argv = ["report", "--ledger", str(tmp_path / "ledger.db"), "--baseline", "2026-10-01..2026-10-31"]
    ended = orch(*argv, "-o", "json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["later"]["range"]["first_day"] == "2026-11-01"
    assert found["tasks"][0]["easy"]["verdict"] == "easy"
    text = orch(*argv, "--until", "2026-11-30").stdout.decode()
    assert "25 → 2" in text
    assert "Easy enough for a local model, by the baseline: question" in text
    table = list(csv.DictReader(io.StringIO(orch(*argv, "-o", "csv").stdout.decode())))
    assert [(row["task"], row["baseline_runs"], row["later_runs"], row["local"]) for row in table] == [
        ("question", "25", "2", "easy")
    ]
    for form in ("md", "html"):
        assert "Easy enough for a local model" in orch(*argv, "-o", form).stdout.decode()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param(["--baseline", "2026-10-01"], b"a period with two ends", id="one end"),
        pytest.param(["--baseline", "october..november"], b"is not a date", id="no dates"),
        pytest.param(["--baseline", "2026-10-31..2026-10-01"], b"nothing can lie between", id="the wrong way round"),
        pytest.param(
            ["--baseline", "2026-10-01..2026-10-31", "--since", "2026-10-15"], b"does not come after", id="overlap"
        ),
        pytest.param(["--baseline", "2026-10-01..2026-10-31", "--period", "all"], b"does not come", id="everything"),
        pytest.param(["--baseline", "2026-10-01..2026-10-31", "--by", "day"], b"by task, not by day", id="by"),
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(orch: Orch, argv: list[str], message: bytes) -> None:
    ended = orch("report", *argv)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_a_machine_that_is_always_on_has_a_line_of_its_own(orch: Orch, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("always_on: [{models: [ollama/llama3-70b], since: 2026-11-01, until: 2026-11-02, gpu_hour: 0.5}]")
    argv = ["report", "--config", str(config), "--period", "all"]
    found = json.loads(orch(*argv, "-o", "json", TZ="UTC").stdout)
    assert found["idle"] == [
        {
            "models": ["ollama/llama3-70b"],
            "hours": 48.0,
            "cost_nanousd": 24_000_000_000,
            "busy_nanousd": 0,
            "idle_nanousd": 24_000_000_000,
            "starts": None,
        }
    ]
    assert b"always on, ollama/llama3-70b: 48.0 h cost $24.00" in orch(*argv, TZ="UTC").stdout
