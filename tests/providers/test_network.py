"""Proxies, certificates, addresses and headers from the environment: what is used, and what cannot be."""

from __future__ import annotations

import asyncio
import base64
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import socksio
from provider_wires import KEY, TARGETS, Answer, FakeServer, Target, json_reply, stream_reply

from orchestrator import errors
from orchestrator.providers import catalog, network
from orchestrator.providers.base import Endpoint
from orchestrator.providers.http import Exchange, transport_error
from orchestrator.types import Message, Request

REQUEST = Request("some-model", (Message("user", "hello"),), max_tokens=16)
SECRET = "pa55-word-canary"
every_adapter = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
both_ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (*network.CERTIFICATES, "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    for name in (*names, *(name.lower() for name in names)):
        monkeypatch.delenv(name, raising=False)


def requested(target: Target, base_url: str | None, *, streamed: bool = False, key: str | None = KEY) -> httpx2.Request:
    """The one request that a call sends."""

    def reply(request: httpx2.Request) -> httpx2.Response:
        answer = Answer()
        return stream_reply(target.wire.stream(answer)) if streamed else json_reply(target.wire.whole(answer))

    server = FakeServer(reply)
    asyncio.run(_call(Endpoint(target.provider, base_url, key), server, streamed=streamed))
    (request,) = server.requests
    return request


async def _call(to: Endpoint, server: httpx2.AsyncBaseTransport | None, *, streamed: bool = False) -> None:
    provider = catalog.connect(to, server)
    try:
        if streamed:
            async for _ in provider.stream(REQUEST):
                pass
        else:
            await provider.complete(REQUEST)
    finally:
        await provider.aclose()


# Addresses.


@every_adapter
@both_ways
def test_a_query_in_the_base_url_goes_with_every_request(target: Target, streamed: bool) -> None:
    request = requested(target, "https://gateway.test/a/b/?api-version=2026-10-21&x=%C3%A9", streamed=streamed)
    assert request.url.path.startswith("/a/b/")
    assert "//" not in request.url.path
    assert request.url.params["api-version"] == "2026-10-21"
    assert request.url.params["x"] == "é"
    assert ("alt" in request.url.params) == (streamed and target.provider == "google")


@every_adapter
@both_ways
def test_the_list_of_models_is_asked_for_with_the_query_too(target: Target, streamed: bool) -> None:
    server = FakeServer(lambda request: json_reply({"data": []}))

    async def main() -> None:
        provider = catalog.connect(Endpoint(target.provider, "https://gateway.test/v1?api-version=7", KEY), server)
        await provider.health_check()
        await provider.aclose()

    asyncio.run(main())
    assert server.requests[0].url.params["api-version"] == "7"


ENDPOINTS = [
    pytest.param("openai", "https://h.test/v1", "/v1/chat/completions", id="openai"),
    pytest.param("openai", "https://h.test/v1///", "/v1/chat/completions", id="openai-slashes"),
    pytest.param("openai", " https://h.test/v1\n", "/v1/chat/completions", id="openai-white-space"),
    pytest.param("openai", "HTTPS://h.test/v1", "/v1/chat/completions", id="openai-capitals"),
    pytest.param("openai", "https://h.test/v1/chat/completions", "/v1/chat/completions", id="openai-whole"),
    pytest.param(
        "openai",
        "https://h.test/openai/deployments/d/chat/completions?api-version=1",
        "/openai/deployments/d/chat/completions",
        id="azure-target-uri",
    ),
    pytest.param("anthropic", "https://h.test", "/v1/messages", id="anthropic"),
    pytest.param("anthropic", "https://h.test/proxy/v1/", "/proxy/v1/messages", id="anthropic-v1"),
    pytest.param("anthropic", "https://h.test/v1/messages", "/v1/messages", id="anthropic-whole"),
    pytest.param("google", "https://h.test", "/v1/models/some-model:generateContent", id="google"),
    pytest.param("google", "https://h.test/v1", "/v1/models/some-model:generateContent", id="google-v1"),
    pytest.param("google", "https://h.test/v1beta", "/v1beta/models/some-model:generateContent", id="google-v1beta"),
    pytest.param(
        "google", "https://h.test/g/v1beta/", "/g/v1beta/models/some-model:generateContent", id="below-a-path"
    ),
    pytest.param("google", "https://h.test/v1alpha?a=1", "/v1alpha/models/some-model:generateContent", id="v1alpha"),
]


@pytest.mark.parametrize(("provider", "base_url", "path"), ENDPOINTS)
def test_where_a_base_url_leads(provider: str, base_url: str, path: str) -> None:
    target = next(target for target in TARGETS if target.provider == provider)
    assert requested(target, base_url).url.path == path


@pytest.mark.parametrize("version", ["v1beta", " v1alpha\n"])
def test_a_version_of_gemini_in_the_environment_counts_where_the_address_has_none(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", version)
    google = next(target for target in TARGETS if target.provider == "google")
    assert requested(google, "https://h.test").url.path.startswith(f"/{version.strip()}/models/")
    assert requested(google, "https://h.test/v1").url.path.startswith("/v1/models/")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "beta")
    with pytest.raises(errors.ConfigError, match="GOOGLE_GENAI_API_VERSION"):
        requested(google, "https://h.test")


@every_adapter
@both_ways
def test_a_user_name_and_a_password_in_the_base_url_are_sent_as_such(target: Target, streamed: bool) -> None:
    request = requested(target, f"https://me:{SECRET}%21@gateway.test/v1", streamed=streamed)
    pair = base64.b64encode(f"me:{SECRET}!".encode()).decode()
    assert request.headers["authorization"] == f"Basic {pair}"
    assert SECRET not in str(request.url)


@every_adapter
@pytest.mark.parametrize(
    "address",
    [
        "localhost:11434/v1",
        "example.com/v1",
        "http://host:99999",
        "http://host:port/v1",
        "https://a b/v1",
        "http://",
        "h",
    ],
)
def test_a_base_url_that_is_none_is_told_by_its_variable(target: Target, address: str) -> None:
    with pytest.raises(errors.ConfigError, match=r"_BASE_URL, the base URL of ") as caught:
        requested(target, address)
    assert caught.value.exit_code == 3


def test_a_password_in_a_base_url_that_is_none_is_not_shown() -> None:
    with pytest.raises(errors.ConfigError) as caught:
        requested(TARGETS[0], f"http://me:{SECRET}#x@host/v1")
    assert SECRET not in f"{caught.value.message} {caught.value.hint}"


# Headers.


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("value", "sent"),
    [("org-1\n", "org-1"), ("\r\n org-1 ", "org-1"), (" \n", None), ("", None)],
    ids=["line-end", "around", "blank", "empty"],
)
def test_white_space_around_an_organization_is_left_out(
    value: str, sent: str | None, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai = next(target for target in TARGETS if target.provider == "openai")
    for variable, header in (("OPENAI_ORG_ID", "openai-organization"), ("OPENAI_PROJECT_ID", "openai-project")):
        monkeypatch.setenv(variable, value)
        assert requested(openai, None, streamed=streamed).headers.get(header) == sent


@pytest.mark.parametrize("variable", network.BILLED_TO)
@pytest.mark.parametrize("value", ["org\n1", "org-é", "a\x07b"])
def test_a_value_that_no_header_can_hold_is_told_by_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(errors.ConfigError, match=variable):
        requested(next(target for target in TARGETS if target.provider == "openai"), None)
    for target in TARGETS:
        if target.provider != "openai":
            requested(target, target.base_url)  # it is not sent there, and nobody's business


@every_adapter
@both_ways
def test_custom_headers_that_are_ignored_cannot_do_harm(
    target: Target, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(variable, "X-Team: naïve\nX-Other: a\rb")
    assert "x-team" not in requested(target, target.base_url, streamed=streamed).headers


# Keys.


@pytest.mark.parametrize("blank", ["", " ", "  \n", "\t\r\n"])
def test_a_key_of_white_space_is_no_key(blank: str) -> None:
    with pytest.raises(errors.AuthenticationError, match="OPENAI_API_KEY"):
        catalog.endpoint("openai", {"OPENAI_API_KEY": blank})
    assert catalog.endpoint("ollama", {"OLLAMA_API_KEY": blank, "OLLAMA_BASE_URL": blank}) == Endpoint(
        "ollama", "http://localhost:11434/v1", None
    )


# Certificates.


@pytest.fixture
def authority() -> str:
    """PEM of any authority that this machine trusts."""
    (first, *_) = network.tls_context({}).get_ca_certs(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(first)


@pytest.mark.parametrize("variable", network.CERTIFICATES)
@pytest.mark.parametrize("base_url", ["https://h.test/v1", "http://h.test/v1"], ids=["https", "http"])
def test_certificates_that_are_not_there_are_told_by_their_variable(
    variable: str, base_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))
    for target in TARGETS:
        with pytest.raises(errors.ConfigError, match=rf"^{variable} .*missing\.pem"):
            catalog.connect(Endpoint(target.provider, base_url, KEY), None)
        requested(target, base_url)  # what does not go into the network needs none


@pytest.mark.parametrize(
    ("variable", "content", "says"),
    [
        ("SSL_CERT_FILE", b"", "without certificates"),
        ("SSL_CERT_FILE", b"no certificate", "without certificates"),
        (
            "REQUESTS_CA_BUNDLE",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "without certificates",
        ),
        ("SSL_CERT_FILE", b"\x00\xff" * 100, "without certificates"),
        ("SSL_CERT_FILE", None, "a folder, not a file"),
        ("SSL_CERT_DIR", b"", "is not there"),
        ("SSL_CERT_DIR", None, "holds no certificates"),
        ("CURL_CA_BUNDLE", None, "holds no certificates"),
    ],
)
def test_what_is_no_certificate_is_told(variable: str, content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "certificates"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(errors.ConfigError, match=f"{variable} .*{says}"):
        network.tls_context({variable: str(path)})


def test_certificates_are_taken_from_the_first_variable_that_is_set(authority: str, tmp_path: Path) -> None:
    file, folder = tmp_path / "ca.pem", tmp_path / "hashed"
    file.write_text(authority)
    folder.mkdir()
    (folder / "0a775a30.0").write_text(authority)
    assert len(network.tls_context({"SSL_CERT_FILE": f" {file}\n", "SSL_CERT_DIR": "/missing"}).get_ca_certs()) == 1
    assert len(network.tls_context({"REQUESTS_CA_BUNDLE": str(file), "CURL_CA_BUNDLE": "/missing"}).get_ca_certs()) == 1
    network.tls_context({"SSL_CERT_DIR": f"/missing:{folder}"})
    network.tls_context({"CURL_CA_BUNDLE": str(folder)})
    assert len(network.tls_context({"SSL_CERT_FILE": "  "}).get_ca_certs()) > 1


# Proxies.


@pytest.mark.parametrize(
    ("no_proxy", "url", "exempt"),
    [
        ("", "https://api.openai.com", False),
        ("*", "https://api.openai.com", True),
        ("a.test, *", "https://api.openai.com", True),
        ("openai.com", "https://api.openai.com", True),
        (".openai.com", "https://api.openai.com", True),
        ("*.openai.com", "https://api.openai.com", True),
        (".openai.com", "https://openai.com", True),
        ("openai.com", "https://notopenai.com", False),
        ("API.OpenAI.com.", "https://api.openai.com", True),
        ("a.test b.test\tapi.openai.com", "https://api.openai.com", True),
        ("api.openai.com:443", "https://api.openai.com/v1", True),
        ("api.openai.com:8443", "https://api.openai.com/v1", False),
        ("localhost:11434", "http://localhost:11434/v1", True),
        ("localhost", "http://localhost:11434/v1", True),
        ("127.0.0.1", "http://127.0.0.1:8000/v1", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/v1", True),
        ("127.0.0.1:80", "http://127.0.0.1:8000/v1", False),
        ("10.0.0.0/8", "http://10.1.2.3:8000/v1", True),
        ("10.0.0.0/8", "http://11.1.2.3:8000/v1", False),
        ("10.1.2.3/8", "http://10.9.9.9/v1", True),
        ("::1", "http://[::1]:8000/v1", True),
        ("[::1]", "http://[::1]:8000/v1", True),
        ("[::1]:8000", "http://[::1]:8000/v1", True),
        ("[::1]:80", "http://[::1]:8000/v1", False),
        ("fd00::/8", "http://[fd12::1]/v1", True),
        ("http://internal.test/", "http://internal.test/v1", True),
        ("1.2.3.4/99, [, :, ://, , .,*., /8, a:b:c, 300.1.1.1", "https://api.openai.com", False),
        ("300.300.0.0/8", "http://10.0.0.1/v1", False),
    ],
)
def test_no_proxy(no_proxy: str, url: str, exempt: bool) -> None:
    assert network.is_exempt(urlsplit(url), no_proxy) is exempt


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("http://proxy:99999", "not the address of a proxy"),
        ("http://proxy:0", "not the address of a proxy"),
        ("http://proxy:port", "not the address of a proxy"),
        ("http://", "not the address of a proxy"),
        ("http://pro xy:3128", "not the address of a proxy"),
        (f"http://me:{SECRET}#1@proxy:3128", "not the address of a proxy"),
        ("ftp://proxy:3128", "not supported: ftp"),
        ("socks4://proxy:1080", "not supported: socks4"),
        ("socks://proxy:1080", "not supported: socks"),
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_that_cannot_be_used_is_told_by_its_variable(
    value: str, says: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    for target in TARGETS:
        with pytest.raises(errors.ConfigError, match=f"^{variable} .*{says}") as caught:
            catalog.connect(Endpoint(target.provider, "https://h.test/v1", KEY), None)
        assert SECRET not in f"{caught.value.message} {caught.value.hint}"
        monkeypatch.setenv("NO_PROXY", ".test")
        catalog.connect(Endpoint(target.provider, "https://h.test/v1", KEY), None)  # it is not needed
        monkeypatch.delenv("NO_PROXY")


def test_a_blank_proxy_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "  ")
    catalog.connect(Endpoint("openai", "https://h.test/v1", KEY), None)


def test_socks_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(errors.ConfigError, match=r"^ALL_PROXY .*SOCKS") as caught:
        catalog.connect(Endpoint("openai", "https://h.test/v1", KEY), None)
    assert "pip install 'orch-llm[socks]'" in (caught.value.hint or "")


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[int]:
    """A server on loopback, and its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)  # type: ignore[misc]
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def through(
    talk: Talk, proxy: str, base_url: str, target: Target, monkeypatch: pytest.MonkeyPatch, *, streamed: bool = False
) -> errors.ProviderError:
    """The error of a call through a proxy that talks like this; `proxy` has a place for its port."""

    async def main() -> None:
        async with listening(talk) as port:
            monkeypatch.setenv("ALL_PROXY", proxy.format(port))
            await _call(Endpoint(target.provider, base_url, KEY), None, streamed=streamed)

    with pytest.raises(errors.ProviderError) as caught:
        asyncio.run(main())
    return caught.value


def answering(reply: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)

    return talk


WANTS_A_PASSWORD = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@every_adapter
@both_ways
@pytest.mark.parametrize("base_url", ["https://h.test/v1", "http://h.test/v1"], ids=["tunnel", "forwarded"])
def test_407_is_the_proxys(target: Target, streamed: bool, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = f"http://me:{SECRET}@127.0.0.1:{{}}"
    error = through(answering(WANTS_A_PASSWORD), proxy, base_url, target, monkeypatch, streamed=streamed)
    assert isinstance(error, errors.ProxyRefusedError)
    assert (error.exit_code, error.billed, error.retryable) == (3, errors.Billed.NO, False)
    assert "proxy" in error.message
    assert "407" in error.message
    assert "ALL_PROXY" in (error.hint or "")
    assert SECRET not in f"{error.message} {error.hint}"


@every_adapter
@both_ways
def test_a_proxy_that_does_not_connect_is_named(
    target: Target, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = b"HTTP/1.1 503 No Route\r\ncontent-length: 0\r\n\r\n"
    error = through(answering(reply), "127.0.0.1:{}", "https://h.test/v1", target, monkeypatch, streamed=streamed)
    assert isinstance(error, errors.ConnectionFailedError)
    assert "could not connect through the proxy of ALL_PROXY: 503 No Route" in error.message


def test_what_is_no_socks_proxy_is_not_billed() -> None:
    exchange = Exchange(1, 1.0, sent=True)
    assert transport_error(socksio.ProtocolError("what is this?"), exchange) is errors.ConnectionFailedError


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_call_goes_through_a_socks_proxy(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = next(target for target in TARGETS if target.provider == "openai")
    body = json_reply(target.wire.whole(Answer())).content
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(3)  # version, one method
        writer.write(b"\x05\x00")
        asked.append(await reader.read(256))  # the host by name
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)

    async def main() -> None:
        async with listening(talk) as port:
            monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{port}")
            await _call(Endpoint("openai", "http://h.test/v1", KEY), None)

    asyncio.run(main())
    assert b"h.test" in asked[0]
    assert asked[1].startswith(b"POST /v1/chat/completions HTTP/1.1")
