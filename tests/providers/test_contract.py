"""The one suite that every adapter passes, over the provider's own SDK and a fake of its wire."""

from __future__ import annotations

import asyncio
import json
import warnings
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import httpx2
import pytest
from patience import PATIENCE_S
from provider_wires import KEY, TARGETS, Answer, Body, FakeServer, Target, connected, json_reply, stream_reply
from skipping import SkippingClock, carry_out

from orchestrator import errors
from orchestrator.errors import Billed, ProviderError
from orchestrator.providers.base import Provider, StreamEvent
from orchestrator.types import (
    Caching,
    Completion,
    Effort,
    FinishReason,
    Media,
    Message,
    Request,
    ResponseFormat,
    TokenLogprob,
    Tool,
    ToolCall,
    Usage,
)

T = TypeVar("T")

REQUEST = Request("some-model", (Message("user", "Say hello"),), max_tokens=64, timeout_s=30)
USAGE = Usage(input_tokens=120, output_tokens=50, cached_tokens=40, reasoning_tokens=20)
WEATHER = Tool("weather", "The weather of a place", {"type": "object", "properties": {"place": {"type": "string"}}})

every_adapter = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)


def use(
    target: Target,
    reply: Any,
    act: Callable[[Provider], Awaitable[T]],
    key: str | None = KEY,
    clock: SkippingClock | None = None,
) -> tuple[T, FakeServer]:
    """What `act` gives with a connection to a fake that answers with `reply`, and the fake."""
    server = FakeServer(reply if callable(reply) else lambda request: reply)

    async def main() -> T:
        provider = connected(target, server, key)
        try:
            return await act(provider)
        finally:
            await provider.aclose()

    return carry_out(main(), clock or SkippingClock()), server


def complete(target: Target, reply: Any, request: Request = REQUEST) -> Completion:
    return use(target, reply, lambda provider: provider.complete(request))[0]


def stream(target: Target, reply: Any, request: Request = REQUEST) -> list[StreamEvent]:
    return use(target, reply, lambda provider: collect(provider, request))[0]


async def collect(provider: Provider, request: Request = REQUEST) -> list[StreamEvent]:
    return [event async for event in provider.stream(request)]


def failing(target: Target, reply: Any, kind: type[ProviderError], *, streamed: bool = False) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        (stream if streamed else complete)(target, reply)
    assert type(caught.value) is kind, caught.value
    assert caught.value.provider == target.provider
    assert caught.value.model == REQUEST.model
    return caught.value


def text_of(events: Iterable[StreamEvent]) -> str:
    return "".join(event for event in events if isinstance(event, str))


def last(events: list[StreamEvent]) -> Completion:
    *others, final = events
    assert isinstance(final, Completion)
    assert not any(isinstance(event, Completion) for event in others)
    return final


# Completions


@every_adapter
def test_a_completion_has_the_text_the_ending_and_the_usage_in_one_convention(target: Target) -> None:
    completion = complete(target, json_reply(target.wire.whole(Answer())))

    assert completion.text == "Hello, world"
    assert completion.finish_reason is FinishReason.STOP
    assert completion.usage == USAGE
    assert completion.model == "served-model"
    assert completion.ttft_ms is None
    assert completion.latency_ms >= 0


@every_adapter
def test_the_raw_usage_is_kept_as_the_provider_sent_it(target: Target) -> None:
    body = target.wire.whole(Answer())
    usage = complete(target, json_reply(body)).usage

    assert usage is not None
    assert usage.raw == body.get("usage", body.get("usageMetadata"))


@every_adapter
def test_a_request_id_comes_from_the_header_or_else_from_the_body(target: Target) -> None:
    body = target.wire.whole(Answer())
    header = "request-id" if target.provider == "anthropic" else "x-request-id"

    assert complete(target, json_reply(body, headers={header: "req-7"})).request_id == "req-7"
    assert complete(target, json_reply(body)).request_id in {"msg_1", "chatcmpl-1", "resp-1"}


@every_adapter
@pytest.mark.parametrize("finish", [FinishReason.STOP, FinishReason.LENGTH])
def test_an_ending_is_mapped_to_one_vocabulary(target: Target, finish: FinishReason) -> None:
    answer = Answer(finish=finish.value)

    assert complete(target, json_reply(target.wire.whole(answer))).finish_reason is finish
    assert last(stream(target, stream_reply(target.wire.stream(answer)))).finish_reason is finish


@every_adapter
def test_a_reply_without_usage_id_model_or_ending_is_still_a_completion(target: Target) -> None:
    body = target.wire.whole(Answer(usage=False, finish=None))
    for name in ("id", "model", "modelVersion", "responseId", "role", "type"):
        body.pop(name, None)

    completion = complete(target, json_reply(body))

    assert completion.text == "Hello, world"
    assert completion.usage is None
    assert completion.model == "some-model"
    assert completion.finish_reason is FinishReason.STOP
    assert completion.request_id is None


