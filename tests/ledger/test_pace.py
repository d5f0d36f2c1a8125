"""How long models took, by a clock that is wrong now and then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.ledger.pace import measured_p95
from orchestrator.ledger.records import CallRecord, CallStatus, RunRecord
from orchestrator.ledger.store import Ledger

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FUTURE = datetime(2106, 1, 1, tzinfo=UTC)
OLD, NEW = 900, 100  # milliseconds


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        opened.start_run(RunRecord("R", NOW, "2026-11-21", "fallback", "0" * 64, simulated=False))
        yield opened


def make(ledger: Ledger, calls: int, at: datetime, latency_ms: int, model: str = "gpt-4o") -> None:
    (known,) = ledger.read(lambda db: db.execute("SELECT count(*) FROM calls").fetchone())
    ledger.reserve(
        [
            CallRecord(
                f"C{known + number}",
                "R",
                at + timedelta(seconds=number),
                "2026-11-21",
                "openai",
                model,
                model,
                1,
                simulated=False,
                status=CallStatus.COMPLETED,
                latency_ms=latency_ms,
            )
            for number in range(calls)
        ]
    )


def measured(ledger: Ledger, now: datetime) -> tuple[int, int] | None:
    return measured_p95(ledger, simulated=False, now=now).get("gpt-4o")


def test_the_latest_calls_are_those_that_were_made_last(ledger: Ledger) -> None:
    make(ledger, 200, FUTURE, OLD)
    make(ledger, 200, NOW, NEW)
    assert measured(ledger, NOW + timedelta(hours=1)) == (NEW, 200)


def test_a_clock_that_was_set_back_keeps_what_was_measured_until_there_is_more(ledger: Ledger) -> None:
    make(ledger, 200, NOW, OLD)
    at = datetime(1980, 1, 1, tzinfo=UTC)
    assert measured(ledger, at) == (OLD, 200)
    make(ledger, 150, at, NEW)
    assert measured(ledger, at + timedelta(hours=1)) == (OLD, 200)
    make(ledger, 45, at, NEW)
    assert measured(ledger, at + timedelta(hours=1)) == (NEW, 200)


def test_what_was_measured_under_a_clock_ahead_is_forgotten_in_its_time(ledger: Ledger) -> None:
    make(ledger, 5, FUTURE, OLD)
    assert measured(ledger, NOW) == (OLD, 5)
    make(ledger, 1, NOW, NEW, model="another")
    assert measured(ledger, NOW + timedelta(days=29)) == (OLD, 5)
    assert measured(ledger, NOW + timedelta(days=31)) is None


def test_calls_of_more_than_a_month_ago_do_not_count(ledger: Ledger) -> None:
    make(ledger, 5, NOW - timedelta(days=31), OLD)
    assert measured(ledger, NOW) is None
    make(ledger, 5, NOW, NEW)
    assert measured(ledger, NOW + timedelta(hours=1)) == (NEW, 5)
