"""The calendar that budgets and reports share. Days are in the user's time zone; weeks start on Monday."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum


class Period(StrEnum):
    """A calendar period: a day, a week, a month, a year, or all time. `Period("daily")` is `Period.DAY`, and so on."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    ALL = "all"
    # The same, as they are said of reports.
    DAILY = DAY
    WEEKLY = WEEK
    MONTHLY = MONTH
    YEARLY = YEAR

    @classmethod
    def _missing_(cls, value: object) -> Period | None:
        return cls.__members__.get(value.upper()) if isinstance(value, str) and value.islower() else None

    def days(self, day: date) -> tuple[date, date]:
        """The first and the last day of the period that contains a day."""
        match self:
            case Period.WEEK:
                monday = day - timedelta(days=day.weekday())
                return monday, monday + timedelta(days=6)
            case Period.MONTH:
                first = day.replace(day=1)
                return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            case Period.YEAR:
                return day.replace(month=1, day=1), day.replace(month=12, day=31)
            case Period.ALL:
                return date.min, date.max
            case _:
                return day, day


# SQLite's expression for the first day of the window that it is now, for people who open the ledger with other tools.
FIRST_DAY_SQL = {
    Period.DAY: "date('now', 'localtime')",
    Period.WEEK: "date('now', 'localtime', 'weekday 0', '-6 days')",
    Period.MONTH: "date('now', 'localtime', 'start of month')",
    Period.YEAR: "date('now', 'localtime', 'start of year')",
}
