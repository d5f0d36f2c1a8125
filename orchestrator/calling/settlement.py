"""What a call's row becomes when the call is over. Pure: a record in, a record out.

What the provider counted is billed as it counted, unless that is far more than was sent and allowed. What was certainly
not billed costs 0. Where it may have been billed
and nobody says how much, or a model that thinks gave no counts, the worst case that was reserved stays as the cost,
marked as an estimate: it is never below the bill. What had arrived of a stream is no bound: a provider writes on until
it notices that nobody is listening.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from ..analysis.tokens import upper_bound_tokens
from ..deferred import dataclass
from ..errors import Billed, ProviderError
from ..ledger.records import NOT_BELIEVED, CallRecord, CallStatus, CostSource
from ..money import Price, cost_nanousd
from ..plan.load import Load
from ..types import Completion, FinishReason, Usage, digest_of

Changes = dict[str, Any]  # to a row, by column

# Counts are believed up to so many times what was sent and allowed, and some more: providers put instructions around a
# prompt, and some let a model think beyond the limit. What is above that is no bill, but a slip or an attack.
_FAR, _LEEWAY = 10, 10_000
_TOOL_CALL_OVERHEAD = 64  # tokens that mark a call of a tool in a reply, with room to spare


@dataclass(frozen=True, slots=True)
class Terms:
    """What a call is settled on: the price that applied, its load, the most tokens of reply, whether its text may be
    kept, and whether the model may have thought: a provider bills that as output, and nobody else sees it."""

    price: Price | None
    load: Load
    max_tokens: int
    log_text: bool
    thinks: bool = False

    def believed(self, completion: Completion) -> Completion:
        """A reply without the counts that cannot be."""
        usage = completion.usage
        if usage is None or (
            usage.input_tokens <= _FAR * self.load.input_bound + _LEEWAY
            and usage.output_tokens <= _FAR * self.max_tokens + _LEEWAY
        ):
            return completion
        return replace(completion, usage=None, disbelieved=usage)


@dataclass(frozen=True, slots=True)
class Ended:
    """When a call was over, and after how many milliseconds."""

    at: datetime
    latency_ms: int


def completed(record: CallRecord, completion: Completion, terms: Terms, ended: Ended) -> CallRecord:
    if completion.usage is not None:
        cost = _priced(completion.usage, CostSource.USAGE, terms, ended)
    else:
        written = completion.text + "".join(f"{call.name}{call.arguments}" for call in completion.tool_calls)
        calls = _TOOL_CALL_OVERHEAD * len(completion.tool_calls)
        counted = Usage(input_tokens=terms.load.input_bound, output_tokens=upper_bound_tokens(written) + calls)
        cost = _priced(counted, CostSource.ESTIMATE, terms, ended)
        if terms.thinks or completion.disbelieved is not None:
            cost |= _at_worst(record)
        cost |= _flagged(completion, terms)
    return replace(record, **_at(CallStatus.COMPLETED, ended), **_reply(completion, terms), **cost)


def failed(record: CallRecord, error: ProviderError, terms: Terms, ended: Ended) -> CallRecord:
    changes = _at(CallStatus.FAILED, ended) | (_unbilled() if error.billed is Billed.NO else _at_worst(record))
    message = error.message if terms.log_text else error.without_quotes
    changes |= {"error_code": error.code, "error_message": message, "request_id": error.request_id}
    partial = error.partial
    if partial is not None:
        changes |= _reply(partial, terms) | _flagged(partial, terms)
        if partial.usage is not None and error.billed is Billed.YES:
            changes |= _priced(partial.usage, CostSource.USAGE, terms, ended)
    return replace(record, **changes)


def interrupted(record: CallRecord, partial: Completion, terms: Terms, ended: Ended) -> CallRecord:
    """A call that this program gave up on, with what had arrived. One that was never sent costs nothing."""
    changes = _at(CallStatus.INTERRUPTED, ended)
    changes |= {"error_code": "interrupted", "error_message": "interrupted before the reply was complete"}
    if record.sent_at is None:
        return replace(record, **changes, **_unbilled())
    if partial.text:
        changes |= _reply(partial, terms)
    known = partial.usage.input_tokens if partial.usage is not None else terms.load.input_bound
    tokens: Changes = {"input_tokens": known, "output_tokens": upper_bound_tokens(partial.text)}
    return replace(record, **changes, **_at_worst(record), **tokens, **_flagged(partial, terms))


def partial_reply(text: str, model: str, latency_ms: int, usage: Usage | None = None) -> Completion:
    """What had arrived of a streamed reply when it stopped, and what the provider had counted by then."""
    return Completion(text, FinishReason.INCOMPLETE, usage=usage, latency_ms=latency_ms, model=model)


@lru_cache(256)  # the same few prices for every call
def price_json(price: Price) -> str:
    """The price that applied, as the ledger keeps it: money as decimal text, dates as ISO text.

    What the same call would have cost by batch is not part of it.
    """
    kept = asdict(replace(price, batch=None))
    return json.dumps({key: value for key, value in kept.items() if value not in (None, ())}, default=str)


# What the end of a call changes of its row, by column.


def _at(status: CallStatus, ended: Ended) -> Changes:
    return {"status": status, "ended_at": ended.at, "latency_ms": ended.latency_ms}


def _priced(usage: Usage, source: CostSource, terms: Terms, ended: Ended) -> Changes:
    price, raw = terms.price, _kept_of(usage, terms)
    return {
        "cost_nanousd": None if price is None else cost_nanousd(price, usage, gpu_ms=ended.latency_ms),
        "cost_source": CostSource.UNPRICED if price is None else source,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "usage": json.dumps(raw, default=str) if raw else None,
    }


def _kept_of(usage: Usage, terms: Terms) -> Mapping[str, Any]:
    return usage.raw if terms.log_text else _counts_in(usage.raw)


def _counts_in(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a provider's usage, and what holds some: whatever else it says may be words of the prompt."""
    counts = {name: _counts_in(value) if isinstance(value, Mapping) else value for name, value in raw.items()}
    return {
        name: value
        for name, value in counts.items()
        if isinstance(value, int | float) or (value and isinstance(value, dict))
    }


def _flagged(completion: Completion, terms: Terms) -> Changes:
    if completion.disbelieved is None:
        return {}
    return {"usage": json.dumps({NOT_BELIEVED: _kept_of(completion.disbelieved, terms)}, default=str)}


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
