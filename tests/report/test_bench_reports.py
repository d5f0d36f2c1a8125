"""The measurement of reports, small: every kind of command that it asks works on its ledger, and the SQL beside it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from orchestrator.ledger.store import Ledger


def test_every_command_that_is_measured_works(
    orch: Callable[..., CompletedProcess[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2] / "scripts")])
    bench, path = import_module("bench_reports"), tmp_path / "ledger.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCH_LEDGER", str(path))
    bench.fill(path, runs=60, days=3, schema=8)
    Ledger.open(path).close()
    for command, queries in bench.CASES.items():
        if "--html" not in command and ("--period all --by" not in command or "hour,model" in command):
            done = orch(*command.split())
            assert (done.returncode, command) == (0, command), done.stderr
        with closing(sqlite3.connect(path)) as connection:
            assert any(connection.execute(query).fetchall() for query in queries)
