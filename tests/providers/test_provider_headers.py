"""Headers about limits, honest and hostile."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.providers.headers import (
    MAX_ADVICE_S,
    advice_in_words_s,
    parse_duration_s,
    parse_reset,
    rate_limits,
    reset_advice_s,
    retry_after_s,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 -0000"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2020 12:00:30 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2099 12:00:30 GMT"}, MAX_ADVICE_S),
        ({"retry-after": "1e300"}, MAX_ADVICE_S),
        ({"retry-after": "86400"}, 86_400.0),
        ({"retry-after": "Sat, 99 Nov 2026 99:99:99 GMT"}, None),
        ({"retry-after": "Sat, 21 Nov 99999999999 12:00:30 GMT"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_advice_is_in_seconds_or_none(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=40)))
def test_advice_is_never_an_exception_nor_an_unreasonable_number(headers: dict[str, str]) -> None:
    seconds = retry_after_s(headers, NOW)

    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= MAX_ADVICE_S)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_advice_from_any_number_is_sane(number: float) -> None:
    seconds = retry_after_s({"retry-after": str(number)}, NOW)

    assert seconds is None or 0 <= seconds <= MAX_ADVICE_S


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("34.074824224s", 34.074824224),
        ("1d", 86_400.0),
        ("", None),
        ("12", None),
        ("s", None),
        ("-1s", None),
        ("1e9s", None),
        ("9" * 400 + "s", None),
    ],
)
def test_a_duration_has_units(text: str, seconds: float | None) -> None:
    assert parse_duration_s(text) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-21T12:00:30Z", NOW + timedelta(seconds=30)),
        ("2026-11-21T12:00:30", NOW + timedelta(seconds=30)),
        ("6m0s", NOW + timedelta(minutes=6)),
        ("33011.382867", NOW + timedelta(seconds=33011.382867)),
        ("1795262430", datetime.fromtimestamp(1795262430, UTC)),
        ("1795262430000", datetime.fromtimestamp(1795262430, UTC)),
        ("1e300", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_a_reset_is_a_moment_in_any_of_its_spellings(text: str, moment: datetime | None) -> None:
    assert parse_reset(text, NOW) == moment


@given(st.text(max_size=40))
def test_a_reset_is_never_an_exception(text: str) -> None:
    moment = parse_reset(text, NOW)

    assert moment is None or moment.tzinfo is not None


FAMILIES = {
    "anthropic": {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2026-11-21T12:01:00Z",
        "anthropic-ratelimit-tokens-limit": "40000",
        "anthropic-ratelimit-tokens-remaining": "39000",
        "anthropic-ratelimit-tokens-reset": "2026-11-21T12:00:30Z",
    },
    "openai": {
        "x-ratelimit-limit-requests": "50",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-limit-tokens": "40000",
        "x-ratelimit-remaining-tokens": "39000",
        "x-ratelimit-reset-tokens": "30s",
    },
    "cerebras": {
        "x-ratelimit-limit-requests-day": "50",
        "x-ratelimit-remaining-requests-day": "0",
        "x-ratelimit-reset-requests-day": "60.0",
        "x-ratelimit-limit-tokens-minute": "40000",
        "x-ratelimit-remaining-tokens-minute": "39000",
        "x-ratelimit-reset-tokens-minute": "30.0",
    },
}


@pytest.mark.parametrize("headers", FAMILIES.values(), ids=FAMILIES)
def test_limits_are_read_from_every_family_of_headers(headers: dict[str, str]) -> None:
    status = rate_limits(headers, NOW)

    assert (status.requests_limit, status.requests_remaining) == (50, 0)
    assert (status.tokens_limit, status.tokens_remaining) == (40_000, 39_000)
    assert status.requests_reset == NOW + timedelta(minutes=1)
    assert status.tokens_reset == NOW + timedelta(seconds=30)
    assert reset_advice_s(headers, NOW) == 60.0


def test_for_a_window_of_tokens_nobody_waits_longer_than_a_minute() -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}
    assert reset_advice_s(headers, NOW) == 60.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit exceeded. Please retry after 1 second.", 1.0),
        ("Limit 10000. Please try again in 6m0s. Visit the console.", 360.0),
        ("Please try again in 1.242s.", 1.242),
        ("Please try again in 20ms.", 0.02),
        ("Please wait for 5 milliseconds", 0.005),
        ("Try again in 2 minutes", 120.0),
        ("Please retry in 1h2m", 3720.0),
        ("try again in 99 days", MAX_ADVICE_S),
        ("Please try again later.", None),
        ("3 requests per minute", None),
    ],
)
def test_when_to_come_back_may_be_said_in_words(text: str, seconds: float | None) -> None:
    assert advice_in_words_s(text) == seconds


@pytest.mark.parametrize(("value", "seconds"), [("0", 0.0), ("0.25", 0.25), ("2s", 2.0), ("1m30s", 90.0), ("-1", None)])
def test_a_retry_after_is_what_it_says(value: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": value}, NOW) == seconds


def test_openrouter_counts_milliseconds_since_1970() -> None:
    moment = NOW + timedelta(seconds=90)
    headers = {
        "x-ratelimit-limit": "20",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(moment.timestamp() * 1000)),
    }

    assert rate_limits(headers, NOW).requests_reset == moment
    assert reset_advice_s(headers, NOW) == 90.0


@pytest.mark.parametrize("value", ["-1", "nan", "1e400", "many", "", "9" * 30])
def test_a_limit_that_is_no_number_is_unknown(value: str) -> None:
    headers = {f"x-ratelimit-{what}-requests": value for what in ("limit", "remaining", "reset")}
    status = rate_limits(headers, NOW)

    assert (status.requests_limit, status.requests_remaining, status.requests_reset) == (None, None, None)
    assert reset_advice_s(headers, NOW) is None
