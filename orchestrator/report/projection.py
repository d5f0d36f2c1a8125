"""From what days cost so far to what a month will cost, as it is and with everything on one model.

A day's cost is that of the runs started on it; days without runs count. Today, which is not over, does not.

With everything on one model, each run is one call: the one that gave the answer, with the tokens that the ledger has of
it, by the model's price at that time. Days that are summed are priced by their sums: a nano-dollar less for a run at
most. What went before it in a cascade, and what was weighed against it in an ensemble, would not have been called.
Another model would have counted, and written, other tokens; nobody knows which.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from ..deferred import dataclass, replace
from ..errors import UsageError
from ..ledger.store import Ledger
from ..money import NANO_PER_DOLLAR, cost_nanousd
from ..registry.model import ModelSpec, Registry
from ..types import Usage
from .estimate import LEAST_DAYS, Estimate, estimate
from .known_days import Answers, KnownDays, is_priced_by_the_day, known_days, whole_days
from .selection import Selection, in_one_snapshot
from .significance import LEVEL

_DAY = timedelta(days=1)


class Horizon(StrEnum):
    """What a projection is to: so many days from now."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"

    @property
    def days(self) -> int:
        """The number of days that the projection is for."""
        return {Horizon.WEEKLY: 7, Horizon.MONTHLY: 30, Horizon.YEARLY: 365}[self]


@dataclass(frozen=True, slots=True)
class Projection:
    """What `days_ahead` days will cost, from `days` whole days that are known: `first_day` to `last_day`, inclusive.

    `known_nanousd` is what these days did cost, `against_nanousd` what they would have on `model`; `expected`,
    `against` and `saved` are for the days ahead. All but the first is None without a day, or without a model to compare
    with. Before a day is over (`days` 0), the figures are those of today so far, and nothing is said of the days ahead.
    `runs` were made in these days; `unanswered_runs` of them gave no answer, and count as nothing on the other
    model; `unpriced_calls` are missing from the cost. `idle_nanousd` of `known_nanousd` are for machines that were on
    beyond the calls that they answered; with everything on the other model there would be none.
    """

    horizon: Horizon
    days: int
    first_day: date | None = None
    last_day: date | None = None
    runs: int = 0
    unanswered_runs: int = 0
    unpriced_calls: int = 0
    known_nanousd: int = 0
    idle_nanousd: int = 0
    expected: Estimate | None = None
    model: str | None = None
    against_nanousd: int | None = None
    against: Estimate | None = None
    saved: Estimate | None = None

    @property
    def has_interval(self) -> bool:
        """Whether enough days are known for an interval."""
        return self.days >= LEAST_DAYS

    @property
    def saved_share(self) -> float | None:
        """Of the cost on the other model, in the days that are known; negative if that would have been cheaper."""
        return 1 - self.known_nanousd / self.against_nanousd if self.against_nanousd else None

    def to_dict(self) -> dict[str, Any]:
        """As documented in docs/json.md."""
        document = asdict(self) | {"horizon": self.horizon.value, "days_ahead": self.horizon.days}
        document |= {
            name: None if document[name] is None else document[name].isoformat() for name in ("first_day", "last_day")
        }
        expected = self.expected
        dollars = None if expected is None else expected.expected_nanousd / NANO_PER_DOLLAR
        return document | {"level": LEVEL, "cost": dollars, "saved_share": self.saved_share}


def project(
    ledger: Ledger | None,
    selection: Selection,
    registry: Registry,
    *,
    horizon: Horizon,
    against: str | None,
    now: datetime,
    idle_on: Callable[[date], int] = lambda _: 0,
) -> Projection:
    """Project the selected runs' cost. `against` names a model to compare with; None takes the dearest one called
    that had a price all along, and without one there is no comparison.

    `now` is in the user's time zone. `idle_on` gives what machines cost on a day beyond their calls, in nano-dollars.

    Raises UsageError for a model that there is not or that is not priced by tokens, and LedgerError.
    """
    spec = None if against is None else _priced_by_tokens(registry.model(against))
    if ledger is None:
        return Projection(horizon, 0)
    span = ledger.read(lambda db: whole_days(db, selection, now))
    if span is None:
        today = {now.date().isoformat(): idle_on(now.date())}
        so_far = in_one_snapshot(ledger, lambda db: _project(db, selection, registry, horizon, spec, today))
        return (
            replace(so_far, days=0, expected=None, against=None, saved=None) if so_far.runs else Projection(horizon, 0)
        )
    first, last = span
    days = [first + number * _DAY for number in range((last - first).days + 1)]
    idle = {day.isoformat(): idle_on(day) for day in days}
    return in_one_snapshot(ledger, lambda db: _project(db, selection, registry, horizon, spec, idle))


