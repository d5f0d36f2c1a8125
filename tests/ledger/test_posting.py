"""Changes that one statement makes for a whole group leave what their functions leave, or are made by these."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config import BreakerPolicy
from orchestrator.deferred import replace
from orchestrator.errors import BudgetError, LedgerError
from orchestrator.ledger import posting
from orchestrator.ledger.batches import Job, JobStatus, Kept, keeping
from orchestrator.ledger.budgets import Budget, Scope, set_budgets
from orchestrator.ledger.conversations import kept_turns
from orchestrator.ledger.posting import Postable
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from orchestrator.ledger.rows import to_micros
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period
from orchestrator.registry.model import ModelSpec, RateLimits, Scores
from orchestrator.run.call.admission import Admission
from orchestrator.run.call.permit import Permit
from orchestrator.types import Level

NOW = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
ODD = 'naïve "text" \u2028 \U0001f600 \0 it\'s'  # in a text of every row
RUN = RunRecord(
    run_id="R",
    created_at=NOW,
    day="2026-03-04",
    strategy="fallback",
    prompt_sha256="a" * 64,
    simulated=False,
    tags=("x", "ü"),
    category="c",
    score=0.1 + 0.2,
    prompt=ODD,
    max_cost_nanousd=1000,
)
CALL = CallRecord(
    call_id="C",
    run_id="R",
    created_at=NOW,
    day="2026-03-04",
    provider="openai",
    model="m",
    provider_model="m-1",
    attempt=1,
    simulated=False,
    status=CallStatus.SENT,
    sent_at=NOW,
    reserved_nanousd=600,
)


TABLES = (
    *("run_rows", "call_rows", "texts", "spending", "budget_alerts", "summed_days", "batch_results", "batch_lines"),
    *("conversation_turns", "conversations"),
)


def reserved(call: CallRecord) -> Postable[Any]:
    return posting.reserve([call], (), None)


def settled(call: CallRecord) -> Postable[Any]:
    return posting.settle(lambda: call)


def judged(call: CallRecord) -> Postable[Any]:
    return posting.judge(call.call_id, 1 / 3, '{"signals": {}}')


def whole(name: str, answer: str | None = ODD, **of_run: Any) -> list[Postable[Any]]:
    """The changes of one run with one call."""
    run = replace(RUN, run_id=f"R{name}", **of_run)
    call = replace(CALL, call_id=f"C{name}", run_id=run.run_id)
    answered = replace(
        call,
        status=CallStatus.COMPLETED,
        ended_at=NOW + timedelta(microseconds=1),
        cost_nanousd=7,
        cost_source=CostSource.USAGE,
        response=answer,
    )
    done = replace(run, status=RunStatus.COMPLETE, response=answer, confidence=2 / 3, metadata='{"a": 1}')
    return [posting.start_run(run, ()), reserved(call), settled(answered), judged(call), posting.finish_run(done)]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def rows(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    """What is in every table that runs write."""

    def all_of(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
        return {table: [tuple(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in TABLES}

    return ledger.read(all_of)


def made(ledger: Ledger, *changes: Postable[Any]) -> tuple[list[Any], list[str]]:
    """Submit changes in one turn of a loop. Returns their results or errors, and the statements."""
    heard: list[str] = []

    async def together() -> list[Any]:
        return await asyncio.gather(*map(ledger.submit, changes), return_exceptions=True)

    ledger.read(lambda db: db.set_trace_callback(heard.append))
    results = asyncio.run(together())
    ledger.read(lambda db: db.set_trace_callback(None))
    return results, [statement for statement in heard if not statement.startswith("--")]


def test_they_leave_what_the_functions_leave(ledger: Ledger, tmp_path: Path) -> None:
    long, very_long = ODD * 100, ODD * 200
    texts: list[dict[str, Any]] = [
        {},
        {"answer": long},
        {"answer": long, "prompt": very_long},
        {"answer": very_long, "system": very_long},
        {"answer": very_long, "prompt": long, "system": very_long},
        {"answer": None, "prompt": None},
        {"answer": "", "tags": ()},
    ]
    changes = [change for number, of_run in enumerate(texts) for change in whole(f"{number}", **of_run)]
    with Ledger.open(tmp_path / "other.db") as other:
        for each in (ledger, other):  # one that is enough
            each.write(lambda db: set_budgets(db, [Budget(Period.WEEK, Scope.CATEGORY, "c", 10**6)]))
        expected = [other.write(change) for change in changes]
        found, statements = made(ledger, *changes)
        assert found == expected
        assert rows(ledger) == rows(other)
        assert len(rows(ledger)["call_rows"]) == 7
    distinct = {statement.partition("(")[0] for statement in statements}
    of_group = {each for each in distinct if not each.startswith(("PRAGMA", "CREATE"))}
    assert {each for each in of_group if not each.startswith("SELECT change, NULL")} == {"INSERT INTO inbox VALUES "}


def over_the_cap(_: Ledger) -> list[Postable[Any]]:
    return [reserved(replace(CALL, call_id="over", run_id="RA", reserved_nanousd=1000))]


def unpriced_under_a_cap(_: Ledger) -> list[Postable[Any]]:
    return [reserved(replace(CALL, call_id="over", run_id="RA", reserved_nanousd=None))]


def of_no_run(_: Ledger) -> list[Postable[Any]]:
    return [reserved(replace(CALL, run_id="none")), settled(CALL), judged(CALL), posting.finish_run(RUN)]


def there_already(_: Ledger) -> list[Postable[Any]]:
    return [posting.start_run(replace(RUN, run_id="RA"), ())]


def impossible(_: Ledger) -> list[Postable[Any]]:
    return [
        settled(replace(CALL, call_id="CA", run_id="RA", cost_nanousd=-1)),
        posting.start_run(replace(RUN, prompt="\ud800"), ()),
    ]


def with_a_budget(ledger: Ledger) -> list[Postable[Any]]:
    ledger.write(lambda db: set_budgets(db, [Budget(Period.DAY, Scope.ALL, "", 300)]))
    return [reserved(replace(CALL, call_id="over", run_id="RA"))]


def with_a_call_open(_: Ledger) -> list[Postable[Any]]:
    return [
        reserved(replace(CALL, call_id="open", run_id="RA", reserved_nanousd=5)),
        posting.finish_run(replace(RUN, run_id="RA")),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        over_the_cap,
        unpriced_under_a_cap,
        of_no_run,
        there_already,
        impossible,
        with_a_budget,
        with_a_call_open,
    ],
    ids=lambda odd: odd.__name__,
)
def test_what_is_out_of_the_ordinary_is_made_by_the_functions(
    odd: Callable[[Ledger], list[Postable[Any]]], ledger: Ledger, tmp_path: Path
) -> None:
    """Each change fails or succeeds as it does alone, and does not sink the others."""
    with Ledger.open(tmp_path / "other.db") as other:
        expected: list[object] = []
        for each in (ledger, other):
            for change in whole("A"):
                each.write(change)
        changes = [*whole("B"), *odd(other), *whole("C")]
        for change in changes:
            try:
                expected.append(other.write(change))
            except (BudgetError, LedgerError) as error:
                expected.append(error.message.replace("other.db", "ledger.db"))
        odd(ledger)
        found, _ = made(ledger, *changes)
        assert [each.message if isinstance(each, BudgetError | LedgerError) else each for each in found] == expected
        assert rows(ledger) == rows(other)


@dataclass(frozen=True)
class Asking:
    """A run with one call: what it counts towards, what is set aside for it, and what it costs in the end."""

    reserved: int | None
    cost: int
    model: str
    day: str
    exempt: bool
    category: str | None
    key: str | None
    tags: tuple[str, ...]
    cap: int | None
    said: int
    answer: str | None

    def run(self, number: int) -> RunRecord:
        return replace(
            RUN,
            run_id=f"R{number}",
            category=self.category,
            key=self.key,
            tags=self.tags,
            day=self.day,
            max_cost_nanousd=self.cap,
        )

    def call(self, number: int) -> CallRecord:
        ids: dict[str, Any] = {"call_id": f"C{number}", "run_id": f"R{number}"}
        return replace(CALL, **ids, model=self.model, day=self.day, reserved_nanousd=self.reserved)

    def begun(self, number: int) -> list[Postable[Any]]:
        turns = kept_turns([f'"{number // 2} {place}"' for place in range(self.said)])
        call = self.call(number)
        exempt = (call.call_id,) if self.exempt else ()
        return [posting.start_run(self.run(number), turns), posting.reserve([call], exempt, None)]

    def ended(self, number: int, job: Job) -> list[Postable[Any]]:
        status: dict[str, Any] = {"status": CallStatus.COMPLETED, "ended_at": NOW, "cost_source": CostSource.USAGE}
        call = replace(self.call(number), **status, cost_nanousd=self.cost, response=self.answer)
        run = replace(self.run(number), status=RunStatus.COMPLETE, ended_at=NOW, response=self.answer)
        kept = Kept(number // 2, number, "complete", None, f'{{"cost": {self.cost}}}')
        return [settled(call), posting.finish_run(run, lambda: (call,), lambda _: keeping(job, kept))]


DAYS = ("2026-03-01", "2026-03-02", "2026-03-04", "2026-03-08", "2026-04-01", "2025-12-31")
ASKINGS = st.builds(
    Asking,
    reserved=st.one_of(st.none(), st.integers(0, 60)),
    cost=st.integers(0, 60),
    model=st.sampled_from(["m", "n"]),
    day=st.sampled_from(DAYS),
    exempt=st.booleans(),
    category=st.sampled_from([None, "c", "t"]),
    key=st.sampled_from([None, "k"]),
    tags=st.sampled_from([(), ("t",), ("t", "t", "ü")]),
    cap=st.sampled_from([None, 50]),
    said=st.sampled_from([0, 1, 3, 6]),
    answer=st.sampled_from([None, "yes", ODD * 100, ODD * 200]),
)
SCOPES = [(Scope.ALL, ""), (Scope.MODEL, "m"), (Scope.PROVIDER, "openai"), (Scope.CATEGORY, "c"), (Scope.KEY, "k")]
BUDGETS = st.lists(
    st.builds(
        lambda period, scope, limit: Budget(period, scope[0], scope[1], limit),
        st.sampled_from(list(Period)),
        st.sampled_from([*SCOPES, (Scope.TAG, "t"), (Scope.TAG, "ü")]),
        st.integers(0, 200),
    ),
    max_size=4,
)
JOB = Job(1, "J", NOW, simulated=False, status=JobStatus.RUNNING, input="-", output="-", settings="{}")


def test_they_leave_what_the_functions_leave_under_any_budgets() -> None:
    """The statement makes its changes before the functions make those that it leaves, and no budget lets more through
    than it has."""

    @given(BUDGETS, st.lists(ASKINGS, min_size=2, max_size=8))
    @settings(max_examples=40)
    def alike(budgets: list[Budget], askings: list[Asking]) -> None:
        for each in (ledger, other):
            each.write(lambda db: clear(db, budgets))
        begun = [change for number, asking in enumerate(askings) for change in asking.begun(number)]
        ended = [change for number, asking in enumerate(askings) for change in asking.ended(number, JOB)]
        for group in (begun, ended):
            left: dict[int, None] = {}
            found, _ = made(ledger, *(noting(change, place, left) for place, change in enumerate(group)))
            expected = [*found]
            for place in [*(place for place in range(len(group)) if place not in left), *left]:
                try:
                    expected[place] = other.write(group[place])
                except (BudgetError, LedgerError) as error:
                    expected[place] = error
            assert list(map(in_words, found)) == list(map(in_words, expected))
            assert rows(ledger) == rows(other)

    with Ledger.in_memory() as ledger, Ledger.in_memory() as other:
        alike()


def clear(connection: sqlite3.Connection, budgets: list[Budget]) -> None:
    for table in reversed((*TABLES, "budgets")):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("DELETE FROM spending")
    set_budgets(connection, budgets)


def noting(change: Postable[Any], place: int, left: dict[int, None]) -> Postable[Any]:
    """A change that notes when its function makes it."""

    def work(connection: sqlite3.Connection) -> Any:
        left.pop(place, None)
        left[place] = None
        return change(connection)

    return replace(change, work=work)


def in_words(result: object) -> object:
    return str(result) if isinstance(result, Exception) else result


def learned(rpm: str, tpm: str, *, at: int = to_micros(NOW), until: int = 0) -> str:
    return f"INSERT INTO learned_limits VALUES (0, 'm', {at}, {rpm}, {tpm}, {until})"


WAITS = f"INSERT INTO rate_slots VALUES (1, 0, 'm', {to_micros(NOW)}, {to_micros(NOW) + 1}, 1)"
FAILED = f"INSERT INTO breakers VALUES (0, 'openai', '', 1, 0, {to_micros(NOW)}, NULL, NULL, 'x')"
BUDGET = "INSERT INTO budgets VALUES ('month', 'tag', 'ü', {})"


class Asked:
    """Runs with a call each that is sent at once, to a model with rate limits."""

    def __init__(self, ledger: Ledger, limits: RateLimits) -> None:
        self.ledger = ledger
        self.admission = Admission(
            ledger,
            simulated=False,
            max_wait_s=0,
            breaker=BreakerPolicy(),
            free_tier=(),
            clock=lambda: NOW,
            monotonic=lambda: 0.0,
        )
        scores = Scores(0.5, 0.5, 0.5, 0.5)
        self.spec = ModelSpec("m", "openai", "m-1", (), 1_000, 100, (Level.BASIC,), scores, limits=limits)

    def of(self, number: int) -> tuple[Permit, list[Postable[Any]]]:
        permit = self.admission.at_once(self.spec, deadline=1.0)
        assert permit is not None
        run = replace(RUN, run_id=f"R{number}")
        call = replace(CALL, call_id=f"C{number}", run_id=run.run_id)
        confirmation = self.admission.confirmation(permit, tokens=100, under_budgets=True)
        return permit, [posting.start_run(run, ()), posting.reserve([call], (), confirmation)]


@pytest.mark.parametrize(
    ("limits", "before", "posts"),
    [
        pytest.param(RateLimits(), "", True, id="none"),
        pytest.param(RateLimits(rpm=3), "", True, id="requests, enough"),
        pytest.param(RateLimits(rpm=2), "", False, id="requests, too few"),
        pytest.param(RateLimits(tpm=300), "", True, id="tokens, enough"),
        pytest.param(RateLimits(tpm=299), "", False, id="tokens, too few"),
        pytest.param(RateLimits(tpm=50), "", False, id="tokens, fewer than one call takes"),
        pytest.param(RateLimits(rpd=10), "", False, id="a day's requests"),
        pytest.param(RateLimits(), learned("3", "300"), True, id="learned, enough"),
        pytest.param(RateLimits(rpm=9), learned("2", "NULL"), False, id="learned, too few requests"),
        pytest.param(RateLimits(), learned("NULL", "299"), False, id="learned, too few tokens"),
        pytest.param(RateLimits(), learned("1", "1", at=0), False, id="learned long ago"),
        pytest.param(RateLimits(), learned("9", "NULL", until=2**60), False, id="the provider's pause"),
        pytest.param(RateLimits(rpm=9), WAITS, False, id="somebody who waits"),
        pytest.param(RateLimits(), FAILED, False, id="a breaker of the provider"),
        pytest.param(RateLimits(rpm=9), BUDGET.format(1_800), True, id="a budget, enough"),
        pytest.param(RateLimits(rpm=9), BUDGET.format(1_799), False, id="a budget, too little"),
    ],
)
def test_slots_are_taken_as_the_functions_take_them(
    limits: RateLimits, before: str, posts: bool, ledger: Ledger, tmp_path: Path
) -> None:
    with Ledger.open(tmp_path / "other.db") as other:
        found: list[tuple[list[Any], ...]] = []
        for each in (ledger, other):
            each.write(lambda db: db.execute(before))
            permits, changes = zip(*map(Asked(each, limits).of, range(3)), strict=True)
            if each is ledger:
                results, statements = made(each, *(change for pair in changes for change in pair))
            else:
                results = [result for pair in changes for change in pair for result in made(each, change)[0]]
            slots = each.read(lambda db: db.execute("SELECT * FROM rate_slots ORDER BY slot_id").fetchall())
            calls = each.read(lambda db: db.execute("SELECT call_id FROM call_rows").fetchall())
            errors = [type(result) for result in results]
            taken = [(permit.slot, permit.learned, permit.breakers, permit.budgets) for permit in permits]
            found.append((errors, taken, [tuple(row) for row in slots], [tuple(row) for row in calls]))
    assert found[0] == found[1]
    assert ("BEGIN IMMEDIATE" not in statements) == posts


def test_what_cannot_be_posted_is_not_tried_each_time(ledger: Ledger) -> None:
    made(ledger, *whole("there"))
    tried = [
        any(each.startswith("INSERT INTO inbox") for each in made(ledger, *whole(name), *whole("there"))[1])
        for name in "ABCDEFG"
    ]
    assert tried == [True, False, True, False, False, False, True]


def test_it_waits_for_another_process_that_writes(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        tried: list[str] = []

        def heard(statement: str) -> None:
            if statement.startswith("INSERT INTO inbox"):
                tried.append(statement)
                if len(tried) == 3:
                    other.execute("COMMIT")

        async def together() -> list[Any]:
            return await asyncio.gather(*map(ledger.submit, whole("A")))

        ledger.read(lambda db: db.set_trace_callback(heard))
        assert asyncio.run(together()) == [None, None, (), None, ()]
        assert len(tried) >= 3


def test_pythons_lock_is_handed_over_as_slowly_as_before_once_nothing_waits(ledger: Ledger) -> None:
    usual = sys.getswitchinterval()
    for name in "ABC":
        made(ledger, *whole(name))
    ledger.close()
    assert sys.getswitchinterval() == usual
