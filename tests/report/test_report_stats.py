from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from report_recording import NOON, UNPRICED, Recorder, recording, unsettled

from orchestrator.ledger.records import CallStatus, RunStatus
from orchestrator.period import Period
from orchestrator.report.model import ModelUse, Stats
from orchestrator.report.period import resolve
from orchestrator.report.selection import Selection
from orchestrator.report.stats import stats

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 18, 20, tzinfo=BERLIN)
recorder = pytest.fixture(recording)
REAL = Selection(simulated=False)


def figures(found: Stats) -> dict[str | None, tuple[int, int]]:
    return {window.key: (window.runs, window.cost_nanousd) for window in found.windows}


def test_windows_hold_today_this_week_this_month_and_all_time(recorder: Recorder) -> None:
    for days, cost in ((0, 1), (1, 10), (3, 100), (17, 1_000), (18, 10_000), (400, 100_000)):
        recorder.run({"cost_nanousd": cost}, at=NOW - timedelta(days=days))
    recorder.run({"cost_nanousd": 10**9}, at=NOW, simulated=True)
    found = stats(recorder.ledger, REAL, now=NOW)
    assert figures(found) == {"today": (1, 1), "week": (2, 11), "month": (4, 1_111), "all": (6, 111_111)}
    assert figures(stats(recorder.ledger, Selection(simulated=True), now=NOW))["all"] == (1, 10**9)


def test_a_period_leaves_one_window_and_the_models_and_runs_within_it(recorder: Recorder) -> None:
    recorder.run({"model": "old", "cost_nanousd": 1}, at=NOW - timedelta(days=1))
    recorder.run({"model": "new", "cost_nanousd": 2}, at=NOW)
    today = Selection(simulated=False, within=resolve(Period.DAY, now=NOW))
    found = stats(recorder.ledger, today, now=NOW)
    assert figures(found) == {"selected": (1, 2)}
    assert found.cheapest == found.dearest == found.busiest == ModelUse("new", 1, 2)
    assert len(found.latest) == 1


def test_success_counts_runs_that_have_finished(recorder: Recorder) -> None:
    for status in (
        RunStatus.COMPLETE,
        RunStatus.FAILED,
        RunStatus.INCOMPLETE,
        RunStatus.INTERRUPTED,
        RunStatus.RUNNING,
    ):
        recorder.run(status=status, at=NOW)
    assert stats(recorder.ledger, REAL, now=NOW).windows[-1].success_rate == 0.25


def test_models_are_ranked_by_what_a_completed_call_costs(recorder: Recorder) -> None:
    recorder.run({"model": "cheap", "cost_nanousd": 10}, {"model": "cheap", "cost_nanousd": 11})
    recorder.run({"model": "dear", "cost_nanousd": 50})
    recorder.run(*[{"model": "failing", "cost_nanousd": 0, "status": CallStatus.FAILED}] * 3)
    recorder.run(*[{"model": "unknown", **UNPRICED}] * 4)
    recorder.run({"model": "hanging", **unsettled(10**9)})
    found = stats(recorder.ledger, REAL, now=NOW)
    assert found.cheapest == ModelUse("cheap", 2, 11)  # 10.5, rounded up
    assert found.dearest == ModelUse("dear", 1, 50)
    assert found.busiest == ModelUse("unknown", 4, None)


def test_the_ten_latest_runs_come_the_newest_first(recorder: Recorder) -> None:
    ids = [recorder.run({"cost_nanousd": n}, {"cost_nanousd": 1}, at=NOON + timedelta(seconds=n)) for n in range(12)]
    latest = stats(recorder.ledger, REAL, now=NOW).latest
    assert [run.run_id for run in latest] == ids[:1:-1]
    assert [run.cost_nanousd for run in latest] == list(range(12, 2, -1))
    assert latest[0].created_at == NOON + timedelta(seconds=11)
    assert latest[0].created_at.hour == 13  # in Berlin


def test_the_latest_runs_show_what_is_known_of_them(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 5}, UNPRICED, prompt=None, model_used="small", confidence=0.5)
    recorder.run(prompt="hi", status=RunStatus.FAILED, strategy="cheapest")
    refused, unpriced = stats(recorder.ledger, REAL, now=NOW).latest
    assert (unpriced.cost_nanousd, unpriced.prompt, unpriced.model, unpriced.confidence) == (None, None, "small", 0.5)
    assert (refused.cost_nanousd, refused.prompt, refused.model, refused.strategy) == (0, "hi", None, "cheapest")


@pytest.mark.parametrize(
    ("prompt", "excerpt"),
    [
        pytest.param("a\r\n\tb  c\u2028d", "a b c d", id="one line"),
        pytest.param("red \x1b[31malert\x07\x9b0m", "red [31malert0m", id="control characters"),
        pytest.param("before\x00after", "beforeafter", id="NUL"),
        pytest.param("safe\u202eelif", "safeelif", id="direction marks"),
        pytest.param("é" * 100, "é" * 60, id="cut"),
        pytest.param("😀" * 1_000, "😀" * 60, id="cut within what is read of it"),
        pytest.param("x" * 2_000_000, "x" * 60, id="long"),
    ],
)
def test_a_prompt_is_shown_as_one_short_line(recorder: Recorder, prompt: str, excerpt: str) -> None:
    recorder.run(prompt=prompt)
    (run,) = stats(recorder.ledger, REAL, now=NOW).latest
    assert run.prompt == excerpt


def test_an_empty_ledger_and_no_ledger_have_the_same_empty_statistics(recorder: Recorder) -> None:
    found = stats(recorder.ledger, REAL, now=NOW)
    assert found == stats(None, REAL, now=NOW)
    assert figures(found) == dict.fromkeys(("today", "week", "month", "all"), (0, 0))
    assert (found.cheapest, found.dearest, found.busiest, found.latest) == (None, None, None, ())


def test_a_time_is_written_in_utc_whatever_zone_it_is_shown_in(recorder: Recorder) -> None:
    recorder.run(at=datetime(2026, 11, 18, 12, 0, 0, 7, tzinfo=UTC))
    (run,) = stats(recorder.ledger, REAL, now=NOW).to_dict()["latest"]
    assert run["created_at"] == "2026-11-18T12:00:00.000007Z"
