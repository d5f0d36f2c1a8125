"""OpenAI's Chat Completions API, over the `openai` SDK, for OpenAI and for every server that speaks it too.

The SDK's types are not used for replies: `AsyncStream[object]` gives the chunks as decoded JSON.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import httpx2
import openai

from ..deferred import dataclass
from ..types import FinishReason, Media, Message, Part, Request, ToolCall
from .base import Capabilities, Endpoint, Piece
from .batches import BatchClient, connected
from .endings import ending
from .http import Client, checked_address, checked_key, ignore_custom_headers, silence_sdk_logging
from .network import BILLED_TO, header_value
from .payload import arguments_text, is_strict, json_instruction
from .reply import CallKey, Draft, ErrorInReply, dig, items_at, numbers_at, text_at
from .reporting import Kind
from .sdk import SdkProvider, sse_events

BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where a server's form of the API differs. `headers` are those of the SDK's own that it may be sent;
    `counts` says that it can be asked how many tokens an input is, `keyed` that it takes a key for what it caches,
    `batches` that it takes batches."""

    output_limit: str = "max_tokens"
    json_schema: bool = True
    headers: frozenset[str] = frozenset()
    counts: bool = False
    keyed: bool = False
    batches: bool = False


_COMPATIBLE = Dialect()
_DIALECTS: Mapping[str, Dialect] = {
    # OpenAI's reasoning models reject max_tokens. Organization and project are billing choices that the user makes
    # with OPENAI_ORG_ID and OPENAI_PROJECT_ID, and are nobody else's to know.
    "openai": Dialect(
        "max_completion_tokens",
        headers=frozenset({"openai-organization", "openai-project"}),
        counts=True,
        keyed=True,
        batches=True,
    ),
    "deepseek": Dialect(json_schema=False),
}

_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")  # where servers show what was thought


def connect(target: Endpoint, transport: httpx2.AsyncBaseTransport | None) -> OpenAIProvider:
    """A connection, as `base.Adapter.connect`."""
    return OpenAIProvider(target, transport)


class OpenAIProvider(SdkProvider):
    """The adapter of OpenAI's Chat Completions API and of compatible servers."""

    sdk_errors: ClassVar[Mapping[type[Exception], Kind]] = {
        openai.APIError: Kind.ANSWERED,  # without a status: an error inside a stream
        openai.APIStatusError: Kind.ANSWERED,
        openai.APIConnectionError: Kind.TRANSPORT,
        openai.APIResponseValidationError: Kind.UNREADABLE,
        openai.LengthFinishReasonError: Kind.UNREADABLE,
        openai.ContentFilterFinishReasonError: Kind.UNREADABLE,
    }
    request_id_headers: ClassVar[tuple[str, ...]] = ("x-request-id",)

    def __init__(self, target: Endpoint, transport: httpx2.AsyncBaseTransport | None) -> None:
        silence_sdk_logging()
        self._dialect = _DIALECTS.get(target.provider, _COMPATIBLE)
        key, to = checked_key(target), checked_address(target, BASE_URL, ("chat/completions",))
        http = Client(to, ("authorization", f"Bearer {key}"), transport, self._dialect.headers)
        super().__init__(target, key, http)
        # An address is always given: left out, the SDK takes OPENAI_BASE_URL, whoever's key this is.
        self._client = openai.AsyncOpenAI(api_key=key, base_url=to.base_url, http_client=http, max_retries=0)
        billed_to = [header_value(name, os.environ) if self._dialect.headers else None for name in BILLED_TO]
        self._client.organization, self._client.project = billed_to
        ignore_custom_headers(self._client)

    def capabilities(self) -> Capabilities:
        return Capabilities(streaming=True, tools=True, json_schema=self._dialect.json_schema, logprobs=True, stop=True)

    def batches(self) -> BatchClient | None:
        if not self._dialect.batches:
            return None
        return connected("openai_batches", self, self._client)

    async def _send(self, request: Request) -> None:
        path, body = "chat/completions", _parameters
        if request.embeds:
            path, body = "embeddings", _embedding
        await self._post(self._client, path, body(request, self._dialect), request.timeout_s)

    async def _ask_count(self, request: Request, timeout_s: float) -> bool:
        if self._dialect.counts:
            await self._post(self._client, "responses/input_tokens", _input(request), timeout_s)
        return self._dialect.counts

    async def _events(self, request: Request) -> AsyncGenerator[object, None]:
        async with self._client.chat.completions.with_streaming_response.create(
            **_parameters(request, self._dialect),
            stream=True,
            stream_options={"include_usage": True},
            timeout=request.timeout_s,
        ) as response:
            async for chunk in sse_events(response, openai.AsyncStream[object]):
                yield chunk

    async def _list_models(self, timeout_s: float) -> None:
        await self._client.models.with_raw_response.list(timeout=timeout_s)

    def _read(self, body: object, draft: Draft) -> Iterator[Piece]:
        return self._take(body, draft, "message")

    def _feed(self, event: object, draft: Draft) -> Iterator[Piece]:
        return self._take(event, draft, "delta")

    def _take(self, body: object, draft: Draft, part: str) -> Iterator[Piece]:
        """A whole reply or one chunk of it: they differ in what holds the answer."""
        draft.model = text_at(body, "model") or draft.model
        draft.request_id = draft.request_id or text_at(body, "id") or None
        draft.embedding = numbers_at(body, "data", 0, "embedding")
        choice = dig(body, "choices", 0)
        answer = dig(choice, part)
        gateway_cost = dig(body, "provider_metadata", "gateway", "cost")
        draft.learn(service_tier=dig(body, "service_tier"), gateway_cost=gateway_cost)
        # Moonshot has the usage in a choice, Groq in a field of its own.
        for usage in (dig(body, "usage"), dig(body, "x_groq", "usage"), dig(choice, "usage"), dig(answer, "usage")):
            if usage is not None:
                yield from draft.report(usage)
        if choice is None and dig(body, "error"):
            draft.ended = draft.ended or (part == "message" and draft.usage is not None)
            raise ErrorInReply(body)
        if thoughts := _thoughts(answer):
            yield from draft.add_thought(thoughts)
        yield from draft.add_text(_content(dig(answer, "content")))
        if refusal := text_at(answer, "refusal"):
            draft.add_refusal(refusal)
        if isinstance(answer, dict):
            draft.note_thought(*map(answer.get, _THOUGHTS))
        _take_calls(answer, draft, whole=part == "message")
        if scored := items_at(choice, "logprobs", "content"):
            draft.add_logprobs(scored, "logprob", lambda place: items_at(scored[place], "top_logprobs"))
        if reason := text_at(choice, "finish_reason"):
            draft.finish, draft.note = ending(reason), reason
        if draft.finish is FinishReason.STOP and draft.calls:
            draft.finish = FinishReason.TOOL_CALLS  # some servers have one word for every proper end
        if dig(choice, "error"):
            raise ErrorInReply(choice)


