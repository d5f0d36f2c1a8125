"""A stream of events says the same however the standard lets it be written, and wherever it is cut."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_wires import TARGETS, Answer, AnthropicWire, FakeServer, Target, connected, stream_reply

from orchestrator.errors import ProviderError
from orchestrator.types import Completion, Message, Request

REQUEST = Request("some-model", (Message("user", "Say hello"),), max_tokens=64, timeout_s=30)
ANSWER = Answer(tool=("look_up", {"word": "hello"}), finish="tool_calls")
NOISE = [b": a comment", b"retry: 3000", b"id: 7", b"data:", b"data: ", b"event: ping", b"", b":", b"unknown: field"]

every_adapter = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)


def completion(target: Target, *pieces: bytes) -> Completion:
    async def streamed() -> Completion:
        provider = connected(target, FakeServer(lambda _: stream_reply(pieces)))
        try:
            *_, last = [event async for event in provider.stream(REQUEST)]
        finally:
            await provider.aclose()
        assert isinstance(last, Completion)
        return replace(last, latency_ms=0, ttft_ms=None)

    return asyncio.run(streamed())


@every_adapter
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_noise_cuts_and_line_ends_change_nothing(target: Target, data: st.DataObject) -> None:
    events = [event for event in target.wire.stream(ANSWER) if event]
    noise = data.draw(st.lists(st.sampled_from(NOISE), min_size=len(events), max_size=len(events)))
    end = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    mark = data.draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    written = mark + b"".join(said + b"\n\n" + event for said, event in zip(noise, events, strict=True))
    written = written.replace(b"\n", end)
    cuts = data.draw(st.lists(st.integers(0, len(written)), max_size=8))
    pieces = [written[start:stop] for start, stop in pairwise([0, *sorted(cuts), len(written)])]
    assert completion(target, *pieces) == completion(target, *events)


@every_adapter
def test_a_byte_at_a_time_is_a_stream_too(target: Target) -> None:
    events = target.wire.stream(ANSWER)
    assert completion(target, *(bytes([byte]) for byte in b"".join(events))) == completion(target, *events)


@every_adapter
def test_the_last_event_counts_without_the_empty_line_after_it(target: Target) -> None:
    events = target.wire.stream(ANSWER)
    assert completion(target, b"".join(events).rstrip(b"\n")) == completion(target, *events)


def test_events_of_anthropic_need_no_names() -> None:
    target = TARGETS[0]
    named = b"".join(target.wire.stream(ANSWER))
    lines = [line for line in named.split(b"\n") if not line.startswith(b"event:")]
    assert len(lines) < named.count(b"\n")
    assert completion(target, b"\n".join(lines)) == completion(target, named)


@pytest.mark.parametrize("begun", [2, 4])
def test_a_second_message_in_a_stream_is_an_error_and_is_not_joined_to_the_first(begun: int) -> None:
    events = AnthropicWire().stream(Answer(("The answer is for",)))
    with pytest.raises(ProviderError) as caught:
        completion(TARGETS[0], *events[:begun], *events)
    assert "a second message began" in str(caught.value)
    partial = caught.value.partial
    assert partial is None or partial.text in ("", "The answer is for")


@every_adapter
@pytest.mark.parametrize("prefix", [b"", b"data: ", b"event: error\ndata: "], ids=["bare", "data", "named"])
def test_an_error_in_a_stream_keeps_its_reason(target: Target, prefix: bytes) -> None:
    error = prefix + b'{"error": {"message": "the pool is drained", "type": "overloaded_error", "code": 503}}\n\n'
    with pytest.raises(ProviderError) as caught:
        completion(target, target.wire.stream(ANSWER)[0], error)
    assert "the pool is drained" in str(caught.value)
