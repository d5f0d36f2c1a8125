"""A batch on workers of dask.distributed, one of which is killed with `kill -9` in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.clock import local_now
from orchestrator.ledger.budgets import budget_states
from orchestrator.ledger.leases import leases_of
from orchestrator.ledger.store import Ledger

from .bill import Entry, simulator
from .check import Check, Findings, Size, Trial
from .models import Model, bill_of, write_models
from .rows import calls_of, expect_consistent

_MODEL = Model("torture-openai", "openai")
_RPM = 150  # the lines of the check take more than a minute of it
_BUDGET = "0.25"
_SCENARIO = "rules:\n  - {fault: slow, latency_ms: 400}\n"
_PATIENCE_S = 600.0
_LOOK_S = 0.1


def _run(trial: Trial) -> Findings:
    findings, ledger, count = Findings(), trial.folder / "ledger.db", trial.size.count
    free = write_models(trial.folder / "free.yaml", [_MODEL])
    limited = trial.folder / "models.yaml"
    limited.write_text(f"{free.read_text()}    limits: {{rpm: {_RPM}}}\n", encoding="utf-8")
    source = trial.folder / "in.jsonl"
    source.write_text(
        "".join(json.dumps({"id": f"q{n}", "prompt": f"What is {n} plus one?"}) + "\n" for n in range(count))
    )
    with simulator(trial.folder, free, _SCENARIO) as provider:
        alone = trial.folder / "alone.jsonl"
        _batch(trial, source, alone, free, trial.folder / "alone.db", provider.environ).wait()
        before = len(provider.settled_journal())
        _orch(trial, provider.environ, "budget", "set", "--daily", _BUDGET, "--ledger", str(ledger))
        output = trial.folder / "out.jsonl"
        engine = ("--engine", f"local:{trial.size.processes}")
        batch = _batch(trial, source, output, limited, ledger, provider.environ, *engine)
        killed = _kill_one(batch, output, ledger, trial, findings)
        journal = provider.settled_journal()[before:]
    findings.expect(batch.returncode == 0, f"orch batch exited {batch.returncode}")
    findings.expect(killed, "no worker was killed: the batch was done before")
    there, here = _answers(output), _answers(alone)
    findings.expect([each[0] for each in there] == [f"q{n}" for n in range(count)], "lines are lost, or out of order")
    findings.expect(there == here, "the output is not that of one machine")
    _compare(ledger, journal, findings, count)
    return findings


def _compare(path: Path, journal: Sequence[Entry], findings: Findings, lines: int) -> None:
    expect_consistent(path, findings)
    rows = calls_of(path)
    sent = [row for row in rows if row["sent_at"] is not None]
    findings.expect(len(sent) >= len(journal), f"{len(journal)} requests came, and {len(sent)} rows were sent")
    again = len(journal) - lines
    in_flight = sum(row["status"] == "interrupted" for row in sent)
    findings.expect(0 <= again <= in_flight, f"{again} requests more than lines, and {in_flight} were in flight")
    cost, bill = (
        sum(row["cost_nanousd"] for row in rows),
        sum(bill_of(entry, {_MODEL.name: _MODEL}) for entry in journal),
    )
    findings.expect(cost >= bill, f"the ledger has {cost} n$, and the bill is {bill} n$")
    with Ledger.open(path) as ledger:
        left = ledger.read(lambda connection: leases_of(connection, out=True))
        findings.expect_none(left, "leases that hold something")
    busiest = _busiest_minute(journal)
    findings.expect(busiest <= _RPM, f"{busiest} requests in a minute, and {_RPM} are allowed")
    findings.figure(f"{lines} lines, {len(journal)} requests, {in_flight} in flight at the kill")
    findings.figure(f"at most {busiest} of {_RPM} requests in a minute")


def _busiest_minute(journal: Sequence[Entry]) -> int:
    times = sorted(datetime.fromisoformat(str(entry["at"])).timestamp() for entry in journal)
    first = most = 0
    for last, at in enumerate(times):
        while times[first] <= at - 60:
            first += 1
        most = max(most, last - first + 1)
    return most


def _kill_one(batch: subprocess.Popen[bytes], output: Path, ledger: Path, trial: Trial, findings: Findings) -> bool:
    """Kill a worker when some lines are answered, and look at the budget until the batch is done."""
    killed, until, seen = False, time.monotonic() + trial.patience * _PATIENCE_S, Counter[bool]()
    while batch.poll() is None:
        if time.monotonic() > until:
            batch.kill()
            raise RuntimeError("the batch does not end")
        if not killed and output.exists() and output.read_bytes().count(b"\n") > trial.size.count // 40:
            os.kill(trial.rng.choice(_workers(batch.pid)), signal.SIGKILL)
            killed = True
        with_ledger = Ledger.open_for_reading(ledger)
        if with_ledger is not None:
            with with_ledger:
                states = with_ledger.read(lambda c: budget_states(c, local_now().date(), simulated=False))
            seen[all(state.committed_nanousd <= state.budget.limit_nanousd for state in states)] += 1
        time.sleep(_LOOK_S)
    findings.expect(not seen[False], f"the budget was overspent at {seen[False]} of {seen.total()} looks")
    return killed


def _workers(parent: int) -> list[int]:
    """The processes that a batch has started for its workers."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            (_, _, fields), command = process.joinpath("stat").read_text().rpartition(")"), process.joinpath("cmdline")
            if int(fields.split()[1]) == parent and b"spawn_main" in command.read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _answers(output: Path) -> list[tuple[Any, ...]]:
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return [tuple(line.get(name) for name in ("id", "status", "response", "cost_nanousd")) for line in lines]


def _batch(
    trial: Trial,
    source: Path,
    output: Path,
    models_file: Path,
    ledger: Path,
    environ: Mapping[str, str],
    *options: str,
) -> subprocess.Popen[bytes]:
    named = ("--models-file", str(models_file), "--ledger", str(ledger), "-m", _MODEL.name)
    argv = [sys.executable, "-m", "orchestrator", "batch", str(source), "-o", str(output), *named, *options]
    with (trial.folder / f"{output.stem}.err").open("ab") as errors:
        return subprocess.Popen(argv, stderr=errors, env={**os.environ, **environ, **_own(trial)})


def _orch(trial: Trial, environ: Mapping[str, str], *argv: str) -> None:
    command = [sys.executable, "-m", "orchestrator", *argv]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environ, **_own(trial)})


def _own(trial: Trial) -> dict[str, str]:
    return {"ORCH_WORKER_DIR": str(trial.folder / "workers"), "DASK_TEMPORARY_DIRECTORY": str(trial.folder / "dask")}


CHECK = Check(
    name="workers",
    promise="a worker of a batch is killed: nothing lost or overspent, rate limits hold over all of them",
    counts="lines",
    small=Size(240, 4),
    full=Size(1_000, 4),
    run=_run,
)