USAGES: dict[str, tuple[Target, dict[str, Any], Usage]] = {
    "anthropic cache write": (
        TARGETS[0],
        {"input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 11, "output_tokens": 2},
        Usage(input_tokens=23, output_tokens=2, cached_tokens=7, cache_write_tokens=11),
    ),
    "anthropic nulls": (
        TARGETS[0],
        {"input_tokens": 5, "cache_read_input_tokens": None, "output_tokens": 2, "output_tokens_details": None},
        Usage(input_tokens=5, output_tokens=2),
    ),
    "openai cache write": (
        TARGETS[1],
        {"prompt_tokens": 23, "completion_tokens": 2, "prompt_tokens_details": {"cache_write_tokens": 11}},
        Usage(input_tokens=23, output_tokens=2, cache_write_tokens=11),
    ),
    "openai without details": (
        TARGETS[1],
        {"prompt_tokens": 23, "completion_tokens": 2, "total_tokens": 25},
        Usage(input_tokens=23, output_tokens=2),
    ),
    "compatible, reasoning counted beside": (
        TARGETS[3],
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 115,
            "completion_tokens_details": {"reasoning_tokens": 100},
        },
        Usage(input_tokens=10, output_tokens=105, reasoning_tokens=100),
    ),
    "compatible, more cached than prompt": (
        TARGETS[3],
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 90}},
        Usage(input_tokens=100, output_tokens=5, cached_tokens=90),
    ),
    "compatible, cached beside the prompt as the details say": (
        TARGETS[3],
        {
            "prompt_tokens": 249,
            "completion_tokens": 40,
            "total_tokens": 289,
            "prompt_tokens_details": {"cached_tokens": 416, "text_tokens": 249},
        },
        Usage(input_tokens=665, output_tokens=40, cached_tokens=416),
    ),
    "compatible, a total beyond the parts": (
        TARGETS[3],
        {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
        Usage(input_tokens=20, output_tokens=603),
    ),
    "compatible, no prompt but a total": (
        TARGETS[3],
        {"completion_tokens": 8, "total_tokens": 28},
        Usage(input_tokens=20, output_tokens=8),
    ),
    "compatible, more reasoning than completion": (
        TARGETS[3],
        {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 100}},
        Usage(input_tokens=10, output_tokens=105, reasoning_tokens=100),
    ),
    "compatible, cached at the top": (
        TARGETS[3],
        {"prompt_tokens": 1336, "completion_tokens": 31, "total_tokens": 1367, "cached_tokens": 1280},
        Usage(input_tokens=1336, output_tokens=31, cached_tokens=1280),
    ),
    "compatible, Anthropic's names inside the prompt": (
        TARGETS[3],
        {"prompt_tokens": 120, "completion_tokens": 8, "cache_creation_input_tokens": 70, "cache_read_input_tokens": 9},
        Usage(input_tokens=120, output_tokens=8, cached_tokens=9, cache_write_tokens=70),
    ),
    "compatible, Anthropic's names alone": (
        TARGETS[3],
        {"input_tokens": 12, "output_tokens": 8, "cache_read_input_tokens": 9},
        Usage(input_tokens=21, output_tokens=8, cached_tokens=9),
    ),
    "compatible, the names of OpenAI's other API": (
        TARGETS[3],
        {
            "input_tokens": 12,
            "output_tokens": 8,
            "input_tokens_details": {"cached_tokens": 9},
            "output_tokens_details": {"reasoning_tokens": 3},
        },
        Usage(input_tokens=12, output_tokens=8, cached_tokens=9, reasoning_tokens=3),
    ),
    "anthropic, OpenAI's names": (
        TARGETS[0],
        {"prompt_tokens": 12, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 9}},
        Usage(input_tokens=12, output_tokens=8, cached_tokens=9),
    ),
    "anthropic, cache writes by age only": (
        TARGETS[0],
        {
            "input_tokens": 5,
            "output_tokens": 2,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
        },
        Usage(input_tokens=12, output_tokens=2, cache_write_tokens=7),
    ),
    "anthropic, iterations beyond what the top says": (
        TARGETS[0],
        {
            "input_tokens": 45,
            "output_tokens": 1234,
            "iterations": [
                {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500},
                {"type": "message", "input_tokens": 23_000, "output_tokens": 1000},
            ],
        },
        Usage(input_tokens=203_000, output_tokens=4500),
    ),
    "google, a total beyond the parts": (
        TARGETS[2],
        {"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 90},
        Usage(input_tokens=10, output_tokens=80),
    ),
    "google, more cached than prompt": (
        TARGETS[2],
        {"promptTokenCount": 10, "candidatesTokenCount": 3, "cachedContentTokenCount": 40},
        Usage(input_tokens=50, output_tokens=3, cached_tokens=40),
    ),
    "deepseek cache hits": (
        TARGETS[3],
        {"prompt_tokens": 100, "completion_tokens": 5, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
        Usage(input_tokens=100, output_tokens=5, cached_tokens=64),
    ),
    "google tool prompt": (
        TARGETS[2],
        {"promptTokenCount": 10, "toolUsePromptTokenCount": 4, "candidatesTokenCount": 3},
        Usage(input_tokens=14, output_tokens=3),
    ),
    "google thought only": (
        TARGETS[2],
        {"promptTokenCount": 10, "thoughtsTokenCount": 60},
        Usage(input_tokens=10, output_tokens=60, reasoning_tokens=60),
    ),
}


@pytest.mark.parametrize(("target", "raw", "usage"), USAGES.values(), ids=USAGES)
def test_no_token_is_counted_twice_or_left_out(target: Target, raw: dict[str, Any], usage: Usage) -> None:
    body = target.wire.whole(Answer()) | {"usageMetadata" if target.provider == "google" else "usage": raw}

    assert complete(target, json_reply(body)).usage == usage


@every_adapter
@pytest.mark.parametrize("count", ["12", -1, 1.5, True, 10**30, [], {}], ids=repr)
def test_usage_that_is_no_count_is_unknown_rather_than_wrong(target: Target, count: object) -> None:
    body = target.wire.whole(Answer())
    usage: dict[str, object] = body["usageMetadata" if target.provider == "google" else "usage"]
    usage[next(name for name in ("input_tokens", "prompt_tokens", "promptTokenCount") if name in usage)] = count

    completion = complete(target, json_reply(body))

    assert completion.text == "Hello, world"
    assert completion.usage is None
    assert (completion.disbelieved is not None) == (count == 10**30)


@every_adapter
def test_an_ending_nobody_knows_yet_is_no_proper_end(target: Target) -> None:
    text = target.wire.finishes["stop"].encode()
    whole = json_reply(target.wire.whole(Answer())).content.replace(b'"' + text + b'"', b'"EXHAUSTED_MUSE"')
    streamed = b"".join(target.wire.stream(Answer())).replace(b'"' + text + b'"', b'"EXHAUSTED_MUSE"')
    headers = {"content-type": "application/json"}

    assert b"EXHAUSTED_MUSE" in whole
    assert b"EXHAUSTED_MUSE" in streamed
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nor does an SDK get to talk of it on stderr
        for error in (
            failing(target, httpx2.Response(200, content=whole, headers=headers), errors.IncompleteError),
            failing(target, stream_reply([streamed]), errors.IncompleteError, streamed=True),
        ):
            assert "EXHAUSTED_MUSE" in error.message
            assert error.partial is not None
            assert (error.partial.text, error.billed) == ("Hello, world", Billed.YES)


@every_adapter
@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("max_tokens", FinishReason.LENGTH),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("maxTokens", FinishReason.LENGTH),
        ("FinishReason.MAX_TOKENS", FinishReason.LENGTH),
        ("model_length", FinishReason.LENGTH),
        ("end_turn", FinishReason.STOP),
        ("STOP", FinishReason.STOP),
        ("eos_token", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
    ],
)
def test_an_ending_in_the_words_of_another_provider_is_what_it_is_there(
    target: Target, word: str, finish: FinishReason
) -> None:
    own = target.wire.finishes["stop"]
    whole = json_reply(target.wire.whole(Answer())).content.replace(f'"{own}"'.encode(), f'"{word}"'.encode())
    reply = httpx2.Response(200, content=whole, headers={"content-type": "application/json"})
    assert complete(target, reply).finish_reason is finish


