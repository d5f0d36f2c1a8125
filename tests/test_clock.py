"""A machine's clock that no program can work by."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.clock import check_clock
from orchestrator.errors import ConfigError


def after_2262() -> float:
    """As Python's own clock says it."""
    raise OverflowError("timestamp too large to convert to C _PyTime_t")


@pytest.mark.parametrize("seconds", [after_2262, lambda: -1.0], ids=["after 2262", "before 1970"])
def test_a_clock_that_python_cannot_read_is_said(seconds: Callable[[], float]) -> None:
    with pytest.raises(ConfigError, match="clock is wrong"):
        check_clock(seconds)


@pytest.mark.parametrize("seconds", [0.0, 1.8e9, 4.3e9, 9.2e9])
def test_any_other_will_do(seconds: float) -> None:
    check_clock(lambda: seconds)
