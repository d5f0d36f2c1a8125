"""The permit of one call: what the call holds while it is in flight, and what its end tells of the model's health."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import field
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from ...clock import Clock
from ...config import BreakerPolicy
from ...deferred import dataclass, replace
from ...errors import Billed, ProviderError, RateLimitedError
from ...ledger.breakers import EVERY_MODEL, Breaker, Circuit, end_probe, note_answer, note_failure, set_aside
from ...ledger.limits import SECOND, Learned, Slot, is_news, note_limits, release_slot
from ...ledger.posting import spend
from ...ledger.rows import to_micros
from ...ledger.store import Ledger
from ...providers.base import RateLimitStatus
from ...registry.model import ModelSpec, RateLimits
from ...types import Usage
from .health import QUOTA_PAUSE, Health, finding

Change = Callable[[sqlite3.Connection], None]

_UNLIMITED = RateLimits()
_LONGEST_BLOCK = 3_600 * SECOND  # a pause that a provider asks for is kept for at most this long


class SaysLimits(Protocol):
    """The part of `Provider` that a permit needs."""

    def rate_limit_status(self) -> RateLimitStatus:
        """The limits that the latest reply stated."""


@dataclass(frozen=True, slots=True)
class AdmissionState:
    """What all permits of an `Admission` share. `log_text`: reasons may quote replies. `live`: those in flight, by the
    `id` of the provider and the model's name."""

    ledger: Ledger
    policy: BreakerPolicy
    clock: Clock
    log_text: bool
    live: dict[int, dict[str, set[Permit]]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Permit:
    """Allows one call to be sent now. As a context manager, it records on exit how the call ended.

    Call `begin` right before the request is sent: a permit that was not begun gives back its slot and its probe.
    `budgets`: whether the ledger had any budget when the permit was given.
    """

    state: AdmissionState
    spec: ModelSpec
    limits: RateLimits
    circuit: Circuit
    slot: Slot | None = None
    probe: bool = False
    entered: float = 0.0
    breakers: list[Breaker] = field(default_factory=list)
    learned: Learned | None = None
    budgets: bool = True
    _provider: SaysLimits | None = None
    _status_before: RateLimitStatus | None = None
    _mixed: bool = False
    _tokens: int | None = None

    @property
    def key(self) -> tuple[bool, str]:
        """The key of the model's rate limits in the ledger: simulated or real, and the model."""
        return self.circuit.simulated, self.circuit.model

    @property
    def is_limited(self) -> bool:
        """Whether the registry or the provider limits the model's rate."""
        return self.learned is not None or self.limits != _UNLIMITED

    def begin(self, provider: SaysLimits) -> None:
        """Mark the request as about to be sent through `provider`."""
        self._status_before = provider.rate_limit_status()
        self._provider = provider
        live = self.state.live.setdefault(id(provider), {})
        for model, permits in list(live.items()):
            if permits and model != self.spec.name:
                # A connection keeps the limits of its last reply only, so it is not certain which model they belong to.
                self._mixed = True
                for other in list(permits):
                    other._mixed = True
        live.setdefault(self.spec.name, set()).add(self)

    def used(self, usage: Usage | None) -> None:
        """Note the tokens that the provider reported for the call."""
        if usage is not None:
            self._tokens = usage.input_tokens + usage.output_tokens

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._provider is None:
            await self.abandon()
            return
        self.state.live[id(self._provider)][self.spec.name].remove(self)
        # Nobody waits for this: the ledger takes it before anything that comes later, such as the end of the run.
        self._submit(self._changes(self._provider, error))

    async def abandon(self) -> None:
        """Give back the slot and the probe."""
        slot, probe = self.slot, self.probe
        self.slot, self.probe = None, False
        changes: list[Change] = []
        if slot is not None:
            changes.append(lambda db: release_slot(db, slot))
        if probe:
            changes.append(lambda db: end_probe(db, self.circuit))
        written = self._submit(changes)
        if written is not None:
            await asyncio.wait([written])

    def _submit(self, changes: Sequence[Change]) -> asyncio.Future[None] | None:
        """Make the changes in one transaction, even if the task is cancelled meanwhile. None if there are none.

        An error is nobody's: an answer is worth more than the book-keeping of limits.
        """
        if not changes:
            return None

        def all_of_them(connection: sqlite3.Connection) -> None:
            for change in changes:
                change(connection)

        written = self.state.ledger.submit(changes[0] if len(changes) == 1 else all_of_them)
        written.add_done_callback(asyncio.Future.exception)  # else asyncio would log that nobody looked at it
        return written

    def _changes(self, provider: SaysLimits, error: BaseException | None) -> list[Change]:
        """The changes of the ledger that the call's end calls for."""
        changes: list[Change] = []
        slot, tokens, now = self.slot, self._tokens, self.state.clock()
        if isinstance(error, ProviderError) and error.partial is not None and error.billed is Billed.YES:
            self.used(error.partial.usage)
            tokens = self._tokens
        counts_tokens = self.limits.tpm or self.limits.tpd or (self.learned and self.learned.tpm)
        if slot is not None and counts_tokens and tokens is not None and tokens != slot.tokens:
            changes.append(spend(slot, tokens))
        status = provider.rate_limit_status()
        if status is self._status_before or self._mixed:
            status = RateLimitStatus()
        heard = _heard(status, error, now)
        if is_news(heard, self.learned):
            changes.append(lambda db: note_limits(db, self.key, heard))
        return changes + self._health_changes(error, to_micros(now))

    def _health_changes(self, error: BaseException | None, now: int) -> list[Change]:
        circuit, policy, health = self.circuit, self.state.policy, finding(error, log_text=self.state.log_text)
        changes: list[Change] = []
        match health.health:
            case Health.ANSWERS if self.breakers:
                return [lambda db: note_answer(db, circuit)]
            case Health.DOWN if policy.failures:
                changes.append(lambda db: note_failure(db, circuit, policy, health.reason, now, probe=self.probe))
            case Health.OUT_OF_QUOTA if policy.failures:
                whose = replace(circuit, model=EVERY_MODEL) if health.whole_provider else circuit
                changes.append(lambda db: set_aside(db, whose, now + QUOTA_PAUSE, health.reason, now))
        if self.probe:
            changes.append(lambda db: end_probe(db, circuit))
        return changes


def _heard(status: RateLimitStatus, error: BaseException | None, now: datetime) -> Learned:
    """The limits that a reply states, by its headers and its error.

    Its own word on when to come back counts before any reset, which is when a window is full again. One of tokens that
    is used up bars nobody: its limit is known, and kept to.
    """
    at, blocked = to_micros(now), 0
    if isinstance(error, RateLimitedError) and error.retry_after_s is not None:
        blocked = at + round(min(error.retry_after_s, _LONGEST_BLOCK / SECOND) * SECOND)
    elif status.requests_remaining == 0 and status.requests_reset is not None:
        blocked = min(to_micros(status.requests_reset), at + _LONGEST_BLOCK)
    return Learned(at, status.requests_limit or None, status.tokens_limit or None, blocked if blocked > at else 0)
