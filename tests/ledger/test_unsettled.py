"""What is left when a process ends in the middle: orphans, and settlements that the ledger could not take."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import LedgerError
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from orchestrator.ledger.store import Ledger

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_run(process: str | None, run_id: str = "R") -> RunRecord:
    return RunRecord(run_id, NOW, "2026-11-21", "fallback", "0" * 64, simulated=False, process=process)


def a_call(call_id: str, reserved: int | None = 70) -> CallRecord:
    return CallRecord(
        call_id, "R", NOW, "2026-11-21", "openai", "gpt-4o", "gpt-4o", 1, simulated=False, reserved_nanousd=reserved
    )


def _die_in_the_middle(path: str) -> None:
    ledger = Ledger.open(Path(path))
    ledger.start_run(a_run(ledger.process))
    ledger.reserve([a_call("done"), a_call("sent"), a_call("reserved"), a_call("unpriced", None)])
    ledger.mark_sent("sent", NOW)
    ledger.mark_sent("unpriced", NOW)
    ledger.settle(
        replace(a_call("done"), status=CallStatus.COMPLETED, cost_nanousd=5, cost_source=CostSource.USAGE, ended_at=NOW)
    )
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("opening", [Ledger.open, Ledger.open_for_reading], ids=["for-writing", "for-reading"])
def test_the_rows_of_a_killed_process_are_interrupted_by_whoever_comes_next(tmp_path: Path, opening: object) -> None:
    path = tmp_path / "ledger.db"
    victim = multiprocessing.get_context("fork").Process(target=_die_in_the_middle, args=(str(path),))
    victim.start()
    victim.join(30)
    assert victim.exitcode == -signal.SIGKILL
    with opening(path) as ledger:  # type: ignore[operator]
        found = find_run(ledger, "last")
        integrity = ledger.read(lambda connection: connection.execute("PRAGMA integrity_check").fetchone()[0])
    assert integrity == "ok"
    assert found.run.status is RunStatus.INTERRUPTED
    assert {call.call_id: (call.status.value, call.cost_nanousd, call.cost_source) for call in found.calls} == {
        "done": ("completed", 5, "usage"),
        "sent": ("interrupted", 70, "estimate"),
        "reserved": ("interrupted", 0, "none"),
        "unpriced": ("interrupted", None, "unpriced"),
    }
    assert list(tmp_path.glob("*.alive")) == []


def test_the_rows_of_a_living_process_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as alive:
        alive.start_run(a_run(alive.process))
        alive.reserve([a_call("C")])
        with Ledger.open(path) as other:
            found = find_run(other, "R")
        assert (found.run.status, found.calls[0].status) == (RunStatus.RUNNING, CallStatus.RESERVED)


def test_a_run_that_ends_takes_its_open_calls_with_it(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.start_run(a_run(ledger.process))
        ledger.reserve([a_call("C")])
        ledger.finish_run(replace(a_run(ledger.process), status=RunStatus.INTERRUPTED, ended_at=NOW))
        assert find_run(ledger, "R").calls[0].status is CallStatus.INTERRUPTED


def test_a_ledger_is_one_file_by_whatever_link_it_is_named(tmp_path: Path) -> None:
    """Else a run that is under way by one name is taken for dead by the other, and what it set aside is freed."""
    path, link = tmp_path / "ledger.db", tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    with Ledger.open(path) as ledger:
        ledger.start_run(a_run(ledger.process))
        ledger.reserve([a_call("C")])
        for opened in (Ledger.open(link), Ledger.open_for_reading(link)):
            assert opened is not None
            opened.close()
        assert find_run(ledger, "R").calls[0].status is CallStatus.RESERVED
        assert not list(link.parent.glob("*.alive"))
        assert [file.name for file in link.parent.iterdir()] == ["link.db"]


def test_a_call_that_is_not_reserved_any_more_is_not_marked_as_sent(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.start_run(a_run(ledger.process))
        ledger.reserve([a_call("C")])
        ledger.mark_sent("C", NOW)
        with pytest.raises(LedgerError, match="not reserved any more"):
            ledger.mark_sent("C", NOW)


@pytest.mark.parametrize("opening", [Ledger.open, Ledger.open_for_reading], ids=["for-writing", "for-reading"])
def test_a_ledger_with_a_second_hard_link_is_refused_by_both_names(tmp_path: Path, opening: object) -> None:
    path, link = tmp_path / "ledger.db", tmp_path / "elsewhere" / "same.db"
    Ledger.open(path).close()
    link.parent.mkdir()
    link.hardlink_to(path)
    for name in (path, link):
        with pytest.raises(LedgerError, match="two names"):
            opening(name)  # type: ignore[operator]
    link.unlink()
    opening(path).close()  # type: ignore[operator]
