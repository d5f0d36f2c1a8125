"""Admission to a model: its circuit breaker, rate limits and daily quota, shared between processes in the ledger.

    enter ─► breaker open? ─► a slot in the queue (one transaction) ─► wait ─► Permit: send, record the outcome

A call that nothing holds up does not wait: `at_once` gives it a permit, and `confirmation` takes its slot in the
transaction that reserves the call.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection

from ...choose.quote import limits_for
from ...clock import Clock
from ...config import BreakerPolicy
from ...deferred import replace
from ...errors import Billed, DeadlineError, QuotaExhaustedError
from ...ledger.breakers import Circuit, breakers_of, claim_probe
from ...ledger.budgets import any_budget
from ...ledger.inbox_rows import Taken
from ...ledger.limits import (
    SECOND,
    Cause,
    Full,
    Slot,
    Wanted,
    Window,
    learned_limits,
    look_again,
    move_slot,
    take_slot,
)
from ...ledger.posting import AtOnce
from ...ledger.rows import from_micros, to_micros
from ...ledger.store import Ledger
from ...registry.model import ModelSpec
from ..events import Observer, Waiting
from .health import set_aside_error
from .permit import AdmissionState, Permit

_AFTER_REFUSAL = 32  # calls
_LOOK_EVERY_S = 1.0  # while waiting: whether the queue has moved
_PROBE_LEASE = 120 * SECOND  # a probe whose process died holds up the others for so long at most
_REASONS = {
    Cause.MINUTE: "its limit per minute",
    Cause.DAY: "its daily quota",
    Cause.PROVIDER: "a pause that the provider asked for",
}


class HeldUpError(Exception):
    """A permit given `at_once` is not confirmed: the call has to `enter`."""


class Admission:
    """Admits the calls of one ledger to models. `monotonic` and deadlines are in seconds.

    `max_wait_s` is the longest wait for a slot: a call that would wait longer is refused, so that a chain goes on to
    its next model. A `max_wait_s` of at least one window is extended by the window's margin: otherwise the calls after
    a burst would be refused instead of queued. `free_tier` names the providers whose free quota must not be exceeded.
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
        self._state = AdmissionState(ledger, breaker, clock, log_text)
        self._ledger = ledger
        self._clock = clock
        self._window = window or Window()
        self._simulated = simulated
        # A call that may wait a minute may wait for a whole window, and for a late call before it.
        slack = 2 * self._window.margin if max_wait_s * SECOND >= self._window.length else 0
        self._max_wait_s = max_wait_s + slack / SECOND
        self._free_tier = frozenset(free_tier)
        self._monotonic = monotonic
        self._sleep = sleep
        self._held_up: set[str] = set()  # models whose last call could not be sent at once
        self._refused: dict[str, int] = {}  # models of calls that a budget refused: so many more are not sent at once

    def at_once(self, spec: ModelSpec, *, deadline: float) -> Permit | None:
        """A permit for a call that probably nothing holds up; None if it has to `enter`.

        Its `confirmation` is made in the transaction that reserves the call, before anything is sent.
        """
        if spec.name in self._held_up or spec.name in self._refused or deadline <= self._monotonic():
            return None
        permit = self._permit(spec)
        permit.budgets = False
        return permit

    def confirmation(self, permit: Permit, tokens: int, *, under_budgets: bool) -> AtOnce:
        """Takes the slot of a permit that was given `at_once`, if the transaction is committed.

        It raises HeldUpError if the model's breaker or its limits hold the call up, or a budget that its worst case
        does not fit into: its reply may have to be limited. Not `under_budgets`, any budget holds it up.
        """

        def wanted() -> Wanted | None:
            if permit.limits.rpd is not None or permit.limits.tpd is not None:
                return None
            now, permit.entered = to_micros(self._clock()), self._monotonic()
            return Wanted(permit.key, permit.limits, tokens, now, now)

        def took(taken: Taken) -> None:
            at = taken.at
            permit.learned = taken.learned
            permit.slot = Slot(taken.slot_id, permit.key, permit.limits, at, at, tokens, None, Cause.MINUTE)

        def look(connection: sqlite3.Connection) -> None:
            if not under_budgets and any_budget(connection):
                raise HeldUpError
            self._look(connection, permit)
            if permit.breakers or self._take_slot(connection, permit, tokens, 0.0):
                self._held_up.add(permit.spec.name)
                raise HeldUpError

        def refused(connection: sqlite3.Connection) -> None:
            if any_budget(connection):
                self._refused[permit.spec.name] = _AFTER_REFUSAL
                raise HeldUpError

        return AtOnce(look, wanted, self._window.span, took, under_budgets, refused)

    async def note_late(self, permit: Permit) -> None:
        """A call that comes one window later must know when this request really left."""
        slot = permit.slot
        if slot is None:
            return
        late = round((self._monotonic() - permit.entered) * SECOND) - (slot.at - slot.taken_at)
        if late > self._window.margin // 2:
            moved = permit.slot = replace(slot, at=slot.at + late)
            await self._ledger.submit(lambda db: move_slot(db, moved))

    async def enter(self, spec: ModelSpec, tokens: int, *, deadline: float, observe: Observer) -> Permit:
        """Wait until a call may be sent to a model. `tokens` is the estimate for input and output together.

        Raises, with nothing sent and no slot taken: SetAsideError while its breaker is open; QuotaExhaustedError if a
        daily quota is used up or the wait would be too long; DeadlineError if no time is left at all.
        """
        left_s = deadline - self._monotonic()
        if left_s <= 0:
            problem = f"{spec.name}: no time is left for a call"
            raise DeadlineError(problem, provider=spec.provider, model=spec.name, billed=Billed.NO)
        permit = self._permit(spec)
        try:
            await self._admit(permit, tokens, left_s)
            if permit.slot is not None:
                await self._wait(permit, permit.slot, deadline, observe)
        except BaseException:
            await permit.abandon()
            raise
        return permit

    def _permit(self, spec: ModelSpec) -> Permit:
        limits = limits_for(spec, self._free_tier)
        return Permit(self._state, spec, limits, Circuit(self._simulated, spec.provider, spec.name))

    async def _admit(self, permit: Permit, tokens: int, left_s: float) -> None:
        """Fills in the permit, so that what was taken is known even if the task is cancelled meanwhile."""
        if not permit.is_limited:
            await self._ledger.submit(lambda db: self._look_in_line(db, permit), reads=True)
        if permit.breakers or permit.is_limited:
            await self._ledger.submit(lambda db: self._take(db, permit, tokens, left_s))
        slot = permit.slot
        name, held_up = permit.spec.name, permit.breakers or (slot is not None and slot.at > slot.taken_at)
        note = self._held_up.add if held_up else self._held_up.discard
        note(name)
        left = self._refused.pop(name, 0) - 1
        if left > 0:
            self._refused[name] = left

    def _look(self, connection: sqlite3.Connection, permit: Permit) -> None:
        now = to_micros(self._clock())
        permit.breakers = breakers_of(connection, permit.circuit, now)
        permit.learned = learned_limits(connection, permit.key, now)

    def _look_in_line(self, connection: sqlite3.Connection, permit: Permit) -> None:
        self._look(connection, permit)
        permit.budgets = any_budget(connection)

    def _take(self, connection: sqlite3.Connection, permit: Permit, tokens: int, left_s: float) -> None:
        """Within a transaction: take the slot and the probe together, or raise an error and take neither."""
        self._look_in_line(connection, permit)
        spec, now = permit.spec, to_micros(self._clock())
        for breaker in permit.breakers:
            if breaker.barred_until(now) is not None:
                raise set_aside_error(spec.provider, spec.name, breaker, now)
        full = self._take_slot(connection, permit, tokens, left_s)
        if full is not None:
            raise self._refusal(spec, full, now)
        if permit.breakers:
            permit.probe = claim_probe(connection, permit.circuit, now, now + _PROBE_LEASE)

    def _take_slot(self, connection: sqlite3.Connection, permit: Permit, tokens: int, left_s: float) -> Full | None:
        """Within a transaction: take a slot if the model is limited. Full if there is none within `left_s`."""
        now, permit.entered = to_micros(self._clock()), self._monotonic()
        if not permit.is_limited:
            return None
        latest = now + round(min(left_s, self._max_wait_s) * SECOND)
        taken = take_slot(connection, Wanted(permit.key, permit.limits, tokens, now, latest), self._window)
        if isinstance(taken, Full):
            return taken
        permit.slot = taken
        return None

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

    async def _wait(self, permit: Permit, slot: Slot, deadline: float, observe: Observer) -> None:
        """Wait for the permit's slot, by the monotonic clock: a change of the wall clock does not matter."""
        shown: int | None = None
        latest = min(deadline, permit.entered + self._max_wait_s)
        while True:
            ready = permit.entered + (slot.at - slot.taken_at) / SECOND
            left_s = ready - self._monotonic()
            if ready > latest:
                full = Full(slot.at, slot.cause)
                raise self._refusal(permit.spec, full, slot.taken_at)
            if left_s <= 0:
                break
            if shown != slot.ahead + 1:
                shown = slot.ahead + 1
                observe(Waiting(permit.spec.name, left_s, _REASONS[slot.cause], shown))
            await self._sleep(min(left_s, _LOOK_EVERY_S))
            slot = permit.slot = await self._look_again(permit, slot)
        await self.note_late(permit)

    async def _look_again(self, permit: Permit, slot: Slot) -> Slot:
        waited = round((self._monotonic() - permit.entered) * SECOND)
        moved = await self._ledger.submit(lambda db: look_again(db, slot, waited, self._window), reads=True)
        if moved.at - moved.taken_at != slot.at - slot.taken_at:
            await self._ledger.submit(lambda db: move_slot(db, moved))
        return moved
