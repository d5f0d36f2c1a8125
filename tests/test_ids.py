"""The ids of runs and calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from orchestrator.ids import new_id


@given(st.datetimes(datetime(1970, 1, 1), datetime(2262, 1, 1), timezones=st.just(UTC)))
def test_an_id_is_a_ulid_of_its_time_and_counts_up_within_a_millisecond(when: datetime) -> None:
    first, second = new_id(when), new_id(when)
    assert str(ULID.from_str(first)) == first < second == str(ULID.from_str(second))
    assert ULID.from_str(first).milliseconds == ULID.from_str(second).milliseconds == int(when.timestamp() * 1000)
    assert new_id(when + timedelta(milliseconds=1)) > second
