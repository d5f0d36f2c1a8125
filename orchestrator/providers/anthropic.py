"""Anthropic's Messages API, over the `anthropic` SDK.

The SDK's types are not used for replies: `AsyncStream[object]` gives the events as decoded JSON.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import anthropic
import httpx2

from ..deferred import replace
from ..types import Caching, Message, Part, Request
from .base import Capabilities, Endpoint, Piece
from .batches import BatchClient, connected
from .endings import ending
from .http import Client, checked_address, checked_key, ignore_custom_headers, silence_sdk_logging
from .payload import arguments_object, arguments_text, json_instruction
from .reply import CallKey, Draft, ErrorInReply, dig, items_at, text_at
from .reporting import Kind
from .sdk import SdkProvider, sse_events

BASE_URL = "https://api.anthropic.com"

_KEPT: Mapping[str, Any] = {"cache_control": {"type": "ephemeral"}}  # for five minutes after it was last read
_COUNTED = ("model", "messages", "system", "tools", "output_config", "thinking")  # what makes the input of a request


def connect(target: Endpoint, transport: httpx2.AsyncBaseTransport | None) -> AnthropicProvider:
    """A connection, as `base.Adapter.connect`."""
    return AnthropicProvider(target, transport)


class AnthropicProvider(SdkProvider):
    """The adapter of Anthropic's Messages API."""

    sdk_errors: ClassVar[Mapping[type[Exception], Kind]] = {
        anthropic.APIStatusError: Kind.ANSWERED,
        anthropic.APIConnectionError: Kind.TRANSPORT,
        anthropic.APIResponseValidationError: Kind.UNREADABLE,
        anthropic.APIWebhookValidationError: Kind.UNREADABLE,
        anthropic.RetryableError: Kind.TRANSPORT,
        anthropic.CredentialsError: Kind.CREDENTIALS,
    }

    def __init__(self, target: Endpoint, transport: httpx2.AsyncBaseTransport | None) -> None:
        silence_sdk_logging()
        key, to = checked_key(target), checked_address(target, BASE_URL, ("v1/messages", "v1"))
        http = Client(to, ("authorization", f"Bearer {key}"), transport, typed_events=True)
        super().__init__(target, key, http)
        # An explicit key keeps the SDK from ANTHROPIC_AUTH_TOKEN and from profiles on disk.
        self._client = anthropic.AsyncAnthropic(
            api_key=key, base_url=to.base_url, http_client=http, max_retries=0, open_telemetry=False
        )
        ignore_custom_headers(self._client)

    def capabilities(self) -> Capabilities:
        return Capabilities(streaming=True, tools=True, json_schema=True, logprobs=False, stop=True)

    def batches(self) -> BatchClient:
        return connected("anthropic_batches", self, self._client)

    async def _send(self, request: Request) -> None:
        await self._post(self._client, "v1/messages", parameters(request), request.timeout_s)

    async def _ask_count(self, request: Request, timeout_s: float) -> bool:
        asked = parameters(request)
        body = {name: asked[name] for name in _COUNTED if name in asked}
        await self._post(self._client, "v1/messages/count_tokens", body, timeout_s)
        return True

    async def _events(self, request: Request) -> AsyncGenerator[object, None]:
        asked = parameters(request)
        # No longer parameters of the SDK's, since the newest models reject them; older ones still take them.
        extra = {name: asked.pop(name) for name in ("temperature", "top_p") if name in asked} or None
        async with self._client.messages.with_streaming_response.create(
            **asked, extra_body=extra, stream=True, timeout=request.timeout_s
        ) as response:
            async for event in sse_events(response, anthropic.AsyncStream[object]):
                yield event

    async def _list_models(self, timeout_s: float) -> None:
        await self._client.models.with_raw_response.list(limit=1, timeout=timeout_s)

    def _read(self, body: object, draft: Draft) -> Iterator[Piece]:
        draft.model = text_at(body, "model")
        draft.request_id = draft.request_id or text_at(body, "id") or None
        yield from draft.report(dig(body, "usage"))
        if dig(body, "error") is not None:
            draft.ended = draft.usage is not None
            raise ErrorInReply(body)
        for index, block in enumerate(items_at(body, "content")):
            match text_at(block, "type"):
                case "text":
                    yield from draft.add_text(text_at(block, "text"))
                case "tool_use":
                    _open_call(draft, (index, 0), block, arguments_text(dig(block, "input")))
                case "thinking" | "redacted_thinking":
                    draft.note_thought(True)
                    yield from draft.add_thought(text_at(block, "thinking"))
        _finish(draft, body)

    def _feed(self, event: object, draft: Draft) -> Iterator[Piece]:
        match text_at(event, "type"):
            case "message_start":
                if draft.provisional or draft.usage is not None:
                    raise ErrorInReply("a second message began in the same stream")
                draft.model = text_at(event, "message", "model")
                draft.request_id = draft.request_id or text_at(event, "message", "id") or None
                yield from draft.report(dig(event, "message", "usage"))
                draft.provisional = True
            case "content_block_start":
                kind = text_at(event, "content_block", "type")
                draft.note_thought(kind in ("thinking", "redacted_thinking"))
                if kind == "tool_use":
                    _open_call(draft, (dig(event, "index"), 0), dig(event, "content_block"), "")
                else:
                    yield from draft.add_text(text_at(event, "content_block", "text"))
            case "content_block_delta":
                match text_at(event, "delta", "type"):
                    case "text_delta":
                        yield from draft.add_text(text_at(event, "delta", "text"))
                    case "thinking_delta":
                        yield from draft.add_thought(text_at(event, "delta", "thinking"))
                    case "input_json_delta" if (key := (dig(event, "index"), 0)) in draft.calls:
                        draft.add_call(key, arguments=text_at(event, "delta", "partial_json"))
            case "message_delta":
                _finish(draft, dig(event, "delta"))
                yield from draft.report(dig(event, "usage"))
            case "message_stop":
                draft.ended = True
            case "error":
                raise ErrorInReply(event)


