"""Turns are fair among processes that know nothing of each other but the ledger."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S

from orchestrator.ledger.rotation import advance_rotation, rotation_counts
from orchestrator.ledger.schema import MIGRATIONS
from orchestrator.ledger.store import Ledger

PROCESSES, RUNS = 4, 25

# Runs through the engine, with a provider that answers from a script.
WORKER = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from scripted import SURE, Script, Stage, reply
from orchestrator.config import RunOptions
from orchestrator.types import Prompt

folder, runs = Path(sys.argv[1]), int(sys.argv[2])
models = ("claude-haiku-5-5", "gpt-6-luna", "gemini-3.8-flash")
script = Script({name: [reply(SURE)] for name in models})
engine = Stage(folder, script).engine()
script.ledger = None  # it need not look into the ledger at each call
options = replace(RunOptions(), strategy="round-robin", models=models)

async def main():
    for _ in range(runs):
        result = await engine.run(Prompt("Why?"), options)
        assert result.status == "complete", result.error

asyncio.run(main())
"""


def test_over_4_processes_the_shares_are_equal_within_a_call(tmp_path: Path) -> None:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    argv = [sys.executable, "-c", WORKER, str(tmp_path), str(RUNS)]
    workers = [subprocess.Popen(argv, env=environ) for _ in range(PROCESSES)]
    assert [worker.wait(timeout=PATIENCE_S) for worker in workers] == [0] * PROCESSES
    connection = sqlite3.connect(tmp_path / "ledger.db")
    counts = dict(connection.execute("SELECT model, count(*) FROM calls GROUP BY model").fetchall())
    connection.close()
    assert sum(counts.values()) == PROCESSES * RUNS
    assert len(counts) == 3
    assert max(counts.values()) - min(counts.values()) <= 1


COUNTER = """
import sys
from pathlib import Path
from orchestrator.ledger.store import Ledger
from orchestrator.ledger.rotation import advance_rotation

with Ledger.open(Path(sys.argv[1]) / "ledger.db") as ledger:
    print(*(ledger.write(lambda db: advance_rotation(db, "a,b,c", simulated=False)) for _ in range(int(sys.argv[2]))))
"""


def test_400_rotation_counts_by_4_processes_are_400_different_ones(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", COUNTER, str(tmp_path), "100"]
    workers = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    turns = [int(turn) for worker in workers for turn in worker.communicate(timeout=PATIENCE_S)[0].split()]
    assert sorted(turns) == list(range(400))


def test_each_ring_counts_for_itself_and_simulated_runs_for_themselves(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert [ledger.write(lambda db: advance_rotation(db, "a,b", simulated=False)) for _ in range(3)] == [0, 1, 2]
        assert ledger.write(lambda db: advance_rotation(db, "a,c", simulated=False)) == 0
        assert ledger.write(lambda db: advance_rotation(db, "a,b", simulated=True)) == 0
        assert rotation_counts(ledger, simulated=False) == {"a,b": 3, "a,c": 1}


@pytest.mark.parametrize("version", [5, 6])
def test_a_ledger_from_before_there_were_turns_is_migrated(tmp_path: Path, version: int) -> None:
    connection = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    for statements in MIGRATIONS[:version]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.write(lambda db: advance_rotation(db, "a", simulated=False)) == 0
        columns = {row["name"] for row in ledger.read(lambda db: db.execute("PRAGMA table_info(runs)").fetchall())}
    assert {"experiment", "arm", "subject_sha256"} <= columns