@every_adapter
@pytest.mark.parametrize("word", ["pause_turn", "OTHER", "error", "abort", "FINISH_REASON_UNSPECIFIED"])
def test_an_ending_that_says_so_is_no_proper_end(target: Target, word: str) -> None:
    own = target.wire.finishes["stop"]
    whole = json_reply(target.wire.whole(Answer())).content.replace(f'"{own}"'.encode(), f'"{word}"'.encode())
    reply = httpx2.Response(200, content=whole, headers={"content-type": "application/json"})
    failing(target, reply, errors.IncompleteError)


class Hanging(Body):
    """Falls silent after its chunks, and all the time that anybody would wait passes at once."""

    clock: SkippingClock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in super().__aiter__():
            yield chunk
        self.clock.skip(3600)
        await asyncio.sleep(3600)


@every_adapter
@pytest.mark.parametrize("finish", ["stop", "length"])
@pytest.mark.parametrize("after", ["an error", "no connection", "silence"])
def test_an_answer_whose_end_was_told_is_complete_whatever_comes_after_it(
    target: Target, finish: str, after: str
) -> None:
    *events, _ = target.wire.stream(Answer(finish=finish))  # all but the last marker
    clock = SkippingClock()
    if after == "an error":
        body = Body([*events, target.wire.fault("overloaded", "too late")])
    elif after == "no connection":
        body = Body(events, httpx2.ReadError("reset by peer"))
    else:
        body = Hanging(events)
        body.clock = clock
    got, _ = use(target, stream_reply(body), collect, clock=clock)
    completion = last(got)
    assert (completion.text, completion.usage) == ("Hello, world", USAGE)
    assert completion.finish_reason is {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}[finish]


def test_a_length_that_was_reached_and_then_told_as_an_error_is_a_length_with_its_counts() -> None:
    thought = {"index": 0, "delta": {"content": "", "reasoning": "We need"}, "finish_reason": "length"}
    counts = {"prompt_tokens": 43, "completion_tokens": 10, "total_tokens": 53}
    late = {"index": 0, "delta": {"content": ""}, "finish_reason": None}
    error = {"code": 400, "message": "Token limit reached"}
    events = [{"choices": [thought]}, {"error": error, "choices": [late], "usage": counts}]
    target = next(target for target in TARGETS if target.provider == "openai")
    body = [*(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), b"data: [DONE]\n\n"]
    completion = last(stream(target, stream_reply(body)))
    assert (completion.text, completion.finish_reason) == ("", FinishReason.LENGTH)
    assert completion.usage is not None
    assert (completion.usage.input_tokens, completion.usage.output_tokens) == (43, 10)


@every_adapter
def test_truncated_without_any_text_is_delivered_as_truncated(target: Target) -> None:
    answer = Answer(pieces=(), finish="length")
    completion = complete(target, json_reply(target.wire.whole(answer)))

    assert (completion.text, completion.finish_reason, completion.usage) == ("", FinishReason.LENGTH, USAGE)
    assert last(stream(target, stream_reply(target.wire.stream(answer)))).finish_reason is FinishReason.LENGTH


@every_adapter
def test_tool_calls_come_with_their_arguments_as_json_text(target: Target) -> None:
    answer = Answer(pieces=(), finish="tool_calls", tool=("weather", {"place": "Zürich"}))
    whole = complete(target, json_reply(target.wire.whole(answer)))
    streamed = last(stream(target, stream_reply(target.wire.stream(answer))))

    for completion in (whole, streamed):
        assert completion.finish_reason is FinishReason.TOOL_CALLS
        (call,) = completion.tool_calls
        assert call.name == "weather"
        assert call.id
        assert httpx2.Response(200, content=call.arguments).json() == {"place": "Zürich"}


@every_adapter
def test_logprobs_are_read_where_the_wire_has_them(target: Target) -> None:
    provider_has_them, _ = use(target, json_reply({}), lambda p: asyncio.sleep(0, p.capabilities().logprobs))
    completion = complete(target, json_reply(target.wire.whole(Answer())), replace(REQUEST, logprobs=True))

    hello = TokenLogprob("Hello", -0.25, (("Hello", -0.25), ("Hi", -1.5)))
    assert completion.logprobs == ((hello,) if provider_has_them else None)


@every_adapter
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_lone_surrogates_become_replacement_characters(target: Target, streamed: bool) -> None:
    answer = Answer(pieces=("a\ud83d", "\ude00b", "c\udc00d\ud800"))
    if streamed:
        events = stream(target, stream_reply(target.wire.stream(answer)))
        text = last(events).text
        assert text_of(events) == text
    else:
        text = complete(target, json_reply(target.wire.whole(answer))).text

    assert text == "a😀bc\ufffdd\ufffd"


# Streams


