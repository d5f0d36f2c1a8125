"""How a call's row changes when the call ends. Pure: takes a record, returns a record.

The cost is the charge that the reply states; otherwise the provider's token counts at their rates, unless they are far
more than was sent and allowed, or the charge is far more than such a call can cost. A call that was certainly not
billed costs 0. If a call may have been billed and nothing says how much, or a reasoning model returned no counts, the
reserved worst case stays as the cost, marked as an estimate: it is never below the bill. The part of a stream that
arrived is no upper bound, since a provider goes on generating until it notices that the client is gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ...billing import Bill, CostSource, bill, stated_cost
from ...deferred import dataclass, replace
from ...errors import Billed, ProviderError
from ...ledger.records import NOT_BELIEVED, CallRecord, CallStatus
from ...money import Price, cost_nanousd
from ...once import once_for_each
from ...plan.load import Load
from ...reading.tokens import upper_bound_tokens
from ...types import Completion, FinishReason, Usage, digest_of

if TYPE_CHECKING:
    from .cache_key import Hit

Changes = dict[str, Any]  # to a row, by column

# Counts are believed up to so many times what was sent and allowed, and some more: providers put instructions, and what
# their tools found, around a prompt, up to what the window holds, and some let a model think beyond the limit. What is
# above that is no bill, but a slip or an attack.
_FAR, _LEEWAY = 10, 10_000
_USAGE = json.JSONEncoder(default=str)
_TOOL_CALL_OVERHEAD = 64  # tokens that mark a call of a tool in a reply, with room to spare


@dataclass(frozen=True)
class Terms:
    """What a call is settled by: the price, its load, its output limit, whether its text may be kept, and whether
    the model may have reasoned, which is billed as output and invisible. `window`: the model's context window in
    tokens. `worst_nanousd`: the amount that was reserved. `other` returns the name and price of another registered
    model if the reply names one that was not asked."""

    price: Price | None
    load: Load
    max_tokens: int
    log_text: bool
    thinks: bool = False
    window: int = 0
    worst_nanousd: int | None = None
    other: Callable[[str, datetime], tuple[str, Price | None] | None] = lambda *_: None
    sent_at: datetime | None = None

    def believed(self, completion: Completion) -> Completion:
        """The reply without counts that are impossible."""
        usage = completion.usage
        if usage is None or (
            usage.input_tokens <= max(_FAR * self.load.input_bound + _LEEWAY, self.window)
            and usage.output_tokens <= _FAR * self.max_tokens + _LEEWAY
        ):
            return completion
        return replace(completion, usage=None, disbelieved=usage)


@dataclass(frozen=True, slots=True)
class Ended:
    """When a call ended, and after how many milliseconds."""

    at: datetime
    latency_ms: int


def completed(
    record: CallRecord, completion: Completion, terms: Terms, ended: Ended, billed: Bill | None
) -> CallRecord:
    """The row of a call that was answered. `billed` is the reply's `bill_of`."""
    usage = completion.usage
    changes = _at(CallStatus.COMPLETED, ended) | _reply(completion, terms)
    if usage is None or not usage.input_tokens:  # nobody counted it, though the reply may say what it cost
        written = (
            completion.thoughts
            + completion.text
            + "".join(f"{call.name}{call.arguments}" for call in completion.tool_calls)
        )
        calls = _TOOL_CALL_OVERHEAD * len(completion.tool_calls)
        bound = Usage(input_tokens=terms.load.input_bound, output_tokens=upper_bound_tokens(written) + calls)
        changes |= _tokens(bound) | _bounded(bound, terms.price, ended)
        if terms.thinks or completion.thought or completion.disbelieved is not None:
            changes |= _at_worst(record)
        changes |= _flagged(completion, terms)
    else:
        changes |= _tokens(usage)
    if usage is not None and billed is not None:
        changes |= _charged(billed, usage, terms)
    return replace(record, **changes)


def failed(
    record: CallRecord, error: ProviderError, terms: Terms, ended: Ended, billed: Bill | None = None
) -> CallRecord:
    """The row of a call that ended in an error. `billed` is the `bill_of` a partial reply, if that was charged."""
    changes = _at(CallStatus.FAILED, ended) | (_unbilled() if error.billed is Billed.NO else _at_worst(record))
    message = error.message if terms.log_text else error.without_quotes
    changes |= {"error_code": error.code, "error_message": message, "request_id": error.request_id}
    partial = error.partial
    if partial is not None:
        changes |= _reply(partial, terms) | _flagged(partial, terms)
        if partial.usage is not None and billed is not None:
            changes |= _tokens(partial.usage) | _charged(billed, partial.usage, terms)
    return replace(record, **changes)


def interrupted(record: CallRecord, partial: Completion, terms: Terms, ended: Ended) -> CallRecord:
    """The row of a call that this program cancelled, with the part of the reply that had arrived. A call that was
    never sent costs nothing."""
    changes = _at(CallStatus.INTERRUPTED, ended)
    changes |= {"error_code": "interrupted", "error_message": "interrupted before the reply was complete"}
    if record.sent_at is None:
        return replace(record, **changes, **_unbilled())
    if partial.text:
        changes |= _reply(partial, terms)
    known = partial.usage.input_tokens if partial.usage is not None else terms.load.input_bound
    tokens: Changes = {"input_tokens": known, "output_tokens": upper_bound_tokens(partial.thoughts + partial.text)}
    return replace(record, **changes, **_at_worst(record), **tokens, **_flagged(partial, terms))


