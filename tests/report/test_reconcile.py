"""Usage exports, written here as providers write them, held against a real ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_recording import NOON, UNPRICED, Recorder, recording, unsettled

from orchestrator.errors import UsageError
from orchestrator.ledger.records import CallStatus, CostSource
from orchestrator.registry.loading import load_registry
from orchestrator.registry.model import Registry
from orchestrator.registry.model_names import ModelNames
from orchestrator.report.usage_exports import FORMAT_NAMES, opened_export
from orchestrator.upkeep.reconcile import Comparison, Reconciliation, Side, reconcile

DAY = NOON.date()  # 2026-11-18
EPOCH_DAY = int(datetime(2026, 11, 18, tzinfo=UTC).timestamp())
ledger = pytest.fixture(recording)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return load_registry(models_file=None, chains_file=None, config_dir=tmp_path_factory.mktemp("empty"))


@dataclass(frozen=True)
class Desk:
    recorder: Recorder
    registry: Registry
    folder: Path

    def compare(self, content: str | bytes, wanted: str | None = None, **options: Any) -> Reconciliation:
        path = self.folder / "export"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with opened_export(path, wanted) as export:
            return reconcile(self.recorder.ledger, export, self.registry, **options)


@pytest.fixture
def desk(ledger: Recorder, registry: Registry, tmp_path: Path) -> Desk:
    return Desk(ledger, registry, tmp_path)


def sides(found: Reconciliation) -> dict[tuple[str, str], tuple[int | None, ...]]:
    return {
        (str(row.day), row.model): (
            row.provider.input_tokens,
            row.provider.output_tokens,
            row.provider.cached_tokens,
            row.provider.cost_nanousd,
        )
        for row in found.rows
        if row.provider is not None
    }


ANTHROPIC_USAGE_CSV = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,\
web_search_count,inference_geo,speed
2026-11-18,claude-sonnet-4-5-20250929,key,Default,standard,≤ 200k,1000,50,7,200,300,0,global,
2026-11-18,claude-sonnet-4-5-20250929,other,Default,standard,≤ 200k,1,0,0,0,2,0,global,
"""
ANTHROPIC_COST_CSV = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo
2026-11-18,Claude Sonnet 4.5,Default,key,message,≤ 200k,input_no_cache,1.50,1.60,token,global
2026-11-18,Claude Sonnet 4.5,Default,key,message,≤ 200k,output,0.25,0.25,token,global
2026-11-18,,Default,key,message,,,0.01,0.01,web_search,global
"""
ANTHROPIC_USAGE_JSON = {
    "data": [
        {
            "starting_at": "2026-11-18T00:00:00Z",
            "ending_at": "2026-11-19T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1001,
                    "cache_creation": {"ephemeral_1h_input_tokens": 7, "ephemeral_5m_input_tokens": 50},
                    "cache_creation_input_tokens": 57,
                    "cache_read_input_tokens": 200,
                    "output_tokens": 302,
                    "model": "claude-sonnet-4-5-20250929",
                    "service_tier": "standard",
                }
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC_COST_JSON = {
    "data": [
        {
            "starting_at": "2026-11-18T00:00:00Z",
            "ending_at": "2026-11-19T00:00:00Z",
            "results": [
                {
                    "amount": "123.78912",
                    "currency": "USD",
                    "cost_type": "tokens",
                    "model": "claude-sonnet-4-5-20250929",
                },
                {"amount": "1", "currency": "USD", "cost_type": "web_search", "description": "Web Search Usage"},
            ],
        }
    ],
    "has_more": True,
}
OPENAI_USAGE_CSV = """\
start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,\
service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens
1794960000,1795046400,2026-11-18T00:00:00+00:00,2026-11-19T00:00:00+00:00,proj,10.0,user,key,gpt-4o-2024-08-06,FALSE,\
default,59200.0,10646.0,5760.0,53440.0
1795046400,1795132800,2026-11-19T00:00:00+00:00,2026-11-20T00:00:00+00:00,,,,,,,,,,,
"""
OPENAI_COSTS_CSV = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,project_id
1794960000,1795046400,2026-11-18T00:00:00+00:00,2026-11-19T00:00:00+00:00,0.003835980000000000000000000000,usd,,,\
"gpt-5.4-mini-2026-03-17, cached input",proj
1794960000,1795046400,2026-11-18T00:00:00,2026-11-19T00:00:00,0.5,usd,1000,tokens,"priority | gpt-5.6-sol, output, long"
1794960000,1795046400,2026-11-18T00:00:00,2026-11-19T00:00:00,0.02,usd,2,calls,web search tool calls,
"""
OPENAI_USAGE_JSON = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": EPOCH_DAY,
            "end_time": EPOCH_DAY + 86_400,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 1000,
                    "output_tokens": 500,
                    "input_cached_tokens": 800,
                    "num_model_requests": 5,
                    "model": "gpt-4o-2024-08-06",
                }
            ],
        }
    ],
    "has_more": False,
}
OPENAI_COSTS_JSON = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": EPOCH_DAY,
            "results": [
                {
                    "object": "organization.costs.result",
                    "amount": {"value": 0.06, "currency": "usd"},
                    "line_item": "gpt-4o-2024-08-06, input",
                }
            ],
        }
    ],
}
GOOGLE_BILLING_CSV = """\
Invoice number,123
Total due,$1.53

Date,Service description,Service ID,SKU description,SKU ID,Usage amount,Usage unit,List cost ($),\
Unrounded subtotal ($),Subtotal ($)
2026-11-18,Gemini API,AEFD,Generate content input token count gemini 2.5 flash short input text,21,"100,000",\
count,0.07,0.075001,0.08
2026-11-18,Gemini API,AEFD,Generate content cached input token count gemini 2.5 flash text,22,"20,000",\
count,0.01,0.0015,0
2026-11-18,Gemini API,AEFD,Generate content output token count gemini 2.5 flash lite text,23,300,count,0.07,0.75,0.75
2026-11-18,Vertex AI,C7E2,Gemini 2.5 Pro Thinking Text Output - Predictions,24,5000,requests,0.07,0.5,0.5
2026-11-18,Cloud Storage,95FF,Standard Storage US,25,5,gibibyte month,0.07,0.5,0.5
,,,,,,,,1.53,1.53
"""
GENERIC_CSV = "Day;Model;Input_Tokens;Output_Tokens;Cached_Tokens;Cost\n2026-11-18;gpt-4o;10;20;3;$0.000000001\n"


