"""One call, attempt after attempt: rate limit, what a cost cap can pay for, reservation, and the retries.

    for each attempt:  wait in line ─► draft ─► reserve (a row, committed) ─► Attempt: send, settle

Calls that are made at the same time can be reserved together first, and then sent.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial

import stamina
from ulid import ULID

from ...choose.quote import REASONING, affordable_output, price_for, prices_for, worst_case
from ...clock import Clock
from ...config import RetryPolicy, RunOptions
from ...deferred import dataclass
from ...errors import BudgetError, ProviderError
from ...ledger.entries import left_nanousd
from ...ledger.records import CallRecord, CallStatus
from ...ledger.store import Ledger
from ...money import Price
from ...plan.load import Load
from ...providers.base import Provider
from ...registry.model import ModelSpec, Registry
from ...registry.providers import PROVIDERS
from ...types import Request
from ..events import Event, Note, Observer, Waiting
from .admission import Line
from .allowance import Allowance, CostShare, TokenBudget
from .attempt import Answered, Attempt
from .connections import Connections
from .permit import Turn
from .retry import Backoff
from .run_log import RunLog
from .settlement import Terms, price_json

_LONGEST_WAIT_S = 86_400.0  # before a call is sent: prices go by the time of the day, and seldom change otherwise


@dataclass(frozen=True, slots=True)
class Order:
    """What a run asks of a call.

    `load` is that of what is sent. `deadline` is in seconds on the monotonic clock. `free_tier` names the providers
    that cost the user nothing. `portion` is what one of several calls at the same time may set aside of what the cap
    and the budgets leave, which are the ledger's to enforce. `shares` are those of the nodes that the call is part of.
    `token_budget` is the run's, and `allowance_tokens` what one of several calls at the same time may take of it.
    `final` says that its reply, if one comes, is the run's answer, and `answers` that it may be; `logprobs` that the
    provider is asked how sure the model was of each token. `environ` is what the user's own commands see of the
    environment.
    """

    run_id: str
    options: RunOptions
    load: Load
    deadline: float
    simulated: bool
    log_text: bool
    observe: Observer
    environ: Mapping[str, str] = field(default_factory=dict)
    free_tier: Collection[str] = ()
    portion: Fraction = Fraction(1)
    shares: tuple[CostShare, ...] = ()
    token_budget: TokenBudget | None = None
    allowance_tokens: int | None = None
    final: bool = False
    answers: bool = False
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A call that is ready to be reserved and sent. An `exempt` one is not held against budgets."""

    spec: ModelSpec
    request: Request
    record: CallRecord
    terms: Terms
    exempt: bool
    shares: tuple[CostShare, ...] = ()
    token_budget: TokenBudget | None = None

    @property
    def tokens(self) -> int:
        """What it may take: its input as estimated, and the longest reply."""
        return self.terms.load.input_tokens + self.request.max_tokens