def _project(
    db: sqlite3.Connection,
    selection: Selection,
    registry: Registry,
    horizon: Horizon,
    spec: ModelSpec | None,
    idle: Mapping[str, int],
) -> Projection:
    """A projection from the days of `idle`, which has what machines cost on each beyond their calls."""
    days = list(idle)
    days_seen = known_days(db, selection, days[0], days[-1])
    spec = spec or _dearest(days_seen, registry)
    if spec is not None and not is_priced_by_the_day(spec):
        days_seen = known_days(db, selection, days[0], days[-1], by_sums=False)
    spent = [days_seen.spent.get(day, 0) + idle[day] for day in days]
    known = Projection(
        horizon,
        days=len(days),
        first_day=date.fromisoformat(days[0]),
        last_day=date.fromisoformat(days[-1]),
        runs=days_seen.runs,
        unanswered_runs=days_seen.runs - sum(answers.number for answers in days_seen.answers),
        unpriced_calls=days_seen.unpriced,
        known_nanousd=sum(spent),
        idle_nanousd=sum(idle.values()),
        expected=estimate(spent, horizon.days, least=0),
    )
    if spec is None:
        return known
    by_day = _costs_on(spec, days_seen.answers)
    other = [by_day.get(day, 0) for day in days]
    return replace(
        known,
        model=spec.name,
        against_nanousd=sum(other),
        against=estimate(other, horizon.days, least=0),
        saved=estimate([on_it - cost for on_it, cost in zip(other, spent, strict=True)], horizon.days),
    )


# -- the other model -------------------------------------------------------------------------------------------------


def _priced_by_tokens(spec: ModelSpec) -> ModelSpec:
    if not spec.prices or any(price.gpu_hour is not None for price in spec.prices):
        kind = "is priced by the GPU hour" if spec.prices else "has no known price"
        raise UsageError(
            f"--against {spec.name}: it {kind}, so that tokens do not say what it would have cost",
            hint="name a model with a price per token: orch models lists them",
        )
    return spec


def _dearest(days_seen: KnownDays, registry: Registry) -> ModelSpec | None:
    """Of the models that were called, the one on which an average answer costs most, by the prices of the last answer's
    time; None if there is none that had a price per token at every answer's: all of them are to be priced on it."""
    if not days_seen.answers:
        return None
    number = sum(answers.number for answers in days_seen.answers)
    counts = zip(*(_counts(answers.usage) for answers in days_seen.answers), strict=True)
    mean = Usage(*(round(sum(each) / number) for each in counts))
    at = max(answers.at for answers in days_seen.answers)
    costs: list[tuple[int, str, ModelSpec]] = []
    for name, provider in days_seen.models:
        spec = registry.find(name)
        if spec is None or spec.provider != provider:
            continue
        price = spec.price_at(at)
        if price is not None and price.rates is not None:
            costs.append((-cost_nanousd(price, mean), spec.name, spec))
    # Every answer is looked at for the dearest alone, and for the next one only if that had no price some time.
    dearest_first = (spec for _, _, spec in sorted(costs, key=lambda each: each[:2]))
    return next((s for s in dearest_first if all(_has_rates(s, answers.at) for answers in days_seen.answers)), None)


def _has_rates(spec: ModelSpec, when: datetime) -> bool:
    price = spec.price_at(when)
    return price is not None and price.rates is not None


def _costs_on(spec: ModelSpec, answers: Iterable[Answers]) -> Mapping[str, int]:
    """What the answers would have cost on a model, by day: each by the price of its time, rounded up as a call is. Of a
    sum of several, the sum is rounded."""
    by_day: dict[str, int] = defaultdict(int)
    for each in answers:
        price = spec.price_at(each.at)
        if price is None:
            raise UsageError(f"--against {spec.name}: it has no known price for {each.day}")
        by_day[each.day] += cost_nanousd(price if each.number == 1 else replace(price, tiers=()), each.usage)
    return by_day


def _counts(usage: Usage) -> tuple[int, ...]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )
