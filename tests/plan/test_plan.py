from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.choose.quote import FREE_TIER, affordable_output, output_limit, price_for, quote, worst_case
from orchestrator.money import Price, Rates, cost_nanousd
from orchestrator.plan import Accept, Call, Cascade, CostRange, Panel, calls, price, to_dict
from orchestrator.plan.load import Load
from orchestrator.registry.model import FreeQuota, ModelSpec, Scores
from orchestrator.types import Level, Usage

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DAY = date(2026, 1, 1)
COSTS = {
    "a": CostRange(1, 2, 10),
    "b": CostRange(3, 5, 20),
    "free": CostRange(0, 0, 0),
    "?": CostRange(None, None, None),
}


def cost(node: Call | Cascade | Panel) -> CostRange:
    return price(node, lambda call: COSTS[call.model])


def a_model(prices: tuple[Price, ...], **fields: object) -> ModelSpec:
    values: dict[str, object] = {"context_window": 100_000, "output_limit": 10_000, **fields}
    return ModelSpec("m", "openai", "m", prices, levels=(Level.BASIC,), scores=Scores(0, 0, 0, 0), **values)  # type: ignore[arg-type]


def test_a_cascade_costs_its_first_leg_at_least_and_all_of_them_at_most() -> None:
    assert cost(Cascade((Call("a"), Call("b")))) == CostRange(1, 2, 30)


def test_a_panel_costs_all_of_its_members() -> None:
    assert cost(Panel((Call("a"), Call("b")))) == CostRange(4, 7, 30)


def test_nodes_nest() -> None:
    plan = Cascade((Panel((Call("a"), Call("free"))), Call("b")))
    assert cost(plan) == CostRange(1, 2, 30)
    assert [call.model for call in calls(plan)] == ["a", "free", "b"]


@pytest.mark.parametrize("plan", [Panel((Call("a"), Call("?"))), Cascade((Call("?"), Call("a")))])
def test_an_unpriced_call_makes_a_sum_unknown_and_never_zero(plan: Panel | Cascade) -> None:
    assert cost(plan).maximum is None


def test_a_plan_is_plain_data() -> None:
    assert to_dict(Cascade((Call("a"), Panel((Call("b", name="second"),))), Accept(0.5))) == {
        "cascade": {
            "threshold": 0.5,
            "legs": [{"call": {"model": "a"}}, {"panel": {"members": [{"call": {"model": "b", "name": "second"}}]}}],
        }
    }


rates = st.decimals(min_value=0, max_value=100, places=4)


@given(rates, rates, st.integers(0, 50_000), st.integers(1, 20_000), st.integers(1, 10_000), st.data())
def test_a_call_never_costs_more_than_its_quote_and_the_quote_is_in_order(
    input_rate: Decimal, output_rate: Decimal, tokens: int, expected: int, max_tokens: int, data: st.DataObject
) -> None:
    applied = Price(DAY, "test", DAY, Rates(input_rate, output_rate))
    spec = a_model((applied,))
    load = Load(tokens, 4 * tokens + 64, expected)
    limit = output_limit(spec, load, max_tokens)
    found = quote(spec, applied, load, limit=limit, timeout_s=600)
    assert found.minimum is not None
    assert found.expected is not None
    assert found.maximum is not None
    assert found.minimum <= found.expected <= found.maximum
    used = Usage(data.draw(st.integers(0, load.input_bound)), data.draw(st.integers(0, limit)))
    assert cost_nanousd(applied, used) <= found.maximum


@given(rates, st.decimals("0.01", 100, places=4), st.integers(0, 10_000), st.integers(0, 10**10))
def test_what_is_affordable_fits_and_hardly_more_would(
    input_rate: Decimal, output_rate: Decimal, tokens: int, allowance: int
) -> None:
    applied = Price(DAY, "test", DAY, Rates(input_rate, output_rate))
    load = Load(tokens, tokens, 100)
    affordable = affordable_output(applied, load, allowance)
    if affordable < 0:
        assert worst_case(applied, load, 0, 600) > allowance
        return
    assert worst_case(applied, load, affordable, 600) <= allowance
    assert worst_case(applied, load, affordable + 2, 600) > allowance


def test_the_limit_on_a_reply_leaves_room_for_the_prompt() -> None:
    spec = a_model((), context_window=1000, output_limit=800)
    assert output_limit(spec, Load(900, 3600, 10), None) == 50  # half of what is left stays free
    assert output_limit(spec, Load(10, 40, 10), None) == 800
    assert output_limit(spec, Load(10, 40, 10), 50) == 50
    assert output_limit(spec, Load(1001, 4000, 10), None) < 1


def test_a_model_without_a_price_is_unpriced_and_not_free() -> None:
    assert quote(a_model(()), None, Load(1, 4, 1), limit=1, timeout_s=1) == CostRange(None, None, None)


def test_a_model_on_its_free_tier_costs_nothing_while_the_others_keep_their_price() -> None:
    applied = Price(DAY, "test", DAY, Rates(Decimal(1), Decimal(2)))
    given_away = FreeQuota(tokens_per_day=1000)
    spec, tagged = (
        a_model((applied,), free_quota=given_away),
        a_model((), free_quota=given_away, tags=frozenset({FREE_TIER})),
    )
    assert price_for(spec, NOW, ()) == price_for(a_model((applied,)), NOW, ["openai"]) == applied
    for found in (price_for(spec, NOW, ["openai"]), price_for(tagged, NOW, ())):
        assert found is not None
        assert cost_nanousd(found, Usage(10**6, 10**6)) == 0


def test_a_self_hosted_model_cannot_cost_more_than_its_gpu_until_the_deadline() -> None:
    by_gpu = Price(DAY, "test", DAY, gpu_hour=Decimal("0.36"))
    spec = a_model((by_gpu,), tokens_per_second=20.0)
    found = quote(spec, by_gpu, Load(200, 800, 100), limit=1000, timeout_s=60)
    assert found.maximum == 60 * 100_000
    assert found.expected == pytest.approx(5.5 * 100_000)
