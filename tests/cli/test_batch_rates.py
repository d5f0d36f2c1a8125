"""Batch rates where users see them: in the list of models, in a plan, and not in the ledger."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = subprocess.CompletedProcess[bytes]
Orch = Callable[..., Run]


def document(run: Run) -> dict[str, Any]:
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert isinstance(found, dict)
    return found


def test_the_list_of_models_has_the_batch_rates_that_are_known(orch: Orch) -> None:
    rates = {
        model["name"]: (model["batch_input_per_million"], model["batch_output_per_million"])
        for model in document(orch("models", "-o", "json"))["models"]
    }
    assert rates["claude-opus-5-5"] == ("2.0", "10.0")
    assert rates["gpt-4o"] == ("1.25", "5")
    assert rates["deepseek-v4-pro"] == (None, None)


def test_a_plan_says_what_the_same_calls_would_cost_by_batch(orch: Orch) -> None:
    ask = ("plan", "--simulate", "-p", "Why?", "--chain")
    found = document(orch(*ask, "claude-opus-5-5", "-o", "json"))
    halved = {bound: -(-cost // 2) for bound, cost in found["cost_nanousd"].items()}
    assert found["batch_cost_nanousd"] == halved
    assert b"by the providers' batch APIs" in orch(*ask, "claude-opus-5-5", "-v").stdout
    unknown = document(orch(*ask, "claude-opus-5-5,deepseek-v4-pro", "-o", "json"))
    assert unknown["batch_cost_nanousd"]["maximum"] is None
    assert b"batch" not in orch(*ask, "claude-opus-5-5,deepseek-v4-pro", "-v").stdout


def test_a_call_is_recorded_at_the_usual_rates(orch: Orch, tmp_path: Path) -> None:
    ledger = ("--simulate", "--ledger", str(tmp_path / "ledger.db"))
    assert orch("run", "-p", "Why?", "--chain", "claude-opus-5-5", *ledger).returncode == 0
    with sqlite3.connect(tmp_path / "ledger.db") as raw:
        ((price,),) = raw.execute("SELECT price FROM calls").fetchall()
    assert json.loads(price)["rates"]["input"] == "4"
    assert "batch" not in price
