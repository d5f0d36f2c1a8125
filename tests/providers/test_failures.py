"""What providers say when they fail, and which error each of it is: through the adapters, body by body."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from provider_wires import KEY, TARGETS, FakeServer, Target, connected, json_reply

from orchestrator import errors
from orchestrator.errors import Billed, Disposition, ProviderError
from orchestrator.types import Message, Request

REQUEST = Request("some-model", (Message("user", "hello"),), max_tokens=16)
WIRES = {target.provider: target.wire for target in TARGETS}

Json = dict[str, Any] | list[Any]


def failure(provider: str, status: int, body: Json | str, headers: dict[str, str] | None = None) -> ProviderError:
    """The error for a reply with this status and a body of JSON, or of plain text."""
    wire = WIRES.get(provider, WIRES["openai"])
    target = Target(provider, wire, f"https://{provider}.test")
    reply = (
        httpx2.Response(status, text=body, headers=headers)
        if isinstance(body, str)
        else json_reply(body, status, headers)
    )

    async def main() -> None:
        connection = connected(target, FakeServer(lambda request: reply))
        try:
            await connection.complete(REQUEST)
        finally:
            await connection.aclose()

    with pytest.raises(ProviderError) as caught:
        asyncio.run(main())
    return caught.value


def anthropic(kind: str, message: str, error_code: str | None = None) -> Json:
    details = {"details": {"error_code": error_code}} if error_code else {}
    return {"type": "error", "error": {"type": kind, "message": message, **details}, "request_id": "req_body"}


def openai(message: str, kind: str | None = None, code: str | int | None = None) -> Json:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def google(code: int, status: str, message: str, *details: dict[str, Any]) -> Json:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def violation(quota_id: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.074824224s"}
WAIT = {"retry-after": "3"}
QUOTA_WORDS = "You exceeded your current quota, please check your plan and billing details."

CASES: dict[str, tuple[str, int, Json, dict[str, str], type[ProviderError]]] = {
    # anthropic
    "anthropic low credit": (
        "anthropic",
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        {},
        errors.QuotaExhaustedError,
    ),
    "anthropic own limit": (
        "anthropic",
        400,
        anthropic("invalid_request_error", "You have reached your specified API usage limits."),
        {},
        errors.QuotaExhaustedError,
    ),
    "anthropic billing": ("anthropic", 402, anthropic("billing_error", "Pay"), {}, errors.QuotaExhaustedError),
    "anthropic spend limit": (
        "anthropic",
        429,
        anthropic("rate_limit_error", "Limit reached", "enforced_spend_limit_reached"),
        {"retry-after": "86400"},
        errors.QuotaExhaustedError,
    ),
    "anthropic contract limit": (
        "anthropic",
        429,
        anthropic("rate_limit_error", "Limit reached", "contract_spend_limit_reached"),
        {},
        errors.QuotaExhaustedError,
    ),
    "anthropic ramp limit": (
        "anthropic",
        429,
        anthropic("rate_limit_error", "Too fast", "ramp_limit_exceeded"),
        WAIT,
        errors.RateLimitedError,
    ),
    "anthropic prompt too long": (
        "anthropic",
        400,
        anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        {},
        errors.ContextTooLongError,
    ),
    "anthropic prompt and output too long": (
        "anthropic",
        400,
        anthropic(
            "invalid_request_error", "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000"
        ),
        {},
        errors.ContextTooLongError,
    ),
    "anthropic too many bytes": (
        "anthropic",
        413,
        anthropic("request_too_large", "Request exceeds the maximum size"),
        {},
        errors.ContextTooLongError,
    ),
    "anthropic on hold": (
        "anthropic",
        400,
        anthropic("invalid_request_error", "On hold", "organization_on_hold"),
        {},
        errors.AuthenticationError,
    ),
    "anthropic no such model": (
        "anthropic",
        404,
        anthropic("not_found_error", "model: claude-99"),
        {},
        errors.ModelNotFoundError,
    ),
    "anthropic overloaded": ("anthropic", 529, anthropic("overloaded_error", "Overloaded"), {}, errors.OverloadedError),
    # openai
    "openai no credit": (
        "openai",
        429,
        openai(QUOTA_WORDS, "insufficient_quota", "insufficient_quota"),
        {},
        errors.QuotaExhaustedError,
    ),
    "openai rate limit": (
        "openai",
        429,
        openai("Rate limit reached for gpt-x on requests per min (RPM)", "requests", "rate_limit_exceeded"),
        WAIT,
        errors.RateLimitedError,
    ),
    "openai daily limit with advice": (
        "openai",
        429,
        openai("Rate limit reached for gpt-x on requests per day (RPD)", "requests", "rate_limit_exceeded"),
        WAIT,
        errors.RateLimitedError,
    ),
    "openai daily limit without advice": (
        "openai",
        429,
        openai("Rate limit reached for gpt-x on requests per day (RPD)", "requests", "rate_limit_exceeded"),
        {},
        errors.QuotaExhaustedError,
    ),
    "openai larger than a minute allows": (
        "openai",
        429,
        openai("Request too large for gpt-x on tokens per min (TPM): Limit 10000", "tokens", "rate_limit_exceeded"),
        WAIT,
        errors.QuotaExhaustedError,
    ),
    "openai slow down": (
        "openai",
        503,
        openai("Slow down", "server_error", "slow_down"),
        {},
        errors.RateLimitedError,
    ),
    "openai context": (
        "openai",
        400,
        openai("This model's maximum context length is 8192 tokens", None, "context_length_exceeded"),
        {},
        errors.ContextTooLongError,
    ),
    "openai flagged": (
        "openai",
        400,
        openai("Invalid prompt: your prompt was flagged", "invalid_request_error", "invalid_prompt"),
        {},
        errors.RefusedError,
    ),
    "openai no such model": (
        "openai",
        404,
        openai("The model `gpt-99` does not exist", "invalid_request_error", "model_not_found"),
        {},
        errors.ModelNotFoundError,
    ),
    "openai bad key": (
        "openai",
        401,
        openai("Incorrect API key provided: sk-abc***xyz", "invalid_request_error", "invalid_api_key"),
        {},
        errors.AuthenticationError,
    ),
    "openai region": (
        "openai",
        403,
        openai("Country not supported", "request_forbidden", "unsupported_country_region_territory"),
        {},
        errors.AuthenticationError,
    ),
    # google
    "google per day": (
        "google",
        429,
        google(
            429, "RESOURCE_EXHAUSTED", QUOTA_WORDS, violation("GenerateRequestsPerDayPerProjectPerModel"), RETRY_INFO
        ),
        {},
        errors.QuotaExhaustedError,
    ),
    "google per minute": (
        "google",
        429,
        google(429, "RESOURCE_EXHAUSTED", QUOTA_WORDS, violation("GenerateRequestsPerMinutePerProject"), RETRY_INFO),
        {},
        errors.RateLimitedError,
    ),
    "google in a list": (
        "google",
        429,
        [google(429, "RESOURCE_EXHAUSTED", QUOTA_WORDS, violation("RequestsPerDay"))],
        {},
        errors.QuotaExhaustedError,
    ),
    "google bad key": (
        "google",
        400,
        google(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}),
        {},
        errors.AuthenticationError,
    ),
    "google region": (
        "google",
        400,
        google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        {},
        errors.AuthenticationError,
    ),
    "google context": (
        "google",
        400,
        google(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
        {},
        errors.ContextTooLongError,
    ),
    "google invalid": (
        "google",
        400,
        google(400, "INVALID_ARGUMENT", "Unknown name"),
        {},
        errors.RequestRejectedError,
    ),
    "google no such model": (
        "google",
        404,
        google(404, "NOT_FOUND", "models/gemini-99 is not found"),
        {},
        errors.ModelNotFoundError,
    ),
    "google overloaded": ("google", 503, google(503, "UNAVAILABLE", "Overloaded"), {}, errors.OverloadedError),
    "google deadline": ("google", 504, google(504, "DEADLINE_EXCEEDED", "Late"), {}, errors.OverloadedError),
    "google cancelled": ("google", 499, google(499, "CANCELLED", "Cancelled"), {}, errors.OutcomeUnknownError),
    # compatible servers
    "openrouter budget in flight": (
        "openrouter",
        402,
        {"error": {"code": 402, "message": "Wait", "metadata": {"error_type": "in_flight_budget_exhausted"}}},
        WAIT,
        errors.RateLimitedError,
    ),
    "openrouter no credit": (
        "openrouter",
        402,
        openai("This request requires more credits", code=402),
        {},
        errors.QuotaExhaustedError,
    ),
    "openrouter flagged": (
        "openrouter",
        403,
        {"error": {"code": 403, "message": "it requires moderation: your input was flagged", "metadata": {}}},
        {},
        errors.RefusedError,
    ),
    "openrouter free models per day": (
        "openrouter",
        429,
        openai("Rate limit exceeded: free-models-per-day", code=429),
        {},
        errors.QuotaExhaustedError,
    ),
    "openrouter no such model": (
        "openrouter",
        400,
        openai("foo/bar is not a valid model ID", code=400),
        {},
        errors.ModelNotFoundError,
    ),
    "openrouter upstream failed, status 200": (
        "openrouter",
        200,
        openai("Provider returned error", code=502),
        {},
        errors.OverloadedError,
    ),
    "openrouter no credit, status 200": ("openrouter", 200, openai("Pay", code=402), {}, errors.QuotaExhaustedError),
    "unknown error, status 200": ("openrouter", 200, openai("???", code="weird"), {}, errors.TemporaryError),
    "deepseek no credit": ("deepseek", 402, openai("Insufficient Balance"), {}, errors.QuotaExhaustedError),
    "cerebras no credit": ("cerebras", 402, {"message": "Pay", "code": "payment"}, {}, errors.QuotaExhaustedError),
    "cerebras daily tokens": (
        "cerebras",
        429,
        {"message": "Tokens per day limit exceeded", "type": "too_many_tokens_error", "code": "token_quota_exceeded"},
        {},
        errors.QuotaExhaustedError,
    ),
    "cerebras queue": (
        "cerebras",
        429,
        {"message": "We're experiencing high traffic", "type": "too_many_requests_error", "code": "queue_exceeded"},
        {},
        errors.RateLimitedError,
    ),
    "ollama model not pulled": ("ollama", 404, openai("model 'x' not found"), {}, errors.ModelNotFoundError),
    "vllm context": (
        "vllm",
        400,
        {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400},
        {},
        errors.ContextTooLongError,
    ),
    "vllm wrong path": ("vllm", 404, {"detail": "Not Found"}, {}, errors.ModelNotFoundError),
    "llama.cpp context": (
        "llamacpp",
        400,
        {"error": {"code": 400, "message": "too many tokens", "type": "exceed_context_size_error"}},
        {},
        errors.ContextTooLongError,
    ),
    "llama.cpp still loading": (
        "llamacpp",
        503,
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        {},
        errors.OverloadedError,
    ),
}


@pytest.mark.parametrize(("provider", "status", "body", "headers", "kind"), CASES.values(), ids=CASES)
def test_a_failure_is_classified(
    provider: str, status: int, body: Json, headers: dict[str, str], kind: type[ProviderError]
) -> None:
    error = failure(provider, status, body, headers)

    assert type(error) is kind, error
    assert error.message.startswith(f"{provider} some-model: ")
    assert len(error.message) < 700


MODELS_OWN = {
    "openai daily limit without advice",
    "google per day",
    "google in a list",
    "openrouter free models per day",
    "cerebras daily tokens",
}


@pytest.mark.parametrize("case", [name for name, row in CASES.items() if row[-1] is errors.QuotaExhaustedError])
def test_it_is_said_whose_quota_is_exhausted(case: str) -> None:
    error = failure(*CASES[case][:4])
    assert isinstance(error, errors.QuotaExhaustedError)
    expected = {"openai larger than a minute allows": errors.Quota.REQUEST} | dict.fromkeys(
        MODELS_OWN, errors.Quota.MODEL
    )
    assert error.quota is expected.get(case, errors.Quota.ACCOUNT)


def test_out_of_credit_is_never_retried_and_a_rate_limit_is() -> None:
    provider, status, body, headers, _ = CASES["openai no credit"]
    assert failure(provider, status, body, headers).disposition is Disposition.NEXT
    provider, status, body, headers, _ = CASES["openai rate limit"]
    assert failure(provider, status, body, headers).disposition is Disposition.RETRY


def test_advice_comes_from_the_header_and_for_google_from_the_body() -> None:
    assert failure(*CASES["anthropic ramp limit"][:4]).retry_after_s == 3
    assert failure(*CASES["google per minute"][:4]).retry_after_s == pytest.approx(34.074824224)


def test_a_rate_limit_without_advice_waits_for_the_limit_that_is_used_up() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "12s",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    advice = failure("openai", 429, openai("Rate limit reached"), headers).retry_after_s

    assert advice == pytest.approx(12, abs=1)


def test_what_was_turned_away_before_any_work_is_not_billed() -> None:
    assert failure(*CASES["openai flagged"][:4]).billed is Billed.NO
    assert failure(*CASES["openrouter no credit"][:4]).billed is Billed.NO


def test_the_providers_code_and_request_id_are_kept() -> None:
    error = failure(*CASES["anthropic spend limit"][:4])
    assert (error.provider_code, error.request_id, error.status) == ("rate_limit_error", "req_body", 429)
    assert failure(*CASES["openai no credit"][:4]).provider_code == "insufficient_quota"


@pytest.mark.parametrize(
    "body",
    [
        {"error": None},
        {"error": []},
        {"error": {"message": {"deep": [1]}, "code": {"a": 1}, "type": 7, "details": "x", "metadata": 5}},
        {"error": "just words"},
        [],
        [[[[[[[[[[[[[[1]]]]]]]]]]]]]],
        {"error": {"details": [{"retryDelay": "nan"}, {"retryDelay": 5}, 3, None, {"retryDelay": "-1s"}]}},
        {"error": {"message": "x" * 100_000 + KEY}},
    ],
    ids=["null", "list", "wrong types", "words", "empty", "deep", "hostile delays", "long"],
)
@pytest.mark.parametrize("provider", WIRES)
def test_an_error_body_of_any_shape_is_classified_by_its_status(provider: str, body: Json) -> None:
    error = failure(provider, 503, body, {"retry-after": "soon"})

    assert type(error) is errors.OverloadedError
    assert error.retry_after_s is None
    assert len(error.message) < 700
    assert KEY not in error.message


@pytest.mark.parametrize("provider", ["anthropic", "openai", "google"])
def test_a_message_holds_no_control_characters(provider: str) -> None:
    error = failure(provider, 400, {"error": {"message": "a\x1b[31mred\nline\u202e\x00\ud800"}})

    assert "a [31mred line" in error.message
    assert error.message.encode()
    assert error.message.replace("\ufffd", "").isprintable()


def test_a_blocked_gemini_prompt_is_refused_and_its_tokens_are_kept() -> None:
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}}
    error = failure("google", 200, body)

    assert type(error) is errors.RefusedError
    assert "PROHIBITED_CONTENT" in error.message
    assert error.partial is not None
    assert error.partial.usage is not None
    assert error.partial.usage.input_tokens == 9


def test_an_openai_refusal_is_refused_with_its_words_as_the_text() -> None:
    message = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
    error = failure("openai", 200, {"choices": [{"message": message, "finish_reason": "stop"}]})

    assert type(error) is errors.RefusedError
    assert error.partial is not None
    assert error.partial.text == "I can't help with that."


@pytest.mark.parametrize(
    ("text", "kind"), [("Half an ans", errors.IncompleteError), ("", errors.OverloadedError)], ids=["text", "no text"]
)
def test_an_upstream_that_failed_in_the_middle_of_an_openrouter_reply(text: str, kind: type[ProviderError]) -> None:
    choice = {"message": {"content": text}, "finish_reason": "error", "error": {"code": 502, "message": "died"}}
    error = failure("openrouter", 200, {"choices": [choice]})

    assert type(error) is kind
    assert "died" in error.message
    assert (error.partial.text if error.partial else "") == text


@pytest.mark.parametrize(
    ("status", "billed"),
    [(status, Billed.UNKNOWN) for status in (408, 502, 504, 507, 520, 522, 524, 527, 531, 598, 599)]
    + [(status, Billed.NO) for status in (409, 425, 500, 503, 521, 523, 525, 526, 529, 530)],
)
def test_a_gateway_that_lost_what_it_passed_on_does_not_say_that_nothing_is_billed(status: int, billed: Billed) -> None:
    bodies: tuple[Json | str, ...] = ({"error": {"message": "Sorry"}}, "<html><title>Sorry</title></html>", "")
    for body in bodies:
        found = failure("openrouter", status, body, {"retry-after": "1"})
        assert (found.billed, found.retryable) == (billed, True)


@pytest.mark.parametrize("status", [460, 499])
def test_a_request_that_was_given_up_on_the_way_may_be_billed(status: int) -> None:
    found = failure("openrouter", status, "", {})
    assert (type(found), found.billed) == (errors.OutcomeUnknownError, Billed.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "words", "billed"),
    [
        (500, "The request timed out", Billed.UNKNOWN),
        (503, "upstream request timeout", Billed.UNKNOWN),
        (503, "first byte timeout", Billed.UNKNOWN),
        (503, "Backend fetch failed", Billed.UNKNOWN),
        (
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            Billed.UNKNOWN,
        ),
        (
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
            Billed.NO,
        ),
        (503, "upstream connect error or disconnect/reset before headers. reset reason: overflow", Billed.NO),
        (503, "no healthy upstream", Billed.NO),
        (500, "The server had an error", Billed.NO),
    ],
)
def test_a_gateways_own_words_say_whether_the_model_may_have_been_at_work(
    status: int, words: str, billed: Billed
) -> None:
    bodies: tuple[Json | str, ...] = (words, {"error": {"message": words}})
    for body in bodies:
        found = failure("openrouter", status, body, {})
        assert (type(found), found.billed) == (errors.OverloadedError, billed)