@pytest.mark.parametrize(
    ("content", "name", "provider", "expected"),
    [
        pytest.param(
            ANTHROPIC_USAGE_CSV,
            "anthropic-usage-csv",
            "anthropic",
            {"claude-sonnet-4-5": (1258, 302, 200, None)},
            id="anthropic-usage-csv",
        ),
        pytest.param(
            ANTHROPIC_COST_CSV,
            "anthropic-cost-csv",
            "anthropic",
            {"claude-sonnet-4-5": (None, None, None, 1_750_000_000), "web_search": (None, None, None, 10_000_000)},
            id="anthropic-cost-csv",
        ),
        pytest.param(
            json.dumps(ANTHROPIC_USAGE_JSON),
            "anthropic-usage-json",
            "anthropic",
            {"claude-sonnet-4-5": (1258, 302, 200, None)},
            id="anthropic-usage-json",
        ),
        pytest.param(
            json.dumps(ANTHROPIC_COST_JSON),
            "anthropic-cost-json",
            "anthropic",
            {
                "claude-sonnet-4-5": (None, None, None, 1_237_891_200),
                "Web Search Usage": (None, None, None, 10_000_000),
            },
            id="anthropic-cost-json",
        ),
        pytest.param(
            json.dumps([ANTHROPIC_USAGE_JSON, ANTHROPIC_COST_JSON]),
            "anthropic-usage-json+anthropic-cost-json",
            "anthropic",
            {"claude-sonnet-4-5": (1258, 302, 200, 1_237_891_200), "Web Search Usage": (None, None, None, 10_000_000)},
            id="anthropic-usage-and-cost",
        ),
        pytest.param(
            OPENAI_USAGE_CSV,
            "openai-usage-csv",
            "openai",
            {"gpt-4o": (59200, 10646, 5760, None)},
            id="openai-usage-csv",
        ),
        pytest.param(
            OPENAI_COSTS_CSV,
            "openai-costs-csv",
            "openai",
            {
                "gpt-5.4-mini": (None, None, None, 3_835_980),
                "gpt-5.6-sol": (None, None, None, 500_000_000),
                "web search tool calls": (None, None, None, 20_000_000),
            },
            id="openai-costs-csv",
        ),
        pytest.param(
            json.dumps(OPENAI_USAGE_JSON),
            "openai-usage-json",
            "openai",
            {"gpt-4o": (1000, 500, 800, None)},
            id="openai-usage-json",
        ),
        pytest.param(
            json.dumps(OPENAI_COSTS_JSON),
            "openai-costs-json",
            "openai",
            {"gpt-4o": (None, None, None, 60_000_000)},
            id="openai-costs-json",
        ),
        pytest.param(
            GOOGLE_BILLING_CSV,
            "google-billing-csv",
            "google",
            {
                "gemini-2.5-flash": (120_000, None, 20_000, 76_501_000),
                "gemini-2.5-flash-lite": (None, 300, None, 750_000_000),
                "gemini-2.5-pro": (None, None, None, 500_000_000),
            },
            id="google-billing-csv",
        ),
        pytest.param(GENERIC_CSV, "csv", None, {"gpt-4o": (10, 20, 3, 1)}, id="csv"),
        pytest.param(
            "\ufeff" + GENERIC_CSV.replace(";", "\t"), "csv", None, {"gpt-4o": (10, 20, 3, 1)}, id="tsv-with-bom"
        ),
    ],
)
def test_every_documented_format_is_recognised_and_read(
    desk: Desk, content: str, name: str, provider: str | None, expected: dict[str, tuple[int | None, ...]]
) -> None:
    found = desk.compare(content)
    assert (found.format, found.provider) == (name, provider)
    assert sides(found) == {("2026-11-18", model): figures for model, figures in expected.items()}