@every_adapter
def test_a_stream_gives_pieces_then_usage_and_one_completion_at_the_end(target: Target) -> None:
    events = stream(
        target, stream_reply(target.wire.stream(Answer()), {"request-id": "req-7", "x-request-id": "req-7"})
    )
    completion = last(events)

    assert [event for event in events if isinstance(event, str)] == ["Hello", ", ", "world"]
    assert [event for event in events if isinstance(event, Usage)][-1] == USAGE
    assert (completion.text, completion.usage, completion.model) == ("Hello, world", USAGE, "served-model")
    assert completion.request_id == "req-7"
    assert completion.ttft_ms is not None
    assert 0 <= completion.ttft_ms <= completion.latency_ms


@every_adapter
def test_a_stream_is_asked_for_and_with_its_usage(target: Target) -> None:
    _, server = use(target, stream_reply(target.wire.stream(Answer())), collect)

    if target.provider == "google":
        assert server.requests[0].url.path.endswith(":streamGenerateContent")
        assert server.requests[0].url.params["alt"] == "sse"
    else:
        assert server.body["stream"] is True
        assert server.body.get("stream_options") == (
            None if target.provider == "anthropic" else {"include_usage": True}
        )


def test_anthropic_reports_the_input_before_the_first_piece() -> None:
    target = TARGETS[0]
    first, *_ = stream(target, stream_reply(target.wire.stream(Answer())))

    assert isinstance(first, Usage)
    assert first.input_tokens == 120


@every_adapter
def test_a_stream_cut_into_single_bytes_reads_the_same(target: Target) -> None:
    whole = b"".join(target.wire.stream(Answer(pieces=("Größe ", "\u2028 ", "世界"))))
    events = stream(target, stream_reply(whole[i : i + 1] for i in range(len(whole))))

    assert last(events).text == "Größe \u2028 世界"


@every_adapter
def test_a_stream_without_its_last_marker_is_complete_if_it_said_why_it_stopped(target: Target) -> None:
    chunks = [target.wire.encode(event) for event in target.wire.events(Answer())]

    assert last(stream(target, stream_reply(chunks))).finish_reason is FinishReason.STOP


@pytest.mark.parametrize("target", [t for t in TARGETS if t.wire.last_marker], ids=lambda t: t.provider)
def test_a_stream_with_its_last_marker_is_complete_even_if_it_did_not_say_why(target: Target) -> None:
    completion = last(stream(target, stream_reply(target.wire.stream(Answer(finish=None)))))

    assert (completion.text, completion.finish_reason) == ("Hello, world", FinishReason.STOP)


@every_adapter
def test_a_stream_that_just_ends_is_incomplete_and_keeps_what_came(target: Target) -> None:
    chunks = [target.wire.encode(event) for event in target.wire.events(Answer(finish=None))]
    error = failing(target, stream_reply(chunks), errors.IncompleteError, streamed=True)

    assert error.partial is not None
    assert (error.partial.text, error.partial.finish_reason) == ("Hello, world", FinishReason.INCOMPLETE)
    assert error.partial.usage is not None
    assert error.partial.usage.input_tokens == 120
    assert error.billed is Billed.UNKNOWN


@every_adapter
def test_a_stream_that_ends_before_it_begins_may_be_tried_again(target: Target) -> None:
    error = failing(target, stream_reply([b"\n\n"]), errors.BadReplyError, streamed=True)

    assert error.retryable
    assert error.partial is None


@every_adapter
@pytest.mark.parametrize(
    ("fault", "kind"),
    [("overloaded", errors.OverloadedError), ("rate_limited", errors.RateLimitedError)],
    ids=["overloaded", "rate limited"],
)
def test_an_error_event_before_any_text_is_the_error_that_it_names(
    target: Target, fault: str, kind: type[ProviderError]
) -> None:
    error = failing(target, stream_reply([target.wire.fault(fault, "come back later")]), kind, streamed=True)

    assert error.retryable
    assert "come back later" in error.message


@every_adapter
def test_an_error_event_after_text_keeps_the_text_and_says_what_happened(target: Target) -> None:
    chunks = [target.wire.encode(event) for event in target.wire.events(Answer(finish=None))]
    chunks.append(target.wire.fault("overloaded", "melting"))
    error = failing(target, stream_reply(chunks), errors.IncompleteError, streamed=True)

    assert error.partial is not None
    assert error.partial.text == "Hello, world"
    assert "melting" in error.message
    assert error.message.count(target.provider + " some-model") == 1


@every_adapter
@pytest.mark.parametrize(
    ("broken", "before"),
    [
        (httpx2.ReadTimeout("slow"), errors.OutcomeUnknownError),
        (httpx2.ReadError("reset"), errors.OutcomeUnknownError),
        (httpx2.RemoteProtocolError("incomplete chunked read"), errors.BadReplyError),
        (httpx2.DecodingError("bad gzip"), errors.BadReplyError),
    ],
    ids=["read timeout", "reset", "broken chunking", "bad compression"],
)
def test_a_connection_that_breaks_in_a_stream_leaks_no_exception_of_the_transport(
    target: Target, broken: Exception, before: type[ProviderError]
) -> None:
    failing(target, lambda request: stream_reply(Body([], broken)), before, streamed=True)
    chunks = [target.wire.encode(event) for event in target.wire.events(Answer(finish=None))]
    error = failing(target, lambda r: stream_reply(Body(chunks, broken)), errors.IncompleteError, streamed=True)

    assert error.partial is not None
    assert error.partial.text == "Hello, world"


@every_adapter
def test_bad_json_in_a_stream_is_a_bad_reply_before_text_and_incomplete_after(target: Target) -> None:
    bad = b'event: message_start\ndata: {"type": nonsense\n\n'
    failing(target, stream_reply([bad]), errors.BadReplyError, streamed=True)
    chunks = [target.wire.encode(event) for event in target.wire.events(Answer(finish=None))]

    failing(target, stream_reply([*chunks, bad]), errors.IncompleteError, streamed=True)


