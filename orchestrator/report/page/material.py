"""What a page is made of, read from the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ...deferred import dataclass
from ...ledger.budgets import budget_states
from ...ledger.store import Ledger
from ..aggregate import summarise
from ..day_parts import keep_parts
from ..dimensions import By
from ..idle import Idle
from ..imported import Beside, imported_beside
from ..model import Report
from ..outlook import Outlook, outlook
from ..period import Localise
from ..selection import Selection, in_one_snapshot
from .figures import Figures, read_figures
from .listed import listed_runs
from .parts import PAGE


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that a page is made of."""

    now: datetime
    models: Report
    strategies: Report
    days: Report
    figures: Figures
    listed: Sequence[Mapping[str, Any]]
    budgets: Sequence[Outlook]
    idle: Sequence[Idle]
    beside: Sequence[Beside]


def gather(
    ledger: Ledger | None, selection: Selection, *, now: datetime, localise: Localise, idle: Sequence[Idle] = ()
) -> Material | None:
    """What the page shows of the selected runs; `now` is aware, in the user's zone. None if there are no runs.

    Raises LedgerError.
    """
    if ledger is None:
        return None
    models = summarise(ledger, selection, by=By.MODEL)
    if not models.total.runs:
        return None
    by_day = summarise(ledger, selection, by=(By.DAY, By.MODEL), with_latencies=False).groups
    keep_parts(ledger, PAGE)
    figures = in_one_snapshot(ledger, lambda connection: read_figures(connection, selection, by_day))
    states = ledger.read(lambda connection: budget_states(connection, now.date(), simulated=selection.simulated))
    return Material(
        now=now,
        models=models,
        strategies=summarise(ledger, selection, by=By.STRATEGY, with_latencies=False),
        days=summarise(ledger, selection, by=By.DAY),
        figures=figures,
        listed=ledger.read(lambda connection: listed_runs(connection, selection, figures, states)),
        budgets=[outlook(state, now, localise) for state in states],
        idle=idle,
        beside=imported_beside(ledger, selection),
    )
