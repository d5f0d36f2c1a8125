"""Google's Gemini API, over the `google-genai` SDK.

The SDK sends several billed requests for one call if left alone (`automatic_continuation`, automatic function
calling); both are off. Whole replies are asked for and read without it, which takes half of the time; of a stream, the
SDK's models are read, back as JSON.
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from functools import lru_cache, partial
from typing import Any, ClassVar, cast
from urllib.parse import quote

import httpx2
from google import genai
from google.genai import client as genai_client
from google.genai import errors, types

from ..errors import ConfigError
from ..expressions import expression
from ..registry.providers import setting
from ..types import FinishReason, Message, Part, Request, ToolCall
from .base import Capabilities, Endpoint, Piece
from .batches import BatchClient, connected
from .endings import ending
from .http import Client, checked_address, checked_key, silence_sdk_logging, trusting_nobody
from .payload import arguments_object, arguments_text, tool_names
from .reply import Draft, ErrorInReply, dig, items_at, numbers_at, text_at
from .reporting import Kind
from .sdk import SdkProvider

BASE_URL = "https://generativelanguage.googleapis.com"
# The first is the SDK's default. Another one stands at the end of the address, or in GOOGLE_GENAI_API_VERSION.
API_VERSIONS = ("v1", "v1beta", "v1alpha")


_SIGNING = expression(r"(?:^|/)gemini-(?:[3-9]|[1-9]\d)")
_NOT_ITS_OWN = "skip_thought_signature_validator"
_LABEL = f"google-genai-sdk/{genai.__version__} gl-python/{sys.version.split()[0]}"
_SDK_HEADERS = (
    ("accept", "*/*"),
    ("content-type", "application/json"),
    ("user-agent", _LABEL),
    ("x-goog-api-client", _LABEL),
)
# What the SDK says of a file that it uploads.
_UPLOADING = frozenset(
    f"x-goog-upload-{name}"
    for name in ("protocol", "command", "offset", "header-content-length", "header-content-type", "file-name")
)


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
        http = Client(to, ("x-goog-api-key", key), transport, _UPLOADING)
        super().__init__(target, key, http)
        version = to.version or _api_version()
        self._root = f"{to.base_url.rstrip('/')}/{version}"
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
                    api_version=version,
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

    def batches(self) -> BatchClient:
        return connected("google_batches", self, self._client)

    async def _send(self, request: Request) -> None:
        headers = (*_SDK_HEADERS, ("x-server-timeout", str(math.ceil(request.timeout_s))))
        verb, body = ("embedContent", _embedding) if request.embeds else ("generateContent", body_of)
        await self._http.post_json(_address(self._root, request.model, verb), headers, body(request), request.timeout_s)

    async def _ask_count(self, request: Request, timeout_s: float) -> bool:
        url = _address(self._root, request.model, "countTokens")
        body = {"generateContentRequest": {"model": resource(request.model), **body_of(request)}}
        await self._http.post_json(url, _SDK_HEADERS, body, timeout_s)
        return True

    async def _events(self, request: Request) -> AsyncGenerator[object, None]:
        body = body_of(request)
        options = {
            **body.pop("generationConfig"),
            "httpOptions": {"timeout": _milliseconds(request.timeout_s)},
            "automaticContinuation": False,
            "automaticFunctionCalling": {"disable": True},
        }
        contents = [types.Content.model_validate(turn) for turn in body.pop("contents")]
        stream = await self._client.aio.models.generate_content_stream(
            model=request.model,
            contents=cast("types.ContentListUnion", contents),
            config=types.GenerateContentConfig.model_validate(options | body),
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
        draft.embedding = numbers_at(event, "embedding", "values")
        candidate = dig(event, "candidates", 0)
        draft.learn(web_searches=len(items_at(candidate, "groundingMetadata", "webSearchQueries")) or None)
        for part in items_at(candidate, "content", "parts"):
            if isinstance(call := dig(part, "functionCall"), Mapping):
                draft.add_call(
                    (None, len(draft.calls)),
                    call_id=text_at(call, "id"),
                    name=text_at(call, "name"),
                    arguments=arguments_text(call.get("args")),
                    signature=text_at(part, "thoughtSignature"),
                )
            elif dig(part, "thought") is True:
                draft.note_thought(True)
                yield from draft.add_thought(text_at(part, "text"))
            else:
                yield from draft.add_text(text_at(part, "text"))
        if (scored := dig(candidate, "logprobsResult")) is not None:
            others = partial(items_at, scored, "topCandidates")
            draft.add_logprobs(
                items_at(scored, "chosenCandidates"), "logProbability", lambda place: others(place, "candidates")
            )
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


@lru_cache(64)
def _address(root: str, model: str, verb: str = "generateContent") -> str:
    """Where the SDK posts to. Raises ValueError for an id of a model that would lead elsewhere."""
    if ".." in model:
        raise ValueError(f"no model has the id {model!r}")
    return f"{root}/{quote(resource(model))}:{verb}"


def resource(model: str) -> str:
    """A model's id as a resource name."""
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def _embedding(request: Request) -> dict[str, Any]:
    """The request for the embedding of a text."""
    content = {"parts": [{"text": request.messages[0].content}]}
    body: dict[str, Any] = {"model": resource(request.model), "content": content, "taskType": "SEMANTIC_SIMILARITY"}
    return body | ({"outputDimensionality": request.dimensions} if request.dimensions else {})


