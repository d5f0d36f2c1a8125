"""Processes that are killed with `kill -9` at random moments, two at a time, on one ledger."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from orchestrator.ledger.store import Ledger
from orchestrator.simulator.tokens import MESSAGE_OVERHEAD, count_input

from .bill import Entry, simulator
from .check import Check, Findings, Size, Trial
from .client import Command, Job, ask_all, prompt_of, start
from .models import Model, bill_of, one_a_wire, write_models
from .rows import Row, calls_of, expect_consistent

_IN_FLIGHT = 64
_CALLS_A_LIFE = {1: 60, _IN_FLIGHT: 600}  # by how many are in flight: more than a life has time for
_SHORTEST_PROMPT = 8  # tokens; each call of a model has a longer one, by which it is known
_MOST_DONE = {1: 24, _IN_FLIGHT: 400}  # calls of a life, before those that are in flight at its end
_LONGEST_CALL_S = 0.03
_PATIENCE_S = 30.0
_LOOK_S = 0.002
_SCENARIO = "rules:\n  - {fault: slow, latency_ms: 5, per_token_ms: 0.2}\n"


def _run(trial: Trial, in_flight: int = 1) -> Findings:
    findings, ledger, models = Findings(), trial.folder / "ledger.db", one_a_wire()
    models_file = write_models(trial.folder / "models.yaml", models.values())
    with simulator(trial.folder, models_file, _SCENARIO) as provider:
        lives = 0
        while lives < trial.size.count:
            jobs = [
                _job(trial, lives + n, ledger, models_file, provider.environ, in_flight)
                for n in range(trial.size.processes)
            ]
            clients = [start(ask_all, job) for job in jobs]
            for client, job in zip(clients, jobs, strict=True):
                _wait_until_done(job, trial.rng.randrange(_MOST_DONE[in_flight]), trial.patience * _PATIENCE_S)
                time.sleep(trial.rng.uniform(0, _LONGEST_CALL_S))
                client.kill()
            for client in clients:
                client.join()
            lives += len(clients)
        journal = provider.settled_journal()
    argv = ["stats", "--ledger", str(ledger)]
    code = Command(argv, {}, trial.folder / "stats.out", trial.folder / "stats.err").finish()
    findings.expect(code == 0, f"the next command, orch stats, exited {code}")
    expect_consistent(ledger, findings)
    rows = calls_of(ledger)
    _compare(journal, rows, models, findings)
    told = sum(path.read_text().count('"complete"') for path in trial.folder.glob("life-*.jsonl"))
    completed = sum(row["status"] == "completed" for row in rows)
    findings.expect(completed >= told, f"{told} runs were told that they are complete, and {completed} rows are")
    with Ledger.open(ledger):
        pass  # whoever writes next removes what was left behind by those that had nothing open
    left = list(trial.folder.glob("ledger.db.*.alive"))
    findings.expect(not left, f"{len(left)} locks of dead processes are left behind")
    return findings


def _job(trial: Trial, life: int, ledger: Path, models_file: Path, environ: Mapping[str, str], in_flight: int) -> Job:
    """A life's calls, all to one model. No two calls of a model have prompts of the same length."""
    names, calls = list(one_a_wire()), _CALLS_A_LIFE[in_flight]
    first = _SHORTEST_PROMPT + life // len(names) * calls
    return Job(
        environ=environ,
        ledger=ledger,
        models_file=models_file,
        prompts=[prompt_of(first + number) for number in range(calls)],
        chains=[names[life % len(names)]],
        results=trial.folder / f"life-{life}.jsonl",
        in_flight=in_flight,
    )


def _wait_until_done(job: Job, calls: int, patience_s: float) -> None:
    """Until the client has made so many calls, however fast the machine is, and is about to make the next one."""
    until = time.monotonic() + patience_s
    while not job.results.exists() or job.results.read_bytes().count(b"\n") < calls:
        if time.monotonic() > until:
            raise RuntimeError(f"a client did not make {calls} calls: see {job.results.with_suffix('.err')}")
        time.sleep(_LOOK_S)


def _compare(journal: list[Entry], rows: list[Row], models: Mapping[str, Model], findings: Findings) -> None:
    by_prompt: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        by_prompt[row["provider_model"], count_input(row["prompt"]) + MESSAGE_OVERHEAD].append(row)
    statuses = Counter(row["status"] for row in rows)
    findings.figure(f"{len(journal)} requests, {len(rows)} rows")
    findings.figure(", ".join(f"{number} {status}" for status, number in statuses.most_common()))
    findings.expect(statuses["interrupted"] > 0, "no call was ever hit: nothing was tried")
    for entry in journal:
        name = f"{entry['model']} with {entry['input_tokens']} tokens"
        found = by_prompt.get((entry["model"], entry["input_tokens"]), [])
        if len(found) != 1:
            findings.problems.append(f"the request to {name} has {len(found)} rows")
            continue
        row, bill = found[0], bill_of(entry, models)
        findings.expect(row["sent_at"] is not None, f"the call to {name} was made, and its row was never sent")
        cost = row["cost_nanousd"]
        if row["status"] == "completed":
            findings.expect(cost == bill, f"the call to {name} was billed {bill}, and completed at {cost}")
        else:
            findings.expect(cost is not None and cost >= bill, f"the call to {name}: billed {bill}, recorded {cost}")
    sent = sum(row["sent_at"] is not None for row in rows)
    findings.expect(sent >= len(journal), f"{len(journal)} requests, and only {sent} rows of sent calls")


CHECK = Check(
    name="kill9",
    promise="after kill -9 the ledger is whole, every request is a row, nothing is refunded, and the sums agree",
    counts="kills",
    small=Size(12),
    full=Size(200),
    run=_run,
)

CHECK_IN_FLIGHT = Check(
    name="kill9_in_flight",
    promise=f"the same with {_IN_FLIGHT} calls in flight, whose changes share commits",
    counts="kills",
    small=Size(6),
    full=Size(60),
    run=partial(_run, in_flight=_IN_FLIGHT),
)
