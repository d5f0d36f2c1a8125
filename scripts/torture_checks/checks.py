"""All checks, in the order in which they are run."""

from __future__ import annotations

from . import (
    batch,
    batch_apis,
    budget,
    calendars,
    faults,
    interrupts,
    kill9,
    ledger_faults,
    mixed,
    pricing,
    quota,
    registries,
    reports,
    retry_after,
    spool,
    upkeep,
    workers,
)
from .check import Check

CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        budget.CHECK,
        budget.CHECK_IN_FLIGHT,
        kill9.CHECK,
        kill9.CHECK_IN_FLIGHT,
        interrupts.CHECK,
        interrupts.AFTER_SUSPENSION,
        faults.CHECK,
        mixed.CHECK,
        quota.CHECK,
        retry_after.CHECK,
        registries.CHECK,
        calendars.CHECK,
        ledger_faults.CHECK,
        spool.CHECK,
        pricing.CHECK,
        reports.CHECK,
        upkeep.CHECK,
        workers.CHECK,
        batch.CHECK,
        batch_apis.CHECK,
    )
}
