"""The ledger held against a provider's own count: by model and UTC day, tokens and money.

Only real calls that may have been billed are compared, on the days that the export covers. A call counts on the UTC
day on which it was sent, as it does at the provider. Where the export says nothing of a figure, nothing is compared.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from ..deferred import dataclass, replace
from ..ledger.store import Ledger
from ..money import NANO_PER_DOLLAR
from ..registry.model import Registry
from ..registry.model_names import ModelNames
from ..report.selection import in_one_snapshot
from ..report.usage_exports import Export
from ..report.usage_lines import UsageLine

FIGURES = ("input_tokens", "output_tokens", "cached_tokens", "cost_nanousd")

_CALLS = """
    SELECT date(coalesce(sent_at, created_at) / 1000000, 'unixepoch') AS utc_day, model,
           count(*) AS calls,
           sum(cost_nanousd IS NULL) AS unknown_costs,
           sum(cost_source IS 'estimate') AS estimated_calls,
           sum(input_tokens) AS input_tokens,
           sum(output_tokens) AS output_tokens,
           sum(cached_tokens) AS cached_tokens,
           coalesce(sum(cost_nanousd), 0) AS cost_nanousd
    FROM calls
    WHERE simulated = :simulated AND status <> 'reserved' AND coalesce(cost_source, '') NOT IN ('none', 'cache')
      AND run_id NOT IN (SELECT run_id FROM runs WHERE source IS NOT NULL)
      AND day BETWEEN :first AND :last AND (:provider IS NULL OR provider = :provider)
    GROUP BY 1, 2
"""
_SEEN = """
    SELECT DISTINCT raw_model, model FROM calls
    WHERE raw_model IS NOT NULL AND (:provider IS NULL OR provider = :provider)