@every_adapter
def test_closing_a_stream_early_closes_the_connection(target: Target) -> None:
    body = Body(target.wire.stream(Answer(pieces=tuple("abcdefgh"))))

    async def act(provider: Provider) -> None:
        events = provider.stream(REQUEST)
        async for event in events:
            if isinstance(event, str):
                break
        await events.aclose()
        assert body.closed

    use(target, stream_reply(body), act)
    assert body.sent < len(body.chunks)


@every_adapter
def test_cancelling_a_stream_closes_the_connection_and_stays_a_cancellation(target: Target) -> None:
    stuck = asyncio.Event()

    class Stuck(Body):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            yield self.chunks[0]
            stuck.set()
            await asyncio.sleep(3600)

    body = Stuck(target.wire.stream(Answer()))

    async def act(provider: Provider) -> None:
        task = asyncio.create_task(collect(provider))
        await asyncio.wait_for(stuck.wait(), PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert body.closed

    use(target, stream_reply(body), act)


@every_adapter
def test_a_server_that_answers_a_stream_request_in_one_piece_is_understood(target: Target) -> None:
    events = stream(target, json_reply(target.wire.whole(Answer())))

    assert text_of(events) == "Hello, world"
    assert last(events).usage == USAGE


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_google_does_not_go_on_to_further_requests_by_itself(streamed: bool) -> None:
    target = TARGETS[2]
    answer = Answer(finish="length")
    body = target.wire.whole(answer) if not streamed else target.wire.events(answer)[-1]
    body["candidates"][0] |= {"finishReason": "CONTINUATION", "continuationToken": "bW9yZQ=="}
    body["candidates"][0]["content"]["parts"] = [{"text": "half"}]
    server = FakeServer(lambda r: stream_reply([target.wire.encode(body)]) if streamed else json_reply(body))

    async def main() -> Completion:
        provider = connected(target, server)
        try:
            return last(await collect(provider)) if streamed else await provider.complete(REQUEST)
        finally:
            await provider.aclose()

    completion = asyncio.run(main())
    assert len(server.requests) == 1
    assert (completion.text, completion.finish_reason) == ("half", FinishReason.LENGTH)


@every_adapter
def test_an_error_event_in_a_stream_that_was_accepted_may_be_billed(target: Target) -> None:
    opening = target.wire.encode(target.wire.events(Answer(pieces=("",), finish=None))[0])
    reply = stream_reply([opening, target.wire.fault("overloaded", "melting")])
    error = failing(target, reply, errors.OverloadedError, streamed=True)

    reported = error.partial is not None and error.partial.usage is not None
    assert reported == (target.wire.name != "openai")  # which reports at the end only
    assert error.billed is Billed.UNKNOWN


@every_adapter
def test_a_large_output_limit_needs_no_stream(target: Target) -> None:
    request = replace(REQUEST, max_tokens=128_000, timeout_s=3600)

    assert complete(target, json_reply(target.wire.whole(Answer())), request).text == "Hello, world"


# Time


@every_adapter
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_timeout_covers_the_whole_call_even_if_bytes_keep_dripping(target: Target, streamed: bool) -> None:
    clock = SkippingClock()

    class Dripping(Body):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            for _ in range(1000):
                clock.skip(60)
                await asyncio.sleep(0)
                yield b"\n\n" if streamed else b" "

    request = replace(REQUEST, timeout_s=600)
    kind = "text/event-stream" if streamed else "application/json"
    reply = httpx2.Response(200, stream=Dripping([]), headers={"content-type": kind})
    with pytest.raises(errors.OutcomeUnknownError, match="timed out") as caught:
        use(target, reply, lambda p: collect(p, request) if streamed else p.complete(request), clock=clock)

    assert caught.value.billed is Billed.UNKNOWN


@every_adapter
def test_the_timeout_reaches_the_transport_and_connecting_gets_less(target: Target) -> None:
    seen: list[dict[str, float]] = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.extensions["timeout"])
        return json_reply(target.wire.whole(Answer()))

    complete(target, reply, replace(REQUEST, timeout_s=90))
    complete(target, reply, replace(REQUEST, timeout_s=3))

    assert [(t["connect"], t["read"]) for t in seen] == [(10, 90), (1.5, 3)]


# Failures


@every_adapter
def test_refused_text_is_kept_so_that_it_can_be_billed(target: Target) -> None:
    answer = Answer(pieces=("I can",), finish="refused")
    for streamed, reply in (
        (False, json_reply(target.wire.whole(answer))),
        (True, stream_reply(target.wire.stream(answer))),
    ):
        error = failing(target, reply, errors.RefusedError, streamed=streamed)
        assert error.partial is not None
        assert (error.partial.text, error.partial.finish_reason) == ("I can", FinishReason.REFUSED)
        assert error.partial.usage == USAGE
        assert error.billed is Billed.YES


@every_adapter
@pytest.mark.parametrize(
    "pieces", [(), ("\n\n", "  \n"), ("\u200b\ufeff", "\xa0")], ids=["nothing", "white space", "unseen"]
)
def test_an_empty_reply_may_be_tried_again_and_its_tokens_count(target: Target, pieces: tuple[str, ...]) -> None:
    answer = Answer(pieces=pieces)
    for streamed, reply in (
        (False, json_reply(target.wire.whole(answer))),
        (True, stream_reply(target.wire.stream(answer))),
    ):
        error = failing(target, reply, errors.EmptyReplyError, streamed=streamed)
        assert error.retryable
        assert error.partial is not None
        assert error.partial.usage == USAGE


@every_adapter
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.RequestRejectedError),
        (401, errors.AuthenticationError),
        (402, errors.QuotaExhaustedError),
        (403, errors.AuthenticationError),
        (404, errors.ModelNotFoundError),
        (408, errors.TemporaryError),
        (409, errors.TemporaryError),
        (413, errors.ContextTooLongError),
        (422, errors.RequestRejectedError),
        (429, errors.RateLimitedError),
        (499, errors.OutcomeUnknownError),
        (500, errors.OverloadedError),
        (502, errors.OverloadedError),
        (503, errors.OverloadedError),
        (504, errors.OverloadedError),
        (529, errors.OverloadedError),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("html", [False, True], ids=["json", "html"])
