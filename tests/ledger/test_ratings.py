"""Ratings on a real ledger."""

from __future__ import annotations

import io
import json
import multiprocessing
import sqlite3
from collections.abc import Iterator
from csv import DictReader
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.ledger.ratings import Rating, rate, rated_runs, rating_of, unrate
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from orchestrator.ledger.schema import MIGRATIONS
from orchestrator.ledger.store import Ledger
from orchestrator.report.aggregate import summarise
from orchestrator.report.export import Rows, export
from orchestrator.report.formats import Format
from orchestrator.report.model import By
from orchestrator.report.selection import Selection

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
REAL = Selection(simulated=False)


def add_run(ledger: Ledger, run_id: str, *models: str, simulated: bool = False) -> None:
    """A run that called these models in turn and answered with the last one's text."""
    run = RunRecord(run_id, NOW, "2026-11-21", "fallback", "0" * 64, simulated, prompt="Why?", task="question")
    ledger.start_run(run)
    for number, model in enumerate(models):
        call = CallRecord(f"{run_id}{number}", run_id, NOW, "2026-11-21", f"of-{model}", model, model, 1, simulated)
        ledger.reserve([call])
        ledger.settle(
            replace(
                call, status=CallStatus.COMPLETED, cost_nanousd=10 + number, cost_source=CostSource.USAGE,
                finish_reason="stop", verdict=json.dumps({"signals": {"baseline": 1.0, "n": number}}),
                response_sha256=f"of {number}",
            )
        )  # fmt: skip
    ledger.finish_run(
        replace(
            run, status=RunStatus.COMPLETE, model_used=models[-1], confidence=0.7, response="Because.",
            response_sha256=f"of {len(models) - 1}", latency_ms=40,
        )
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        add_run(opened, "R1", "small", "large")
        yield opened


def test_rating_again_replaces_and_taking_back_leaves_nothing(ledger: Ledger) -> None:
    first, second = Rating(1.0, NOW, "short"), Rating(0.25, NOW + timedelta(seconds=1))
    assert [rate(ledger, "R1", first), rate(ledger, "R1", second)] == [None, first]
    assert rating_of(ledger, "R1") == second
    assert [unrate(ledger, "R1"), unrate(ledger, "R1"), rating_of(ledger, "R1")] == [second, None, None]


@pytest.mark.parametrize("rating", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_rating_out_of_range_is_never_written(ledger: Ledger, rating: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        rate(ledger, "R1", Rating(rating, NOW))
    assert rating_of(ledger, "R1") is None
    with pytest.raises(sqlite3.IntegrityError), sqlite3.connect(ledger.path) as raw:
        raw.execute("INSERT INTO ratings VALUES ('R1', 1.5, 0, NULL)")


def test_a_rated_run_comes_with_what_was_known_of_its_answer(ledger: Ledger) -> None:
    add_run(ledger, "R2", "small")
    add_run(ledger, "R3", "small", simulated=True)
    for run_id in ("R3", "R1"):
        rate(ledger, run_id, Rating(0.5, NOW))
    (found,) = rated_runs(ledger, simulated=False)
    assert (found.run_id, found.rating, found.model_used, found.task) == ("R1", Rating(0.5, NOW), "large", "question")
    assert (found.signals, found.finish_reason, found.response) == ({"baseline": 1.0, "n": 1}, "stop", "Because.")
    assert (found.cost_nanousd, found.latency_ms, found.prompt) == (21, 40, "Why?")
    assert [run.run_id for run in rated_runs(ledger, simulated=True)] == ["R3"]


def test_the_call_that_answered_is_the_one_with_the_answer_s_text(ledger: Ledger) -> None:
    add_run(ledger, "R2", "small", "small", "small")
    with sqlite3.connect(ledger.path) as raw:
        raw.execute("UPDATE runs SET response_sha256 = 'of 1' WHERE run_id = 'R2'")
    rate(ledger, "R2", Rating(1.0, NOW))
    (found,) = rated_runs(ledger, simulated=False)
    assert found.signals["n"] == 1


def test_a_rating_counts_for_the_model_that_gave_the_answer(ledger: Ledger) -> None:
    add_run(ledger, "R2", "small")
    add_run(ledger, "R3", "small")
    for run_id, rating in (("R1", 1.0), ("R2", 0.5), ("R3", 0.0)):
        rate(ledger, run_id, Rating(rating, NOW))
    for by, prefix in ((By.MODEL, ""), (By.PROVIDER, "of-")):
        found = summarise(ledger, REAL, by=by)
        figures = {group.key: (group.rated_runs, group.mean_rating) for group in found.groups}
        assert figures == {f"{prefix}large": (1, 1.0), f"{prefix}small": (2, 0.25)}
        assert (found.total.rated_runs, found.total.mean_rating) == (3, 0.5)
    (group,) = summarise(ledger, REAL, by=By.STRATEGY).groups
    assert (group.rated_runs, group.mean_rating) == (3, 0.5)


def test_in_an_export_of_calls_the_rating_stands_on_the_call_that_answered(ledger: Ledger) -> None:
    rate(ledger, "R1", Rating(1.0, NOW))
    out = io.BytesIO()
    export(ledger, REAL, out, Format.JSON)
    assert {row["model"]: row["rating"] for row in json.loads(out.getvalue())} == {"small": None, "large": 1.0}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1), st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_ratings_survive_an_export(ledger: Ledger, rating: float, note: str | None) -> None:
    rate(ledger, "R1", Rating(rating, NOW, note))
    as_json, as_csv = io.BytesIO(), io.BytesIO()
    export(ledger, REAL, as_json, Format.JSONL, rows=Rows.RUNS)
    export(ledger, REAL, as_csv, Format.CSV, rows=Rows.RUNS)
    row = json.loads(as_json.getvalue())
    assert (row["rating"], row["rating_note"], row["rated_at"]) == (rating, note, "2026-11-21T12:00:00.000000Z")
    (cells,) = DictReader(io.StringIO(as_csv.getvalue().decode(), newline=""))
    assert float(cells["rating"]) == rating
    assert cells["rating_note"].removeprefix("'") == (note or "").removeprefix("'")


def _rate_often(path: Path, rating: float) -> None:
    with Ledger.open(path) as ledger:
        for _ in range(50):
            before = rate(ledger, "R1", Rating(rating, NOW, note=f"by {rating}"))
            assert before is None or before.note == f"by {before.rating}"


def test_processes_that_rate_the_same_run_at_once_leave_one_whole_rating(ledger: Ledger) -> None:
    workers = [multiprocessing.Process(target=partial(_rate_often, ledger.path, n / 4)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    found = rating_of(ledger, "R1")
    assert found is not None
    assert found.note == f"by {found.rating}"


def test_an_older_ledger_gets_the_table_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "older.db"
    with sqlite3.connect(path) as raw:
        for statement in (statement for version in MIGRATIONS[:4] for statement in version):
            raw.execute(statement)
        raw.execute("PRAGMA user_version = 4")
        raw.execute(
            "INSERT INTO runs (run_id, created_at, day, simulated, status, strategy, tags, prompt_sha256, plan,"
            " metadata) VALUES ('R1', 0, '2026-11-21', 0, 'complete', 'fallback', '[]', '', '{}', '{}')"
        )
    with Ledger.open(path) as ledger:
        assert rate(ledger, "R1", Rating(1.0, NOW)) is None
        assert [run.run_id for run in rated_runs(ledger, simulated=False)] == ["R1"]
