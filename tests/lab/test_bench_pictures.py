"""What a bench shows: tables, charts and a page."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_answers import WEAK, bench, items

import orchestrator.report.charting as charting
import orchestrator.report.drawing as drawing
from orchestrator.errors import ConfigError, UsageError
from orchestrator.lab.charts import page, picture, reliability
from orchestrator.lab.pareto import frontier
from orchestrator.lab.records import Item
from orchestrator.lab.report import BenchReport, LedgerReport, SetReport
from orchestrator.lab.text import text_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SetReport:
    return bench(tmp_path_factory.mktemp("bench"), items(40), sweep=(0.2, 0.8), models=(WEAK, "odd-3"))


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_the_frontier_is_what_no_other_point_beats(points: list[tuple[int, int]]) -> None:
    on = frontier([(float(x), float(y)) for x, y in points])

    def beaten(x: int, y: int) -> bool:
        return any(a <= x and b >= y and (a, b) != (x, y) for a, b in points)

    assert {points[index] for index in on} == {point for point in points if not beaten(*point)}
    assert len(on) == len({points[index] for index in on})
    assert frontier([(None, 1.0), (1.0, None)]) == set()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_report_fits_its_width(found: SetReport, width: int) -> None:
    lines = list(text_of(BenchReport([found], found.confidence[0], 0, 20), width))
    assert max(map(len, lines)) <= width
    assert all(line.isascii() for line in lines)
    text = "\n".join(lines)
    for word in (
        "all weak",
        "all odd-3",
        "random",
        "oracle",
        "routing",
        "cascade",
        "ensemble",
        "APGR",
        "ECE",
        "Pareto",
    ):
        assert word in text


def test_every_figure_has_its_interval_in_the_table(found: SetReport) -> None:
    lines = list(text_of(BenchReport([found], None, 0, 20), 80))
    row = next(line for line in lines if line.lstrip("* ").startswith("cascade 0.7") and "%" in line)
    assert len(re.findall(r"\[[0-9.]+, [0-9.]+\]", row)) == 3


def test_the_curve_is_a_table_from_no_strong_calls_to_all(found: SetReport) -> None:
    lines = list(text_of(BenchReport([found], None, 0, 20), 80))
    start = next(place for place, line in enumerate(lines) if line.startswith("  routing by strong calls"))
    rows = [line.split() for line in lines[start + 1 : start + 12]]
    assert [row[0] for row in rows] == [f"{share}%" for share in range(0, 101, 10)]
    assert rows[0][1] == f"{found.rows[0].quality.value:.3f}"
    assert rows[-1][1] == f"{found.rows[1].quality.value:.3f}"


def report_of(*sets: SetReport) -> BenchReport:
    return BenchReport(sets, sets[0].confidence[0], 0, 20)


def specs(written: str) -> list[Any]:
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', written)]


def texts(drawn: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(drawn).iter(f"{SVG}text")]


def test_the_picture_has_every_way_of_every_set_and_fetches_nothing(found: SetReport) -> None:
    drawn = picture(report_of(found, found))
    for row in found.rows:
        assert texts(drawn).count(row.name) == 2
    assert texts(drawn).count("$ per 1,000 prompts") == 2
    assert "cascade, all thresholds (95% band)" in texts(drawn)
    assert not re.search(r"(?:href|src|url\(|@import|<script)", drawn)


def test_the_share_of_strong_calls_stands_in_where_costs_are_unknown(tmp_path: Path) -> None:
    drawn = texts(picture(report_of(bench(tmp_path, items(), prices={}))))
    assert {"share of strong calls", "100%", "all weak", "all strong"} <= set(drawn)
    assert "$ per 1,000 prompts" not in drawn


def test_a_chart_has_the_figures_and_their_intervals(found: SetReport) -> None:
    marks = {value["name"]: value for value in specs(page(report_of(found)))[0]["layer"][5]["data"]["values"]}
    for row in found.rows:
        assert row.cost_nanousd is not None
        assert marks[row.name]["x"] == pytest.approx((row.cost_nanousd.value or 0) / 1e6)
        assert (marks[row.name]["y"], marks[row.name]["y_low"], marks[row.name]["y_high"]) == (
            row.quality.value,
            row.quality.low,
            row.quality.high,
        )


def test_no_two_names_stand_in_the_same_place(found: SetReport) -> None:
    labels = specs(page(report_of(found)))[0]["layer"][6]["data"]["values"]
    assert len({(round(label["x"], 3), round(label["label"], 3)) for label in labels}) == len(labels)


def test_the_page_has_all_tables_and_charts_and_fetches_nothing(found: SetReport) -> None:
    written = page(report_of(found))
    assert len(specs(written)) == 1 + len(found.confidence) + 1
    script = drawing.vl_convert().javascript_bundle()
    assert script in written
    rest = written.replace(script, "")
    assert rest.count("<table") == 8
    assert not re.search(r"(?:href=|src=|url\(|@import)", rest)


def test_what_the_confidence_was_worth_is_drawn_of_a_ledger_without_a_set(found: SetReport) -> None:
    own = LedgerReport("mine", 3, [], [], found.confidence[:1], 0)
    assert found.confidence[0].name in texts(picture(BenchReport([], None, 0, 20, ledger=own)))
    with pytest.raises(UsageError, match="nothing to draw"):
        picture(BenchReport([], None, 0, 20, ledger=replace(own, confidence=[])))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1


def tags(written: str) -> Counter[str]:
    parser = _Tags()
    parser.feed(written)
    return parser.seen


def test_names_cannot_write_into_the_page(tmp_path: Path) -> None:
    def report(name: str) -> SetReport:
        outcomes = [{name: item.outcomes[WEAK], "b": item.outcomes["vast-2"]} for item in items()]
        recorded = [Item(item.id, item.task, item.prompt, each) for item, each in zip(items(), outcomes, strict=True)]
        return bench(tmp_path, recorded, weak=name, strong="b")

    name = "</script><script>alert('&\")</script><!--<img src=x onerror=alert(1)>"
    hostile, plain = report(name), report("a")
    assert tags(page(report_of(hostile))) == tags(page(report_of(plain)))
    assert name in specs(page(report_of(hostile)))[0]["title"]
    assert any(name in text for text in texts(picture(report_of(hostile))))
    assert name in texts(charting.svg(reliability(hostile.confidence[0])))


@pytest.mark.parametrize(
    "character", ["\x00", "\x01", "\x1b", "\x9b", "\u202e", "\ufffe", "\uffff", "\ud800"], ids=ascii
)
def test_a_character_that_xml_does_not_know_is_replaced_in_pictures_and_pages(character: str) -> None:
    name = f"a{character}b"
    spec = {"title": name, "data": {"values": [{"x": name, "y": 1}]}, "mark": "bar", "encoding": {"x": {"field": "x"}}}
    assert "a\ufffdb" in texts(charting.svg(spec))
    page = charting.page(name, [charting.heading(name), charting.table([name], [[name]]), charting.chart(spec)])
    assert character not in page.removesuffix(page[page.index("<noscript>") :])
    assert page.count("a\ufffdb") == 7


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ConfigError, match="vl-convert") as refused:
        drawing.vl_convert()
    assert refused.value.hint == "pip install 'orch-llm[charts]'"