def test_what_is_about_something_else_is_counted(desk: Desk) -> None:
    assert desk.compare(GOOGLE_BILLING_CSV).passed_over == 2  # storage, and the sum
    assert desk.compare(json.dumps(ANTHROPIC_COST_JSON)).incomplete
    assert not desk.compare(json.dumps(ANTHROPIC_USAGE_JSON)).incomplete


def test_ledger_and_provider_are_compared_by_model_and_utc_day(desk: Desk) -> None:
    call = {"provider": "anthropic", "model": "claude-sonnet-4-5", "cost_nanousd": 500, "output_tokens": 302}
    desk.recorder.run(dict(call, input_tokens=1000, cached_tokens=200))
    desk.recorder.run(dict(call, input_tokens=8, output_tokens=0))
    desk.recorder.run(dict(call, model="claude-opus-4-5", input_tokens=5, output_tokens=5))
    desk.recorder.run(dict(call, provider="openai", model="gpt-4o", input_tokens=5))
    found = desk.compare(ANTHROPIC_USAGE_CSV)
    sonnet, opus = sorted(found.rows, key=lambda row: row.provider is None)
    assert sonnet.ledger == Side(1008, 302, 200, 1000, calls=2, unknown_costs=0, estimated_calls=0)
    assert {figure: sonnet.difference(figure) for figure in ("input_tokens", "output_tokens", "cached_tokens")} == {
        "input_tokens": 250,
        "output_tokens": 0,
        "cached_tokens": 0,
    }
    assert sonnet.percent("input_tokens") == pytest.approx(100 * 250 / 1258, abs=1e-4)
    assert sonnet.difference("cost_nanousd") is None
    assert (opus.model, opus.provider, opus.difference("input_tokens")) == ("claude-opus-4-5", None, -5)
    assert opus.percent("input_tokens") is None
    assert found.total.difference("input_tokens") == 245