def _thoughts(answer: object) -> str:
    """What was thought, where the server tells it apart: in a field, or in parts of the content, as Mistral does."""
    if not isinstance(answer, dict):
        return ""
    told = next((said for said in map(answer.get, _THOUGHTS) if said and isinstance(said, str)), "")
    parts = [part for part in items_at(answer, "content") if text_at(part, "type") == "thinking"]
    return told + "".join(text_at(piece, "text") for part in parts for piece in items_at(part, "thinking"))


def _content(content: object) -> str:
    """Plain text, or the text among a list of parts."""
    if isinstance(content, list):
        return "".join(text_at(part, "text") for part in content)
    return content if isinstance(content, str) else ""


def _take_calls(answer: object, draft: Draft, *, whole: bool) -> None:
    """Tool calls, or pieces of them. A piece belongs to the call of its id; without one, to the latest of its index;
    with neither, to the latest of all, unless it names a function. In a whole reply each is a call of its own."""
    for call in items_at(answer, "tool_calls"):
        index, call_id, name = dig(call, "index"), text_at(call, "id"), text_at(call, "function", "name")
        open_calls = list(draft.calls.items())
        if whole:
            known = None
        elif call_id:
            of_index = _latest(key for key, each in open_calls if key[0] == index and each.id in ("", call_id))
            known = _latest(key for key, each in open_calls if each.id == call_id) or of_index
        elif isinstance(index, int):
            known = _latest(key for key, _ in open_calls if key[0] == index)
        else:
            known = None if name else _latest(key for key, _ in open_calls)
        draft.add_call(
            known or (index, len(draft.calls)),
            call_id=call_id,
            name=name,
            arguments=arguments_text(dig(call, "function", "arguments")),
        )
    if isinstance(older := dig(answer, "function_call"), Mapping):  # what tools were called before they were tools
        arguments = arguments_text(older.get("arguments"))
        draft.add_call(("function_call", 0), name=text_at(older, "name"), arguments=arguments)


def _latest(keys: Iterable[CallKey]) -> CallKey | None:
    return next(reversed(list(keys)), None)


