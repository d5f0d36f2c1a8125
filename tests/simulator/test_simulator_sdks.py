"""The three official SDKs, unchanged, against the simulator in process and over a socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from patience import PATIENCE_S
from simulated_models import MODEL_OF, MODELS, WIRES, model

from orchestrator.simulator.app import App, create_app
from orchestrator.simulator.scenario import Fault, FaultKind, Rule, Scenario
from orchestrator.simulator.transport import SimulatorTransport

PROVIDER_OF = {"anthropic": "anthropic", "openai": "openai", "google": "google"}

# A model that always meets a fault, for every fault that a test wants: `cut@anthropic`.
FAULTS = (
    Fault(FaultKind.RATE_LIMITED, retry_after_s=7.0),
    Fault(FaultKind.OVERLOADED),
    Fault(FaultKind.SERVER_ERROR, status=502, html=True),
    Fault(FaultKind.OUT_OF_CREDIT),
    Fault(FaultKind.AUTH),
    Fault(FaultKind.NOT_FOUND),
    Fault(FaultKind.REDIRECT),
    Fault(FaultKind.CUT),
    Fault(FaultKind.NO_TERMINAL_MARKER),
    Fault(FaultKind.MALFORMED),
    Fault(FaultKind.ERROR_IN_STREAM),
    Fault(FaultKind.ERROR_IN_200),
    Fault(FaultKind.TIMEOUT),
)
FAULTY = tuple(model(f"{fault.kind}@{wire}", PROVIDER_OF[wire]) for fault in FAULTS for wire in WIRES)
SCENARIO = Scenario(tuple(Rule(fault, model=f"{fault.kind}@*") for fault in FAULTS))


def app() -> App:
    return create_app((*MODELS, *FAULTY), SCENARIO)


def serve_until_stopped() -> None:
    from orchestrator.simulator.server import serve  # only in the other process

    serve(app(), 0, ready=lambda port: print(port, flush=True))


@pytest.fixture(scope="module")
def loopback() -> Iterator[str]:
    here = os.path.dirname(__file__)  # noqa: PTH120
    program = f"import {__name__} as tests; tests.serve_until_stopped()"
    server = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([here, os.path.dirname(here)])},  # noqa: PTH120
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert server.stderr is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.send_signal(signal.SIGTERM)
        noise = server.communicate(timeout=PATIENCE_S)
    assert noise == ("", "")
    assert server.returncode == 0


@pytest.fixture(params=["in process", "loopback"])
def address(request: pytest.FixtureRequest) -> str:
    """The address of the loopback form, or nothing for the one in process."""
    return "" if request.param == "in process" else str(request.getfixturevalue("loopback"))


class Sdk:
    """One prompt through an official SDK, its retries off: what came back, in the SDK's own objects."""

    def __init__(self, address: str, wire: str, http: httpx2.AsyncClient, timeout_s: float) -> None:
        self.wire = wire
        self._base = address or "http://simulator.invalid"
        self._http = http
        self._timeout_s = timeout_s

    @cached_property
    def anthropic(self) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(
            api_key="k", base_url=self._base, http_client=self._http, max_retries=0, timeout=self._timeout_s
        )

    @cached_property
    def openai(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            api_key="k", base_url=f"{self._base}/v1", http_client=self._http, max_retries=0, timeout=self._timeout_s
        )

    @cached_property
    def google(self) -> genai.Client:
        # google-genai waits for ever unless it is told not to, whatever its HTTP client says; in milliseconds.
        timeout_ms = round(self._timeout_s * 1_000)
        options = genai_types.HttpOptions(
            base_url=self._base, api_version="v1", httpx_async_client=self._http, timeout=timeout_ms
        )
        return genai.Client(api_key="k", http_options=options)

    async def ask(self, prompt: str = "What is 2+2?", model_id: str | None = None, **options: Any) -> Any:
        name = model_id or MODEL_OF[self.wire]
        messages: list[Any] = [{"role": "user", "content": prompt}]
        if self.wire == "anthropic":
            return await self.anthropic.messages.create(model=name, messages=messages, max_tokens=500, **options)
        if self.wire == "openai":
            return await self.openai.chat.completions.create(model=name, messages=messages, **options)
        return await self.google.aio.models.generate_content(model=name, contents=prompt, **options)

    async def stream(self, prompt: str = "What is 2+2?", model_id: str | None = None) -> AsyncIterator[Any]:
        name = model_id or MODEL_OF[self.wire]
        if self.wire == "google":
            chunks = await self.google.aio.models.generate_content_stream(model=name, contents=prompt)
        elif self.wire == "anthropic":
            chunks = await self.ask(prompt, name, stream=True)
        else:
            chunks = await self.ask(prompt, name, stream=True, stream_options={"include_usage": True})
        async for chunk in chunks:
            yield chunk


