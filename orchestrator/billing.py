"""The cost of one call by its reply: the price that the reply states, or its token counts at the rates that applied.

    usage.raw ─► Facts ─► bill(price, usage) ─► Bill: nano-dollars, their source, what is uncertain

All facts come from `Usage.raw`, which the ledger keeps, so a later repricing uses the same facts. Where the registry
has no rate for a fact, the cost is an upper bound by the highest rate published for that kind of fact, marked as an
estimate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction

from .deferred import dataclass, replace
from .money import NANO_PER_DOLLAR, Price, Rates, cost_nanousd, format_nanousd
from .types import Usage

_NANO_PER_TOKEN = 1_000  # at a rate of 1 $ per million tokens
_NOTHING, _ONE = Fraction(0), Fraction(1)
_XAI_TICK = Fraction(1, 10)  # nano-dollars: https://docs.x.ai/docs/api-reference, `cost_in_usd_ticks`
_MOST_DOLLARS = 10**6  # more was never charged for one call: it is no price
# A price that a reply states is believed up to ten times the cost by the registry, and 25 cents: gateways charge rates
# of their own, and fees for their tools. A higher one is a mistake or an attack.
_FAR, _LEEWAY_NANOUSD = 10, NANO_PER_DOLLAR // 4
_DEAREST_NANOUSD = 600 * _NANO_PER_TOKEN  # a token of any model: the output of OpenAI's o1-pro, 600 $ per million
_MOST_UNKNOWN_NANOUSD = 100 * NANO_PER_DOLLAR  # where there is neither a price nor a count to hold it against

_STANDARD = frozenset({"default", "standard", "auto", "standard_only", "on_demand", "unspecified", "normal"})
# The most that a service tier costs, as a multiple of the standard rates, where the registry has no rates of it.
# Dearest seen: OpenAI's priority tier at 2.5 (GPT-5.5, 2026-07), Anthropic's fast mode at 6 (Opus 4.6, 2026-02). The
# tiers at 1 cost less, or were paid for beforehand.
_MOST_FOR_TIER: Mapping[str, Fraction] = {
    **dict.fromkeys(("flex", "batch", "scale", "provisioned_throughput"), Fraction(1)),
    "priority": Fraction(5, 2),
}
_MOST_FOR_ANY_TIER = Fraction(6)
_NO_REGION = frozenset({"global", "not_available", "unspecified"})
_MOST_FOR_REGION = Fraction(11, 10)  # Anthropic's `inference_geo: us`, and the regional endpoints of clouds
_MOST_FOR_HOUR_WRITE = 2  # times the input rate: Anthropic, "Prompt caching", pricing
_MOST_FOR_AUDIO = 16  # times the rate of text: gpt-4o-audio and gpt-4o-mini-audio
_MOST_FOR_SEARCH = Decimal("0.035")  # dollars: Google's grounding; Anthropic's and OpenAI's searches cost 0.01
_COSTS = frozenset(  # where a reply states its cost
    {"cost", "cost_details", "cost_in_usd_ticks", "estimated_cost", "gateway_cost"}
)
_APART = frozenset(  # where the tokens may be told apart that have rates of their own
    {
        *("cache_creation", "prompt_tokens_details", "completion_tokens_details"),
        *("promptTokensDetails", "candidatesTokensDetails"),
    }
)
_SEARCHES = (
    ("server_tool_use", "web_search_requests"),  # Anthropic, OpenRouter
    ("web_searches",),  # counted by the adapter: Google's queries
    ("num_search_queries",),  # Perplexity
    ("num_sources_used",),  # xAI
)
_USES = ("server_tool_use", "server_side_tool_usage", "server_side_tool_usage_details")
_TOOLS = frozenset({*_USES, *(path[0] for path in _SEARCHES), "iterations"})
_MOST_USES = 1_000  # of a server tool in one call; dearer models search some dozen times
_FREE_TOOLS = frozenset({"web_search_requests", "web_fetch_requests"})  # the latter cost their tokens alone
WEB_SEARCH = "web_search"  # its name among the fees of a price


class CostSource(StrEnum):
    """Where a cost comes from."""

    USAGE = "usage"  # the provider's own token counts, at the registry's prices
    PROVIDER = "provider"  # the reply says what was charged
    ESTIMATE = "estimate"  # an upper bound: counts never came, or something about them has no price
    IMPORTED = "imported"  # another tool's log, at the registry's prices or what it says that it cost
    CACHE = "cache"  # nothing was sent: the answer was kept from an earlier call
    NONE = "none"  # certainly not billed
    UNPRICED = "unpriced"  # no price is known; the cost is null, not 0


@dataclass(frozen=True, slots=True)
class Bill:
    """The cost of a call in nano-dollars, rounded up. `price` is the one that applied; `doubts` say in words why an
    estimate is one. `disbelieved`: the impossible figures in the reply, by name."""

    nanousd: int | None
    source: CostSource
    price: Price | None
    doubts: tuple[str, ...] = ()
    disbelieved: Mapping[str, int] = field(default_factory=dict)


def bill(price: Price | None, usage: Usage, *, gpu_ms: int = 0, worst_nanousd: int | None = None) -> Bill:
    """The bill of a call with token counts. `price` is that of the model that answered, None if it is unknown;
    `worst_nanousd` is the amount that was reserved for the call.

    A price that the reply states is the bill, unless it is far above both the cost by the counts and the reserved
    amount. Then the higher of these two is the bill, as for a reply that states an impossible number of tool uses.
    """
    counted, stated = _by_counts(price, usage, gpu_ms), stated_cost(usage.raw)
    if stated is None and not counted.disbelieved:
        return counted
    bounds = [amount for amount in (counted.nanousd, worst_nanousd) if amount is not None]
    most = _FAR * max(bounds or [_DEAREST_NANOUSD * (usage.input_tokens + usage.output_tokens)]) + _LEEWAY_NANOUSD
    if stated is not None and stated <= (most if bounds or usage.input_tokens else _MOST_UNKNOWN_NANOUSD):
        return Bill(stated, CostSource.PROVIDER, price)
    if stated is not None:
        doubt = f"its reply says that it cost {format_nanousd(stated)}, far more than it can have"
        told = {**counted.disbelieved, "cost_nanousd": stated}
        counted = replace(counted, doubts=(*counted.doubts, doubt), disbelieved=told)
    source = CostSource.ESTIMATE if bounds else CostSource.UNPRICED
    return replace(counted, nanousd=max(bounds, default=None), source=source)


def _by_counts(price: Price | None, usage: Usage, gpu_ms: int) -> Bill:
    if price is None:
        return Bill(None, CostSource.UNPRICED, None)
    if price.gpu_hour is not None or not usage.raw:
        return Bill(cost_nanousd(price, usage, gpu_ms=gpu_ms), CostSource.USAGE, price)
    return _by_facts(price, usage)


def stated_cost(raw: Mapping[str, object]) -> int | None:
    """The nano-dollars, rounded up, that a usage object says the call was charged, or None if it says nothing.

    OpenRouter: `cost`, with what the user's own key was charged upstream beside it (`is_byok`). Perplexity: `cost` as
    an object. xAI: ticks. DeepInfra: `estimated_cost`. The gateways of Vercel and LiteLLM, whose 0 is an unknown price:
    `gateway_cost`, as the adapters name it.
    """
    if _COSTS.isdisjoint(raw):
        return None
    ticks = _amount(raw.get("cost_in_usd_ticks"), most=_MOST_DOLLARS * NANO_PER_DOLLAR * 10)
    if ticks is not None:
        return math.ceil(ticks * _XAI_TICK)
    cost = raw.get("cost")
    dollars = _amount(cost.get("total_cost")) if isinstance(cost, Mapping) else _amount(cost)
    upstream = _amount(_at(raw, "cost_details", "upstream_inference_cost"))
    if raw.get("is_byok") is True:
        # OpenRouter's own fee may be nothing; what the upstream charged never is.
        dollars = (dollars or Fraction(0)) + upstream if upstream else None
    elif dollars is not None and upstream is not None:
        dollars = max(dollars, upstream)
    if dollars is None:
        dollars = _amount(raw.get("estimated_cost")) or _amount(raw.get("gateway_cost")) or None
    return None if dollars is None else math.ceil(dollars * NANO_PER_DOLLAR)


def _by_facts(price: Price, usage: Usage) -> Bill:
    raw, doubts = usage.raw, list[str]()
    factor = _ONE
    for tier in _tiers(raw):
        other = price.by_service(tier)
        if other is not None:
            price = other
        else:
            factor *= _MOST_FOR_TIER.get(tier, _MOST_FOR_ANY_TIER)
            doubts.append(f"the service tier {tier!r} has no rates in the registry")
    region = _word(raw.get("inference_geo"))
    if region and region not in _NO_REGION:
        if region in price.regions:
            factor *= Fraction(price.regions[region])
        else:
            factor *= _MOST_FOR_REGION
            doubts.append(f"the region {region!r} has no rates in the registry")
    rates = price.rates_for(usage.input_tokens)
    if rates is None:
        raise ValueError("a price needs rates or gpu_hour")
    disbelieved = dict[str, int]()
    tokens, fees = _tokens(rates, usage, doubts), _fees(price, raw, doubts, disbelieved)
    if tokens is None and fees is _NOTHING and factor is _ONE:  # to compare fractions takes as long as all the rest
        nanousd = cost_nanousd(price, usage)
    else:
        nanousd = math.ceil(factor * (cost_nanousd(price, usage) if tokens is None else tokens) + fees)
    return Bill(nanousd, CostSource.ESTIMATE if doubts else CostSource.USAGE, price, tuple(doubts), disbelieved)


def _tokens(rates: Rates, usage: Usage, doubts: list[str]) -> Fraction | None:
    """The cost of the tokens in nano-dollars, exactly; None if they are all text at the usual rates."""
    raw = usage.raw
    if _APART.isdisjoint(raw):
        return None
    cached, written = usage.cached_tokens, usage.cache_write_tokens
    hour = min(_number(raw, "cache_creation", "ephemeral_1h_input_tokens"), written)
    plain = usage.input_tokens - cached - written
    heard = min(_modality(raw, "prompt_tokens_details", "promptTokensDetails"), plain)
    spoken = min(_modality(raw, "completion_tokens_details", "candidatesTokensDetails"), usage.output_tokens)
    if not (hour or heard or spoken):
        return None

    def rate(name: str, count: int, otherwise: Decimal, what: str) -> Decimal:
        value: Decimal | None = getattr(rates, name)
        if value is None and count and otherwise:
            doubts.append(f"{what} have no rate in the registry")
        return otherwise if value is None else value

    def or_input(rate: Decimal | None) -> Decimal:
        return rates.input if rate is None else rate

    write = or_input(rates.cache_write)
    most_for_hour = max(write, _MOST_FOR_HOUR_WRITE * rates.input)
    lines = (
        (plain - heard, rates.input),
        (cached, or_input(rates.cache_read)),
        (written - hour, write),
        (hour, rate("cache_write_1h", hour, most_for_hour, "cache writes for an hour")),
        (heard, rate("input_audio", heard, _MOST_FOR_AUDIO * rates.input, "tokens of audio input")),
        (usage.output_tokens - spoken, rates.output),
        (spoken, rate("output_audio", spoken, _MOST_FOR_AUDIO * rates.output, "tokens of audio output")),
    )
    return _NANO_PER_TOKEN * sum((Fraction(each) * count for count, each in lines if count), Fraction(0))


def _fees(price: Price, raw: Mapping[str, object], doubts: list[str], disbelieved: dict[str, int]) -> Fraction:
    """The fees of server tools, in nano-dollars. An impossible number of uses is left out, and put into
    `disbelieved`."""
    if _TOOLS.isdisjoint(raw):
        return _NOTHING
    free = price.rates is not None and not price.rates.input and not price.rates.output

    def believed(tool: str, uses: int) -> int:
        if uses <= _MOST_USES:
            return uses
        disbelieved[tool] = uses
        doubts.append(f"its reply tells of {uses:,} uses of {tool!r}, far more than there can be")
        return 0

    searches = believed(WEB_SEARCH, max(_number(raw, *path) for path in _SEARCHES))
    fee = price.fees.get(WEB_SEARCH)
    if searches and fee is None and not free:
        doubts.append(f"{searches} web searches have no fee in the registry")
    cost = _NOTHING
    if searches:
        cost = searches * Fraction(fee if fee is not None else Decimal(0) if free else _MOST_FOR_SEARCH)
    for name in _USES:
        for tool in raw[name] if isinstance(raw.get(name), Mapping) else ():  # type: ignore[attr-defined]
            if tool not in _FREE_TOOLS and not free and (uses := believed(tool, _number(raw, name, tool))):
                cost += uses * Fraction(price.fees.get(tool, _MOST_FOR_SEARCH))
                if tool not in price.fees:
                    doubts.append(f"the server tool {tool!r} has no fee in the registry")
    iterations = raw.get("iterations")
    models = {_at(each, "model") for each in iterations} if isinstance(iterations, list) else set()
    if others := sorted(str(model) for model in models if model):
        doubts.append(f"some of its tokens are those of {', '.join(others)}, at this model's rates")
    return _NOTHING if cost is _NOTHING else cost * NANO_PER_DOLLAR


def _tiers(raw: Mapping[str, object]) -> Iterator[str]:
    """The service tiers, other than the standard one, that a reply names."""
    tier = _word(raw.get("service_tier")) or _word(raw.get("serviceTier")) or _word(raw.get("trafficType"))
    tier = tier.removeprefix("service_tier_").removeprefix("on_demand_")
    for each in (tier, _word(raw.get("speed"))):  # Anthropic's fast mode
        if each and each not in _STANDARD:
            yield each


def _modality(raw: Mapping[str, object], compatible: str, google: str) -> int:
    """Audio tokens, which are part of the input or output count."""
    parts = raw.get(google)
    heard = (part for part in parts if _at(part, "modality") == "AUDIO") if isinstance(parts, list) else ()
    return max(_number(raw, compatible, "audio_tokens"), sum(_number(part, "tokenCount") for part in heard))


def _at(raw: object, *path: str) -> object:
    for key in path:
        if raw is None:
            return None
        raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw


def _number(raw: object, *path: str) -> int:
    value = _at(raw, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _word(value: object) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _amount(value: object, most: int = _MOST_DOLLARS) -> Fraction | None:
    """A number that can be a price: not negative and not absurdly large."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return Fraction(amount) if amount.is_finite() and 0 <= amount <= most else None
