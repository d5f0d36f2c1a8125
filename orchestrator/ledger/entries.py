"""The changes that a run makes to the ledger; each function is one change within the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime

from ..errors import BudgetError
from ..money import format_nanousd
from .budgets import Alert, check_budgets, new_alerts
from .budgets import left_nanousd as left_of_budgets
from .conversations import KeptTurn, keep_conversation
from .orphans import interrupt_calls
from .records import CallRecord, CallStatus, RunRecord
from .rows import from_row, insert, rewrite, to_micros, update


def start_run(connection: sqlite3.Connection, run: RunRecord, said: Sequence[KeptTurn] = ()) -> None:
    """Insert the run's row, and the turns of its conversation."""
    insert(connection, "runs", run)
    keep_conversation(connection, run.run_id, said)


def reserve(connection: sqlite3.Connection, calls: Sequence[CallRecord], exempt: Collection[str] = ()) -> None:
    """Insert calls of one run and reserve their worst cases, for all of them or for none.

    Raises BudgetError, before anything is written, if together they do not fit into the run's cap and every budget that
    applies. Caps and budgets do not apply to free calls and to those whose id is in `exempt`.
    """
    counted = [call for call in calls if call.call_id not in exempt and call.reserved_nanousd != 0]
    if counted:
        _check_cap(connection, counted)
        check_budgets(connection, counted)
    for call in calls:
        insert(connection, "calls", call)


def mark_sent(connection: sqlite3.Connection, call_id: str, at: datetime) -> None:
    """Mark a call as sent, right before it is. Raises ValueError if it is not reserved any more: another process may
    have taken this one for dead."""
    changed = connection.execute(
        "UPDATE call_rows SET status = ?, sent_at = ? WHERE call_id = ? AND status = ?",
        (CallStatus.SENT.value, to_micros(at), call_id, CallStatus.RESERVED.value),
    )
    if changed.rowcount != 1:
        raise ValueError(f"the call {call_id} is not reserved any more")


def settle(connection: sqlite3.Connection, call: CallRecord) -> tuple[Alert, ...]:
    """Write how a call ended: status, usage, cost. Returns the budget alerts that its cost raises."""
    rewrite(connection, "calls", "call_id", call)
    return new_alerts(connection, call, call.ended_at or call.created_at)


def judge(connection: sqlite3.Connection, call_id: str, confidence: float, verdict: str) -> None:
    """Write the verdict on a call's answer; `verdict` is a JSON object."""
    update(connection, "calls", "call_id", call_id, {"confidence": confidence, "verdict": verdict})


def finish_run(connection: sqlite3.Connection, run: RunRecord) -> tuple[CallRecord, ...]:
    """Write the end of a run. Calls that are still open, as after a cancellation, become interrupted; returns their
    rows."""
    rewrite(connection, "runs", "run_id", run)
    interrupted = interrupt_calls(connection, "run_id = ?", (run.run_id,), run.ended_at or run.created_at)
    return tuple(from_row(CallRecord, row) for row in interrupted)


def left_nanousd(connection: sqlite3.Connection, call: CallRecord) -> int | None:
    """What the run's cap and the budgets leave for a call that is not in the ledger yet; None is no limit."""
    cap = _cap(connection, call.run_id)
    of_cap = None if cap is None else max(0, cap - _committed(connection, call.run_id))
    amounts = [amount for amount in (of_cap, left_of_budgets(connection, call)) if amount is not None]
    return min(amounts, default=None)


def _cap(connection: sqlite3.Connection, run_id: str) -> int | None:
    row = connection.execute("SELECT max_cost_nanousd FROM run_rows WHERE run_id = ?", (run_id,)).fetchone()
    cap: int | None = None if row is None else row["max_cost_nanousd"]
    return cap


def _committed(connection: sqlite3.Connection, run_id: str) -> int:
    (total,) = connection.execute(
        "SELECT coalesce(sum(coalesce(cost_nanousd, reserved_nanousd, 0)), 0) FROM call_rows WHERE run_id = ?",
        (run_id,),
    ).fetchone()
    return int(total)


def _check_cap(connection: sqlite3.Connection, calls: Sequence[CallRecord]) -> None:
    run_id, names = calls[0].run_id, " and ".join(call.model for call in calls)
    cap = _cap(connection, run_id)
    if cap is None:
        return
    reserved = [call.reserved_nanousd for call in calls]
    if None in reserved:
        raise BudgetError(
            f"{calls[reserved.index(None)].model} has no known price, so it cannot be called under a cost cap",
            hint="give it a price in your models.yaml, or say --allow-unpriced",
        )
    worst, left = sum(amount or 0 for amount in reserved), cap - _committed(connection, run_id)
    if worst > left:
        raise BudgetError(
            f"{names} could cost {format_nanousd(worst)}, and {format_nanousd(max(left, 0))} of the run's "
            f"{format_nanousd(cap)} is left",
            hint="raise --max-cost, lower --max-tokens, or name a cheaper model",
        )
