"""The current time, for whatever dates a row or looks up a price."""

from __future__ import annotations

import os
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


def rfc3339(when: datetime) -> str:
    """`2026-12-01T14:30:00.000000Z`: UTC, with microseconds."""
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
