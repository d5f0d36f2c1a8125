"""Gemini generateContent and streamGenerateContent: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from ...expressions import expression
from ...registry.model import ModelSpec
from ...types import FinishReason, Media, Tool
from .base import (
    Ask,
    Complaint,
    Envelope,
    ErrorReply,
    Fields,
    Frame,
    Headers,
    Json,
    Limits,
    Problem,
    Rejected,
    Reply,
    Stage,
    Turn,
    encode,
    event,
    joined,
    likeliest,
    media_from,
    media_in,
    offered,
    plain,
    retry_hint,
)

_FINISH_REASONS = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.TOOL_CALLS: "STOP",  # a function call has no reason of its own
    FinishReason.REFUSED: "SAFETY",
}
# From these on a call of a function comes with a signature of the thoughts that led to it, which has to come back.
_SIGNING = expression(r"(?:^|/)gemini-(?:[3-9]|[1-9]\d)")
_NOT_ITS_OWN = "skip_thought_signature_validator"  # in the place of a signature, for the calls of other models
_MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
_TYPE = "type.googleapis.com/google.rpc."

# Status, canonical code and message of each problem; its blanks are the particulars of the complaint.
_ERRORS: dict[Problem, tuple[int, str, str]] = {
    Problem.BAD_REQUEST: (400, "INVALID_ARGUMENT", "{message}"),
    Problem.UNSUPPORTED_PARAMETER: (400, "INVALID_ARGUMENT", "{message}"),
    Problem.CONTEXT_TOO_LONG: (
        400,
        "INVALID_ARGUMENT",
        "The input token count ({tokens}) exceeds the maximum number of tokens allowed ({limit}).",
    ),
    Problem.OUTPUT_TOO_LONG: (
        400,
        "INVALID_ARGUMENT",
        "Unable to submit request because it has a maxOutputTokens value of {tokens} "
        "but the supported range is from 1 to {limit} (inclusive). Update the value and try again.",
    ),
    Problem.NOT_FOUND: (
        404,
        "NOT_FOUND",
        "models/{message} is not found for API version v1, or is not supported for generateContent. "
        "Call ListModels to see the list of available models and their supported methods.",
    ),
    Problem.AUTH: (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    Problem.RATE_LIMITED: (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    Problem.OVERLOADED: (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    Problem.SERVER_ERROR: (500, "INTERNAL", "An internal error has occurred. Please retry."),
    Problem.OUT_OF_CREDIT: (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
}
_CANONICAL = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 502: "UNAVAILABLE", 503: "UNAVAILABLE"} | {
    504: "DEADLINE_EXCEEDED",
}
_QUOTA_IDS = {
    Problem.RATE_LIMITED: "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
    Problem.OUT_OF_CREDIT: "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
}


def parse(body: Json, *, model: str | None, stream: bool) -> Ask:
    """Read a request. Raises Rejected."""
    fields = Fields(
        body,
        missing="* GenerateContentRequest.{path}: must be specified",
        mistyped="Invalid value at '{path}' ({kind})",
    )
    if model is not None and _SIGNING.search(model):
        _check_signatures(fields.tables("contents"))
    turns = tuple(turn for content in fields.tables("contents") for turn in _turns(content))
    if not turns:
        raise Rejected(Problem.BAD_REQUEST, "* GenerateContentRequest.contents: contents is not specified")
    config = fields.table("generationConfig")
    declared = [function for tool in fields.tables("tools") for function in tool.tables("functionDeclarations")]
    calling = fields.table("toolConfig").table("functionCallingConfig")
    allowed = [str(name) for name in calling.items("allowedFunctionNames")]
    system = _text(fields.table("systemInstruction").items("parts"))
    return Ask(
        model=model or "",
        turns=turns,
        prompt_text=joined([offered(body), system, *(turn.text for turn in turns)]),
        system=system,
        max_tokens=config.integer("maxOutputTokens"),
        max_tokens_name="maxOutputTokens",
        stop=tuple(str(stop) for stop in config.items("stopSequences")),
        tools=tuple(_tool(function) for function in declared),
        tool_choice=f"={allowed[0]}" if allowed else _MODES.get(calling.text("mode") or "AUTO", "auto"),
        json=config.text("responseMimeType") == "application/json",
        schema=config.table("responseJsonSchema").content or config.table("responseSchema").content or None,
        stream=stream,
        logprobs=config.flag("responseLogprobs"),
        top_logprobs=config.integer("logprobs") or 0,
    )


def _check_signatures(contents: Sequence[Fields]) -> None:
    """Raises Rejected for a turn whose first call has not the signature that it came with.

    https://ai.google.dev/gemini-api/docs/thought-signatures
    """
    for content in contents:
        part = next((part for part in content.tables("parts") if "functionCall" in part.content), None)
        if part is None:
            continue
        call, signature = part.content["functionCall"], part.content.get("thoughtSignature")
        if signature is None:
            message = f"Function call is missing a thought_signature in functionCall parts: {part.path}"
            raise Rejected(Problem.BAD_REQUEST, message)
        if signature != _NOT_ITS_OWN and signature != _signature(call.get("name"), call.get("args")):
            raise Rejected(Problem.BAD_REQUEST, "Corrupted thought signature.")


def _signature(name: object, arguments: object) -> str:
    return urlsafe_b64encode(sha256(json.dumps([name, arguments or {}], sort_keys=True).encode()).digest()).decode()


def _turns(content: Fields) -> Iterator[Turn]:
    parts = content.tables("parts")
    if not parts:
        raise Rejected(Problem.BAD_REQUEST, f"* GenerateContentRequest.{content.path}.parts: contents.parts is empty")
    results = [part.table("functionResponse") for part in parts if "functionResponse" in part.content]
    for result in results:
        yield Turn("tool", json.dumps(result.table("response").content), result.text("name"))
    media = tuple(each for part in parts for each in media_in(part.content, _media))
    if len(results) < len(parts):
        role = "assistant" if content.text("role") == "model" else "user"
        yield Turn(role, _text([part.content for part in parts]), media=media)


def _media(part: Mapping[str, Any]) -> Media | None:
    match part:
        # The JSON of protocol buffers may have a field's own name, and base64 for addresses; google-genai streams so.
        case {"inlineData": {"mimeType": kind, "data": data}} | {"inlineData": {"mime_type": kind, "data": data}}:
            return media_from(kind, str(data).replace("-", "+").replace("_", "/"), None)
        case {"fileData": {"fileUri": address}} | {"fileData": {"file_uri": address}}:
            return media_from(None, None, address)
    return None


def _text(parts: Sequence[Any]) -> str:
    return joined(str(part.get("text") or "") for part in parts if isinstance(part, dict))


def _tool(function: Fields) -> Tool:
    function.require("name")
    # The JSON of protocol buffers may have a field's own name, and google-genai sends this one so.
    keys = ("parametersJsonSchema", "parameters_json_schema", "parameters")
    schema = next((found for key in keys if (found := function.table(key).content)), {})
    return Tool(function.text("name") or "", function.text("description") or "", schema)


def _usage(reply: Reply, output_tokens: int) -> Json:
    usage = reply.usage
    thoughts = min(usage.reasoning_tokens, output_tokens)
    counted: Json = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": output_tokens - thoughts,
        "totalTokenCount": usage.input_tokens + output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input_tokens}],
    }
    if thoughts:
        counted["thoughtsTokenCount"] = thoughts
    if usage.cached_tokens:
        counted["cachedContentTokenCount"] = usage.cached_tokens
    return counted


def _parts(reply: Reply, envelope: Envelope) -> list[Json]:
    parts: list[Json] = [{"text": reply.text}] if reply.text else []
    for number, call in enumerate(reply.tool_calls):
        part: Json = {"functionCall": {"id": call.id, "name": call.name, "args": json.loads(call.arguments)}}
        if number == 0 and _SIGNING.search(envelope.model):
            part["thoughtSignature"] = _signature(call.name, part["functionCall"]["args"])
        parts.append(part)
    return parts


def _response(envelope: Envelope, candidates: list[Json], usage: Json) -> Json:
    response: Json = {"candidates": candidates} if candidates else {}
    return response | {"usageMetadata": usage, "modelVersion": envelope.model, "responseId": envelope.serial}


def _blocked(reply: Reply, envelope: Envelope) -> Json:
    usage = {"promptTokenCount": reply.usage.input_tokens, "totalTokenCount": reply.usage.input_tokens}
    return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}} | _response(envelope, [], usage)


def _candidate(parts: list[Json], reason: str | None = None) -> Json:
    content: Json = {"role": "model"}
    if parts:
        content["parts"] = parts
    candidate: Json = {"content": content, "index": 0}
    return candidate if reason is None else candidate | {"finishReason": reason}


def _logprobs(reply: Reply, ask: Ask) -> Json:
    if not reply.logprobs:
        return {}

    def scored(token: str, logprob: float) -> Json:
        return {"token": token, "logProbability": logprob}

    pairs = list(zip(reply.pieces, reply.logprobs, strict=True))
    found: Json = {"chosenCandidates": [scored(*pair) for pair in pairs]}
    if ask.top_logprobs:
        found["topCandidates"] = [{"candidates": [scored(*each) for each in likeliest(*pair, ask)]} for pair in pairs]
    return {"avgLogprobs": sum(reply.logprobs) / len(reply.logprobs), "logprobsResult": found}


def body(reply: Reply, ask: Ask, envelope: Envelope) -> Json:
    """A whole reply."""
    if reply.refused_at_prompt:
        return _blocked(reply, envelope)
    candidate = _candidate(_parts(reply, envelope), _FINISH_REASONS[reply.finish]) | _logprobs(reply, ask)
    return _response(envelope, [candidate], _usage(reply, reply.usage.output_tokens))


def frames(reply: Reply, ask: Ask, envelope: Envelope) -> Iterator[Frame]:
    """The chunks of a streamed reply."""
    chunks = _chunks(reply, ask, envelope)
    if ask.sse:
        for chunk, tokens, stage in chunks:
            yield Frame(event(chunk), tokens, stage)
        return
    opening = b"["
    for chunk, tokens, stage in chunks:
        yield Frame(opening + encode(chunk), tokens, stage)
        opening = b",\r\n"
    yield Frame(b"]", reply.usage.output_tokens, Stage.MARKER)


def _chunks(reply: Reply, ask: Ask, envelope: Envelope) -> Iterator[tuple[Json, int, Stage]]:
    generated, total = reply.usage.reasoning_tokens, reply.usage.output_tokens
    if reply.refused_at_prompt:
        yield _blocked(reply, envelope), 0, Stage.FINISH
        return
    for piece in reply.pieces:
        generated += 1
        chunk = _response(envelope, [_candidate([{"text": piece}])], _usage(reply, generated))
        yield chunk, generated, Stage.TEXT
    calls = _parts(reply, envelope)[1 if reply.text else 0 :]
    if calls:
        yield _response(envelope, [_candidate(calls)], _usage(reply, total)), total, Stage.TEXT
    last = _candidate([{"text": ""}] if reply.text else [], _FINISH_REASONS[reply.finish]) | _logprobs(reply, ask)
    yield _response(envelope, [last], _usage(reply, total)), total, Stage.FINISH


def error(complaint: Complaint, envelope: Envelope) -> ErrorReply:
    """The reply that reports a complaint."""
    status, code, message = _ERRORS[complaint.problem]
    details = _details(complaint, envelope)
    if complaint.status is not None and complaint.problem is not Problem.OUT_OF_CREDIT:
        status = complaint.status
        code = _CANONICAL.get(status, code)
    message = complaint.worded(message)
    if complaint.problem is Problem.RATE_LIMITED:
        message += retry_hint(complaint.retry_after_s)
    described: Json = {"code": status, "message": message, "status": code}
    return ErrorReply(status, {"error": described | ({"details": details} if details else {})})


def _details(complaint: Complaint, envelope: Envelope) -> list[Json]:
    if complaint.problem is Problem.AUTH and complaint.status is None:
        domain = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        return [{"@type": _TYPE + "ErrorInfo"} | domain]
    if complaint.problem not in _QUOTA_IDS:
        return []
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": _QUOTA_IDS[complaint.problem],
        "quotaDimensions": {"location": "global", "model": envelope.model},
    }
    details: list[Json] = [{"@type": _TYPE + "QuotaFailure", "violations": [violation]}]
    if complaint.retry_after_s is not None:
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": f"{plain(complaint.retry_after_s)}s"})
    return details


def error_frame(complaint: Complaint, envelope: Envelope) -> bytes:
    """The chunk that reports a complaint within a stream."""
    return event(error(complaint, envelope).body)


def headers(envelope: Envelope, limits: Limits | None) -> Headers:
    """Gemini says nothing of limits, and names the request only in the body."""
    return ()


def models(specs: Sequence[ModelSpec], now: datetime) -> Json:
    """The list of models."""
    listed = [
        {
            "name": f"models/{spec.id}",
            "version": "001",
            "displayName": spec.name,
            "inputTokenLimit": spec.context_window,
            "outputTokenLimit": spec.output_limit,
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
        }
        for spec in specs
    ]
    return {"models": listed}
