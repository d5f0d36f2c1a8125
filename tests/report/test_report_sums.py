"""Sums of days: a report says the same whether it reads them or the rows, whatever happens to the rows meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from report_recording import NOON, UNPRICED, Recorder, unsettled

from orchestrator.ledger import sums
from orchestrator.ledger.ratings import Rating, rate
from orchestrator.ledger.records import CallStatus, RunStatus
from orchestrator.report.aggregate import summarise
from orchestrator.report.dimensions import By
from orchestrator.report.model import Report
from orchestrator.report.period import Range
from orchestrator.report.selection import Selection
from orchestrator.report.stats import stats

DAYS = 6
TODAY = NOON + timedelta(days=DAYS)
GROUPINGS = [*([by] for by in By), [By.MODEL, By.DAY], [By.PROVIDER, By.MODEL], [By.TASK, By.MODEL], [By.HOUR, By.TASK]]
FIRST = NOON.date()
SELECTIONS = {
    "all": Selection(simulated=False),
    "category": Selection(simulated=False, category="batch"),
    "tag": Selection(simulated=False, tag="b"),
    "days": Selection(simulated=False, within=Range(FIRST + timedelta(days=1), FIRST + timedelta(days=4))),
    "moments": Selection(
        simulated=False, within=Range(since=NOON + timedelta(minutes=30), until=NOON + timedelta(days=4, hours=2))
    ),
}


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """Some days of runs of every kind, and one that is not over."""
    chance = random.Random(3)
    recorder = Recorder(tmp_path / "ledger.db")
    with recorder.ledger:
        for number in range(160):
            at = NOON + timedelta(days=number % (DAYS + 1), minutes=chance.randrange(300))
            calls = [_call(chance) for _ in range(chance.randrange(4))]
            run_id = recorder.run(
                *calls,
                at=at,
                strategy=chance.choice(["fallback", "ensemble"]),
                status=chance.choice([RunStatus.COMPLETE, RunStatus.COMPLETE, RunStatus.FAILED]),
                category=chance.choice([None, "batch"]),
                tags=chance.choice([(), ("a",), ("a", "b")]),
                task=chance.choice(["code", "chat"]),
                model_used=chance.choice([None, *(call["model"] for call in calls)]),
                latency_ms=chance.choice([None, chance.randrange(9_000)]),
                confidence=chance.choice([None, 0.25, 0.5]),
                experiment=chance.choice([None, "trial"]),
                arm="a",
                simulated=number % 9 == 0,
            )
            if number % 5 == 0:
                rate(recorder.ledger, run_id, Rating(0.5, at))
        yield recorder


def _call(chance: random.Random) -> dict[str, object]:
    model = chance.choice(["small", "large", "huge"])
    ends = chance.choice(
        [UNPRICED, unsettled(70), {"cost_nanousd": chance.randrange(10**9)}, {"status": CallStatus.FAILED}]
    )
    counts = {"input_tokens": chance.randrange(99), "latency_ms": chance.choice([None, chance.randrange(999)])}
    where = {"provider": "acme" if model != "huge" else "other", "role": chance.choice([None, "judge"])}
    return {"model": model, "confidence": chance.choice([None, 0.5]), **where, **counts, **ends}


def every_report(recorder: Recorder) -> dict[tuple[object, ...], Report]:
    return {
        (name, *by): summarise(recorder.ledger, selection, by=by)
        for name, selection in SELECTIONS.items()
        for by in GROUPINGS
    }


def summed_days(recorder: Recorder) -> int:
    return int(recorder.ledger.read(lambda db: db.execute("SELECT count(*) FROM summed_days").fetchone()[0]))


def test_a_report_says_the_same_with_sums_and_without(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    of_rows, at_a_glance = every_report(recorder), stats(recorder.ledger, SELECTIONS["all"], now=TODAY)
    monkeypatch.setattr(sums, "FEWEST_CALLS", 0)
    sums.sum_days(recorder.ledger, TODAY.date())
    assert summed_days(recorder) == DAYS
    assert every_report(recorder) == of_rows
    assert stats(recorder.ledger, SELECTIONS["all"], now=TODAY) == at_a_glance


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE calls SET cost_nanousd = 5 WHERE run_id = (SELECT run_id FROM runs WHERE day = '2026-11-19' LIMIT 1)",
        "UPDATE runs SET latency_ms = 7, task = 'other' WHERE run_id = (SELECT min(run_id) FROM runs)",
        "UPDATE ratings SET rating = 1 WHERE run_id = (SELECT min(run_id) FROM ratings)",
        "DELETE FROM ratings WHERE run_id = (SELECT min(run_id) FROM ratings)",
    ],
)
def test_a_change_of_a_day_ends_its_sums(recorder: Recorder, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "FEWEST_CALLS", 0)
    sums.sum_days(recorder.ledger, TODAY.date())
    recorder.ledger.write(lambda db: db.execute(change))
    assert summed_days(recorder) == DAYS - 1
    changed = every_report(recorder)
    recorder.ledger.write(lambda db: (db.execute("DELETE FROM summed_days"), db.execute("DELETE FROM call_sums")))
    recorder.ledger.write(lambda db: db.execute("DELETE FROM run_sums"))
    monkeypatch.setattr(sums, "FEWEST_CALLS", 10**9)
    assert every_report(recorder) == changed


def test_a_day_with_a_run_under_way_is_not_summed(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "FEWEST_CALLS", 0)
    recorder.run(at=datetime(2026, 11, 19, 8, tzinfo=UTC), status=RunStatus.RUNNING)
    sums.sum_days(recorder.ledger, date(2026, 11, 24))
    assert summed_days(recorder) == DAYS - 1
