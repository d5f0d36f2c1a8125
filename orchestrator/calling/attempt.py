"""One attempt whose row is in the ledger: send and settle. Every way out of it settles the row.

    reserved ─► sent (committed) ─► provider ─► completed | failed | interrupted (committed)

If the ledger cannot take a settlement, the answer is not lost, and neither is its cost: the row waits in the spool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import field, replace
from typing import ParamSpec, TypeVar

from ..clock import Clock
from ..deferred import dataclass
from ..errors import BadReplyError, DeadlineError, IncompleteError, LedgerError, ProviderError
from ..events import BudgetAlerted, CallEnded, CallStarted, Note, Observer, TextArrived
from ..ledger.budgets import Alert
from ..ledger.records import CallRecord, CallStatus
from ..ledger.spool import spool
from ..ledger.store import Ledger
from ..providers.base import Provider
from ..types import Completion, Request, Usage
from .settlement import Ended, Terms, completed, failed, interrupted, partial_reply

P = ParamSpec("P")
E = TypeVar("E", bound=ProviderError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that was completed."""

    record: CallRecord
    completion: Completion


@dataclass(slots=True)
class Attempt:
    """An attempt that is about to be made. `deadline` is in seconds on the `monotonic` clock.

    `final` says that the reply is the run's answer.
    `keep` is given the row each time that it changes; `alerts` grows by what its cost brings about.
    """

    ledger: Ledger
    provider: Provider
    record: CallRecord
    terms: Terms
    stream: bool
    final: bool
    deadline: float
    observe: Observer
    keep: Callable[[CallRecord], None]
    alerts: list[Alert]
    clock: Clock
    monotonic: Callable[[], float]
    _started: float = 0.0
    _pieces: list[str] = field(default_factory=list)
    _usage: Usage | None = None

    async def make(self, request: Request) -> Answered:
        """Raises a ProviderError with its row settled; LedgerError if the row cannot say `sent`, and nothing was."""
        self._started = self.monotonic()
        try:
            sent_at = self.clock()
            await commit(self.ledger.mark_sent, self.record.call_id, sent_at)
            self.record = replace(self.record, status=CallStatus.SENT, sent_at=sent_at)
            self.observe(CallStarted(self.record.call_id, self.record.model, self.record.attempt, self.record.step))
            completion = await self._send(request)
        except (asyncio.CancelledError, OSError):
            # An OSError is the watcher's: nobody reads the answer any more. Adapters and ledger have their own errors.
            # Settled here and not in a thread: a second cancellation cannot come between.
            self._settle_now(interrupted(self.record, self._partial(), self.terms, self._ended()))
            raise
        except LedgerError:
            raise
        except ProviderError as error:
            await self._settle(failed(self.record, error, self.terms, self._ended()), error.code)
            raise
        except Exception as error:
            known = self._error(BadReplyError, f"unexpected {type(error).__name__}: {error}")
            await self._settle(failed(self.record, known, self.terms, self._ended()), "unexpected error")
            raise
        await self._settle(completed(self.record, completion, self.terms, self._ended()), "completed")
        return Answered(self.record, completion)

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
                    self.observe(TextArrived(self.record.call_id, event, self.final))
                else:
                    self._usage = event
        raise self._error(BadReplyError, "the stream ended without a reply")

    async def give_up(self, error: ProviderError) -> None:
        """Settle an attempt that is not going to be sent."""
        await self._settle(failed(self.record, error, self.terms, self._ended()), error.code)

    async def _settle(self, record: CallRecord, outcome: str) -> None:
        self._keep(record)
        try:
            fresh = await commit(self.ledger.settle, record)
        except LedgerError as error:
            self._spool(error)
        else:
            self.alerts += fresh
            for alert in fresh:
                self.observe(BudgetAlerted(alert))
        self.observe(CallEnded(record.call_id, record.model, outcome, record.latency_ms, record.cost_nanousd))

    def _settle_now(self, record: CallRecord) -> None:
        self._keep(record)
        try:
            self.ledger.settle(record)
        except LedgerError as error:
            self._spool(error)

    def _keep(self, record: CallRecord) -> None:
        self.record = record
        self.keep(record)

    def _spool(self, error: LedgerError) -> None:
        path = spool(self.ledger.path, self.record)
        where = (
            f"it is kept in {path} until the ledger can take it"
            if path
            else f"it cost {self.record.cost_nanousd} nano-dollars"
        )
        self.observe(Note(f"{error.message}; the call to {self.record.model} is not in it: {where}", loud=True))

    def _ended(self) -> Ended:
        return Ended(self.clock(), round(1000 * (self.monotonic() - self._started)))

    def _partial(self) -> Completion:
        text = "".join(self._pieces)
        return partial_reply(text, self.record.provider_model, self._ended().latency_ms, self._usage)

    def _error(self, kind: type[E], message: str) -> E:
        return kind(message, provider=self.record.provider, model=self.record.model)


async def commit(write: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """A write to the ledger, in a thread so that a busy database holds up nobody else. It is finished even if this
    task is cancelled meanwhile: what is on disk is then known."""
    writing = asyncio.ensure_future(asyncio.to_thread(write, *args, **kwargs))
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        raise
