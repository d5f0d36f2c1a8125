"""The spool: files that are cut off, shuffled and damaged block nothing and cost no record that is whole."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import LedgerError
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord
from orchestrator.ledger.spool import put_aside, spool, spooled
from orchestrator.ledger.store import Ledger

from .check import Check, Findings, Size, Trial
from .rows import calls_of, expect_consistent

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_FILES = 50  # a ledger
_RACED = 200  # records that one process keeps while another takes them in
_WORST = 1_000_000


def _run(trial: Trial) -> Findings:
    findings = Findings()
    whole = damaged = 0
    for start in range(0, trial.size.count, _FILES):
        folder = trial.folder / f"ledger {start}"
        folder.mkdir()
        counts = _damaged(folder / "ledger.db", min(_FILES, trial.size.count - start), trial.rng, findings)
        whole, damaged = whole + counts[0], damaged + counts[1]
        if not findings.problems:
            shutil.rmtree(folder)
    taken_in = _raced(trial.folder / "raced.db", findings)
    findings.figure(
        f"{whole:,} whole, {damaged:,} damaged and put aside; {_RACED} kept while {taken_in} openings took in"
    )
    return findings


def _damaged(path: Path, count: int, rng: random.Random, findings: Findings) -> tuple[int, int]:
    """Keep a record a file, damage some; gives how many were left whole, and how many were not."""
    calls = [_call(number) for number in range(count)]
    with Ledger.open(path) as ledger:
        ledger.start_run(_run_record(ledger.process))
        ledger.reserve(calls)
        for call in calls:
            ledger.mark_sent(call.call_id, _NOW)
        kept = {call.call_id: _keep(path, call) for call in calls}
    harmed = {call_id: file for call_id, file in kept.items() if _harm(file, rng)}
    _shuffle([file for file in kept.values() if file.exists()], rng)
    for number in range(2):
        try:
            Ledger.open(path).close()
        except LedgerError as error:
            findings.problems.append(f"{path}: opening {number + 1} failed: {error}")
    rows = {row["call_id"]: (row["status"], row["cost_nanousd"]) for row in calls_of(path)}
    expected = {
        call.call_id: ("interrupted", _WORST) if call.call_id in harmed else ("completed", _cost(call))
        for call in calls
    }
    wrong = [f"{name} is {rows.get(name)}, not {state}" for name, state in expected.items() if rows.get(name) != state]
    findings.expect_none(wrong, f"{path}: rows are not as was kept")
    findings.expect(spooled(path) == [], f"{path}: something still waits")
    aside = len(put_aside(path))
    findings.expect(aside == len(harmed), f"{path}: {aside} put aside of {len(harmed)} that were damaged")
    expect_consistent(path, findings)
    return count - len(harmed), len(harmed)


def _harm(file: Path, rng: random.Random) -> bool:
    """Damage a file in some way, or leave what is in it whole; says whether it did harm."""
    content = file.read_bytes()
    at = rng.randrange(1, len(content) - 1)  # the line's end can be missed
    match rng.randrange(8):
        case 0:
            file.write_bytes(content[:at])
        case 1:
            file.write_bytes(content[:at] + bytes([content[at] ^ (1 << rng.randrange(7))]) + content[at + 1 :])
        case 2:
            file.write_bytes(content[at:])
        case 3:
            file.write_bytes(rng.randbytes(rng.randrange(100)))
        case 4:
            file.write_bytes(content[:at] + b"\n" + content[at:])
        case 5:
            file.with_name(f"copy of {file.name}").write_bytes(content)
            return False
        case 6:  # as records were written before there were checksums
            (entry,) = json.loads(content.partition(b" ")[2])
            file.write_bytes(json.dumps(entry).encode())
            return False
        case _:
            return False
    return True


def _shuffle(files: list[Path], rng: random.Random) -> None:
    """Give the files each other's names: order says nothing."""
    contents = [file.read_bytes() for file in files]
    rng.shuffle(contents)
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)


def _raced(path: Path, findings: Findings) -> int:
    """One process keeps records while another opens the ledger again and again; gives how often it did."""
    with Ledger.open(path) as ledger:
        ledger.start_run(_run_record(ledger.process))
        ledger.reserve([_call(number) for number in range(_RACED)])
        for number in range(_RACED):
            ledger.mark_sent(_call(number).call_id, _NOW)
        writer = multiprocessing.get_context("forkserver").Process(target=_keep_all, args=(str(path),))
        writer.start()
        openings = 0
        while writer.is_alive():
            Ledger.open(path).close()
            openings += 1
        writer.join()
    Ledger.open(path).close()
    states = {(row["status"], row["cost_nanousd"]) for row in calls_of(path)}
    expected = {("completed", _cost(_call(number))) for number in range(_RACED)}
    findings.expect(writer.exitcode == 0, f"{path}: who kept the records ended with {writer.exitcode}")
    findings.expect(
        states == expected, f"{path}: {len(states & expected)} of {len(expected)} records are in the ledger"
    )
    findings.expect(put_aside(path) == [], f"{path}: something was put aside")
    return openings


def _keep_all(path: str) -> None:
    for number in range(_RACED):
        _keep(Path(path), _call(number))


def _keep(path: Path, call: CallRecord) -> Path:
    settled = replace(
        call,
        status=CallStatus.COMPLETED,
        cost_nanousd=_cost(call),
        cost_source=CostSource.USAGE,
        ended_at=_NOW,
        response="an answer: é " * 20,
    )
    file = spool(path, settled)
    if file is None:
        raise RuntimeError(f"{path}: the record could not be kept")
    return file


def _cost(call: CallRecord) -> int:
    return int(call.call_id.removeprefix("C")) + 1


def _call(number: int) -> CallRecord:
    name, reserved = f"C{number}", _WORST
    return CallRecord(name, "R", _NOW, "2026-11-21", "openai", "m", "m", 1, simulated=False, reserved_nanousd=reserved)


def _run_record(process: str | None) -> RunRecord:
    return RunRecord("R", _NOW, "2026-11-21", "fallback", "0" * 64, simulated=False, process=process)


CHECK = Check(
    name="spool",
    promise="files of the spool that are cut, shuffled and damaged block nothing, and no whole record is lost",
    counts="files",
    small=Size(1_000),
    full=Size(10_000),
    run=_run,
)
