"""The HTTP client that every SDK is given: no redirects, no credentials but ours, and a record of each exchange.

An SDK reads more of the environment than a key: OPENAI_CUSTOM_HEADERS and ANTHROPIC_CUSTOM_HEADERS may replace the
key that it was handed, OPENAI_ORG_ID would go to any compatible server. So the client passes on only headers that it
knows, sets the credential itself, and sends to no origin but the one that it was made for. What the environment says of
the network (`network.py`) is looked at where no transport is given.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

import httpx2

from ..deferred import dataclass
from ..errors import (
    AuthenticationError,
    BadReplyError,
    ConfigError,
    ConnectionFailedError,
    OutcomeUnknownError,
    ProviderError,
    ProxyRefusedError,
    RequestRejectedError,
)
from ..expressions import expression
from ..registry.providers import PROVIDERS
from .base import Endpoint
from .event_stream import EventStream
from .http1 import Http1Transport, head_of
from .http1_connection import Reply
from .incoming import ENCODING, LONGEST_JSON, Incoming, unpacked
from .network import Address, Proxy, address, certificate_paths, is_sendable, proxy_for, tls_context
from .payload import body_text

CONNECT_TIMEOUT_S = 10.0
# How long an idle connection is kept. A provider closes one after a minute or more, a server of the user's own often
# after 5 s (uvicorn, llama.cpp), and what is sent at that moment is lost with nobody knowing whether it was taken.
_KEPT_ALIVE_S = {"https": 30.0, "http": 3.0}
NO_KEY = "none"  # what a self-hosted server without a key is sent: the SDKs refuse to send nothing
_MOST_HEADS = 256  # of requests: one for each address, and for each time limit that a provider is told
_TAIL = 64  # bytes kept of the end of a stream: room for its last marker

_PASSED = frozenset(
    {
        *("host", "connection", "accept", "accept-encoding", "user-agent"),
        *("content-type", "content-length", "transfer-encoding"),
        *("anthropic-version", "x-goog-api-client", "x-server-timeout"),
    }
)
_PASSED_PREFIX = "x-stainless-"  # what anthropic and openai say of the platform
Headers = tuple[tuple[str, str], ...]  # names and values

_SDK_LOGGERS = ("anthropic", "openai", "google_genai", "httpx2", "httpcore2")

# The transport's exceptions, none of which is an SDK class: the error for the nearest class in the method resolution
# order. Certainly not billed is only what failed before anything was sent.
TRANSPORT_ERRORS: Mapping[type[BaseException], type[ProviderError]] = {
    httpx2.ConnectError: ConnectionFailedError,
    httpx2.ConnectTimeout: ConnectionFailedError,
    httpx2.PoolTimeout: ConnectionFailedError,
    httpx2.ProxyError: ConnectionFailedError,
    httpx2.UnsupportedProtocol: RequestRejectedError,
    httpx2.LocalProtocolError: RequestRejectedError,
    httpx2.InvalidURL: RequestRejectedError,
    httpx2.TooManyRedirects: RequestRejectedError,
    httpx2.TimeoutException: OutcomeUnknownError,
    httpx2.NetworkError: OutcomeUnknownError,
    httpx2.RemoteProtocolError: BadReplyError,
    httpx2.DecodingError: BadReplyError,
    httpx2.StreamError: BadReplyError,
    httpx2.HTTPError: OutcomeUnknownError,
    httpx2.CookieConflict: BadReplyError,
    ssl.SSLCertVerificationError: ConnectionFailedError,
    ConnectionRefusedError: ConnectionFailedError,
    socket.gaierror: ConnectionFailedError,
    OSError: OutcomeUnknownError,  # TimeoutError, ssl.SSLError and ConnectionResetError among them
}
# What the transport says where an HTTP proxy answers 407, and a SOCKS proxy does not take what it was given.
_REFUSED_BY_PROXY = expression(r"^407\b|^Invalid username/password|^Requested .* from proxy server")


@dataclass(slots=True)
class Exchange:
    """One request and its reply, as the client saw them. `most` limits the reply, in bytes, and `deadline` its time, on
    the event loop's clock; `tail` is the end of a streamed body. `is_file`: the reply holds the results of many
    requests."""

    most: int
    deadline: float
    sent: bool = False
    is_file: bool = False
    response: httpx2.Response | Reply | None = None
    tail: bytes = b""
    _headers: dict[str, str] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The reply's headers, names in lower case; empty if there was no reply."""
        if self._headers is None and self.response is not None:
            self._headers = dict(self.response.headers)
        return self._headers or {}

    @property
    def media_type(self) -> str:
        """The reply's media type, in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def recording(self) -> _Recording:
        """What this task sends inside the block belongs to this exchange."""
        return _Recording(self)

    def note_tail(self, piece: bytes) -> None:
        """The SDKs do not say whether `[DONE]` came."""
        self.tail = (self.tail + piece)[-_TAIL:]

    async def aclose(self) -> None:
        """Drops the connection if the reply was not read to its end."""
        if self.response is not None and not self.response.is_closed:
            await self.response.aclose()


class _Recording:
    """As `contextlib.contextmanager` would make it, in a third of the time."""

    __slots__ = ("_exchange", "_token")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> None:
        self._token = _current.set(self._exchange)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


class _HasCustomHeaders(Protocol):
    _custom_headers: Mapping[str, str]


_current: ContextVar[Exchange | None] = ContextVar("orchestrator.providers.exchange", default=None)


class Client(httpx2.AsyncClient):
    """A client for one origin. `credential` is a header name and value; a user name and password in the address go
    before it where both are the same header. `passed` are further headers to let through. With `typed_events`, events
    of a stream keep their names, and have the type in their data for one.

    Connections are an Http1Transport's, where no transport is given and no `proxy` is set for the address. Raises
    ConfigError for what the environment says of the network and cannot be used.
    """

    def __init__(
        self,
        to: Address,
        credential: tuple[str, str],
        transport: httpx2.AsyncBaseTransport | None,
        passed: frozenset[str] = frozenset(),
        *,
        typed_events: bool = False,
    ) -> None:
        self._typed_events = typed_events
        self._origin = _origin(httpx2.URL(to.base_url))
        self._credentials = dict([credential])
        if to.authorization is not None:
            self._credentials["authorization"] = to.authorization
        self._query = httpx2.QueryParams(to.query)
        self._passed = _PASSED | passed
        self._heads: dict[tuple[str, Headers], tuple[httpx2.URL, bytes]] = {}  # of requests, up to their length
        kept_alive_s = _KEPT_ALIVE_S[self._origin[0]]
        self.proxy = None if transport is not None else proxy_for(to.base_url, os.environ)
        tls = _tls(self._origin[0], self.proxy) if transport is None else trusting_nobody()
        super().__init__(
            transport=transport,
            proxy=None if self.proxy is None else _for_httpx2(self.proxy, tls),
            verify=tls,
            trust_env=False,  # it would look at proxies that this address does not need
            follow_redirects=False,
            event_hooks={"request": [self._before], "response": [self._after]},
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=kept_alive_s),
        )

    def _init_transport(
        self,
        verify: Any = True,
        *args: Any,
        limits: httpx2.Limits = httpx2.Limits(),  # noqa: B008  # as in the class that this overrides
        transport: httpx2.AsyncBaseTransport | None = None,
        **kwargs: Any,
    ) -> httpx2.AsyncBaseTransport:
        return transport or Http1Transport(verify, limits.keepalive_expiry or 0.0)

    async def post_json(self, url: str, headers: Headers, body: object, timeout_s: float) -> None:
        """Post what an SDK would, and have the reply in the exchange, read to its end. The caller keeps the time limit.

        The way through an SDK and `send` takes longer than the request itself.
        """
        content = body_text(body).encode()
        transport = self._transport
        if isinstance(transport, Http1Transport) and self.proxy is None:
            await self._post_by_hand(transport, url, headers, content, timeout_s)
        else:
            await self._post_by_httpx2(url, headers, content, timeout_s)

    async def _post_by_hand(
        self, transport: Http1Transport, url: str, headers: Headers, content: bytes, timeout_s: float
    ) -> None:
        if (known := self._heads.get((url, headers))) is None:
            request = httpx2.Request("POST", url, headers=headers)
            await self._before(request)
            request.headers.pop("content-length", None)
            known = request.url, head_of("POST", request.url, request.headers.raw)
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[url, headers] = known
        address, head = known
        exchange, reply = _current.get(), Reply()
        assert exchange is not None
        exchange.sent = True
        most = min(exchange.most, LONGEST_JSON)
        message = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(content), content)
        try:
            packed = await transport.exchange(address, message, reply, connect_s=_connect_s(timeout_s), most=most)
        finally:
            if reply.status_code:
                exchange.response = reply
        reply.body = unpacked(packed, reply.headers.get("content-encoding", "").strip().lower(), most)

    async def _post_by_httpx2(self, url: str, headers: Headers, content: bytes, timeout_s: float) -> None:
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)
        request = httpx2.Request("POST", url, headers=headers, content=content, extensions={"timeout": timeouts})
        await self._before(request)
        response = await self._transport_for_url(request.url).handle_async_request(request)
        response.request = request
        try:
            await self._after(response)
            await response.aread()
        except BaseException:
            await response.aclose()
            raise

    async def _before(self, request: httpx2.Request) -> None:
        if _origin(request.url) != self._origin:
            raise httpx2.LocalProtocolError("a request to an address other than the provider's was stopped")
        for name in [name for name in request.headers if not self._may_pass(name)]:
            del request.headers[name]
        request.headers.update(self._credentials)
        if self._query:
            request.url = request.url.copy_merge_params(self._query)
        request.headers["accept-encoding"] = ENCODING
        timeouts = dict(request.extensions.get("timeout") or {})
        timeouts["connect"] = _connect_s(timeouts.get("connect"))
        request.extensions["timeout"] = timeouts
        if (exchange := _current.get()) is not None:
            exchange.sent = True

    async def _after(self, response: httpx2.Response) -> None:
        if (exchange := _current.get()) is not None:
            exchange.response = response
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            # Taken away from httpx2, which would unpack it without a limit.
            packed = response.headers.pop("content-encoding", "").strip().lower()
            streams = response.headers.get("content-type", "").lower().startswith("text/event-stream")
            most = exchange.most if streams or exchange.is_file else min(exchange.most, LONGEST_JSON)
            body = Incoming(response.stream, packed, most, exchange.deadline, exchange.note_tail)
            response.stream = EventStream(body, typed=self._typed_events) if streams else body

    def _may_pass(self, name: str) -> bool:
        return name in self._passed or name.startswith(_PASSED_PREFIX)


def _connect_s(whole_s: float | None) -> float:
    """At most half of the time goes into connecting, so that a host which never answers is told apart from a reply
    which never comes: only the latter may have been billed."""
    return CONNECT_TIMEOUT_S if whole_s is None else min(CONNECT_TIMEOUT_S, whole_s / 2)


def _tls(scheme: str, proxy: Proxy | None) -> ssl.SSLContext:
    """Where there can be no TLS, not even to a proxy, the system's certificates are not read. Those that a variable
    names are, so that one which is wrong is known at once."""
    encrypted = scheme == "https" or (proxy is not None and proxy.url.startswith("https:"))
    return tls_context(os.environ) if encrypted or certificate_paths(os.environ) else trusting_nobody()


def trusting_nobody() -> ssl.SSLContext:
    """For a client that speaks no TLS: it reads no certificates."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _for_httpx2(proxy: Proxy, tls: ssl.SSLContext) -> httpx2.Proxy:
    try:
        return httpx2.Proxy(proxy.url, ssl_context=tls if proxy.url.startswith("https:") else None)
    except (httpx2.InvalidURL, ValueError):
        raise ConfigError(f"{proxy.variable} is not the address of a proxy") from None


