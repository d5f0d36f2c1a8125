"""Budgets, counters and alerts on a real ledger."""

from __future__ import annotations

import multiprocessing
import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import BudgetError
from orchestrator.ledger.budgets import Budget, Scope, budget_states, clear_budgets, set_budgets
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord
from orchestrator.ledger.schema import MIGRATIONS
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)  # a Saturday


def a_run(run_id: str, day: str = "2026-11-21", **fields: object) -> RunRecord:
    return replace(RunRecord(run_id, NOW, day, "fallback", "0" * 64, simulated=False), **fields)  # type: ignore[arg-type]


def a_call(call_id: str, run_id: str, reserved: int | None, day: str = "2026-11-21", **fields: object) -> CallRecord:
    base = CallRecord(call_id, run_id, NOW, day, "openai", "gpt-4o", "gpt-4o", 1, simulated=False)
    return replace(base, reserved_nanousd=reserved, **fields)  # type: ignore[arg-type]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.db")


def limit(ledger: Ledger, period: Period, amount: int, scope: Scope = Scope.ALL, name: str = "") -> None:
    ledger.write(lambda connection: set_budgets(connection, [Budget(period, scope, name, amount)]))


def spend(ledger: Ledger, number: int, amount: int, *, day: str = "2026-11-21", **run: object) -> tuple[object, ...]:
    ledger.start_run(a_run(f"R{number}", day, **run))
    call = a_call(f"C{number}", f"R{number}", amount, day)
    ledger.reserve([call])
    return ledger.settle(
        replace(call, status=CallStatus.COMPLETED, cost_nanousd=amount, cost_source=CostSource.USAGE, ended_at=NOW)
    )


def test_what_is_spent_and_set_aside_counts_and_the_refusal_says_how_much_is_left(ledger: Ledger) -> None:
    limit(ledger, Period.DAY, 1000)
    spend(ledger, 1, 300)
    ledger.start_run(a_run("R2"))
    ledger.reserve([a_call("C2", "R2", 500)])
    with pytest.raises(BudgetError, match=r"a day has \$0\.0000002 left, and gpt-4o could cost \$0\.000000201"):
        ledger.reserve([a_call("C3", "R2", 201)])
    ledger.reserve([a_call("C3", "R2", 200)])


@pytest.mark.parametrize(
    ("scope", "name", "hits"),
    [
        pytest.param(Scope.PROVIDER, "openai", True, id="provider"),
        pytest.param(Scope.PROVIDER, "google", False, id="other-provider"),
        pytest.param(Scope.MODEL, "gpt-4o", True, id="model"),
        pytest.param(Scope.CATEGORY, "batch", True, id="category"),
        pytest.param(Scope.CATEGORY, "chat", False, id="other-category"),
        pytest.param(Scope.TAG, "b", True, id="one-of-its-tags"),
        pytest.param(Scope.TAG, "c", False, id="other-tag"),
        pytest.param(Scope.KEY, "ci", True, id="key"),
        pytest.param(Scope.KEY, "", False, id="other-key"),
    ],
)
def test_a_budget_holds_for_its_scope_alone(ledger: Ledger, scope: Scope, name: str, hits: bool) -> None:
    limit(ledger, Period.MONTH, 10, scope, name)
    ledger.start_run(a_run("R1", category="batch", tags=("a", "b"), key="ci"))
    if hits:
        with pytest.raises(BudgetError):
            ledger.reserve([a_call("C1", "R1", 11)])
    else:
        ledger.reserve([a_call("C1", "R1", 11)])


def test_calls_at_the_same_time_are_reserved_together_or_not_at_all(ledger: Ledger) -> None:
    limit(ledger, Period.DAY, 100)
    ledger.start_run(a_run("R1"))
    with pytest.raises(BudgetError, match="gpt-4o and gpt-4o could cost"):
        ledger.reserve([a_call("C1", "R1", 60), a_call("C2", "R1", 60)])
    assert ledger.read(lambda connection: connection.execute("SELECT count(*) FROM calls").fetchone()[0]) == 0


