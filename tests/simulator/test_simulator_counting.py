"""The endpoints that count an input, asked through the providers' own adapters."""

from __future__ import annotations

import asyncio
import importlib

import httpx2
import pytest
from simulated_models import MODEL_OF, MODELS

from orchestrator.deferred import replace
from orchestrator.errors import ProviderError
from orchestrator.providers.base import Endpoint, Provider
from orchestrator.reading.media import media_of
from orchestrator.registry.providers import PROVIDERS
from orchestrator.simulator.app import create_app
from orchestrator.simulator.transport import SimulatorTransport
from orchestrator.types import Completion, Message, Request, ResponseFormat, Tool, ToolCall

LOOK_UP = Tool("look_up", "Looks a word up.", {"type": "object", "properties": {"word": {"type": "string"}}})
CALL = ToolCall("call_1", "look_up", '{"word": "é"}')
CONVERSATION = (
    Message("user", "Which word is it?"),
    Message("assistant", "", tool_calls=(CALL,)),
    Message("tool", "It is a letter.", tool_call_id="call_1"),
)
PICTURE = media_of(b"GIF89a" + bytes([0, 4, 0, 3]) + b"\0" * 8, "the picture")  # 1,024 x 768
SEEN = (*CONVERSATION[:2], Message.of("tool", ("It looks so:", PICTURE), tool_call_id="call_1"))
SCHEMA = ResponseFormat({"type": "object", "properties": {"a": {"type": "string"}}})


def connected(wire: str, transport: httpx2.AsyncBaseTransport) -> Provider:
    module = importlib.import_module(f"orchestrator.providers.{wire}")
    provider: Provider = module.connect(Endpoint(wire, None, "a-key"), transport)
    return provider


def asked(wire: str, request: Request) -> tuple[int | None, Completion]:
    async def ask() -> tuple[int | None, Completion]:
        provider = connected(wire, SimulatorTransport(create_app(MODELS)))
        try:
            return await provider.count_input(request), await provider.complete(request)
        finally:
            await provider.aclose()

    return asyncio.run(ask())


@pytest.mark.parametrize("wire", ["anthropic", "openai", "google"])
@pytest.mark.parametrize(
    "request_",
    [
        Request("", (Message("user", "Why is the sky blue? " * 200),), 100),
        Request("", (Message("user", "Why?"),), 100, system="Be brief."),
        Request("", CONVERSATION[:1], 100, tools=(LOOK_UP,)),
        Request("", (Message("user", "Why?"),), 100, response_format=SCHEMA),
        Request("", (Message.of("user", (PICTURE, "What is it?")),), 100),
        Request("", (*SEEN, Message("user", "And?")), 100, tools=(LOOK_UP,)),
    ],
    ids=["long", "system", "tools", "schema", "image", "image in a result"],
)
def test_an_input_is_counted_as_the_same_request_is_billed(wire: str, request_: Request) -> None:
    request = replace(request_, model=MODEL_OF[wire])
    counted, completion = asked(wire, request)
    assert completion.usage is not None
    assert counted == pytest.approx(completion.usage.input_tokens, abs=64)


@pytest.mark.parametrize("wire", ["anthropic", "openai", "google"])
def test_a_turn_of_tools_can_be_counted(wire: str) -> None:
    request = Request(MODEL_OF[wire], CONVERSATION, 100, tools=(LOOK_UP,))
    counted, completion = asked(wire, request)
    assert completion.usage is not None
    assert counted == pytest.approx(completion.usage.input_tokens, abs=64)


@pytest.mark.parametrize("wire", ["anthropic", "openai", "google"])
def test_a_count_of_an_unknown_model_is_the_providers_error(wire: str) -> None:
    with pytest.raises(ProviderError):
        asked(wire, Request("no-such-model", (Message("user", "Why?"),), 100))


@pytest.mark.parametrize("reply", [{"input_tokens": "many"}, {"input_tokens": -1}, {}, [], {"input_tokens": 10**30}])
def test_a_reply_without_a_count_is_an_error(reply: object) -> None:
    async def ask() -> None:
        provider = connected("anthropic", httpx2.MockTransport(lambda _: httpx2.Response(200, json=reply)))
        try:
            await provider.count_input(Request("m", (Message("user", "Why?"),), 100))
        finally:
            await provider.aclose()

    with pytest.raises(ProviderError):
        asyncio.run(ask())


def test_a_server_that_only_speaks_openais_chat_is_not_asked() -> None:
    async def ask() -> int | None:
        module = importlib.import_module(f"orchestrator.providers.{PROVIDERS['deepseek'].module}")
        provider: Provider = module.connect(
            Endpoint("deepseek", None, "a-key"), httpx2.MockTransport(lambda _: httpx2.Response(500))
        )
        try:
            return await provider.count_input(Request("m", (Message("user", "Why?"),), 100))
        finally:
            await provider.aclose()

    assert asyncio.run(ask()) is None