def test_a_call_counts_on_the_utc_day_on_which_it_was_sent(desk: Desk) -> None:
    east = timezone(timedelta(hours=13))
    early = datetime(2026, 11, 19, 1, tzinfo=east)  # still the 18th in UTC
    desk.recorder.run({"provider": "openai", "model": "gpt-4o", "input_tokens": 7}, at=early)
    late = datetime(2026, 11, 19, 14, tzinfo=east)
    desk.recorder.run({"provider": "openai", "model": "gpt-4o", "input_tokens": 9}, at=late)
    before_midnight = datetime(2026, 11, 18, 23, 59, 59, tzinfo=UTC)
    sent = {"sent_at": before_midnight + timedelta(seconds=2), "input_tokens": 100}
    desk.recorder.run({"provider": "openai", "model": "gpt-4o", **sent}, at=before_midnight)
    found = {(row.day, row.model): row.ledger.input_tokens for row in desk.compare(OPENAI_USAGE_CSV).rows if row.ledger}
    # The 19th is covered: the export has an empty row for it.
    assert found == {(DAY, "gpt-4o"): 7, (DAY + timedelta(days=1), "gpt-4o"): 109}


@pytest.mark.parametrize(
    ("columns", "calls"),
    [
        pytest.param({}, 1, id="completed"),
        pytest.param({"status": CallStatus.FAILED, "cost_source": CostSource.ESTIMATE}, 1, id="failed-may-be-billed"),
        pytest.param({"status": CallStatus.FAILED, "cost_source": CostSource.NONE}, 0, id="certainly-not-billed"),
        pytest.param(unsettled(5), 1, id="sent-and-not-settled"),
        pytest.param(unsettled(5, CallStatus.RESERVED), 0, id="never-sent"),
        pytest.param(UNPRICED, 1, id="unpriced"),
    ],
)
def test_only_calls_that_may_be_billed_are_compared(desk: Desk, columns: dict[str, Any], calls: int) -> None:
    desk.recorder.run({"provider": "openai", "model": "gpt-4o", **columns})
    desk.recorder.run({"provider": "openai", "model": "gpt-4o"}, simulated=True)
    total = desk.compare(OPENAI_USAGE_CSV).total.ledger
    assert (0 if total is None else total.calls) == calls


def test_calls_outside_the_days_of_the_export_are_left_out(desk: Desk) -> None:
    for days in (-1, 2, 400):
        desk.recorder.run({"provider": "openai", "model": "gpt-4o"}, at=NOON + timedelta(days=days))
    assert desk.compare(OPENAI_USAGE_CSV).total.ledger is None


def test_a_generic_table_can_be_limited_to_a_provider(desk: Desk) -> None:
    desk.recorder.run({"provider": "openai", "model": "gpt-4o", "input_tokens": 10})
    desk.recorder.run({"provider": "deepseek", "model": "deepseek-chat", "input_tokens": 10})
    assert len(desk.compare(GENERIC_CSV).rows) == 2
    assert len(desk.compare(GENERIC_CSV, provider="openai").rows) == 1


def test_a_name_that_replies_gave_is_that_of_the_model_that_was_called(desk: Desk) -> None:
    desk.recorder.run({"provider": "openai", "model": "gpt-4o", "raw_model": "gpt-4o-secret-build", "input_tokens": 10})
    found = desk.compare(GENERIC_CSV.replace("gpt-4o", "gpt-4o-secret-build"), provider="openai")
    assert [row.model for row in found.rows] == ["gpt-4o"]


