"""One attempt whose row is in the ledger: send it and settle it. Every way out settles the row.

reserved ─► sent (committed) ─► provider ─► completed | failed | interrupted (committed)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import field, replace
from datetime import datetime
from typing import TypeVar

from ...clock import Clock
from ...deferred import dataclass
from ...errors import (
    BadReplyError,
    Billed,
    DeadlineError,
    EmptyReplyError,
    IncompleteError,
    LedgerError,
    ProviderError,
)
from ...ledger.records import CallRecord, CallStatus
from ...money import Price
from ...providers.base import Provider
from ...providers.text import is_blank
from ...types import Completion, FinishReason, Request, Usage
from ..events import CallStarted, Note, Observer, TextArrived
from .run_log import RunLog
from .settlement import Ended, Terms, bill_of, completed, failed, interrupted, partial_reply, price_json

E = TypeVar("E", bound=ProviderError)


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
    observe: Observer
    clock: Clock
    monotonic: Callable[[], float]
    _started: float = 0.0
    _pieces: list[str] = field(default_factory=list)
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
            completion = self._read(self._believed(await self._send(request)))
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
            await self._settle(failed(self.record, error, self.terms, self._ended()), error.code)
            if error.partial is not None and error.billed is Billed.YES:
                self._tell_doubts(error.partial)
            raise
        except Exception as error:
            known = self._error(BadReplyError, f"unexpected {type(error).__name__}: {error}")
            await self._settle(failed(self.record, known, self.terms, self._ended()), "unexpected error")
            raise
        await self._settle(completed(self.record, completion, self.terms, self._ended()), "completed")
        self._tell_doubts(completion)
        return Answered(self.record, completion)

    def _take_terms(self) -> None:
        """Take the price at the moment of sending: the call may have waited since it was reserved."""
        at = self.clock()
        price = self.price_at(at)
        if price != self.terms.price:
            self.record = replace(self.record, sent_at=at, price=None if price is None else price_json(price))
        self.terms = replace(self.terms, price=price, sent_at=at)

    def _believed(self, completion: Completion) -> Completion:
        believed = self.terms.believed(completion)
        if (usage := believed.disbelieved) is not None:
            counted = f"{self.record.provider} counted {usage.input_tokens + usage.output_tokens:,} tokens"
            text = f"{self.record.model}: {counted}, far more than were sent and allowed: the worst case is recorded"
            self.observe(Note(text, loud=True))
        return believed

    def _read(self, completion: Completion) -> Completion:
        """A reply in which there is something, or whose limit says why there is not. Raises EmptyReplyError."""
        cut = completion.finish_reason is FinishReason.LENGTH
        if completion.tool_calls or cut or not is_blank(completion.text):
            return completion
        error = self._error(EmptyReplyError, f"{self.record.model}: an empty reply")
        error.partial = completion
        raise error

    async def _send(self, request: Request) -> Completion:
        left_s = self.deadline - self.monotonic()
        try:
            async with asyncio.timeout(left_s):
                if self.stream:
                    return await self._stream(replace(request, timeout_s=max(left_s, 0.001)))
                return await self.provider.complete(replace(request, timeout_s=max(left_s, 0.001)))
        except TimeoutError:
            problem = f"{self.record.model} did not finish before the run's time was up"
            if not self._pieces:
                raise self._error(DeadlineError, problem) from None
            cut_off = self._error(IncompleteError, problem)
            cut_off.partial = self._partial()
            raise cut_off from None

    async def _stream(self, request: Request) -> Completion:
        async with aclosing(self.provider.stream(request)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    return event
                if isinstance(event, str):
                    self._pieces.append(event)
                    self.observe(TextArrived(self.record.call_id, event, self.shown))
                else:
                    self._usage = event
        raise self._error(BadReplyError, "the stream ended without a reply")

    async def give_up(self, error: ProviderError) -> None:
        """Settle an attempt that will not be sent."""
        await self._settle(failed(self.record, error, self.terms, self._ended()), error.code)

    async def withdraw(self) -> None:
        """Settle an attempt that was interrupted before it was sent."""
        self.record = replace(self.record, sent_at=None)
        await self._interrupt()

    async def _interrupt(self) -> None:
        await self._settle(interrupted(self.record, self._partial(), self.terms, self._ended()), "interrupted")

    async def _settle(self, record: CallRecord, outcome: str) -> None:
        self.record = record
        await self.log.settle(record, outcome)

    def _tell_doubts(self, completion: Completion) -> None:
        """Warn of parts of a reply without an exact price, and of another model that answered."""
        if completion.usage is not None:
            for doubt in bill_of(completion, completion.usage, self.terms).doubts:
                self.observe(Note(f"{self.record.model}: {doubt}", loud=True))

    def _ended(self) -> Ended:
        return Ended(self.clock(), round(1000 * (self.monotonic() - self._started)))

    def _partial(self) -> Completion:
        text = "".join(self._pieces)
        partial = partial_reply(text, self.record.provider_model, self._ended().latency_ms, self._usage)
        return self.terms.believed(partial)

    def _error(self, kind: type[E], message: str) -> E:
        return kind(message, provider=self.record.provider, model=self.record.model)
