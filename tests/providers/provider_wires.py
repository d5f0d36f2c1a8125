"""The three wire formats, as far as the tests need them: written from the providers' documentation, apart from the
project's own simulator, so that the two cannot be wrong together."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx2

from orchestrator.providers import catalog
from orchestrator.providers.base import Endpoint, Provider

KEY = "test-key-0123456789abcdef"


@dataclass(frozen=True)
class Answer:
    """What a fake says. Token counts are in the convention of `orchestrator.types.Usage`."""

    pieces: tuple[str, ...] = ("Hello", ", ", "world")
    finish: str | None = "stop"  # stop, length, tool_calls, refused
    tool: tuple[str, dict[str, Any]] | None = None
    usage: bool = True
    input_tokens: int = 120
    output_tokens: int = 50
    cached: int = 40
    reasoning: int = 20


class Wire:
    """One wire format: a whole reply, a stream, an error inside a stream, the body of an error status."""

    name: str
    path: str
    finishes: ClassVar[dict[str, str]]
    last_marker: bytes = b""

    def whole(self, answer: Answer) -> dict[str, Any]:
        raise NotImplementedError

    def events(self, answer: Answer) -> list[dict[str, Any]]:
        raise NotImplementedError

    def encode(self, event: dict[str, Any]) -> bytes:
        return b"data: " + json.dumps(event).encode() + b"\n\n"

    def stream(self, answer: Answer) -> list[bytes]:
        return [*(self.encode(event) for event in self.events(answer)), self.last_marker]

    def fault(self, kind: str, message: str) -> bytes:
        raise NotImplementedError


class AnthropicWire(Wire):
    name = "anthropic"
    path = "/v1/messages"
    finishes: ClassVar[dict[str, str]] = {
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "refused": "refusal",
    }
    last_marker = b'event: message_stop\ndata: {"type": "message_stop"}\n\n'

    def encode(self, event: dict[str, Any]) -> bytes:
        return f"event: {event['type']}\n".encode() + super().encode(event)

    def _usage(self, answer: Answer, output: int) -> dict[str, Any]:
        return {
            "input_tokens": answer.input_tokens - answer.cached,
            "cache_read_input_tokens": answer.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": output,
            "output_tokens_details": {"thinking_tokens": answer.reasoning},
        }

    def whole(self, answer: Answer) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "thinking", "thinking": "hmm", "signature": "x"}]
        if answer.pieces:
            content.append({"type": "text", "text": "".join(answer.pieces)})
        if answer.tool:
            content.append({"type": "tool_use", "id": "call_1", "name": answer.tool[0], "input": answer.tool[1]})
        content.append({"type": "a_block_of_the_future", "payload": 1})
        body = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "served-model",
            "content": content,
            "stop_reason": answer.finish and self.finishes[answer.finish],
            "a_field_of_the_future": {"deep": [1]},
        }
        return body | ({"usage": self._usage(answer, answer.output_tokens)} if answer.usage else {})

    def events(self, answer: Answer) -> list[dict[str, Any]]:
        message: dict[str, Any] = {"id": "msg_1", "model": "served-model", "content": []}
        if answer.usage:
            message["usage"] = self._usage(answer, 1)
        events: list[dict[str, Any]] = [{"type": "message_start", "message": message}, {"type": "ping"}]
        events += [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in answer.pieces
        ]
        events.append({"type": "an_event_of_the_future", "delta": None})
        if answer.tool:
            block = {"type": "tool_use", "id": "call_1", "name": answer.tool[0], "input": {}}
            events.append({"type": "content_block_start", "index": 1, "content_block": block})
            text = json.dumps(answer.tool[1])
            for part in (text[:3], text[3:]):
                delta = {"type": "input_json_delta", "partial_json": part}
                events.append({"type": "content_block_delta", "index": 1, "delta": delta})
        if answer.finish:
            end: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": self.finishes[answer.finish]}}
            if answer.usage:
                end["usage"] = {"output_tokens": answer.output_tokens}
            events.append(end)
        return events

    def fault(self, kind: str, message: str) -> bytes:
        names = {"overloaded": "overloaded_error", "rate_limited": "rate_limit_error"}
        error = {"type": "error", "error": {"type": names[kind], "message": message}}
        return b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n"


class OpenAIWire(Wire):
    name = "openai"
    path = "/chat/completions"
    finishes: ClassVar[dict[str, str]] = {
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "refused": "content_filter",
    }
    last_marker = b"data: [DONE]\n\n"

    def _usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "prompt_tokens": answer.input_tokens,
            "completion_tokens": answer.output_tokens,
            "total_tokens": answer.input_tokens + answer.output_tokens,
            "prompt_tokens_details": {"cached_tokens": answer.cached},
            "completion_tokens_details": {"reasoning_tokens": answer.reasoning},
        }

    def _calls(self, answer: Answer) -> dict[str, Any]:
        if not answer.tool:
            return {}
        function = {"name": answer.tool[0], "arguments": json.dumps(answer.tool[1])}
        return {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}

    def whole(self, answer: Answer) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(answer.pieces) or None} | self._calls(answer)
        choice: dict[str, Any] = {"index": 0, "message": message, "a_field_of_the_future": 1}
        if answer.finish:
            choice["finish_reason"] = self.finishes[answer.finish]
        choice["logprobs"] = {"content": [TOKEN | {"top_logprobs": [TOKEN, OTHER]}, {"token": "!", "logprob": None}]}
        body = {"id": "chatcmpl-1", "model": "served-model", "choices": [choice]}
        return body | ({"usage": self._usage(answer)} if answer.usage else {})

    def events(self, answer: Answer) -> list[dict[str, Any]]:
        head = {"id": "chatcmpl-1", "model": "served-model", "object": "chat.completion.chunk"}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": piece} for piece in answer.pieces]
        if answer.tool:
            call = self._calls(answer)["tool_calls"][0]
            text = call["function"]["arguments"]
            first = call | {"function": call["function"] | {"arguments": text[:3]}}
            deltas += [{"tool_calls": [first]}, {"tool_calls": [{"index": 0, "function": {"arguments": text[3:]}}]}]
        events: list[dict[str, Any]] = [head | {"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        if answer.finish:
            end = {"index": 0, "delta": {}, "finish_reason": self.finishes[answer.finish]}
            events.append(head | {"choices": [end]})
        if answer.usage:
            events.append(head | {"choices": [], "usage": self._usage(answer)})
        return events

    def fault(self, kind: str, message: str) -> bytes:
        names = {"overloaded": "server_error", "rate_limited": "rate_limit_exceeded"}
        return self.encode({"error": {"message": message, "type": names[kind], "code": None}})


class GoogleWire(Wire):
    name = "google"
    path = "GenerateContent"
    finishes: ClassVar[dict[str, str]] = {
        "stop": "STOP",
        "length": "MAX_TOKENS",
        "tool_calls": "STOP",
        "refused": "SAFETY",
    }

    def _usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "promptTokenCount": answer.input_tokens,
            "candidatesTokenCount": answer.output_tokens - answer.reasoning,
            "thoughtsTokenCount": answer.reasoning,
            "cachedContentTokenCount": answer.cached,
            "totalTokenCount": answer.input_tokens + answer.output_tokens,
        }

    def _chunk(self, parts: list[dict[str, Any]], answer: Answer, last: bool) -> dict[str, Any]:
        candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
        if last and answer.finish:
            candidate["finishReason"] = self.finishes[answer.finish]
        chunk = {
            "candidates": [candidate],
            "modelVersion": "served-model",
            "responseId": "resp-1",
            "newField": {"a": 1},
        }
        return chunk | ({"usageMetadata": self._usage(answer)} if answer.usage else {})

    def _call_parts(self, answer: Answer) -> list[dict[str, Any]]:
        return [{"functionCall": {"name": answer.tool[0], "args": answer.tool[1]}}] if answer.tool else []

    def whole(self, answer: Answer) -> dict[str, Any]:
        parts: list[dict[str, Any]] = [{"text": "hmm", "thought": True}]
        parts += [{"text": "".join(answer.pieces)}] if answer.pieces else []
        body = self._chunk(parts + self._call_parts(answer), answer, True)
        token, other = ({"token": each["token"], "logProbability": each["logprob"]} for each in (TOKEN, OTHER))
        scored = {"chosenCandidates": [token], "topCandidates": [{"candidates": [token, other]}]}
        body["candidates"][0]["logprobsResult"] = scored
        return body

    def events(self, answer: Answer) -> list[dict[str, Any]]:
        batches = [[{"text": piece}] for piece in answer.pieces] or [[]]
        chunks = [self._chunk(parts, answer, False) for parts in batches]
        return [*chunks, self._chunk(self._call_parts(answer), answer, True)]

    def fault(self, kind: str, message: str) -> bytes:
        code, status = {"overloaded": (503, "UNAVAILABLE"), "rate_limited": (429, "RESOURCE_EXHAUSTED")}[kind]
        return self.encode({"error": {"code": code, "message": message, "status": status}})


TOKEN: dict[str, Any] = {"token": "Hello", "logprob": -0.25}
OTHER: dict[str, Any] = {"token": "Hi", "logprob": -1.5}


@dataclass(frozen=True)
class Target:
    """An adapter to test, and the wire that it speaks."""

    provider: str
    wire: Wire
    base_url: str


TARGETS = (
    Target("anthropic", AnthropicWire(), "https://anthropic.test"),
    Target("openai", OpenAIWire(), "https://openai.test/v1"),
    Target("google", GoogleWire(), "https://google.test"),
    Target("deepseek", OpenAIWire(), "https://deepseek.test"),
)


class Body(httpx2.AsyncByteStream):
    """A streamed body that says whether it was closed, and may break off with an exception."""

    def __init__(self, chunks: Iterable[bytes], error: Exception | None = None) -> None:
        self.chunks = list(chunks)
        self.error = error
        self.sent = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.sent += 1
            yield chunk
        if self.error is not None:
            raise self.error

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class FakeServer(httpx2.AsyncBaseTransport):
    """Answers every request with `reply` and keeps what it was sent."""

    reply: Callable[[httpx2.Request], httpx2.Response]
    requests: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        return self.reply(request)

    @property
    def body(self) -> dict[str, Any]:
        """The last request's JSON."""
        found: dict[str, Any] = json.loads(self.requests[-1].content)
        return found


def json_reply(body: object, status: int = 200, headers: dict[str, str] | None = None) -> httpx2.Response:
    """JSON as ASCII: half a surrogate pair is then an escape, as a provider would send it."""
    headers = {"content-type": "application/json"} | (headers or {})
    return httpx2.Response(status, content=json.dumps(body).encode(), headers=headers)


def stream_reply(body: Body | Iterable[bytes], headers: dict[str, str] | None = None) -> httpx2.Response:
    stream = body if isinstance(body, Body) else Body(body)
    return httpx2.Response(200, stream=stream, headers={"content-type": "text/event-stream"} | (headers or {}))


def connected(target: Target, transport: httpx2.AsyncBaseTransport, key: str | None = KEY) -> Provider:
    return catalog.connect(Endpoint(target.provider, target.base_url, key), transport)
