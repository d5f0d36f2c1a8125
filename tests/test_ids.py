"""The ids of runs and calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from orchestrator.ids import new_id


@given(st.integers(0, 9_214_646_400_000_000))  # microseconds until 2262
def test_an_id_is_a_ulid_of_its_time_and_counts_up_within_a_millisecond(micros: int) -> None:
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    first, second = new_id(when), new_id(when)
    assert str(ULID.from_str(first)) == first < second == str(ULID.from_str(second))
    assert ULID.from_str(first).milliseconds == ULID.from_str(second).milliseconds == int(when.timestamp() * 1000)
    assert new_id(when + timedelta(milliseconds=1)) > second
