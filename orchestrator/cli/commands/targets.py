"""The targets of the config file, for `orch report` and `orch report --check`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ...config import Settings
from ...deferred import replace
from ...errors import ConfigError
from ...ledger.store import Ledger
from ...period import Period
from ...registry.loading import registry_for
from ...report.aggregate import overall
from ...report.idle import Idle
from ...report.period import Range, calendar
from ...report.projection import Horizon, project
from ...report.selection import Selection
from ...report.targets import Came, Held, any_set, held

EXIT_NOT_MET = 12


def held_targets(
    settings: Settings,
    ledger: Ledger | None,
    selection: Selection,
    idle_within: Callable[[Range], tuple[Idle, ...]],
    now: datetime,
) -> list[Held]:
    """The targets that are set, and what came of each in the selected runs; this month's cost whatever is selected.

    Raises LedgerError.
    """
    targets = settings.targets
    if not any_set(targets):
        return []
    if ledger is None:
        return list(held(targets, Came(None, 0, None, None, None)))
    month = replace(selection, within=calendar(Period.MONTH, now.date()))
    total, of_month = ledger.read(
        lambda connection: tuple(overall(connection, each, name="all") for each in (selection, month))
    )
    saved = None
    if targets.savings is not None:
        saved = project(
            ledger,
            selection,
            registry_for(settings),
            horizon=Horizon.MONTHLY,
            against=None,
            now=now,
            idle_on=lambda day: sum(each.idle_nanousd for each in idle_within(Range(day, day))),
        ).saved_share
    spent = of_month.cost_nanousd + sum(machine.idle_nanousd for machine in idle_within(month.within))
    came = Came(total.p95_run_latency_ms, spent, total.success_rate, saved, total.mean_rating)
    return list(held(targets, came))


def check_any(settings: Settings) -> None:
    """Raises ConfigError if there is no target to check."""
    if not any_set(settings.targets):
        hint = "for example: targets: {month: 180, success_rate: 0.95, p95: 20}"
        raise ConfigError("--check: the config file has no targets", hint=hint)
