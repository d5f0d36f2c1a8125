"""Records that the ledger could not take wait in files until it can; no file stops a command, whatever is in it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from orchestrator.ledger.queries import find_run
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from orchestrator.ledger.spool import put_aside, spool, spooled
from orchestrator.ledger.store import Ledger
from orchestrator.upkeep.ledger_health import CheckStatus, check_ledger

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = RunRecord("R", NOW, "2026-11-21", "fallback", "0" * 64, simulated=False)
ENDED = replace(RUN, status=RunStatus.COMPLETE, ended_at=NOW, response="an answer: é")


def a_call(call_id: str) -> CallRecord:
    return CallRecord(
        call_id, "R", NOW, "2026-11-21", "openai", "gpt-4o", "gpt-4o", 1, simulated=False, reserved_nanousd=70
    )


def settled(call_id: str, cost: int = 9) -> CallRecord:
    return replace(
        a_call(call_id),
        status=CallStatus.COMPLETED,
        cost_nanousd=cost,
        cost_source=CostSource.USAGE,
        ended_at=NOW,
        response="an answer: é",
    )


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger with a run that is under way and two calls, C and D; both folders of the spool are of this test."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.start_run(RUN)
        ledger.reserve([a_call("C"), a_call("D")])
        ledger.mark_sent("C", NOW)
        ledger.mark_sent("D", NOW)
    return path


def calls(path: Path) -> dict[str, tuple[str, int | None]]:
    with Ledger.open(path) as ledger:
        return {call.call_id: (call.status.value, call.cost_nanousd) for call in find_run(ledger, "R").calls}


@pytest.mark.parametrize("beside", [True, False], ids=["beside-the-ledger", "in-the-temporary-folder"])
def test_records_wait_in_the_spool_until_the_ledger_is_opened_again(path: Path, beside: bool) -> None:
    if not beside:
        path.with_name("ledger.db.spool").symlink_to("nowhere")
    kept = [spool(path, settled("C")), spool(path, ENDED), spool(path, settled("D"))]
    assert spooled(path) == sorted(file for file in kept if file is not None)
    assert {file.parent.parent == path.parent for file in spooled(path)} == {beside}
    with Ledger.open(path) as ledger:
        found = find_run(ledger, "R")
        assert ledger.warnings == []
    assert (found.run, found.calls) == (ENDED, (settled("C"), settled("D")))
    assert (spooled(path), put_aside(path)) == ([], [])


def test_a_disk_that_is_full_for_one_record_costs_no_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written in part has no name yet, so nothing is added to it."""
    fsync = os.fsync

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert spool(path, settled("C")) is None
    monkeypatch.setattr(os, "fsync", fsync)
    assert spool(path, settled("D")) is not None
    assert calls(path) == {"C": ("interrupted", 70), "D": ("completed", 9)}


def test_a_file_of_lines_from_before_is_taken_in(path: Path) -> None:
    """Whole lines are, wherever they stand; the file is put aside for the one that is cut off."""
    kept = spool(path, settled("C"), settled("D"))
    assert kept is not None
    first, second = (json.dumps(entry).encode() for entry in json.loads(kept.read_bytes().partition(b" ")[2]))
    kept.unlink()
    kept.parent.rmdir()
    path.with_name("ledger.db.spool").write_bytes(first + b"\n" + second[:90] + b"\n" + second + b"\n")
    assert calls(path) == {"C": ("completed", 9), "D": ("completed", 9)}
    assert spooled(path) == []
    assert [file.read_bytes()[:9] for file in put_aside(path)] == [b'{"table":']


def content(row: object, table: object = "calls") -> bytes:
    written = json.dumps([{"table": table, "row": row}]).encode()
    return hashlib.sha256(written).hexdigest().encode() + b" " + written