def test_free_and_exempt_calls_pass_a_spent_budget(ledger: Ledger) -> None:
    limit(ledger, Period.DAY, 0)
    ledger.start_run(a_run("R1"))
    ledger.reserve([a_call("free", "R1", 0), a_call("local", "R1", 500)], exempt=["local"])
    with pytest.raises(BudgetError):
        ledger.reserve([a_call("C1", "R1", 1)])


def test_an_unpriced_call_fits_into_no_budget_unless_it_is_allowed(ledger: Ledger) -> None:
    limit(ledger, Period.WEEK, 10**12)
    ledger.start_run(a_run("R1"))
    with pytest.raises(BudgetError, match="no known price"):
        ledger.reserve([a_call("C1", "R1", None)])
    ledger.reserve([a_call("C1", "R1", None)], exempt=["C1"])


def test_windows_are_calendar_days_weeks_from_monday_and_months(ledger: Ledger) -> None:
    for period in Period:
        limit(ledger, period, 10**9)
    for number, day in enumerate(["2026-10-31", "2026-11-01", "2026-11-15", "2026-11-16", "2026-11-21", "2026-11-22"]):
        spend(ledger, number, 10**number, day=day)
    states = ledger.read(lambda connection: budget_states(connection, date(2026, 11, 21), simulated=False))
    assert {state.budget.period.value: state.settled_nanousd for state in states} == {
        "day": 10_000,
        "week": 111_000,
        "month": 111_110,
        "year": 111_111,
        "all": 111_111,
    }


@given(
    st.dates(date(2020, 1, 1), date(2040, 1, 1)),
    st.sampled_from([period for period in Period if period is not Period.ALL]),
)
def test_every_day_lies_in_exactly_one_window_of_a_kind(day: date, period: Period) -> None:
    first, last = period.days(day)
    assert first <= day <= last
    assert period.days(first) == period.days(last) == (first, last)
    if period is not Period.ALL:
        assert period.days(last + timedelta(days=1))[0] == last + timedelta(days=1)


def test_simulated_money_fills_no_real_budget(ledger: Ledger) -> None:
    limit(ledger, Period.DAY, 100)
    ledger.start_run(a_run("R1", simulated=True))
    ledger.reserve([a_call("C1", "R1", 90, simulated=True)])
    spend(ledger, 2, 90)


def test_alerts_come_once_a_window(ledger: Ledger) -> None:
    limit(ledger, Period.DAY, 100)
    given_out = [spend(ledger, number, 20) for number in range(5)]
    assert [[alert.percent for alert in alerts] for alerts in given_out] == [[], [], [50], [80], [100]]  # type: ignore[attr-defined]
    limit(ledger, Period.DAY, 10_000)
    assert spend(ledger, 9, 10) == ()


def test_one_call_that_passes_several_marks_alerts_once_with_the_highest(ledger: Ledger) -> None:
    limit(ledger, Period.DAY, 100)
    (alert,) = spend(ledger, 1, 90)
    assert str(alert).startswith("80 % of the budget of $0.0000001 a day is spent")


def test_budgets_are_replaced_and_cleared(ledger: Ledger) -> None:
    limit(ledger, Period.DAY, 1)
    limit(ledger, Period.DAY, 2)
    limit(ledger, Period.WEEK, 3, Scope.TAG, "x")
    assert len(ledger.read(lambda c: budget_states(c, NOW.date(), simulated=False))) == 2
    assert ledger.write(lambda c: clear_budgets(c, list(Period), Scope.ALL, "")) == 1
    assert ledger.write(lambda c: clear_budgets(c, list(Period), None, "")) == 1


Change = tuple[str, int, int | None, int | None]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.integers(1, 3),
            st.none() | st.integers(0, 99),
            st.none() | st.integers(0, 99),
        ),
        max_size=12,
    )
)
def test_counters_equal_the_sums_of_rows_whatever_is_done_to_them(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Change]
) -> None:
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.db") as ledger:
        for number, (category, day, reserved, cost) in enumerate(changes):
            ledger.start_run(a_run(f"R{number}", f"2026-11-0{day}", category=category, tags=(category, "all")))
            call = a_call(f"C{number}", f"R{number}", reserved, f"2026-11-0{day}")
            ledger.reserve([call])
            if cost is not None:
                ledger.settle(replace(call, cost_nanousd=cost, cost_source=CostSource.USAGE, ended_at=NOW))
            if number % 4 == 3:
                ledger.write(partial(_delete, call.call_id))
        for scope in ("category", "tag"):
            rows, counters = ledger.read(partial(_sums_and_counters, scope))
            assert counters == rows


