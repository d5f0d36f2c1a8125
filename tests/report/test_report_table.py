from __future__ import annotations

import io
import re
import subprocess
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from report_recording import NOON, UNPRICED, Recorder, recording, unsettled
from rich.console import Console, RenderableType

from orchestrator.money import format_short
from orchestrator.period import Period
from orchestrator.report.aggregate import summarise
from orchestrator.report.dimensions import grouping
from orchestrator.report.model import By, Group, Report
from orchestrator.report.period import resolve
from orchestrator.report.selection import Selection
from orchestrator.report.stats import stats
from orchestrator.report.table import ReportTable, StatsTable

NOW = datetime(2026, 11, 18, 20, tzinfo=ZoneInfo("Europe/Berlin"))
recorder = pytest.fixture(recording)
REAL = Selection(simulated=False)


def shown(renderable: RenderableType, *, width: int = 80, encoding: str = "utf-8") -> str:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(renderable)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return out.buffer.getvalue().decode(encoding)


def by(recorder: Recorder, by: By, selection: Selection = REAL, *, width: int = 80, encoding: str = "utf-8") -> str:
    return shown(ReportTable(summarise(recorder.ledger, selection, by=by)), width=width, encoding=encoding)


def line_of(text: str, name: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(name)]
    return line


def test_a_report_has_a_row_a_group_a_bar_to_scale_and_the_total(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 4_000_000_000, "input_tokens": 1_500, "output_tokens": 2_500_000, "confidence": 0.9})
    recorder.run({"model": "tiny", "cost_nanousd": 1_000_000_000})
    text = by(recorder, By.MODEL)
    assert line_of(text, "small").split() == ["small", "1", "1", "1.5k", "2.5M", "0.90", "$4.00", "█" * 12]
    assert line_of(text, "tiny").split() == ["tiny", "1", "1", "0", "0", "-", "$1.00", "█" * 3]
    assert line_of(text, "Total").split() == ["Total", "2", "2", "1.5k", "2.5M", "0.90", "$5.00"]


def test_bars_show_calls_when_nothing_cost_anything(recorder: Recorder) -> None:
    recorder.run({"model": "small"}, {"model": "small"}, {"model": "tiny"})
    text = by(recorder, By.MODEL)
    assert line_of(text, "small").count("█") == 12
    assert line_of(text, "tiny").count("█") == 6


def test_a_cost_too_small_for_a_bar_still_has_one(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 10**12}, {"model": "tiny", "cost_nanousd": 1})
    assert "▏" in line_of(by(recorder, By.MODEL), "tiny")
    assert line_of(by(recorder, By.MODEL, encoding="ascii"), "tiny").count("#") == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_console_that_is_not_unicode_gets_ascii(recorder: Recorder, encoding: str) -> None:
    recorder.run(
        {"model": "模型", "cost_nanousd": 5_000_000}, {"model": "模型", **UNPRICED}, prompt="日本", category="é"
    )
    for text in (
        by(recorder, By.MODEL, encoding=encoding, width=200),
        by(recorder, By.CATEGORY, encoding=encoding, width=20),
        shown(StatsTable(stats(recorder.ledger, REAL, now=NOW)), encoding=encoding),
    ):
        assert text.isascii()
    row = line_of(by(recorder, By.MODEL, encoding=encoding), "\\u6a21\\u578b")
    assert ">= $0.005" in row
    assert row.count("#") == 12


def test_names_are_shown_as_they_are_and_not_obeyed(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 1}, category="[red]x[/red][link=http://a]\x1b[31m\x07\u202e")
    recorder.run({}, category="[/]")
    text = by(recorder, By.CATEGORY, width=120)
    assert "[red]x[/red][link=http://a][31m " in text
    assert "[/]" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_runs_without_a_category_are_shown(recorder: Recorder) -> None:
    recorder.run({})
    assert line_of(by(recorder, By.CATEGORY), "(none)")


def test_a_lower_bound_is_marked_and_explained(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 123_456_789}, UNPRICED, {"model": "unknown", **UNPRICED})
    text = by(recorder, By.MODEL)
    assert "≥ $0.1234 " in line_of(text, "small")
    assert "unpriced" in line_of(text, "unknown")
    assert "≥ $0.1234" in line_of(text, "Total")
    assert "2 calls of unknown price" in text


def test_what_is_reserved_is_said_beside_the_cost(recorder: Recorder) -> None:
    recorder.run(unsettled(2_000_000))
    assert "1 call not settled, $0.002 reserved beside the cost" in by(recorder, By.DAY)


def test_a_run_that_counts_twice_is_explained(recorder: Recorder) -> None:
    recorder.run({"model": "small"})
    assert "counts once for every" not in by(recorder, By.MODEL)
    recorder.run({"model": "small"}, {"model": "large"})
    assert "counts once for every model" in by(recorder, By.MODEL)


def test_the_heading_says_what_is_counted(recorder: Recorder) -> None:
    within = resolve(Period.WEEK, now=NOW)
    selection = Selection(simulated=True, within=within, category="work", tag="x")
    heading, nothing = by(recorder, By.MODEL, selection, width=120).splitlines()
    assert heading == "By model: this week, 2026-11-16 to 2026-11-18; category work; tag x; simulated runs"
    assert nothing == "no runs in this period"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 160, 200])
def test_no_figure_loses_a_digit_at_any_width(recorder: Recorder, width: int) -> None:
    recorder.run(*[{"model": "a-rather-long-name-of-a-model/with-a-suffix", "cost_nanousd": 123_456_000_000}] * 3)
    recorder.run(prompt="why is the sky blue?", confidence=0.5)
    texts = [by(recorder, By.MODEL, width=width), shown(StatsTable(stats(recorder.ledger, REAL, now=NOW)), width=width)]
    for text in texts:
        assert "$370.37" in text
        assert "-name" in "".join(re.findall(r"^\S+", text, re.MULTILINE)) or "Today" in text
    if width >= 80:
        assert all(len(line) <= width for text in texts for line in text.splitlines())


