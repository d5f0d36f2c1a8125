"""`orch batch submit` over the providers' batch APIs, killed with `kill -9` at random moments: each request is billed
once, at the batch's price, and its row says so."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from .bill import Entry, simulator
from .check import Check, Findings, Size, Trial
from .client import Command, ended, prompt_of
from .models import Model, bill_of, one_a_wire, write_models
from .rows import calls_of, expect_consistent, reading

_LINES = 12
_SHORTEST_PROMPT = 8  # tokens
_MOST_LIVES = 60  # that come to their end: each gets further
_GRACE_S = 180  # more than it takes until a submission that is not found is sent again
# A provider is at work for some looks, and one submission in four arrives without an answer that says so.
_SCENARIO = "rules:\n  - {fault: batch_slow, looks: 2}\n  - {fault: batch_unanswered, when: {every: 4}}\n"


def _run(trial: Trial) -> Findings:
    findings, models = Findings(), one_a_wire()
    models_file = write_models(trial.folder / "models.yaml", models.values())
    asked = trial.folder / "asked.jsonl"
    prompts = [json.dumps({"prompt": prompt_of(_SHORTEST_PROMPT + number)}) for number in range(_LINES)]
    asked.write_text("".join(f"{prompt}\n" for prompt in prompts), encoding="utf-8")
    argv = ["batch", "submit", str(asked), "--models-file", str(models_file), "--chain", ",".join(models)]
    argv += ["--threshold", "0.999", "--max-tokens", "400"]
    with simulator(trial.folder, models_file, _SCENARIO) as provider:
        _, _, timed = _batch(trial.folder, "timed", argv, provider.environ)
        began = time.monotonic()
        timed.finish()
        life_s = time.monotonic() - began
    with simulator(trial.folder, models_file, _SCENARIO) as provider:
        answers, ledger, command = _batch(trial.folder, "killed", argv, provider.environ)
        kills = _kill_again_and_again(trial, command, ledger, life_s)
        lives = 0
        while _settled(ledger) < _LINES and lives < _MOST_LIVES:
            lives += 1
            _let_time_pass(ledger)
            code = command.finish()
            findings.expect(code == 0, f"a command exited {code}")
        journal = [entry for entry in provider.settled_journal() if entry.get("custom_id")]
    findings.figure(f"{_LINES} lines, {kills} kills, {lives} lives more, {len(journal)} requests")
    findings.expect(kills > 0, "it was never hit: nothing was tried")
    _compare(journal, ledger, models, findings)
    found = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    statuses = Counter(each["status"] for each in found)
    findings.expect(statuses == {"complete": _LINES}, f"the output has {dict(statuses)}")
    findings.expect([each["line"] for each in found] == list(range(1, _LINES + 1)), "the output is not in order")
    return findings


def _batch(folder: Path, name: str, argv: list[str], environ: Mapping[str, str]) -> tuple[Path, Path, Command]:
    """The output, the ledger and the command of a batch."""
    answers, ledger = folder / f"{name}.jsonl", folder / f"{name}.db"
    whole = [*argv, "-o", str(answers), "--ledger", str(ledger)]
    return answers, ledger, Command(whole, environ, folder / f"{name}.out", folder / f"{name}.err")


def _kill_again_and_again(trial: Trial, command: Command, ledger: Path, life_s: float) -> int:
    """Start the command and kill it at a random moment of its life; returns how often it was hit."""
    kills = 0
    for _ in range(trial.size.count):
        client = command.start()
        time.sleep(trial.rng.uniform(0, life_s))
        client.kill()
        kills += ended(client) != 0
        if trial.rng.random() < 0.5:
            _let_time_pass(ledger)
    return kills


def _settled(ledger: Path) -> int:
    """How many lines have an outcome."""
    with reading(ledger) as connection:
        return int(connection.execute("SELECT count(*) FROM batch_lines").fetchone()[0])


def _let_time_pass(ledger: Path) -> None:
    """As if some minutes had gone by since submissions whose fate nobody knows."""
    if ledger.exists():
        with closing(sqlite3.connect(ledger, timeout=30)) as connection, connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "provider_submissions" in tables:
                earlier = _GRACE_S * 1_000_000
                connection.execute(
                    "UPDATE provider_submissions SET created_at = created_at - ? WHERE state = 'recorded'", (earlier,)
                )


def _compare(journal: list[Entry], ledger: Path, models: Mapping[str, Model], findings: Findings) -> None:
    half = Decimal("0.5")
    by_batch = {
        name: replace(model, input=half * model.input, output=half * model.output, cache_read=half * model.cache_read)
        for name, model in models.items()
    }
    rows = {row["call_id"]: row for row in calls_of(ledger)}
    times = Counter(str(entry["custom_id"]) for entry in journal)
    findings.expect_none([call for call, number in times.items() if number > 1], "billed more than once")
    for entry in journal:
        row, cost = rows.get(str(entry["custom_id"])), bill_of(entry, by_batch)
        findings.expect(row is not None, f"{entry['custom_id']} was billed and is no row")
        if row is not None:
            findings.expect(row["cost_nanousd"] == cost, f"billed {cost}, recorded {row['cost_nanousd']}")
    unbilled = [call for call, row in rows.items() if row["cost_nanousd"] and call not in times]
    findings.expect_none(unbilled, "has a cost and was never billed")
    asked = Counter((rows[call]["prompt"], rows[call]["model"]) for call in times if call in rows)
    findings.expect_none([model for (_, model), number in asked.items() if number > 1], "asked twice for one line")
    expect_consistent(ledger, findings)
    with reading(ledger) as connection:
        for table in ("provider_requests", "batch_results"):
            (left,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            findings.expect(left == 0, f"{left} rows are left in {table}")


CHECK = Check(
    name="batch_apis",
    promise="a batch at the providers that is killed goes on: each request is billed once, at half of the price",
    counts="kills",
    small=Size(8),
    full=Size(60),
    run=_run,
)
