"""Leases: what the owner of a ledger sets aside for a worker on another machine, which has a ledger of its own.

    lend ─► top_up ─► note_spent (its rows have come) ─► close              all of it is known
                └──► mark_lost ─► close | release | settle_at_worst          the worker, or its owner, has died

What a lease holds counts as reserved in every budget that applies, so nobody else can spend it. A worker spends no more
than it was granted, and each call that comes back moves its cost from the hold to the call's own row, in one
transaction. A lease that is lost stays set aside until what its worker sent is known, or until somebody says what
becomes of it: it is never given back silently.

A call that was made within a lease belongs to the lease's day, since that is when its money was set aside. All amounts
are nano-dollars; all functions work within the caller's transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from ulid import ULID

from ..clock import rfc3339
from ..deferred import dataclass, replace
from ..errors import LedgerError
from ..money import MOST_NANOUSD, format_nanousd
from ..period import Period
from ..types import digest_of
from . import entries
from .budgets import Budget, BudgetState, Scope, budget_states
from .lent_rates import count_days, end_rates
from .records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from .rows import from_micros, insert, to_micros

ScopeName = tuple[Scope, str]
EVERYTHING: ScopeName = (Scope.ALL, "")
_OF_CALLS = (Scope.PROVIDER, Scope.MODEL)  # budgets of these need not apply to every call of a lease
_KEPT_DAYS = 30  # closed leases are listed for so long


class LeaseStatus(StrEnum):
    """`held` by a worker; `lost`: what its worker sent is unknown; `settled` at its worst; `closed`: all is known."""

    HELD = "held"
    LOST = "lost"
    SETTLED = "settled"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who a lease is for. `worker`: its address; `ledger`: its own ledger's file on the machine `host`; `process`: the
    owner's, which lends."""

    job: str
    worker: str
    host: str
    ledger: str
    process: str | None
    simulated: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """What was granted for one scope so far, and what of it is spent by calls that have come back."""

    granted: int
    spent: int = 0

    @property
    def left(self) -> int:
        """What is still set aside."""
        return max(0, self.granted - self.spent)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a lease should hold. `held`: so much set aside, in all; `scopes`: the categories, tags and keys of its runs;
    `cap_left`: what the job's own cap leaves beside all leases of the job, None without one; `day`: the owner's."""

    held: int
    day: str
    scopes: Collection[ScopeName] = ()
    cap_left: int | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it stands. `short_of`: why it holds less than was wanted, in words."""

    lease_id: str
    holder: Holder
    day: str
    status: LeaseStatus
    taken_at: datetime
    holds: Mapping[ScopeName, Hold] = field(default_factory=dict)
    short_of: str = ""

    @property
    def hold(self) -> Hold:
        """The hold on everything: what all calls of the worker together may cost."""
        return self.holds.get(EVERYTHING, Hold(0))

    def limits(self) -> list[Budget]:
        """What the worker's own ledger has to keep to: the hold on everything, and those of a provider or a model."""
        return [
            Budget(Period.ALL, scope, name, hold.granted)
            for (scope, name), hold in self.holds.items()
            if scope in (Scope.ALL, *_OF_CALLS)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The lease as a JSON object, as documented in docs/json.md."""
        return {
            "lease_id": self.lease_id,
            "job": self.holder.job,
            "status": self.status.value,
            "worker": self.holder.worker,
            "host": self.holder.host,
            "ledger": self.holder.ledger,
            "day": self.day,
            "taken_at": rfc3339(self.taken_at),
            "granted_nanousd": self.hold.granted,
            "spent_nanousd": self.hold.spent,
            "reserved_nanousd": self.hold.left,
        }


def lend(connection: sqlite3.Connection, holder: Holder, wanted: Wanted, now: datetime) -> Lease:
    """Make a lease that holds as much of what is wanted as the budgets and the cap leave; that may be nothing."""
    lease_id, micros = str(ULID()), to_micros(now)
    _forget_old(connection, micros)
    connection.execute(
        "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'held', ?, ?, NULL)",
        (
            *(lease_id, holder.job, holder.worker, holder.host, holder.ledger, holder.process),
            *(holder.simulated, wanted.day, micros, micros),
        ),
    )
    states = budget_states(connection, date.fromisoformat(wanted.day), simulated=holder.simulated)
    scopes = {EVERYTHING, *wanted.scopes, *_of_calls(states)}
    connection.executemany(
        "INSERT INTO lease_holds VALUES (?, ?, ?, 0, 0)", [(lease_id, scope.value, name) for scope, name in scopes]
    )
    return top_up(connection, lease_id, wanted, now)


def top_up(connection: sqlite3.Connection, lease_id: str, wanted: Wanted, now: datetime) -> Lease:
    """Grant a lease what it lacks of what it should hold, as far as the budgets and the cap leave it. A wanted scope
    that it has no hold for afterwards is one whose runs the worker must not be given. Raises LedgerError if it is not
    held any more."""
    lease = lease_of(connection, lease_id)
    if lease.status is not LeaseStatus.HELD:
        raise LedgerError(f"the lease {lease_id} is {lease.status}", hint="orch batch leases lists all")
    states = budget_states(connection, date.fromisoformat(wanted.day), simulated=lease.holder.simulated)
    if not _moved_to(connection, lease, wanted.day, states):
        return _short(connection, lease_id, f"its calls of {lease.day} have not all come back")
    if (barring := _barring(lease, wanted.scopes, states)) is not None:
        return _short(connection, lease_id, f"the budget of {barring.budget} cannot hold what the lease has already")
    lease = _with_scopes(connection, lease, wanted.scopes)
    states = budget_states(connection, date.fromisoformat(wanted.day), simulated=lease.holder.simulated)
    grant, short_of = _grant(connection, lease, wanted, states)
    left = {(state.budget.scope, state.budget.name): state.left_nanousd for state in _tightest(states)}
    connection.executemany(
        "UPDATE lease_holds SET granted_nanousd = granted_nanousd + ? WHERE lease_id = ? AND scope = ? AND name = ?",
        [
            (min(grant, left.get((scope, name), grant)) if scope in _OF_CALLS else grant, lease_id, scope.value, name)
            for scope, name in lease.holds
            if grant
        ],
    )
    connection.execute("UPDATE leases SET renewed_at = ? WHERE lease_id = ?", (to_micros(now), lease_id))
    return _short(connection, lease_id, short_of)


def room_for(connection: sqlite3.Connection, lease_id: str, wanted: Wanted) -> int:
    """The most that `top_up` could have a lease hold now, whatever is wanted; at most a million dollars."""
    lease = lease_of(connection, lease_id)
    states = budget_states(connection, date.fromisoformat(wanted.day), simulated=lease.holder.simulated)
    return lease.hold.left + _grant(connection, lease, replace(wanted, held=MOST_NANOUSD), states)[0]


def note_spent(connection: sqlite3.Connection, lease_id: str, run: Mapping[str, Any], calls: Iterable[Any]) -> None:
    """Move the costs of calls that came back, and whose rows are in the ledger now, out of the lease's holds."""
    of_run = {(Scope.TAG.value, tag) for tag in json.loads(run["tags"])}
    of_run |= {(scope.value, run[scope.value]) for scope in (Scope.CATEGORY, Scope.KEY)}
    spent: dict[tuple[str, str], int] = {}
    for call in calls:
        cost = call["cost_nanousd"] if call["cost_nanousd"] is not None else call["reserved_nanousd"] or 0
        of_call = {("all", ""), ("provider", call["provider"]), ("model", call["model"])}
        for scope in of_run | of_call:
            spent[scope] = spent.get(scope, 0) + cost
    connection.executemany(
        "UPDATE lease_holds SET spent_nanousd = spent_nanousd + ? WHERE lease_id = ? AND scope = ? AND name = ?",
        [(cost, lease_id, scope, name) for (scope, name), cost in spent.items() if cost],
    )
    count_days(connection, lease_id, calls)


def set_ledger(connection: sqlite3.Connection, lease_id: str, path: str) -> None:
    """Note where the worker's own ledger is, on its machine."""
    connection.execute("UPDATE leases SET ledger = ? WHERE lease_id = ?", (path, lease_id))


def take_back(connection: sqlite3.Connection, lease_id: str) -> None:
    """Take back all that a lease holds and has not spent. Its worker must have nothing to do: what it may spend is
    told to it with its next piece."""
    connection.execute(
        "UPDATE lease_holds SET granted_nanousd = spent_nanousd WHERE lease_id = ? AND granted_nanousd > spent_nanousd",
        (lease_id,),
    )


def give_piece(connection: sqlite3.Connection, lease_id: str, piece: int, lines: Sequence[tuple[int, int]]) -> None:
    """Note that a worker is given these lines, as numbers and attempts: from now on they may have been sent."""
    connection.execute("INSERT INTO lease_pieces VALUES (?, ?, ?)", (lease_id, piece, json.dumps(lines)))


def end_piece(connection: sqlite3.Connection, lease_id: str, piece: int) -> None:
    """Note that all is known of a piece."""
    connection.execute("DELETE FROM lease_pieces WHERE lease_id = ? AND piece = ?", (lease_id, piece))


def lines_out(connection: sqlite3.Connection, job: str, lease_id: str | None = None) -> dict[int, int]:
    """The lines of a job that workers may have sent and that nothing is known of, with their last attempts; those of
    one lease, or of all that are out."""
    query = (
        "SELECT value ->> 0, max(value ->> 1) FROM lease_pieces JOIN leases USING (lease_id), json_each(lines)"
        " WHERE job = ? AND lease_id = coalesce(?, lease_id) GROUP BY 1"
    )
    return dict(connection.execute(query, (job, lease_id)).fetchall())


def close(connection: sqlite3.Connection, lease_id: str, now: datetime, *, known: bool = True) -> None:
    """Give back what a lease still holds. `known`: everything that its worker sent is in the ledger."""
    connection.execute("DELETE FROM lease_pieces WHERE lease_id = ?", (lease_id,))
    connection.execute("DELETE FROM lease_holds WHERE lease_id = ?", (lease_id,))
    end_rates(connection, lease_id, to_micros(now), known=known)
    _set_status(connection, lease_id, LeaseStatus.CLOSED, now)


def mark_lost(connection: sqlite3.Connection, lease_id: str, now: datetime) -> None:
    """Note that the worker cannot be reached. What the lease holds stays set aside."""
    _set_status(connection, lease_id, LeaseStatus.LOST, now)


def release(connection: sqlite3.Connection, lease_id: str, now: datetime) -> Lease:
    """Give back a lost lease, on somebody's word that its worker sent nothing more. Raises LedgerError."""
    lease = _lost(connection, lease_id)
    close(connection, lease_id, now, known=False)
    return lease


def settle_at_worst(connection: sqlite3.Connection, lease_id: str, now: datetime) -> Lease:
    """Write what a lost lease holds as spent: as a run with one call, which says so. Holds on a part of everything (a
    provider, a tag) stay set aside in their budgets. Raises LedgerError."""
    lease = _lost(connection, lease_id)
    run, call = _as_run(lease, now)
    entries.start_run(connection, run)
    connection.execute("DELETE FROM lease_holds WHERE lease_id = ? AND scope = 'all'", (lease_id,))
    insert(connection, "calls", call)
    connection.execute("DELETE FROM lease_pieces WHERE lease_id = ?", (lease_id,))
    end_rates(connection, lease_id, to_micros(now), known=False)
    _set_status(connection, lease_id, LeaseStatus.SETTLED, now)
    return lease


def lease_of(connection: sqlite3.Connection, lease_id: str) -> Lease:
    """One lease. Raises LedgerError if there is none by this id."""
    found = _leases(connection, "lease_id = ?", (lease_id,))
    if not found:
        raise LedgerError(f"there is no lease {lease_id!r}", hint="orch batch leases lists all")
    return found[0]


def leases_of(connection: sqlite3.Connection, job: str | None = None, *, out: bool = False) -> list[Lease]:
    """The leases of a job, or of all jobs, in the order in which they were taken; `out`: those that hold something."""
    of_job = "job = ?" if job is not None else "? IS NULL"
    return _leases(connection, f"{of_job} AND {_OUT if out else 'true'}", (job,))


_OUT = "status IN ('held', 'lost')"


def _leases(connection: sqlite3.Connection, which: str, parameters: tuple[object, ...]) -> list[Lease]:
    found = []
    for row in connection.execute(f"SELECT * FROM leases WHERE {which} ORDER BY taken_at, lease_id", parameters):
        rows = connection.execute(
            "SELECT scope, name, granted_nanousd, spent_nanousd FROM lease_holds WHERE lease_id = ?", (row["lease_id"],)
        )
        holder = Holder(
            *(row["job"], row["worker"], row["host"], row["ledger"], row["process"]), simulated=bool(row["simulated"])
        )
        holds = {(Scope(scope), name): Hold(granted, spent) for scope, name, granted, spent in rows.fetchall()}
        taken = from_micros(row["taken_at"])
        found.append(Lease(row["lease_id"], holder, row["day"], LeaseStatus(row["status"]), taken, holds))
    return found


def _short(connection: sqlite3.Connection, lease_id: str, why: str) -> Lease:
    return replace(lease_of(connection, lease_id), short_of=why)


def _of_calls(states: Iterable[BudgetState]) -> set[ScopeName]:
    return {(state.budget.scope, state.budget.name) for state in states if state.budget.scope in _OF_CALLS}


def _tightest(states: Iterable[BudgetState]) -> list[BudgetState]:
    """Of several budgets of one scope and name, the one with the least left comes last."""
    return sorted(states, key=lambda state: -state.left_nanousd)


def _moved_to(connection: sqlite3.Connection, lease: Lease, day: str, states: Collection[BudgetState]) -> bool:
    """Whether the lease is of this day now: what it holds counts in the budgets of a new day if it fits into all."""
    if lease.day == day:
        return True
    for state in states:
        hold = lease.holds.get((state.budget.scope, state.budget.name), Hold(0)).left
        already = hold if state.first_day.isoformat() <= lease.day else 0  # its window has the old day too
        if hold > state.left_nanousd + already:
            return False
    rows = connection.execute("SELECT * FROM lease_holds WHERE lease_id = ?", (lease.lease_id,)).fetchall()
    connection.execute("DELETE FROM lease_holds WHERE lease_id = ?", (lease.lease_id,))
    connection.execute("UPDATE leases SET day = ? WHERE lease_id = ?", (day, lease.lease_id))
    connection.executemany("INSERT INTO lease_holds VALUES (?, ?, ?, ?, ?)", [tuple(row) for row in rows])
    return True


def _barring(lease: Lease, scopes: Collection[ScopeName], states: Iterable[BudgetState]) -> BudgetState | None:
    """The budget of a new scope that what the lease holds already does not fit into."""
    new = set(scopes) - lease.holds.keys()
    of_new = (state for state in states if (state.budget.scope, state.budget.name) in new)
    return next((state for state in of_new if state.left_nanousd < lease.hold.left), None)


def _with_scopes(connection: sqlite3.Connection, lease: Lease, scopes: Collection[ScopeName]) -> Lease:
    """The lease with holds for the categories, tags and keys that it has not had yet: as large as the one on
    everything, so that this one alone has to be kept to."""
    new = set(scopes) - lease.holds.keys()
    if not new:
        return lease
    connection.executemany(
        "INSERT INTO lease_holds VALUES (?, ?, ?, ?, 0)",
        [(lease.lease_id, scope.value, name, lease.hold.left) for scope, name in new],
    )
    return lease_of(connection, lease.lease_id)


def _grant(
    connection: sqlite3.Connection, lease: Lease, wanted: Wanted, states: Iterable[BudgetState]
) -> tuple[int, str]:
    """How much more a lease gets, and why not all of it, in words."""
    grant, short_of = max(0, wanted.held - lease.hold.left), ""
    if wanted.cap_left is not None:
        (held,) = connection.execute(
            "SELECT coalesce(sum(max(0, granted_nanousd - spent_nanousd)), 0) FROM lease_holds"
            f" JOIN leases USING (lease_id) WHERE job = ? AND scope = 'all' AND {_OUT}",
            (lease.holder.job,),
        ).fetchone()
        if grant > (left := max(0, wanted.cap_left - held)):
            grant, short_of = left, f"{format_nanousd(left)} of the job's cap is left"
    for state in states:
        budget = state.budget
        if budget.scope not in _OF_CALLS and (budget.scope, budget.name) in lease.holds and grant > state.left_nanousd:
            grant = state.left_nanousd
            short_of = f"the budget of {budget} has {format_nanousd(grant)} left"
    return grant, short_of


def _set_status(connection: sqlite3.Connection, lease_id: str, status: LeaseStatus, now: datetime) -> None:
    connection.execute(
        "UPDATE leases SET status = ?, renewed_at = ? WHERE lease_id = ?", (status.value, to_micros(now), lease_id)
    )


def _lost(connection: sqlite3.Connection, lease_id: str) -> Lease:
    lease = lease_of(connection, lease_id)
    if lease.status is LeaseStatus.HELD:
        raise LedgerError(f"the lease {lease_id} is in use", hint="stop its job first: orch batch cancel JOB")
    if lease.status is not LeaseStatus.LOST:
        raise LedgerError(f"the lease {lease_id} is {lease.status}: it holds nothing any more")
    return lease


def _as_run(lease: Lease, now: datetime) -> tuple[RunRecord, CallRecord]:
    """The run that stands for what a lost worker may have spent."""
    run_id, why = str(ULID()), f"the worker {lease.holder.worker} was lost: all that it may have spent"
    run = RunRecord(
        run_id=run_id,
        created_at=now,
        day=lease.day,
        strategy="batch",
        prompt_sha256=digest_of(""),
        simulated=lease.holder.simulated,
        status=RunStatus.INTERRUPTED,
        ended_at=now,
        error_code="interrupted",
        error_message=why,
    )
    call = CallRecord(
        call_id=str(ULID()),
        run_id=run_id,
        created_at=now,
        day=lease.day,
        provider="unknown",
        model="unknown",
        provider_model="unknown",
        attempt=1,
        simulated=lease.holder.simulated,
        status=CallStatus.INTERRUPTED,
        ended_at=now,
        reserved_nanousd=lease.hold.left,
        cost_nanousd=lease.hold.left,
        cost_source=CostSource.ESTIMATE,
        error_code="interrupted",
        error_message=why,
    )
    return run, call


def _forget_old(connection: sqlite3.Connection, now: int) -> None:
    """Delete closed leases that nobody asks for any more."""
    old = ("closed", now - _KEPT_DAYS * 86_400_000_000)
    which = "lease_id IN (SELECT lease_id FROM leases WHERE status = ? AND renewed_at < ?)"
    connection.execute(f"DELETE FROM lease_rates WHERE {which}", old)
    connection.execute("DELETE FROM leases WHERE status = ? AND renewed_at < ?", old)
