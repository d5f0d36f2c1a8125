"""`orch batch` that is killed with `kill -9` at random moments and goes on each time; then one whose cap is reached."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

from orchestrator.simulator.tokens import MESSAGE_OVERHEAD, count_input

from .bill import Entry, Simulator, simulator
from .check import Check, Findings, Size, Trial
from .client import Command, ended, prompt_of
from .models import Model, bill_of, billed, one_a_wire, write_models
from .rows import calls_of, committed_nanousd, expect_consistent, reading

_LINES_A_KILL = 40
_LEAST_LINES = 120
_SHORTEST_PROMPT = 8  # tokens; each line has a longer one, by which it is known at the server
_IN_FLIGHT = 16
_LONGEST_LIFE_S = 0.6
_PATIENCE_S = 60.0
_LOOK_S = 0.005
_SCENARIO = "rules:\n  - {fault: slow, latency_ms: 20, per_token_ms: 0.05}\n"
_MODEL = "torture-openai"


def _run(trial: Trial) -> Findings:
    findings, models = Findings(), one_a_wire()
    models_file = write_models(trial.folder / "models.yaml", models.values())
    lines = max(_LEAST_LINES, trial.size.count * _LINES_A_KILL)
    asked = trial.folder / "asked.jsonl"
    with asked.open("w", encoding="utf-8") as stream:
        for number in range(lines):
            stream.write(json.dumps({"id": f"n{number}", "prompt": prompt_of(_SHORTEST_PROMPT + number)}) + "\n")
    with simulator(trial.folder, models_file, _SCENARIO) as provider:
        batch = _Batch(trial, asked, models_file, provider.environ)
        kills = _kill_again_and_again(trial, batch, findings)
        _compare(batch, provider.settled_journal(), models, kills, findings)
    with simulator(trial.folder, models_file, _SCENARIO) as provider:
        _reach_cap(_Batch(trial, asked, models_file, provider.environ, name="capped"), provider, models, findings)
    return findings


class _Batch:
    """A batch and its files: the same command line each time."""

    def __init__(
        self, trial: Trial, asked: Path, models_file: Path, environ: Mapping[str, str], name: str = "killed"
    ) -> None:
        self.trial, self.asked, self.name, self.environ = trial, asked, name, environ
        self.ledger, self.answers = trial.folder / f"{name}.db", trial.folder / f"{name}.jsonl"
        self.lines = asked.read_text(encoding="utf-8").count("\n")
        self._argv = ["batch", str(asked), "-o", str(self.answers), "--ledger", str(self.ledger)]
        self._argv += ["--models-file", str(models_file), "-m", _MODEL, "--concurrency", str(_IN_FLIGHT)]
        self._lives = 0

    def command(self, *more: str) -> Command:
        self._lives += 1
        stem = self.trial.folder / f"{self.name}-{self._lives}"
        return Command([*self._argv, *more], self.environ, stem.with_suffix(".out"), stem.with_suffix(".err"))

    def settled(self) -> int:
        """How many lines have an outcome; 0 as long as there is no job."""
        if not self.ledger.exists():
            return 0
        try:
            with reading(self.ledger) as connection:
                return int(connection.execute("SELECT count(*) FROM batch_lines").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def _kill_again_and_again(trial: Trial, batch: _Batch, findings: Findings) -> int:
    """Kill the batch at random moments, and let it come to its end. Returns how often it was hit."""
    kills = 0
    for _ in range(trial.size.count):
        before, client = batch.settled(), batch.command().start()
        _wait_for_more(batch, before, client, trial.patience * _PATIENCE_S)
        time.sleep(trial.rng.uniform(0, _LONGEST_LIFE_S))
        client.kill()
        if ended(client) != 0:
            kills += 1
        else:
            break  # it was faster
    code = batch.command().finish() if kills == trial.size.count else 0
    findings.expect(code == 0, f"the last command exited {code}")
    return kills


def _wait_for_more(batch: _Batch, before: int, client: BaseProcess, patience_s: float) -> None:
    """Until the client has its start behind it, and has settled a line; or has ended."""
    until = time.monotonic() + patience_s
    while batch.settled() <= before and client.is_alive():
        if time.monotonic() > until:
            raise RuntimeError("a batch did not begin: see the .err files")
        time.sleep(_LOOK_S)


def _compare(batch: _Batch, journal: list[Entry], models: Mapping[str, Model], kills: int, findings: Findings) -> None:
    _expect_all_there(batch, findings)
    expect_consistent(batch.ledger, findings)
    rows, by_line = calls_of(batch.ledger), Counter(entry["input_tokens"] for entry in journal)
    rows_of_line: dict[int, list[sqlite3.Row]] = {}
    for row in rows:
        rows_of_line.setdefault(count_input(row["prompt"]) + MESSAGE_OVERHEAD, []).append(row)
    again = {tokens: times for tokens, times in by_line.items() if times > 1}
    findings.figure(f"{batch.lines:,} lines, {kills} kills, {len(journal):,} requests, {len(again)} lines asked again")
    findings.expect(kills > 0, "it was never hit: nothing was tried")
    findings.expect(len(journal) <= batch.lines + kills * _IN_FLIGHT, "more was asked again than was in flight")
    for tokens, times in by_line.items():
        of_it = rows_of_line.get(tokens, [])
        sent = sum(row["sent_at"] is not None for row in of_it)
        cut = sum(row["run_status"] != "complete" for row in of_it)
        findings.expect(sent >= times, f"a line was asked {times} times and has {sent} rows of sent calls")
        findings.expect(times <= 1 + cut, f"a line was asked {times} times, and {cut} of them were cut off")
    bills: dict[int, set[int]] = {}  # of a line: asked again, it may be read from the provider's cache
    for entry in journal:
        bills.setdefault(entry["input_tokens"], set()).add(bill_of(entry, models))
    for row in rows:
        paid = bills.get(count_input(row["prompt"]) + MESSAGE_OVERHEAD, set())
        if row["status"] == "completed":
            findings.expect(row["cost_nanousd"] in paid, f"billed {paid}, completed at {row['cost_nanousd']}")
    with reading(batch.ledger) as connection:
        committed = committed_nanousd(connection)
    findings.expect(committed >= billed(journal, models), f"billed {billed(journal, models)}, recorded {committed}")


def _expect_all_there(batch: _Batch, findings: Findings) -> None:
    """Each line once, answered, in the order of the input; nothing is left in the outbox."""
    found = [json.loads(line) for line in batch.answers.read_text(encoding="utf-8").splitlines()]
    in_order = [each["line"] for each in found] == list(range(1, batch.lines + 1))
    findings.expect(in_order, f"{batch.name}: the output has {len(found)} lines of {batch.lines}, or not in order")
    left = [each for each in found if each["status"] != "complete"]
    findings.expect_none([each["line"] for each in left], f"{batch.name}: lines without an answer")
    with reading(batch.ledger) as connection:
        (pending,) = connection.execute("SELECT count(*) FROM batch_results").fetchone()
    findings.expect(pending == 0, f"{batch.name}: {pending} results are still in the outbox")


def _reach_cap(batch: _Batch, provider: Simulator, models: Mapping[str, Model], findings: Findings) -> None:
    """A cap that is reached in the middle; with a higher one it is finished."""
    cap = billed_by(batch, models) // 2
    code = batch.command("--max-cost", f"{cap / 1e9:.9f}").finish()
    findings.expect(code == 10, f"with its cap reached, the batch exited {code}")
    found = [json.loads(line) for line in batch.answers.read_text(encoding="utf-8").splitlines()]
    statuses = Counter(each["status"] for each in found)
    findings.figure(f"cap: {statuses['complete']} of {batch.lines} answered")
    findings.expect(len(found) == batch.lines, f"with its cap reached, the output has {len(found)} lines")
    findings.expect(statuses["complete"] > batch.lines // 4, f"a cap of half the cost: {dict(statuses)}")
    why = {each["error"]["code"] for each in found if each["status"] == "not_asked"}
    findings.expect(why == {"budget"}, f"lines that were not asked say {why}")
    journal = provider.settled_journal()
    findings.expect(billed(journal, models) <= cap, f"the cap was {cap}, and {billed(journal, models)} was billed")
    code = batch.command("--max-cost", "1000").finish()
    findings.expect(code == 0, f"with a higher cap, the batch exited {code}")
    _expect_all_there(batch, findings)
    expect_consistent(batch.ledger, findings)


def billed_by(batch: _Batch, models: Mapping[str, Model]) -> int:
    """About what the whole batch costs, by the ledger of the one that was killed."""
    with reading(batch.trial.folder / "killed.db") as connection:
        query = "SELECT sum(cost_nanousd) FROM calls WHERE status = 'completed'"
        return int(connection.execute(query).fetchone()[0])


CHECK = Check(
    name="batch",
    promise="a batch that is killed goes on: each answered line is asked once and written once, and a cap holds",
    counts="kills",
    small=Size(8),
    full=Size(50),
    run=_run,
)
