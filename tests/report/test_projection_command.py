"""`orch report --project`, as a user runs it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from documents import names, section
from report_recording import recording

Orch = Callable[..., CompletedProcess[bytes]]
JSON = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text("utf-8")


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    for recorder in recording(tmp_path):
        for days in range(1, 11):
            recorder.run(
                {
                    "model": "claude-haiku-5-5",
                    "provider": "anthropic",
                    "cost_nanousd": 150_000_000,
                    "input_tokens": 100_000,
                    "output_tokens": 20_000,
                },
                at=datetime.now().astimezone() - timedelta(days=days),
                model_used="claude-haiku-5-5",
            )
    return str(tmp_path / "ledger.db")


def test_a_month_and_what_one_model_would_cost(orch: Orch, ledger: str) -> None:
    run = orch("report", "--ledger", ledger, "--project", "monthly", "--against", "opus")
    assert run.returncode == 0, run.stderr
    said = run.stdout.decode()
    assert "from 10 whole days" in said
    assert "as it is                        $4.50  95 %: $4.50 to $4.50" in said
    assert "everything on claude-opus-5-5  $24.00" in said
    assert "81.2% of it" in said
    cheaper = orch("report", "--ledger", ledger, "--project", "monthly", "--against", "gpt-6-luna").stdout.decode()
    assert re.search(r"saved +-\$\d.* as it is costs \d+(\.\d+)? times that", cheaper)


def test_the_object_is_as_documented(orch: Orch, ledger: str) -> None:
    found = json.loads(orch("report", "--ledger", ledger, "--project", "monthly", "-o", "json").stdout)["projection"]
    assert names(section(JSON, "Projection"), "key") == set(found)
    assert found["expected"] == {
        "expected_nanousd": 4_500_000_000,
        "low_nanousd": 4_500_000_000,
        "high_nanousd": 4_500_000_000,
    }
    assert found["cost"] == 4.5
    assert (found["days"], found["runs"], found["model"]) == (10, 10, "claude-haiku-5-5")


def test_without_a_ledger_it_says_that_nothing_is_known(orch: Orch) -> None:
    run = orch("report", "--project", "monthly")
    assert run.returncode == 0
    assert b"no day that is over has been recorded yet" in run.stdout


@pytest.mark.parametrize(
    "argv",
    [("--against", "opus"), ("--project", "monthly", "--against", "opuss"), ("--project", "hourly")],
    ids=["nothing to project", "no such model", "no such horizon"],
)
def test_what_cannot_be_projected_is_a_usage_error(argv: tuple[str, ...], orch: Orch, ledger: str) -> None:
    assert orch("report", "--ledger", ledger, *argv).returncode == 2
