"""One call with its retries: rate limits, the output limit that a cost cap can pay for, reservation, sending.

    for each attempt:  admission ─► draft ─► reserve (a row, committed) ─► Attempt: send, settle

Calls that run at the same time can be reserved together first and sent afterwards.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ...choose.quote import price_for
from ...clock import Clock
from ...config import RetryPolicy
from ...deferred import replace
from ...errors import Billed, BudgetError, LedgerError, ProviderError
from ...ledger.posting import AtOnce
from ...ledger.records import CallRecord
from ...ledger.store import Ledger
from ...plan.load import MESSAGE_OVERHEAD
from ...providers.base import Provider
from ...providers.reply_room import reply_room
from ...registry.model import ModelSpec, Registry
from ...types import CountBy, Request
from ..events import CallEnded, CallStarted, Event, Note, TextArrived, Thoughts, Waiting
from .admission import Admission, HeldUpError
from .allowance import Allowance
from .attempt import Answered, Attempt
from .connections import Connections
from .drafting import Drafter
from .order import Draft, Order
from .permit import Permit
from .retry import Backoff
from .run_log import Beside, RunLog
from .settlement import from_cache

if TYPE_CHECKING:
    from ...providers.batches import BatchClient
    from .cache import Send
    from .cache_key import Hit

_WORTH_COUNTING = 1_000  # tokens: what is shorter is bounded closely enough for any cap
_COUNTED_WITHIN = 100  # a hundredth on top: Anthropic calls its count an estimate that may be off by a small amount


class Caller(Drafter):
    """Makes the calls of one run. `clock` dates the rows; `monotonic` measures durations, in seconds."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        log: RunLog,
        connections: Connections,
        admission: Admission,
        retry: RetryPolicy,
        registry: Registry,
        clock: Clock,
        rng: random.Random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(ledger, log, registry, clock, monotonic)
        self._connections = connections
        self._admission = admission
        self.retry = retry
        self._rng = rng

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
        """Make a call, with as many attempts as the retry policy allows. Raises the error of the last attempt.

        `request.max_tokens` is lowered to what the run's cap and the budgets can pay for, unless the user set it.
        `reserved` is a draft that was reserved before: the first attempt sends it.
        """
        if order.by_batch is None or request.embeds:  # an embedding is looked up at once, or does not help
            live = order if order.by_batch is None else replace(order, by_batch=None)
            return await self._call_live(spec, request, live, step, role, reserved)
        answered = await order.by_batch.answer(self, spec, request, order, step, role)
        if answered is None:
            answered = await self._call_live(spec, request, replace(order, by_batch=None), step, role, None)
            await order.by_batch.keep_live(self, spec, request, order, answered)
        return answered

    def batches(self, provider: str) -> BatchClient | None:
        """The batch API of a provider; None if it has none that orch speaks. Raises AuthenticationError without a
        key."""
        from ...providers.batches import batches_of  # few

        return batches_of(self._connections.get(provider))

    async def keep(self, change: Beside) -> None:
        """Write something else of the run, and wait until it is durable."""
        await self._ledger.submit(change)

    async def _call_live(
        self,
        spec: ModelSpec,
        request: Request,
        order: Order,
        step: str | None,
        role: str | None,
        reserved: Draft | None,
    ) -> Answered:
        try:
            self._connections.get(spec.provider)  # a connection made for the first time takes none of the call's time
            if (patience := order.patience.started(self._monotonic())) is not order.patience:
                order = replace(order, patience=patience)
            if reserved is not None:
                return await self._send_reserved(reserved, order)
            return await self._send(spec, request, order, 1, step, role)
        except ProviderError as error:
            failure, again = error, 0
        room = reply_room(failure.reason, request.max_tokens) if failure.billed is Billed.NO else None
        if room is not None and (room >= order.load.output_tokens or not order.spare):
            order.observe(Note(f"{spec.name}: there is room for {room:,} tokens of reply: asked once more for those"))
            request, again = replace(request, max_tokens=room), 1
            try:
                return await self._send(spec, request, order, 2, step, role)
            except ProviderError as error:
                failure = error

        def on_wait(seconds: float, error: ProviderError) -> None:
            order.observe(Waiting(spec.name, seconds, error.message))

        import stamina  # heavy

        backoff = Backoff(self.retry, lambda: order.waits_until - self._monotonic(), self._rng, on_wait)
        async for attempt in stamina.retry_context(on=backoff, attempts=None, timeout=None):
            with attempt:
                if attempt.num == 1:
                    raise failure
                return await self._send(spec, request, order, attempt.num + again, step, role)
        raise AssertionError("unreachable: retry_context raises the last error")

    async def answered(
        self,
        key: str | None,
        spec: ModelSpec,
        order: Order,
        send: Send,
        *,
        step: str | None = None,
        role: str | None = None,
        reserved: Draft | None = None,
    ) -> Answered:
        """What `send` gives, or the answer that the response cache has under this key. Without a key it is asked for.

        `reserved` as for `call`. Raises what `send` raises.
        """
        if order.cache is None or key is None:
            return await send()
        until = min(order.deadline, order.patience.started(self._monotonic()).until)
        from .embedding import embedded  # few runs use a cache

        embed = partial(embedded, self, order)
        found = await order.cache.answer(key, send, lambda: until - self._monotonic(), embed)
        if isinstance(found, Answered):
            answered = found
        else:
            fresh = partial(self.record, spec, order, self._clock(), step=step, role=role, attempt=1)
            record = fresh() if reserved is None else reserved.record
            answered = await self._from_cache(found, record, order, is_new=reserved is None)
        order.fresh[answered.record.call_id] = key
        order.cache.tell(answered.record.call_id, key)
        return answered

    async def _from_cache(self, hit: Hit, record: CallRecord, order: Order, *, is_new: bool) -> Answered:
        """Write the row of a call that is not sent, and tell of it as of any other."""
        record, outcome = from_cache(record, hit, self._clock(), log_text=order.log_text), "taken from the cache"
        if is_new:
            await self.log.reserve([record], ())
        order.observe(CallStarted(record.call_id, record.model, record.attempt, record.step))
        if order.options.stream:
            order.observe(TextArrived(record.call_id, hit.completion.text, order.shown))
        if thoughts := hit.completion.thoughts.strip():
            order.observe(Thoughts(record.call_id, record.model, thoughts))
        if is_new:
            order.observe(CallEnded(record.call_id, record.model, outcome, None, record.cost_nanousd))
        else:
            await self.log.settle(record, outcome)
        return Answered(record, hit.completion)

    async def counted(self, spec: ModelSpec, request: Request, order: Order) -> Order:
        """The order with the load that the provider counts for a request, if that is wanted and worth asking for."""
        load = order.load
        exact_already = load.input_bound - MESSAGE_OVERHEAD <= load.input_tokens
        if order.options.count is not CountBy.EXACT or exact_already or load.input_bound < _WORTH_COUNTING:
            return order
        try:
            tokens = await self._connections.get(spec.provider).count_input(request)
        except ProviderError as error:
            order.observe(Note(f"{spec.name}: tokens could not be counted, a bound is used: {error.message}", True))
            return order
        if tokens is None:
            order.observe(Note(f"{spec.name}: {spec.provider} cannot be asked for tokens: a bound is used"))
            return order
        bound = tokens + tokens // _COUNTED_WITHIN + MESSAGE_OVERHEAD
        order.observe(Note(f"{spec.name}: {spec.provider} counts {tokens:,} tokens of input"))
        return replace(order, load=replace(load, input_tokens=tokens, input_bound=bound))

    async def reserve(
        self, drafts: Sequence[Draft], at_once: AtOnce | None = None, beside: Beside | None = None
    ) -> None:
        """Reserve the worst cases of the calls: of all of them or of none; `beside` writes something else with them.
        Raises BudgetError."""
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
            await self.log.reserve([draft.record for draft in drafts], exempt, at_once, beside)
        except (BudgetError, HeldUpError):
            for holder, calls in held.items():
                holder.release(calls)
            raise

    async def _send(
        self, spec: ModelSpec, request: Request, order: Order, number: int, step: str | None, role: str | None
    ) -> Answered:
        provider = self._connections.get(spec.provider)

        async def send(permit: Permit, at_once: AtOnce | None = None) -> Answered:
            async with permit:
                # Nothing lies between: it is reserved and marked as sent in one transaction.
                draft = await self.draft(
                    spec, request, order, step=step, role=role, number=number, budgets=permit.budgets, sending=True
                )
                attempt = self._attempt(draft, order, provider)
                try:
                    await self.reserve([draft], at_once)
                    if permit.slot is not None:
                        with suppress(LedgerError):
                            await self._admission.note_late(permit)
                except BaseException as error:
                    if draft.record.call_id not in self.log.calls:
                        if at_once is not None:
                            permit.slot = None  # it was not taken either: that is one transaction
                    elif isinstance(error, asyncio.CancelledError):
                        await attempt.withdraw()
                    raise
                return await self._make(draft, attempt, permit)

        permit = self._admission.at_once(spec, deadline=order.deadline)
        if permit is not None:
            whole = order.portion == 1  # else the reply may be limited, though what is left is enough for all of it
            at_once = self._admission.confirmation(permit, _expected_tokens(order), under_budgets=whole)
            with suppress(HeldUpError):
                return await send(permit, at_once)
        return await send(await self._admitted(spec, order))

    async def _send_reserved(self, draft: Draft, order: Order) -> Answered:
        attempt = self._attempt(draft, order, self._connections.get(draft.spec.provider))
        try:
            permit = await self._admitted(draft.spec, order)
        except ProviderError as error:
            await attempt.give_up(error)
            raise
        async with permit:
            return await self._make(draft, attempt, permit)

    async def _make(self, draft: Draft, attempt: Attempt, permit: Permit) -> Answered:
        permit.begin(attempt.provider)
        answered = await attempt.make(draft.request)
        permit.used(answered.completion.usage)
        return answered

    def _attempt(self, draft: Draft, order: Order, provider: Provider) -> Attempt:
        return Attempt(
            log=self.log,
            provider=provider,
            record=draft.record,
            terms=draft.terms,
            price_at=partial(price_for, draft.spec, free_tier=order.free_tier),
            stream=order.options.stream,
            shown=order.shown,
            deadline=order.deadline,
            patience=order.patience,
            observe=order.observe,
            clock=self._clock,
            monotonic=self._monotonic,
        )

    async def _admitted(self, spec: ModelSpec, order: Order) -> Permit:
        def waiting(event: Event) -> None:
            self.log.start()  # so that a run that waits can be seen in the ledger
            order.observe(event)

        return await self._admission.enter(spec, _expected_tokens(order), deadline=order.waits_until, observe=waiting)


def _expected_tokens(order: Order) -> int:
    return order.load.input_tokens + order.load.output_tokens
