"""What stands in the replies of each wire, and what a fault makes of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from simulated_models import MODEL_OF, WIRES, http, request, scenario, simulator, text_of

from orchestrator.errors import UsageError
from orchestrator.simulator.app import App
from orchestrator.simulator.scenario import Fault, FaultKind, RefusedAt, RetryAfterForm, Rule, Scenario
from orchestrator.simulator.server import serve

HARD = "Should I use REST or GraphQL?"


def ask(app: App, wire: str, prompt: str = "What is 2+2?", **extra: Any) -> httpx2.Response:
    return post(app, **request(wire, prompt, **extra))


def post(app: App, url: str, *, headers: dict[str, str] | None = None, **options: Any) -> httpx2.Response:
    async def main() -> httpx2.Response:
        async with http(app) as client:
            return await client.post(url, headers=headers, **options)

    return asyncio.run(main())


def finish_of(wire: str, body: Any) -> str:
    if wire == "anthropic":
        return str(body["stop_reason"])
    choice = body["choices"][0] if wire == "openai" else body["candidates"][0]
    return str(choice["finish_reason" if wire == "openai" else "finishReason"])


def limited(wire: str, tokens: int) -> dict[str, Any]:
    return {"generationConfig": {"maxOutputTokens": tokens}} if wire == "google" else {"max_tokens": tokens}


@pytest.mark.parametrize(
    ("wire", "reason"), [("anthropic", "max_tokens"), ("openai", "length"), ("google", "MAX_TOKENS")]
)
def test_max_tokens_cut_the_answer_and_say_so(wire: str, reason: str) -> None:
    app = simulator()
    whole, cut = (text_of(wire, ask(app, wire, **extra).json()) for extra in ({}, limited(wire, 5)))
    assert cut == whole[:20]
    assert finish_of(wire, ask(app, wire, **limited(wire, 5)).json()) == reason


def test_thinking_may_use_up_all_the_tokens_there_are() -> None:
    body = ask(simulator(), "google", HARD, model="gemini-2.5-pro", **limited("google", 10)).json()
    assert "parts" not in body["candidates"][0]["content"]
    assert finish_of("google", body) == "MAX_TOKENS"
    assert body["usageMetadata"]["thoughtsTokenCount"] == 10
    assert body["usageMetadata"]["candidatesTokenCount"] == 0


@pytest.mark.parametrize(
    ("wire", "extra", "reason"),
    [
        ("anthropic", {"stop_sequences": ["4", " is"]}, "stop_sequence"),
        ("openai", {"stop": ["4", " is"]}, "stop"),
        ("google", {"generationConfig": {"stopSequences": ["4", " is"]}}, "STOP"),
    ],
)
def test_the_first_stop_sequence_ends_the_answer(wire: str, extra: Any, reason: str) -> None:
    app = simulator()
    whole = text_of(wire, ask(app, wire).json())
    body = ask(app, wire, **extra).json()
    assert text_of(wire, body) == min((whole.partition(stop)[0] for stop in ("4", " is")), key=len)
    assert finish_of(wire, body) == reason
    if wire == "anthropic":
        assert body["stop_sequence"] in ("4", " is")


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ("anthropic", "prompt is too long: 150004 tokens > 128000 maximum"),
        ("openai", "maximum context length is 128000 tokens"),
        ("google", "input token count (150004) exceeds the maximum number of tokens allowed (128000)"),
    ],
)
def test_a_prompt_longer_than_the_context_is_refused_in_the_providers_words(wire: str, message: str) -> None:
    reply = ask(simulator(), wire, "a" * 600_000)
    assert reply.status_code == 400
    assert message in reply.json()["error"]["message"]


@pytest.mark.parametrize("wire", WIRES)
def test_more_output_than_the_model_has_is_refused(wire: str) -> None:
    reply = ask(simulator(), wire, **limited(wire, 100_000))
    assert reply.status_code == 400
    assert "8192" in reply.json()["error"]["message"]


def test_openai_reasoning_models_want_max_completion_tokens() -> None:
    refused = ask(simulator(), "openai", model="gpt-5", max_tokens=500)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported_parameter")
    assert ask(simulator(), "openai", model="gpt-5", max_completion_tokens=500).status_code == 200


@pytest.mark.parametrize(
    ("url", "host", "status"),
    [
        ("/v1/chat/completions", "api.cerebras.ai", 200),
        ("/v1/chat/completions", "api.openai.com", 404),
        ("/v1/chat/completions", "localhost:8000", 200),
        ("/v1/chat/completions", "127.0.0.1:9", 200),
        ("/cerebras/v1/chat/completions", "127.0.0.1:9", 200),
        ("/deepseek/chat/completions", "127.0.0.1:9", 404),
        ("/api/v1/chat/completions", "127.0.0.1:9", 404),
    ],
)
def test_an_address_says_which_provider_is_meant(url: str, host: str, status: int) -> None:
    body = request("openai", model="llama-3.3-70b")["json"]
    assert post(simulator(), url, json=body, headers={"host": host}).status_code == status


def test_limits_are_told_in_each_providers_headers() -> None:
    app = simulator()
    anthropic, openai, google = (ask(app, wire).headers for wire in WIRES)
    assert anthropic["anthropic-ratelimit-requests-remaining"] == "99"
    assert anthropic["anthropic-ratelimit-tokens-reset"] == "2026-11-21T12:01:00Z"
    assert anthropic["request-id"].startswith("req_")
    assert openai["x-ratelimit-limit-requests"] == "100"
    assert openai["x-ratelimit-reset-tokens"] == "30s"
    assert openai["x-request-id"].startswith("req_")
    assert not [name for name in google if "ratelimit" in name]
    assert ask(app, "openai").headers["x-ratelimit-remaining-requests"] == "98"
    cerebras, openrouter, deepseek = (
        post(app, url, json=request("openai", model=name)["json"]).headers
        for url, name in (
            ("/cerebras/v1/chat/completions", "llama-3.3-70b"),
            ("/api/v1/chat/completions", "meta/llama"),
            ("/deepseek/chat/completions", "deepseek-chat"),
        )
    )
    assert cerebras["x-ratelimit-remaining-requests-day"] == "999"
    assert cerebras["x-ratelimit-limit-tokens-minute"] == "50000"
    assert openrouter["x-ratelimit-reset"] == "1795262460000"
    assert not [name for name in deepseek if "ratelimit" in name]


@pytest.mark.parametrize(
    ("form", "header", "value"),
    [
        (RetryAfterForm.SECONDS, "retry-after", "1.5"),
        (RetryAfterForm.MILLISECONDS, "retry-after-ms", "1500"),
        (RetryAfterForm.DATE, "retry-after", "Sat, 21 Nov 2026 12:00:31 GMT"),
    ],
)
def test_the_advice_to_wait_comes_in_three_forms(form: RetryAfterForm, header: str, value: str) -> None:
    app = simulator(scenario(FaultKind.RATE_LIMITED, retry_after_s=1.5, retry_after_form=form))
    assert ask(app, "openai").headers[header] == value


def test_google_writes_the_advice_to_wait_into_the_body() -> None:
    reply = ask(simulator(scenario(FaultKind.RATE_LIMITED, retry_after_s=86_400.0)), "google")
    assert reply.json()["error"]["details"][-1]["retryDelay"] == "86400s"
    assert "retry-after" not in reply.headers


@pytest.mark.parametrize(
    ("url", "model", "status", "word"),
    [
        ("/deepseek/chat/completions", "deepseek-chat", 402, "Insufficient Balance"),
        ("/api/v1/chat/completions", "meta/llama", 402, "Insufficient credits"),
        ("/cerebras/v1/chat/completions", "llama-3.3-70b", 402, "Payment required"),
        ("/v1/chat/completions", "gpt-4o-mini", 429, "exceeded your current quota"),
    ],
)
def test_out_of_credit_is_each_providers_own(url: str, model: str, status: int, word: str) -> None:
    app = simulator(scenario(FaultKind.OUT_OF_CREDIT))
    reply = post(app, url, json=request("openai", model=model)["json"])
    assert reply.status_code == status
    assert word in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [(402, "billing_error", None), (429, "rate_limit_error", "enforced_spend_limit_reached")],
)
def test_anthropic_has_several_ways_to_be_out_of_credit(status: int, kind: str, code: str | None) -> None:
    reply = ask(simulator(scenario(FaultKind.OUT_OF_CREDIT, status=status)), "anthropic")
    assert (reply.status_code, reply.json()["error"]["type"]) == (status, kind)
    assert reply.json()["error"].get("details", {}).get("error_code") == code


@pytest.mark.parametrize(
    ("wire", "reason"), [("anthropic", "refusal"), ("openai", "content_filter"), ("google", "SAFETY")]
)
def test_a_withheld_answer_has_the_wires_own_reason(wire: str, reason: str) -> None:
    body = ask(simulator(scenario(FaultKind.REFUSED)), wire).json()
    assert finish_of(wire, body) == reason
    assert text_of(wire, body) == ""


def test_a_refused_prompt_has_no_answer_at_all() -> None:
    app = simulator(scenario(FaultKind.REFUSED, at=RefusedAt.PROMPT))
    google, openai = ask(app, "google").json(), ask(app, "openai").json()
    assert google["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert "candidates" not in google
    assert openai["choices"][0]["message"]["refusal"]
    assert openai["choices"][0]["message"]["content"] is None
    assert finish_of("openai", openai) == "stop"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("kind", "character"), [(FaultKind.LONE_SURROGATES, "\ud83d"), (FaultKind.CONTROL_CHARACTERS, "\x1b")]
)
@pytest.mark.parametrize("wire", WIRES)
def test_odd_characters_arrive_as_valid_json(wire: str, kind: FaultKind, character: str, stream: bool) -> None:
    reply = ask(simulator(scenario(kind)), wire, stream=stream)
    bodies = [line.removeprefix("data: ") for line in reply.content.decode().split("\n") if line.startswith("data: ")]
    texts = [repr(json.loads(body)) for body in (bodies if stream else [reply.text]) if body != "[DONE]"]
    assert any(repr(character)[1:-1] in text for text in texts)


@pytest.mark.parametrize("wire", WIRES)
def test_malformed_json_does_not_parse(wire: str) -> None:
    reply = ask(simulator(scenario(FaultKind.MALFORMED)), wire)
    assert reply.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        reply.json()


def test_a_terminal_reason_may_come_without_the_last_marker() -> None:
    app = simulator(scenario(FaultKind.NO_TERMINAL_MARKER, reason=True))
    openai, anthropic = (ask(app, wire, stream=True).text for wire in ("openai", "anthropic"))
    assert '"finish_reason":"stop"' in openai
    assert "[DONE]" not in openai
    assert '"stop_reason":"end_turn"' in anthropic
    assert "message_stop" not in anthropic


def test_a_redirect_leads_to_another_origin() -> None:
    reply = ask(simulator(scenario(FaultKind.REDIRECT, location="http://other.invalid/x")), "google")
    assert (reply.status_code, reply.headers["location"]) == (307, "http://other.invalid/x")


def test_slowness_is_slept_before_the_answer_and_for_every_token() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    slow = Scenario((Rule(Fault(FaultKind.SLOW, latency_ms=250, per_token_ms=2.0)),))
    whole = ask(simulator(slow, sleep=sleep), "openai").json()["usage"]["completion_tokens"]
    assert slept == [0.25, pytest.approx(whole * 0.002)]
    slept.clear()
    ask(simulator(slow, sleep=sleep), "openai", stream=True)
    assert slept[0] == 0.25
    assert sum(slept[1:]) == pytest.approx(whole * 0.002)
    assert len(slept) > whole


def test_gemini_streams_an_array_where_no_events_are_asked_for() -> None:
    app = simulator()
    body = request("google")["json"]
    reply = post(app, f"/v1beta/models/{MODEL_OF['google']}:streamGenerateContent", json=body)
    chunks = reply.json()
    text = "".join(part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"])
    assert text == text_of("google", ask(app, "google").json())
    assert reply.headers["content-type"] == "application/json"


def test_log_probabilities_are_nearer_to_zero_for_a_sure_answer() -> None:
    app = simulator()

    def mean(prompt: str) -> float:
        reply: dict[str, Any] = ask(app, "openai", prompt, logprobs=True).json()
        content: list[dict[str, Any]] = reply["choices"][0]["logprobs"]["content"]
        assert "".join(token["token"] for token in content) == text_of("openai", reply)
        return sum(float(token["logprob"]) for token in content) / len(content)

    assert mean(HARD) < mean("What is 2+2?") < 0
    google = ask(app, "google", generationConfig={"responseLogprobs": True}).json()["candidates"][0]
    assert google["avgLogprobs"] < 0
    assert len(google["logprobsResult"]["chosenCandidates"]) > 5


def test_json_is_answered_where_json_is_asked_for() -> None:
    app, schema = simulator(), {"type": "object", "properties": {"sum": {"type": "integer"}}}
    asked: dict[str, dict[str, Any]] = {
        "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": schema}}},
        "openai": {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}},
        "google": {"generationConfig": {"responseMimeType": "application/json", "responseSchema": schema}},
    }
    for wire, extra in asked.items():
        assert json.loads(text_of(wire, ask(app, wire, "What is 20 + 3?", **extra).json())) == {"sum": 23}


def test_claude_thinks_when_told_to_and_hides_it() -> None:
    app = simulator()
    plain = ask(app, "anthropic", HARD).json()
    thinking = ask(app, "anthropic", HARD, thinking={"type": "enabled", "budget_tokens": 1_024}).json()
    assert "output_tokens_details" not in plain["usage"]
    spent = thinking["usage"]["output_tokens"] - plain["usage"]["output_tokens"]
    assert spent == thinking["usage"]["output_tokens_details"]["thinking_tokens"] > 0
    assert [block["type"] for block in thinking["content"]] == ["thinking", "text"]


def test_a_marked_prefix_is_written_to_the_cache_and_then_read() -> None:
    app = simulator()
    marked: dict[str, Any] = {
        "system": [{"type": "text", "text": "l o n g - " * 1_000, "cache_control": {"type": "ephemeral"}}]
    }
    first, second = (ask(app, "anthropic", **marked).json()["usage"] for _ in range(2))
    assert first["cache_creation_input_tokens"] > 2_000
    assert first["cache_read_input_tokens"] == 0
    assert second["cache_read_input_tokens"] > 2_000
    for usage in (first, second):
        parts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        assert sum(usage[part] for part in parts) == 10_000 // 4 + 1 + 3 + 8


@pytest.mark.parametrize(
    ("host", "port"), [("0.0.0.0", 0), ("192.168.1.1", 0), ("example.com", 0), ("127.0.0.1", 70_000)]
)
def test_only_loopback_is_served(host: str, port: int) -> None:
    with pytest.raises(UsageError):
        serve(simulator(), port, host, ready=lambda _: None)
