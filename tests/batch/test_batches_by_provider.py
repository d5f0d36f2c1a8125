"""`orch batch --via provider`: each call is submitted and billed once, at the batch's price, whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from orchestrator.batch.backend import Attempt, Task
from orchestrator.batch.by_provider import ByProvider
from orchestrator.batch.lines import Line
from orchestrator.batch.outcomes import Outcome
from orchestrator.clock import local_now
from orchestrator.config import RunOptions, load_settings
from orchestrator.ledger.batches import Job, JobStatus, add_job
from orchestrator.ledger.store import Ledger
from orchestrator.money import cost_nanousd
from orchestrator.providers.batches import BatchLimits
from orchestrator.registry.loading import registry_for
from orchestrator.run.engine import Engine
from orchestrator.types import Prompt, Usage

Orch = Callable[..., subprocess.CompletedProcess[bytes]]
ONE = {"anthropic": "claude-haiku-4-5", "openai": "gpt-5-nano", "google": "gemini-2.5-flash"}
CLIENTS = {"anthropic": "AnthropicBatches", "openai": "OpenAIBatches", "google": "GoogleBatches"}


class Place:
    """A folder with an input of questions, and what is to be seen of a batch afterwards."""

    def __init__(self, orch: Orch, home: Path, folder: Path) -> None:
        self._orch, self._home, self._folder = orch, home, folder

    def asked(self, lines: int, rules: str = "") -> None:
        """Write the input, and the scenario."""
        asked = [json.dumps({"prompt": f"What is {n} + {n}?", "id": f"q{n}"}) for n in range(lines)]
        (self._folder / "in.jsonl").write_text("\n".join(asked) + "\n")
        (self._folder / "faults.yaml").write_text(f"rules: [{rules}]\n")

    def batch(self, *argv: str) -> subprocess.CompletedProcess[bytes]:
        return self._orch("batch", *argv, "--simulate", "--scenario", str(self._folder / "faults.yaml"))

    def by_provider(self, *argv: str) -> subprocess.CompletedProcess[bytes]:
        return self.batch("in.jsonl", "-o", "out.jsonl", "--via", "provider", *argv)

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self._folder / "out.jsonl").read_text().splitlines()]

    @property
    def statuses(self) -> dict[str, int]:
        return dict(Counter(answer["status"] for answer in self.answers))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(next(self._home.rglob("*.db")))) as connection:
            return connection.execute(query).fetchall()

    @property
    def journal(self) -> list[dict[str, Any]]:
        """What the provider has carried out of batches, and billed."""
        found = list(self._home.rglob("*.batches/journal.jsonl"))
        return [json.loads(line) for path in found for line in path.read_text().splitlines()]

    def billed(self) -> dict[str, int]:
        """What each call costs by the provider's journal, which has it once: half of the price, rounded up once."""
        registry, costs = registry_for(load_settings({})), dict[str, int]()
        for entry in self.journal:
            assert entry["price"] == "batch"
            assert entry["custom_id"] not in costs, "it was carried out twice"
            spec = next(spec for spec in registry.models.values() if spec.id == entry["model"])
            price = spec.price_at(datetime.now(UTC))
            assert price is not None
            usage = Usage(entry["input_tokens"], entry["output_tokens"], entry["cached_tokens"])
            whole = cost_nanousd(price, usage)
            by_batch = price.by_batch()
            assert by_batch is not None
            costs[entry["custom_id"]] = cost_nanousd(by_batch, usage)
            assert 0 <= 2 * costs[entry["custom_id"]] - whole <= 1
        return costs

    def check_bill(self, *, estimated: int = 0) -> None:
        """Each call that was billed is a row at that cost; nothing is left open."""
        query = "SELECT call_id, cost_nanousd, cost_source FROM call_rows WHERE submission IS NOT NULL"
        costs, rows = self.billed(), {row[0]: row[1:] for row in self.rows(query)}
        different = {call for call, cost in costs.items() if rows[call][0] != cost}
        assert len(different) == estimated
        assert all(rows[call][0] > costs[call] and rows[call][1] == "estimate" for call in different)
        assert all(not rows[call][0] for call in rows.keys() - costs.keys())
        assert not self.rows("SELECT 1 FROM call_rows WHERE status IN ('reserved', 'sent')")
        assert not self.rows("SELECT 1 FROM provider_requests")