def _open_call(draft: Draft, key: CallKey, block: object, arguments: str) -> None:
    draft.add_call(key, call_id=text_at(block, "id"), name=text_at(block, "name"), arguments=arguments)


def _finish(draft: Draft, node: object) -> None:
    if reason := text_at(node, "stop_reason"):
        draft.finish = ending(reason)
        draft.note = text_at(node, "stop_details", "category") or reason


def parameters(request: Request) -> dict[str, Any]:
    """A request as the API takes it."""
    parameters: dict[str, Any] = {
        "model": request.model,
        "messages": list(_messages(_with_files_apart(request))),
        "max_tokens": request.max_tokens,
    }
    system = request.system or ""
    if request.response_format is not None:
        if request.response_format.schema is not None:
            schema = dict(request.response_format.schema)
            parameters["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        else:  # any JSON object is nothing that this API can be held to, only asked for
            system = json_instruction(system, None)
    if system:
        parameters["system"] = system
    if request.effort is not None:
        parameters["output_config"] = {**parameters.get("output_config", {}), "effort": request.effort.value}
        parameters["thinking"] = {"type": "adaptive"}
    if request.thinking_tokens is not None:
        parameters["thinking"] = {"type": "enabled", "budget_tokens": request.thinking_tokens}
    if request.temperature is not None:
        parameters["temperature"] = request.temperature
    if request.top_p is not None:
        parameters["top_p"] = request.top_p
    if request.stop:
        parameters["stop_sequences"] = list(request.stop)
    if request.tools:
        parameters["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
        if request.tool_choice != "auto":
            parameters["tool_choice"] = _tool_choice(request.tool_choice)
    if request.caching is not None:
        _mark(parameters, request.caching)
    return parameters


def _with_files_apart(request: Request) -> tuple[Message, ...]:
    """The turns, where the files of the question are a part by themselves: a mark stands at the end of one."""
    kept, turns = request.caching, request.messages
    if kept is None or not kept.files:
        return turns
    asking = turns[kept.asking]
    files, question = asking.content[: kept.files], asking.content[kept.files :]
    apart = replace(asking, parts=(*asking.media, files, question))
    return (*turns[: kept.asking], apart, *turns[kept.asking + 1 :])


def _mark(parameters: dict[str, Any], caching: Caching) -> None:
    """Mark where what is kept ends, at most three times of the four that the API allows."""
    if caching.opening and "system" in parameters:
        parameters["system"] = [{"type": "text", "text": parameters["system"], **_KEPT}]
    elif caching.opening:
        parameters["tools"][-1] |= _KEPT
    messages = parameters["messages"]
    if caching.files:
        files = next(
            block
            for message in messages[: caching.asking + 1]  # turns of tools' results may have become one
            for block in (message["content"] if isinstance(message["content"], list) else [])
            if len(block.get("text", "")) == caching.files
        )
        files |= _KEPT
    if caching.goes_on:
        last = messages[-1]
        if isinstance(last["content"], str):
            last["content"] = [{"type": "text", "text": last["content"]}]
        last["content"][-1] |= _KEPT


def _tool_choice(choice: str) -> dict[str, str]:
    """A word, which this API has another one for, or a tool's name, after `=`."""
    if choice.startswith("="):
        return {"type": "tool", "name": choice[1:]}
    return {"type": "any" if choice == "required" else choice}


def _messages(messages: tuple[Message, ...]) -> Iterator[dict[str, Any]]:
    """Turns as this API has them: the results of one turn's tool calls share one user turn."""
    results: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "tool":
            content = _blocks(message.parts) or message.content
            results.append({"type": "tool_result", "tool_use_id": message.tool_call_id, "content": content})
            continue
        if results:
            yield {"role": "user", "content": results}
            results = []
        if message.role == "system":
            yield {
                "role": "user",
                "content": f"<system>\n{message.content}\n</system>",
            }  # not every model has such turns
            continue
        if not message.tool_calls:
            yield {"role": message.role, "content": _blocks(message.parts) or message.content}
            continue
        blocks = _blocks(message.in_parts)
        blocks += [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_object(call)}
            for call in message.tool_calls
        ]
        yield {"role": message.role, "content": blocks}
    if results:
        yield {"role": "user", "content": results}


def _blocks(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """The parts of a turn; text that is empty is refused here, and left out."""
    return [_block(part) for part in parts if not isinstance(part, str) or part.strip()]


def _block(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.url is not None:
        source = {"type": "url", "url": part.url}
    else:
        source = {"type": "base64", "media_type": part.media_type, "data": part.base64}
    if not part.is_document:
        return {"type": "image", "source": source}
    return {"type": "document", "source": source} | ({} if part.name is None else {"title": part.name})