def body_of(request: Request) -> dict[str, Any]:
    """The request as the SDK sends it. It takes the same names, and sends one as it is in Python."""
    limits: dict[str, Any] = {"maxOutputTokens": request.max_tokens}
    if request.temperature is not None:
        limits["temperature"] = request.temperature
    if request.top_p is not None:
        limits["topP"] = request.top_p
    if request.seed is not None:
        limits["seed"] = request.seed
    if request.effort is not None:
        limits["thinkingConfig"] = {"thinkingLevel": request.effort.value.upper()}
    if request.thinking_tokens is not None:
        limits["thinkingConfig"] = {"thinkingBudget": request.thinking_tokens}
    if request.stop:
        limits["stopSequences"] = list(request.stop)
    if request.logprobs:
        limits["responseLogprobs"] = True
        if request.top_logprobs:
            limits["logprobs"] = request.top_logprobs
    if request.response_format is not None:
        limits["responseMimeType"] = "application/json"
        if request.response_format.schema is not None:
            limits["responseJsonSchema"] = dict(request.response_format.schema)
    body: dict[str, Any] = {"contents": _contents(request.messages, request.model), "generationConfig": limits}
    if request.system:
        body["systemInstruction"] = {"role": "user", "parts": [{"text": request.system}]}
    if request.tools:
        functions = [
            {"name": tool.name, "description": tool.description, "parameters_json_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
        body["tools"] = [{"functionDeclarations": functions}]
        if request.tool_choice != "auto":
            body["toolConfig"] = {"functionCallingConfig": _calling(request.tool_choice)}
    return body


def _calling(choice: str) -> dict[str, Any]:
    """A choice among tools as a mode, and the tool that has to be called if one is named, after `=`."""
    if choice.startswith("="):
        return {"mode": "ANY", "allowedFunctionNames": [choice[1:]]}
    return {"mode": "ANY" if choice == "required" else "NONE"}


def _contents(messages: tuple[Message, ...], model: str) -> list[dict[str, Any]]:
    """Turns as this API has them: the results of one turn's tool calls share one turn, and name the function."""
    names = tool_names(messages)
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in messages:
        if message.role == "tool":
            name = names.get(message.tool_call_id or "", message.tool_call_id or "")
            result: list[dict[str, Any]] = [
                {"functionResponse": {"name": name, "response": {"output": message.content}}},
                *map(_part, message.media),
            ]
            if turns and "functionResponse" in turns[-1][1][0]:
                turns[-1][1].extend(result)
            else:
                turns.append(("user", result))
            continue
        if message.role == "system":
            turns.append(("user", [{"text": f"<system>\n{message.content}\n</system>"}]))
            continue
        parts = [_part(part) for part in message.in_parts if part] or ([] if message.tool_calls else [{"text": ""}])
        unsigned = _NOT_ITS_OWN if _SIGNING.search(model) else None
        for call in message.tool_calls:  # the signature of the first one is that of them all
            parts.append(_function_call(call, call.signature or unsigned))
            unsigned = None
        turns.append(("model" if message.role == "assistant" else "user", parts))
    return [{"role": role, "parts": parts} for role, parts in turns]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    if part.url is None:
        return {"inlineData": {"mimeType": part.media_type, "data": part.base64}}
    kind = {} if part.media_type.endswith("*") else {"mimeType": part.media_type}
    return {"fileData": {"fileUri": part.url} | kind}


def _function_call(call: ToolCall, signature: str | None) -> dict[str, Any]:
    """A call as the model made it, with the signature of its thoughts. From Gemini 3 on the calls of a turn are refused
    without one, unless they are said to be another model's: https://ai.google.dev/gemini-api/docs/thought-signatures"""
    part: dict[str, Any] = {"functionCall": {"name": call.name, "args": dict(arguments_object(call))}}
    return part if signature is None else part | {"thoughtSignature": signature}
