"""What it was worth: rented GPUs, savings by tier, targets, and the windows of five hours."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_recording import NOON, Recorder, recording

from orchestrator.config import Machine
from orchestrator.ledger.records import RunStatus
from orchestrator.money import NANO_PER_DOLLAR
from orchestrator.report.baseline_sums import BASELINE, tier_sums
from orchestrator.report.blocks import blocks
from orchestrator.report.day_parts import read_parts
from orchestrator.report.gpu import Terms, break_even_hours, rents
from orchestrator.report.idle import idle
from orchestrator.report.savings import TierSums, TierTable, savings
from orchestrator.report.selection import Selection

recorder = pytest.fixture(recording)
REAL = Selection(simulated=False)
Orch = Callable[..., CompletedProcess[bytes]]


def test_the_usual_kinds_of_use_cost_what_the_plan_says() -> None:
    found = rents(Terms(Fraction("0.25")), None)
    assert {rent.pattern: (float(rent.month_hours), rent.month_nanousd // NANO_PER_DOLLAR) for rent in found} == {
        "light": (60, 15), "medium": (180, 45), "heavy": (360, 90), "always on": (720, 180),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "saves", "hours"),
    [
        (Terms(Fraction("0.25")), 45, 6),
        (Terms(Fraction("0.25"), 4, Fraction(3), Fraction(12)), 45, 5),
        (Terms(Fraction("0.25")), 180, 24),
        (Terms(Fraction("0.25")), 500, 24),
        (Terms(Fraction("0.25"), 6, Fraction(10), Fraction(20)), 15, None),
        (Terms(Fraction(0)), 15, None),
    ],
    ids=["six hours", "less the starts", "just always", "more than always", "the starts alone", "free"],
)
def test_it_breaks_even_where_the_rent_is_what_it_saves(terms: Terms, saves: int, hours: int | None) -> None:
    assert break_even_hours(terms, saves * NANO_PER_DOLLAR) == hours


@given(st.fractions(0, 24), st.fractions(0, 24), st.integers(0, 20), st.integers(0, 90), st.integers(0, 90))
def test_more_hours_never_cost_less_nor_more_than_always_on(
    one: Fraction, other: Fraction, starts: int, start_up: int, idle_minutes: int
) -> None:
    terms = Terms(Fraction("0.31"), starts, Fraction(start_up), Fraction(idle_minutes))
    (less, more), always = sorted((one, other)), rents(terms, None)[-1].month_nanousd
    assert rents(terms, less)[0].month_nanousd <= rents(terms, more)[0].month_nanousd <= always


def test_the_command_says_the_break_even_and_refuses_what_is_no_number(orch: Orch) -> None:
    done = orch("cost", "gpu", "--hourly", "0.25", "--hours", "6", "--saves", "60", "--buy", "900")
    assert b"pays for itself up to 8.0 hours a day" in done.stdout
    first = json.loads(orch("cost", "gpu", "--hourly", "0.25", "--hours", "6", "-o", "json").stdout)["rents"][0]
    assert (first["pattern"], first["cost_nanousd"], first["roi"]) == ("yours", 45 * NANO_PER_DOLLAR, None)
    for wrong in (["--hourly", "x"], ["--hourly", "1", "--hours", "25"], ["--hourly", "-1"], []):
        assert orch("cost", "gpu", *wrong).returncode == 2


def on_demand(start_up: int, idle_minutes: int) -> Machine:
    return Machine(("local",), date(2026, 11, 1), Decimal("0.6"), None, Decimal(start_up), Decimal(idle_minutes))


@pytest.mark.parametrize(
    ("minutes", "starts", "on"),
    [([], 0, 0), ([0], 1, 3 + 1 + 10), ([0, 5, 14], 1, 3 + 15 + 10), ([0, 60], 2, 2 * (3 + 1 + 10))],
    ids=["no call", "one", "each before the time-out", "two starts"],
)
def test_a_machine_on_demand_is_paid_around_its_calls(
    recorder: Recorder, minutes: list[int], starts: int, on: int
) -> None:
    for minute in minutes:
        at = NOON + timedelta(minutes=minute)
        recorder.run({"model": "local", "sent_at": at, "ended_at": at + timedelta(minutes=1), "cost_nanousd": 7}, at=at)
    recorder.run({"model": "other"}, at=NOON + timedelta(hours=3))
    now = NOON + timedelta(hours=6)
    localise = lambda naive: naive.replace(tzinfo=UTC)  # noqa: E731
    (found,) = idle(recorder.ledger, REAL, [on_demand(3, 10)], now=now, localise=localise)
    assert found.starts == starts
    assert found.hours * 60 == pytest.approx(on)
    assert found.cost_nanousd == on * NANO_PER_DOLLAR // 100
    assert found.busy_nanousd == 7 * len(minutes)


def of_tier(tier: str | None) -> dict[str, Any]:
    decisions = ["the chain is asked in order"] if tier is None else [f"tier {tier}: it requires design"]
    return {"strategy": "tiers", "metadata": json.dumps({"decisions": decisions})}


def tiers_of(recorder: Recorder) -> TierTable:
    return recorder.ledger.read(lambda connection: tier_sums(read_parts(connection, REAL, BASELINE)))


def test_savings_are_by_tier_and_pay_for_the_machines_or_do_not(recorder: Recorder) -> None:
    hosted = {"model": "local", "price": '{"gpu_hour": "0.25"}', "cost_nanousd": 300}
    for _ in range(4):
        recorder.run({"cost_nanousd": 1_000}, **of_tier("TASKS"))
    recorder.run({"cost_nanousd": 50_000}, **of_tier("ARCH"))
    before = tiers_of(recorder)
    assert before == {"TASKS": TierSums(4, 4_000, 0), "ARCH": TierSums(1, 50_000, 0)}
    later = {"TASKS": TierSums(10, 2_000, 3_000), None: TierSums(2, 70, 0)}
    found = savings(before, later, [], days=15)
    assert [(tier.tier, tier.expected_nanousd, tier.saved_nanousd) for tier in found.tiers] == [
        ("TASKS", 10_000, 8_000),
        (None, None, None),
    ]
    assert (found.saved_nanousd, found.gpu_nanousd, found.net_nanousd) == (8_000, 3_000, 5_000)
    assert found.roi == pytest.approx(5 / 3)
    assert (found.break_even_runs, found.a_month(found.runs)) == (8, 20)  # 3,000 of 800 a run, in half a month
    recorder.run(hosted, **of_tier(None))
    assert tiers_of(recorder)[None] == TierSums(1, 0, 300)


@pytest.mark.parametrize(
    ("targets", "code", "words"),
    [
        ("{month: 5, success_rate: 0.5, p95: 4}", 0, [b"$3.00, at most $5.00: met", b"66.7%", b"3.00 s"]),
        ("{month: 2.99}", 12, [b"at most $2.99: not met"]),
        ("{success_rate: 0.7}", 12, [b"not met"]),
        ("{p95: 2}", 12, [b"not met"]),
        ("{quality: 0.9}", 0, [b"mean rating: -, at least 0.90: not known yet"]),
        ("{}", 3, []),
        ("{p95: fast}", 3, []),
    ],
    ids=["met", "month", "success", "p95", "nothing rated", "none", "no number"],
)
def test_targets_are_met_or_not_and_cron_can_tell(
    recorder: Recorder, orch: Orch, tmp_path: Path, targets: str, code: int, words: list[bytes]
) -> None:
    today = datetime.now().astimezone()
    for status in (RunStatus.COMPLETE, RunStatus.COMPLETE, RunStatus.FAILED):
        recorder.run({"cost_nanousd": NANO_PER_DOLLAR}, at=today, status=status, latency_ms=3_000)
    (tmp_path / "config.yaml").write_text(f"targets: {targets}")
    given = ("--ledger", str(recorder.ledger.path), "--config", str(tmp_path / "config.yaml"))
    done = orch("report", *given, "--check")
    assert done.returncode == code
    for word in words:
        assert word in done.stdout
    if code in (0, 12):
        assert orch("report", *given).returncode == 0


def test_on_the_first_day_it_is_said_what_another_model_would_have_cost(recorder: Recorder, orch: Orch) -> None:
    call = {"model": "gpt-6-luna", "provider": "openai", "input_tokens": 1_000, "output_tokens": 100}
    today = datetime.now().astimezone()
    recorder.run(call | {"cost_nanousd": 150_000}, at=today, model_used="gpt-6-luna", status=RunStatus.COMPLETE)
    given = ("--ledger", str(recorder.ledger.path), "--project", "monthly", "--against", "claude-opus-5-5")
    said = orch("report", *given).stdout.decode()
    assert "today so far: 1 run for $0.00015, $0.00015 each" in said
    assert "everything on claude-opus-5-5 would have cost" in said
    projection = json.loads(orch("report", *given, "-o", "json").stdout)["projection"]
    assert (projection["days"], projection["runs"], projection["expected"]) == (0, 1, None)
    assert 0 < projection["saved_share"] < 1


@pytest.mark.parametrize(
    ("minutes", "windows"),
    [
        ([], []),
        ([17, 30, 299], [(0, 3)]),
        ([17, 300], [(0, 1), (300, 1)]),
        ([17, 340, 590], [(0, 1), (300, 2)]),
        ([59, 290, 700], [(0, 2), (660, 1)]),
    ],
    ids=["none", "one", "the next begins where it ends", "at the full hour", "after a pause"],
)
def test_windows_of_five_hours_begin_at_the_hour_of_their_first_call(
    recorder: Recorder, minutes: list[int], windows: list[tuple[int, int]]
) -> None:
    for minute in minutes:
        recorder.run({"cost_nanousd": minute, "input_tokens": 2}, at=NOON + timedelta(minutes=minute))
    found = blocks(recorder.ledger, REAL)
    assert [((block.start - NOON) / timedelta(minutes=1), block.calls) for block in found] == windows
    assert sum(block.cost_nanousd for block in found) == sum(minutes)


def test_the_open_window_is_projected_to_its_end_in_both_commands(recorder: Recorder, orch: Orch) -> None:
    now = datetime.now().astimezone()
    recorder.run({"cost_nanousd": 2_000_000_000}, at=now)
    given = ("--ledger", str(recorder.ledger.path))
    (block,) = json.loads(orch("blocks", *given, "-o", "json").stdout)["blocks"]
    assert (block["active"], block["cost_nanousd"]) == (True, 2_000_000_000)
    assert block["expected_nanousd"] > 2_000_000_000
    assert 235 <= block["minutes_left"] < 300
    line = orch("statusline", *given, "--format", "{today}|{month}|{window}|{calls}|{budget}").stdout
    assert line == b"$2.00|$2.00|$2.00|1|\n"
    assert orch("budget", "set", "--daily", "10", *given).returncode == 0
    assert b"$2.00 today, $2.00 this month, $2.00 in this window" in orch("statusline", *given).stdout
    assert orch("statusline", *given, "--format={budget}").stdout == b"20% of $10.00 a day\n"
    assert orch("statusline").stdout == b""
    for words, code in ((["--nonsense"], 2), (["--format"], 2), (["--ledger", "/"], 11)):
        assert orch("statusline", *words).returncode == code
