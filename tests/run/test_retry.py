"""Whether and when a failed call is sent again: decided here, waited for by stamina."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config import RetryKind, RetryPolicy
from orchestrator.errors import (
    BadReplyError,
    ConnectionFailedError,
    Disposition,
    EmptyReplyError,
    OutcomeUnknownError,
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    RateLimitedError,
    RequestRejectedError,
    TemporaryError,
)
from orchestrator.run.call.retry import Backoff


def a_backoff(policy: RetryPolicy | None = None, *, time_left_s: float = 600.0) -> Backoff:
    return Backoff(policy or RetryPolicy(), lambda: time_left_s, random.Random(1), lambda *_: None)


def an_error(kind: type[ProviderError], retry_after_s: float | None = None) -> ProviderError:
    return kind("no", provider="openai", retry_after_s=retry_after_s)


def retries(backoff: Backoff, error: Exception, at_most: int = 50) -> int:
    return next((n for n in range(at_most) if backoff(error) is False), at_most)


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        pytest.param(OverloadedError, 2, id="overloaded"),
        pytest.param(RateLimitedError, 2, id="rate-limited"),
        pytest.param(ConnectionFailedError, 2, id="connection-failed"),
        pytest.param(BadReplyError, 2, id="bad-reply"),
        pytest.param(EmptyReplyError, 1, id="empty-reply-once"),
        pytest.param(QuotaExhaustedError, 0, id="quota-never"),
        pytest.param(OutcomeUnknownError, 0, id="unknown-outcome-never"),
        pytest.param(TemporaryError, 2, id="timeout-or-conflict"),
        pytest.param(RequestRejectedError, 0, id="rejected-never"),
    ],
)
def test_each_kind_of_failure_is_tried_again_so_often(kind: type[ProviderError], times: int) -> None:
    assert retries(a_backoff(), an_error(kind)) == times


def test_a_kind_that_the_user_left_out_is_not_tried_again() -> None:
    policy = RetryPolicy(kinds=(RetryKind.RATE_LIMITED,))
    assert retries(a_backoff(policy), an_error(OverloadedError)) == 0
    assert retries(a_backoff(policy), an_error(RateLimitedError)) == 2


def test_every_kind_that_can_be_named_is_an_error_that_is_retried() -> None:
    every: list[type[ProviderError]] = [TemporaryError, *TemporaryError.__subclasses__()]
    kinds = {kind.code: kind for kind in every if kind.disposition is Disposition.RETRY}
    assert set(kinds) == set(RetryKind)


def test_an_error_of_our_own_is_never_tried_again() -> None:
    assert a_backoff()(ValueError("a bug")) is False


def test_what_the_provider_asks_for_is_waited_for() -> None:
    assert a_backoff()(an_error(RateLimitedError, 12.5)) == 12.5


def test_the_waits_of_a_call_stay_under_the_cap_together() -> None:
    backoff = a_backoff(RetryPolicy(max_retries=9, max_wait_s=60))
    waits = [backoff(an_error(RateLimitedError, 25.0)) for _ in range(3)]
    assert waits == [25.0, 25.0, False]


def test_no_wait_goes_past_the_deadline() -> None:
    assert a_backoff(time_left_s=5.0)(an_error(RateLimitedError, 5.0)) is False


@given(
    st.floats(0, 10), st.floats(0, 40), st.floats(1, 10), st.integers(0, 2**32), st.lists(st.none() | st.floats(0, 1e9))
)
def test_no_advice_makes_the_waits_longer_than_the_cap(
    initial: float, longest: float, multiplier: float, seed: int, advice: list[float | None]
) -> None:
    policy = RetryPolicy(20, initial, longest, multiplier, max_wait_s=60)
    backoff = Backoff(policy, lambda: 1e12, random.Random(seed), lambda *_: None)
    total = 0.0
    for asked in advice:
        wait = backoff(an_error(RateLimitedError, asked))
        if wait is False:
            continue
        total += wait
        assert asked is not None or wait <= longest
    assert total <= 60 + 1e-6