@pytest.mark.parametrize(
    ("input_tokens", "tolerance", "within"),
    [
        pytest.param(10, "0", True, id="equal"),
        pytest.param(9, "9.99", False, id="just-more"),
        pytest.param(9, "10", True, id="just-as-much"),
        pytest.param(11, "10", True, id="on-the-other-side"),
    ],
)
def test_the_tolerance_is_a_share_of_the_providers_count(
    desk: Desk, input_tokens: int, tolerance: str, within: bool
) -> None:
    counted = {"input_tokens": input_tokens, "output_tokens": 20, "cached_tokens": 3, "cost_nanousd": 1}
    desk.recorder.run({"provider": "openai", "model": "gpt-4o", **counted})
    found = desk.compare(GENERIC_CSV, tolerance_percent=Fraction(tolerance))
    assert found.within_tolerance is within
    assert found.to_dict()["within_tolerance"] is within


def test_differences_that_cancel_out_in_the_total_are_still_differences() -> None:
    rows = tuple(
        Comparison(DAY, name, Side(input_tokens=ours), Side(input_tokens=theirs), ("input_tokens",))
        for name, ours, theirs in (("a", 5, 6), ("b", 6, 5))
    )
    total = Comparison(None, "total", Side(input_tokens=11), Side(input_tokens=11), ("input_tokens",))
    found = Reconciliation("csv", None, DAY, DAY, rows, total, Fraction(1), 0, incomplete=False)
    assert total.is_within(Fraction(0))
    assert not found.within_tolerance


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("a,b,c\n1,2,3\n", "its columns: a, b, c", id="unknown-columns"),
        pytest.param("", "its columns: none", id="empty"),
        pytest.param('{"object": "list", "items": []}', "its keys: items, object", id="unknown-keys"),
        pytest.param('{"data": [', "is not JSON that can be read", id="cut-off-json"),
        pytest.param("[" * 100_000, "is not JSON that can be read", id="deep-json"),
        pytest.param('{"data": NaN}', "is no usage report", id="nan"),
        pytest.param(b"day,model,cost\n2026-11-18,\xff\xfe,1\n", "is not UTF-8: byte 0xff", id="not-utf-8"),
        pytest.param("day,model,cost\n2026-11-18,m,1\n18/11/26,m,1\n", "row 3 .*'18/11/26' is not a day", id="day"),
        pytest.param("day,model,cost\n2026-11-18,m,a lot\n", "'a lot' is not a number", id="amount"),
        pytest.param("day;model;cost\n2026-11-18;m;1.234\n", "can be read in two ways", id="two-ways"),
        pytest.param(
            'day,model,cost\n2026-11-18,m,"0,05"\n2026-11-18,m,0.05\n2026-11-18,m,"1,234"\n', "two ways", id="mixed"
        ),
        pytest.param('day,model,cost\n2026-11-18,m,"1,23,4"\n', "is not a number", id="groups-of-two"),
        pytest.param("day,model,cost\n2026-11-18,m,1e999999999\n", "credible size", id="huge-amount"),
        pytest.param("day,model,cost\n2026-11-18,m,1e-999999999\n", "credible size", id="tiny-amount"),
        pytest.param("day,model,cost,currency\n2026-11-18,m,1,EUR\n", "is in EUR", id="other-currency"),
        pytest.param("day,model,input_tokens\n2026-11-18,m,1.5\n", "not a number of tokens", id="half-a-token"),
        pytest.param("day,model,input_tokens\n2026-11-18,m,-1\n", "not a number of tokens", id="negative-tokens"),
        pytest.param(
            json.dumps([ANTHROPIC_USAGE_JSON, OPENAI_USAGE_JSON]), "more than one provider", id="two-providers"
        ),
        pytest.param(
            json.dumps(OPENAI_COSTS_JSON).replace('{"value": 0.06, "currency": "usd"}', "5"), "bucket 1", id="shape"
        ),
    ],
)
def test_what_cannot_be_understood_is_an_error_that_says_where(desk: Desk, content: str | bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        desk.compare(content)


def test_a_file_that_fits_no_format_is_told_what_was_wanted(desk: Desk) -> None:
    with pytest.raises(UsageError) as caught:
        desk.compare("a,b\n1,2\n")
    assert caught.value.hint is not None
    assert all(name in caught.value.hint for name in FORMAT_NAMES if name.endswith("csv"))


def test_a_format_that_is_asked_for_must_fit(desk: Desk) -> None:
    assert desk.compare(GENERIC_CSV, "csv").format == "csv"
    with pytest.raises(UsageError, match="no header that is known"):
        desk.compare(GENERIC_CSV, "openai-usage-csv")
    with pytest.raises(UsageError, match="the format asked for is JSON"):
        desk.compare(GENERIC_CSV, "openai-usage-json")
    with pytest.raises(UsageError, match="no format 'cvs'"):
        desk.compare(GENERIC_CSV, "cvs")


@pytest.mark.parametrize(
    ("written", "model"),
    [
        pytest.param("claude-sonnet-4-5-20250929", "claude-sonnet-4-5", id="dated"),
        pytest.param("claude-sonnet-4-6-20991231", "claude-sonnet-4-6", id="dated-and-not-listed"),
        pytest.param("gpt-5.6-sol-2026-12-31", "gpt-5.6-sol", id="dated-with-dashes"),
        pytest.param("Claude Opus 4.8", "claude-opus-4-8", id="display-name"),
        pytest.param("Claude Opus 4", "claude-opus-4-0", id="display-name-of-a-dated-alias"),
        pytest.param("Claude Sonnet 3.7", "claude-3-7-sonnet-latest", id="display-name-in-another-order"),
        pytest.param("models/gemini-2.5-flash", "gemini-2.5-flash", id="resource-name"),
        pytest.param("GPT-4O", "gpt-4o", id="case"),
        pytest.param("gpt-4.5", "gpt-4.5", id="numbers-keep-their-order"),
        pytest.param("something-else-20250101", "something-else-20250101", id="unknown"),
    ],
)
def test_a_providers_name_leads_to_the_registrys(registry: Registry, written: str, model: str) -> None:
    assert ModelNames(registry, None, {}).fold(written) == model


def test_every_name_id_and_alias_in_the_registry_leads_to_its_model(registry: Registry) -> None:
    for spec in registry.models.values():
        names = ModelNames(registry, spec.provider, {})
        assert {names.fold(name) for name in (spec.name, spec.id, *spec.aliases)} == {spec.name}


@pytest.mark.parametrize(
    ("separator", "tokens", "costs", "expected"),
    [
        pytest.param(";", "1.000", "0,05", (1_000, 50_000_000), id="decimal comma"),
        pytest.param(",", "1000", '"0,05"', (1_000, 50_000_000), id="decimal comma in quotes"),
        pytest.param(
            ",", "1000", '"0,05" "1,234"', (2_000, 1_284_000_000), id="a decimal comma that another one shows"
        ),
        pytest.param(";", "1000", "1.234,56", (1_000, 1_234_560_000_000), id="thousands and a decimal comma"),
        pytest.param(",", '"1,000"', '"$1,234.56"', (1_000, 1_234_560_000_000), id="thousands and a point"),
        pytest.param(",", '"1,234,567"', '"1,234"', (1_234_567, 1_234_000_000_000), id="thousands"),
        pytest.param(";", "1000", "0.05 1.234", (2_000, 1_284_000_000), id="a point among semicolons"),
        pytest.param("\t", "1000", "1\u202f234,5", (1_000, 1_234_500_000_000), id="thousands by a space"),
        pytest.param(",", "1000", '"1,2E-05"', (1_000, 12_000), id="an exponent"),
    ],
)
def test_numbers_are_read_as_their_table_writes_them(
    desk: Desk, separator: str, tokens: str, costs: str, expected: tuple[int, int]
) -> None:
    rows = [separator.join(("2026-11-18", "m", tokens, cost)) for cost in costs.split(" ")]
    header = separator.join(("day", "model", "input_tokens", "cost"))
    provider = desk.compare("\n".join([header, *rows])).total.provider
    assert provider is not None
    assert (provider.input_tokens, provider.cost_nanousd) == expected


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**12)), min_size=1, max_size=20)
)
def test_a_table_adds_up_to_what_was_written_in_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[int, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("export") / "usage.csv"
    rows = [
        f"2026-11-{1 + number % 28:02d},m{number % 3},{i},{o},{c // 10**9}.{c % 10**9:09d}"
        for number, (i, o, c) in enumerate(lines)
    ]
    path.write_text("\n".join(["day,model,input_tokens,output_tokens,cost", *rows]))
    empty = Registry({}, {})
    with opened_export(path) as export:
        total = reconcile(None, export, empty).total
    tokens_in, tokens_out, cost = (sum(column) for column in zip(*lines, strict=True))
    assert total.provider == Side(tokens_in, tokens_out, cost_nanousd=cost)
    assert total.ledger is None


# -- OpenRouter, and simulated calls ---------------------------------------------------------------------------------

OPENROUTER = """\
generation_id,created_at,cost_total,cost_web_search,cost_cache,cost_file_processing,byok_usage_inference,tokens_prompt,\
tokens_completion,tokens_reasoning,tokens_cached,model_permaslug,provider_name,variant,cancelled,streamed,user,\
finish_reason_raw,finish_reason_normalized,generation_time_ms,time_to_first_token_ms,app_name,api_key_name
gen-1,2026-11-18 09:30:00.123,0.0021,0,0,0,0,1000,300,50,200,anthropic/claude-5.5-sonnet-20260901,Anthropic,standard,\
false,true,,end_turn,stop,1200,300,orch,key
gen-2,2026-11-18 10:00:00.000,0.0001,0,0,0,0.002,10,20,0,0,openai/gpt-6.1-sol-2026-09-29,OpenAI,standard,false,false,\
,stop,stop,900,,orch,key
"""


def test_openrouter_s_activity_is_read_row_by_row_with_what_a_key_of_one_s_own_was_charged(desk: Desk) -> None:
    call = {"provider": "openrouter", "model": "openrouter/anthropic/claude-sonnet-5.5", "sent_at": NOON}
    desk.recorder.run(
        {**call, "input_tokens": 1_000, "output_tokens": 300, "cached_tokens": 200, "cost_nanousd": 2_100_000}
    )
    found = desk.compare(OPENROUTER)
    assert (found.format, found.provider) == ("openrouter-activity-csv", "openrouter")
    assert sides(found) == {
        ("2026-11-18", "openrouter/anthropic/claude-sonnet-5.5"): (1_000, 300, 200, 2_100_000),
        ("2026-11-18", "openrouter/openai/gpt-6.1-sol"): (10, 20, 0, 2_100_000),
    }
    (sonnet,) = [row for row in found.rows if row.model.endswith("sonnet-5.5")]
    assert {sonnet.difference(figure) for figure in sonnet.compared} == {0}


@pytest.mark.parametrize(
    "name", ["claude-haiku-5-5", "anthropic/claude-haiku-5-5", "anthropic/haiku", "Claude Haiku 5.5"]
)
def test_a_model_may_have_its_provider_in_front(desk: Desk, name: str) -> None:
    found = desk.compare(f"day,model,input_tokens\n2026-11-18,{name},7\n")
    assert list(sides(found)) == [("2026-11-18", "claude-haiku-5-5")]


def test_simulated_calls_are_compared_when_they_are_asked_for(desk: Desk) -> None:
    desk.recorder.run({"input_tokens": 5, "sent_at": NOON}, simulated=True)
    desk.recorder.run({"input_tokens": 7, "sent_at": NOON})
    table = "day,model,input_tokens\n2026-11-18,gpt-4o-mini,1\n"
    counted = [desk.compare(table, simulated=simulated).total.ledger for simulated in (True, False)]
    assert [side and side.input_tokens for side in counted] == [5, 7]
