from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.money import (
    OtherRates,
    Price,
    Rates,
    Tier,
    cost_nanousd,
    discounted,
    dollars_to_nanousd,
    format_nanousd,
    price_at,
    worst_case_nanousd,
)
from orchestrator.types import Usage

DAY = date(2026, 1, 1)
HAIKU = Price(DAY, "test", DAY, Rates(Decimal("0.80"), Decimal("4"), Decimal("0.08"), Decimal("1")))


@pytest.mark.parametrize(
    ("usage", "nanousd"),
    [
        pytest.param(Usage(1000, 500), 800_000 + 2_000_000, id="plain"),
        pytest.param(Usage(1000, 0, cached_tokens=900), 80_000 + 72_000, id="a-cached-token-is-counted-once"),
        pytest.param(Usage(1000, 0, cache_write_tokens=1000), 1_000_000, id="cache-write"),
        pytest.param(Usage(0, 500, reasoning_tokens=400), 2_000_000, id="reasoning-is-part-of-the-output"),
        pytest.param(Usage(), 0, id="nothing"),
    ],
)
def test_a_call_costs_what_its_tokens_cost(usage: Usage, nanousd: int) -> None:
    assert cost_nanousd(HAIKU, usage) == nanousd


def test_a_tier_prices_the_whole_call_from_one_token_above_its_bound() -> None:
    tier = Tier(200_000, Rates(Decimal(6), Decimal("22.5")))
    price = Price(DAY, "test", DAY, Rates(Decimal(3), Decimal(15)), (tier,))
    assert cost_nanousd(price, Usage(200_000, 10)) == 3_000 * 200_000 + 15_000 * 10
    assert cost_nanousd(price, Usage(200_001, 10)) == 6_000 * 200_001 + 22_500 * 10


def test_a_gpu_hour_is_charged_by_the_millisecond_rounded_up() -> None:
    price = Price(DAY, "test", DAY, gpu_hour=Decimal("0.36"))
    assert cost_nanousd(price, Usage(1000, 1000), gpu_ms=1000) == 100_000
    assert cost_nanousd(price, Usage(), gpu_ms=0) == 0


def test_of_several_prices_the_last_that_has_started_and_is_in_its_hours_applies() -> None:
    old, new = Price(DAY, "old", DAY), Price(date(2026, 6, 1), "new", DAY)
    night = Price(date(2026, 6, 1), "night", DAY, hours_utc=(time(22), time(4)))
    prices = (old, new, night)

    def source(when: datetime) -> str:
        price = price_at(prices, when)
        assert price is not None
        return price.source

    assert source(datetime(2026, 5, 31, 23, tzinfo=UTC)) == "old"
    assert source(datetime(2026, 6, 1, 12, tzinfo=UTC)) == "new"
    assert source(datetime(2026, 6, 2, 3, 59, tzinfo=UTC)) == "night"
    assert source(datetime(2026, 6, 2, 4, tzinfo=UTC)) == "new"
    assert price_at(prices, datetime(2025, 12, 31, tzinfo=UTC)) is None


rates = st.decimals(min_value=0, max_value=1000, places=6)
optional_rates = st.none() | rates


@st.composite
def prices(draw: st.DrawFn) -> Price:
    def some() -> Rates:
        return Rates(draw(rates), draw(rates), draw(optional_rates), draw(optional_rates))

    tiers = [Tier(draw(st.integers(0, 10**6)), some()) for _ in range(draw(st.integers(0, 2)))]
    return Price(DAY, "test", DAY, some(), tuple(tiers))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total = draw(st.integers(0, 2 * 10**6))
    cached = draw(st.integers(0, total))
    written = draw(st.integers(0, total - cached))
    return Usage(total, draw(st.integers(0, 10**6)), cached, written)


def exact_nanousd(price: Price, usage: Usage) -> Fraction:
    applied = price.rates_for(usage.input_tokens)
    assert applied is not None
    plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    return 1000 * (
        Fraction(applied.input) * plain
        + Fraction(applied.input if applied.cache_read is None else applied.cache_read) * usage.cached_tokens
        + Fraction(applied.input if applied.cache_write is None else applied.cache_write) * usage.cache_write_tokens
        + Fraction(applied.output) * usage.output_tokens
    )


@given(prices(), usages())
def test_a_cost_is_the_exact_one_rounded_up(price: Price, usage: Usage) -> None:
    assert 0 <= cost_nanousd(price, usage) - exact_nanousd(price, usage) < 1


@given(prices(), usages(), st.decimals(min_value="0.000001", max_value=1, places=30))
def test_a_call_by_batch_costs_the_exact_share_of_it_rounded_up(price: Price, usage: Usage, factor: Decimal) -> None:
    assert price.rates is not None
    by_batch = replace(price, batch=discounted(price.rates, price.tiers, factor)).by_batch()
    assert by_batch is not None
    exact = Fraction(factor) * exact_nanousd(price, usage)
    assert 0 <= cost_nanousd(by_batch, usage) - exact < 1
    assert cost_nanousd(by_batch, usage) <= cost_nanousd(price, usage)


@given(prices(), prices(), usages())
def test_a_batch_rate_of_its_own_prices_the_call_as_any_price_does(price: Price, other: Price, usage: Usage) -> None:
    assert other.rates is not None
    by_batch = replace(price, batch=OtherRates(other.rates, other.tiers)).by_batch()
    assert by_batch is not None
    assert by_batch.batch is None
    assert cost_nanousd(by_batch, usage) == cost_nanousd(other, usage)
    assert price.by_batch() is None


@given(prices(), usages(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_call_costs_more_than_its_worst_case(price: Price, usage: Usage, more_in: int, more_out: int) -> None:
    worst = worst_case_nanousd(
        price, input_tokens=usage.input_tokens + more_in, output_tokens=usage.output_tokens + more_out
    )
    assert cost_nanousd(price, usage) <= worst


@given(st.decimals(min_value=0, max_value=10**6, places=12))
def test_a_cap_is_never_raised_by_rounding(dollars: Decimal) -> None:
    assert 0 <= Fraction(dollars) * 10**9 - dollars_to_nanousd(dollars) < 1


@pytest.mark.parametrize("amount", ["nan", "inf", "-Infinity"])
def test_what_is_not_an_amount_is_no_cap(amount: str) -> None:
    with pytest.raises(ValueError, match="amount of money"):
        dollars_to_nanousd(amount)


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [(None, "unpriced"), (0, "$0.00"), (1_800_000, "$0.0018"), (1, "$0.000000001"), (1_234_500_000_000, "$1,234.50")],
)
def test_money_for_people(nanousd: int | None, text: str) -> None:
    assert format_nanousd(nanousd) == text
