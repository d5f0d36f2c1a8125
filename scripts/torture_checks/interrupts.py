"""Ctrl-C, SIGTERM and a closed pipe while an answer is being streamed by `orch run`; also after a suspension."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

from orchestrator.simulator.tokens import CHARACTERS_PER_TOKEN, MESSAGE_OVERHEAD, count_input

from .bill import Entry, Simulator, simulator
from .check import Check, Findings, Size, Trial
from .client import Command, ended
from .models import Model, bill_of, one_a_wire, only_provider, write_models
from .rows import OPEN, Row, calls_of, percentile

_PER_TOKEN_MS = 0.4
_LONGEST_S = 1.0  # until the moment to stop; the answers take about as long
_SUSPENDED_S = 3.0  # in which the rest of an answer is written, and billed, without being read
_WITHIN_S = 1.0  # the row must be settled after it
_PATIENCE_S = 15.0
_LOOK_S = 0.005
_SENTENCES = 400  # to translate: about as many tokens of answer as of prompt, some 4,000
# Dollars per million tokens: what `cheapest` chooses, whatever else there is. The output is what counts.
_INPUT, _OUTPUT = Decimal("0.000137"), Decimal("0.0137")


@dataclass(frozen=True, slots=True)
class _Way:
    """How a run is stopped, and the exit code that says so. Without a signal, the pipe that it writes to is closed."""

    name: str
    exit_code: int
    signal: signal.Signals | None = None
    suspended: bool = False


_WAYS = (
    _Way("SIGINT", 130, signal.SIGINT),
    _Way("SIGTERM", 143, signal.SIGTERM),
    _Way("closed pipe", 141),
)
_AFTER_SUSPENSION = (_Way("SIGSTOP, then SIGINT", 130, signal.SIGINT, suspended=True),)


@dataclass(frozen=True, slots=True)
class _Stop:
    """One run that is stopped: how, after how many seconds, and the folder that it has for itself."""

    way: _Way
    after_s: float
    prompt: str
    model: str
    folder: Path
    models_file: Path
    environ: Mapping[str, str]
    patience: int

    def __str__(self) -> str:
        return f"{self.way.name} after {self.after_s:.2f} s at {self.model}"


@dataclass(frozen=True, slots=True)
class _Stopped:
    stop: _Stop
    exit_code: int | None
    was_open: bool
    settled_after_s: float | None  # None: never, or it was over before it was stopped
    rows: list[Row]


def _run(trial: Trial, ways: Sequence[_Way]) -> Findings:
    findings = Findings()
    models = {
        name: replace(model, input=_INPUT, cache_read=_INPUT, output=_OUTPUT) for name, model in one_a_wire().items()
    }
    models_file = write_models(trial.folder / "models.yaml", models.values())
    # The answers last as much longer as stopping them may take.
    scenario = f"rules:\n  - {{fault: slow, latency_ms: 20, per_token_ms: {_PER_TOKEN_MS * trial.patience}}}\n"
    with simulator(trial.folder, models_file, scenario) as provider:
        stops = _stops(trial, ways, models_file, provider)
        with ThreadPoolExecutor(trial.size.processes) as pool:
            stopped = list(pool.map(_carry_out, stops))
        journal = provider.settled_journal()
    bills = {(entry["model"], entry["input_tokens"]): entry for entry in journal}
    for one in stopped:
        _judge(one, bills.get((one.stop.model, count_input(one.stop.prompt) + MESSAGE_OVERHEAD)), models, findings)
    findings.figure(f"{len(journal)} requests")
    _figures(stopped, findings)
    return findings


def _stops(trial: Trial, ways: Sequence[_Way], models_file: Path, provider: Simulator) -> list[_Stop]:
    names = list(one_a_wire())
    stops: list[_Stop] = []
    for point in range(trial.size.count):
        for way in ways:
            number = len(stops)
            folder = trial.folder / f"{number}"
            folder.mkdir()
            after_s = (point + trial.rng.random()) / trial.size.count * _LONGEST_S
            name = names[(number + point) % len(names)]
            environ = only_provider(provider.environ, one_a_wire()[name].provider)
            stops.append(_Stop(way, after_s, _prompt(number), name, folder, models_file, environ, trial.patience))
    return stops


def _prompt(number: int) -> str:
    """Each is a token longer than the one before, by which it is known in the journal."""
    sentences = (f"Sentence {at:03d} is about the water cycle." for at in range(_SENTENCES))
    padding = "x" * CHARACTERS_PER_TOKEN * number
    return f"Translate this text into French:\n\n{' '.join(sentences)} {padding}"


def _carry_out(stop: _Stop) -> _Stopped:
    """Run it, with a reader at the other end of its pipe; the time counts from the moment that the call is sent."""
    pipe, ledger = stop.folder / "stdout", stop.folder / "ledger.db"
    os.mkfifo(pipe)
    argv = ["run", "-p", stop.prompt, "--strategy", "cheapest", "--stream", "--ledger", str(ledger)]
    argv += ["--models-file", str(stop.models_file)]
    process = Command(argv, stop.environ, pipe, stop.folder / "stderr").start()
    reader = os.open(pipe, os.O_RDONLY)
    drain = threading.Thread(target=_drain, args=(reader,))
    if stop.way.signal is not None:
        drain.start()
    _wait_until_sent(ledger, stop.patience)
    time.sleep(stop.after_s)
    was_open = _is_open(ledger)
    if stop.way.suspended:
        os.kill(process.pid or 0, signal.SIGSTOP)
        time.sleep(_SUSPENDED_S)
    at = time.monotonic()
    if stop.way.signal is None:
        os.close(reader)
    else:
        os.kill(process.pid or 0, stop.way.signal)
    if stop.way.suspended:
        os.kill(process.pid or 0, signal.SIGCONT)
    settled_after_s = _wait_until_settled(ledger, at, stop.patience) if was_open else None
    exit_code = _exit_code(process, stop.patience)
    if stop.way.signal is not None:
        drain.join()
        os.close(reader)
    return _Stopped(stop, exit_code, was_open, settled_after_s, calls_of(ledger))


def _drain(reader: int) -> None:
    while os.read(reader, 1 << 16):
        pass


def _wait_until_sent(ledger: Path, patience: int) -> None:
    until = time.monotonic() + patience * _PATIENCE_S
    while time.monotonic() < until:
        if any(row["sent_at"] is not None for row in _rows_if_any(ledger)):
            return
        time.sleep(_LOOK_S)
    raise RuntimeError(f"no call was sent: see {ledger.parent / 'stderr'}")


def _rows_if_any(ledger: Path) -> list[Row]:
    """The calls, or none while the ledger is not made yet."""
    try:
        return calls_of(ledger)
    except sqlite3.OperationalError:
        return []


def _is_open(ledger: Path) -> bool:
    return any(row["status"] in OPEN for row in calls_of(ledger))


def _wait_until_settled(ledger: Path, since: float, patience: int) -> float | None:
    """Seconds until no call is open any more; None if that never comes."""
    while time.monotonic() < since + patience * _PATIENCE_S:
        if not _is_open(ledger):
            return time.monotonic() - since
        time.sleep(_LOOK_S)
    return None


def _exit_code(process: BaseProcess, patience: int) -> int | None:
    """None for a process that has to be killed."""
    code = ended(process, patience * _PATIENCE_S)
    if code is None:
        process.kill()
        ended(process)
    return code


def _judge(one: _Stopped, entry: Entry | None, models: Mapping[str, Model], findings: Findings) -> None:
    stop, rows = one.stop, one.rows
    if len(rows) != 1:
        findings.problems.append(f"{stop}: {len(rows)} rows")
        return
    # Its row says `sent` just before the request leaves: a run that is stopped in between is never billed.
    row, bill = rows[0], 0 if entry is None else bill_of(entry, models)
    if one.was_open:
        late = one.settled_after_s is None or one.settled_after_s > _WITHIN_S * stop.patience
        findings.expect(not late, f"{stop}: the row was settled after {one.settled_after_s} s")
    findings.expect(row["cost_nanousd"] >= bill, f"{stop}: billed {bill}, recorded {row['cost_nanousd']}")
    if row["status"] == "completed":  # the last piece had come when it was stopped
        findings.expect(row["cost_nanousd"] == bill, f"{stop}: completed at {row['cost_nanousd']}, billed {bill}")
    allowed = {stop.way.exit_code} | ({0} if row["status"] == "completed" else set())
    findings.expect(one.exit_code in allowed, f"{stop}: exit code {one.exit_code}, row {row['status']}")
    output = (stop.folder / "stderr").read_text(errors="replace")
    findings.expect("Traceback" not in output, f"{stop}: a traceback on stderr")


def _figures(stopped: list[_Stopped], findings: Findings) -> None:
    times = [one.settled_after_s for one in stopped if one.settled_after_s is not None]
    statuses = Counter(row["status"] for one in stopped for row in one.rows)
    findings.figure(f"{len(stopped)} runs: " + ", ".join(f"{n} {status}" for status, n in statuses.most_common()))
    findings.figure(
        f"settled after p50 {1000 * percentile(times, 50):.0f} ms, at most {1000 * max(times, default=0):.0f}"
    )
    findings.expect(statuses["interrupted"] > 0, "no call was ever interrupted: nothing was tried")


CHECK = Check(
    name="interrupts",
    promise="a run that is stopped in a stream settles its row within 1 s, never below the bill",
    counts="points of a stream, each by Ctrl-C, SIGTERM and a closed pipe",
    small=Size(6),
    full=Size(100),
    run=partial(_run, ways=_WAYS),
)

AFTER_SUSPENSION = Check(
    name="suspensions",
    promise="as above, of a run that was suspended while the provider went on",
    counts="points of a stream",
    small=Size(6),
    full=Size(100),
    run=partial(_run, ways=_AFTER_SUSPENSION),
)