@pytest.fixture
def place(orch: Orch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_files: Path) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(orch, user_files, tmp_path)


def test_a_cascade_goes_by_rounds_over_all_three_providers_at_half_of_the_price(orch: Orch, place: Place) -> None:
    place.asked(6)
    done = place.by_provider("--chain", ",".join(ONE.values()), "--threshold", "0.99", "--max-tokens", "400")
    assert (done.returncode, place.statuses) == (0, {"complete": 6})
    assert [answer["id"] for answer in place.answers] == [f"q{n}" for n in range(6)]
    assert all(str(2 * n) in answer["response"] for n, answer in enumerate(place.answers))
    place.check_bill()
    assert len(place.billed()) == 18
    assert place.rows("SELECT provider, requests, state FROM provider_submissions ORDER BY created_at") == [
        (provider, 6, "ended") for provider in ONE
    ]
    total = json.loads(orch("report", "--simulate", "-o", "json").stdout)["total"]
    assert (total["batch_calls"], total["cost_nanousd"]) == (18, sum(place.billed().values()))
    assert abs(total["batch_saved_nanousd"] - total["cost_nanousd"]) <= 18
    assert b"by batch, which saved" in orch("show", "last", "--simulate").stdout


@pytest.mark.parametrize("strategy", [("ensemble", "-e", "3"), ("debate",), ("refine",)], ids=lambda each: each[0])
def test_what_is_no_cascade_goes_by_rounds_too(place: Place, strategy: tuple[str, ...]) -> None:
    place.asked(2)
    assert place.by_provider("-s", *strategy).returncode == 0
    place.check_bill()
    assert len(place.billed()) >= 4


@pytest.mark.parametrize(
    ("provider", "rules", "statuses", "estimated"),
    [
        pytest.param(*case, id=f"{case[0]}-{case[1].split(',')[0].removeprefix('{fault: ').rstrip('}')}-{number}")
        for number, case in enumerate(
            [
                ("openai", "{fault: batch_expired, share: 0.5, when: {first: 1}}", {"complete": 4}, 0),
                ("google", "{fault: batch_expired, share: 0}", {"failed": 4}, 0),
                ("google", "{fault: batch_cancelled, share: 0.5, when: {first: 1}}", {"complete": 4}, 0),
                ("anthropic", "{fault: batch_unanswered, when: {first: 1}}", {"complete": 4}, 0),
                ("openai", "{fault: batch_unanswered, when: {first: 1}}", {"complete": 4}, 0),
                ("google", "{fault: batch_failed, when: {first: 2}}", {"complete": 4}, 0),
                ("openai", "{fault: batch_refused, status: 429, when: {first: 1}}", {"complete": 4}, 0),
                ("anthropic", "{fault: batch_refused, status: 400}", {"failed": 4}, 0),
                ("anthropic", "{fault: rate_limited, when: {every: 3}}", {"complete": 4}, 0),
                ("openai", "{fault: batch_slow, looks: 3}", {"complete": 4}, 0),
                ("openai", "{fault: batch_duplicates}", {"complete": 4}, 0),
                ("anthropic", "{fault: batch_broken_line}", {"complete": 3, "failed": 1}, 1),
                ("openai", "{fault: batch_lost_line}", {"complete": 3, "failed": 1}, 1),
            ]
        )
    ],
)
def test_what_goes_wrong_is_billed_once_and_told(
    place: Place, provider: str, rules: str, statuses: dict[str, int], estimated: int
) -> None:
    place.asked(4, rules)
    done = place.by_provider("-m", ONE[provider])
    assert place.statuses == statuses, done.stderr
    assert done.returncode == (10 if "failed" in statuses else 0)
    place.check_bill(estimated=estimated)


