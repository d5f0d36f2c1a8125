"""Money: Decimal prices times usage, as integer nano-dollars, rounded up once for each call.

A price is in dollars per million tokens, as providers publish it, or in dollars per GPU hour for a self-hosted model. 1
$/M tokens is 1,000 nano-dollars a token. All arithmetic is exact, in integers over a common denominator. Only the last
step rounds, and it rounds up: a recorded cost is never below the true one and at most one nano-dollar above it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, date, datetime, time, timedelta
from decimal import MAX_PREC, Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from .deferred import dataclass, replace
from .once import once_for_each
from .types import Usage

NANO_PER_DOLLAR = 1_000_000_000
# What no call reaches: with more, sums over calls would not fit into SQLite's 64 bits.
MOST_NANOUSD = 1_000_000 * NANO_PER_DOLLAR
MOST_TOKENS = 10**12
_MOST_DIGITS = 8  # of whole dollars, less one: a sum of such amounts fits into SQLite's 64 bits
_EXACTLY = Context(prec=MAX_PREC)  # a product has no more digits than its factors together
_NANO_PER_TOKEN = 1_000  # at a rate of 1 $ per million tokens


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars per million tokens. Without a cache rate, a cached token costs as much as any input token."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None  # in the cache for an hour
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None

    @property
    def dearest_input(self) -> Decimal:
        """The highest rate for the input that orch sends: text, which providers cache for five minutes unless asked
        for more."""
        return max(rate for rate in (self.input, self.cache_read, self.cache_write) if rate is not None)

    def times(self, factor: Decimal) -> Rates:
        """All rates multiplied by a factor, exactly."""
        each = {name: rate for name in RATE_NAMES if (rate := getattr(self, name)) is not None}
        return Rates(**{name: _EXACTLY.multiply(rate, factor) for name, rate in each.items()})


RATE_NAMES = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "input_audio", "output_audio")


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates for the whole call, input and output, if its input is longer than `above` tokens."""

    above: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class OtherRates:
    """The rates of another kind of service: batch, priority, flexible."""

    rates: Rates
    tiers: tuple[Tier, ...] = ()


@dataclass(frozen=True, slots=True)
class Price:
    """A price from `start` on, inclusive (UTC), optionally only between two times of the UTC day.

    Exactly one of `rates` and `gpu_hour` (dollars) is set. `checked`: when it was last compared with `source`. `batch`
    is None where no batch rate is known, though there may be one. `service`: rates of service tiers, by the names in
    replies. `regions`: the multiplier of all rates in a region. `fees`: dollars for one use of a server tool.
    """

    start: date
    source: str
    checked: date
    rates: Rates | None = None
    tiers: tuple[Tier, ...] = ()
    gpu_hour: Decimal | None = None
    hours_utc: tuple[time, time] | None = None  # from, up to and not including; may pass midnight
    note: str | None = None
    batch: OtherRates | None = None
    service: Mapping[str, OtherRates] = field(default_factory=dict, hash=False)
    regions: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    fees: Mapping[str, Decimal] = field(default_factory=dict, hash=False)

    def applies_at(self, when: datetime) -> bool:
        """Whether the price applies at a time."""
        if self.hours_utc is None and when.toordinal() > self.start.toordinal() + 1:
            return True  # wherever `when` is: no time zone is further than a day from UTC
        utc = when.astimezone(UTC)
        if utc.date() < self.start:
            return False
        if self.hours_utc is None:
            return True
        first, last = self.hours_utc
        now = utc.time()
        return first <= now < last if first <= last else now >= first or now < last

    def rates_for(self, input_tokens: int) -> Rates | None:
        """The rates of the highest tier that this many input tokens reach."""
        if not self.tiers:
            return self.rates
        reached = [tier for tier in self.tiers if input_tokens > tier.above]
        return max(reached, key=lambda tier: tier.above).rates if reached else self.rates

    def by_batch(self) -> Price | None:
        """The price of the same call in a batch, None if unknown."""
        return None if self.batch is None else self._instead(self.batch)

    def for_batches(self) -> Price | None:
        """As `by_batch`, and it is the same for a reply that says that it came by batch."""
        by_batch = self.by_batch()
        return None if by_batch is None else replace(by_batch, batch=self.batch)

    def by_service(self, tier: str) -> Price | None:
        """The price of the same call in a service tier, None if unknown."""
        if tier == "batch":
            return self.by_batch()
        return self._instead(self.service[tier]) if tier in self.service else None

    def _instead(self, other: OtherRates) -> Price:
        return replace(self, rates=other.rates, tiers=other.tiers, batch=None, service={})


def discounted(rates: Rates, tiers: tuple[Tier, ...], factor: Decimal) -> OtherRates:
    """Rates that are a factor of the usual ones, exactly."""
    return OtherRates(rates.times(factor), tuple(Tier(tier.above, tier.rates.times(factor)) for tier in tiers))