def _delete(call_id: str, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM calls WHERE call_id = ?", (call_id,))


def _sums_and_counters(
    scope: str, connection: sqlite3.Connection
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    rows = connection.execute(
        "SELECT calls.day, sum(coalesce(cost_nanousd, reserved_nanousd, 0)), sum(coalesce(cost_nanousd, 0))"
        " FROM calls JOIN runs USING (run_id) WHERE category = 'a' GROUP BY calls.day"
    )
    counters = connection.execute(
        "SELECT day, committed_nanousd, settled_nanousd FROM spending WHERE scope = ? AND name = 'a' AND EXISTS"
        " (SELECT 1 FROM calls JOIN runs USING (run_id) WHERE calls.day = spending.day AND category = 'a')",
        (scope,),
    )
    return sorted(map(tuple, rows)), sorted(map(tuple, counters))


def test_what_was_called_before_there_were_counters_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as old:
        for statement in MIGRATIONS[0]:
            old.execute(statement)
        old.execute("PRAGMA user_version = 1")
        old.execute(
            "INSERT INTO runs (run_id, created_at, day, status, strategy, plan, tags, prompt_sha256, simulated,"
            " metadata) VALUES ('R', 1, '2026-11-21', 'complete', 'fallback', '{}', '[\"t\"]', 'x', 0, '{}')"
        )
        old.execute(
            "INSERT INTO calls (call_id, run_id, created_at, day, status, provider, model, provider_model, attempt,"
            " cost_nanousd, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,"
            " simulated) VALUES ('C', 'R', 1, '2026-11-21', 'completed', 'openai', 'm', 'm', 1, 70, 1, 1, 0, 0, 0, 0)"
        )
    old.close()
    with Ledger.open(path) as ledger:
        limit(ledger, Period.DAY, 100, Scope.TAG, "t")
        (state,) = ledger.read(lambda c: budget_states(c, date(2026, 11, 21), simulated=False))
    assert (state.settled_nanousd, state.left_nanousd) == (70, 30)


def _spend_until_refused(path: str, worker: int) -> None:
    with Ledger.open(Path(path)) as ledger:
        for number in range(100):
            name = f"{worker}-{number}"
            ledger.start_run(a_run(f"R{name}", process=ledger.process))
            call = a_call(f"C{name}", f"R{name}", 7)
            try:
                ledger.reserve([call])
            except BudgetError:
                return
            ledger.settle(
                replace(call, status=CallStatus.COMPLETED, cost_nanousd=5, cost_source=CostSource.USAGE, ended_at=NOW)
            )


def test_processes_together_never_go_over_a_budget_and_use_nearly_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        limit(ledger, Period.DAY, 500)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_spend_until_refused, args=(str(path), number)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    with Ledger.open(path) as ledger:
        (state,) = ledger.read(lambda c: budget_states(c, NOW.date(), simulated=False))
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert 490 <= state.settled_nanousd <= 500
    assert state.settled_nanousd == state.committed_nanousd


def test_what_a_call_costs_in_the_ledger_does_not_grow_with_the_number_of_budgets(ledger: Ledger) -> None:
    """Counted in steps of SQLite's machine, which do not depend on this one's speed."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    ledger.read(lambda connection: connection.set_progress_handler(step, 1))
    taken = []
    for number, budgets in enumerate((1, 10, 1_000)):
        limit(ledger, Period.DAY, 10**9)
        names = [Budget(Period.MONTH, Scope.TAG, f"tag-{name}", 10**9) for name in range(budgets)]
        ledger.write(partial(set_budgets, budgets=names))
        before = steps
        spend(ledger, number, 5, tags=("tag-0",))
        taken.append(steps - before)
    assert max(taken) <= 1.1 * taken[0]
