"""Rate limits that all processes share: on a real ledger, on a clock that only the test moves, and across processes."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.context import SpawnContext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import PATIENCE_S

from orchestrator.config import BreakerPolicy, RetryPolicy, load_settings
from orchestrator.errors import Billed, ConfigError, DeadlineError, ProviderError, QuotaExhaustedError, RateLimitedError
from orchestrator.ledger.limits import SECOND, Full, Slot, Wanted, Window, take_slot
from orchestrator.ledger.store import Ledger
from orchestrator.providers.base import RateLimitStatus
from orchestrator.registry.model import FreeQuota, ModelSpec, RateLimits, Scores
from orchestrator.run.call.admission import Admission
from orchestrator.run.call.permit import Permit
from orchestrator.run.engine import Engine
from orchestrator.run.events import Event, Waiting, unobserved
from orchestrator.types import Level, Usage

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SPAN_S = 61.0  # a minute and the margin


def a_model(limits: RateLimits, name: str = "limited", quota: FreeQuota | None = None) -> ModelSpec:
    scores = Scores(0.5, 0.5, 0.5, 0.5)
    return ModelSpec(name, "google", name, (), 100_000, 1_000, (Level.BASIC,), scores, limits=limits, free_quota=quota)


@dataclass(slots=True)
class Clock:
    """The time of day and the monotonic clock. Sleeping moves both; `on_sleep` is what happens meanwhile."""

    monotonic_s: float = 0.0
    offset: timedelta = timedelta()
    interruption: BaseException | None = None
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic_s) + self.offset

    def monotonic(self) -> float:
        return self.monotonic_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.interruption is not None:
            raise self.interruption
        self.monotonic_s += seconds


@dataclass(slots=True)
class Says:
    """A connection whose last reply said this of its limits."""

    status: RateLimitStatus = field(default_factory=RateLimitStatus)

    def rate_limit_status(self) -> RateLimitStatus:
        return self.status


@dataclass(slots=True)
class Desk:
    """A process at a ledger."""

    ledger: Ledger
    clock: Clock
    events: list[Event] = field(default_factory=list)

    def line(self, *, simulated: bool = False, max_wait_s: float = 600.0, free_tier: tuple[str, ...] = ()) -> Admission:
        return Admission(
            self.ledger,
            simulated=simulated,
            max_wait_s=max_wait_s,
            breaker=BreakerPolicy(),
            free_tier=free_tier,
            clock=self.clock.now,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
        )

    def enter(
        self, spec: ModelSpec, tokens: int = 0, *, deadline: float = 1e9, line: Admission | None = None
    ) -> Permit:
        line = line or self.line()
        return asyncio.run(line.enter(spec, tokens, deadline=deadline, observe=self.events.append))

    def call(
        self,
        spec: ModelSpec,
        tokens: int = 0,
        *,
        used: int | None = None,
        says: RateLimitStatus | None = None,
        error: ProviderError | None = None,
        line: Admission | None = None,
    ) -> None:
        """A call from entering to leaving; what its reply says, and what it took."""

        async def call() -> None:
            entered = await (line or self.line()).enter(spec, tokens, deadline=1e9, observe=self.events.append)
            with nullcontext() if error is None else pytest.raises(type(error)):
                async with entered as permit:
                    connection = Says()
                    permit.begin(connection)
                    if says is not None:
                        connection.status = says
                    if error is not None:
                        raise error
                    permit.used(None if used is None else Usage(input_tokens=used, output_tokens=0))
            await self.ledger.submit(lambda db: None, reads=True)  # as the end of a run does

        asyncio.run(call())

    def waited_for(self, spec: ModelSpec, tokens: int = 0, *, line: Admission | None = None) -> float:
        """The seconds that a call has to wait now."""
        before = self.clock.monotonic_s
        self.enter(spec, tokens, line=line)
        return self.clock.monotonic_s - before


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(Ledger.open(tmp_path / "ledger.db")) as ledger:
        yield Desk(ledger, Clock())


def slots(ledger: Ledger) -> int:
    count: int = ledger.read(lambda db: db.execute("SELECT count(*) FROM rate_slots").fetchone()[0])
    return count


# -- per minute ---------------------------------------------------------------------------------------------------


def test_an_empty_minute_takes_its_whole_limit_at_once_and_the_next_call_waits_for_the_window(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=3))
    assert [desk.waited_for(spec) for _ in range(4)] == [0, 0, 0, pytest.approx(SPAN_S)]


def test_tokens_of_a_minute_are_limited_too(desk: Desk) -> None:
    spec = a_model(RateLimits(tpm=1000))
    assert [desk.waited_for(spec, tokens) for tokens in (600, 400, 1)] == [0, 0, pytest.approx(SPAN_S)]


def test_a_call_of_more_tokens_than_the_limit_waits_for_an_empty_minute_and_no_longer(desk: Desk) -> None:
    spec = a_model(RateLimits(tpm=1000))
    assert [desk.waited_for(spec, tokens) for tokens in (10, 5000)] == [0, pytest.approx(SPAN_S)]


def test_what_a_call_really_took_counts_in_place_of_the_estimate(desk: Desk) -> None:
    spec = a_model(RateLimits(tpm=1000))
    desk.call(spec, 900, used=100)
    assert desk.waited_for(spec, 900) == 0


def test_models_and_simulation_have_lines_of_their_own(desk: Desk) -> None:
    one, other = a_model(RateLimits(rpm=1), "one"), a_model(RateLimits(rpm=1), "other")
    waits = [desk.waited_for(one), desk.waited_for(other), desk.waited_for(one, line=desk.line(simulated=True))]
    assert waits == [0, 0, 0]
    assert desk.waited_for(one) == pytest.approx(SPAN_S)


def test_a_model_without_limits_writes_nothing(desk: Desk) -> None:
    changes = desk.ledger.read(lambda db: db.total_changes)
    desk.call(a_model(RateLimits()), 100, used=50)
    assert desk.ledger.read(lambda db: db.total_changes) == changes


def test_whoever_waits_is_told_for_what_how_long_and_at_which_place(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=1))
    desk.enter(spec)
    desk.enter(spec)
    waiting = next(event for event in desk.events if isinstance(event, Waiting))
    assert (waiting.model, waiting.position) == ("limited", 1)
    assert waiting.seconds == pytest.approx(SPAN_S)


@settings(max_examples=40)
@given(
    st.integers(1, 6),
    st.integers(200, 2000),
    st.lists(st.tuples(st.integers(0, 40 * SECOND), st.integers(1, 900)), min_size=1, max_size=40),
)
def test_no_window_ever_holds_more_than_the_limits_and_the_order_of_arrival_is_kept(
    rpm: int, tpm: int, arrivals: list[tuple[int, int]]
) -> None:
    window, now, taken = Window(), 10**15, []
    with TemporaryDirectory() as folder, closing(Ledger.open(Path(folder) / "ledger.db")) as ledger:
        for gap, tokens in arrivals:
            now += gap
            wanted = Wanted((False, "m"), RateLimits(rpm=rpm, tpm=tpm), tokens, now, now + 10**12)
            slot = ledger.write(lambda db, wanted=wanted: take_slot(db, wanted, window))  # type: ignore[misc]  # a lambda bound early
            assert isinstance(slot, Slot)
            taken.append(slot)
    times = [slot.at for slot in taken]
    assert times == sorted(times)
    for start, first in enumerate(taken):
        inside = [slot for slot in taken[start:] if slot.at < first.at + window.length]
        assert len(inside) <= rpm
        assert sum(slot.tokens for slot in inside) <= tpm or len(inside) == 1


def test_no_place_is_later_than_it_has_to_be(desk: Desk) -> None:
    window, key = Window(), (False, "m")
    for arrival in (0, 5, 9):
        wanted = Wanted(key, RateLimits(rpm=2), 0, 10**15 + arrival * SECOND, 10**16)
        slot = desk.ledger.write(lambda db, wanted=wanted: take_slot(db, wanted, window))  # type: ignore[misc]  # a lambda bound early
    assert isinstance(slot, Slot)
    assert slot.at == 10**15 + window.span


# -- giving up ----------------------------------------------------------------------------------------------------


def test_a_wait_past_the_deadline_is_not_begun_and_takes_no_place(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=1))
    desk.enter(spec)
    with pytest.raises(QuotaExhaustedError) as caught:
        desk.enter(spec, deadline=30.0)
    assert (caught.value.billed, slots(desk.ledger), desk.clock.slept) == (Billed.NO, 1, [])


def test_a_wait_longer_than_the_user_allows_moves_on_at_once(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=1))
    desk.enter(spec)
    with pytest.raises(QuotaExhaustedError) as caught:
        desk.enter(spec, line=desk.line(max_wait_s=59.0))
    assert (caught.value.billed, slots(desk.ledger), desk.clock.slept) == (Billed.NO, 1, [])


def test_whoever_would_wait_a_minute_is_queued_behind_a_burst_and_told_the_place(desk: Desk) -> None:
    spec, line = a_model(RateLimits(rpm=6)), desk.line(max_wait_s=RetryPolicy().max_wait_s)
    for _ in range(6):
        desk.enter(spec, line=line)
    begun: list[float] = []

    async def three_more() -> None:
        async def one() -> None:
            await line.enter(spec, 0, deadline=1e9, observe=desk.events.append)
            begun.append(desk.clock.monotonic_s)

        await asyncio.gather(*(one() for _ in range(3)))

    asyncio.run(three_more())
    told = [event.position for event in desk.events if isinstance(event, Waiting)]
    assert set(told[:3]) == {1, 2, 3}  # whoever comes first
    assert min(begun) >= SPAN_S


def test_a_waiter_that_is_cancelled_gives_its_place_back(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=1, rpd=2))
    desk.enter(spec)
    desk.clock.interruption = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        desk.enter(spec)
    desk.clock.interruption = None
    assert slots(desk.ledger) == 1
    assert desk.waited_for(spec) == pytest.approx(SPAN_S)


def test_a_turn_that_is_left_without_sending_gives_its_place_back(desk: Desk) -> None:
    async def refused() -> None:
        async with await desk.line().enter(a_model(RateLimits(rpm=1)), 0, deadline=1e9, observe=unobserved):
            raise ValueError("no budget")

    with pytest.raises(ValueError, match="no budget"):
        asyncio.run(refused())
    assert slots(desk.ledger) == 0


def test_those_behind_a_waiter_that_gave_up_move_up(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=1))
    left_at: list[float] = []

    async def two_wait() -> None:
        line = desk.line()
        await line.enter(spec, 0, deadline=1e9, observe=unobserved)
        ticking = asyncio.Event()

        async def tick(_: float) -> None:  # several waiters share the clock: it is moved below
            ticking.set()
            await asyncio.sleep(0.001)

        line._sleep = tick
        first = asyncio.create_task(line.enter(spec, 0, deadline=1e9, observe=unobserved))
        await ticking.wait()
        waits = asyncio.Event()

        def observe(event: Event) -> None:
            desk.events.append(event)
            waits.set()

        second = asyncio.create_task(line.enter(spec, 0, deadline=1e9, observe=observe))
        await waits.wait()
        first.cancel()
        while not second.done():
            desk.clock.monotonic_s += 0.5
            await asyncio.sleep(0.005)
        left_at.append(desk.clock.monotonic_s)

    asyncio.run(two_wait())
    told = [event.position for event in desk.events if isinstance(event, Waiting)]
    assert told[0] == 2
    assert SPAN_S <= left_at[0] < 2 * SPAN_S - 10


# -- a day --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "calls"),
    [
        pytest.param(RateLimits(rpd=3), 3, id="requests"),
        pytest.param(RateLimits(tpd=1000), 2, id="tokens"),
    ],
)
def test_a_daily_limit_that_is_used_up_moves_on_without_waiting(desk: Desk, limits: RateLimits, calls: int) -> None:
    spec = a_model(limits)
    for _ in range(calls):
        desk.call(spec, 500)
    with pytest.raises(QuotaExhaustedError) as caught:
        desk.enter(spec, 500)
    assert (caught.value.billed, desk.clock.slept) == (Billed.NO, [])
    assert caught.value.retry_after_s == pytest.approx(86_400, abs=601)


def test_a_daily_limit_is_free_again_a_day_later(desk: Desk) -> None:
    spec = a_model(RateLimits(rpd=1))
    desk.call(spec)
    desk.clock.monotonic_s += 86_400 - 1
    with pytest.raises(QuotaExhaustedError):
        desk.enter(spec)
    desk.clock.monotonic_s += 602
    assert desk.waited_for(spec) == 0


@pytest.mark.parametrize(
    ("free_tier", "limited"), [pytest.param(("google",), True, id="kept-to"), pytest.param((), False, id="paid-for")]
)
def test_a_free_quota_is_a_daily_limit_for_whoever_asked_for_it(
    desk: Desk, free_tier: tuple[str, ...], limited: bool
) -> None:
    spec = a_model(RateLimits(), quota=FreeQuota(requests_per_day=1))
    line = desk.line(free_tier=free_tier)
    desk.call(spec, line=line)
    if limited:
        with pytest.raises(QuotaExhaustedError):
            desk.enter(spec, line=line)
    else:
        assert desk.waited_for(spec, line=line) == 0


def test_the_config_file_names_the_free_tiers_and_the_breakers_policy(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("free_tier: [google]\nbreaker: {failures: 2, window: 60, cooling: 5, max_cooling: 10}\n")
    read = load_settings({}, config=config)
    assert (read.free_tier, read.breaker) == (("google",), BreakerPolicy(2, 60.0, 5.0, 10.0))


def test_a_free_tier_of_no_provider_is_refused(tmp_path: Path) -> None:
    named = replace(load_settings({}, ledger=tmp_path / "ledger.db"), free_tier=("gogle",))
    with pytest.raises(ConfigError) as caught:
        Engine(named)
    assert caught.value.hint == "did you mean 'google'?"


# -- what providers say -------------------------------------------------------------------------------------------


def test_a_lower_limit_in_a_reply_is_kept_by_every_process(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=100))
    desk.call(spec, says=RateLimitStatus(requests_limit=2, requests_remaining=1))
    assert [desk.waited_for(spec, line=desk.line()) for _ in range(2)] == [0, pytest.approx(SPAN_S)]


def test_a_higher_limit_in_a_reply_does_not_lift_the_registrys(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=2))
    desk.call(spec, says=RateLimitStatus(requests_limit=1000, requests_remaining=999))
    assert [desk.waited_for(spec) for _ in range(2)] == [0, pytest.approx(SPAN_S)]


def test_a_learned_limit_is_forgotten_after_an_hour(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=100))
    desk.call(spec, says=RateLimitStatus(requests_limit=1))
    desk.clock.monotonic_s += 3601
    assert [desk.waited_for(spec) for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize(
    "limits", [pytest.param(RateLimits(rpm=9), id="limited"), pytest.param(RateLimits(), id="not")]
)
def test_everybody_pauses_when_a_provider_says_so(desk: Desk, limits: RateLimits) -> None:
    spec = a_model(limits)
    desk.call(spec, error=RateLimitedError("slow down", provider="google", retry_after_s=20.0))
    assert desk.waited_for(spec) == pytest.approx(20.0)


def test_everybody_pauses_until_the_reset_when_nothing_remains(desk: Desk) -> None:
    spec = a_model(RateLimits())
    reset = desk.clock.now() + timedelta(seconds=7)
    desk.call(spec, says=RateLimitStatus(requests_limit=50, requests_remaining=0, requests_reset=reset))
    assert desk.waited_for(spec) == pytest.approx(7.0)


@pytest.mark.parametrize("advice_s", [0.0, 0.5, 1.0], ids=str)
def test_when_to_come_back_is_believed_whatever_the_resets_say(desk: Desk, advice_s: float) -> None:
    spec, now = a_model(RateLimits()), desk.clock.now()
    full = {"requests_reset": now + timedelta(seconds=45), "tokens_reset": now + timedelta(minutes=6)}
    says = RateLimitStatus(requests_limit=60, requests_remaining=0, tokens_limit=90_000, tokens_remaining=0, **full)
    desk.call(spec, says=says, error=RateLimitedError("slow down", provider="openai", retry_after_s=advice_s))
    assert desk.waited_for(spec) == pytest.approx(advice_s)


def test_a_window_of_tokens_that_is_used_up_bars_nobody(desk: Desk) -> None:
    spec, reset = a_model(RateLimits()), desk.clock.now() + timedelta(minutes=6)
    desk.call(spec, says=RateLimitStatus(tokens_limit=90_000, tokens_remaining=0, tokens_reset=reset))
    assert desk.waited_for(spec) == 0


def test_a_pause_longer_than_the_user_would_wait_moves_on(desk: Desk) -> None:
    spec = a_model(RateLimits())
    desk.call(spec, error=RateLimitedError("slow down", provider="google", retry_after_s=300.0))
    with pytest.raises(QuotaExhaustedError):
        desk.enter(spec, line=desk.line(max_wait_s=60.0))


# -- clocks -------------------------------------------------------------------------------------------------------


def test_a_clock_set_back_freezes_nothing_and_lifts_no_limit(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=1, rpd=1000))
    desk.call(spec, error=RateLimitedError("slow down", provider="google", retry_after_s=5.0))
    desk.clock.offset = -timedelta(hours=1)
    assert desk.waited_for(spec) == pytest.approx(SPAN_S)


def test_a_clock_set_back_during_a_wait_makes_it_no_longer(desk: Desk) -> None:
    spec = a_model(RateLimits(rpm=1))
    desk.enter(spec)
    sleep = desk.clock.sleep

    async def sleep_and_set_back(seconds: float) -> None:
        desk.clock.offset = -timedelta(hours=1)
        await sleep(seconds)

    line = desk.line()
    line._sleep = sleep_and_set_back
    assert desk.waited_for(spec, line=line) == pytest.approx(SPAN_S)


def test_a_place_that_is_full_says_when_it_is_not(desk: Desk) -> None:
    wanted = Wanted((False, "m"), RateLimits(rpm=1), 0, 10**15, 10**15)
    desk.ledger.write(lambda db: take_slot(db, wanted, Window()))
    full = desk.ledger.write(lambda db: take_slot(db, wanted, Window()))
    assert isinstance(full, Full)
    assert full.until == 10**15 + Window().span


# -- processes ----------------------------------------------------------------------------------------------------

LIMIT, FOR_S, PROCESSES = 40, 130.0, 4
AWAKE = 0.0


class SharedClock:
    """The time of several processes, in seconds: while one of them is awake it stands still, and when all of them sleep
    it is put forward to the moment at which the first wants to wake. So nothing depends on how fast they are."""

    def __init__(self, context: SpawnContext, processes: int) -> None:
        self._changed = context.Condition()
        self._now = context.Value("d", 1.0, lock=False)
        self._wakes_at = context.Array("d", [AWAKE] * processes, lock=False)

    def monotonic(self) -> float:
        seconds: float = self._now.value
        return seconds

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._now.value)

    def sleep(self, process: int, seconds: float) -> None:
        with self._changed:
            self._wakes_at[process] = self._now.value + seconds
            self._put_forward()
            while self._wakes_at[process] != AWAKE:
                self._changed.wait()

    def leave(self, process: int) -> None:
        with self._changed:
            self._wakes_at[process] = math.inf
            self._put_forward()

    def _put_forward(self) -> None:
        earliest = min(self._wakes_at)
        if earliest == AWAKE or earliest == math.inf:
            return
        self._now.value = earliest
        for process, at in enumerate(self._wakes_at):
            if at == earliest:
                self._wakes_at[process] = AWAKE
        self._changed.notify_all()


def work(path: Path, out: Path, clock: SharedClock, process: int) -> None:
    async def sleep(seconds: float) -> None:
        clock.sleep(process, seconds)

    async def calls() -> list[float]:
        times: list[float] = []
        with Ledger.open(path) as ledger:
            line = Admission(
                ledger,
                simulated=False,
                max_wait_s=FOR_S,
                breaker=BreakerPolicy(),
                free_tier=(),
                clock=clock.now,
                monotonic=clock.monotonic,
                sleep=sleep,
            )
            while True:
                try:
                    permit = await line.enter(a_model(RateLimits(rpm=LIMIT)), 0, deadline=FOR_S, observe=unobserved)
                except (DeadlineError, QuotaExhaustedError):
                    return times
                assert permit.slot is not None
                times.append(permit.slot.at / SECOND)
                permit.slot = None  # used; there is nothing to send

    try:
        out.write_text(" ".join(map(repr, asyncio.run(calls()))))
    finally:
        clock.leave(process)


def test_processes_together_keep_to_the_limit_and_use_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    clock = SharedClock(context, PROCESSES)
    outs = [tmp_path / str(number) for number in range(PROCESSES)]
    workers = [
        context.Process(target=work, args=(tmp_path / "ledger.db", out, clock, number), daemon=True)
        for number, out in enumerate(outs)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE_S)
    times = sorted(float(at) for out in outs for at in out.read_text().split())
    assert max(bisect_left(times, at + 60) - index for index, at in enumerate(times)) <= LIMIT
    assert len(times) == LIMIT * (FOR_S // SPAN_S + 1)