@asynccontextmanager
async def sdk(address: str, wire: str, *, timeout_s: float = 5.0) -> AsyncIterator[Sdk]:
    transport = httpx2.AsyncHTTPTransport(verify=False) if address else SimulatorTransport(app())
    async with httpx2.AsyncClient(transport=transport) as http:
        yield Sdk(address, wire, http, timeout_s)


def text_of(wire: str, answer: Any) -> str:
    if wire == "anthropic":
        return "".join(block.text for block in answer.content)
    return str(answer.choices[0].message.content if wire == "openai" else answer.text)


def piece_of(wire: str, chunk: Any) -> str:
    if wire == "anthropic":
        return chunk.delta.text if chunk.type == "content_block_delta" else ""
    if wire == "openai":
        return (chunk.choices[0].delta.content or "") if chunk.choices else ""
    return chunk.text or ""


def usage_of(wire: str, answer: Any) -> tuple[int, int]:
    """Input and output tokens."""
    if wire == "anthropic":
        return answer.usage.input_tokens, answer.usage.output_tokens
    if wire == "openai":
        return answer.usage.prompt_tokens, answer.usage.completion_tokens
    usage = answer.usage_metadata
    return usage.prompt_token_count, usage.candidates_token_count + (usage.thoughts_token_count or 0)


