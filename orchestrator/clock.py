"""The time, as everything that dates a row or asks for a price is given it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]  # aware, in the user's time zone


def local_now() -> datetime:
    """The time now, in the user's time zone."""
    return datetime.now().astimezone()
