"""Which runs a report, the statistics or an export are about, and how they are asked for in SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from ..deferred import dataclass, replace
from ..ledger.rows import to_micros
from ..ledger.store import Ledger
from .period import ALL_TIME, Range

SCHEMA_VERSION = 1

T = TypeVar("T")

OWN, IMPORTED, ALL = "own", "imported", "all"
_OF_SOURCE = {OWN: ["runs.source IS NULL"], IMPORTED: ["runs.source IS NOT NULL"], ALL: []}

# No time zone is further from UTC than this, so a day in the ledger is at most one away from the day in UTC.
_ZONE_SPREAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Selection:
    """Runs that answer to all of this. Simulated runs or real ones: never both.

    `category` is compared as it is; `tag` must be one of the run's tags. None leaves all of them in. `source`: the runs
    of this program (`own`), those of other tools' logs (`imported`, or the name of one), or `all`.
    """

    simulated: bool
    within: Range = ALL_TIME
    category: str | None = None
    tag: str | None = None
    source: str = OWN

    def head(self, kind: str) -> dict[str, Any]:
        """How a JSON object begins that is about these runs."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": kind,
            "simulated": self.simulated,
            "range": self.within.to_dict(),
            "category": self.category,
            "tag": self.tag,
            "source": self.source,
        }

    def where(self) -> tuple[str, tuple[str | int, ...]]:
        """A condition on the table `runs`, and its parameters."""
        terms: list[tuple[str, str | int]] = [("runs.simulated = ?", int(self.simulated))]
        span = self.within
        if span.first_day is not None:
            terms.append(("runs.day >= ?", span.first_day.isoformat()))
        if span.last_day is not None:
            terms.append(("runs.day <= ?", span.last_day.isoformat()))
        if span.since is not None:
            # The day narrows the search to what the index by day can find; the moment decides.
            terms.append(("runs.day >= ?", _day(span.since, -_ZONE_SPREAD)))
            terms.append(("runs.created_at >= ?", to_micros(span.since)))
        if span.until is not None:
            terms.append(("runs.day <= ?", _day(span.until, _ZONE_SPREAD)))
            terms.append(("runs.created_at < ?", to_micros(span.until)))
        if self.category is not None:
            terms.append(("runs.category = ?", self.category))
        if self.tag is not None:
            terms.append(("EXISTS (SELECT 1 FROM json_each(runs.tags) WHERE json_each.value = ?)", self.tag))
        conditions = [condition for condition, _ in terms] + _OF_SOURCE.get(self.source, ["runs.source = ?"])
        values = [value for _, value in terms] + ([] if self.source in _OF_SOURCE else [self.source])
        return " AND ".join(conditions), tuple(values)

    def columns(self) -> set[str]:
        """The columns of `runs` that the condition is about, besides its times."""
        return {name for name, value in (("category", self.category), ("tags", self.tag)) if value is not None}

    def days_within(self, *, whole: bool = True) -> tuple[str, tuple[str, ...]]:
        """A condition on a column `day`, and its parameters: that the whole day lies within the range, or that any of
        it may."""
        span, spread = self.within, _ZONE_SPREAD if whole else -_ZONE_SPREAD
        after, before = (">", "<") if whole else (">=", "<=")
        terms: list[tuple[str, str]] = []
        if span.first_day is not None:
            terms.append(("day >= ?", span.first_day.isoformat()))
        if span.last_day is not None:
            terms.append(("day <= ?", span.last_day.isoformat()))
        if span.since is not None:
            terms.append((f"day {after} ?", _day(span.since, spread)))
        if span.until is not None:
            terms.append((f"day {before} ?", _day(span.until, -spread)))
        return " AND ".join(["true", *(term for term, _ in terms)]), tuple(value for _, value in terms)

    def whole_days(self) -> tuple[str, tuple[str | int, ...]]:
        """A condition on sums of days, and its parameters: what of the selection lies in whole days."""
        where, parameters = replace(self, within=ALL_TIME).where()
        inside, bounds = self.days_within()
        return f"{where.replace('runs.', 'sums.')} AND {inside.replace('day ', 'sums.day ')}", (*parameters, *bounds)


def in_one_snapshot(ledger: Ledger, query: Callable[[sqlite3.Connection], T]) -> T:
    """Run several SELECTs on one state of the ledger, whatever other processes write meanwhile."""

    def read(connection: sqlite3.Connection) -> T:
        connection.execute("BEGIN")
        try:
            return query(connection)
        finally:
            connection.execute("ROLLBACK")

    return ledger.read(read)


def _day(when: datetime, offset: timedelta) -> str:
    day = when.astimezone(UTC).date()
    try:
        return (day + offset).isoformat()
    except OverflowError:  # at either end of the calendar
        return day.isoformat()