@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_comes_back_with_its_usage(address: str, wire: str) -> None:
    async def main() -> None:
        async with sdk(address, wire) as client:
            answer = await client.ask()
            text = text_of(wire, answer)
            assert "4" in text
            assert usage_of(wire, answer) == (12 // 4 + 4, -(-len(text) // 4))

    asyncio.run(main())


@pytest.mark.parametrize("wire", WIRES)
def test_a_stream_is_the_same_answer_in_pieces(address: str, wire: str) -> None:
    async def main() -> None:
        async with sdk(address, wire) as client:
            whole = await client.ask("Should I use REST or GraphQL?")
            chunks = [chunk async for chunk in client.stream("Should I use REST or GraphQL?")]
        pieces = [piece for chunk in chunks if (piece := piece_of(wire, chunk))]
        assert "".join(pieces) == text_of(wire, whole)
        assert len(pieces) > 5
        if wire == "anthropic":
            assert chunks[0].message.usage.input_tokens == whole.usage.input_tokens
            assert (chunks[-2].usage.output_tokens, chunks[-2].delta.stop_reason) == (
                whole.usage.output_tokens,
                "end_turn",
            )
            assert chunks[-1].type == "message_stop"
        else:
            assert usage_of(wire, chunks[-1]) == usage_of(wire, whole)

    asyncio.run(main())


NEVER = {"anthropic": anthropic.APIError, "openai": openai.APIError, "google": genai_errors.APIError}
ERRORS: list[tuple[FaultKind, str, type[Exception], int, str]] = [
    (FaultKind.RATE_LIMITED, "anthropic", anthropic.RateLimitError, 429, "rate_limit_error"),
    (FaultKind.RATE_LIMITED, "openai", openai.RateLimitError, 429, "rate_limit_exceeded"),
    (FaultKind.RATE_LIMITED, "google", genai_errors.ClientError, 429, "PerMinute"),
    (FaultKind.OVERLOADED, "anthropic", anthropic.OverloadedError, 529, "overloaded_error"),
    (FaultKind.OVERLOADED, "openai", openai.InternalServerError, 503, "overloaded"),
    (FaultKind.OVERLOADED, "google", genai_errors.ServerError, 503, "UNAVAILABLE"),
    (FaultKind.SERVER_ERROR, "anthropic", anthropic.InternalServerError, 502, "<html>"),
    (FaultKind.SERVER_ERROR, "openai", openai.InternalServerError, 502, "<html>"),
    (FaultKind.SERVER_ERROR, "google", genai_errors.ServerError, 502, "<html>"),
    (FaultKind.OUT_OF_CREDIT, "anthropic", anthropic.BadRequestError, 400, "credit balance is too low"),
    (FaultKind.OUT_OF_CREDIT, "openai", openai.RateLimitError, 429, "insufficient_quota"),
    (FaultKind.OUT_OF_CREDIT, "google", genai_errors.ClientError, 429, "PerDay"),
    (FaultKind.AUTH, "anthropic", anthropic.AuthenticationError, 401, "authentication_error"),
    (FaultKind.AUTH, "openai", openai.AuthenticationError, 401, "invalid_api_key"),
    (FaultKind.AUTH, "google", genai_errors.ClientError, 400, "API_KEY_INVALID"),
    (FaultKind.NOT_FOUND, "anthropic", anthropic.NotFoundError, 404, "not_found_error"),
    (FaultKind.NOT_FOUND, "openai", openai.NotFoundError, 404, "model_not_found"),
    (FaultKind.NOT_FOUND, "google", genai_errors.ClientError, 404, "NOT_FOUND"),
    (FaultKind.ERROR_IN_STREAM, "anthropic", anthropic.OverloadedError, 529, "overloaded_error"),
    (FaultKind.ERROR_IN_STREAM, "openai", openai.InternalServerError, 503, "overloaded"),
    (FaultKind.ERROR_IN_STREAM, "google", genai_errors.ServerError, 503, "UNAVAILABLE"),
    (FaultKind.REDIRECT, "anthropic", anthropic.APIStatusError, 307, ""),
    (FaultKind.REDIRECT, "openai", openai.APIStatusError, 307, ""),
    (FaultKind.REDIRECT, "google", genai_errors.APIError, 307, ""),
]


@pytest.mark.parametrize(("kind", "wire", "error", "status", "word"), ERRORS, ids=[f"{e[0]} {e[1]}" for e in ERRORS])
def test_an_error_is_the_class_that_the_sdk_makes_of_the_real_one(
    address: str, kind: FaultKind, wire: str, error: type[Exception], status: int, word: str
) -> None:
    async def main() -> None:
        async with sdk(address, wire) as client:
            with pytest.raises(error) as caught:
                await client.ask(model_id=f"{kind}@{wire}")
        raised: Any = caught.value
        assert (raised.code if wire == "google" else raised.status_code) == status
        body = raised.details if wire == "google" else raised.response.text
        assert word in str(body)
        if kind is FaultKind.RATE_LIMITED:
            assert "7s" in str(body) if wire == "google" else raised.response.headers["retry-after"] == "7"

    asyncio.run(main())


IN_STREAM: list[tuple[FaultKind, str, type[Exception]]] = [
    (FaultKind.CUT, "anthropic", httpx2.RemoteProtocolError),
    (FaultKind.CUT, "openai", openai.APIConnectionError),
    (FaultKind.CUT, "google", httpx2.RemoteProtocolError),
    (FaultKind.MALFORMED, "anthropic", json.JSONDecodeError),
    (FaultKind.MALFORMED, "openai", json.JSONDecodeError),
    (FaultKind.MALFORMED, "google", genai_errors.UnknownApiResponseError),
    (FaultKind.ERROR_IN_STREAM, "anthropic", anthropic.APIStatusError),
    (FaultKind.ERROR_IN_STREAM, "openai", openai.APIError),
    (FaultKind.ERROR_IN_STREAM, "google", genai_errors.ServerError),
]


@pytest.mark.parametrize(("kind", "wire", "error"), IN_STREAM, ids=[f"{e[0]} {e[1]}" for e in IN_STREAM])
def test_a_stream_breaks_after_some_text(address: str, kind: FaultKind, wire: str, error: type[Exception]) -> None:
    async def main() -> None:
        text, broken = "", False
        async with sdk(address, wire) as client:
            whole = text_of(wire, await client.ask())
            try:
                async for chunk in client.stream(model_id=f"{kind}@{wire}"):
                    text += piece_of(wire, chunk)
            except error:
                broken = True
        assert broken
        assert 0 < len(text) < len(whole) + 20  # the same prompt, another model's words

    asyncio.run(main())


@pytest.mark.parametrize("wire", WIRES)
def test_a_stream_without_its_end_raises_nothing(address: str, wire: str) -> None:
    async def main() -> list[Any]:
        async with sdk(address, wire) as client:
            return [chunk async for chunk in client.stream(model_id=f"{FaultKind.NO_TERMINAL_MARKER}@{wire}")]

    chunks = asyncio.run(main())
    assert "".join(piece_of(wire, chunk) for chunk in chunks)
    if wire == "anthropic":
        assert {chunk.type for chunk in chunks} == {"message_start", "content_block_start", "content_block_delta"}
    elif wire == "openai":
        assert {chunk.choices[0].finish_reason for chunk in chunks} == {None}
    else:
        assert {chunk.candidates[0].finish_reason for chunk in chunks} == {None}


@pytest.mark.parametrize("wire", WIRES)
def test_a_cut_before_anything_was_said_is_a_lost_connection(address: str, wire: str) -> None:
    lost = {"anthropic": anthropic.APIConnectionError, "openai": openai.APIConnectionError}

    async def main() -> None:
        async with sdk(address, wire) as client:
            with pytest.raises(lost.get(wire, httpx2.RemoteProtocolError)):
                await client.ask(model_id=f"{FaultKind.CUT}@{wire}")

    asyncio.run(main())


@pytest.mark.parametrize("wire", WIRES)
def test_silence_ends_in_the_read_timeout(address: str, wire: str) -> None:
    late = {"anthropic": anthropic.APITimeoutError, "openai": openai.APITimeoutError}

    async def main() -> None:
        async with sdk(address, wire, timeout_s=0.1) as client:
            # On a machine that is busy for the whole tenth of a second, connecting is what takes too long.
            with pytest.raises(late.get(wire, httpx2.TimeoutException)):
                await client.ask(model_id=f"{FaultKind.TIMEOUT}@{wire}")

    asyncio.run(main())


def test_an_error_in_200_raises_nothing_with_openai(address: str) -> None:
    async def main() -> Any:
        async with sdk(address, "openai") as client:
            return await client.ask(model_id=f"{FaultKind.ERROR_IN_200}@openai")

    answer = asyncio.run(main())
    assert answer.choices is None
    assert "overloaded" in answer.error["message"]


def test_every_sdk_lists_its_own_models(address: str) -> None:
    async def main() -> None:
        async with sdk(address, "anthropic") as client:
            assert [m.id async for m in client.anthropic.models.list()][:2] == ["claude-mid", "claude-top"]
            assert (await client.openai.models.retrieve("gpt-5")).id == "gpt-5"
            assert "gpt-4o-mini" in [m.id async for m in client.openai.models.list()]
            names = [m.name async for m in await client.google.aio.models.list()]
            assert names[:2] == ["models/gemini-2.0-flash", "models/gemini-2.5-pro"]
            with pytest.raises(anthropic.NotFoundError):
                await client.anthropic.models.retrieve("claude-none")

    asyncio.run(main())


def test_tools_are_called_through_every_sdk() -> None:
    schema = {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}
    declared: dict[str, dict[str, Any]] = {
        "anthropic": {"tools": [{"name": "get_weather", "description": "weather", "input_schema": schema}]},
        "openai": {"tools": [{"type": "function", "function": {"name": "get_weather", "parameters": schema}}]},
        "google": {"config": {"tools": [{"function_declarations": [{"name": "get_weather", "parameters": schema}]}]}},
    }

    async def main() -> list[tuple[str, Any]]:
        called = []
        for wire, options in declared.items():
            async with sdk("", wire) as client:
                answer = await client.ask("What is the weather in Oslo?", **options)
            if wire == "anthropic":
                assert answer.stop_reason == "tool_use"
                called.append((answer.content[0].name, answer.content[0].input))
            elif wire == "openai":
                assert answer.choices[0].finish_reason == "tool_calls"
                call = answer.choices[0].message.tool_calls[0].function
                called.append((call.name, json.loads(call.arguments)))
            else:
                called.append((answer.function_calls[0].name, answer.function_calls[0].args))
        return called

    assert asyncio.run(main()) == [("get_weather", {"location": "Oslo"})] * 3


def test_the_journal_of_a_served_simulator_is_its_bill(loopback: str) -> None:
    def journal(method: str) -> Any:
        with urllib.request.urlopen(urllib.request.Request(f"{loopback}/journal", method=method)) as reply:
            return json.load(reply)["requests"]

    async def main() -> Any:
        async with sdk(loopback, "openai") as client:
            return await client.ask()

    journal("DELETE")
    answer = asyncio.run(main())
    (entry,) = journal("GET")
    assert entry.pop("at").endswith("Z")
    assert entry == {
        "wire": "openai",
        "model": "gpt-4o-mini",
        "status": 200,
        "input_tokens": answer.usage.prompt_tokens,
        "output_tokens": answer.usage.completion_tokens,
        "cached_tokens": 0,
        "delivered": True,
    }


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8099", 200),
        ("[::1]:8099", 200),
        ("LOCALHOST", 200),
        ("evil.example", 403),
        ("evil.example:8099", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost@evil.example", 403),
        ("192.168.1.1", 403),
        ("", 403),
    ],
)
def test_a_host_other_than_this_machine_is_refused(loopback: str, host: str, status: int) -> None:
    reply = httpx2.get(f"{loopback}/journal", headers={"host": host}, trust_env=False)
    assert reply.status_code == status
    assert ("requests" in reply.json()) is (status == 200)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:4141", 200),
        ("[::1]:4141", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:80", 403),
        ("192.168.0.1", 403),
        ("[", 403),
    ],
)
def test_a_served_simulator_answers_to_names_of_this_machine_only(loopback: str, host: str, status: int) -> None:
    """A page whose name was made to lead to this machine sends that name."""
    assert httpx2.get(f"{loopback}/journal", headers={"Host": host}, trust_env=False).status_code == status
