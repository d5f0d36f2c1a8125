"""What the environment may and may not do to a connection, and what importing costs."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys

import httpx2
import pytest
from patience import PATIENCE_S
from provider_wires import KEY, TARGETS, Answer, FakeServer, Target, connected, json_reply

from orchestrator import errors
from orchestrator.providers import catalog
from orchestrator.providers.base import Endpoint, Provider
from orchestrator.providers.http import Client
from orchestrator.providers.network import Address
from orchestrator.registry.providers import PROVIDERS, variable_prefixes
from orchestrator.types import Message, Request

REQUEST = Request("some-model", (Message("user", "hello"),), max_tokens=16)
OTHER = "other-key-9876543210zyxwvu"

HOSTILE = {
    "ANTHROPIC_API_KEY": OTHER,
    "ANTHROPIC_AUTH_TOKEN": OTHER,
    "ANTHROPIC_BASE_URL": "https://evil.test",
    "ANTHROPIC_CUSTOM_HEADERS": f"Authorization: Bearer {OTHER}\nX-Api-Key: {OTHER}\nX-Injected: 1",
    "ANTHROPIC_PROFILE": "other",
    "OPENAI_API_KEY": OTHER,
    "OPENAI_ADMIN_KEY": OTHER,
    "OPENAI_BASE_URL": "https://evil.test/v1",
    "OPENAI_CUSTOM_HEADERS": f"Authorization: Bearer {OTHER}\nX-Injected: 1",
    "OPENAI_ORG_ID": "org-1",
    "OPENAI_PROJECT_ID": "proj-1",
    "GOOGLE_API_KEY": OTHER,
    "GEMINI_API_KEY": OTHER,
    "GOOGLE_GEMINI_BASE_URL": "https://evil.test",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_USE_ENTERPRISE": "true",
    "GOOGLE_CLOUD_PROJECT": "project",
    "GOOGLE_GENAI_CLIENT_MODE": "replay",
}
HOSTS = {
    "anthropic": "api.anthropic.com",
    "openai": "api.openai.com",
    "google": "generativelanguage.googleapis.com",
    "deepseek": "api.deepseek.com",
}


async def _complete(target: Endpoint, server: FakeServer) -> None:
    provider = catalog.connect(target, server)
    try:
        await provider.complete(REQUEST)
    finally:
        await provider.aclose()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
def test_no_variable_of_an_sdk_changes_the_address_the_key_or_the_headers(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    server = FakeServer(lambda request: json_reply(target.wire.whole(Answer())))
    asyncio.run(_complete(Endpoint(target.provider, PROVIDERS[target.provider].base_url, KEY), server))
    (request,) = server.requests

    assert request.url.host == HOSTS[target.provider]
    assert request.url.scheme == "https"
    assert OTHER not in str(request.headers.raw)
    assert "x-injected" not in request.headers
    assert sum(KEY in value for value in request.headers.values()) == 1
    assert ("openai-organization" in request.headers) == (target.provider == "openai")
    if target.provider == "google":
        assert request.url.path == "/v1/models/some-model:generateContent"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
def test_nothing_is_printed_where_logging_is_not_set_up(
    target: Target, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    server = FakeServer(lambda request: json_reply(target.wire.whole(Answer())))
    asyncio.run(_complete(Endpoint(target.provider, target.base_url, KEY), server))

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
@pytest.mark.parametrize(
    "address", ["example.com", "ftp://example.com", "https://", "file:///etc/passwd", "http://[", "https://a:b:c/"]
)
def test_a_base_url_that_is_no_address_is_a_configuration_error(target: Target, address: str) -> None:
    with pytest.raises(errors.ConfigError, match=target.provider):
        catalog.connect(Endpoint(target.provider, address, KEY), FakeServer(lambda request: json_reply({})))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
@pytest.mark.parametrize("key", ["two words here", "line\nbreak", "naïve-key", "tab\tkey"])
def test_a_key_that_no_header_can_carry_is_an_authentication_error_that_does_not_show_it(
    target: Target, key: str
) -> None:
    with pytest.raises(errors.AuthenticationError) as caught:
        catalog.connect(Endpoint(target.provider, target.base_url, key), FakeServer(lambda request: json_reply({})))
    assert key not in caught.value.message


def test_white_space_around_a_key_is_left_out() -> None:
    target = TARGETS[1]
    server = FakeServer(lambda request: json_reply(target.wire.whole(Answer())))
    asyncio.run(_complete(Endpoint(target.provider, target.base_url, f" {KEY}\n"), server))

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
def test_a_refused_connection_is_not_billed_over_the_real_transport(target: Target, unused_tcp_port: int) -> None:
    async def main() -> None:
        provider: Provider = catalog.connect(
            Endpoint(target.provider, f"http://127.0.0.1:{unused_tcp_port}/v1", KEY), None
        )
        try:
            await provider.complete(REQUEST)
        finally:
            await provider.aclose()

    with pytest.raises(errors.ConnectionFailedError) as caught:
        asyncio.run(main())
    assert caught.value.billed is errors.Billed.NO


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_server_that_hangs_up_after_reading_may_have_billed(target: Target, streamed: bool) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        provider = catalog.connect(Endpoint(target.provider, f"http://127.0.0.1:{port}", KEY), None)
        try:
            async with server:
                if streamed:
                    async for _ in provider.stream(REQUEST):
                        pass
                else:
                    await provider.complete(REQUEST)
        finally:
            await provider.aclose()

    with pytest.raises(errors.OutcomeUnknownError) as caught:
        asyncio.run(main())
    assert caught.value.billed is errors.Billed.UNKNOWN


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_proxy_from_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> bytes:
        seen: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.set_result(await reader.readuntil(b"\r\n\r\n"))
            writer.close()

        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        provider = catalog.connect(Endpoint("openai", "https://openai.test/v1", KEY), None)
        try:
            async with server:
                with pytest.raises(errors.TemporaryError):
                    await provider.complete(REQUEST)
                return await seen
        finally:
            await provider.aclose()

    request = asyncio.run(main())
    assert request.startswith(b"CONNECT openai.test:443")
    assert KEY.encode() not in request


_LOADED = "import sys; print(*(m for m in ('anthropic', 'openai', 'google.genai', 'httpx2') if m in sys.modules))"


def _loaded_after(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{_LOADED}"], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    return done.stdout.split()


def test_the_variables_of_a_provider_are_known_by_how_they_begin() -> None:
    prefixes = variable_prefixes()
    assert {"GEMINI_", "GOOGLE_", "OLLAMA_", "LLAMACPP_"} <= set(prefixes)
    for info in PROVIDERS.values():
        assert info.key_env.startswith(prefixes)
        assert info.base_url_env.startswith(prefixes)


def test_the_catalog_imports_no_sdk() -> None:
    assert _loaded_after("import orchestrator.providers.catalog") == []


@pytest.mark.parametrize(
    ("provider", "sdk"),
    [("anthropic", "anthropic"), ("openai", "openai"), ("cerebras", "openai"), ("google", "google.genai")],
)
def test_connecting_imports_that_providers_sdk_alone(provider: str, sdk: str) -> None:
    code = f"""
from orchestrator.providers import catalog
from orchestrator.providers.base import Endpoint
catalog.connect(Endpoint({provider!r}, None, "some-key"))
"""
    assert _loaded_after(code) == [sdk, "httpx2"]


def test_requests_to_another_origin_are_stopped_in_the_client() -> None:
    async def main() -> None:
        server = FakeServer(lambda request: httpx2.Response(200))
        async with Client(Address("https://one.test/v1"), ("authorization", "Bearer x"), server) as client:
            with pytest.raises(httpx2.LocalProtocolError):
                await client.post("https://two.test/v1", json={})
        assert not server.requests

    asyncio.run(main())


def test_a_connection_closes_without_leaving_anything_open() -> None:
    async def main() -> None:
        for target in TARGETS:
            provider = connected(target, FakeServer(lambda request: json_reply({})))
            assert provider.name == target.provider
            await provider.aclose()
            await provider.aclose()

    asyncio.run(main())
