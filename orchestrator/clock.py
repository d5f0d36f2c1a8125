"""The time, as everything that dates a row or asks for a price is given it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]  # aware, in the user's time zone


def local_now() -> datetime:
    """The time now, in the user's time zone."""
    return datetime.now().astimezone()


def rfc3339(when: datetime) -> str:
    """`2026-12-01T14:30:00.000000Z`: UTC, with microseconds."""
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