def price_at(prices: tuple[Price, ...], when: datetime) -> Price | None:
    """The price at a time: the last one in the list that has started and whose hours include `when`."""
    for price in reversed(prices):
        if price.applies_at(when):
            return price
    return None


def prices_between(prices: tuple[Price, ...], first: datetime, last: datetime) -> tuple[Price | None, ...]:
    """The prices between two times, both included, in order; None where there is none."""
    if all(price.hours_utc is None and price.applies_at(first) for price in prices):
        return (price_at(prices, first),)
    first, last = first.astimezone(UTC), last.astimezone(UTC)
    times = {time.min, *(at for price in prices for at in price.hours_utc or ())}
    days = (first.date() + timedelta(days=count) for count in range((last.date() - first.date()).days + 1))
    changes = (datetime.combine(day, at, UTC) for day in days for at in times)
    moments = sorted({first, last, *(moment for moment in changes if first < moment < last)})
    return tuple(dict.fromkeys(price_at(prices, moment) for moment in moments))


def cost_nanousd(price: Price, usage: Usage, *, gpu_ms: int = 0) -> int:
    """The cost of a call in nano-dollars, rounded up. `gpu_ms` counts only for a price by GPU hour."""
    if price.gpu_hour is not None:
        return math.ceil(Fraction(price.gpu_hour) * NANO_PER_DOLLAR * gpu_ms / 3_600_000)
    rates = price.rates_for(usage.input_tokens)
    if rates is None:
        raise ValueError("a price needs rates or gpu_hour")
    cached, written = usage.cached_tokens, usage.cache_write_tokens
    plain, each = usage.input_tokens - cached - written, _nano_per_token(rates)
    cost = (
        each.input * plain + each.cache_read * cached + each.cache_write * written + each.output * usage.output_tokens
    )
    return -(-cost // each.denominator)


def worst_case_nanousd(price: Price, *, input_tokens: int, output_tokens: int, gpu_ms: int = 0) -> int:
    """An upper bound on a call's cost: all input at its highest rate and all allowed output, in the dearest tier.

    `input_tokens` must itself be an upper bound, and `output_tokens` the limit that the provider enforces.
    """
    if price.gpu_hour is not None:
        return cost_nanousd(price, Usage(), gpu_ms=gpu_ms)
    candidates = [price.rates, *(tier.rates for tier in price.tiers if input_tokens > tier.above)]
    worst = 0
    for rates in candidates:
        if rates is not None:
            each = _nano_per_token(rates)
            cost = each.dearest_input * input_tokens + each.output * output_tokens
            worst = max(worst, -(-cost // each.denominator))
    return worst


class _NanoPerToken(NamedTuple):
    """Rates as integers: nano-dollars for a token, all over the same denominator."""

    denominator: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    dearest_input: int


@once_for_each(1024)  # a rate is worked out once, however many calls are priced by it
def _nano_per_token(rates: Rates) -> _NanoPerToken:
    read = rates.input if rates.cache_read is None else rates.cache_read
    write = rates.input if rates.cache_write is None else rates.cache_write
    exact = [_NANO_PER_TOKEN * Fraction(rate) for rate in (rates.input, rates.output, read, write, rates.dearest_input)]
    denominator = math.lcm(*(rate.denominator for rate in exact))
    return _NanoPerToken(denominator, *(int(rate * denominator) for rate in exact))


def dollars_to_nanousd(dollars: Decimal | float | str) -> int:
    """Dollars to nano-dollars, rounded down: rounding never raises a cap. Raises ValueError if it is no number."""
    amount = Decimal(str(dollars))
    if not amount.is_finite() or amount.adjusted() > _MOST_DIGITS:
        raise ValueError(f"{dollars} is not an amount of money that can be counted")
    return math.floor(Fraction(amount) * NANO_PER_DOLLAR)


def format_nanousd(nanousd: int | None) -> str:
    """For people: `$0.0018`, with as many digits as the amount needs; `unpriced` for None."""
    if nanousd is None:
        return "unpriced"
    sign, whole, nanos = ("-" if nanousd < 0 else ""), *divmod(abs(nanousd), NANO_PER_DOLLAR)
    digits = f"{nanos:09d}".rstrip("0")
    return f"{sign}${whole:,}.{digits.ljust(2, '0')}"


def format_short(nanousd: int | None, *, at_most: bool = False) -> str:
    """For tables: to the cent, or to four significant digits where a cent is too coarse; the nearest such amount.

    `at_most` rounds down, for an amount that is shown as a lower bound.
    """
    if nanousd is None:
        return format_nanousd(None)
    amount = abs(nanousd)
    step = min(10 ** max(len(str(amount)) - 4, 0), NANO_PER_DOLLAR // 100)
    rounded = (amount + (0 if at_most else step // 2)) // step * step
    return format_nanousd(-rounded if nanousd < 0 else rounded)
