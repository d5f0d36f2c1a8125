"""The call that asks a provider for the embedding of a prompt: priced, limited, reserved and recorded as any other."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from ...deferred import replace
from ...ledger.records import EMBEDDING
from ...plan.load import MESSAGE_OVERHEAD, Load
from ...reading.tokens import count_tokens
from ...registry.model import EmbeddingModel
from ...types import CountBy, Message, Request

if TYPE_CHECKING:
    from .caller import Caller
    from .order import Order


async def embedded(caller: Caller, order: Order, model: EmbeddingModel, text: str) -> tuple[float, ...]:
    """The embedding of a text, as the provider gives it. Raises ProviderError, and BudgetError with nothing sent."""
    spec = model.spec
    counted = count_tokens(text, spec.tokenizer)
    request = Request(
        model=spec.id, messages=(Message("user", text),), max_tokens=1, embeds=True, dimensions=model.dimensions
    )
    own = replace(
        order,
        load=Load(counted.expected, counted.bound + MESSAGE_OVERHEAD, 0, tokenizer=spec.tokenizer),
        options=replace(order.options, stream=False, max_tokens=1, count=CountBy.BOUND),
        log_text=False,
        portion=Fraction(1),
        final=False,
        answers=False,
        shown=False,
        spare=True,
        begin_by=math.inf,
        cache=None,
        fresh={},
    )
    return (await caller.call(spec, request, own, role=EMBEDDING)).completion.embedding