def test_submitting_looking_and_fetching_are_commands_of_their_own(place: Place) -> None:
    place.asked(3, "{fault: batch_slow, looks: 4}")
    sent = place.batch("submit", "in.jsonl", "-o", "out.jsonl", "-m", ONE["openai"])
    assert (sent.returncode, place.statuses) == (0, {"submitted": 3})
    assert b"3 at a provider" in sent.stderr
    assert b"submitted" in place.batch("status").stdout
    shown = json.loads(place.batch("status", "-o", "json").stdout)
    assert [(each["state"], each["requests"]) for each in shown["submissions"]] == [("submitted", 3)]
    for _ in range(4):
        done = place.batch("fetch")
        assert done.returncode == 0
    assert place.statuses == {"complete": 3}
    place.check_bill()
    assert len(place.billed()) == 3


def test_a_batch_that_is_cancelled_is_billed_for_what_was_answered(place: Place) -> None:
    place.asked(4, "{fault: batch_slow, looks: 9}")
    place.batch("submit", "in.jsonl", "-o", "out.jsonl", "-m", ONE["anthropic"])
    assert place.batch("cancel", "last").returncode == 0
    place.batch("status")
    assert len(place.billed()) == 2
    place.check_bill()
    assert set(place.rows("SELECT status FROM run_rows")) == {("interrupted",)}


def test_with_the_cap_raised_a_batch_that_reached_it_is_finished(place: Place) -> None:
    place.asked(6)
    cap = ("-m", ONE["openai"], "--max-tokens", "400")
    stopped = place.by_provider(*cap, "--max-cost", "0.0001")
    assert stopped.returncode == 10
    assert set(place.statuses) == {"complete", "not_asked"}
    assert sum(place.billed().values()) <= 100_000
    done = place.batch("--resume", "last", "--max-cost", "1")
    assert (done.returncode, place.statuses) == (0, {"complete": 6})
    place.check_bill()
    assert len(place.billed()) == 6


def test_a_budget_holds_for_batches_too(orch: Orch, place: Place) -> None:
    orch("budget", "set", "--daily", "0.00001", "--simulate")
    place.asked(3)
    assert place.by_provider("-m", ONE["openai"], "--max-tokens", "400").returncode == 5
    assert place.statuses == {"not_asked": 3}
    assert place.journal == []


@pytest.mark.parametrize(
    ("argv", "submitted"),
    [
        pytest.param(("-m", "gpt-5-nano"), 2, id="no-deadline"),
        pytest.param(("-m", "gpt-5-nano", "--deadline", "25h"), 2, id="a-day"),
        pytest.param(("-m", "gpt-5-nano", "--deadline", "2h"), 0, id="too-soon"),
        pytest.param(("--chain", "gpt-5-nano,gpt-5-mini", "--deadline", "25h"), 0, id="two-rounds-in-a-day"),
        pytest.param(("-m", "deepseek-reasoner"), 0, id="no-batch-api"),
    ],
)
def test_auto_takes_the_cheaper_way_that_is_in_time(place: Place, argv: tuple[str, ...], submitted: int) -> None:
    place.asked(2)
    done = place.batch("in.jsonl", "-o", "out.jsonl", "--via", "auto", *argv)
    assert (done.returncode, place.statuses) == (0, {"complete": 2}), done.stderr
    assert place.rows("SELECT count(submission) FROM call_rows") == [(submitted,)]


@pytest.mark.parametrize(
    ("argv", "by_batch"),
    [
        pytest.param(("--via", "provider"), 4, id="provider"),
        pytest.param(("--via", "auto"), 4, id="auto-no-deadline"),
        pytest.param(("--via", "auto", "--deadline", "2h"), 0, id="auto-too-soon"),
    ],
)
def test_a_dry_run_has_the_price_of_the_way_that_lines_go(place: Place, argv: tuple[str, ...], by_batch: int) -> None:
    place.asked(4)
    dry = ("in.jsonl", "--dry-run", "-m", ONE["openai"], "-o")
    live, found = (json.loads(place.batch(*dry, "json", *more).stdout) for more in ((), argv))
    assert (live["by_batch"], found["by_batch"], found["unpriced"]) == (0, by_batch, 0)
    for name in ("minimum_nanousd", "expected_nanousd", "maximum_nanousd"):
        assert 0 <= found[name] * (2 if by_batch else 1) - live[name] <= 2 * by_batch  # each is rounded up
    assert (b"4 go by batch" in place.batch(*dry, "text", *argv).stdout) == bool(by_batch)
    assert place.journal == []


