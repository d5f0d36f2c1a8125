"""What span of time a report covers: a calendar period, `--since` and `--until`, or several of these at once.

A run belongs, with all of its calls, to the calendar day on which the user started it: the ledger's `day` column, which
was decided when the row was made. So periods and dates are ranges of days, and no clock change can count an hour twice
or lose one. Only a bound with a time of day (`2026-11-21T14:30`, `24h`) is compared with the moment of the start.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from ..clock import rfc3339
from ..deferred import dataclass
from ..errors import UsageError
from ..expressions import expression
from ..period import Period

# Gives a time of day that was written without a zone the zone it was meant in.
Localise = Callable[[datetime], datetime]

_DATE = expression(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = expression(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9].*")
_RELATIVE = expression(r"([0-9]+)([hdw])", re.IGNORECASE)
_DAYS = {"d": 1, "w": 7}
_EXAMPLE = "for example 2026-11-21, 2026-11-21T14:30, 2026-11-21T14:30Z, 24h, 7d or 2w"


ReportPeriod = Period  # its name when reports had periods of their own


@dataclass(frozen=True, slots=True)
class Range:
    """Runs started from `first_day` to `last_day`, both inclusive, at or after `since` and before `until`.

    `since` and `until` are moments in UTC. What is None sets no bound; what is set must all hold.
    """

    first_day: date | None = None
    last_day: date | None = None
    since: datetime | None = None
    until: datetime | None = None
    label: str | None = None

    @property
    def is_all_time(self) -> bool:
        """Whether the range has no bound."""
        return (self.first_day, self.last_day, self.since, self.until) == (None, None, None, None)

    def __str__(self) -> str:
        """In words: `this week, 2026-11-16 to 2026-11-21`."""
        parts = [self.label] if self.label else []
        if self.first_day is not None and self.first_day == self.last_day:
            parts.append(f"{self.first_day}")
        elif self.first_day is not None and self.last_day is not None:
            parts.append(f"{self.first_day} to {self.last_day}")
        elif self.first_day is not None:
            parts.append(f"since {self.first_day}")
        elif self.last_day is not None:
            parts.append(f"until {self.last_day}")
        parts += [f"from {_clock(self.since)}"] if self.since else []
        parts += [f"before {_clock(self.until)}"] if self.until else []
        return ", ".join(parts) or "all time"

    def to_dict(self) -> dict[str, str | None]:
        """As documented in docs/json.md."""
        return {
            "label": str(self),
            "first_day": self.first_day.isoformat() if self.first_day else None,
            "last_day": self.last_day.isoformat() if self.last_day else None,
            "since": rfc3339(self.since) if self.since else None,
            "until": rfc3339(self.until) if self.until else None,
        }


ALL_TIME = Range()


def calendar(period: Period, today: date) -> Range:
    """The days of a period up to and including today."""
    if period is Period.ALL:
        return ALL_TIME
    return Range(
        first_day=period.days(today)[0], last_day=today, label="today" if period is Period.DAY else f"this {period}"
    )


def resolve(
    period: Period | None = None,
    *,
    since: str | None = None,
    until: str | None = None,
    now: datetime,
    localise: Localise | None = None,
) -> Range:
    """The range that the options ask for; where several are given, all must hold. No period means all time.

    `since` and `until` are a date (the whole day, inclusive), an ISO 8601 time (`until` is exclusive), a number of
    days or weeks before today (`7d`, `2w`: a date) or a number of hours before now (`24h`: a time).

    `now` is aware, in the user's time zone. `localise` turns a naive local time into an aware one; it defaults to
    `now`'s own tzinfo, which is right when that is a `ZoneInfo`. Where `now` carries a fixed offset, as
    `datetime.now().astimezone()` does, pass `datetime.astimezone`, which knows the system's summer time.

    Raises UsageError if a bound cannot be read, or if nothing can lie between the bounds.
    """
    if now.tzinfo is None:
        raise ValueError("now needs a time zone")
    place = localise or (lambda naive: naive.replace(tzinfo=now.tzinfo))
    first_day, from_time = _bound("--since", since, now, place) if since is not None else (None, None)
    last_day, to_time = _bound("--until", until, now, place) if until is not None else (None, None)
    asked = Range(first_day, last_day, from_time, to_time)
    if _is_empty(asked, place):
        raise UsageError(f"--since {since} is not before --until {until}: nothing can lie between them")
    if period is None:
        return asked
    base = calendar(period, now.date())
    period_starts, asked_starts = bounds(base, place)[0], bounds(asked, place)[0]
    if period_starts is not None and asked_starts is not None and asked_starts < period_starts:
        raise UsageError(
            f"--period {period} is {base}: it begins after --since {since}",
            hint="leave one of them out: --since alone goes up to now",
        )
    both = Range(
        first_day=max(filter(None, (base.first_day, first_day)), default=None),
        last_day=min(filter(None, (base.last_day, last_day)), default=None),
        since=from_time,
        until=to_time,
        label=base.label,
    )
    if _is_empty(both, place):
        raise UsageError(
            f"--period {period} is {base}: nothing of it lies within --since and --until",
            hint="leave --period out, or say --period all",
        )
    return both


def whole_days(span: Range) -> tuple[date | None, date | None]:
    """The first and the last day of a range that is of whole days; None sets no bound. Raises UsageError for one that
    begins or ends at a time of day."""
    if span.since is not None or span.until is not None:
        raise UsageError(f"whole days are wanted, not {span}", hint="such as 2026-11-01, or 7d for a week ago")
    return span.first_day, span.last_day


def after(span: Range, localise: Localise) -> Range:
    """Everything that comes after a range that has an end, a day taken as the user's own. Where the range has both a
    last day and a moment that it ends before, what comes after begins at the earlier of the two.

    Raises UsageError if the calendar has no day after it.
    """
    day_ends = _midnight(span.last_day, localise, days=1)
    if span.until is not None and (day_ends is None or span.until < day_ends):
        return Range(since=span.until)
    if span.last_day is None:
        raise ValueError("a range without an end has nothing after it")
    if span.last_day == date.max:
        raise UsageError(f"nothing comes after {span.last_day}")
    return Range(first_day=span.last_day + timedelta(days=1))


def bounds(span: Range, localise: Localise) -> tuple[datetime | None, datetime | None]:
    """The first moment of a range, and the first one after it, in UTC; None where it has no such end. A day is taken
    as the user's own."""
    starts = [span.since, _midnight(span.first_day, localise)]
    ends = [span.until, _midnight(span.last_day, localise, days=1)]
    return max(filter(None, starts), default=None), min(filter(None, ends), default=None)