def from_cache(record: CallRecord, hit: Hit, at: datetime, *, log_text: bool) -> CallRecord:
    """The row of a call that the response cache answered: nothing was sent, no token was billed, nobody waited."""
    completion = hit.completion
    return replace(
        record,
        status=CallStatus.COMPLETED,
        ended_at=at,
        reserved_nanousd=0,
        cost_nanousd=0,
        cost_source=CostSource.CACHE,
        finish_reason=completion.finish_reason.value,
        raw_model=completion.model,
        response=completion.text if log_text else None,
        response_sha256=digest_of(completion.text),
        from_run=hit.run_id,
        saved_nanousd=hit.cost_nanousd,
        similarity=hit.similarity,
    )


def partial_reply(text: str, model: str, latency_ms: int, usage: Usage | None = None, thoughts: str = "") -> Completion:
    """The part of a streamed reply that had arrived, with the usage that the provider had reported by then."""
    return Completion(text, FinishReason.INCOMPLETE, usage, latency_ms, model, thoughts=thoughts)


@once_for_each(256)  # the same few prices for every call
def price_json(price: Price) -> str:
    """The price as the ledger stores it: money as decimal text, dates as ISO text. Without batch rates and service
    tiers."""
    kept = asdict(replace(price, batch=None, service={}))
    return json.dumps({key: value for key, value in kept.items() if value not in (None, (), {})}, default=str)


# What the end of a call changes of its row, by column.


def _at(status: CallStatus, ended: Ended) -> Changes:
    return {"status": status, "ended_at": ended.at, "latency_ms": ended.latency_ms}


def _charged(billed: Bill, usage: Usage, terms: Terms) -> Changes:
    """The charge, by what the reply says."""
    changes: Changes = {"cost_nanousd": billed.nanousd, "cost_source": billed.source}
    if billed.price is not None and billed.price is not terms.price:
        changes["price"] = price_json(billed.price)
    raw = _kept_of(usage, terms)
    if billed.disbelieved:
        raw = {**raw, NOT_BELIEVED: dict(billed.disbelieved)}
    changes["usage"] = _USAGE.encode(raw) if raw else None
    return changes


def bill_of(completion: Completion, terms: Terms, ended: Ended) -> Bill | None:
    """The bill of a reply, whichever model it came from; None if its tokens were not counted."""
    usage = completion.usage
    if usage is None:
        return None
    bill_at = partial(bill, usage=usage, gpu_ms=ended.latency_ms, worst_nanousd=terms.worst_nanousd)
    other = None if terms.sent_at is None else terms.other(completion.model, terms.sent_at)
    if other is None:
        return bill_at(terms.price)
    name, price = other
    answered = f"{name} answered in its place"
    if price is None and stated_cost(usage.raw) is None:
        billed = bill_at(terms.price)
        source = CostSource.ESTIMATE if billed.source is CostSource.USAGE else billed.source
        return replace(
            billed, source=source, doubts=(*billed.doubts, f"{answered}, which has no price in the registry")
        )
    billed = bill_at(price)
    return replace(billed, doubts=(*billed.doubts, f"{answered}, at its price"))


def _bounded(bound: Usage, price: Price | None, ended: Ended) -> Changes:
    cost = None if price is None else cost_nanousd(price, bound, gpu_ms=ended.latency_ms)
    return {"cost_nanousd": cost, "cost_source": CostSource.UNPRICED if price is None else CostSource.ESTIMATE}


def _tokens(usage: Usage) -> Changes:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def _kept_of(usage: Usage, terms: Terms) -> Mapping[str, Any]:
    return usage.raw if terms.log_text else _counts_in(usage.raw)


def _counts_in(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers in a provider's usage object and the objects that contain them. Text is left out: it may quote the
    prompt."""
    counts = {name: _counts_in(value) if isinstance(value, Mapping) else value for name, value in raw.items()}
    return {
        name: value
        for name, value in counts.items()
        if isinstance(value, int | float) or (value and isinstance(value, dict))
    }


def _flagged(completion: Completion, terms: Terms) -> Changes:
    if completion.disbelieved is None:
        return {}
    return {"usage": _USAGE.encode({NOT_BELIEVED: _kept_of(completion.disbelieved, terms)})}


def _unbilled() -> Changes:
    return {"cost_nanousd": 0, "cost_source": CostSource.NONE}


def _at_worst(record: CallRecord) -> Changes:
    worst = record.reserved_nanousd
    return {"cost_nanousd": worst, "cost_source": CostSource.UNPRICED if worst is None else CostSource.ESTIMATE}


def _reply(completion: Completion, terms: Terms) -> Changes:
    return {
        "finish_reason": completion.finish_reason.value,
        "ttft_ms": completion.ttft_ms,
        "request_id": completion.request_id,
        "raw_model": completion.model,
        "response": completion.text if terms.log_text else None,
        "response_sha256": digest_of(completion.text),
    }
