"""Runs of every strategy and of many plans: each figure of each report against the rows, added up one by one."""

from __future__ import annotations

import asyncio
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any

from orchestrator.api import Orchestrator
from orchestrator.config import load_settings
from orchestrator.errors import OrchError
from orchestrator.ledger import sums
from orchestrator.ledger.ratings import Rating, rate
from orchestrator.ledger.store import Ledger
from orchestrator.report.aggregate import summarise
from orchestrator.report.dimensions import By
from orchestrator.report.model import Group, Report
from orchestrator.report.selection import Selection

from .check import Check, Findings, Size, Trial
from .rows import Row, reading

_AT_ONCE = 16
_SHARE_RATED, _SHARE_MADE_OLDER = 0.2, 0.5
_DAYS = 400
_STRATEGIES = (
    "cheapest", "fallback", "ensemble", "tiers", "round-robin", "cost", "capability", "tasks", "select", "pipeline",
    "memory-brain", "lead-junior", "diverge", "debate", "refine", "agree", "vote", "gpt-6-luna",
)  # fmt: skip
_PROMPTS = (
    "What is the capital of France?",
    "Write a function that adds two numbers in Python",
    "Design a distributed cache for a bank",
    "Which is better, REST or GraphQL?",
    "Prove that the square root of two is irrational",
)
_CATEGORIES, _TAGS = (None, "work", "Work", "play / rest"), ("a", "b", '"c', "(none)")
_OF_RUNS: Mapping[By, Callable[[Row], Any]] = {
    By.STRATEGY: lambda run: run["strategy"],
    By.PLAN: lambda run: run["pattern"],
    By.TASK: lambda run: run["task"],
    By.LEVEL: lambda run: run["level"],
    By.CATEGORY: lambda run: run["category"],
    By.TIER: lambda run: _tier(run),
    By.EXPERIMENT: lambda run: run["experiment"],
    By.KEY: lambda run: run["key"],
    By.HOST: lambda run: run["host"],
    By.USER: lambda run: run["user"],
    By.HOUR: lambda run: f"{run['day']} {datetime.fromtimestamp(run['created_at'] / 1e6).astimezone():%H}:00",
    By.DAY: lambda run: run["day"],
    By.WEEK: lambda run: str(_day(run) - timedelta(days=_day(run).weekday())),
    By.MONTH: lambda run: run["day"][:7],
    By.YEAR: lambda run: run["day"][:4],
}
_OF_CALLS = {By.MODEL: "model", By.PROVIDER: "provider", By.ROLE: "role", By.STEP: "step"}
_SUMMED = (
    "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "cost_nanousd",
)  # fmt: skip


def _run(trial: Trial) -> Findings:
    findings, path = Findings(), trial.folder / "ledger.db"
    asyncio.run(_fill(trial))
    _age_and_rate(trial)
    with reading(path) as connection:
        runs = connection.execute("SELECT * FROM runs").fetchall()
        calls = connection.execute("SELECT * FROM calls ORDER BY rowid").fetchall()
        ratings = dict(connection.execute("SELECT run_id, rating FROM ratings").fetchall())
    strategies = {run["strategy"] for run in runs}
    findings.figure(f"{len(runs):,} runs of {len(strategies)} strategies, {len(calls):,} calls")
    groupings: list[tuple[By, ...]] = [(by,) for by in By]
    groupings += [pair for pair in product(By, repeat=2) if pair[0] is not pair[1]]
    rows = _Rows(runs, calls, ratings)
    with Ledger.open(path) as ledger:
        for read in ("the rows", "sums of days"):
            for by in groupings:
                report = summarise(ledger, Selection(simulated=True), by=by)
                findings.expect_none(rows.differences(report), f"by {' and '.join(by)}, from {read}: the rows differ")
            sums.FEWEST_CALLS = 0
        (days,) = ledger.read(lambda db: db.execute("SELECT count(*) FROM summed_days").fetchone())
        findings.figure(f"{len(groupings)} groupings, from the rows and from the sums of {days} days")
    findings.expect(days > 1, "no days were summed")
    return findings


async def _fill(trial: Trial) -> None:
    """Runs in the ledger; those that cannot be planned, say for want of a reason to ask anybody, are left out."""
    rng, gate = trial.rng, asyncio.Semaphore(_AT_ONCE)
    settings = load_settings({"HOME": str(trial.folder)}, simulate=True, ledger=trial.folder / "ledger.db")
    async with Orchestrator(settings) as orch:

        async def ask(number: int) -> None:
            tags = rng.sample(_TAGS, rng.randrange(len(_TAGS)))
            category, prompt = rng.choice(_CATEGORIES), rng.choice(_PROMPTS)
            async with gate:
                try:
                    await orch.arun(
                        f"{prompt} ({number})",
                        _STRATEGIES[number % len(_STRATEGIES)],
                        tags=tags,
                        category=category,
                    )
                except OrchError:
                    return

        await asyncio.gather(*(ask(number) for number in range(trial.size.count)))


