"""Sums of days: a report says the same whether it reads them or the rows, whatever happens to the rows meanwhile."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from report_everything import DAYS, SELECTIONS, TODAY, comparisons, every_report, runs_of_every_kind
from report_recording import Recorder

from orchestrator.ledger import sums
from orchestrator.ledger.records import RunStatus
from orchestrator.ledger.sum_tables import ADD_KINDS_OF_PARTS
from orchestrator.ledger.summing import sum_days
from orchestrator.report.page.material import Material, gather
from orchestrator.report.stats import stats

recorder = pytest.fixture(runs_of_every_kind)


def summed_days(recorder: Recorder) -> int:
    return int(recorder.ledger.read(lambda db: db.execute("SELECT count(*) FROM summed_days").fetchone()[0]))


def pages_of(recorder: Recorder) -> list[Material | None]:
    """What the page shows of each selection."""
    return [
        gather(recorder.ledger, selection, now=TODAY, localise=datetime.astimezone) for selection in SELECTIONS.values()
    ]


def test_a_report_says_the_same_with_sums_and_without(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    of_rows, at_a_glance = every_report(recorder), stats(recorder.ledger, SELECTIONS["all"], now=TODAY)
    pages, compared = pages_of(recorder), comparisons(recorder.ledger)
    monkeypatch.setattr(sums, "FEWEST_CALLS", 0)
    sum_days(recorder.ledger, TODAY.date())
    assert summed_days(recorder) == DAYS
    assert every_report(recorder) == of_rows
    assert stats(recorder.ledger, SELECTIONS["all"], now=TODAY) == at_a_glance
    assert pages_of(recorder) == pages
    assert comparisons(recorder.ledger) == compared
    kept = "SELECT kind, count(DISTINCT day) FROM page_days GROUP BY 1"
    kinds = recorder.ledger.read(lambda db: dict(map(tuple, db.execute(kept))))
    assert kinds == {"page": DAYS, "baseline": DAYS}


def test_days_with_an_embedding_are_summed_anew_by_its_migration(recorder: Recorder) -> None:
    sums.sum_each(["2026-11-19", "2026-11-20"], recorder.ledger.write)
    recorder.ledger.write(lambda db: db.execute("UPDATE call_sums SET role = NULL WHERE day = '2026-11-20'"))
    recorder.ledger.write(lambda db: db.execute(ADD_KINDS_OF_PARTS[0]))
    left = recorder.ledger.read(lambda db: db.execute("SELECT day FROM summed_days").fetchall())
    assert [row[0] for row in left] == ["2026-11-20"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE runs SET metadata = '{\"decisions\": [\"tier OWN: x\"]}', strategy = 'tiers' WHERE rowid = 1",
        "UPDATE calls SET cost_nanousd = 5 WHERE run_id = (SELECT run_id FROM runs WHERE day = '2026-11-19' LIMIT 1)",
        "UPDATE runs SET latency_ms = 7, task = 'other' WHERE run_id = (SELECT min(run_id) FROM runs)",
        "UPDATE ratings SET rating = 1 WHERE run_id = (SELECT min(run_id) FROM ratings)",
        "DELETE FROM ratings WHERE run_id = (SELECT min(run_id) FROM ratings)",
    ],
)
def test_a_change_of_a_day_ends_its_sums(recorder: Recorder, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "FEWEST_CALLS", 0)
    sum_days(recorder.ledger, TODAY.date())
    recorder.ledger.write(lambda db: db.execute(change))
    assert summed_days(recorder) == DAYS - 1
    changed = every_report(recorder, 5)
    recorder.ledger.write(lambda db: (db.execute("DELETE FROM summed_days"), db.execute("DELETE FROM call_sums")))
    recorder.ledger.write(lambda db: db.execute("DELETE FROM run_sums"))
    monkeypatch.setattr(sums, "FEWEST_CALLS", 10**9)
    assert every_report(recorder, 5) == changed


def test_a_day_with_a_run_under_way_is_not_summed(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "FEWEST_CALLS", 0)
    recorder.run(at=datetime(2026, 11, 19, 8, tzinfo=UTC), status=RunStatus.RUNNING)
    sum_days(recorder.ledger, date(2026, 11, 24))
    assert summed_days(recorder) == DAYS - 1