def _input(request: Request) -> dict[str, Any]:
    """The input of a request in the form of the Responses API, which alone can be asked for its tokens."""
    system, wanted = request.system or "", request.response_format
    body: dict[str, Any] = {"model": request.model, "input": [item for m in request.messages for item in _items(m)]}
    if wanted is not None and wanted.schema is not None:
        body["text"] = {"format": {"type": "json_schema", "name": wanted.name, "schema": dict(wanted.schema)}}
    elif wanted is not None:
        system = json_instruction(system, None)
    if system:
        body["instructions"] = system
    if request.tools:
        body["tools"] = [
            {"type": "function", "name": t.name, "description": t.description, "parameters": dict(t.parameters)}
            for t in request.tools
        ]
    return body


def _items(message: Message) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.content}
        if message.media:
            yield {"role": "user", "content": [_input_part(media) for media in message.media]}
        return
    if message.content or not message.tool_calls:
        parts = [_input_part(part) for part in message.parts if part]
        yield {"role": message.role, "content": parts or message.content}
    for call in message.tool_calls:
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _input_part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    if not part.is_document:
        return {"type": "input_image", "image_url": part.address}
    return {"type": "input_file", "filename": part.name or "document.pdf", "file_data": part.address}


def chat_parameters(request: Request, provider: str) -> dict[str, Any]:
    """A request as the Chat Completions API of a provider takes it."""
    return _parameters(request, _DIALECTS.get(provider, _COMPATIBLE))


def _embedding(request: Request, dialect: Dialect) -> dict[str, Any]:
    """The request for the embedding of a text. Servers that are only compatible may take no number of dimensions."""
    body: dict[str, Any] = {"model": request.model, "input": request.messages[0].content, "encoding_format": "float"}
    return body | ({"dimensions": request.dimensions} if request.dimensions and dialect.keyed else {})


def _parameters(request: Request, dialect: Dialect) -> dict[str, Any]:
    system = request.system or ""
    parameters: dict[str, Any] = {"model": request.model, dialect.output_limit: request.max_tokens}
    if request.response_format is not None:
        schema = request.response_format.schema
        if schema is not None and dialect.json_schema:
            wanted = {"name": request.response_format.name, "schema": dict(schema), "strict": is_strict(schema)}
            parameters["response_format"] = {"type": "json_schema", "json_schema": wanted}
        else:  # the API insists that the prompt asks for JSON as well
            parameters["response_format"] = {"type": "json_object"}
            system = json_instruction(system, schema)
    opening = [{"role": "system", "content": system}] if system else []
    parameters["messages"] = [*opening, *_messages(request.messages)]
    if request.temperature is not None:
        parameters["temperature"] = request.temperature
    if request.top_p is not None:
        parameters["top_p"] = request.top_p
    if request.seed is not None:
        parameters["seed"] = request.seed
    if request.effort is not None:
        parameters["reasoning_effort"] = request.effort.value
    if request.caching is not None and dialect.keyed:
        parameters["prompt_cache_key"] = request.caching.key
    if request.stop:
        parameters["stop"] = list(request.stop)
    if request.logprobs:
        parameters["logprobs"] = True
        if request.top_logprobs:
            parameters["top_logprobs"] = request.top_logprobs
    if request.tools:
        parameters["tools"] = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)},
            }
            for t in request.tools
        ]
        if request.tool_choice != "auto":
            parameters["tool_choice"] = _tool_choice(request.tool_choice)
    return parameters


def _tool_choice(choice: str) -> str | dict[str, Any]:
    """A word as it is; a tool's name, after `=`, as an object."""
    return {"type": "function", "function": {"name": choice[1:]}} if choice.startswith("=") else choice


def _messages(messages: tuple[Message, ...]) -> Iterator[dict[str, Any]]:
    """Turns as this API has them: the images of a tool's result follow it, in a turn of the user's."""
    held: list[Media] = []
    for message in messages:
        if held and message.role != "tool":
            yield {"role": "user", "content": [_part(media) for media in held]}
            held = []
        if message.role == "tool":
            held += message.media
            yield {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.content}
        elif message.tool_calls:
            calls = [_call(call) for call in message.tool_calls]
            yield {"role": message.role, "content": message.content or None, "tool_calls": calls}
        elif message.parts:
            yield {"role": message.role, "content": [_part(part) for part in message.parts if part]}
        else:
            yield {"role": message.role, "content": message.content}
    if held:
        yield {"role": "user", "content": [_part(media) for media in held]}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not part.is_document:
        return {"type": "image_url", "image_url": {"url": part.address}}
    return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": part.address}}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
