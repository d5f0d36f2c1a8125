"""`orch ledger prune`, `merge`, `redact` and `backup`, killed with `kill -9` at random moments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.ledger import entries
from orchestrator.ledger.budgets import Budget, Scope, set_budgets
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period

from .check import Check, Findings, Size, Trial
from .rows import expect_consistent, reading

_RUNS, _DAYS = 1_500, 50
_START = datetime(2026, 9, 1, 12, tzinfo=UTC)
_TEXT = "words that are long enough for a row of their own " * 20
_WORK: Mapping[str, list[str]] = {
    "prune": ["prune", "--older-than", "2100-01-01", "--keep-sums"],
    "redact": ["redact", "--all"],
    "merge": ["merge", "other.db"],
    "backup": ["backup", "copy.db", "--force"],
}


def _run(trial: Trial) -> Findings:
    findings, source = Findings(), trial.folder / "source.db"
    _fill(source)
    spent = _spending(source)
    for name, words in _WORK.items():
        path = trial.folder / name / "ledger.db"
        path.parent.mkdir()
        shutil.copy(source, path.with_name("other.db"))
        if name == "merge":
            Ledger.open(path).close()
        else:
            shutil.copy(source, path)
        whole_s, kills = _time_of(path, words), 0
        for _ in range(-(-trial.size.count // len(_WORK))):
            kills += _is_killed(path, words, trial.rng.uniform(0.3, 1.0) * whole_s)
            _look(path, name, spent, findings)
        done = _start(path, words).wait()
        findings.expect(done == 0, f"{name}: it exited {done} after it had been killed")
        _look(path, name, spent, findings, ended=True)
        findings.figure(f"{name} killed {kills} times")
    return findings


def _fill(path: Path) -> None:
    """A ledger of runs on many days, with a budget on everything."""
    with Ledger.open(path) as ledger:
        ledger.write(lambda db: set_budgets(db, [Budget(Period.YEAR, Scope.ALL, "", 10**15)]))

        def write(db: object) -> None:
            for number in range(_RUNS):
                run, call = _made_up(number)
                entries.start_run(db, run)  # type: ignore[arg-type]
                entries.reserve(db, [call])  # type: ignore[arg-type]

        ledger.write(write)


def _made_up(number: int) -> tuple[RunRecord, CallRecord]:
    at = _START + timedelta(days=number % _DAYS, seconds=number)
    day, run_id = at.date().isoformat(), f"01R{number:023d}"
    run = RunRecord(
        run_id=run_id, created_at=at, day=day, strategy="fallback", prompt_sha256="0" * 64, simulated=False,
        status=RunStatus.COMPLETE, tags=("a",), prompt=f"{number} {_TEXT}", response=f"answer {number} {_TEXT}",
    )  # fmt: skip
    call = CallRecord(
        call_id=f"01C{number:023d}", run_id=run_id, created_at=at, day=day, provider="acme", model="small",
        provider_model="small", attempt=1, simulated=False, status=CallStatus.COMPLETED, reserved_nanousd=number,
        cost_nanousd=number, cost_source=CostSource.USAGE, response=f"answer {number} {_TEXT}",
    )  # fmt: skip
    return run, call


def _time_of(path: Path, words: list[str]) -> float:
    """How long the work takes on a copy."""
    folder = path.with_name("tried")
    folder.mkdir()
    for file in path.parent.glob("*.db"):
        shutil.copy(file, folder / file.name)
    began = time.monotonic()
    _start(folder / path.name, words).wait()
    took = time.monotonic() - began
    shutil.rmtree(folder)
    return took


def _start(path: Path, words: list[str]) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "orchestrator", "ledger", *words, "--ledger", str(path)]
    return subprocess.Popen(
        argv, cwd=path.parent, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _is_killed(path: Path, words: list[str], after_s: float) -> bool:
    """Start the work and kill it. Returns whether it was still at it."""
    process = _start(path, words)
    time.sleep(after_s)
    was_running = process.poll() is None
    process.kill()
    process.wait()
    return was_running


def _spending(path: Path) -> list[tuple[object, ...]]:
    with reading(path) as connection:
        return [
            tuple(row)
            for row in connection.execute("SELECT * FROM spending WHERE committed_nanousd ORDER BY 1, 2, 3, 4")
        ]


def _look(path: Path, name: str, spent: list[tuple[object, ...]], findings: Findings, *, ended: bool = False) -> None:
    expect_consistent(path, findings)
    if name != "merge" or ended:
        findings.expect(_spending(path) == spent, f"{name}: what budgets count has changed")
    with reading(path) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        (pruned,) = connection.execute(
            "SELECT coalesce(sum(runs), 0) FROM run_sums WHERE pruned AND grain = ''"
        ).fetchone()
        (left,) = connection.execute("SELECT count(*) FROM runs WHERE prompt IS NOT NULL").fetchone()
        (alone,) = connection.execute(
            "SELECT count(*) FROM runs WHERE run_id NOT IN (SELECT run_id FROM calls)"
        ).fetchone()
    findings.expect(alone == 0, f"{name}: {alone} runs have lost their calls")
    if name != "merge" or ended:
        findings.expect(rows + pruned == _RUNS, f"{name}: {rows} runs and {pruned} in sums are not {_RUNS}")
    if ended and name == "redact":
        findings.expect(left == 0, f"{left} prompts are left")
    copy = path.with_name("copy.db")
    if copy.exists():
        expect_consistent(copy, findings)


CHECK = Check(
    name="upkeep",
    promise="pruning, redacting, merging and backing up lose no run and no money, whenever they are killed",
    counts="kills",
    small=Size(count=16, processes=1),
    full=Size(count=200, processes=1),
    run=_run,
)
