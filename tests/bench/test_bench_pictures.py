"""What a bench shows: tables, characters, SVG and a page."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_answers import WEAK, bench, items

from orchestrator.bench.chart import chart
from orchestrator.bench.page import page
from orchestrator.bench.pareto import frontier
from orchestrator.bench.plot import plot_of, tick_label, ticks
from orchestrator.bench.report import BenchReport, SetReport
from orchestrator.bench.svg import picture, reliability
from orchestrator.bench.text import text_of

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


@given(st.floats(-5, 5), st.floats(0.001, 100), st.integers(2, 10))
def test_ticks_are_round_and_within(low: float, span: float, about: int) -> None:
    marked = ticks(low, low + span, about)
    assert all(low - 1e-6 <= value <= low + span + 1e-6 for value in marked)
    assert len(marked) <= about + 1
    assert len({tick_label(value, marked[1] - marked[0]) for value in marked}) == len(marked) if marked[1:] else True


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
    (row,) = [line for line in lines if line.lstrip("* ").startswith("cascade 0.6") and "%" in line]
    assert len(re.findall(r"\[[0-9.]+, [0-9.]+\]", row)) == 3


def test_the_chart_shows_every_way_and_says_what_each_sign_is(found: SetReport) -> None:
    lines = list(chart(plot_of(found), 80))
    legend = "   ".join(lines[21:])
    for row in found.rows:
        assert row.name in legend
    drawn = "\n".join(lines[1:18])
    for part in legend.split("   "):
        assert part[0] in drawn or "(at " in part


def test_a_chart_of_shares_stands_in_where_costs_are_unknown(tmp_path: Path) -> None:
    plot = plot_of(bench(tmp_path, items(), prices={}))
    assert not plot.x_is_cost
    assert "100%" in "\n".join(chart(plot, 80))
    assert {mark.name for mark in plot.marks} >= {"all weak", "all strong"}
    ElementTree.fromstring(picture([plot]))


def test_the_picture_is_a_document_of_its_own(found: SetReport) -> None:
    drawn = picture([plot_of(found), plot_of(found)])
    root = ElementTree.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    texts = [element.text for element in root.iter(f"{SVG}text")]
    for row in found.rows:
        assert texts.count(row.name) == 2
    assert "$ per 1,000 prompts" in texts
    assert "quality" in texts
    assert not re.search(r"(?:href|src|url|@import|<script)", drawn)
    numbers = [float(number) for number in re.findall(r"[xy][12]?='(-?[0-9.]+)'", drawn)]
    assert min(numbers) >= 0
    assert max(numbers) <= 940


def test_the_page_has_all_tables_and_pictures_and_fetches_nothing(found: SetReport) -> None:
    written = page(BenchReport([found], found.confidence[0], 0, 20))
    assert written.count("<svg") == 1 + len(found.confidence) + 1
    assert written.count("<table") == 5
    assert not re.search(r"(?:href|src|url\(|@import|<script)", written)


def test_names_cannot_write_into_the_page(tmp_path: Path) -> None:
    name = "<script>alert('&\")</script>"
    recorded = [
        type(item)(item.id, item.task, item.prompt, {name: item.outcomes[WEAK], "b": item.outcomes["vast-2"]})
        for item in items()
    ]
    report = bench(tmp_path, recorded, weak=name, strong="b")
    written = page(BenchReport([report], None, 0, 20))
    assert "<script" not in written
    ElementTree.fromstring(picture([plot_of(report)]))
    for calibration in report.confidence:
        ElementTree.fromstring(reliability(calibration))
