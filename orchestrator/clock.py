"""The current time, for whatever dates a row or looks up a price."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

from .errors import ConfigError

Clock = Callable[[], datetime]  # aware, in the user's time zone


def local_now() -> datetime:
    """The time now, in the user's time zone. Raises ConfigError if TZ names none."""
    try:
        return datetime.now().astimezone()
    except ValueError as error:
        raise ConfigError(f"the time zone cannot be used (TZ={os.environ.get('TZ')!r}): {error}") from error


def check_clock(seconds: Callable[[], float] = time.time) -> None:
    """Raises ConfigError if this machine's clock is before 1970 or after 2262: Python's own modules fail then, and ids
    that are made from the time."""
    try:
        usable = seconds() >= 0
    except OverflowError:
        usable = False
    if not usable:
        raise ConfigError(
            "this machine's clock is wrong: it is before 1970 or after 2262", hint="set it; `date` prints what it says"
        )


def rfc3339(when: datetime) -> str:
    """`2026-12-01T14:30:00.000000Z`: UTC, with microseconds."""
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
