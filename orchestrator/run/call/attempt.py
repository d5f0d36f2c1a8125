"""One attempt whose row is in the ledger: send it and settle it. Every way out settles the row.

reserved ─► sent (committed) ─► provider ─► completed | failed | interrupted (committed)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import field
from datetime import datetime
from typing import TypeVar

from ...billing import Bill
from ...clock import Clock
from ...deferred import dataclass, replace
from ...errors import (
    BadReplyError,
    Billed,
    DeadlineError,
    IncompleteError,
    LedgerError,
    OutcomeUnknownError,
    ProviderError,
)
from ...ledger.records import CallRecord, CallStatus
from ...money import Price
from ...providers.base import AtWork, Provider
from ...providers.text import is_blank
from ...types import Completion, Request, Thought, Usage
from ..events import CallStarted, Note, Observer, TextArrived, Thoughts
from .patience import Limit, Patience
from .run_log import RunLog
from .settlement import Ended, Terms, bill_of, completed, failed, interrupted, partial_reply, price_json

E = TypeVar("E", bound=ProviderError)
_LEAST_S = 0.001  # a provider is given
_OFTEN_S = 1.0  # pieces of a reply come faster than a timer need be set


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that was completed."""

    record: CallRecord
    completion: Completion


@dataclass(slots=True)
class Attempt:
    """An attempt that is about to be made. `deadline` is in seconds on the `monotonic` clock.

    `shown`: the pieces of the reply are the run's answer as they come. `price_at` returns the price at a time.
    """

    log: RunLog
    provider: Provider
    record: CallRecord
    terms: Terms
    price_at: Callable[[datetime], Price | None]
    stream: bool
    shown: bool
    deadline: float
    patience: Patience
    observe: Observer
    clock: Clock
    monotonic: Callable[[], float]
    _started: float | None = None
    _limit: Limit | None = None
    _pieces: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)
    _usage: Usage | None = None

    async def make(self, request: Request) -> Answered:
        """Send the request and settle the row. Raises ProviderError with the row settled; LedgerError, with nothing
        sent, if the row cannot be marked as sent."""
        self._started = self.monotonic()
        try:
            if self.record.status is CallStatus.RESERVED:
                self.record = await self.log.mark_sent(self.record.call_id, self.clock())
            self._take_terms()
            self.observe(CallStarted(self.record.call_id, self.record.model, self.record.attempt, self.record.step))
            completion = self._believed(await self._send(request))
        except (asyncio.CancelledError, OSError):
            # An OSError is the watcher's: nobody reads the answer any more. Adapters and ledger have their own errors.
            await self._interrupt()
            raise
        except LedgerError:
            raise
        except ProviderError as error:
            error.shown = self.shown and not is_blank("".join(self._pieces))
            if error.shown and error.partial is None:
                error.partial = self._partial()
            if error.partial is not None:
                error.partial = self._believed(error.partial)
            ended, partial = self._ended(), error.partial
            billed = bill_of(partial, self.terms, ended) if partial and error.billed is Billed.YES else None
            await self._settle(failed(self.record, error, self.terms, ended, billed), error.code)
            self._tell_doubts(billed)
            raise
        except Exception as error:
            known = self._error(BadReplyError, f"unexpected {type(error).__name__}: {error}")
            await self._settle(failed(self.record, known, self.terms, self._ended()), "unexpected error")
            raise
        ended = self._ended()
        billed = bill_of(completion, self.terms, ended)
        await self._settle(completed(self.record, completion, self.terms, ended, billed), "completed")
        self._tell_doubts(billed)
        self._tell_thoughts(completion)
        return Answered(self.record, completion)

    def _take_terms(self) -> None:
        """Take the price at the moment of sending: the call may have waited since it was reserved."""
        at = self.clock()
        price = self.price_at(at)
        if price is not self.terms.price and price != self.terms.price:
            self.record = replace(self.record, sent_at=at, price=None if price is None else price_json(price))
        self.terms = replace(self.terms, price=price, sent_at=at)

    def _believed(self, completion: Completion) -> Completion:
        believed = self.terms.believed(completion)
        if (usage := believed.disbelieved) is not None:
            counted = f"{self.record.provider} counted {usage.input_tokens + usage.output_tokens:,} tokens"
            text = f"{self.record.model}: {counted}, far more than were sent and allowed: the worst case is recorded"
            self.observe(Note(text, loud=True))
        return believed

    async def _send(self, request: Request) -> Completion:
        now = self.monotonic()
        limit = self._limit = self._next_limit(now, begun=False)
        ends_at = min(self.deadline, self.patience.end_by) if self.stream else limit.at
        request = replace(request, timeout_s=max(ends_at - now, _LEAST_S))
        try:
            async with asyncio.timeout(limit.at - now) as timer:
                return await (self._stream(request, timer) if self.stream else self.provider.complete(request))
        except TimeoutError:
            raise self._out_of_time(self._limit) from None

    async def _stream(self, request: Request, timer: asyncio.Timeout) -> Completion:
        async with aclosing(self.provider.stream(request)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    return event
                if isinstance(event, str):
                    self._pieces.append(event)
                    self.observe(TextArrived(self.record.call_id, event, self.shown))
                if isinstance(event, Thought):
                    self._thoughts.append(event.text)
                if isinstance(event, Usage):
                    self._usage = event
                elif isinstance(event, AtWork | Thought) or event.strip():
                    self._wait_on(timer)
        raise self._error(BadReplyError, "the stream ended without a reply")

    def _next_limit(self, now: float, *, begun: bool) -> Limit:
        of_call = self.patience.limit(now, begun=begun) if self.patience.limits(now, self.deadline) else None
        if of_call is not None and of_call.at < self.deadline:
            return of_call
        return Limit(self.deadline, "did not finish before the run's time was up")

    def _wait_on(self, timer: asyncio.Timeout) -> None:
        """Restart the timer: something arrived."""
        now = self.monotonic()
        limit = self._next_limit(now, begun=True)
        if self._limit is None or limit.at >= self._limit.at + _OFTEN_S:
            self._limit = limit
            timer.reschedule(asyncio.get_running_loop().time() + limit.at - now)

    def _out_of_time(self, limit: Limit) -> ProviderError:
        """The error for a call that reached a limit. If none of its text was shown, the run can go on."""
        kind: type[ProviderError] = DeadlineError if limit.at == self.deadline else OutcomeUnknownError
        if self._pieces and (self.shown or kind is DeadlineError):
            kind = IncompleteError
        error = self._error(kind, f"{self.record.model} {limit.why}")
        error.telling = limit.telling
        if self._pieces:
            error.partial = self._partial()
        return error

    async def give_up(self, error: ProviderError) -> None:
        """Settle an attempt that will not be sent."""
        await self._settle(failed(self.record, error, self.terms, self._ended()), error.code)

    async def withdraw(self) -> None:
        """Settle an attempt that was interrupted before it was sent."""
        self.record = replace(self.record, sent_at=None)
        await self._interrupt()

    async def _interrupt(self) -> None:
        partial = self._partial()
        self.log.shown = partial.text if self.shown else ""
        await self._settle(interrupted(self.record, partial, self.terms, self._ended()), "interrupted")

    async def _settle(self, record: CallRecord, outcome: str) -> None:
        self.record = record
        await self.log.settle(record, outcome)

    def _tell_doubts(self, billed: Bill | None) -> None:
        """Warn of parts of a reply without an exact price, and of another model that answered."""
        for doubt in () if billed is None else billed.doubts:
            self.observe(Note(f"{self.record.model}: {doubt}", loud=True))

    def _tell_thoughts(self, completion: Completion) -> None:
        if not completion.thoughts.strip():
            return
        self.observe(Thoughts(self.record.call_id, self.record.model, completion.thoughts.strip()))
        if self.shown and self._pieces and "".join(self._pieces) != completion.text:
            text = f"{self.record.model}: what was shown has thoughts in it: only their end was marked"
            self.observe(Note(text, loud=True))

    def _ended(self) -> Ended:
        """The end, now. A call that was never sent has a latency of 0."""
        now = self.monotonic()
        return Ended(self.clock(), 0 if self._started is None else round(1000 * (now - self._started)))

    def _partial(self) -> Completion:
        text = "".join(self._pieces)
        partial = partial_reply(
            text, self.record.provider_model, self._ended().latency_ms, self._usage, "".join(self._thoughts)
        )
        return self.terms.believed(partial)

    def _error(self, kind: type[E], message: str) -> E:
        return kind(message, provider=self.record.provider, model=self.record.model)