def checked_address(target: Endpoint, default: str, endings: Sequence[str] = ()) -> Address:
    """The address to send to. Raises ConfigError if it is no http or https address.

    `endings` are those of a path that the SDK adds by itself.
    """
    what = f"{PROVIDERS[target.provider].base_url_env}, the base URL of {target.provider},"
    to = address(target.base_url or default, what, endings)
    try:
        httpx2.URL(to.base_url)  # stricter about names of hosts
    except httpx2.InvalidURL:
        raise ConfigError(f"{what} has a host that cannot be one") from None
    return to


def checked_key(target: Endpoint) -> str:
    """The key without surrounding white space. Raises AuthenticationError if it cannot be sent in a header."""
    key = (target.api_key or "").strip() or NO_KEY
    if not is_sendable(key):
        variable = PROVIDERS[target.provider].key_env
        raise AuthenticationError(
            f"the key for {target.provider}, {variable}, holds white space or characters that no key has",
            provider=target.provider,
        )
    return key


def ignore_custom_headers(sdk: _HasCustomHeaders) -> None:
    """What ANTHROPIC_CUSTOM_HEADERS and OPENAI_CUSTOM_HEADERS hold is not passed on, and an SDK fails at what no header
    can hold. There is no public way."""
    sdk._custom_headers = {}


def silence_sdk_logging() -> None:
    """Keeps the SDKs' warnings off stderr unless logging is set up: Python prints them where nobody listens."""
    for name in _SDK_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())


def transport_error(error: BaseException, exchange: Exchange) -> type[ProviderError] | None:
    """The error for an exception of the transport, or for the one that it was raised from. None if it is neither."""
    seen: BaseException | None = error
    while seen is not None:
        error_type = next((TRANSPORT_ERRORS[kind] for kind in type(seen).__mro__ if kind in TRANSPORT_ERRORS), None)
        if error_type is BadReplyError and exchange.response is None:
            return OutcomeUnknownError  # hung up before a reply began: nobody knows what it did
        if isinstance(seen, httpx2.ProxyError) and _REFUSED_BY_PROXY.search(str(seen)):
            return ProxyRefusedError
        if type(seen).__module__.partition(".")[0] == "socksio":
            return ConnectionFailedError  # what listens there is no SOCKS proxy
        if error_type is not None:
            return error_type
        seen = seen.__cause__
    return None


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
