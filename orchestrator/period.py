"""The calendar that budgets and reports share. Days are in the user's time zone; weeks start on Monday."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum


class Period(StrEnum):
    """A calendar period."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def days(self, day: date) -> tuple[date, date]:
        """The first and the last day of the period that contains a day."""
        match self:
            case Period.DAY:
                return day, day
            case Period.WEEK:
                monday = day - timedelta(days=day.weekday())
                return monday, monday + timedelta(days=6)
            case Period.MONTH:
                first = day.replace(day=1)
                return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