"""


@dataclass(frozen=True, slots=True)
class Side:
    """What one side counted. Tokens as in `types.Usage`; None is what it does not say.

    Of the ledger: `calls`; `unknown_costs` of them have no known cost, which the sum leaves out; `estimated_calls` have
    an upper estimate.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost_nanousd: int | None = None
    calls: int | None = None
    unknown_costs: int | None = None
    estimated_calls: int | None = None

    def __add__(self, other: Side) -> Side:
        sums = {}
        for field in fields(Side):
            known = [value for side in (self, other) if (value := getattr(side, field.name)) is not None]
            sums[field.name] = sum(known) if known else None
        return Side(**sums)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One model on one day (None in the total). A side that is None has nothing there."""

    day: date | None
    model: str
    ledger: Side | None
    provider: Side | None
    compared: tuple[str, ...]  # the figures that the export has

    def difference(self, figure: str) -> int | None:
        """The provider's count less the ledger's, a side without anything counting as 0; None if not compared."""
        if figure not in self.compared:
            return None
        return _of(self.provider, figure) - _of(self.ledger, figure)

    def percent(self, figure: str) -> float | None:
        """The difference in percent of the provider's count; None where that is 0 or not known."""
        difference, counted = self.difference(figure), _of(self.provider, figure)
        return None if difference is None or not counted else round(100 * difference / counted, 4)

    def is_within(self, tolerance_percent: Fraction) -> bool:
        """Whether no figure differs by more than this share of the provider's count."""
        return all(
            100 * abs(self.difference(figure) or 0) <= tolerance_percent * abs(_of(self.provider, figure))
            for figure in self.compared
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            "day": None if self.day is None else self.day.isoformat(),
            "model": self.model,
            "ledger": None if self.ledger is None else asdict(self.ledger),
            "provider": None if self.provider is None else {name: getattr(self.provider, name) for name in FIGURES},
            "difference": {figure: self.difference(figure) for figure in FIGURES},
            "percent": {figure: self.percent(figure) for figure in FIGURES},
        }


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A comparison, in order of day and model. `first_day` to `last_day` (UTC) is what the export covers.

    `passed_over` rows of the export are about something else. `incomplete` exports say that there is more of them.
    """

    format: str
    provider: str | None
    first_day: date | None
    last_day: date | None
    rows: tuple[Comparison, ...]
    total: Comparison
    tolerance_percent: Fraction
    passed_over: int
    incomplete: bool
    simulated: bool = False

    @property
    def within_tolerance(self) -> bool:
        """Whether every difference is within the tolerance."""
        return all(row.is_within(self.tolerance_percent) for row in (*self.rows, self.total))

    def to_dict(self) -> dict[str, Any]:
        """As documented in docs/reconcile.md."""
        return {
            "schema_version": 1,
            "kind": "reconcile",
            "format": self.format,
            "provider": self.provider,
            "simulated": self.simulated,
            "first_day": self.first_day.isoformat() if self.first_day else None,
            "last_day": self.last_day.isoformat() if self.last_day else None,
            "tolerance_percent": float(self.tolerance_percent),
            "within_tolerance": self.within_tolerance,
            "passed_over": self.passed_over,
            "incomplete": self.incomplete,
            "rows": [row.to_dict() for row in self.rows],
            "total": self.total.to_dict(),
        }


_Sides = dict[tuple[date, str], Side]


def reconcile(
    ledger: Ledger | None,
    export: Export,
    registry: Registry,
    *,
    provider: str | None = None,
    simulated: bool = False,
    tolerance_percent: Fraction = Fraction(1),
    days: tuple[date | None, date | None] = (None, None),
) -> Reconciliation:
    """Compare a ledger (None: there is none yet) with an export: its real calls, or those that were simulated.

    `days` are the first and the last one (UTC) to compare, of those that the export covers.

    `provider` limits the comparison to the calls of one; by default, to those of the provider whose format it is.
    Amounts are rounded to the nearest nano-dollar once they are added up. Raises UsageError and LedgerError.
    """
    provider = provider or export.provider
    names = ModelNames(registry, provider, _seen(ledger, provider))
    first, last = days[0] or date.min, days[1] or date.max
    billed, covered = _billed((line for line in export.lines if first <= line.day <= last), names)
    recorded = (
        {}
        if ledger is None or not covered
        else _recorded(ledger, min(covered), max(covered), provider, simulated, names)
    )
    sides = billed.values()
    compared = tuple(figure for figure in FIGURES if any(getattr(side, figure) is not None for side in sides))
    rows = tuple(
        Comparison(day, model, recorded.get((day, model)), billed.get((day, model)), compared)
        for day, model in sorted({*recorded, *billed})
    )
    return Reconciliation(
        format=export.format,
        provider=provider,
        first_day=min(covered, default=None),
        last_day=max(covered, default=None),
        rows=rows,
        total=Comparison(None, "total", _sum(recorded.values()), _sum(billed.values()), compared),
        tolerance_percent=tolerance_percent,
        passed_over=export.passed_over,
        incomplete=export.incomplete,
        simulated=simulated,
    )


def _billed(lines: Iterator[UsageLine], names: ModelNames) -> tuple[_Sides, set[date]]:
    """What the provider counted, and the days that its export covers."""
    sides: defaultdict[tuple[date, str], Side] = defaultdict(Side)
    costs: defaultdict[tuple[date, str], Fraction] = defaultdict(Fraction)
    days = set()
    for line in lines:
        days.add(line.day)
        if line.is_empty:
            continue
        key = line.day, names.fold(line.model)
        sides[key] += Side(line.input_tokens, line.output_tokens, line.cached_tokens)
        if line.cost is not None:
            costs[key] += line.cost
    for key, cost in costs.items():
        sides[key] = replace(sides[key], cost_nanousd=round(cost * NANO_PER_DOLLAR))
    return dict(sides), days


def _recorded(
    ledger: Ledger, first: date, last: date, provider: str | None, simulated: bool, names: ModelNames
) -> _Sides:
    # The ledger's days are the user's own, at most one away from the day in UTC; the call's own day may be its run's.
    spread = timedelta(days=2)
    bounds = {"first": _day(first, -spread), "last": _day(last, spread)}
    parameters = {**bounds, "provider": provider, "simulated": simulated}

    def read(connection: sqlite3.Connection) -> _Sides:
        sides: _Sides = {}
        for row in connection.execute(_CALLS, parameters):
            day = date.fromisoformat(row["utc_day"])
            if first <= day <= last:
                key = day, names.fold(row["model"])
                side = Side(**{field.name: row[field.name] for field in fields(Side)})
                sides[key] = sides.get(key, Side()) + side
        return sides

    return in_one_snapshot(ledger, read)


def _seen(ledger: Ledger | None, provider: str | None) -> dict[str, str]:
    """The models that replies came from, by the name that the provider gave there."""
    if ledger is None:
        return {}
    return ledger.read(lambda connection: dict(connection.execute(_SEEN, {"provider": provider}).fetchall()))


def _day(day: date, offset: timedelta) -> str:
    try:
        return (day + offset).isoformat()
    except OverflowError:  # at either end of the calendar
        return day.isoformat()


def _sum(sides: Iterable[Side]) -> Side | None:
    total = None
    for side in sides:
        total = side if total is None else total + side
    return total


def _of(side: Side | None, figure: str) -> int:
    return 0 if side is None else getattr(side, figure) or 0
