"""Faults of every kind at random, over three providers and several processes: the ledger against the bill."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from orchestrator.config import BreakerPolicy, RunOptions

from .bill import Entry, simulator
from .check import Check, Findings, Size, Trial
from .client import Job, ask_all, prompt_of, results_of, start
from .models import Model, bill_of, billed, one_a_wire, write_models
from .rows import Row, calls_of, expect_consistent

_TOKENS = (16, 1_600)  # of a prompt; the longer ones come out of the provider's cache in part
_TIMEOUT_S = 4.0
# Of all kinds but out_of_credit, after which a model is not asked again for minutes: the check `quota` is about that.
_RULES = """seed: {seed}
rules:
  - {{when: {{probability: 0.02}}, fault: slow, latency_ms: 40, per_token_ms: 0.3}}
  - {{when: {{probability: 0.02}}, fault: rate_limited, retry_after_s: 0.01}}
  - {{when: {{probability: 0.02}}, fault: overloaded}}
  - {{when: {{probability: 0.02}}, fault: server_error, status: 502, html: true}}
  - {{when: {{probability: 0.01}}, fault: auth}}
  - {{when: {{probability: 0.01}}, fault: not_found}}
  - {{when: {{probability: 0.01}}, fault: redirect}}
  - {{when: {{probability: 0.02}}, fault: connect_refused}}
  - {{when: {{probability: 0.02}}, fault: cut}}
  - {{when: {{probability: 0.02}}, fault: no_terminal_marker}}
  - {{when: {{probability: 0.02}}, fault: no_terminal_marker, reason: true}}
  - {{when: {{probability: 0.02}}, fault: malformed}}
  - {{when: {{probability: 0.02}}, fault: error_in_stream}}
  - {{when: {{probability: 0.02}}, fault: error_in_200}}
  - {{when: {{probability: 0.02}}, fault: refused}}
  - {{when: {{probability: 0.01}}, fault: refused, at: prompt}}
  - {{when: {{probability: 0.02}}, fault: empty}}
  - {{when: {{probability: 0.02}}, fault: truncated}}
  - {{when: {{probability: 0.01}}, fault: lone_surrogates}}
  - {{when: {{probability: 0.01}}, fault: control_characters}}
"""
_SILENCE = "  - {when: {probability: 0.0005}, fault: timeout}\n"


def _run(trial: Trial) -> Findings:
    findings, ledger, models = Findings(), trial.folder / "ledger.db", one_a_wire()
    models_file = write_models(trial.folder / "models.yaml", models.values())
    rules = _RULES.format(seed=trial.rng.randrange(10**6))
    if trial.patience == 1:  # or what never comes would be waited for that much longer
        rules += _SILENCE
    with simulator(trial.folder, models_file, rules) as provider:
        jobs = [_job(trial, number, ledger, models_file, provider.environ) for number in range(trial.size.processes)]
        clients = [start(ask_all, job) for job in jobs]
        for client in clients:
            client.join()
        findings.expect_none([c.exitcode for c in clients if c.exitcode], "clients that ended in a traceback")
        journal = provider.settled_journal()
    if findings.problems:
        return findings
    rows = calls_of(ledger)
    outcomes = Counter(str(run["error"] or run["status"]) for job in jobs for run in results_of(job)[0])
    statuses = Counter(row["error_code"] or row["status"] for row in rows)
    findings.figure(f"{len(journal)} requests, {len(rows)} rows ({_listed(statuses)})")
    findings.figure(f"runs: {_listed(outcomes)}")
    _compare(journal, rows, models, findings)
    expect_consistent(ledger, findings)
    return findings


def _job(trial: Trial, number: int, ledger: Path, models_file: Path, environ: Mapping[str, str]) -> Job:
    names = list(one_a_wire())
    share = trial.size.count // trial.size.processes
    return Job(
        environ=environ,
        ledger=ledger,
        models_file=models_file,
        prompts=[prompt_of(trial.rng.randint(*_TOKENS)) for _ in range(share)],
        chains=[",".join(names[at:] + names[:at]) for at in range(len(names))],
        results=trial.folder / f"client-{number}.jsonl",
        options=RunOptions(threshold=0.0, timeout_s=_TIMEOUT_S * trial.patience),
        breaker=BreakerPolicy(failures=0),  # or models that fail this often would hardly be asked
    )


def _compare(journal: list[Entry], rows: list[Row], models: Mapping[str, Model], findings: Findings) -> None:
    sent = Counter(row["provider_model"] for row in rows if row["sent_at"] is not None)
    received = Counter(entry["model"] for entry in journal)
    findings.expect(sent == received, f"attempts {dict(sent)}, requests {dict(received)}")
    charged = Counter(_key(entry) for entry in journal)
    counted = [row for row in rows if row["status"] == "completed" and row["cost_source"] == "usage"]
    estimated = [row for row in rows if row["cost_source"] == "estimate"]
    for row in counted:
        key, bill = (
            _key({**row, "model": row["provider_model"]}),
            bill_of({**row, "model": row["provider_model"]}, models),
        )
        findings.expect(charged[key] > 0, f"no request was charged for {key}, as a completed call says")
        findings.expect(row["cost_nanousd"] == bill, f"{key}: {bill} nano-dollars, recorded {row['cost_nanousd']}")
        findings.expect(
            json.loads(row["usage"] or "null") is not None, f"{key}: the provider's own counts are not kept"
        )
        charged[key] -= 1
    recorded, bill = sum(row["cost_nanousd"] or 0 for row in rows), billed(journal, models)
    findings.figure(f"{len(counted)} completed calls equal to the nano-dollar, {len(estimated)} estimated")
    findings.figure(f"billed ${bill / 1e9:.6f}, recorded ${recorded / 1e9:.6f}")
    findings.expect(recorded >= bill, f"billed {bill} nano-dollars, recorded only {recorded}")


def _key(counts: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(counts[name] for name in ("model", "input_tokens", "output_tokens", "cached_tokens"))


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counted.most_common())


CHECK = Check(
    name="mixed",
    promise="under faults at random, attempts equal requests, and completed calls cost what was billed",
    counts="runs",
    small=Size(150, 3),
    full=Size(10_000, 4),
    run=_run,
)
