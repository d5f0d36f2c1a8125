"""A ledger with runs of every kind, and every report on it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from report_recording import NOON, UNPRICED, Recorder, unsettled

from orchestrator.ledger.ratings import Rating, rate
from orchestrator.ledger.records import CallStatus, RunStatus
from orchestrator.ledger.store import Ledger
from orchestrator.report.aggregate import summarise
from orchestrator.report.baseline import Comparison, Span, compare
from orchestrator.report.dimensions import By
from orchestrator.report.model import Report
from orchestrator.report.period import Range
from orchestrator.report.selection import Selection

DAYS = 6
TODAY = NOON + timedelta(days=DAYS)
PRICE = json.dumps({"rates": {"input": "2", "output": "10", "cache_read": "0.2"}})
PAIRS = [
    *([By.MODEL, By.DAY], [By.PROVIDER, By.MODEL], [By.TASK, By.MODEL], [By.HOUR, By.TASK], [By.ROLE, By.STEP]),
    *([By.ROLE, By.MODEL], [By.TAG, By.TIER], [By.KEY, By.PROVIDER], [By.EXPERIMENT, By.LEVEL], [By.USER, By.TAG]),
    [By.HOUR, By.HOST],
]
GROUPINGS = [*([by] for by in By), *PAIRS, [By.TASK, By.TAG, By.ROLE], [By.HOUR, By.TASK, By.MODEL]]
FIRST = NOON.date()
SELECTIONS = {
    "all": Selection(simulated=False),
    "category": Selection(simulated=False, category="batch"),
    "tag": Selection(simulated=False, tag="b"),
    "days": Selection(simulated=False, within=Range(FIRST + timedelta(days=1), FIRST + timedelta(days=4))),
    "moments": Selection(
        simulated=False, within=Range(since=NOON + timedelta(minutes=30), until=NOON + timedelta(days=4, hours=2))
    ),
}


def runs_of_every_kind(tmp_path: Path) -> Iterator[Recorder]:
    """To be made a fixture where it is used: some days of runs, and one that is not over."""
    chance = random.Random(3)
    recorder = Recorder(tmp_path / "ledger.db")
    with recorder.ledger:
        recorder.ledger.read(lambda db: db.execute("PRAGMA synchronous = OFF"))
        for number in range(160):
            at = NOON + timedelta(days=number % (DAYS + 1), minutes=chance.randrange(300))
            # A day with an open call is not summed: only the last one has some.
            calls = [_call(chance, may_be_open=at.date() == TODAY.date()) for _ in range(chance.randrange(4))]
            run_id = recorder.run(
                *calls,
                at=at,
                status=chance.choice([RunStatus.COMPLETE, RunStatus.COMPLETE, RunStatus.FAILED]),
                category=chance.choice([None, "batch"]),
                tags=chance.choice([(), ("a",), ("a", "b")]),
                task=chance.choice(["code", "chat"]),
                model_used=chance.choice([None, *(call["model"] for call in calls)]),
                latency_ms=chance.choice([None, chance.randrange(9_000)]),
                confidence=chance.choice([None, 0.25, 0.5]),
                experiment=chance.choice([None, "trial"]),
                arm="a",
                **{"strategy": chance.choice(["fallback", "ensemble"]), **_whose(chance)},
                simulated=number % 9 == 0,
            )
            if number % 5 == 0:
                rate(recorder.ledger, run_id, Rating(0.5, at))
        yield recorder


def _whose(chance: random.Random) -> dict[str, Any]:
    tier = chance.choice([None, "EXEC", "ARCH"])
    return {
        "level": chance.choice(["basic", "expert"]),
        "pattern": chance.choice([None, "thrifty"]),
        "key": chance.choice([None, "mobile"]),
        "host": chance.choice([None, "desk"]),
        "user": chance.choice(["ada", "bob"]),
        "plan": chance.choice(['{"cascade": {"legs": []}}', '{"call": {}}']),
        "metadata": json.dumps({"decisions": [f"tier {tier}: it is so"]} if tier else {}),
    } | ({"strategy": "tiers"} if tier else {})


def _call(chance: random.Random, *, may_be_open: bool) -> dict[str, object]:
    model = chance.choice(["small", "large", "huge"])
    ends = chance.choice(
        [
            UNPRICED,
            unsettled(70) if may_be_open else {},
            {"cost_nanousd": chance.randrange(10**9)},
            {"status": CallStatus.FAILED, "error_code": "overloaded"},
        ]
    )
    counts = {"input_tokens": chance.randrange(99), "latency_ms": chance.choice([None, chance.randrange(999)])}
    where: dict[str, object] = {
        "provider": "acme" if model != "huge" else "other",
        "role": chance.choice([None, "judge", "embedding"]),
    }
    where |= {"price": PRICE, "cached_tokens": chance.choice([0, 7])}
    where["step"] = chance.choice([None, "draft"])
    return {"model": model, "confidence": chance.choice([None, 0.5]), **where, **counts, **ends}


def every_report(recorder: Recorder, step: int = 1) -> dict[tuple[Any, ...], Report]:
    """By the grouping; with a `step` only one of so many groupings."""
    return {
        (name, *by): summarise(recorder.ledger, selection, by=by)
        for name, selection in SELECTIONS.items()
        for by in GROUPINGS[::step]
    }


def comparisons(ledger: Ledger, thresholds: Sequence[float] = (0.25, 1 / 3)) -> dict[str, list[Comparison]]:
    """Each selection held against itself, by thresholds that parts of days can tell and one that they cannot."""
    spans = {name: Span(selection, 3) for name, selection in SELECTIONS.items()}
    return {name: [compare(ledger, each, each, threshold=at) for at in thresholds] for name, each in spans.items()}


def stays_when_pruned(name: str, *by: By) -> bool:
    """Whether the sums of whole days tell all of a report: of the hour, with one more dimension or filter."""
    return name != "moments" and (By.HOUR not in by or len(by) + (name in ("category", "tag")) <= 2)
