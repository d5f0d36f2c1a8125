"""One call, attempt after attempt: rate limit, what the cost cap can pay for, and the retries."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import stamina
from ulid import ULID

from ..clock import Clock
from ..errors import Billed, DeadlineError, ProviderError
from ..events import Observer, Waiting
from ..ledger.records import CallRecord
from ..ledger.store import Ledger
from ..money import Price
from ..quote import Load, affordable_output, worst_case
from ..registry.model import ModelSpec
from ..settings import RetryPolicy, RunOptions
from ..types import Request
from .attempt import Answered, Attempt
from .connections import Connections
from .limits import RateLimiter
from .retry import Backoff
from .settlement import Terms, price_json


@dataclass(frozen=True, slots=True)
class Order:
    """What a run asks of its calls.

    `deadline` is in seconds on the monotonic clock. `allowance_nanousd` is what one of several calls at the same time
    may set aside when the run has a cost cap; the cap itself is the ledger's to enforce.
    """

    run_id: str
    options: RunOptions
    load: Load
    deadline: float
    simulated: bool
    log_text: bool
    observe: Observer
    allowance_nanousd: int | None = None


class Caller:
    """Makes calls. `clock` dates the rows; `monotonic`, in seconds, measures."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        connections: Connections,
        limiter: RateLimiter,
        retry: RetryPolicy,
        clock: Clock,
        rng: random.Random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._connections = connections
        self._limiter = limiter
        self._retry = retry
        self._clock = clock
        self._rng = rng
        self._monotonic = monotonic

    async def call(self, spec: ModelSpec, request: Request, order: Order, *, step: str | None = None) -> Answered:
        """A completion, after as many attempts as the policy allows. Raises the last attempt's error.

        `request.max_tokens` is lowered to what the run's cap can pay for, unless the user set it.
        """

        def on_wait(seconds: float, error: ProviderError) -> None:
            order.observe(Waiting(spec.name, seconds, error.message))

        backoff = Backoff(self._retry, lambda: order.deadline - self._monotonic(), self._rng, on_wait)
        async for attempt in stamina.retry_context(on=backoff, attempts=None, timeout=None):
            with attempt:
                return await self._attempt(spec, request, order, attempt.num, step)
        raise AssertionError("unreachable: retry_context raises the last error")

    async def _attempt(
        self, spec: ModelSpec, request: Request, order: Order, number: int, step: str | None
    ) -> Answered:
        provider = self._connections.get(spec.provider)
        await self._wait_in_line(spec, order)
        now = self._clock()
        price = spec.price_at(now)
        request = await self._within_allowance(request, price, order)
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
            reserved_nanousd=_reserved(price, request, order),
            price=None if price is None else price_json(price),
        )
        attempt = Attempt(
            ledger=self._ledger,
            provider=provider,
            record=record,
            terms=Terms(price, order.load, order.log_text),
            stream=order.options.stream,
            deadline=order.deadline,
            observe=order.observe,
            clock=self._clock,
            monotonic=self._monotonic,
        )
        return await attempt.make(request)

    async def _wait_in_line(self, spec: ModelSpec, order: Order) -> None:
        wait_s = self._limiter.wait_s(spec.name)
        if self._monotonic() + wait_s >= order.deadline:
            problem = (
                "no time is left for a call" if wait_s == 0 else f"its rate limit asks for a wait of {wait_s:.0f} s"
            )
            raise DeadlineError(f"{spec.name}: {problem}", provider=spec.provider, model=spec.name, billed=Billed.NO)
        if wait_s > 0:
            order.observe(Waiting(spec.name, wait_s, "rate limit"))
        await self._limiter.acquire(spec.name)

    async def _within_allowance(self, request: Request, price: Price | None, order: Order) -> Request:
        """The request with a limit on the reply that the cap can pay for, unless the user set the limit."""
        cap = order.options.max_cost_nanousd
        if cap is None or price is None or price.gpu_hour is not None or order.options.max_tokens is not None:
            return request
        left = cap - await asyncio.to_thread(self._ledger.committed_nanousd, order.run_id)
        if order.allowance_nanousd is not None:
            left = min(left, order.allowance_nanousd)
        affordable = affordable_output(price, order.load, left)
        # A limit below the expected length would buy a truncated answer: rather let the cap refuse the call.
        if affordable >= request.max_tokens or affordable < order.load.output_tokens:
            return request
        return replace(request, max_tokens=affordable)


def _reserved(price: Price | None, request: Request, order: Order) -> int | None:
    return None if price is None else worst_case(price, order.load, request.max_tokens, order.options.timeout_s)
