from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from report_recording import UNPRICED, Recorder, recording

from orchestrator.report.aggregate import summarise
from orchestrator.report.export import Rows, columns
from orchestrator.report.model import By
from orchestrator.report.selection import Selection
from orchestrator.report.stats import stats

recorder = pytest.fixture(recording)
REAL = Selection(simulated=False)
NOW = datetime(2026, 11, 18, 20, tzinfo=UTC)
DOCUMENT = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")


def section(title: str) -> set[str]:
    """The names in code marks under a heading of the document, until the next heading of that rank."""
    text = DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    marked = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return set(re.findall(r"[a-z_0-9]+", " ".join(marked)))


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys(item) for item in value.values()))
    return set().union(*(keys(item) for item in value)) if isinstance(value, list) else set()


@pytest.fixture
def filled(recorder: Recorder) -> Recorder:
    recorder.run({"cost_nanousd": 1_800_000, "latency_ms": 230}, UNPRICED, prompt="why?", confidence=0.85)
    return recorder


def test_every_key_of_a_report_is_documented(filled: Recorder) -> None:
    found = summarise(filled.ledger, REAL, by=By.STRATEGY).to_dict()
    assert keys(found) <= section("Report") | {"strategy"}  # a dimension
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_every_key_of_the_statistics_is_documented(filled: Recorder) -> None:
    found = stats(filled.ledger, REAL, now=NOW).to_dict()
    assert keys(found) <= section("Statistics") | section("Report")
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("rows", list(Rows), ids=str)
def test_every_exported_column_is_documented_in_its_order(rows: Rows) -> None:
    documented = re.sub(r"\s+", " ", DOCUMENT)
    assert ", ".join(f"`{name}`" for name in columns(rows, text=False)) in documented
    texts = columns(rows, text=True)[len(columns(rows, text=False)) :]
    assert texts == ("system", "prompt", "response")


def test_a_report_s_head_and_figures(filled: Recorder) -> None:
    found = summarise(filled.ledger, Selection(simulated=False, category=None, tag=None), by=By.MODEL).to_dict()
    assert {name: found[name] for name in ("schema_version", "kind", "simulated", "by", "category", "tag")} == {
        "schema_version": 1, "kind": "report", "simulated": False, "by": "model", "category": None, "tag": None,
    }  # fmt: skip
    (group,) = found["groups"]
    expected = {"key": "small", "cost_nanousd": 1_800_000, "cost": 0.0018, "cost_is_lower_bound": True}
    assert expected.items() <= group.items()
    assert (group["multi_model_share"], found["total"]["success_rate"]) == (None, 1.0)