def test_an_error_status_is_classified_and_sent_once(
    target: Target, status: int, kind: type[ProviderError], streamed: bool, html: bool
) -> None:
    page = "<!DOCTYPE html><html><head><title>Bad\n Gateway</title></head><body>x</body></html>"

    def reply(request: httpx2.Request) -> httpx2.Response:
        headers = {"request-id": "req-9", "x-request-id": "req-9", "retry-after": "0.5"}
        if html:
            return httpx2.Response(status, html=page, headers=headers)
        return json_reply({"error": {"message": "no, sorry", "code": None}}, status, headers)

    server = FakeServer(reply)

    async def main() -> None:
        provider = connected(target, server)
        try:
            await (collect(provider) if streamed else provider.complete(REQUEST))
        finally:
            await provider.aclose()

    with pytest.raises(ProviderError) as caught:
        asyncio.run(main())
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.request_id, error.retry_after_s) == (status, "req-9", 0.5)
    assert ('an HTML page, "Bad Gateway"' if html else "no, sorry") in error.message
    assert len(server.requests) == 1


@every_adapter
@pytest.mark.parametrize(
    ("broken", "kind", "billed"),
    [
        (httpx2.ConnectError("refused"), errors.ConnectionFailedError, Billed.NO),
        (httpx2.ConnectTimeout("slow"), errors.ConnectionFailedError, Billed.NO),
        (httpx2.ReadTimeout("slow"), errors.OutcomeUnknownError, Billed.UNKNOWN),
        (httpx2.ReadError("reset"), errors.OutcomeUnknownError, Billed.UNKNOWN),
        (httpx2.RemoteProtocolError("Server disconnected"), errors.OutcomeUnknownError, Billed.UNKNOWN),
        (ConnectionResetError("reset"), errors.OutcomeUnknownError, Billed.UNKNOWN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_failed_connection_says_whether_it_may_have_been_billed(
    target: Target, broken: Exception, kind: type[ProviderError], billed: Billed, streamed: bool
) -> None:
    def reply(request: httpx2.Request) -> httpx2.Response:
        raise broken

    error = failing(target, reply, kind, streamed=streamed)

    assert error.billed is billed


@every_adapter
def test_status_200_with_an_error_inside_goes_by_the_inner_code(target: Target) -> None:
    body = {"error": {"code": 429, "message": "upstream is busy"}, "choices": None}
    error = failing(target, json_reply(body), errors.RateLimitedError)

    assert "upstream is busy" in error.message


@every_adapter
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", errors.BadReplyError),
        (b"oops", errors.BadReplyError),
        (b'{"id": "x", "cho', errors.BadReplyError),
        (b"\xff\xfe\x00garbage", errors.BadReplyError),
        (b"[" * 100_000, errors.BadReplyError),
        (b"<html><head><title>Sign in</title></head></html>", errors.OverloadedError),
        (b"{}", errors.EmptyReplyError),
        (b"null", errors.EmptyReplyError),
        (b'{"choices": 5, "content": "x", "candidates": {"a": 1}}', errors.EmptyReplyError),
    ],
    ids=["nothing", "words", "cut", "not UTF-8", "deep", "html", "empty object", "null", "other shapes"],
)
def test_a_reply_that_is_not_what_was_promised_leaks_no_exception(
    target: Target, content: bytes, kind: type[ProviderError]
) -> None:
    reply = httpx2.Response(200, content=content, headers={"content-type": "application/json"})

    assert failing(target, reply, kind).retryable


@every_adapter
def test_a_redirect_takes_neither_the_key_nor_the_prompt_to_another_origin(target: Target) -> None:
    hosts: list[str] = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        hosts.append(request.url.host)
        return httpx2.Response(307, headers={"location": "https://elsewhere.test/v1/messages"})

    for streamed in (False, True):
        error = failing(target, reply, errors.RequestRejectedError, streamed=streamed)
        assert "redirected" in error.message
    assert set(hosts) == {httpx2.URL(target.base_url).host}


@every_adapter
def test_a_key_that_a_provider_echoes_is_not_in_the_message(target: Target) -> None:
    body = {"error": {"message": f"bad key {KEY}; header was Authorization: Bearer {KEY}, url ?key={KEY}"}}
    error = failing(target, json_reply(body, 401), errors.AuthenticationError)

    assert KEY not in f"{error} {error.hint} {error.provider_code}"
    assert "[redacted]" in error.message


@every_adapter
def test_a_prompt_that_is_no_unicode_is_rejected_or_repaired_before_it_is_sent(target: Target) -> None:
    request = replace(REQUEST, messages=(Message("user", "half a pair: \ud83d"),))
    server = FakeServer(lambda r: json_reply(target.wire.whole(Answer())))

    async def main() -> Completion:
        provider = connected(target, server)
        try:
            return await provider.complete(request)
        finally:
            await provider.aclose()

    try:
        assert asyncio.run(main()).text == "Hello, world"
    except errors.RequestRejectedError:
        assert not server.requests


# Requests


@every_adapter
def test_the_key_is_sent_in_one_header_only(target: Target) -> None:
    _, server = use(target, json_reply(target.wire.whole(Answer())), lambda p: p.complete(REQUEST))
    (request,) = server.requests
    carriers = [name for name, value in request.headers.items() if KEY in value]

    assert carriers == ["x-goog-api-key" if target.provider == "google" else "authorization"]
    assert KEY not in str(request.url)
    assert target.wire.path.lower() in request.url.path.lower()


@every_adapter
def test_what_a_request_leaves_open_is_left_out(target: Target) -> None:
    _, server = use(target, json_reply(target.wire.whole(Answer())), lambda p: p.complete(REQUEST))
    text = server.requests[-1].content.decode().lower()

    for name in ("temperature", "stop", "tools", "system", "response_format", "output_config", "logprobs", "null"):
        assert name not in text


@every_adapter
def test_a_conversation_with_tools_is_sent_in_full(target: Target) -> None:
    calls = (ToolCall("call_1", "weather", '{"place": "Bern"}'), ToolCall("call_2", "weather", '{"place": "Rom"}'))
    request = replace(
        REQUEST,
        messages=(
            Message("user", "Compare Bern and Rom"),
            Message("assistant", "Looking.", tool_calls=calls),
            Message("tool", "rain", tool_call_id="call_1"),
            Message("tool", "sun", tool_call_id="call_2"),
        ),
        system="Be brief.",
        temperature=0.0,
        stop=("END",),
        tools=(WEATHER,),
    )
    _, server = use(target, json_reply(target.wire.whole(Answer())), lambda p: p.complete(request))

    assert server.body == EXPECTED[target.provider]


@every_adapter
def test_what_is_likely_to_be_sent_again_is_marked_or_keyed_and_all_text_is_sent(target: Target) -> None:
    turns = (
        Message("user", "[begin]\nA file.\n[end]\n\nWhat is in it?"),
        Message("assistant", "A file."),
        Message("user", "And what else?"),
    )
    caching = Caching(key="k1", opening=True, asking=0, files=len("[begin]\nA file.\n[end]"), goes_on=True)
    request = replace(REQUEST, messages=turns, system="Be brief.", tools=(WEATHER,), caching=caching)
    _, server = use(target, json_reply(target.wire.whole(Answer())), lambda p: p.complete(request))
    body = server.body
    if target.provider != "anthropic":
        _, plain = use(
            target, json_reply(target.wire.whole(Answer())), lambda p: p.complete(replace(request, caching=None))
        )
        assert body == plain.body | ({"prompt_cache_key": "k1"} if target.provider == "openai" else {})
        return
    mark = {"cache_control": {"type": "ephemeral"}}
    assert body["system"] == [{"type": "text", "text": "Be brief.", **mark}]
    assert [message["content"] for message in body["messages"]] == [
        [
            {"type": "text", "text": "[begin]\nA file.\n[end]", **mark},
            {"type": "text", "text": "\n\nWhat is in it?"},
        ],
        "A file.",
        [{"type": "text", "text": "And what else?", **mark}],
    ]


_PARAMETERS = dict(WEATHER.parameters)
_ARGUMENTS = ('{"place": "Bern"}', '{"place": "Rom"}')
_OPENAI = {
    "model": "some-model",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Compare Bern and Rom"},
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {"id": f"call_{n}", "type": "function", "function": {"name": "weather", "arguments": arguments}}
                for n, arguments in enumerate(_ARGUMENTS, 1)
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
    ],
    "temperature": 0.0,
    "stop": ["END"],
    "tools": [
        {
            "type": "function",
            "function": {"name": "weather", "description": WEATHER.description, "parameters": _PARAMETERS},
        }
    ],
}
EXPECTED: dict[str, dict[str, Any]] = {
    "openai": _OPENAI | {"max_completion_tokens": 64},
    "deepseek": _OPENAI | {"max_tokens": 64},
    "anthropic": {
        "model": "some-model",
        "max_tokens": 64,
        "system": "Be brief.",
        "temperature": 0.0,
        "stop_sequences": ["END"],
        "tools": [{"name": "weather", "description": WEATHER.description, "input_schema": _PARAMETERS}],
        "messages": [
            {"role": "user", "content": "Compare Bern and Rom"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Looking."},
                    {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"place": "Bern"}},
                    {"type": "tool_use", "id": "call_2", "name": "weather", "input": {"place": "Rom"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "rain"},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": "sun"},
                ],
            },
        ],
    },
    "google": {
        "contents": [
            {"role": "user", "parts": [{"text": "Compare Bern and Rom"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "Looking."},
                    {"functionCall": {"name": "weather", "args": {"place": "Bern"}}},
                    {"functionCall": {"name": "weather", "args": {"place": "Rom"}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "weather", "response": {"output": "rain"}}},
                    {"functionResponse": {"name": "weather", "response": {"output": "sun"}}},
                ],
            },
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}], "role": "user"},
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "weather", "description": WEATHER.description, "parameters_json_schema": _PARAMETERS}
                ]
            }
        ],
        "generationConfig": {"maxOutputTokens": 64, "stopSequences": ["END"], "temperature": 0.0},
    },
}