def days_passed(span: Range, now: datetime, localise: Localise) -> float:
    """How many days of a range that has a beginning have passed by `now`."""
    start, end = bounds(span, localise)
    if start is None:
        raise ValueError("a range without a beginning has no length")
    return max(0.0, (min(end or now, now) - start).total_seconds() / 86_400)


def _bound(option: str, text: str, now: datetime, localise: Localise) -> tuple[date | None, datetime | None]:
    """A bound as a day or as a moment in UTC: one of the two."""
    wanted = text.strip()
    try:
        if _DATE.fullmatch(wanted):
            return date.fromisoformat(wanted), None
        if _TIME.fullmatch(wanted):
            when = datetime.fromisoformat(wanted)
            return None, (when if when.tzinfo else localise(when)).astimezone(UTC)
        if relative := _RELATIVE.fullmatch(wanted):
            count, unit = int(relative[1]), relative[2].lower()
            if unit == "h":  # of elapsed time, whatever the clocks did meanwhile
                return None, now.astimezone(UTC) - timedelta(hours=count)
            return now.date() - timedelta(days=count * _DAYS[unit]), None
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{option} {text!r} is not a time: {error}", hint=_EXAMPLE) from error
    raise UsageError(f"{option} {text!r} is not a date, a time or a number of hours, days or weeks", hint=_EXAMPLE)


def _is_empty(span: Range, localise: Localise) -> bool:
    """Whether no moment lies in the range, a day taken as the user's own."""
    start, end = bounds(span, localise)
    return start is not None and end is not None and start >= end


def _midnight(day: date | None, localise: Localise, *, days: int = 0) -> datetime | None:
    """When a day begins, in UTC; None where the calendar cannot say, as before its first year."""
    if day is None:
        return None
    try:
        return localise(datetime.combine(day + timedelta(days=days), time.min)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _clock(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
