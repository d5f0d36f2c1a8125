"""No count or price that is in a reply is lost: on every wire, streamed and whole, and if it cannot be used, too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data import providers as their_providers
from provider_wires import TARGETS, Answer, Body, Target, json_reply, stream_reply
from test_contract import REQUEST, complete, every_adapter, failing, last, stream

from orchestrator import errors
from orchestrator.billing import CostSource, bill, stated_cost
from orchestrator.errors import Billed
from orchestrator.money import NANO_PER_DOLLAR
from orchestrator.registry.loading import read_models, shipped
from orchestrator.types import FinishReason, ToolCall

ANTHROPIC, OPENAI, GOOGLE = TARGETS[:3]
COMPATIBLE = TARGETS[3]


def chunks(*bodies: Mapping[str, Any]) -> httpx2.Response:
    return stream_reply([*(b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies), b"data: [DONE]\n\n"])


def chunk(content: str = "", *, finish: str | None = None, **beside: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return {"id": "c", "model": "m", "choices": [choice | beside.pop("choice", {})], **beside}


USED = {"prompt_tokens": 20, "completion_tokens": 3000, "total_tokens": 3020}
PLACES: dict[str, list[dict[str, Any]]] = {
    "zeros after it": [
        chunk("Hi", finish="stop"),
        {"id": "c", "choices": [], "usage": USED},
        {"id": "c", "choices": [], "usage": dict.fromkeys(USED, 0)},
    ],
    "nothing after it": [chunk("Hi", usage=USED), chunk(finish="stop", usage=None)],
    "in the last choice": [chunk("Hi"), chunk(finish="stop", choice={"usage": USED})],
    "in a field of its own": [chunk("Hi"), chunk(finish="stop", x_groq={"usage": USED})],
    "in two halves": [
        chunk("Hi", usage={"prompt_tokens": 20, "completion_tokens": 0}),
        chunk(finish="stop", usage={"prompt_tokens": 0, "completion_tokens": 3000}),
    ],
}


@pytest.mark.parametrize("bodies", PLACES.values(), ids=PLACES)
def test_usage_of_a_stream_is_found_wherever_it_stands_and_never_shrinks(bodies: Sequence[Mapping[str, Any]]) -> None:
    usage = last(stream(COMPATIBLE, chunks(*bodies))).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (20, 3000)


def test_thoughts_that_an_earlier_chunk_counted_are_part_of_the_bill() -> None:
    def part(text: str, usage: Mapping[str, int], **beside: str) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [{"text": text}]}, **beside}], "usageMetadata": usage}

    first = part("Hel", {"promptTokenCount": 20, "candidatesTokenCount": 4, "thoughtsTokenCount": 100})
    second = part("lo", {"promptTokenCount": 20, "candidatesTokenCount": 8}, finishReason="STOP")
    usage = last(stream(GOOGLE, stream_reply([GOOGLE.wire.encode(first), GOOGLE.wire.encode(second)]))).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (20, 108, 100)


def test_what_a_later_event_takes_back_stands() -> None:
    events = ANTHROPIC.wire.events(Answer())
    delta = next(event for event in events if event["type"] == "message_delta")
    delta["usage"] |= {"input_tokens": 0, "cache_read_input_tokens": None}
    encoded = [ANTHROPIC.wire.encode(event) for event in events]
    usage = last(stream(ANTHROPIC, stream_reply([*encoded, ANTHROPIC.wire.last_marker]))).usage
    assert usage is not None
    assert (usage.input_tokens, usage.cached_tokens) == (120, 40)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_reply_that_cannot_be_used_costs_what_it_was_counted_at(streamed: bool) -> None:
    body = {
        "candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "content": {}}],
        "usageMetadata": {"promptTokenCount": 22, "thoughtsTokenCount": 142, "totalTokenCount": 164},
    }
    reply = stream_reply([GOOGLE.wire.encode(body)]) if streamed else json_reply(body)
    error = failing(GOOGLE, reply, errors.BadReplyError, streamed=streamed)
    assert error.billed is Billed.YES
    assert error.partial is not None
    assert error.partial.usage is not None
    assert (error.partial.usage.input_tokens, error.partial.usage.output_tokens) == (22, 142)


@every_adapter
def test_an_error_beside_counts_costs_what_was_counted(target: Target) -> None:
    body = target.wire.whole(Answer()) | {"error": {"code": 502, "message": "upstream failed"}}
    body = {name: value for name, value in body.items() if name not in ("choices", "candidates", "content")}
    error = failing(target, json_reply(body), errors.OverloadedError)
    assert error.billed is Billed.YES
    assert error.partial is not None
    assert error.partial.usage is not None
    assert error.partial.usage.input_tokens == 120


FAILED_COUNTS: dict[str, Mapping[str, Any]] = {
    "openai": {"usage": {"prompt_tokens": 120, "completion_tokens": 7}},
    "anthropic": {"usage": {"input_tokens": 120, "output_tokens": 7}},
    "google": {"usageMetadata": {"promptTokenCount": 120, "candidatesTokenCount": 7}},
    "in the error": {"error": {"message": "failed", "usage": {"prompt_tokens": 120, "completion_tokens": 7}}},
}


@every_adapter
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("status", [400, 500, 504])
@pytest.mark.parametrize("counts", FAILED_COUNTS.values(), ids=FAILED_COUNTS)
def test_an_error_status_with_counts_costs_what_was_counted(
    target: Target, streamed: bool, status: int, counts: Mapping[str, Any]
) -> None:
    reply = json_reply({"error": {"message": "failed"}, **counts}, status)
    error = failing(
        target, reply, errors.RequestRejectedError if status == 400 else errors.OverloadedError, streamed=streamed
    )
    assert error.billed is Billed.YES
    assert error.partial is not None
    assert error.partial.usage is not None
    assert (error.partial.usage.input_tokens, error.partial.usage.output_tokens) == (120, 7)


EARLY = {"prompt_tokens": 20, "completion_tokens": 1}
TOO_EARLY: dict[str, list[dict[str, Any]]] = {
    "before the answer": [{"id": "c", "choices": [], "usage": EARLY}, chunk("Hello"), chunk(finish="stop")],
    "in its first event": [chunk("He", usage=EARLY), chunk("llo"), chunk(finish="stop")],
    "and of the prompt alone at the end": [
        chunk("He", usage=EARLY),
        chunk("llo"),
        chunk(finish="stop", usage={"prompt_tokens": 20}),
    ],
    "and none that can be one at the end": [
        chunk("He", usage=EARLY),
        chunk("llo"),
        chunk(finish="stop", usage={"prompt_tokens": 20, "completion_tokens": "many"}),
    ],
    "before a thought": [chunk("Hello", usage=EARLY), chunk(choice={"delta": {"reasoning": "Hm"}}, finish="stop")],
    "before a tool is called": [
        chunk("Hello", usage=EARLY),
        chunk(choice={"delta": {"tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}]}}),
        chunk(finish="tool_calls"),
    ],
}


@pytest.mark.parametrize("bodies", TOO_EARLY.values(), ids=TOO_EARLY)
def test_a_count_from_before_the_end_of_the_answer_is_no_bill(bodies: Sequence[Mapping[str, Any]]) -> None:
    assert last(stream(COMPATIBLE, chunks(*bodies))).usage is None


def test_googles_count_from_before_the_end_of_the_answer_is_no_bill() -> None:
    def part(text: str, **beside: Any) -> bytes:
        return GOOGLE.wire.encode({"candidates": [{"content": {"parts": [{"text": text}]}}], **beside})

    early = part("He", usageMetadata={"promptTokenCount": 20, "candidatesTokenCount": 1})
    final = GOOGLE.wire.encode({"candidates": [{"finishReason": "STOP"}]})
    assert last(stream(GOOGLE, stream_reply([early, part("llo"), final]))).usage is None
    both = part("llo", usageMetadata={"promptTokenCount": 20, "candidatesTokenCount": 2})
    usage = last(stream(GOOGLE, stream_reply([early, both, final]))).usage
    assert usage is not None
    assert usage.output_tokens == 2


@every_adapter
def test_an_answer_whose_end_was_told_is_whole_though_the_connection_drops(target: Target) -> None:
    class Dropping(Body):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            for event in target.wire.events(Answer()):
                yield target.wire.encode(event)
            raise httpx2.RemoteProtocolError("peer closed connection")

    completion = last(stream(target, stream_reply(Dropping([]))))
    assert (completion.text, completion.finish_reason) == ("Hello, world", FinishReason.STOP)
    assert completion.usage is not None
    assert completion.usage.output_tokens == 50


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_facts_beside_the_usage_are_kept_with_it(streamed: bool) -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 8, "cost": 0.05}
    if streamed:
        reply = chunks(chunk("Hi", service_tier="priority"), chunk(finish="stop"), {"choices": [], "usage": usage})
        found = last(stream(COMPATIBLE, reply)).usage
    else:
        message = {"message": {"content": "Hi"}, "finish_reason": "stop"}
        body = {"choices": [message], "usage": usage, "service_tier": "priority"}
        found = complete(COMPATIBLE, json_reply(body)).usage
    assert found is not None
    assert found.raw == usage | {"service_tier": "priority"}
    assert stated_cost(found.raw) == 50_000_000


def test_a_gateways_price_is_read_from_its_header_and_needs_no_counts() -> None:
    body = OPENAI.wire.whole(Answer(usage=False))
    usage = complete(OPENAI, json_reply(body, headers={"x-litellm-response-cost": "0.0025"})).usage
    assert usage is not None
    assert stated_cost(usage.raw) == 2_500_000


THOUGHTS: dict[Target, dict[str, Any]] = {
    ANTHROPIC: {"content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hi"}]},
    GOOGLE: {"candidates": [{"content": {"parts": [{"text": "Hm", "thought": True}, {"text": "Hi"}]}}]},
    COMPATIBLE: {"choices": [{"message": {"content": "Hi", "reasoning": "Hm"}, "finish_reason": "stop"}]},
}


@pytest.mark.parametrize("target", THOUGHTS, ids=lambda target: target.provider)
def test_that_a_reply_shows_thought_is_known(target: Target) -> None:
    completion = complete(target, json_reply(target.wire.whole(Answer(usage=False)) | THOUGHTS[target]))
    assert (completion.text, completion.thought) == ("Hi", True)
    assert not complete(COMPATIBLE, json_reply(COMPATIBLE.wire.whole(Answer()))).thought


# Tool calls of compatible servers

PARIS, ROME = ToolCall("c1", "weather", '{"city": "Paris"}'), ToolCall("c2", "weather", '{"city": "Rome"}')


def call(call_id: str | None, arguments: object, *, name: str | None = "weather", **beside: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **beside}


CALLS: dict[str, tuple[list[list[dict[str, Any]]], tuple[ToolCall, ...]]] = {
    "one index for two": (
        [[call("c1", PARIS.arguments, index=0)], [call("c2", ROME.arguments, index=0)]],
        (PARIS, ROME),
    ),
    "no index": ([[call("c1", PARIS.arguments)], [call("c2", ROME.arguments)]], (PARIS, ROME)),
    "no index, in pieces": (
        [[call("c1", '{"city": ')], [call(None, '"Paris"}', name=None)], [call("c2", ROME.arguments)]],
        (PARIS, ROME),
    ),
    "the id again with each piece": (
        [[call("c1", '{"city": ', index=0)], [call("c1", '"Paris"}', name=None, index=0)]],
        (PARIS,),
    ),
    "by index, taking turns": (
        [
            [call("c1", '{"city": ', index=0), call("c2", '{"city": ', index=1)],
            [call(None, '"Rome"}', name=None, index=1), call(None, '"Paris"}', name=None, index=0)],
        ],
        (PARIS, ROME),
    ),
    "arguments as objects": (
        [[call("c1", {"city": "Paris"}, index=0), call("c2", {"city": "Rome"}, index=1)]],
        (PARIS, ROME),
    ),
}


@pytest.mark.parametrize(("deltas", "calls"), CALLS.values(), ids=CALLS)
def test_pieces_of_tool_calls_come_together(
    deltas: Sequence[Sequence[Mapping[str, Any]]], calls: tuple[ToolCall, ...]
) -> None:
    pieces = [chunk(choice={"delta": {"tool_calls": delta}}) for delta in deltas]
    completion = last(stream(COMPATIBLE, chunks(*pieces, chunk(finish="stop"))))
    assert completion.tool_calls == calls
    assert completion.finish_reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": [call("c1", {"city": "Paris"}, index=0), call("c2", ROME.arguments, index=0)]},
        {"tool_calls": [call("c1", PARIS.arguments), call("c2", {"city": "Rome"})]},
    ],
    ids=["one index for two", "no index"],
)
def test_each_tool_call_of_a_whole_reply_is_one(message: Mapping[str, Any]) -> None:
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": USED}
    completion = complete(COMPATIBLE, json_reply(body))
    assert completion.tool_calls == (PARIS, ROME)
    assert completion.finish_reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_function_call_of_the_older_form_is_a_tool_call(streamed: bool) -> None:
    older = {"function_call": {"name": "weather", "arguments": PARIS.arguments}}
    if streamed:
        halves = ('{"city": ', '"Paris"}')
        pieces = [chunk(choice={"delta": {"function_call": {"name": "weather", "arguments": half}}}) for half in halves]
        completion = last(stream(COMPATIBLE, chunks(*pieces, chunk(finish="function_call"))))
    else:
        body = {"choices": [{"message": older, "finish_reason": "function_call"}], "usage": USED}
        completion = complete(COMPATIBLE, json_reply(body))
    assert [(each.name, each.arguments) for each in completion.tool_calls] == [("weather", PARIS.arguments)]


# The same replies, read by the pinned genai-prices

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
MODELS = read_models(shipped("models.yaml"))
OPENAI_USAGE = {
    "prompt_tokens": 1117,
    "completion_tokens": 467,
    "total_tokens": 1584,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 448, "audio_tokens": 0, "accepted_prediction_tokens": 0},
}
ANTHROPIC_USAGE = {
    "input_tokens": 412,
    "cache_creation_input_tokens": 2304,
    "cache_read_input_tokens": 17_664,
    "cache_creation": {"ephemeral_5m_input_tokens": 304, "ephemeral_1h_input_tokens": 2000},
    "output_tokens": 264,
    "service_tier": "standard",
    "server_tool_use": {"web_search_requests": 2},
}
GOOGLE_USAGE = {
    "promptTokenCount": 250_022,
    "candidatesTokenCount": 3,
    "thoughtsTokenCount": 142,
    "totalTokenCount": 250_167,
    "cachedContentTokenCount": 512,
    "trafficType": "ON_DEMAND",
}
REPLIES: dict[str, tuple[Target, str, dict[str, Any], Mapping[str, str] | None]] = {
    "o3": (OPENAI, "o3", {"usage": OPENAI_USAGE}, None),
    "gpt-5.4, priority": (
        OPENAI,
        "gpt-5.4",
        {"usage": OPENAI_USAGE, "service_tier": "priority"},
        {"service_tier": "priority"},
    ),
    "gpt-5.4, flex": (OPENAI, "gpt-5.4", {"usage": OPENAI_USAGE, "service_tier": "flex"}, {"service_tier": "flex"}),
    "opus": (ANTHROPIC, "claude-opus-5-5", {"usage": ANTHROPIC_USAGE}, None),
    "opus, fast": (ANTHROPIC, "claude-opus-5-5", {"usage": ANTHROPIC_USAGE | {"speed": "fast"}}, {"speed": "fast"}),
    "haiku, a long prompt": (
        ANTHROPIC,
        "claude-haiku-5-5",
        {"usage": ANTHROPIC_USAGE | {"input_tokens": 120_000}},
        None,
    ),
    "gemini, a long prompt": (GOOGLE, "gemini-2.5-pro", {"usageMetadata": GOOGLE_USAGE}, None),
}


@pytest.mark.parametrize(("target", "model", "body", "when"), REPLIES.values(), ids=REPLIES)
def test_a_reply_is_billed_to_the_nano_dollar_as_the_package_bills_it(
    target: Target, model: str, body: dict[str, Any], when: Mapping[str, str] | None
) -> None:
    usage = complete(target, json_reply(target.wire.whole(Answer()) | body), replace(REQUEST, model=model)).usage
    assert usage is not None
    found = bill(MODELS[model].price_at(AT), usage)
    their_provider = next(provider for provider in their_providers if provider.id == target.provider)
    their_model = their_provider.find_model(MODELS[model].id)
    assert their_model is not None
    flavor = "chat" if target is OPENAI else "default"
    _, extracted = their_provider.extract_usage(target.wire.whole(Answer()) | body, api_flavor=flavor)
    prices = their_model.get_prices(AT, when) if when else their_model.get_prices(AT)
    dollars = prices.calc_price(TheirUsage.from_raw(extracted))["total_price"]
    assert found.source is CostSource.USAGE
    assert found.nanousd is not None
    assert 0 <= found.nanousd - dollars * NANO_PER_DOLLAR < 1