@every_adapter
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_images_documents_and_what_a_model_is_asked_besides_are_sent(target: Target, streamed: bool) -> None:
    data = b"\xfb\xff picture"
    image, paper = Media("image/png", data), Media("application/pdf", data, name="a.pdf")
    elsewhere = Media("image/*", url="https://example.com/a")
    request = replace(
        REQUEST,
        messages=(
            Message.of("user", (image, paper, elsewhere, "What?")),
            Message("assistant", "", (ToolCall("call_1", "weather", "{}", "c2lnbmVk"),)),
            Message.of("tool", ("so", image), tool_call_id="call_1"),
            Message("system", "Be kind."),
        ),
        tools=(WEATHER,),
        tool_choice="required",
        top_p=0.5,
        seed=7,
        effort=Effort.LOW,
    )
    if streamed:
        answer = stream_reply(target.wire.stream(Answer()))
        _, server = use(target, answer, lambda p: collect(p, request))
    else:
        _, server = use(target, json_reply(target.wire.whole(Answer())), lambda p: p.complete(request))
    # The JSON of protocol buffers may have a field's own name, and base64 for addresses.
    text = json.dumps(server.body).replace(b64encode(data, b"-_").decode(), b64encode(data).decode())
    for own, other in (("mime_type", "mimeType"), ("file_uri", "fileUri"), ("thinking_level", "thinkingLevel")):
        text = text.replace(own, other)
    sent = list(objects_in(json.loads(text.replace(b64encode(data).decode(), "DATA"))))
    for piece in BESIDES[target.wire.name]:
        assert any(piece.items() <= each.items() for each in sent), piece


