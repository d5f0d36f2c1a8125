"""What a call costs by what its reply says of its price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from orchestrator.billing import CostSource, bill, stated_cost
from orchestrator.money import OtherRates, Price, Rates, Tier
from orchestrator.types import Usage

DAY = date(2026, 11, 21)
RATES = Rates(Decimal(2), Decimal(10), Decimal("0.2"), Decimal("2.5"), Decimal(4))
PRICE = Price(
    DAY,
    "a test",
    DAY,
    RATES,
    (Tier(1_000_000, Rates(Decimal(20), Decimal(100))),),
    batch=OtherRates(Rates(Decimal(1), Decimal(5))),
    service={"priority": OtherRates(Rates(Decimal(4), Decimal(20)))},
    regions={"us": Decimal("1.1")},
    fees={"web_search": Decimal("0.01")},
)
PLAIN = replace(PRICE, rates=Rates(Decimal(2), Decimal(10)), batch=None, service={}, regions={}, fees={})
COUNTED = Usage(1000, 100)  # at PRICE: 2,000,000 and 1,000,000 nano-dollars


@pytest.mark.parametrize(
    ("raw", "nanousd"),
    [
        pytest.param({"cost": 0.00524}, 5_240_000, id="OpenRouter"),
        pytest.param({"cost": "0.0000000011"}, 2, id="text, and rounded up"),
        pytest.param({"cost": 0}, 0, id="for nothing"),
        pytest.param(
            {"cost": 0.005, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.005}},
            5_000_000,
            id="upstream is part of it",
        ),
        pytest.param(
            {"cost": 0.0005, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.01}},
            10_500_000,
            id="a key of the user's upstream: both",
        ),
        pytest.param(
            {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.01}}, 10_000_000, id="upstream"
        ),
        pytest.param({"cost": 0.0005, "is_byok": True, "cost_details": {}}, None, id="upstream does not say"),
        pytest.param({"cost": {"request_cost": 0.005, "total_cost": 0.006}}, 6_000_000, id="Perplexity"),
        pytest.param({"cost_in_usd_ticks": 37_756_001}, 3_775_601, id="xAI"),
        pytest.param({"estimated_cost": 0.000002}, 2000, id="DeepInfra"),
        pytest.param({"gateway_cost": "0.00025"}, 250_000, id="a gateway"),
        pytest.param({"gateway_cost": "0.0"}, None, id="a gateway that knows no price"),
        pytest.param({"cost": -1}, None, id="less than nothing"),
        pytest.param({"cost": float("nan")}, None, id="not a number"),
        pytest.param({"cost": 1e300}, None, id="beyond all measure"),
        pytest.param({"cost": True}, None, id="true"),
        pytest.param({"cost": None, "cost_details": None}, None, id="nothing"),
    ],
)
def test_a_price_that_a_reply_states_is_the_cost(raw: Mapping[str, Any], nanousd: int | None) -> None:
    assert stated_cost(raw) == nanousd
    found = bill(PRICE, replace(COUNTED, raw=raw))
    expected = (nanousd, CostSource.PROVIDER) if nanousd is not None else (3_000_000, CostSource.USAGE)
    assert (found.nanousd, found.source, found.doubts) == (*expected, ())


def test_a_model_without_a_price_costs_what_its_reply_states_and_is_unpriced_else() -> None:
    assert bill(None, replace(COUNTED, raw={"cost": 0.25})).nanousd == 250_000_000
    assert (bill(None, COUNTED).nanousd, bill(None, COUNTED).source) == (None, CostSource.UNPRICED)


@pytest.mark.parametrize(
    ("price", "worst", "stated", "cost"),
    [
        pytest.param(PRICE, 50_000_000, "999999", (50_000_000, CostSource.ESTIMATE), id="absurd: the worst case"),
        pytest.param(PRICE, 50_000_000, "0.75", (750_000_000, CostSource.PROVIDER), id="a dear gateway"),
        pytest.param(PRICE, 50_000_000, "0.7500001", (50_000_000, CostSource.ESTIMATE), id="just absurd"),
        pytest.param(PRICE, 1, "999999", (3_000_000, CostSource.ESTIMATE), id="the counts, if they are more"),
        pytest.param(PRICE, None, "999999", (3_000_000, CostSource.ESTIMATE), id="nothing was set aside"),
        pytest.param(None, None, "999999", (None, CostSource.UNPRICED), id="nobody knows a price"),
        pytest.param(
            None, 50_000_000, "999999", (50_000_000, CostSource.ESTIMATE), id="nobody knows its price any more"
        ),
    ],
)
def test_a_stated_price_is_held_against_what_the_call_can_cost(
    price: Price | None, worst: int | None, stated: str, cost: tuple[int | None, CostSource]
) -> None:
    for raw in (
        {"cost": stated},
        {"estimated_cost": stated},
        {"cost": {"total_cost": stated}},
        {"gateway_cost": stated},
    ):
        found = bill(price, replace(COUNTED, raw=raw), worst_nanousd=worst)
        assert (found.nanousd, found.source) == cost
        believed = found.source is CostSource.PROVIDER
        assert found.disbelieved == ({} if believed else {"cost_nanousd": round(float(stated) * 10**9)})
        assert ["far more than it can have" in doubt for doubt in found.doubts] == [True] * (not believed)


def test_without_a_price_and_without_counts_a_hundred_dollars_are_believed() -> None:
    assert bill(None, Usage(raw={"cost": 100})).nanousd == 100 * 10**9
    assert bill(None, Usage(raw={"cost": 101})).source is CostSource.UNPRICED


@pytest.mark.parametrize(
    "raw",
    [
        {"server_tool_use": {"web_search_requests": 10**15}},
        {"server_tool_use": {"code_execution_requests": 10**30}},
        {"web_searches": 1_001},
        {"num_sources_used": 10**400},
    ],
)
def test_more_uses_of_a_tool_than_there_can_be_are_not_billed(raw: Mapping[str, Any]) -> None:
    found = bill(PRICE, replace(COUNTED, raw=raw), worst_nanousd=50_000_000)
    assert (found.nanousd, found.source) == (50_000_000, CostSource.ESTIMATE)
    assert list(found.disbelieved.values()) == [max(v if isinstance(v, int) else max(v.values()) for v in raw.values())]
    assert "far more than there can be" in found.doubts[0]


CACHED = Usage(1000, 100, cached_tokens=100, cache_write_tokens=500)
EXACT: dict[str, tuple[Usage, Mapping[str, Any], int]] = {
    "five minutes in the cache": (CACHED, {"cache_creation": {"ephemeral_5m_input_tokens": 500}}, 3_070_000),
    "an hour in the cache": (CACHED, {"cache_creation": {"ephemeral_1h_input_tokens": 400}}, 3_670_000),
    "the standard tier": (COUNTED, {"service_tier": "default"}, 3_000_000),
    "priority": (COUNTED, {"service_tier": "priority"}, 6_000_000),
    "priority in Google's words": (COUNTED, {"trafficType": "ON_DEMAND_PRIORITY"}, 6_000_000),
    "on demand": (COUNTED, {"trafficType": "ON_DEMAND"}, 3_000_000),
    "by batch": (COUNTED, {"service_tier": "batch"}, 1_500_000),
    "a region": (COUNTED, {"inference_geo": "us"}, 3_300_000),
    "no region": (COUNTED, {"inference_geo": "not_available"}, 3_000_000),
    "priority in a region": (COUNTED, {"inference_geo": "us", "service_tier": "priority"}, 6_600_000),
    "web searches": (COUNTED, {"server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 9}}, 33_000_000),
    "web searches are not dearer in a region": (
        COUNTED,
        {"server_tool_use": {"web_search_requests": 1}, "inference_geo": "us"},
        13_300_000,
    ),
}


@pytest.mark.parametrize(("usage", "raw", "nanousd"), EXACT.values(), ids=EXACT)
def test_what_has_a_rate_is_billed_at_it(usage: Usage, raw: Mapping[str, Any], nanousd: int) -> None:
    found = bill(PRICE, replace(usage, raw=raw))
    assert (found.nanousd, found.source, found.doubts) == (nanousd, CostSource.USAGE, ())


DOUBTFUL: dict[str, tuple[Usage, Mapping[str, Any], int, str]] = {
    "an hour in the cache": (
        Usage(1000, 100, cache_write_tokens=500),
        {"cache_creation": {"ephemeral_1h_input_tokens": 500}},
        4_000_000,
        "cache writes for an hour",
    ),
    "priority": (COUNTED, {"service_tier": "priority"}, 7_500_000, "'priority'"),
    "flex": (COUNTED, {"service_tier": "flex"}, 3_000_000, "'flex'"),
    "fast mode": (COUNTED, {"speed": "fast"}, 18_000_000, "'fast'"),
    "a region": (COUNTED, {"inference_geo": "eu"}, 3_300_000, "'eu'"),
    "audio": (COUNTED, {"completion_tokens_details": {"audio_tokens": 10}}, 4_500_000, "audio output"),
    "audio in Google's words": (
        COUNTED,
        {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 900}, {"modality": "AUDIO", "tokenCount": 100}]},
        6_000_000,
        "audio input",
    ),
    "web searches": (COUNTED, {"web_searches": 2}, 73_000_000, "2 web searches"),
    "another server tool": (
        COUNTED,
        {"server_tool_use": {"code_execution_requests": 1}},
        38_000_000,
        "'code_execution_requests'",
    ),
    "an adviser": (
        COUNTED,
        {"iterations": [{"type": "advisor_message", "model": "claude-opus-5"}]},
        3_000_000,
        "claude-opus-5",
    ),
}


@pytest.mark.parametrize(("usage", "raw", "nanousd", "doubt"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_has_no_rate_is_billed_as_an_upper_bound_and_said(
    usage: Usage, raw: Mapping[str, Any], nanousd: int, doubt: str
) -> None:
    found = bill(PLAIN, replace(usage, raw=raw))
    assert (found.nanousd, found.source) == (nanousd, CostSource.ESTIMATE)
    assert doubt in found.doubts[0]


def test_what_is_had_for_nothing_stays_so() -> None:
    free = replace(PLAIN, rates=Rates(Decimal(0), Decimal(0)))
    raw = {"server_tool_use": {"web_search_requests": 3, "other": 2}, "service_tier": "default"}
    assert (bill(free, replace(COUNTED, raw=raw)).nanousd, bill(free, replace(COUNTED, raw=raw)).doubts) == (0, ())
