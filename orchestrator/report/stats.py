"""The ledger at a glance: today, this week, this month and all time; the models that stand out; the latest runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from ..deferred import replace
from ..ledger.store import Ledger
from ..ledger.summing import sum_days
from ..period import Period
from .aggregate import calls_by, overall
from .dimensions import By
from .history import lines
from .model import Group, ModelUse, Stats
from .period import calendar
from .selection import Selection, in_one_snapshot

LATEST = 10
_WINDOWS = (
    ("today", Period.DAY),
    ("week", Period.WEEK),
    ("month", Period.MONTH),
    ("all", Period.ALL),
)
_SELECTED = "selected"

_Model = tuple[str, Mapping[str, Any]]  # its name, and the sums over its calls


def stats(ledger: Ledger | None, selection: Selection, *, now: datetime) -> Stats:
    """The selected runs at a glance. `now` is aware, in the user's time zone. No ledger is one without runs.

    Over all time there is a window for today, this week, this month and all; with a range, one for that range.
    Raises LedgerError.
    """
    if ledger is None:
        windows = tuple(Group(key=name) for name, _ in _windows(selection, now))
        return Stats(selection, windows, cheapest=None, dearest=None, busiest=None, latest=())
    sum_days(ledger, now.date())
    return in_one_snapshot(ledger, lambda connection: _stats(connection, selection, now))


def _stats(connection: sqlite3.Connection, selection: Selection, now: datetime) -> Stats:
    sums = calls_by(connection, selection, By.MODEL)
    models = [(key[0] or "", sums[key]) for key in sorted(sums)]
    by_cost = sorted((model for model in models if model[1]["priced_calls"]), key=_mean_cost)
    busiest = max(models, key=lambda model: int(model[1]["calls"]), default=None)
    return Stats(
        selection=selection,
        windows=tuple(overall(connection, part, name=name) for name, part in _windows(selection, now)),
        cheapest=_model_use(by_cost[0]) if by_cost else None,
        dearest=_model_use(by_cost[-1]) if by_cost else None,
        busiest=_model_use(busiest) if busiest else None,
        latest=lines(connection, selection, limit=LATEST, now=now),
    )


def _windows(selection: Selection, now: datetime) -> Sequence[tuple[str, Selection]]:
    if not selection.within.is_all_time:
        return [(_SELECTED, selection)]
    return [(name, replace(selection, within=calendar(period, now.date()))) for name, period in _WINDOWS]


def _mean_cost(model: _Model) -> Fraction:
    return Fraction(model[1]["priced_nanousd"], model[1]["priced_calls"])


def _model_use(model: _Model) -> ModelUse:
    name, row = model
    mean = -(-row["priced_nanousd"] // row["priced_calls"]) if row["priced_calls"] else None
    return ModelUse(model=name, calls=row["calls"], mean_cost_nanousd=mean)
