"""The runs that the page lists: of each bar, leg, bin and error at least one, and the newest, dearest and failed ones.

The page has the whole of a small ledger's runs. Of a large one it has so many that whatever is clicked has some, and it
says that there are more.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from ...ledger.budgets import BudgetState, Scope
from ...ledger.rows import from_micros
from ...money import format_nanousd
from ...period import Period
from ..plain import one_line
from ..selection import Selection
from .figures import Figures, start_of
from .parts import BIN, LEGS

NEWEST = 500
EXCERPT = 120
_EXCERPT_BYTES = 2_000

_LATEST = "SELECT run_id FROM run_rows AS runs WHERE {where} ORDER BY runs.rowid DESC LIMIT ?"
# The latest run that counts in a budget, if it is among the latest of all.
_OF_BUDGET = """
    SELECT run_id FROM (
        SELECT run_id, category, key, tags FROM run_rows AS runs WHERE {where} AND runs.day >= ?
        ORDER BY runs.rowid DESC LIMIT 20000
    ) AS runs WHERE {counts} LIMIT 1
"""
_OF_A_CALL = "EXISTS (SELECT 1 FROM call_rows AS calls WHERE calls.run_id = runs.run_id AND calls.{0} = ?)"
_COUNTS = {
    Scope.ALL: "true",
    Scope.PROVIDER: _OF_A_CALL.format("provider"),
    Scope.MODEL: _OF_A_CALL.format("model"),
    Scope.CATEGORY: "category = ?",
    Scope.TAG: "EXISTS (SELECT 1 FROM json_each(runs.tags) WHERE value = ?)",
    Scope.KEY: "key = ?",
}
_RUNS = f"""
    SELECT runs.run_id, runs.created_at, runs.day, runs.status, runs.strategy, runs.task, runs.model_used,
           runs.confidence, {BIN} AS bin, runs.latency_ms, runs.error_code,
           runs.category, runs.tags, runs.key,
           (SELECT rating FROM ratings WHERE ratings.run_id = runs.run_id) AS rating,
           substr(CAST(runs.prompt AS BLOB), 1, {_EXCERPT_BYTES}) AS prompt
    FROM runs WHERE runs.run_id IN (SELECT value FROM json_each(?)) ORDER BY runs.rowid DESC
"""
_CALLS = """
    SELECT run_id, provider, model, error_code, cost_nanousd, reserved_nanousd, cost_source FROM calls
    WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY rowid
"""


def listed_runs(
    connection: sqlite3.Connection,
    selection: Selection,
    figures: Figures,
    budgets: Sequence[BudgetState] = (),
    *,
    newest: int = NEWEST,
) -> list[dict[str, Any]]:
    """The runs to list, newest first: what is shown of each, and what it is found by. `newest` is how many of the
    newest there are at least."""
    where, parameters = selection.where()
    latest = connection.execute(_LATEST.format(where=where), (*parameters, newest))
    picked = figures.examples.union(row[0] for row in latest)
    for state in budgets:
        of_budget = _OF_BUDGET.format(where=where, counts=_COUNTS[state.budget.scope])
        name = () if state.budget.scope is Scope.ALL else (state.budget.name,)
        picked |= {row[0] for row in connection.execute(of_budget, (*parameters, state.first_day.isoformat(), *name))}
    wanted = json.dumps(sorted(picked))
    legs = _legs(connection, wanted)
    calls: dict[str, list[sqlite3.Row]] = {}
    for call in connection.execute(_CALLS, (wanted,)):
        calls.setdefault(call["run_id"], []).append(call)
    return [
        _listed(row, calls.get(row["run_id"], []), legs.get(row["run_id"], []), figures.unit)
        | {"budgets": _counts_in(row, calls.get(row["run_id"], []), budgets)}
        for row in connection.execute(_RUNS, (wanted,))
    ]


def _legs(connection: sqlite3.Connection, wanted: str) -> dict[str, list[str]]:
    """The legs that each run went through, each as `CHAIN LEG` followed by what came of it."""
    legs: dict[str, list[str]] = {}
    sql = LEGS.format(where="runs.run_id IN (SELECT value FROM json_each(?))")
    for row in connection.execute(sql, (wanted,)):
        came_of_it = "answered" if row["answered"] else "passed on" if row["passed_on"] else "not taken"
        place = leg_name(row["chain"], row["leg"])
        legs.setdefault(row["run_id"], []).extend([place, f"{place}: {came_of_it}"])
    return legs


def leg_name(chain: str, leg: int) -> str:
    """A leg as the page names it."""
    return f"{chain} {leg}"


def _counts_in(row: sqlite3.Row, calls: list[sqlite3.Row], budgets: Sequence[BudgetState]) -> list[str]:
    """The budgets in whose windows a run was started and that limit it or one of its calls."""
    names = {
        Scope.ALL: [""],
        Scope.PROVIDER: [call["provider"] for call in calls],
        Scope.MODEL: [call["model"] for call in calls],
        Scope.CATEGORY: [row["category"]],
        Scope.TAG: json.loads(row["tags"]),
        Scope.KEY: [row["key"]],
    }
    return [
        str(state.budget)
        for state in budgets
        if state.first_day.isoformat() <= row["day"] and state.budget.name in names[state.budget.scope]
    ]


def _listed(row: sqlite3.Row, calls: list[sqlite3.Row], legs: list[str], unit: Period) -> dict[str, Any]:
    costs = [call["reserved_nanousd"] if call["cost_source"] is None else call["cost_nanousd"] for call in calls]
    cost = None if any(each is None for each in costs) else sum(costs)
    prompt: bytes | None = row["prompt"]
    return {
        "run": row["run_id"],
        "at": f"{from_micros(row['created_at']).astimezone():%Y-%m-%d %H:%M}",
        "span": start_of(row["day"], unit),
        "status": row["status"],
        "strategy": row["strategy"],
        "task": row["task"],
        "model": row["model_used"],
        "models": list(dict.fromkeys(call["model"] for call in calls)),
        "errors": list(dict.fromkeys(code for call in calls if (code := call["error_code"]) is not None)),
        "failures": list(
            dict.fromkeys(f"{call['error_code']} {call['model']}" for call in calls if call["error_code"] is not None)
        ),
        "legs": legs,
        "bin": row["bin"],
        "rated": row["rating"] is not None,
        "confidence": row["confidence"],
        "rating": row["rating"],
        "latency": row["latency_ms"],
        "cost": format_nanousd(cost),
        "nanousd": -1 if cost is None else cost,
        "prompt": None if prompt is None else one_line(prompt.decode("utf-8", "ignore"), EXCERPT),
    }