WARNING = "a record that cannot be taken into the ledger is put aside"
UNFIT = {
    "nothing": b"",
    "an empty line": b"\n",
    "noise": bytes(range(256)),
    "another shape": b"[]",
    "a table that is none": content({"call_id": "C", "status": "completed"}, "sqlite_master"),
    "a table that is no name": content({"call_id": "C", "status": "completed"}, ["calls"]),
    "a row that is none": content([1]),
    "a row without its key": content({"status": "completed"}),
    "a status that is none": content({"call_id": "C", "status": "lost"}),
    "a cost that is none": content({"call_id": "C", "status": "completed", "cost_nanousd": "nine"}),
    "a cost that cannot be": content({"call_id": "C", "status": "completed", "cost_nanousd": 2**63 - 1}),
    "a cost below nothing": content({"call_id": "C", "status": "completed", "cost_nanousd": -1}),
    "a number of no integer": content({"call_id": "C", "status": "completed", "latency_ms": 10**30}),
    "tokens that cannot be": content({"call_id": "C", "status": "completed", "input_tokens": 10**13}),
    "text of no encoding": content({"call_id": "C", "status": "completed", "response": "\ud800"}),
    "a call of no run": content({"call_id": "X", "run_id": "Y", "status": "completed"}),
    "a flipped bit": content({"call_id": "C", "status": "completed"}).replace(b"completed", b"complatad"),
}


@pytest.mark.parametrize("written", UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_is_put_aside_with_a_warning_and_blocks_nothing(path: Path, written: bytes) -> None:
    assert spool(path, settled("D")) is not None
    path.with_name("ledger.db.spool").joinpath("00 unfit.json").write_bytes(written)
    with Ledger.open(path) as ledger:
        assert [warning.partition(",")[0] for warning in ledger.warnings] == [WARNING]
        states = {call.call_id: (call.status.value, call.cost_nanousd) for call in find_run(ledger, "R").calls}
    assert states == {"C": ("interrupted", 70), "D": ("completed", 9)}
    (aside,) = put_aside(path)
    assert aside.read_bytes() == written
    with Ledger.open(path) as ledger:  # and it is told once
        assert ledger.warnings == []
    check = next(check for check in check_ledger(path, now=NOW) if check.name == "spool")
    assert check.status is CheckStatus.WARNING
    assert str(aside) in check.detail


def test_a_record_of_a_ledger_that_is_gone_makes_its_rows(path: Path) -> None:
    assert spool(path, RUN, settled("C")) is not None
    assert spool(path, ENDED) is not None
    for file in path.parent.glob("ledger.db*"):
        if file.is_file():
            file.unlink()
    with Ledger.open(path) as ledger:
        found = find_run(ledger, "R")
    assert (found.run, found.calls) == (ENDED, (settled("C"),))


def test_what_is_settled_already_stays_as_it_is(path: Path) -> None:
    """A file that could not be removed is read again: what was priced again since is not lost to it."""
    with Ledger.open(path) as ledger:
        ledger.settle(settled("C", cost=11))
    assert spool(path, settled("C", cost=9)) is not None
    assert calls(path)["C"] == ("completed", 11)
    assert spooled(path) == []


def test_a_folder_that_is_not_ours_is_neither_written_nor_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = spool(path, settled("C"))
    assert kept is not None
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    assert spooled(path) == []
    kept.parent.rename(path.with_name("elsewhere"))
    path.with_name("ledger.db.spool").symlink_to("elsewhere")
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(path.parent / "tmp"))
    assert spooled(path) == []


def test_commands_say_that_something_is_put_aside(orch: Callable[..., CompletedProcess[bytes]], path: Path) -> None:
    place = path.with_name("ledger.db.spool")
    for command in (["budget", "show"], ["run", "-p", "hi", "--simulate"]):
        place.mkdir()
        (place / "unfit.json").write_bytes(b"[]")
        done = orch(*command, "--ledger", str(path))
        assert done.returncode == 0
        assert done.stderr.decode().count(f"warning: {WARNING}") == 1
