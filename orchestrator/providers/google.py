"""Google's Gemini API, over the `google-genai` SDK.

The SDK sends several billed requests for one call if left alone (`automatic_continuation`, automatic function
calling); both are off. Of a whole reply the raw body is read; of a stream, the SDK's models, back as JSON.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, cast

import httpx2
from google import genai
from google.genai import client as genai_client
from google.genai import errors, types

from ..errors import ConfigError
from ..registry.providers import setting
from ..types import FinishReason, Message, Request
from .base import Capabilities, Endpoint, Piece
from .endings import ending
from .http import Client, checked_address, checked_key, silence_sdk_logging, trusting_nobody
from .payload import arguments_object, arguments_text, tool_names
from .reply import Draft, ErrorInReply, dig, items_at, text_at
from .sdk import Kind, SdkProvider

BASE_URL = "https://generativelanguage.googleapis.com"
# The first is the SDK's default. Another one stands at the end of the address, or in GOOGLE_GENAI_API_VERSION.
API_VERSIONS = ("v1", "v1beta", "v1alpha")


def connect(target: Endpoint, transport: httpx2.AsyncBaseTransport | None) -> GoogleProvider:
    """A connection, as `base.Adapter.connect`."""
    return GoogleProvider(target, transport)


class GoogleProvider(SdkProvider):
    """The adapter of Google's Gemini API."""

    sdk_errors: ClassVar[Mapping[type[Exception], Kind]] = {
        errors.APIError: Kind.ANSWERED,
        errors.UnknownApiResponseError: Kind.UNREADABLE,
        errors.UnknownFunctionCallArgumentError: Kind.UNREADABLE,
        errors.UnsupportedFunctionError: Kind.UNREADABLE,
        errors.FunctionInvocationError: Kind.UNREADABLE,
        errors.ContinuationInterruptedError: Kind.UNREADABLE,
    }
    error_body: ClassVar[str] = "details"
    request_id_headers: ClassVar[tuple[str, ...]] = ("x-goog-request-id", "x-request-id")

    def __init__(self, target: Endpoint, transport: httpx2.AsyncBaseTransport | None) -> None:
        silence_sdk_logging()
        # A finish reason that is newer than the SDK is none of the user's business.
        warnings.filterwarnings("ignore", message=r".* is not a valid \w+$", module=r"google\.genai\._common")
        key, to = checked_key(target), checked_address(target, BASE_URL, API_VERSIONS)
        http = Client(to, ("x-goog-api-key", key), transport)
        super().__init__(target, key, http)
        # Kept, with its reference: a temporary Client closes itself. `vertexai` and `debug_config` are given so that
        # GOOGLE_GENAI_USE_VERTEXAI cannot turn to other credentials, nor GOOGLE_GENAI_CLIENT_MODE to recordings.
        nobody = trusting_nobody()
        try:
            self._client = genai.Client(
                api_key=key,
                vertexai=False,
                debug_config=genai_client.DebugConfig(client_mode="api"),
                http_options=types.HttpOptions(
                    base_url=to.base_url,
                    api_version=to.version or _api_version(),
                    httpx_async_client=http,
                    httpx_client=httpx2.Client(transport=httpx2.MockTransport(_never), verify=nobody),
                    # Else it reads certificates, for clients that nobody uses.
                    client_args={"verify": nobody},
                    async_client_args={"ssl": nobody},
                ),
            )
        except (ImportError, ValueError) as error:
            raise ConfigError(f"google-genai cannot be used as it is set up: {error}") from error

    def capabilities(self) -> Capabilities:
        return Capabilities(streaming=True, tools=True, json_schema=True, logprobs=True, stop=True)

    async def _send(self, request: Request) -> None:
        await self._client.aio.models.generate_content(
            model=request.model,
            contents=_contents(request.messages),
            config=_config(request, should_return_http_response=True),
        )

    async def _events(self, request: Request) -> AsyncGenerator[object, None]:
        stream = await self._client.aio.models.generate_content_stream(
            model=request.model, contents=_contents(request.messages), config=_config(request)
        )
        # A generator, whatever its annotation says; the SDK closes none of those inside it.
        async with aclosing(cast("AsyncGenerator[types.GenerateContentResponse, None]", stream)) as chunks:
            async for chunk in chunks:
                yield chunk.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def _list_models(self, timeout_s: float) -> None:
        options = types.HttpOptions(timeout=_milliseconds(timeout_s))
        await self._client.aio.models.list(config=types.ListModelsConfig(page_size=1, http_options=options))

    def _read(self, body: object, draft: Draft) -> Iterator[Piece]:
        if dig(body, "error"):
            yield from draft.report(dig(body, "usageMetadata"))
            draft.ended = draft.usage is not None
            raise ErrorInReply(body)
        yield from self._feed(body, draft)

    def _feed(self, event: object, draft: Draft) -> Iterator[Piece]:
        """A whole reply and a chunk of one have the same form here."""
        draft.model = text_at(event, "modelVersion") or draft.model
        draft.request_id = draft.request_id or text_at(event, "responseId") or None
        yield from draft.report(dig(event, "usageMetadata"))
        if blocked := text_at(event, "promptFeedback", "blockReason"):
            draft.finish, draft.note = FinishReason.REFUSED, blocked
        candidate = dig(event, "candidates", 0)
        draft.learn(web_searches=len(items_at(candidate, "groundingMetadata", "webSearchQueries")) or None)
        for part in items_at(candidate, "content", "parts"):
            if isinstance(call := dig(part, "functionCall"), Mapping):
                draft.add_call(
                    (None, len(draft.calls)),
                    call_id=text_at(call, "id"),
                    name=text_at(call, "name"),
                    arguments=arguments_text(call.get("args")),
                )
            elif dig(part, "thought") is True:
                draft.note_thought(True)
                yield from draft.add_thought(text_at(part, "text"))
            else:
                yield from draft.add_text(text_at(part, "text"))
        draft.add_logprobs(items_at(candidate, "logprobsResult", "chosenCandidates"), "logProbability")
        if reason := text_at(candidate, "finishReason"):
            draft.finish, draft.note = ending(reason), reason
            if draft.finish is FinishReason.STOP and draft.calls:
                draft.finish = FinishReason.TOOL_CALLS  # this wire has no word for it


