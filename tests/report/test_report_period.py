from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_recording import Recorder, recording

from orchestrator.errors import UsageError
from orchestrator.period import Period
from orchestrator.report.aggregate import summarise
from orchestrator.report.model import By
from orchestrator.report.period import ALL_TIME, Range, after, bounds, resolve
from orchestrator.report.selection import Selection

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
recorder = pytest.fixture(recording)
SATURDAY = datetime(2026, 11, 21, 14, 30, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        pytest.param(Period("daily"), date(2026, 11, 21), date(2026, 11, 21), id="daily"),
        pytest.param(Period("weekly"), date(2026, 11, 16), date(2026, 11, 21), id="weekly"),
        pytest.param(Period("monthly"), date(2026, 11, 1), date(2026, 11, 21), id="monthly"),
        pytest.param(Period("yearly"), date(2026, 1, 1), date(2026, 11, 21), id="yearly"),
        pytest.param(Period.ALL, None, None, id="all"),
        pytest.param(None, None, None, id="none"),
    ],
)
def test_a_period_is_the_calendar_s_up_to_today(period: Period | None, first: date | None, last: date | None) -> None:
    span = resolve(period, now=SATURDAY)
    assert (span.first_day, span.last_day, span.since, span.until) == (first, last, None, None)


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        pytest.param(datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC), date(2026, 11, 16), id="sunday, last second"),
        pytest.param(datetime(2026, 11, 23, 0, 0, 0, tzinfo=UTC), date(2026, 11, 23), id="monday, first second"),
        pytest.param(datetime(2027, 1, 1, 12, tzinfo=UTC), date(2026, 12, 28), id="across the new year"),
    ],
)
@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK], ids=str)
def test_a_week_starts_on_monday_where_the_user_is(zone: ZoneInfo, now: datetime, monday: date) -> None:
    assert resolve(Period.WEEK, now=now.replace(tzinfo=zone)).first_day == monday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-11-01", Range(first_day=date(2026, 11, 1)), id="date"),
        pytest.param("0d", Range(first_day=date(2026, 11, 21)), id="today"),
        pytest.param("7d", Range(first_day=date(2026, 11, 14)), id="days"),
        pytest.param("2W", Range(first_day=date(2026, 11, 7)), id="weeks"),
        pytest.param("24h", Range(since=datetime(2026, 11, 20, 13, 30, tzinfo=UTC)), id="hours"),
        pytest.param("2026-11-20T08:00", Range(since=datetime(2026, 11, 20, 7, tzinfo=UTC)), id="local time"),
        pytest.param("2026-07-20 08:00", Range(since=datetime(2026, 7, 20, 6, tzinfo=UTC)), id="local summer time"),
        pytest.param("2026-11-20T08:00:00Z", Range(since=datetime(2026, 11, 20, 8, tzinfo=UTC)), id="UTC"),
        pytest.param("2026-11-20T08:00-05:00", Range(since=datetime(2026, 11, 20, 13, tzinfo=UTC)), id="offset"),
    ],
)
def test_since_takes_dates_times_and_distances(text: str, expected: Range) -> None:
    assert resolve(since=text, now=SATURDAY) == expected


def test_until_includes_its_day_and_excludes_its_moment() -> None:
    assert resolve(until="2026-11-20", now=SATURDAY) == Range(last_day=date(2026, 11, 20))
    assert resolve(until="2026-11-20T01:00Z", now=SATURDAY) == Range(until=datetime(2026, 11, 20, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "7", "d", "-7d", "7m", "1.5h", "2026-11", "2026-13-01", "2026-11-31", "20261121", "2026-W47",
        "2026-11-21T25:00", "2026-11-21T10:00+99:00", "9999999999999999d", "99999999999999999999999h", "٧d", "7d\n8d",
    ],
)  # fmt: skip
@pytest.mark.parametrize("option", ["since", "until"])
def test_what_cannot_be_read_is_refused_with_an_example(option: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"--{option}") as caught:
        resolve(since=text if option == "since" else None, until=text if option == "until" else None, now=SATURDAY)
    assert caught.value.hint is not None
    assert "2026-11-21T14:30" in caught.value.hint


@pytest.mark.parametrize(
    ("since", "until"),
    [
        pytest.param("2026-11-21", "2026-11-20", id="days"),
        pytest.param("2026-11-21T10:00", "2026-11-21T09:59", id="times"),
        pytest.param("2026-11-21T10:00", "2026-11-21T10:00", id="the same moment"),
        pytest.param("2026-11-21T10:00", "2026-11-20", id="a time after the end of the day"),
        pytest.param("2026-11-21", "2026-11-20T22:59Z", id="a time before the beginning of the day"),
        pytest.param("1h", "2h", id="hours"),
    ],
)
def test_since_after_until_is_refused(since: str, until: str) -> None:
    with pytest.raises(UsageError, match="is not before --until"):
        resolve(since=since, until=until, now=SATURDAY)


def test_one_day_may_be_both_bounds() -> None:
    assert str(resolve(since="2026-11-20", until="2026-11-20", now=SATURDAY)) == "2026-11-20"


def test_since_and_until_narrow_a_period() -> None:
    span = resolve(Period.MONTH, since="2026-11-02", until="2026-11-10", now=SATURDAY)
    assert (span.first_day, span.last_day) == (date(2026, 11, 2), date(2026, 11, 10))


