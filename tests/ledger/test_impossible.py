"""Rows of older ledgers with amounts that no call has: nothing overflows, and nothing is blocked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orchestrator.ledger.budgets import Budget, Scope, budget_states, set_budgets
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord
from orchestrator.ledger.store import Ledger
from orchestrator.money import MOST_NANOUSD
from orchestrator.period import Period

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HUGE = 9 * 10**18
CALL = CallRecord("C", "R", NOW, "2026-11-21", "openai", "gpt-4o", "gpt-4o", 1, simulated=False, reserved_nanousd=500)
GOOD = replace(CALL, call_id="good", status=CallStatus.COMPLETED, cost_nanousd=7, cost_source=CostSource.USAGE)
TRIGGERS = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
SUMS = "SELECT sum(cost_nanousd), sum(input_tokens), sum(output_tokens) FROM calls"


def poisoned(path: Path, change: str) -> int:
    """A ledger with one good call, and three that were changed before anything looked at amounts. Returns how many
    triggers it has."""
    with Ledger.open(path) as ledger:
        triggers: int = ledger.read(lambda db: db.execute(TRIGGERS).fetchone()[0])
        ledger.write(lambda db: set_budgets(db, [Budget(Period.MONTH, Scope.ALL, "", 10**9)]))
        ledger.start_run(RunRecord("R", NOW, "2026-11-21", "fallback", "0" * 64, simulated=False))
        ledger.reserve([GOOD, *(replace(GOOD, call_id=f"bad{number}") for number in range(3))])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        (trigger,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'spending_of_a_changed_call'").fetchone()
        db.execute("DROP TRIGGER spending_of_a_changed_call")
        db.execute(f"UPDATE calls SET {change} WHERE call_id LIKE 'bad%'")
        db.execute("UPDATE spending SET settled_nanousd = (SELECT max(cost_nanousd) FROM calls)")
        db.execute(trigger)
    return triggers


@pytest.mark.parametrize(
    ("change", "cost"),
    [
        (f"cost_nanousd = {HUGE}", 500),
        (f"cost_nanousd = {HUGE}, reserved_nanousd = {HUGE}", None),
        (f"input_tokens = {HUGE}, output_tokens = {HUGE}", 7),
        (f"cost_nanousd = {HUGE}, input_tokens = {HUGE}", 500),
    ],
    ids=["cost", "cost and reservation", "tokens", "cost and tokens"],
)
@pytest.mark.parametrize("reading", [True, False], ids=["for reading", "for writing"])
def test_amounts_that_no_call_has_are_corrected_and_kept_beside(
    tmp_path: Path, change: str, cost: int | None, reading: bool
) -> None:
    path = tmp_path / "ledger.db"
    before = poisoned(path, change)
    opened = Ledger.open_for_reading(path) if reading else Ledger.open(path)
    assert opened is not None
    with opened as ledger:
        assert ledger.read(lambda db: tuple(db.execute(SUMS).fetchone())) == (7 + 3 * (cost or 0), 0, 0)
        rows = ledger.read(lambda db: db.execute("SELECT * FROM calls WHERE call_id LIKE 'bad%'").fetchall())
        (state,) = ledger.read(lambda db: budget_states(db, date(2026, 11, 21), simulated=False))
        triggers = ledger.read(lambda db: db.execute(TRIGGERS).fetchone()[0])
    assert [row["cost_nanousd"] for row in rows] == [cost] * 3
    source = {7: "usage", None: "unpriced"}.get(cost, "estimate")
    assert {row["cost_source"] for row in rows} == {source}
    assert HUGE in json.loads(rows[0]["usage"])["not_believed"].values()
    assert (state.settled_nanousd, triggers) == (7 + 3 * (cost or 0), before)
    assert ledger.warnings == ["3 calls had impossible costs or tokens; they have their worst case now"]


def test_a_ledger_without_them_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    poisoned(path, f"cost_nanousd = {MOST_NANOUSD}")
    with Ledger.open(path) as ledger:
        assert ledger.warnings == []
        assert ledger.read(lambda db: db.execute("SELECT max(cost_nanousd) FROM calls").fetchone()[0]) == MOST_NANOUSD