def objects_in(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from objects_in(inner)


PICTURE, PAPER = {"mimeType": "image/png", "data": "DATA"}, {"mimeType": "application/pdf", "data": "DATA"}
BESIDES: dict[str, list[dict[str, Any]]] = {
    "openai": [
        {"url": "data:image/png;base64,DATA"},
        {"filename": "a.pdf", "file_data": "data:application/pdf;base64,DATA"},
        {"url": "https://example.com/a"},
        {"role": "tool", "tool_call_id": "call_1", "content": "so"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,DATA"}}]},
        {"role": "system", "content": "Be kind."},
        {"top_p": 0.5, "seed": 7, "reasoning_effort": "low", "tool_choice": "required"},
    ],
    "anthropic": [
        {"type": "base64", "media_type": "image/png", "data": "DATA"},
        {"source": {"type": "base64", "media_type": "application/pdf", "data": "DATA"}, "title": "a.pdf"},
        {"type": "url", "url": "https://example.com/a"},
        {"type": "tool_result", "tool_use_id": "call_1"},
        {"role": "user", "content": "<system>\nBe kind.\n</system>"},
        {"top_p": 0.5, "output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}},
        {"tool_choice": {"type": "any"}},
    ],
    "google": [
        {"inlineData": PICTURE},
        {"inlineData": PAPER},
        {"fileData": {"fileUri": "https://example.com/a"}},
        {"thoughtSignature": "c2lnbmVk"},
        {"functionResponse": {"name": "weather", "response": {"output": "so"}}},
        {"text": "<system>\nBe kind.\n</system>"},
        {"functionCallingConfig": {"mode": "ANY"}},
        {"topP": 0.5, "seed": 7, "thinkingConfig": {"thinkingLevel": "LOW"}},
    ],
}


@every_adapter
def test_tool_arguments_that_are_no_object_are_rejected_where_the_wire_needs_one(target: Target) -> None:
    call = ToolCall("call_1", "weather", "not json")
    request = replace(REQUEST, messages=(Message("user", "x"), Message("assistant", "", (call,))))
    reply = json_reply(target.wire.whole(Answer()))
    if target.wire.name == "openai":  # arguments are text on that wire, and go back as the model wrote them
        _, server = use(target, reply, lambda p: p.complete(request))
        assert server.body["messages"][1]["tool_calls"][0]["function"]["arguments"] == "not json"
    else:
        with pytest.raises(errors.RequestRejectedError, match="weather"):
            complete(target, reply, request)


@every_adapter
@pytest.mark.parametrize("closed", [False, True], ids=["open schema", "closed schema"])
def test_a_schema_is_enforced_natively_where_the_api_can(target: Target, closed: bool) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    if closed:
        schema["additionalProperties"] = False
    request = replace(REQUEST, response_format=ResponseFormat(schema, "count"))
    _, server = use(target, json_reply(target.wire.whole(Answer())), lambda p: p.complete(request))
    body = server.body

    match target.provider:
        case "anthropic":
            assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
        case "openai":
            wanted = {"name": "count", "schema": schema, "strict": closed}
            assert body["response_format"] == {"type": "json_schema", "json_schema": wanted}
        case "google":
            assert body["generationConfig"]["responseMimeType"] == "application/json"
            assert body["generationConfig"]["responseJsonSchema"] == schema
        case _:
            assert body["response_format"] == {"type": "json_object"}
            assert '"properties"' in body["messages"][0]["content"]


@every_adapter
def test_any_json_object_may_be_asked_for(target: Target) -> None:
    request = replace(REQUEST, response_format=ResponseFormat(), system="Be brief.")
    _, server = use(target, json_reply(target.wire.whole(Answer())), lambda p: p.complete(request))
    text = server.requests[-1].content.decode()

    assert "Be brief." in text
    assert ("responseMimeType" if target.provider == "google" else "JSON object") in text


# The rest of the contract


@every_adapter
def test_a_health_check_lists_models_and_reports_instead_of_raising(target: Target) -> None:
    async def act(provider: Provider) -> tuple[bool, str]:
        health = await provider.health_check()
        return health.ok, health.detail

    models = json_reply({"data": [], "models": [], "object": "list"})
    (ok, _), server = use(target, models, act)
    assert ok
    assert server.requests[0].method == "GET"
    assert server.requests[0].url.path.endswith("/models")

    (ok, detail), _ = use(target, json_reply({"error": {"message": "who are you"}}, 401), act)
    assert not ok
    assert "who are you" in detail


@every_adapter
def test_rate_limits_are_those_of_the_last_reply(target: Target) -> None:
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:00Z",
        "x-ratelimit-limit-requests": "50",
        "x-ratelimit-remaining-requests": "49",
        "x-ratelimit-reset-requests": "6m0s",
    }

    async def act(provider: Provider) -> None:
        assert provider.rate_limit_status().requests_limit is None
        await provider.complete(REQUEST)
        status = provider.rate_limit_status()
        assert (status.requests_limit, status.requests_remaining) == (50, 49)
        assert status.requests_reset is not None

    use(target, json_reply(target.wire.whole(Answer()), headers=headers), act)


@every_adapter
def test_calls_at_the_same_time_do_not_mix(target: Target) -> None:
    def reply(request: httpx2.Request) -> httpx2.Response:
        number = request.content.decode().split("number ")[1][:2]
        answer = Answer(pieces=(f"this is {number}",))
        return json_reply(target.wire.whole(answer), headers={"x-request-id": number, "request-id": number})

    async def act(provider: Provider) -> list[Completion]:
        requests = [replace(REQUEST, messages=(Message("user", f"number {n}"),)) for n in range(10, 30)]
        return await asyncio.gather(*(provider.complete(request) for request in requests))

    completions, _ = use(target, reply, act)

    assert [(c.text, c.request_id) for c in completions] == [(f"this is {n}", str(n)) for n in range(10, 30)]


def test_a_self_hosted_server_without_a_key_is_sent_a_dummy() -> None:
    target = Target("ollama", TARGETS[1].wire, "http://localhost:11434/v1")
    _, server = use(target, json_reply(target.wire.whole(Answer())), lambda p: p.complete(REQUEST), key=None)

    assert server.requests[0].headers["authorization"] == "Bearer none"