class Caller:
    """Makes the calls of one run. `clock` dates the rows; `monotonic`, in seconds, measures."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        log: RunLog,
        connections: Connections,
        line: Line,
        retry: RetryPolicy,
        registry: Registry,
        clock: Clock,
        rng: random.Random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.log = log
        self._ledger = ledger
        self._connections = connections
        self._line = line
        self._retry = retry
        self._registry = registry
        self._clock = clock
        self._rng = rng
        self._monotonic = monotonic

    async def call(
        self,
        spec: ModelSpec,
        request: Request,
        order: Order,
        *,
        step: str | None = None,
        role: str | None = None,
        reserved: Draft | None = None,
    ) -> Answered:
        """A completion, after as many attempts as the policy allows. Raises the last attempt's error.

        `request.max_tokens` is lowered to what the run's cap and the budgets can pay for, unless the user set it. With
        `reserved`, the first attempt is one that has been reserved already.
        """

        try:
            if reserved is not None:
                return await self._send_reserved(reserved, order)
            return await self._send(spec, request, order, 1, step, role)
        except ProviderError as error:
            failure = error

        def on_wait(seconds: float, error: ProviderError) -> None:
            order.observe(Waiting(spec.name, seconds, error.message))

        backoff = Backoff(self._retry, lambda: order.deadline - self._monotonic(), self._rng, on_wait)
        async for attempt in stamina.retry_context(on=backoff, attempts=None, timeout=None):
            with attempt:
                if attempt.num == 1:
                    raise failure
                return await self._send(spec, request, order, attempt.num, step, role)
        raise AssertionError("unreachable: retry_context raises the last error")

    async def draft(
        self,
        spec: ModelSpec,
        request: Request,
        order: Order,
        *,
        step: str | None = None,
        role: str | None = None,
        number: int = 1,
        budgets: bool = True,
        sending: bool = False,
    ) -> Draft:
        """A call as it would be made now: its price, its worst case and its row, which is marked as sent where it is
        sent as soon as it is reserved. Without `budgets` only the run's cap limits the reply."""
        now = self._clock()
        latest = now + timedelta(seconds=min(max(order.deadline - self._monotonic(), 0), _LONGEST_WAIT_S))
        prices = prices_for(spec, now, latest, order.free_tier)  # it is sent at some time until then
        price = prices[0]
        record = CallRecord(
            call_id=str(ULID.from_datetime(now)),
            run_id=order.run_id,
            created_at=now,
            day=now.date().isoformat(),
            provider=spec.provider,
            model=spec.name,
            provider_model=spec.id,
            attempt=number,
            simulated=order.simulated,
            step=step,
            role=role,
            price=None if price is None else price_json(price),
        )
        hosted_by_user = PROVIDERS[spec.provider].self_hosted
        if order.token_budget is not None and order.options.max_tokens is None:
            request = self._within(order.token_budget, request, record, order)
        worst, known = None, [price for price in prices if price is not None]
        if len(known) == len(prices):
            limited = budgets or order.shares or order.options.max_cost_nanousd is not None
            if limited and not hosted_by_user and order.options.max_tokens is None:
                request = await self._affordable(request, known, record, order)
            limit, timeout_s = request.max_tokens, order.options.timeout_s
            worst = max(worst_case(each, order.load, limit, timeout_s) for each in known)
        status, sent_at = (CallStatus.SENT, self._clock()) if sending else (CallStatus.RESERVED, None)
        record = replace(record, reserved_nanousd=worst, status=status, sent_at=sent_at)
        exempt = hosted_by_user or (worst is None and order.options.allow_unpriced)

        def other(reported: str, when: datetime) -> tuple[str, Price | None] | None:
            found = self._registry.answering(spec, reported)
            return None if found is None else (found.name, price_for(found, when, order.free_tier))

        terms = Terms(
            price,
            order.load,
            request.max_tokens,
            order.log_text,
            thinks=REASONING in spec.tags,
            window=spec.context_window,
            worst_nanousd=worst,
            other=other,
        )
        return Draft(spec, request, record, terms, exempt, order.shares, order.token_budget)

    async def reserve(self, drafts: Sequence[Draft]) -> None:
        """Set aside what the calls could cost together: all of them, or none. Raises BudgetError."""
        exempt = [draft.record.call_id for draft in drafts if draft.exempt]
        held: dict[Allowance, dict[str, int]] = {}
        for draft in drafts:
            if draft.token_budget is not None:
                held.setdefault(draft.token_budget, {})[draft.record.call_id] = draft.tokens
            for share in draft.shares:
                if not draft.exempt and draft.record.reserved_nanousd:
                    held.setdefault(share, {})[draft.record.call_id] = draft.record.reserved_nanousd
        try:
            for holder, calls in held.items():
                holder.hold(calls, self.log.calls)
            await self.log.reserve([draft.record for draft in drafts], exempt)
        except BudgetError:
            for holder, calls in held.items():
                holder.release(calls)
            raise

    async def _send(
        self, spec: ModelSpec, request: Request, order: Order, number: int, step: str | None, role: str | None
    ) -> Answered:
        provider = self._connections.get(spec.provider)
        async with await self._wait_in_line(spec, order) as turn:
            # Nothing lies between: it is reserved and marked as sent in one transaction.
            draft = await self.draft(
                spec, request, order, step=step, role=role, number=number, budgets=turn.budgets, sending=True
            )
            attempt = self._attempt(draft, order, provider)
            try:
                await self.reserve([draft])
            except asyncio.CancelledError:
                await attempt.withdraw()
                raise
            return await self._make(draft, attempt, turn)

    async def _send_reserved(self, draft: Draft, order: Order) -> Answered:
        attempt = self._attempt(draft, order, self._connections.get(draft.spec.provider))
        try:
            turn = await self._wait_in_line(draft.spec, order)
        except ProviderError as error:
            await attempt.give_up(error)
            raise
        async with turn:
            return await self._make(draft, attempt, turn)

    async def _make(self, draft: Draft, attempt: Attempt, turn: Turn) -> Answered:
        turn.begin(attempt.provider)
        answered = await attempt.make(draft.request)
        turn.used(answered.completion.usage)
        return answered

    def _attempt(self, draft: Draft, order: Order, provider: Provider) -> Attempt:
        return Attempt(
            log=self.log,
            provider=provider,
            record=draft.record,
            terms=draft.terms,
            price_at=partial(price_for, draft.spec, free_tier=order.free_tier),
            stream=order.options.stream,
            final=order.final,
            deadline=order.deadline,
            observe=order.observe,
            clock=self._clock,
            monotonic=self._monotonic,
        )

    async def _wait_in_line(self, spec: ModelSpec, order: Order) -> Turn:
        expected = order.load.input_tokens + order.load.output_tokens

        def waiting(event: Event) -> None:
            self.log.start()  # so that a run that waits can be seen in the ledger
            order.observe(event)

        return await self._line.enter(spec, expected, deadline=order.deadline, observe=waiting)

    def _within(self, budget: TokenBudget, request: Request, record: CallRecord, order: Order) -> Request:
        """The request with a limit on the reply that the run's tokens suffice for."""
        left = budget.left(self.log.calls)
        if order.allowance_tokens is not None:
            left = min(left, order.allowance_tokens)
        return self._limited(request, left - order.load.input_tokens, record, order, "that are left of the run's")

    async def _affordable(self, request: Request, prices: Sequence[Price], record: CallRecord, order: Order) -> Request:
        """The request with a limit on the reply that the cap and the budgets can pay for."""
        self.log.start()  # the cap is in the run's row
        left = await self._ledger.submit(partial(left_nanousd, call=record), reads=True)
        if left is None:
            return request
        left = math.floor(order.portion * min([left, *(share.left(self.log.calls) for share in order.shares)]))
        most = min(affordable_output(price, order.load, left) for price in prices)
        return self._limited(request, most, record, order, "that can be paid for")

    def _limited(self, request: Request, most: int, record: CallRecord, order: Order, which: str) -> Request:
        """The request with at most so many tokens of reply. A limit below the expected length would buy a truncated
        answer: then the request is left as it is, to be refused."""
        if not order.load.output_tokens <= most < request.max_tokens:
            return request
        order.observe(Note(f"{record.model}: the reply is limited to the {most} tokens {which}"))
        return replace(request, max_tokens=most)