def test_names_are_not_broken_as_long_as_there_are_figures_to_leave_out(recorder: Recorder) -> None:
    names = ["gpt-6-luna", "gemini-2.5-flash-lite-preview-2026"]
    for name in names:
        counts = {"input_tokens": 1_000, "output_tokens": 10, "latency_ms": 5, "confidence": 0.5}
        recorder.run({"model": name, "cost_nanousd": 123_400_000, **counts})
    few = "Runs Calls Input Output"
    heads = {52: "Calls Cost", 60: "Runs Calls Cost", 80: f"{few} Cost", 100: f"{few} Call conf. Cost"}
    for width, figures in heads.items():
        text = by(recorder, By.MODEL, width=width)
        assert " ".join(line_of(text, "Model").split()[1:]) == figures
        assert [line_of(text, name).split()[0] for name in names] == names
    assert "█" in line_of(by(recorder, By.MODEL, width=100), names[0])


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_table_of_many_rows_looks_like_one_of_few(width: int) -> None:
    groups = [
        Group(key=f"模 {n:03}", keys=(f"模 {n:03}",), runs=1, calls=n % 2, cost_nanousd=10**9 * (n % 8 + 1))
        for n in range(600)
    ]
    few, many = (
        shown(ReportTable(Report(grouping(By.CATEGORY), REAL, tuple(some), groups[7])), width=width).splitlines()
        for some in (groups[:8], groups)
    )
    assert [line.rstrip() for line in (*many[:11], *many[-2:])] == [line.rstrip() for line in few]
    assert len(many) == len(few) + 592


def test_more_room_shows_more_columns(recorder: Recorder) -> None:
    recorder.run({"latency_ms": 1_250, "cost_nanousd": 1}, {"latency_ms": 80, "status": "failed"}, latency_ms=9_000)
    header, row = (line_of(by(recorder, By.STRATEGY, width=200), name) for name in ("Strategy", "fallback"))
    assert header.split() == [
        "Strategy", "Runs", "Calls", "Failed", "Success", "Several", "models", "Input", "Output", "Run", "p50", "Run",
        "p95", "Cost", "Share",
    ]  # fmt: skip
    assert row.split()[1:] == [
        "1", "2", "1", "100%", "0%", "0", "0", "9.0", "s", "9.0", "s", "$0.000000001", "100%", "█" * 12,
    ]  # fmt: skip
    header, row = (line_of(by(recorder, By.MODEL, width=200), name) for name in ("Model", "small"))
    assert ("Call p95" in header, "Run p95" in header, "1.2 s" in row) == (True, False, True)


def test_statistics_show_windows_models_and_the_latest_runs(recorder: Recorder) -> None:
    run_id = recorder.run({"cost_nanousd": 5_000_000}, at=NOON, prompt="why [b]?", model_used="small", confidence=0.75)
    text = shown(StatsTable(stats(recorder.ledger, REAL, now=NOW)), width=120)
    assert "Share" not in text
    for window in ("Today", "This week", "This month", "All time"):
        assert "$0.005" in line_of(text, window)
    assert line_of(text, "Cheapest model") == "Cheapest model small: 1 call, $0.005 a call on average"
    assert line_of(text, run_id).split() == [
        run_id, "2026-11-18", "13:00", "fallback", "small", "0.75", "$0.005", "why", "[b]?",
    ]  # fmt: skip


def test_statistics_of_an_empty_ledger_say_so(recorder: Recorder) -> None:
    assert shown(StatsTable(stats(recorder.ledger, REAL, now=NOW))).splitlines() == [
        "all time",
        "no runs in this period",
    ]


def test_a_long_or_wide_prompt_stays_on_its_line(recorder: Recorder) -> None:
    ids = [recorder.run({"cost_nanousd": 1}, prompt=prompt) for prompt in ("日" * 60, "x" * 60)]
    lines = shown(StatsTable(stats(recorder.ledger, REAL, now=NOW)), width=90).splitlines()
    latest = lines[lines.index("") + 1 :]
    assert len(latest) == 4  # a header, a rule and two runs
    for line, run_id in zip(latest[2:], reversed(ids), strict=True):
        assert line.split()[:4] == [run_id, "2026-11-18", "13:00", "$0.000000001"]


@pytest.mark.parametrize(
    ("nanousd", "nearest", "at_most"),
    [
        (None, "unpriced", "unpriced"),
        (0, "$0.00", "$0.00"),
        (1, "$0.000000001", "$0.000000001"),
        (1_800_000, "$0.0018", "$0.0018"),
        (1_234_567, "$0.001235", "$0.001234"),
        (99_999_999, "$0.10", "$0.09999"),
        (12_345_678_901, "$12.35", "$12.34"),
        (1_234_567_890_123, "$1,234.57", "$1,234.56"),
        (-1_234_567, "-$0.001235", "-$0.001234"),
    ],
)
def test_money_for_reading_has_cents_or_four_digits(nanousd: int | None, nearest: str, at_most: str) -> None:
    assert (format_short(nanousd), format_short(nanousd, at_most=True)) == (nearest, at_most)


def test_rich_is_loaded_for_tables_alone() -> None:
    modules = ["aggregate", "export", "stats", "period", "model", "formats", "selection"]
    imports = "; ".join(f"import orchestrator.report.{name}" for name in modules)
    code = f"{imports}; import sys; print('rich' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "False"