@pytest.mark.parametrize(
    ("provider", "limits", "requests"),
    [
        pytest.param("anthropic", BatchLimits(requests=3, bytes=10**9), [3, 3, 1], id="anthropic-count"),
        pytest.param("google", BatchLimits(requests=3, bytes=10**9), [3, 3, 1], id="google-count"),
        pytest.param("openai", BatchLimits(requests=100, bytes=300), [2, 2, 2, 1], id="openai-size"),
        pytest.param("openai", BatchLimits(requests=100, bytes=1), [1] * 7, id="openai-none-fits"),
    ],
)
def test_what_a_provider_does_not_take_at_once_is_split(
    place: Place, monkeypatch: pytest.MonkeyPatch, provider: str, limits: BatchLimits, requests: list[int]
) -> None:
    client = import_module(f"orchestrator.providers.{provider}_batches")
    monkeypatch.setattr(getattr(client, CLIENTS[provider]), "limits", limits)
    place.asked(7)
    assert place.by_provider("-m", ONE[provider], "--max-tokens", "400").returncode == 0
    sent = place.rows("SELECT requests, bytes FROM provider_submissions ORDER BY created_at, submission")
    assert [count for count, _ in sent] == requests
    assert all(size <= limits.bytes or count == 1 for count, size in sent)
    assert place.statuses == {"complete": 7}
    place.check_bill()
    assert len(place.billed()) == 7


def test_near_the_deadline_auto_takes_back_what_is_not_answered_and_asks_it_live(
    tmp_path: Path, user_files: Path, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    place.asked(6, "{fault: batch_slow, looks: 1000}")
    settings = replace(
        load_settings({}, simulate=True, scenario=tmp_path / "faults.yaml"),
        run=RunOptions(strategy="fallback", chain=ONE["openai"], max_tokens=400),
    )
    began = local_now()
    passed_h = [0]

    async def sleep(_: float) -> None:
        passed_h[0] += 1

    async def lines() -> AsyncIterator[Attempt]:
        for number in range(1, 7):
            yield Attempt(Line(number, number, number, Prompt(f"What is {number} + {number}?")))

    async def outcomes(ledger: Ledger) -> list[Outcome]:
        job = Job(0, "01KBATCH0000000000000000AB", began, True, JobStatus.RUNNING, "-", "-", "{}", ledger.process)
        task = Task(ledger.write(partial(add_job, job=job)), ledger, settings.run, deadline_s=25 * 3600.0)
        clock = lambda: began + timedelta(hours=passed_h[0])  # noqa: E731
        backend = ByProvider(Engine(settings, ledger=ledger), clock=clock, sleep=sleep, auto=True)
        return [outcome async for outcome in backend.work(lines(), task)]

    with Ledger.open(settings.ledger) as ledger:
        found = asyncio.run(outcomes(ledger))
    assert Counter(outcome.status for outcome in found) == {"complete": 6}
    assert len({outcome.line.number for outcome in found}) == 6
    assert 22 < passed_h[0] < 26
    ways = dict(
        place.rows("SELECT submission IS NOT NULL, count(*) FROM call_rows WHERE status = 'completed' GROUP BY 1")
    )
    assert ways == {1: 3, 0: 3}  # half of it was answered by the provider when it was cancelled
    place.check_bill()


def test_a_model_that_cannot_be_asked_by_batch_says_so_and_nothing_is_sent(place: Place) -> None:
    place.asked(1)
    assert place.by_provider("-m", "deepseek-reasoner").returncode == 10
    (answer,) = place.answers
    assert answer["error"]["code"] == "unsupported"
    assert "cannot be asked by batch" in answer["error"]["message"]
    assert place.rows("SELECT 1 FROM call_rows") == []