def _age_and_rate(trial: Trial) -> None:
    """Half of the runs are moved to other days, and some are rated, as a user would."""
    rng = trial.rng
    with Ledger.open(trial.folder / "ledger.db") as ledger:

        def change(connection: Any) -> list[str]:
            answered = []
            for run in connection.execute("SELECT run_id, day, created_at, status FROM runs").fetchall():
                if rng.random() < _SHARE_MADE_OLDER:
                    days, hours = rng.randrange(_DAYS), rng.randrange(24)
                    moved = run["created_at"] - (days * 24 + hours) * 3_600_000_000
                    day = f"{datetime.fromtimestamp(moved / 1e6).astimezone():%Y-%m-%d}"
                    connection.execute(
                        "UPDATE runs SET day = ?, created_at = ? WHERE run_id = ?", (day, moved, run["run_id"])
                    )
                answered += [run["run_id"]] if run["status"] == "complete" and rng.random() < _SHARE_RATED else []
            return answered

        for run_id in ledger.write(change):
            rate(ledger, run_id, Rating(rng.choice((0.0, 0.5, 1.0)), datetime.now().astimezone(), None))


class _Rows:
    """What is in the ledger, row by row."""

    def __init__(self, runs: list[Row], calls: list[Row], ratings: Mapping[str, float]) -> None:
        self._runs = {run["run_id"]: run for run in runs}
        self._ratings = ratings
        self._calls: dict[str, list[Row]] = defaultdict(list)
        for call in calls:
            self._calls[call["run_id"]].append(call)

    def differences(self, report: Report) -> Iterable[str]:
        """What of a report is not as the rows have it."""
        by = report.grouping.by
        groups: dict[tuple[Any, ...], list[tuple[Row, Row | None]]] = defaultdict(list)
        everything: list[tuple[Row, Row | None]] = []
        for run in self._runs.values():
            calls = self._calls[run["run_id"]]
            pairs: list[tuple[Row, Row | None]] = [(run, call) for call in calls]
            if not report.grouping.is_of_calls or not calls:
                pairs.append((run, None))  # the run itself, whatever it called
            everything += pairs
            for pair in pairs:
                if report.grouping.is_of_calls and pair[1] is None:
                    continue
                for key in product(*(_keys(each, *pair) for each in by)):
                    groups[key].append(pair)
        found = {group.keys: group for group in report.groups}
        yield from (f"group {key} is missing" for key in groups.keys() - found.keys())
        yield from (f"group {key} is not in the rows" for key in found.keys() - groups.keys())
        for key in groups.keys() & found.keys():
            yield from self._compare(f"{key}", found[key], groups[key], of_calls=report.grouping.is_of_calls)
        yield from self._compare("total", replace(report.total, cost_share=None), everything, of_calls=False)

    def _compare(
        self, name: str, group: Group, pairs: list[tuple[Row, Row | None]], *, of_calls: bool
    ) -> Iterable[str]:
        runs = {run["run_id"]: run for run, _ in pairs}
        calls = [call for _, call in pairs if call is not None]
        expected: dict[str, Any] = {"runs": len(runs), "calls": len(calls)}
        expected |= {column: sum(call[column] or 0 for call in calls) for column in _SUMMED}
        expected |= {f"{status}_calls": _count(calls, status) for status in ("failed", "interrupted")}
        took = [call["latency_ms"] for call in calls if call["status"] == "completed"]
        expected |= _percentiles("p{}_latency_ms", took)
        rated = [self._ratings[run_id] for run_id in runs if run_id in self._ratings]
        if not of_calls:
            complete = [run for run in runs.values() if run["status"] == "complete"]
            several = [run_id for run_id in runs if len({call["model"] for call in self._calls[run_id]}) > 1]
            expected |= {"complete_runs": len(complete), "multi_model_runs": len(several), "rated_runs": len(rated)}
            if group.p50_run_latency_ms is not None:
                expected |= _percentiles("p{}_run_latency_ms", [run["latency_ms"] for run in complete])
        judged = [
            each["confidence"] for each in (calls if of_calls else runs.values()) if each["confidence"] is not None
        ]
        if name != "total" and judged and not math.isclose(sum(judged) / len(judged), group.mean_confidence or 0):
            yield f"{name}: mean_confidence {group.mean_confidence} and not {sum(judged) / len(judged)}"
        for figure, value in expected.items():
            if getattr(group, figure) != value:
                yield f"{name}: {figure} {getattr(group, figure)} and not {value}"


def _keys(by: By, run: Row, call: Row | None) -> list[Any]:
    if by is By.TAG:
        return json.loads(run["tags"]) or [None]
    if by in _OF_CALLS:
        return [None if call is None else call[_OF_CALLS[by]]]
    return [_OF_RUNS[by](run)]


def _tier(run: Row) -> str | None:
    """As the first of its decisions has it: `tier EXEC: the user says so`."""
    said = next(iter(json.loads(run["metadata"]).get("decisions", ())), "") if run["strategy"] == "tiers" else ""
    return said.removeprefix("tier ").partition(":")[0] if said.startswith("tier ") else None


def _percentiles(name: str, values: list[int]) -> dict[str, int | None]:
    in_order = sorted(values)
    return {
        name.format(percent): in_order[math.ceil(len(in_order) * percent / 100) - 1] if in_order else None
        for percent in (50, 95)
    }


def _count(calls: list[Row], status: str) -> int:
    return sum(call["status"] == status for call in calls)


def _day(run: Row) -> date:
    return date.fromisoformat(run["day"])


CHECK = Check(
    name="reports",
    promise="every figure of a report, by every dimension and every two, is what the rows add up to",
    counts="runs",
    small=Size(400),
    full=Size(5_000),
    run=_run,
)
