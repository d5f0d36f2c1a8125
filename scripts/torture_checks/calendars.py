"""Calls around the odd hours of the calendar: each counts towards exactly one day, week and month, and sums agree."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from orchestrator.config import RunOptions, load_settings
from orchestrator.errors import BudgetError
from orchestrator.ledger.budgets import Budget, Scope, budget_states, set_budgets
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period
from orchestrator.registry.loading import registry_for
from orchestrator.run.engine import Engine
from orchestrator.types import Prompt

from .bill import Simulator, simulator
from .check import Check, Findings, Size, Trial
from .client import Command
from .models import one_a_wire, write_models
from .rows import Row, calls_of, committed_nanousd, expect_consistent, reading

_STEP = timedelta(milliseconds=400)  # by which the clock goes on each time that it is looked at
_EDGES = 3  # calls that begin this few steps before a midnight, to end after it
_BACK = timedelta(hours=1)
_MAX_TOKENS = 64
_LEAST_CALLS_A_DAY = 6  # of worst case, that the budget of a day has room for
_DAYS = 10  # longer than any span: a day has room for a part of the calls that are tried in it
_MODEL = "torture-openai"


@dataclass(frozen=True, slots=True)
class _Span:
    """Days in a time zone; with `set_back`, the clock is put back an hour after each call, and forward again."""

    zone: str
    first: date
    days: int
    why: str
    set_back: bool = False

    def __str__(self) -> str:
        return f"{self.zone}, {self.why}"

    def midnights(self) -> list[datetime]:
        local = (self.first + timedelta(days=day) for day in range(1, self.days + 1))
        return [datetime(d.year, d.month, d.day, tzinfo=ZoneInfo(self.zone)) for d in local]


_MOMENTS_TO_RUN_OUT = 20  # in each calendar; fewer may not fill the budget of any day
_SPANS = (
    _Span("Europe/Berlin", date(2026, 3, 28), 3, "summer time begins"),
    _Span("Europe/Berlin", date(2026, 10, 24), 3, "summer time ends"),
    _Span("America/New_York", date(2026, 3, 7), 3, "summer time begins"),
    _Span("America/New_York", date(2026, 10, 31), 3, "summer time ends, and a month"),
    _Span("Africa/Cairo", date(2026, 4, 23), 3, "midnight itself is skipped"),
    _Span("UTC", date(2028, 2, 28), 3, "a leap day"),
    _Span("Pacific/Kiritimati", date(2026, 12, 30), 4, "a year ends in the middle of a week"),
    _Span("Europe/Berlin", date(2026, 5, 30), 3, "the clock is set back at midnight", set_back=True),
)


class _Clock:
    """Goes on a little with each look."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def __call__(self) -> datetime:
        zone = self._now.tzinfo
        self._now = (self._now.astimezone(UTC) + _STEP).astimezone(zone)
        return self._now


def _run(trial: Trial) -> Findings:
    findings, requests, refused = Findings(), 0, 0
    models = one_a_wire()
    models_file = write_models(trial.folder / "models.yaml", models.values())
    moved = 0
    with simulator(trial.folder, models_file) as provider:
        for number, span in enumerate(_SPANS):
            folder = trial.folder / f"{number}"
            folder.mkdir()
            refused += asyncio.run(_call(span, trial.size.count, folder / "ledger.db", models_file, provider))
            asked = len(provider.settled_journal()) - requests
            rows = calls_of(folder / "ledger.db")
            findings.expect(len(rows) == asked, f"{span}: {len(rows)} rows of {asked} requests")
            requests += asked
            moved += _compare(span, rows, folder / "ledger.db", findings)
            _reports(span, rows, folder, findings)
            expect_consistent(folder / "ledger.db", findings)
    if trial.size.count >= _MOMENTS_TO_RUN_OUT:
        findings.expect(refused > 0, "the budget of a day never ran out")
    findings.figure(f"{len(_SPANS)} calendars, {requests} calls, {refused} refused by the budget of their day")
    findings.figure(f"{moved} were made on a later day than their run began")
    return findings


