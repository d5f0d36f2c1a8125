"""Standing in line for a model: its breaker, its rate limits and its daily quota, shared through the ledger.

    enter ─► breaker open? ─► a place in the queue (one transaction) ─► wait for it ─► Turn: send ─► what was learned

A model without limits, of which nothing is known, costs one look into the ledger and no write.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection

from ...choose.quote import is_free
from ...clock import Clock
from ...config import BreakerPolicy
from ...deferred import replace
from ...errors import Billed, DeadlineError, QuotaExhaustedError
from ...ledger.breakers import Circuit, breakers_of, claim_probe
from ...ledger.budgets import any_budget
from ...ledger.limits import (
    SECOND,
    Cause,
    Full,
    Slot,
    Wanted,
    Window,
    learned_limits,
    look_again,
    lower,
    move_slot,
    take_slot,
)
from ...ledger.rows import from_micros, to_micros
from ...ledger.store import Ledger
from ...registry.model import ModelSpec, RateLimits
from ..events import Observer, Waiting
from .health import set_aside_error
from .permit import Books, Turn

_LOOK_EVERY_S = 1.0  # while waiting: whether the queue has moved
_PROBE_LEASE = 120 * SECOND  # a probe whose process died holds up the others for so long at most
_REASONS = {
    Cause.MINUTE: "its limit per minute",
    Cause.DAY: "its daily quota",
    Cause.PROVIDER: "a pause that the provider asked for",
}


class Line:
    """The lines in front of all models, for the calls of one ledger. `monotonic` is in seconds, and so are deadlines.

    `max_wait_s` is the longest wait for a place; what would take longer is refused, so that a chain goes on. If it is
    as long as a window, the window's margin is allowed for: else what follows a burst would be refused, not queued.
    `free_tier` names the providers whose free quota is not to be exceeded.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        simulated: bool,
        max_wait_s: float,
        breaker: BreakerPolicy,
        free_tier: Collection[str],
        clock: Clock,
        log_text: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        window: Window | None = None,
    ) -> None:
        self._books = Books(ledger, breaker, clock, log_text)
        self._ledger = ledger
        self._clock = clock
        self._window = window or Window()
        self._simulated = simulated
        # Whoever would wait for a minute waits for a whole window, and for the one before who was late.
        slack = 2 * self._window.margin if max_wait_s * SECOND >= self._window.length else 0
        self._max_wait_s = max_wait_s + slack / SECOND
        self._free_tier = frozenset(free_tier)
        self._monotonic = monotonic
        self._sleep = sleep

    async def enter(self, spec: ModelSpec, tokens: int, *, deadline: float, observe: Observer) -> Turn:
        """Wait for a turn at a model. `tokens` is the estimate for input and output together.

        Raises, with nothing sent and no place taken: SetAsideError while its breaker is open; QuotaExhaustedError if a
        daily quota is used up or the wait would be too long; DeadlineError if no time is left at all.
        """
        left_s = deadline - self._monotonic()
        if left_s <= 0:
            problem = f"{spec.name}: no time is left for a call"
            raise DeadlineError(problem, provider=spec.provider, model=spec.name, billed=Billed.NO)
        turn = Turn(self._books, spec, self._limits(spec), Circuit(self._simulated, spec.provider, spec.name))
        try:
            await self._admit(turn, tokens, left_s)
            if turn.slot is not None:
                await self._wait(turn, turn.slot, deadline, observe)
        except BaseException:
            await turn.abandon()
            raise
        return turn

    def _limits(self, spec: ModelSpec) -> RateLimits:
        quota, limits = spec.free_quota, spec.limits
        if quota is None or not is_free(spec, self._free_tier):
            return limits
        return replace(
            limits,
            rpd=lower(limits.rpd, quota.requests_per_day),
            tpd=lower(limits.tpd, quota.tokens_per_day),
        )

    async def _admit(self, turn: Turn, tokens: int, left_s: float) -> None:
        """Fills in the turn, so that what was taken is known even if the task is cancelled meanwhile."""
        unlimited = turn.limits == RateLimits()
        if unlimited and not await self._ledger.submit(lambda db: self._known(db, turn), reads=True):
            return
        await self._ledger.submit(lambda db: self._take(db, turn, tokens, left_s))

    def _known(self, connection: sqlite3.Connection, turn: Turn) -> bool:
        now = to_micros(self._clock())
        turn.breakers = breakers_of(connection, turn.circuit, now)
        turn.learned = learned_limits(connection, turn.key, now)
        turn.budgets = any_budget(connection)
        return bool(turn.breakers or turn.learned)

    def _take(self, connection: sqlite3.Connection, turn: Turn, tokens: int, left_s: float) -> None:
        """Within a transaction: everything that is taken is taken here, or an error is raised and nothing is."""
        self._known(connection, turn)
        now, turn.entered = to_micros(self._clock()), self._monotonic()
        spec = turn.spec
        for breaker in turn.breakers:
            if breaker.barred_until(now) is not None:
                raise set_aside_error(spec.provider, spec.name, breaker, now)
        if turn.limits != RateLimits() or turn.learned is not None:
            latest = now + round(min(left_s, self._max_wait_s) * SECOND)
            taken = take_slot(connection, Wanted(turn.key, turn.limits, tokens, now, latest), self._window)
            if isinstance(taken, Full):
                raise self._refusal(spec, taken, now)
            turn.slot = taken
        if turn.breakers:
            turn.probe = claim_probe(connection, turn.circuit, now, now + _PROBE_LEASE)

    def _refusal(self, spec: ModelSpec, full: Full, now: int) -> QuotaExhaustedError:
        """Another model may still answer in time, so a chain moves on."""
        wait_s = (full.until - now) / SECOND
        when = from_micros(full.until).astimezone()
        return QuotaExhaustedError(
            f"{spec.name}: {_REASONS[full.cause]} lets nothing through before {when:%Y-%m-%d %H:%M:%S}",
            provider=spec.provider,
            model=spec.name,
            retry_after_s=wait_s,
        )

    async def _wait(self, turn: Turn, slot: Slot, deadline: float, observe: Observer) -> None:
        """Until the turn's place. The wait is measured on the monotonic clock: what happens to the other one on the
        way makes no difference."""
        shown: int | None = None
        latest = min(deadline, turn.entered + self._max_wait_s)
        while True:
            ready = turn.entered + (slot.at - slot.taken_at) / SECOND
            left_s = ready - self._monotonic()
            if ready > latest:
                full = Full(slot.at, slot.cause)
                raise self._refusal(turn.spec, full, slot.taken_at)
            if left_s <= 0:
                break
            if shown != slot.ahead + 1:
                shown = slot.ahead + 1
                observe(Waiting(turn.spec.name, left_s, _REASONS[slot.cause], shown))
            await self._sleep(min(left_s, _LOOK_EVERY_S))
            slot = turn.slot = await self._look_again(turn, slot)
        late = round(-left_s * SECOND)
        if late > self._window.margin // 2:
            # Whoever comes a window later must know when this request really left.
            turn.slot = replace(slot, at=slot.at + late)
            await self._ledger.submit(lambda db: move_slot(db, turn.slot or slot))

    async def _look_again(self, turn: Turn, slot: Slot) -> Slot:
        waited = round((self._monotonic() - turn.entered) * SECOND)
        moved = await self._ledger.submit(lambda db: look_again(db, slot, waited, self._window), reads=True)
        if moved.at - moved.taken_at != slot.at - slot.taken_at:
            await self._ledger.submit(lambda db: move_slot(db, moved))
        return moved
