"""The possible cost of a call, before it is made."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from ..config import RunOptions
from ..deferred import dataclass
from ..money import Price, Rates, cost_nanousd, prices_between, worst_case_nanousd
from ..plan import CostRange
from ..plan.load import MESSAGE_OVERHEAD, Load
from ..registry.model import Feature, ModelSpec, RateLimits
from ..types import Effort, Usage

DEFAULT_MAX_TOKENS = 8192  # of a reply, unless the user or the model's own limit says otherwise
REASONING = "reasoning"  # the tag of a model that thinks before it writes, and bills the thought as output
# Assumptions, until a ledger has figures of its own. At its default effort a reasoning model bills about so many times
# the tokens that it shows.
REASONING_FACTOR = 3
_BY_EFFORT: Mapping[Effort, int] = {
    Effort.LOW: 2,
    Effort.MEDIUM: REASONING_FACTOR,
    Effort.HIGH: 6,
}  # if it is asked for
_ESTIMATE_MARGIN = 0.05  # of the estimated input: how much more of it there may be
_PREFILL_SPEEDUP = 20  # a self-hosted model reads its prompt this much faster than it writes


FREE_TIER = "free-tier"  # the tag of a model that is only had for nothing, up to its free quota
FREE_TIER_SOURCE = "free tier"  # what the price of a call on one says it is from
_NOTHING = Price(date.min, FREE_TIER_SOURCE, date.min, Rates(Decimal(0), Decimal(0)))


def is_free(spec: ModelSpec, free_tier: Collection[str]) -> bool:
    """Whether the user is on the free tier of a model's provider: its quota is then a limit, and calls cost nothing.

    `free_tier` names the providers whose free tier the user is on.
    """
    return spec.free_quota is not None and (FREE_TIER in spec.tags or spec.provider in free_tier)


def limits_for(spec: ModelSpec, free_tier: Collection[str]) -> RateLimits:
    """The limits that calls to a model keep to: on the free tier, its quota of a day is one."""
    if spec.free_quota is None or not is_free(spec, free_tier):
        return spec.limits
    return spec.limits.within(spec.free_quota)


def price_for(spec: ModelSpec, when: datetime, free_tier: Collection[str]) -> Price | None:
    """The price for this user at a time, or None: unpriced, which is not free."""
    return _NOTHING if is_free(spec, free_tier) else spec.price_at(when)


def prices_for(
    spec: ModelSpec, first: datetime, last: datetime, free_tier: Collection[str]
) -> tuple[Price | None, ...]:
    """The prices for this user between two times, in order."""
    return (_NOTHING,) if is_free(spec, free_tier) else prices_between(spec.prices, first, last)


def output_limit(spec: ModelSpec, load: Load, max_tokens: int | None) -> int:
    """The output limit that the provider is asked to enforce; 0 or less if the prompt fills the window.

    If the window limits the reply, some of it stays free, at most half of what is left: the input is an estimate, and
    providers put text of their own around it.
    """
    wanted = max_tokens if max_tokens is not None else DEFAULT_MAX_TOKENS
    left = spec.context_window - load.input_tokens
    margin = MESSAGE_OVERHEAD + math.ceil(load.input_tokens * _ESTIMATE_MARGIN)
    return min(wanted, spec.output_limit, left - min(margin, left // 2))


def worst_case(price: Price, load: Load, limit: int, timeout_s: float) -> int:
    """The highest possible cost of a call, in nano-dollars: the amount that budgets reserve."""
    return worst_case_nanousd(
        price, input_tokens=load.input_bound, output_tokens=limit, gpu_ms=math.ceil(timeout_s * 1000)
    )


def thinking_factor(spec: ModelSpec, effort: Effort | None) -> int:
    """How many times the tokens that it shows a model is expected to write, its thoughts included."""
    if effort is not None and not spec.supports.isdisjoint((Feature.EFFORT, Feature.THINKING)):
        return _BY_EFFORT[effort]
    return REASONING_FACTOR if REASONING in spec.tags else 1


def quote(
    spec: ModelSpec,
    price: Price | None,
    load: Load,
    *,
    limit: int,
    timeout_s: float,
    effort: Effort | None = None,
    kept: int = 0,
) -> CostRange:
    """The lowest, expected and highest cost in nano-dollars; all None if the model has no price. `kept`: tokens that
    are likely to be read from the provider's cache; then the rest of the input is written to it.

    The lowest is a reply of one token to a prompt of half the estimated length, read from the provider's cache.
    """
    if price is None:
        return CostRange(None, None, None)
    short = load.input_tokens // 2
    least = Usage(input_tokens=short, output_tokens=1, cached_tokens=short)
    output = min(load.output_tokens * thinking_factor(spec, effort), limit)
    read = min(kept, load.input_tokens)
    written = load.input_tokens - read if read else 0
    expected = Usage(load.input_tokens, output, cached_tokens=read, cache_write_tokens=written)
    speed = spec.tokens_per_second or 1.0
    busy_ms = math.ceil(1000 * (output + load.input_tokens / _PREFILL_SPEEDUP) / speed)
    return CostRange(
        minimum=cost_nanousd(price, least, gpu_ms=math.ceil(1000 / speed)),
        expected=cost_nanousd(price, expected, gpu_ms=busy_ms),
        maximum=worst_case(price, load, limit, timeout_s),
    )


@dataclass(slots=True)
class Quotes:
    """The possible costs of a run's calls, for the user at a time: each is worked out once, for an offer and for the
    plan. `free_tier` as for `is_free`."""

    options: RunOptions
    free_tier: Collection[str]
    when: datetime
    # With the load, so that no other can have its id: to hash one takes as long as to make a quote.
    _made: dict[tuple[str, int, int, int], tuple[Load, CostRange]] = field(default_factory=dict)

    def of(self, spec: ModelSpec, load: Load, limit: int, kept: int = 0) -> CostRange:
        """The cost range of a call; `limit` and `kept` as for `quote`, of which a limit below 1 counts as 1."""
        key = spec.name, id(load), limit, kept
        made = self._made.get(key)
        if made is None:
            price, options = price_for(spec, self.when, self.free_tier), self.options
            timeout_s, effort = options.timeout_s, options.effort
            cost = quote(spec, price, load, limit=max(limit, 1), timeout_s=timeout_s, effort=effort, kept=kept)
            made = self._made[key] = load, cost
        return made[1]


def affordable_output(price: Price, load: Load, allowance_nanousd: int) -> int:
    """The output tokens that an allowance pays for after the input's worst case; negative if it does not pay for the
    input.

    Only for prices by token: a price by GPU hour does not depend on the limit.
    """
    rates = price.rates_for(load.input_bound)
    input_cost = worst_case_nanousd(price, input_tokens=load.input_bound, output_tokens=0)
    if rates is None or rates.output == 0:
        return sys.maxsize if input_cost <= allowance_nanousd else -1
    return math.floor((allowance_nanousd - input_cost) / (Fraction(rates.output) * 1000))
