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


_SQL_MODIFIERS = {
    Period.DAY: ("", ""),
    Period.WEEK: (", 'weekday 0', '-6 days'", ", 'weekday 0'"),
    Period.MONTH: (", 'start of month'", ", 'start of month', '+1 month', '-1 day'"),
    Period.YEAR: (", 'start of year'", ", 'start of year', '+1 year', '-1 day'"),
}


def days_in_sql(day: str) -> dict[Period, tuple[str, str]]:
    """As `Period.days`, as SQLite's expressions for all windows that end. `day`: what its `date` takes for the day."""
    return {period: (f"date({day}{first})", f"date({day}{last})") for period, (first, last) in _SQL_MODIFIERS.items()}
