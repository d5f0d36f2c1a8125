"""`orch batch leases`: what workers hold of the budgets, and what becomes of it when they are lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import partial

from ...clock import local_now
from ...config import Settings
from ...errors import UsageError
from ...ledger.leases import Lease, LeaseStatus, leases_of, lines_out, release, settle_at_worst
from ...money import format_nanousd
from .. import render
from ..commands.ledgers import open_ledger, read_ledger
from ..output import Output
from .flags import BatchFlags

Change = Callable[[sqlite3.Connection, str, datetime], Lease]
_CHANGES: dict[str, tuple[Change, str]] = {
    "release": (release, "given back"),
    "settle": (settle_at_worst, "written as spent"),
}


def leases(flags: BatchFlags, settings: Settings) -> int:
    """List the leases that hold something, or say what becomes of lost ones; returns the exit code."""
    if flags.which is None:
        return _list(settings, Output.parse(flags.out or "text"))
    if flags.which not in _CHANGES:
        raise UsageError(f"orch batch leases takes release or settle, not {flags.which[:40]!r}")
    if flags.lease is None:
        raise UsageError(
            f"orch batch leases {flags.which} needs the id of a lease, or of a batch for all of its leases"
        )
    change, told = _CHANGES[flags.which]
    with open_ledger(settings.ledger) as ledger:
        for lease in _named(ledger.read(partial(leases_of, out=True)), flags.lease):
            ledger.write(partial(_changed, change=change, lease_id=lease.lease_id))
            render.say(f"lease {lease.lease_id}: {format_nanousd(lease.hold.left)} {told}")
    return 0


def _changed(connection: sqlite3.Connection, change: Change, lease_id: str) -> Lease:
    return change(connection, lease_id, local_now())


def _list(settings: Settings, output: Output) -> int:
    found: list[tuple[Lease, int]] = []
    ledger = read_ledger(settings.ledger)
    if ledger is not None:
        with ledger:
            for lease in ledger.read(partial(leases_of, out=True)):
                out = ledger.read(partial(lines_out, job=lease.holder.job, lease_id=lease.lease_id))
                if lease.holder.simulated == settings.simulate:
                    found.append((lease, len(out)))
    rows = [lease.to_dict() | {"lines": lines} for lease, lines in found]
    output.emit({"schema_version": 1, "simulated": settings.simulate, "leases": rows})
    if output.json:
        return 0
    for lease, lines in found:
        render.line(
            f"{lease.lease_id}  {lease.status.value:4}  {format_nanousd(lease.hold.left)} set aside, {lines:,} lines,"
            f" batch {lease.holder.job}, {lease.holder.worker} on {lease.holder.host}: {lease.holder.ledger}"
        )
    if not found:
        render.line("no worker holds anything")
    return 0


def _named(out: list[Lease], name: str) -> list[Lease]:
    """The lost leases that an id stands for: of a lease, or of a batch. Raises UsageError."""
    wanted = name.upper()
    found = [lease for lease in out if wanted in (lease.lease_id, lease.holder.job)]
    if not found:
        raise UsageError(f"no lease that holds anything is {name[:40]!r}", hint="orch batch leases lists them")
    lost = [lease for lease in found if lease.status is LeaseStatus.LOST]
    if not lost:
        raise UsageError("its batch is under way", hint="stop it first, with Ctrl-C or orch batch cancel")
    return lost