@pytest.mark.parametrize("since", ["2026-10-01", "2026-10-31T23:59", "30d"])
def test_a_beginning_before_the_period_s_own_is_refused_and_not_dropped(since: str) -> None:
    with pytest.raises(UsageError, match="begins after --since"):
        resolve(Period.MONTH, since=since, now=SATURDAY)
    assert resolve(Period.MONTH, since="2026-11-01", now=SATURDAY).first_day == date(2026, 11, 1)
    assert resolve(Period.ALL, since=since, now=SATURDAY) == resolve(since=since, now=SATURDAY)


def test_bounds_outside_a_period_are_refused() -> None:
    with pytest.raises(UsageError, match="this week, 2026-11-16 to 2026-11-21"):
        resolve(Period.WEEK, until="2026-11-15", now=SATURDAY)


@pytest.mark.parametrize(
    ("period", "since", "until", "expected"),
    [
        pytest.param(None, "2026-10-01", "2w", Range(first_day=date(2026, 11, 8)), id="days"),
        pytest.param(None, "2026-10-01", "24h", Range(since=datetime(2026, 11, 20, 13, 30, tzinfo=UTC)), id="a time"),
        pytest.param(
            Period.MONTH,
            None,
            "2026-11-10T12:00",
            Range(since=datetime(2026, 11, 10, 11, tzinfo=UTC)),
            id="a time before the last day's end",
        ),
        pytest.param(
            Period.MONTH,
            None,
            "2026-11-30T12:00",
            Range(first_day=date(2026, 11, 22)),
            id="a last day that ends before the time",
        ),
    ],
)
def test_what_comes_after_a_range_begins_where_it_ends(
    period: Period | None, since: str | None, until: str, expected: Range
) -> None:
    def in_berlin(naive: datetime) -> datetime:
        return naive.replace(tzinfo=BERLIN)

    span = resolve(period, since=since, until=until, now=SATURDAY)
    assert after(span, in_berlin) == expected
    assert bounds(expected, in_berlin)[0] == bounds(span, in_berlin)[1]


def test_nothing_comes_after_the_calendar_s_last_day() -> None:
    with pytest.raises(UsageError, match="nothing comes after 9999-12-31"):
        after(Range(last_day=date.max), lambda naive: naive.replace(tzinfo=BERLIN))


def test_a_clock_without_a_time_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="time zone"):
        resolve(Period.DAY, now=SATURDAY.replace(tzinfo=None))


def test_a_range_says_what_it_is_in_words_and_in_json() -> None:
    span = resolve(Period.WEEK, since="2026-11-17T09:00", now=SATURDAY)
    assert str(span) == "this week, 2026-11-16 to 2026-11-21, from 2026-11-17 08:00:00 UTC"
    assert span.to_dict() == {
        "label": str(span),
        "first_day": "2026-11-16",
        "last_day": "2026-11-21",
        "since": "2026-11-17T08:00:00.000000Z",
        "until": None,
    }
    assert str(ALL_TIME) == "all time"


def test_hours_are_elapsed_ones_when_the_clock_is_put_back() -> None:
    after = datetime(2026, 10, 25, 12, tzinfo=BERLIN)  # the clock went from 03:00 back to 02:00
    assert resolve(since="24h", now=after).since == datetime(2026, 10, 24, 11, tzinfo=UTC)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the system's zone cannot be set")
def test_a_fixed_offset_reads_summer_times_by_the_system_s_rules_if_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(os.environ, "TZ", "Europe/Berlin")
    time.tzset()
    try:
        now = datetime(2026, 11, 21, 13, 30, tzinfo=UTC).astimezone()
        span = resolve(since="2026-07-20T08:00", now=now, localise=datetime.astimezone)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert span.since == datetime(2026, 7, 20, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "sunday", "hours"),
    [
        pytest.param(BERLIN, date(2026, 3, 29), 167, id="Berlin, an hour lost"),
        pytest.param(BERLIN, date(2026, 10, 25), 169, id="Berlin, an hour twice"),
        pytest.param(NEW_YORK, date(2026, 3, 8), 167, id="New York, an hour lost"),
        pytest.param(NEW_YORK, date(2026, 11, 1), 169, id="New York, an hour twice"),
    ],
)
def test_a_week_holds_each_of_its_hours_once_when_the_clock_is_changed(
    recorder: Recorder, zone: ZoneInfo, sunday: date, hours: int
) -> None:
    midnight = datetime(sunday.year, sunday.month, sunday.day, tzinfo=zone)
    first = (midnight - timedelta(days=8)).astimezone(UTC)
    for hour in range(10 * 24):  # every hour, on the hour, from the Saturday before the week to the Monday after it
        recorder.run(at=(first + timedelta(hours=hour)).astimezone(zone))
    now = datetime(sunday.year, sunday.month, sunday.day, 23, 59, tzinfo=zone)
    report = summarise(recorder.ledger, Selection(simulated=False, within=resolve(Period.WEEK, now=now)), by=By.DAY)
    assert report.total.runs == hours
    assert [group.runs for group in report.groups] == [24] * 6 + [hours - 6 * 24]


@given(st.datetimes(timezones=st.just(NEW_YORK)).filter(lambda now: 1970 <= now.year < 2100))
def test_a_day_is_in_its_week_and_its_month(now: datetime) -> None:
    spans = [resolve(period, now=now) for period in (Period.DAY, Period.WEEK, Period.MONTH)]
    assert all(span.first_day is not None and span.first_day <= now.date() == span.last_day for span in spans)
    assert spans[1].first_day is not None
    assert spans[1].first_day.weekday() == 0
    assert now.date() - spans[1].first_day < timedelta(days=7)