def _api_version() -> str:
    version = setting(os.environ, "GOOGLE_GENAI_API_VERSION") or API_VERSIONS[0]
    if version not in API_VERSIONS:
        raise ConfigError(
            "GOOGLE_GENAI_API_VERSION is no version of the API that orch speaks",
            hint=f"there are: {', '.join(API_VERSIONS)}",
        )
    return version


def _never(request: httpx2.Request) -> httpx2.Response:
    """The SDK wants a synchronous client too, and would spend time on making one that nobody uses."""
    raise httpx2.LocalProtocolError("the synchronous client is not to be used")


def _milliseconds(seconds: float) -> int:
    return max(round(seconds * 1000), 1)


def _config(request: Request, *, should_return_http_response: bool = False) -> types.GenerateContentConfig:
    options: dict[str, Any] = {
        "http_options": {"timeout": _milliseconds(request.timeout_s)},
        "max_output_tokens": request.max_tokens,
        "automatic_continuation": False,
        "automatic_function_calling": {"disable": True},
    }
    if should_return_http_response:
        options["should_return_http_response"] = True
    if request.system:
        options["system_instruction"] = request.system
    if request.temperature is not None:
        options["temperature"] = request.temperature
    if request.stop:
        options["stop_sequences"] = list(request.stop)
    if request.logprobs:
        options["response_logprobs"] = True
    if request.response_format is not None:
        options["response_mime_type"] = "application/json"
        if request.response_format.schema is not None:
            options["response_json_schema"] = dict(request.response_format.schema)
    if request.tools:
        functions = [
            {"name": tool.name, "description": tool.description, "parameters_json_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
        options["tools"] = [{"function_declarations": functions}]
    return types.GenerateContentConfig.model_validate(options)


def _contents(messages: tuple[Message, ...]) -> list[types.Content]:
    """Turns as this API has them: the results of one turn's tool calls share one turn, and name the function."""
    names = tool_names(messages)
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in messages:
        if message.role == "tool":
            name = names.get(message.tool_call_id or "", message.tool_call_id or "")
            part = {"function_response": {"name": name, "response": {"output": message.content}}}
            if turns and "function_response" in turns[-1][1][0]:
                turns[-1][1].append(part)
            else:
                turns.append(("user", [part]))
            continue
        parts: list[dict[str, Any]] = [{"text": message.content}] if message.content or not message.tool_calls else []
        parts += [
            {"function_call": {"name": call.name, "args": dict(arguments_object(call))}} for call in message.tool_calls
        ]
        turns.append(("model" if message.role == "assistant" else "user", parts))
    return [types.Content.model_validate({"role": role, "parts": parts}) for role, parts in turns]
