"""What a reply's headers say of rate limits, and of when to come back. Pure; hostile values give None."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from ..expressions import expression
from .base import RateLimitStatus

_TOKEN_WINDOW_S = 60.0
MAX_ADVICE_S = 7 * 86_400.0  # no provider's limit is longer than a day; nobody waits longer than this
_DURATION = expression(
    r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,9}(?:\.\d{1,20})?)s)?(?:(\d{1,12}(?:\.\d{1,20})?)ms)?",
    re.ASCII,
)
_IN_WORDS = expression(
    r"\b(?:again|retry|wait)(?: your request)?(?: in| after| for)? ((?:\d{1,9}(?:\.\d{1,20})? ?[a-z]{1,12} ?){1,4})",
    re.IGNORECASE,
)
_AMOUNT = expression(r"(\d{1,9}(?:\.\d{1,20})?) ?(ms|milli|d(?=ay)|d\b|[hms])", re.IGNORECASE)
_UNITS_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "milli": 0.001}
_DURATION_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_EPOCH_MS = 1e11  # above it a bare number counts milliseconds since 1970, not seconds
_EPOCH_S = 1e9  # above it, seconds since 1970; below, seconds from now


class _Names(NamedTuple):
    limit: str
    remaining: str
    reset: str


_REQUESTS = (  # the first family that is there counts
    _Names(*(f"anthropic-ratelimit-requests-{what}" for what in _Names._fields)),
    _Names(*(f"x-ratelimit-{what}-requests" for what in _Names._fields)),
    _Names(*(f"x-ratelimit-{what}-requests-minute" for what in _Names._fields)),
    _Names(*(f"x-ratelimit-{what}-requests-day" for what in _Names._fields)),  # Cerebras
    _Names(*(f"x-ratelimit-{what}" for what in _Names._fields)),  # OpenRouter
)
_TOKENS = (
    _Names(*(f"anthropic-ratelimit-tokens-{what}" for what in _Names._fields)),
    _Names(*(f"anthropic-ratelimit-input-tokens-{what}" for what in _Names._fields)),
    _Names(*(f"x-ratelimit-{what}-tokens" for what in _Names._fields)),
    _Names(*(f"x-ratelimit-{what}-tokens-minute" for what in _Names._fields)),  # Cerebras
)
_ALL_NAMES = frozenset(name for family in (*_REQUESTS, *_TOKENS) for name in family)
_SAYS_NOTHING = RateLimitStatus()


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """The provider's advice in seconds from `now` (0 or more, a week at most), or None. Header names in lower case."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return min(milliseconds / 1000, MAX_ADVICE_S)
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is None:
        seconds = parse_duration_s(text)
    if seconds is not None:
        return min(seconds, MAX_ADVICE_S)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return _until(when if when.tzinfo else when.replace(tzinfo=UTC), now)


def advice_in_words_s(text: str) -> float | None:
    """What a message says of when to come back, in seconds: `Please try again in 6m0s`, `retry after 1.5 seconds`."""
    found = _IN_WORDS.search(text)
    parts = _AMOUNT.findall(found[1]) if found else ()
    seconds = [float(amount) * _UNITS_S[unit.lower()] for amount, unit in parts]
    return min(sum(seconds), MAX_ADVICE_S) if seconds else None


def reset_advice_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until a limit that is used up is reset: advice where a 429 has none.

    A window of tokens takes requests long before it is full again: nobody waits longer than its minute for it.
    """
    status = rate_limits(headers, now)
    waits: list[float] = []
    if status.requests_remaining == 0 and status.requests_reset is not None:
        waits.append(_until(status.requests_reset, now))
    if status.tokens_remaining == 0 and status.tokens_reset is not None:
        waits.append(min(_until(status.tokens_reset, now), _TOKEN_WINDOW_S))
    return max(waits, default=None)


def rate_limits(headers: Mapping[str, str], now: datetime) -> RateLimitStatus:
    """The limits in a reply's headers, which came at `now`. Header names in lower case."""
    if _ALL_NAMES.isdisjoint(headers):
        return _SAYS_NOTHING
    requests = _family(_REQUESTS, headers)
    tokens = _family(_TOKENS, headers)
    return RateLimitStatus(
        requests_limit=_count(headers, requests and requests.limit),
        requests_remaining=_count(headers, requests and requests.remaining),
        requests_reset=parse_reset(headers.get(requests.reset, ""), now) if requests else None,
        tokens_limit=_count(headers, tokens and tokens.limit),
        tokens_remaining=_count(headers, tokens and tokens.remaining),
        tokens_reset=parse_reset(headers.get(tokens.reset, ""), now) if tokens else None,
    )


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """What the server's clock said when it replied; None if it did not say."""
    try:
        when = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def parse_reset(text: str, now: datetime) -> datetime | None:
    """A moment: RFC 3339, a duration (`12ms`, `6m0s`), seconds from now, or seconds or milliseconds since 1970."""
    text = text.strip()
    try:
        if (seconds := parse_duration_s(text)) is not None:
            return now + timedelta(seconds=seconds)
        if (number := _number(text)) is not None:
            if number >= _EPOCH_S:
                return datetime.fromtimestamp(number / 1000 if number >= _EPOCH_MS else number, UTC)
            return now + timedelta(seconds=number)
        when = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def parse_duration_s(text: str) -> float | None:
    """`12ms`, `6m0s`, `1h2m3.5s`, `34.07s` in seconds. None if it is no duration with units."""
    duration = _DURATION.fullmatch(text.strip().lower())
    if duration is None or not any(duration.groups()):
        return None
    return sum(float(part) * unit for part, unit in zip(duration.groups(), _DURATION_UNITS_S, strict=True) if part)


def _family(families: tuple[_Names, ...], headers: Mapping[str, str]) -> _Names | None:
    return next((names for names in families if any(name in headers for name in names)), None)


def _count(headers: Mapping[str, str], name: str | None) -> int | None:
    number = _number(headers.get(name, "")) if name else None
    return None if number is None or number > 1e15 else int(number)


def _number(text: str) -> float | None:
    """A finite number, 0 or more. None for anything else: `nan`, `inf`, `1e999`, `-1`, words."""
    if not re.fullmatch(r"\s*\+?\d{1,20}(?:\.\d{0,20})?(?:[eE][+-]?\d{1,3})?\s*", text, re.ASCII):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _until(when: datetime, now: datetime) -> float:
    return min(max((when - now).total_seconds(), 0.0), MAX_ADVICE_S)
