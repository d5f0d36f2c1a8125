"""Many processes under one budget of a day, until it has run out."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from orchestrator.config import RunOptions

from .bill import Entry, simulator
from .check import Check, Findings, Size, Trial
from .client import Command, Job, ask_all, prompt_of, results_of, start
from .models import Model, bill_of, billed, one_a_wire, write_models
from .rows import Row, calls_of, committed_nanousd, expect_consistent, percentile, reading

_NANO_A_CALL = 250_000  # of budget: $1.00 for 4,000 calls, which is less than they would cost
_MAX_TOKENS = 128
_TOKENS = (24, 64)  # of a prompt
_USABLE_PERCENT = 97
_P50_MS, _P99_MS = 5.0, 50.0
_CALLS_TO_TIME = 500  # fewer have no 99th percentile worth the name, and are given as figures only
_SAMPLE_S = 0.02
_IN_FLIGHT = 64
_SCENARIO = "rules:\n  - {fault: slow, latency_ms: 300}\n"  # as a quick provider would take


@dataclass(slots=True)
class _Watch:
    """The most that was ever committed, as another process sees it while the clients are at work."""

    most: int = 0
    samples: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def look(self, ledger: Path) -> None:
        with reading(ledger) as connection:
            while not self.done.wait(_SAMPLE_S):
                self.most = max(self.most, committed_nanousd(connection))
                self.samples += 1


@contextmanager
def _watching(ledger: Path) -> Iterator[_Watch]:
    watch = _Watch()
    thread = threading.Thread(target=watch.look, args=(ledger,))
    thread.start()
    try:
        yield watch
    finally:
        watch.done.set()
        thread.join()


def _run(trial: Trial, in_flight: int = 1) -> Findings:
    findings, ledger = Findings(), trial.folder / "ledger.db"
    models = one_a_wire()
    models_file = write_models(trial.folder / "models.yaml", models.values())
    limit = trial.size.count * _NANO_A_CALL
    _set_budget(trial, ledger, limit, findings)
    with simulator(trial.folder, models_file, _SCENARIO) as provider:
        jobs = [
            replace(_job(trial, number, ledger, models_file, provider.environ), in_flight=in_flight)
            for number in range(trial.size.processes)
        ]
        with _watching(ledger) as watch:
            clients = [start(ask_all, job) for job in jobs]
            for client in clients:
                client.join()
        findings.expect_none([c.exitcode for c in clients if c.exitcode], "clients that ended in a traceback")
        if findings.problems:
            return findings
        journal = provider.settled_journal()
    rows = calls_of(ledger)
    _compare(journal, rows, models, limit, watch, findings)
    expect_consistent(ledger, findings)
    _outcomes(jobs, findings)
    if in_flight == 1:
        _added_time(jobs, findings)
    return findings


def _set_budget(trial: Trial, ledger: Path, limit_nanousd: int, findings: Findings) -> None:
    dollars = f"{limit_nanousd / 1e9:.9f}"
    argv = ["budget", "set", "--daily", dollars, "--ledger", str(ledger)]
    code = Command(argv, {}, trial.folder / "budget.out", trial.folder / "budget.err").finish()
    findings.expect(code == 0, f"orch {' '.join(argv)} exited {code}")


def _job(trial: Trial, number: int, ledger: Path, models_file: Path, environ: Mapping[str, str]) -> Job:
    calls = trial.size.count // trial.size.processes
    names = list(one_a_wire())
    return Job(
        environ=environ,
        ledger=ledger,
        models_file=models_file,
        prompts=[prompt_of(trial.rng.randint(*_TOKENS)) for _ in range(calls)],
        chains=[names[number % len(names)]],
        results=trial.folder / f"client-{number}.jsonl",
        options=RunOptions(threshold=0.0, max_tokens=_MAX_TOKENS),
        timed=True,
    )


def _compare(
    journal: list[Entry], rows: list[Row], models: dict[str, Model], limit: int, watch: _Watch, findings: Findings
) -> None:
    bill, recorded = billed(journal, models), sum(row["cost_nanousd"] or 0 for row in rows)
    sent = [row for row in rows if row["sent_at"] is not None]
    worst = max((row["reserved_nanousd"] for row in rows), default=0)
    findings.figure(f"billed ${bill / 1e9:.6f} of ${limit / 1e9:.6f} ({100 * bill / limit:.2f} %)")
    findings.figure(f"{len(journal)} requests, {len(sent)} rows")
    findings.figure(f"most committed ${watch.most / 1e9:.6f} in {watch.samples} looks")
    findings.expect(bill <= limit, f"billed {bill} nano-dollars, above the limit of {limit}")
    findings.expect(recorded <= limit, f"recorded {recorded} nano-dollars, above the limit of {limit}")
    findings.expect(watch.most <= limit, f"{watch.most} nano-dollars were committed at one time, of {limit}")
    findings.expect(len(sent) == len(journal), f"{len(journal)} requests, but {len(sent)} rows of sent calls")
    findings.expect(recorded == bill, f"recorded {recorded} nano-dollars, billed {bill}")
    usable = bill * 100 >= limit * _USABLE_PERCENT or limit - bill < worst
    findings.expect(usable, f"only {100 * bill / limit:.2f} % was usable; one more call could have cost {worst}")
    counted = Counter((row["provider_model"], row["cost_nanousd"]) for row in rows)
    counted.subtract((str(entry["model"]), bill_of(entry, models)) for entry in journal)
    findings.expect_none([key for key, count in counted.items() if count < 0], "charged, but in no row")


def _outcomes(jobs: list[Job], findings: Findings) -> None:
    runs = [run for job in jobs for run in results_of(job)[0]]
    outcomes = Counter(str(run["error"] or run["status"]) for run in runs)
    findings.figure(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    findings.expect(outcomes["budget"] > 0, "the budget never ran out")
    findings.expect_none(set(outcomes) - {"complete", "budget"}, "runs ended in")
    locked = [path for job in jobs for path in [job.results.with_suffix(".err")] if "locked" in path.read_text()]
    findings.expect(not locked, "a client was told that the database is locked")


def _added_time(jobs: list[Job], findings: Findings) -> None:
    """What a run waits for: that its call is reserved and marked as sent, and that its end is written."""
    spent = [results_of(job)[1] for job in jobs]
    parts = {name: [1000 * s for seconds in spent for s in seconds[name]] for name in spent[0]}
    p50, p99 = (sum(percentile(ms, percent) for ms in parts.values()) for percent in (50, 99))
    each = ", ".join(f"{name} {percentile(ms, 50):.1f}/{percentile(ms, 99):.1f}" for name, ms in parts.items())
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    findings.figure(f"reserve + finish p50 {p50:.1f} ms, p99 {p99:.1f} ms ({each}; {load})")
    if len(parts["reserve"]) < _CALLS_TO_TIME:
        return
    findings.expect(p50 <= _P50_MS, f"reserve + finish take {p50:.1f} ms at the median, more than {_P50_MS} ms")
    findings.expect(p99 <= _P99_MS, f"reserve + finish take {p99:.1f} ms at p99, more than {_P99_MS} ms")


CHECK = Check(
    name="budget",
    promise="processes that share a budget of a day never spend more, lose no row, and can use all of it",
    counts="calls",
    small=Size(120, 3),
    full=Size(4_000, 8),
    run=_run,
)

CHECK_IN_FLIGHT = Check(
    name="in_flight",
    promise=f"the same with {_IN_FLIGHT} calls in flight in each process, whose changes share commits",
    counts="calls",
    small=Size(1_000, 2),
    full=Size(12_000, 8),
    run=partial(_run, in_flight=_IN_FLIGHT),
)
