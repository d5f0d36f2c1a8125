"""The circuit breaker: what keeps failing is set aside, one probe finds out whether it is back, and everybody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from scripted import SURE, Act, Script, Stage, reply

from orchestrator.config import BreakerPolicy
from orchestrator.errors import (
    AuthenticationError,
    BadReplyError,
    Billed,
    ConnectionFailedError,
    DeadlineError,
    Disposition,
    IncompleteError,
    OutcomeUnknownError,
    OverloadedError,
    ProviderError,
    Quota,
    QuotaExhaustedError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    SetAsideError,
)
from orchestrator.ledger.store import Ledger
from orchestrator.providers.base import RateLimitStatus
from orchestrator.registry.model import ModelSpec, RateLimits, Scores
from orchestrator.run.call.admission import Admission
from orchestrator.run.call.health import Health, breaker_states, finding
from orchestrator.run.call.permit import Permit
from orchestrator.run.events import unobserved
from orchestrator.types import Level

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
POLICY = BreakerPolicy(failures=3, window_s=300, cooling_s=30, max_cooling_s=100)


def a_model(name: str = "shaky", provider: str = "openai", limits: RateLimits | None = None) -> ModelSpec:
    scores = Scores(0.5, 0.5, 0.5, 0.5)
    limits = limits or RateLimits()
    return ModelSpec(name, provider, name, (), 100_000, 1_000, (Level.BASIC,), scores, limits=limits)


SHAKY = a_model()


class Silent:
    def rate_limit_status(self) -> RateLimitStatus:
        return RateLimitStatus()


@dataclass(slots=True)
class Office:
    """Processes at one ledger: each has a connection of its own. `now` is theirs to share."""

    path: Path
    now: datetime = NOON
    policy: BreakerPolicy = POLICY
    ledgers: list[Ledger] = field(default_factory=list)

    def process(self, *, simulated: bool = False) -> Admission:
        self.ledgers.append(Ledger.open(self.path))
        return Admission(
            self.ledgers[-1],
            simulated=simulated,
            max_wait_s=60.0,
            breaker=self.policy,
            free_tier=(),
            clock=lambda: self.now,
            monotonic=lambda: 0.0,
        )

    def enter(self, spec: ModelSpec = SHAKY, line: Admission | None = None) -> Permit:
        line = line or self.process()
        return asyncio.run(line.enter(spec, 0, deadline=60.0, observe=unobserved))

    def leave(self, permit: Permit, error: BaseException | None = None) -> None:
        async def leave() -> None:
            try:
                async with permit:
                    permit.begin(Silent())
                    if error is not None:
                        raise error
            finally:  # as the end of a run does
                await permit.state.ledger.submit(lambda db: None, reads=True)

        if error is None:
            asyncio.run(leave())
        else:
            with pytest.raises(type(error)):
                asyncio.run(leave())

    def call(self, error: BaseException | None = None, spec: ModelSpec = SHAKY) -> None:
        self.leave(self.enter(spec), error)

    def fail(self, times: int = POLICY.failures) -> None:
        for _ in range(times):
            self.call(down())

    def is_barred(self, spec: ModelSpec = SHAKY) -> bool:
        try:
            asyncio.run(self.enter(spec).abandon())
        except SetAsideError:
            return True
        return False

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def down(kind: type[ProviderError] = OverloadedError) -> ProviderError:
    return kind("it is down", provider="openai", model="shaky")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path / "ledger.db")
    yield office
    for ledger in office.ledgers:
        ledger.close()


def exhausted(quota: Quota) -> QuotaExhaustedError:
    error = QuotaExhaustedError("no more", provider="openai")
    error.quota = quota
    return error


@pytest.mark.parametrize(
    ("error", "health"),
    [
        pytest.param(None, Health.ANSWERS, id="completion"),
        *(
            pytest.param(down(kind), Health.DOWN, id=kind.code)
            for kind in (OverloadedError, ConnectionFailedError, OutcomeUnknownError, BadReplyError)
        ),
        *(
            pytest.param(down(kind), Health.ANSWERS, id=kind.code)
            for kind in (RequestRejectedError, RateLimitedError, AuthenticationError, RefusedError)
        ),
        *(pytest.param(down(kind), Health.UNKNOWN, id=kind.code) for kind in (DeadlineError, IncompleteError)),
        pytest.param(asyncio.CancelledError(), Health.UNKNOWN, id="cancelled"),
        pytest.param(down(QuotaExhaustedError), Health.OUT_OF_QUOTA, id="quota"),
    ],
)
def test_each_end_of_a_call_tells_something_of_the_provider(error: BaseException | None, health: Health) -> None:
    assert finding(error).health is health


@pytest.mark.parametrize(
    ("quota", "health", "whole"),
    [
        pytest.param(Quota.ACCOUNT, Health.OUT_OF_QUOTA, True, id="account"),
        pytest.param(Quota.MODEL, Health.OUT_OF_QUOTA, False, id="model"),
        pytest.param(Quota.REQUEST, Health.ANSWERS, False, id="request"),
    ],
)
def test_an_empty_account_is_the_whole_providers_and_a_daily_quota_is_a_models(
    quota: Quota, health: Health, whole: bool
) -> None:
    found = finding(exhausted(quota))
    assert (found.health, found.whole_provider) == (health, whole)


def test_enough_failures_in_a_row_set_a_model_aside_for_every_process(office: Office) -> None:
    office.fail(2)
    assert not office.is_barred()
    office.fail(1)
    with pytest.raises(SetAsideError) as caught:
        office.enter()
    error = caught.value
    assert (error.billed, error.disposition, error.exit_code) == (Billed.NO, Disposition.NEXT, 6)
    assert error.retry_after_s == 30.0
    assert "it is down" in error.message


def test_other_models_and_the_simulator_are_not_concerned(office: Office) -> None:
    office.fail()
    assert not office.is_barred(a_model("other"))
    assert not office.is_barred(a_model("shaky", provider="google"))
    office.enter(line=office.process(simulated=True))


def test_an_answer_between_failures_starts_the_count_anew(office: Office) -> None:
    office.fail(2)
    office.call()
    office.fail(2)
    assert not office.is_barred()


def test_failures_far_apart_are_not_in_a_row(office: Office) -> None:
    for _ in range(6):
        office.fail(1)
        office.later(301)
    assert not office.is_barred()


def test_after_it_has_cooled_down_exactly_one_process_probes(office: Office) -> None:
    office.fail()
    office.later(29)
    assert office.is_barred()
    office.later(1)
    probe = office.enter()
    assert [office.is_barred() for _ in range(3)] == [True, True, True]
    office.leave(probe)
    assert not office.is_barred()


def test_a_probe_that_fails_sets_the_model_aside_for_twice_as_long_up_to_a_limit(office: Office) -> None:
    office.fail()
    for cooling_s in (30, 60, 100, 100):
        office.later(cooling_s - 1)
        assert office.is_barred()
        office.later(1)
        office.call(down())


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(asyncio.CancelledError(), id="cancelled"),
        pytest.param(down(DeadlineError), id="out-of-time"),
    ],
)
def test_a_probe_that_tells_nothing_leaves_it_to_the_next(office: Office, end: BaseException) -> None:
    office.fail()
    office.later(30)
    office.call(end)
    assert not office.is_barred()


def test_a_probe_whose_process_died_holds_up_the_others_for_a_while_only(office: Office) -> None:
    office.fail()
    office.later(30)
    office.enter()
    office.later(119)
    assert office.is_barred()
    office.later(1)
    assert not office.is_barred()


def test_a_call_that_began_before_the_breaker_opened_does_not_keep_it_open(office: Office) -> None:
    permits = [office.enter() for _ in range(5)]
    for permit in permits:
        office.leave(permit, down())
        office.later(5)
    office.later(30 - 15)
    assert not office.is_barred()


def test_a_model_that_is_set_aside_takes_no_place_in_a_queue(office: Office) -> None:
    limited = a_model(limits=RateLimits(rpm=100))
    for _ in range(3):
        office.call(down(), limited)
    count = "SELECT count(*) FROM rate_slots"
    before = office.ledgers[0].read(lambda db: db.execute(count).fetchone()[0])
    assert office.is_barred(limited)
    assert office.ledgers[0].read(lambda db: db.execute(count).fetchone()[0]) == before == 3


def test_a_provider_without_credit_is_left_alone_for_ten_minutes(office: Office) -> None:
    office.call(exhausted(Quota.ACCOUNT))
    assert office.is_barred(a_model("another"))
    office.later(599)
    assert office.is_barred()
    office.later(1)
    assert not office.is_barred()


def test_a_daily_quota_of_one_model_leaves_the_providers_others(office: Office) -> None:
    office.call(exhausted(Quota.MODEL))
    assert office.is_barred()
    assert not office.is_barred(a_model("another"))


def test_a_clock_set_back_frees_what_was_set_aside(office: Office) -> None:
    office.fail()
    office.later(-3600)
    assert not office.is_barred()


def test_a_policy_of_no_failures_sets_nothing_aside(office: Office) -> None:
    office.policy = BreakerPolicy(failures=0)
    office.fail(20)
    office.call(exhausted(Quota.ACCOUNT))
    assert not office.is_barred()


def test_the_states_tell_what_is_open_until_when_and_why(office: Office) -> None:
    office.process()
    ledger = office.ledgers[0]
    assert breaker_states(ledger, office.now) == []
    office.fail(1)
    assert [state.state for state in breaker_states(ledger, office.now)] == ["closed"]
    office.fail(2)
    (state,) = breaker_states(ledger, office.now)
    assert (state.provider, state.model, state.state, state.failures) == ("openai", "shaky", "open", 3)
    assert (state.open_until, state.reason) == (NOON + timedelta(seconds=30), "it is down")
    office.later(31)
    assert [state.state for state in breaker_states(ledger, office.now)] == ["half-open"]
    office.call()
    assert breaker_states(ledger, office.now) == []


def test_a_chain_does_not_ask_again_what_it_found_to_be_down(tmp_path: Path) -> None:
    acts: dict[str, Sequence[Act]] = {
        "gpt-4o-mini": [OverloadedError("down", provider="openai")],
        "claude-haiku-4-5": [reply(SURE)],
    }
    stage = Stage(tmp_path, Script(acts))
    for _ in range(3):
        assert stage.run(chain="gpt-4o-mini,claude-haiku-4-5").status == "complete"
    asked = [request.model for request in stage.script.sent]
    assert asked.count("gpt-4o-mini") == BreakerPolicy().failures
