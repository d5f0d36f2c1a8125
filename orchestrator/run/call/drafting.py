"""A call as it would be made now: price, output limit that a cap can pay for, row, and the terms it is settled by."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ...choose.quote import REASONING, affordable_output, price_for, prices_for, worst_case
from ...clock import Clock
from ...deferred import replace
from ...ids import new_id
from ...ledger.entries import left_nanousd
from ...ledger.records import CallRecord, CallStatus
from ...ledger.store import Ledger
from ...money import Price
from ...registry.model import ModelSpec, Registry
from ...registry.providers import PROVIDERS
from ...types import Request
from ..events import Note
from .allowance import TokenBudget
from .order import Draft, Order
from .run_log import RunLog
from .settlement import Terms, price_json

_LONGEST_WAIT_S = 86_400.0  # before a call is sent: prices go by the time of the day, and seldom change otherwise


class Drafter:
    """Drafts the calls of one run. `clock` dates the rows; `monotonic` measures durations, in seconds."""

    def __init__(
        self, ledger: Ledger, log: RunLog, registry: Registry, clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self.log = log
        self._ledger = ledger
        self._registry = registry
        self._clock = clock
        self._monotonic = monotonic

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
        """Price a call as it would be made now, and make its row. With `sending`, the row is marked as sent when it
        is reserved. Without `budgets`, only the run's cap limits the reply."""
        now = self._clock()
        latest = now + timedelta(seconds=min(max(order.deadline - self._monotonic(), 0), _LONGEST_WAIT_S))
        prices = prices_for(spec, now, latest, order.free_tier)  # it is sent at some time until then
        if order.by_batch is not None:
            prices = tuple(None if price is None else price.for_batches() for price in prices)
        price = prices[0]
        row = partial(self.record, spec, order, now, step=step, role=role, attempt=number)
        hosted_by_user = PROVIDERS[spec.provider].self_hosted
        if order.token_budget is not None and order.options.max_tokens is None:
            request = self._within(order.token_budget, request, spec, order)
        worst, known = None, [price for price in prices if price is not None]
        if len(known) == len(prices):
            limited = budgets or order.shares or order.options.max_cost_nanousd is not None
            if limited and not hosted_by_user and order.options.max_tokens is None:
                request = await self._affordable(request, known, spec, order, row())
            limit, timeout_s = request.max_tokens, order.options.timeout_s
            worst = max([worst_case(each, order.load, limit, timeout_s) for each in known])
        terms = Terms(
            price,
            order.load,
            request.max_tokens,
            order.log_text,
            thinks=REASONING in spec.tags,
            window=spec.context_window,
            worst_nanousd=worst,
            other=partial(self._other, spec, order),
        )
        status, sent_at = (CallStatus.SENT, now) if sending else (CallStatus.RESERVED, None)
        priced = None if price is None else price_json(price)
        record = row(price=priced, reserved_nanousd=worst, status=status, sent_at=sent_at)
        exempt = hosted_by_user or (worst is None and order.options.allow_unpriced)
        return Draft(spec, request, record, terms, exempt, order.shares, order.token_budget)

    def record(self, spec: ModelSpec, order: Order, now: datetime, **columns: Any) -> CallRecord:
        """The row of a new call, with more of its columns."""
        return CallRecord(
            call_id=new_id(now),
            run_id=order.run_id,
            created_at=now,
            day=now.date().isoformat(),
            provider=spec.provider,
            model=spec.name,
            provider_model=spec.id,
            simulated=order.simulated,
            **columns,
        )

    def _other(self, asked: ModelSpec, order: Order, reported: str, when: datetime) -> tuple[str, Price | None] | None:
        """The name and the price of another model, if a reply names one that was not asked."""
        answering = self._registry.answering(asked, reported)
        return None if answering is None else (answering.name, price_for(answering, when, order.free_tier))

    def _within(self, budget: TokenBudget, request: Request, spec: ModelSpec, order: Order) -> Request:
        """Lower the output limit to what is left of the run's token budget."""
        left = budget.left(self.log.calls)
        if order.allowance_tokens is not None:
            left = min(left, order.allowance_tokens)
        return self._limited(request, left - order.load.input_tokens, spec, order, "that are left of the run's")

    async def _affordable(
        self, request: Request, prices: Sequence[Price], spec: ModelSpec, order: Order, record: CallRecord
    ) -> Request:
        """Lower the output limit to what the cap and the budgets can pay for."""
        self.log.start()  # the cap is in the run's row
        left = await self._ledger.submit(partial(left_nanousd, call=record), reads=True)
        if left is None:
            return request
        left = math.floor(order.portion * min([left, *(share.left(self.log.calls) for share in order.shares)]))
        most = min(affordable_output(price, order.load, left) for price in prices)
        return self._limited(request, most, spec, order, "that can be paid for")

    def _limited(self, request: Request, most: int, spec: ModelSpec, order: Order, which: str) -> Request:
        """Lower the output limit to `most`. A limit below the expected length would buy a truncated answer: then the
        request stays as it is, and the reservation refuses it."""
        if not order.load.output_tokens <= most < request.max_tokens:
            return request
        order.observe(Note(f"{spec.name}: the reply is limited to the {most} tokens {which}"))
        return replace(request, max_tokens=most)