async def _call(span: _Span, count: int, ledger: Path, models_file: Path, provider: Simulator) -> int:
    """Make calls all through the days, and around each midnight. Gives how many a budget refused."""
    settings = load_settings(provider.environ, ledger=ledger, models_file=models_file)
    settings = replace(settings, config_dir=ledger.parent)
    options = RunOptions(strategy="fallback", chain=_MODEL, threshold=0.0, max_tokens=_MAX_TOKENS)
    prompt = Prompt("Tell me about rivers.")
    registry = registry_for(settings)
    worst = Engine(settings, registry).plan(prompt, options).cost.maximum
    assert worst is not None
    room = worst * max(_LEAST_CALLS_A_DAY, count // _DAYS)
    # Only the budget of a day is meant to run out; those of longer periods are there to be counted by.
    limits = {period: room if period is Period.DAY else 1_000 * room for period in Period}
    budgets = [Budget(period, Scope.ALL, "", limit) for period, limit in limits.items()]
    with Ledger.open(ledger) as opened:
        opened.write(lambda connection: set_budgets(connection, budgets))
    refused = 0
    for moment in _moments(span, count):
        result = await Engine(settings, registry, clock=_Clock(moment)).run(prompt, options)
        if result.error is not None and result.error.code != BudgetError.code:
            raise RuntimeError(f"{span}: {result.error.message}")
        refused += result.error is not None
    return refused


def _moments(span: _Span, count: int) -> list[datetime]:
    zone = ZoneInfo(span.zone)
    midnights = span.midnights()
    start = datetime(span.first.year, span.first.month, span.first.day, tzinfo=zone).astimezone(UTC)
    end = midnights[-1].astimezone(UTC)
    moments = [start + (end - start) * at / count for at in range(count)]
    for midnight in midnights:
        moments += [midnight.astimezone(UTC) - (step + 0.5) * _STEP for step in range(_EDGES)]
    moments.sort()
    if span.set_back:
        moments = [when for moment in moments for when in (moment, moment - _BACK)]
    return [moment.astimezone(zone) for moment in moments]


def _compare(span: _Span, rows: list[Row], ledger: Path, findings: Findings) -> int:
    """Days and longer periods by the rows themselves, against the counters. Gives how many calls outlived a day."""
    zone = ZoneInfo(span.zone)
    by: dict[Period, dict[object, int]] = {period: defaultdict(int) for period in Period}
    for row in rows:
        local = datetime.fromtimestamp(row["created_at"] / 1e6, UTC).astimezone(zone).date()
        findings.expect(row["day"] == local.isoformat(), f"{span}: a call of {local} has the day {row['day']}")
        for period in Period:
            by[period][_key(period, local)] += row["cost_nanousd"]
    with reading(ledger) as connection:
        total = committed_nanousd(connection)
        for period, sums in by.items():
            findings.expect(sum(sums.values()) == total, f"{span}: {period}s add up to {sums}, and all to {total}")
        for day in by[Period.DAY]:
            assert isinstance(day, date)
            for state in budget_states(connection, day, simulated=False):
                period = state.budget.period
                spent = by[period][_key(period, day)]
                limit = state.budget.limit_nanousd
                found = state.committed_nanousd
                findings.expect(found == spent, f"{span}: {period} of {day}: counted {found}, by the rows {spent}")
                findings.expect(found <= limit, f"{span}: {period} of {day}: {found} of {limit} is spent")
        days = connection.execute("SELECT runs.day, calls.day FROM calls JOIN runs USING (run_id)").fetchall()
    return sum(first != second for first, second in days)


def _key(period: Period, day: date) -> object:
    """Which of its periods a day is in, said in another way than orch does."""
    keys = {
        Period.DAY: day,
        Period.WEEK: tuple(day.isocalendar())[:2],
        Period.MONTH: (day.year, day.month),
        Period.YEAR: day.year,
        Period.ALL: None,
    }
    return keys[period]


def _reports(span: _Span, rows: list[Row], folder: Path, findings: Findings) -> None:
    """`orch report` by day adds up to all there is: every call is in one day of it, that on which its run began."""
    argv = ["report", "--by", "day", "--period", "all", "--output", "json", "--ledger", str(folder / "ledger.db")]
    command = Command(argv, {}, folder / "stdout", folder / "stderr")
    if command.finish() != 0:
        raise RuntimeError(command.stderr.read_text())
    report = json.loads(command.stdout.read_text())
    there = {"calls": len(rows), "cost_nanousd": sum(row["cost_nanousd"] for row in rows)}
    for name, total in there.items():
        days = sum(group[name] for group in report["groups"])
        findings.expect(days == total == report["total"][name], f"{span}: reports {name} of {days}, there are {total}")


CHECK = Check(
    name="calendar",
    promise="through DST, leap days and a clock set back, a call is in one day, week and month, and sums agree",
    counts="moments in each of eight calendars",
    small=Size(30),
    full=Size(300),
    run=_run,
)
