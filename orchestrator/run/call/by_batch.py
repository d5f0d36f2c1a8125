"""The calls of a run that a provider's batch API answers: they are put down, and the run is given up until they are.

    call ─► known? ─► answered: as if it had just come
              │  └──► not yet: wait, until whoever carries out the run gives it up
              └─────► reserved at the batch's price, and put down to be submitted (one transaction)

A run by batch is carried out again and again from its beginning, as its calls are answered one after the other. What it
decides rests on the answers alone, so it comes to the same calls each time, and each is paid for once. So nothing of a
run is held in memory for the hours that a batch takes, and nothing is lost with the process.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING

from ...billing import bill
from ...choose.quote import REASONING, price_for
from ...config import RetryPolicy
from ...deferred import dataclass, replace
from ...errors import Billed, Disposition, OrchError, ProviderError, UnsupportedError
from ...ledger.records import CallRecord, RunRecord
from ...ledger.submissions import BatchRequest, add_request
from ...money import Price
from ...plan.load import Load
from ...providers.batches import Asked, BatchClient, BatchResult
from ...registry.model import ModelSpec, Registry
from ...types import Completion, Request
from .attempt import Answered
from .cache_key import from_json, key_of, to_json
from .settlement import Ended, Terms, bill_of, completed, failed

if TYPE_CHECKING:
    from .caller import Caller
    from .order import Order

LIVE = "live"  # what stands in the place of a result that a live call gave
_TURNS = 3  # of the event loop, in which a run that goes on would have shown it


@dataclass(slots=True)
class ByBatch:
    """One run's calls by batch, on one of its ways through the run.

    `begun` is its row, with its `calls`, if it was begun before; `requests` are those that were put down. `live`: what
    was not put down is asked live. `put_down` counts what this way put down.
    """

    job: int
    begun: RunRecord | None = None
    calls: tuple[CallRecord, ...] = ()
    requests: Sequence[BatchRequest] = ()
    live: bool = False
    put_down: int = 0
    _seen: Counter[str] = field(default_factory=Counter)
    _under_way: int = 0
    _waiting: int = 0
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(
        self, caller: Caller, spec: ModelSpec, request: Request, order: Order, step: str | None, role: str | None
    ) -> Answered | None:
        """The answer to a call, if there is one; None for a call that is to be made live. Raises the error that it
        ended in. A call that has no answer yet never comes back: `until_quiet` tells."""
        place = place_of(spec, request, order, step, role)
        with self._counting():
            number = 0
            while True:
                number += 1
                known = self._known(place)
                if known is None:
                    if self.live:
                        return None
                    await self._put_down(caller, spec, request, order, step, role, number, place)
                if known is None or known.result is None:
                    await self._wait()
                    raise AssertionError("unreachable: nothing ends the wait but a cancellation")
                self._seen[place] += 1
                try:
                    return self._answered(caller, known, spec)
                except ProviderError as error:
                    if not goes_again(error, number, caller.retry):
                        raise

    async def keep_live(self, caller: Caller, spec: ModelSpec, request: Request, order: Order, given: Answered) -> None:
        """Keep the answer of a live call, so that the run finds it if it is carried out once more."""
        place = place_of(spec, request, order, given.record.step, given.record.role)
        row = BatchRequest(
            given.record.call_id,
            order.run_id,
            self.job,
            place,
            self._seen[place],
            spec.provider,
            spec.name,
            body=None,
            input_tokens=0,
            input_bound=0,
            max_tokens=request.max_tokens,
            logprobs=request.logprobs,
            state="answered",
            submission=LIVE,
            result=to_json(given.completion),
        )
        self._seen[place] += 1
        await caller.keep(lambda connection: add_request(connection, row))

    async def until_quiet(self) -> None:
        """Return when the run has nothing more to do but to wait for batches."""
        while True:
            await self._quiet.wait()
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if self._waiting and self._waiting == self._under_way:
                return
            self._quiet.clear()

    def _known(self, place: str) -> BatchRequest | None:
        nth = self._seen[place]
        return next((each for each in self.requests if each.place == place and each.nth == nth), None)

    async def _put_down(
        self,
        caller: Caller,
        spec: ModelSpec,
        request: Request,
        order: Order,
        step: str | None,
        role: str | None,
        number: int,
        place: str,
    ) -> None:
        """Reserve the call and put it down to be submitted."""
        client = caller.batches(spec.provider)
        draft = await caller.draft(spec, request, order, step=step, role=role, number=number)
        if client is None or draft.terms.price is None:
            raise _not_by_batch(spec, "its provider has no batch API that orch speaks" if client is None else "")
        load = draft.terms.load
        row = BatchRequest(
            draft.record.call_id,
            order.run_id,
            self.job,
            place,
            self._seen[place],
            spec.provider,
            spec.name,
            client.body(draft.request),
            load.input_tokens,
            load.input_bound,
            draft.request.max_tokens,
            draft.request.logprobs,
        )

        await caller.reserve([draft], beside=lambda connection: add_request(connection, row))
        self.put_down += 1

    def _answered(self, caller: Caller, known: BatchRequest, spec: ModelSpec) -> Answered:
        """A call as its result has it. Raises the ProviderError that it ended in."""
        record = caller.log.calls[known.call_id]
        assert known.result is not None
        if known.submission == LIVE:
            return Answered(record, from_json(known.result))
        client = caller.batches(spec.provider)
        if client is None:
            raise _not_by_batch(spec, "its provider has no batch API that orch speaks")
        return Answered(record, read_result(client, known, spec.id))

    async def _wait(self) -> None:
        self._waiting += 1
        self._look()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._waiting -= 1

    @contextmanager
    def _counting(self) -> Iterator[None]:
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._look()

    def _look(self) -> None:
        if self._waiting and self._waiting == self._under_way:
            self._quiet.set()


def place_of(spec: ModelSpec, request: Request, order: Order, step: str | None, role: str | None) -> str:
    """Which call of its run one is, but for those that are the same: by all that is asked. What money is left may
    limit the reply, and is not the same each time."""
    return key_of(replace(request, max_tokens=0), provider=spec.provider, step=step, role=role, place=order.place)


def goes_again(error: ProviderError, number: int, retry: RetryPolicy) -> bool:
    """Whether a request that ended in an error is submitted once more, after `number` attempts."""
    if number > retry.max_retries:
        return False
    return error.disposition is Disposition.RETRY and error.code in retry.kinds and error.billed is not Billed.YES


def _not_by_batch(spec: ModelSpec, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"{spec.name} cannot be asked by batch: {why or 'no price of it by batch is known'}",
        provider=spec.provider,
        model=spec.name,
        billed=Billed.NO,
        hint="--via auto asks such models live; orch models NAME shows the price by batch",
    )


def read_result(client: BatchClient, request: BatchRequest, model: str) -> Completion:
    """A request's result as a completion; `model` is its id at the provider. Raises the ProviderError that it ended
    in."""
    assert request.result is not None
    result = BatchResult.from_text(request.call_id, request.result)
    return client.read(result, Asked(model, request.max_tokens, request.logprobs))


def price_by_batch(price: Price | None) -> Price | None:
    """The price of a call in a batch, for a reply that says that it was in one; None if it is unknown."""
    return None if price is None else price.for_batches()


@dataclass(frozen=True, slots=True)
class Settled:
    """A call as its result settles it, and the error that it ended in."""

    record: CallRecord
    error: OrchError | None = None


def settled(
    record: CallRecord,
    request: BatchRequest,
    client: BatchClient,
    registry: Registry,
    *,
    at: datetime,
    free_tier: Sequence[str] = (),
    log_text: bool = True,
) -> Settled:
    """The row of a call by what came of its request: billed at the price of batches when it was sent."""
    spec, sent_at = registry.model(record.model), record.sent_at or record.created_at
    live = price_for(spec, sent_at, free_tier)
    price = price_by_batch(live)

    def other(reported: str, when: datetime) -> tuple[str, Price | None] | None:
        answering = registry.answering(spec, reported)
        return None if answering is None else (answering.name, price_by_batch(price_for(answering, when, free_tier)))

    terms = Terms(
        price,
        Load(request.input_tokens, request.input_bound, request.max_tokens),
        request.max_tokens,
        log_text,
        thinks=REASONING in spec.tags,
        window=spec.context_window,
        worst_nanousd=record.reserved_nanousd,
        other=other,
        sent_at=sent_at,
    )
    ended = Ended(at, 0)
    completion: Completion | None
    error: OrchError | None = None
    try:
        completion = terms.believed(read_result(client, request, record.provider_model))
        row = completed(record, completion, terms, ended, bill_of(completion, terms, ended))
    except ProviderError as failure:
        partial = None if failure.partial is None else terms.believed(failure.partial)
        error, completion = failure, partial
        failure.partial = partial
        charged = bill_of(partial, terms, ended) if partial is not None and failure.billed is Billed.YES else None
        row = failed(record, failure, terms, ended, charged)
    # How long a batch took says nothing of how fast a model is.
    row = replace(row, latency_ms=None, ttft_ms=None)
    return Settled(replace(row, batch_saved_nanousd=_saved(row, completion, live)), error)


def _saved(row: CallRecord, completion: Completion | None, live: Price | None) -> int | None:
    """What the same call would have cost more if it had been made live; None if that is unknown."""
    if live is None or completion is None or completion.usage is None or row.cost_nanousd is None:
        return None
    usage = completion.usage
    raw = {name: value for name, value in usage.raw.items() if name != "service_tier"}
    by_live = bill(live, replace(usage, raw=raw)).nanousd
    return None if by_live is None else max(by_live - row.cost_nanousd, 0)
