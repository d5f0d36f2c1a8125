"""docs/bench.md and docs/json.md against the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from documents import block, names, rows, section
from recorded_answers import OTHER, STRONG, WEAK, bench, items

from orchestrator.cli.commands.bench import _BenchFlags
from orchestrator.lab.own_runs import observe
from orchestrator.lab.policies import Source
from orchestrator.lab.reading import read_items
from orchestrator.lab.records import Asked, Item, RecordedOutcome
from orchestrator.lab.report import BenchReport

DOCS = Path(__file__).resolve().parents[2] / "docs"
BENCH, JSON = ((DOCS / name).read_text("utf-8") for name in ("bench.md", "json.md"))


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found = bench(tmp_path_factory.mktemp("bench"), items(), sweep=(0.5,), models=(WEAK, OTHER, STRONG))
    ledger = observe("ledger", [], 0, resamples=0, seed=0)
    return BenchReport([found], found.confidence[0], 0, 20, {"split": None, "limit": None}, ledger).to_dict()


def keys(text: str) -> set[str]:
    """Whatever stands between quotation marks in code marks."""
    return {key for marked in re.findall(r"`(\{[^`]+\})`", text) for key in re.findall(r'"(\w+)"', marked)}


def test_every_key_of_the_object_is_documented_and_no_other(document: dict[str, Any]) -> None:
    (found,) = document["sets"]
    assert names(section(JSON, "Bench"), "key") == set(document)
    assert names(section(JSON, "Sets"), "key") == set(found)
    documented = {name for row in rows(section(JSON, "Sets"), "row") for name in re.findall(r"`([^`]+)`", row[0])}
    assert documented == set(found["strategies"][0]) == set(found["sweep"][0])
    assert names(section(JSON, "Rated runs"), "key") == set(document["ledger"])
    inner = [*found["models"], *found["orderings"], *found["confidence"]]
    inner += [found["orderings"][0]["curve"][0], found["confidence"][0]["bins"][0], {"input": 1, "output": 1}]
    verdict = found["verdict"]
    inner += [*found["cross_validation"], verdict, *verdict["strategies"], *verdict["cheap_models"]]
    assert keys(section(JSON, "Sets")) == {key for each in inner for key in each}
    assert keys(section(JSON, "Bench")) == {"value", "low", "high", *document["selection"]}


def test_every_source_of_a_figure_is_documented() -> None:
    for source in Source:
        assert f"`{source.value}`" in section(JSON, "Sets")


def test_the_example_of_the_format_is_read(tmp_path: Path) -> None:
    example = block(BENCH, "json", '{"id": "sum-1"')
    (tmp_path / "a.jsonl").write_text(" ".join(example.split("\n")) + "\n")
    (item,) = read_items(tmp_path / "a.jsonl")
    assert item.outcomes["small"] == RecordedOutcome(0.0, "5", 9, 1, 80)


def test_every_key_of_the_format_is_documented() -> None:
    text = section(BENCH, "Files")
    fields = {*Item.__slots__, *RecordedOutcome.__slots__}
    assert names(text, "key") == fields - {"cost_nanousd", "rescaled"}
    assert "`cost_nanousd`" in text
    for key in Asked.__slots__:
        assert f"`{key}`" in section(BENCH, "Live")


def test_options_that_are_documented_exist() -> None:
    known = {f"--{name.replace('_', '-')}" for name in _BenchFlags.__dataclass_fields__} | {"--threshold", "--accept"}
    assert set(re.findall(r"--[a-z]+(?:-[a-z]+)*", BENCH)) <= known


def test_the_json_has_no_number_that_json_cannot_hold(document: dict[str, Any]) -> None:
    json.dumps(document, allow_nan=False)
