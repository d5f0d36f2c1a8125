"""What the three adapters share: one call from start to end, one stream from start to end, over any SDK.

    request ─► _send / _events (the SDK) ─► _read / _feed (decoded JSON) ─► Draft ─► Completion
                      └───────── any exception ─► error_for ─► a ProviderError

An adapter adds what is particular to its wire: how a request is written, how a reply is read, and which of its SDK's
exceptions means what.
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum, auto
from typing import ClassVar, Protocol, TypeVar

import httpx2

from ..deferred import dataclass, replace
from ..errors import (
    AuthenticationError,
    BadReplyError,
    ConnectionFailedError,
    OutcomeUnknownError,
    ProviderError,
    ProxyRefusedError,
    RequestRejectedError,
)
from ..money import MOST_TOKENS
from ..types import Completion, Request
from .base import AtWork, Capabilities, Endpoint, Health, Piece, RateLimitStatus, StreamEvent
from .batches import BatchClient
from .failure_rules import Signal
from .failures import Source, error_for, message, read_signal
from .headers import rate_limits, server_time
from .http import NO_KEY, Client, Exchange, Headers, transport_error
from .http1_connection import Reply
from .incoming import LISTED, is_too_long, most_bytes, most_characters
from .reply import Draft, ErrorInReply, dig, text_at
from .text import is_html

HEALTH_TIMEOUT_S = COUNT_TIMEOUT_S = 10.0
_LAST_WORDS_S = 5.0  # after the end of an answer was told: for its counts
_GATEWAY_COST = "x-litellm-response-cost"  # dollars, of a whole reply


class Kind(Enum):
    """What an exception of an SDK tells."""

    ANSWERED = auto()  # the provider answered with an error, as a status or inside a stream
    TRANSPORT = auto()  # no answer came; the exception that it was raised from says why
    UNREADABLE = auto()  # an answer came that is not what was promised
    CREDENTIALS = auto()  # the SDK found no key that it could use


@dataclass(frozen=True, slots=True)
class Whole:
    """A reply that came in one piece where a stream was asked for."""

    body: object


Stream = TypeVar("Stream", bound=AsyncIterator[object])


class StreamedResponse(Protocol):
    """What `with_streaming_response` gives, in anthropic and in openai alike."""

    @property
    def headers(self) -> httpx2.Headers: ...

    async def read(self) -> bytes: ...

    async def parse(self, *, to: type[Stream]) -> Stream: ...


async def sse_events(response: StreamedResponse, stream: type[Stream]) -> AsyncIterator[object]:
    """The events of a stream as decoded JSON; a Whole where the server sent one JSON document instead."""
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type.endswith("json"):
        yield Whole(json.loads(await response.read()))
    elif media_type == "text/html":
        raise ErrorInReply((await response.read()).decode(errors="replace"))
    else:
        async for event in await response.parse(to=stream):
            yield event


class Reporting:
    """The one place where an exception from below becomes one of ours."""

    __slots__ = ("_classify", "_draft", "_exchange", "_source", "_streamed")

    def __init__(
        self,
        classify: Callable[[Exception, Source, Exchange], ProviderError],
        source: Source,
        exchange: Exchange,
        draft: Draft | None,
        *,
        streamed: bool,
    ) -> None:
        self._classify = classify
        self._source = source
        self._exchange = exchange
        self._draft = draft
        self._streamed = streamed

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if not isinstance(error, Exception):
            return
        ours = self._classify(error, self._source, self._exchange)
        if self._draft is not None:
            response = self._exchange.response
            accepted = response is not None and response.is_success
            if response is not None and not accepted:
                self._draft.report_failure(_error_body(response))
            ours = self._draft.interrupt(ours, accepted=self._streamed and accepted)
        raise ours from error


class SdkClient(Protocol):
    """What anthropic's and openai's clients have in common. What is left out of the headers is no text."""

    @property
    def base_url(self) -> httpx2.URL: ...

    @property
    def default_headers(self) -> Mapping[str, object]: ...


class SdkProvider(ABC):
    """A Provider over an SDK's client. `clock` counts seconds, `now` is the time of day: both for the tests to set."""

    sdk_errors: ClassVar[Mapping[type[Exception], Kind]]  # the nearest class in the method resolution order counts
    error_body: ClassVar[str] = "body"  # the attribute that holds the decoded body of an error event
    request_id_headers: ClassVar[tuple[str, ...]] = ("request-id", "x-request-id")

    def __init__(
        self,
        target: Endpoint,
        key: str,
        http: Client,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._target = target
        self._key = None if key == NO_KEY else key
        self._http = http
        self._clock = clock
        self._now = now
        self._limits = RateLimitStatus()
        self._addresses: dict[str, tuple[str, Headers]] = {}

    @property
    def name(self) -> str:
        return self._target.provider

    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    def batches(self) -> BatchClient | None:
        """The provider's batch API; None where it has none that orch speaks."""
        return None

    @abstractmethod
    async def _send(self, request: Request) -> None:
        """Has the request sent; the reply is left in the exchange, read to its end. An error status may be there."""

    @abstractmethod
    def _events(self, request: Request) -> AsyncGenerator[object, None]:
        """Has the SDK stream the reply: decoded events, or a Whole."""

    @abstractmethod
    def _read(self, body: object, draft: Draft) -> Iterator[Piece]:
        """Reads a whole reply. Raises ErrorInReply."""

    def read_into(self, body: object, draft: Draft) -> Iterator[Piece]:
        """Read a whole reply that came by another way than a call. Raises ErrorInReply."""
        return self._read(body, draft)

    @abstractmethod
    def _feed(self, event: object, draft: Draft) -> Iterator[Piece]:
        """Reads one event of a stream. Raises ErrorInReply."""

    @abstractmethod
    async def _list_models(self, timeout_s: float) -> None: ...

    async def _post(self, sdk: SdkClient, path: str, body: object, timeout_s: float) -> None:
        """Posts what the SDK would, to the address and with the headers that it would."""
        if path not in self._addresses:
            url = sdk.base_url.copy_with(raw_path=sdk.base_url.raw_path + path.encode())
            known = tuple((name, value) for name, value in sdk.default_headers.items() if isinstance(value, str))
            self._addresses[path] = str(url), known
        await self._http.post_json(*self._addresses[path], body, timeout_s)

    async def _ask_count(self, request: Request, timeout_s: float) -> bool:
        """Has the provider asked how many tokens the input is, as `_send` does; False where it has no way to ask."""
        return False

    async def count_input(self, request: Request) -> int | None:
        timeout_s = min(request.timeout_s, COUNT_TIMEOUT_S)
        source = self.source(request.model)
        exchange = Exchange(LISTED, asyncio.get_running_loop().time() + timeout_s)
        try:
            with self.reporting(source, exchange):
                async with asyncio.timeout(timeout_s):
                    with exchange.recording():
                        asked = await self._ask_count(request, timeout_s)
                return _count_in(decode(exchange)) if asked else None
        finally:
            await exchange.aclose()

    async def complete(self, request: Request) -> Completion:
        deadline = asyncio.get_running_loop().time() + request.timeout_s
        source, exchange = self.source(request.model), Exchange(most_bytes(request, streamed=False), deadline)
        draft = Draft(source, self._clock, most_characters(request), whole=True)
        try:
            with self.reporting(source, exchange, draft):
                async with asyncio.timeout_at(deadline):
                    with exchange.recording():
                        await self._send(request)
                for _ in self._read(decode(exchange), draft):
                    pass
                for _ in draft.finish_text():
                    pass
                # Unlike a stream's, this first token came with all the others.
                draft.first = None
            self._identify(exchange, draft)
            draft.learn(gateway_cost=exchange.headers.get(_GATEWAY_COST))
            return draft.deliver(streamed=False)
        finally:
            self._take_note(exchange)
            await exchange.aclose()

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        deadline = asyncio.get_running_loop().time() + request.timeout_s
        source, exchange = self.source(request.model), Exchange(most_bytes(request, streamed=True), deadline)
        draft = Draft(source, self._clock, most_characters(request))
        events = self._events(request)
        try:
            while True:
                with self.reporting(source, exchange, draft, streamed=True):
                    with exchange.recording():
                        event = await self._next(events, draft, deadline)
                    if event is None:
                        break
                    self._identify(exchange, draft)
                    pieces, last = self._taken(event, draft)
                for piece in pieces:
                    yield piece
                if last:
                    break
                if draft.worked and not any(isinstance(piece, str) for piece in pieces):
                    yield AtWork()
            draft.ended = draft.ended or exchange.tail.rstrip().endswith(b"[DONE]")
            for piece in draft.finish_text():
                yield piece
            yield draft.deliver(streamed=True)
        finally:
            self._take_note(exchange)
            # First the connection, so that no generator inside the SDK still waits for it.
            await exchange.aclose()
            await events.aclose()

    @staticmethod
    async def _next(events: AsyncGenerator[object, None], draft: Draft, deadline: float) -> object:
        """The next event, or None. After the provider said that the answer is over only counts can follow: whatever
        comes in their place, and silence, is the end."""
        if draft.over:
            deadline = min(deadline, asyncio.get_running_loop().time() + _LAST_WORDS_S)
        try:
            # Only around this: it must never cancel what the caller does between two pieces.
            async with asyncio.timeout_at(deadline):
                return await anext(events, None)
        except Exception:
            if draft.over:
                return None
            raise

    def _taken(self, event: object, draft: Draft) -> tuple[list[Piece], bool]:
        """What an event adds to the reply, and whether it is the last: an error after the answer is over."""
        pieces: list[Piece] = []
        try:
            with draft.event():
                for piece in self._read(event.body, draft) if isinstance(event, Whole) else self._feed(event, draft):
                    pieces.append(piece)
        except ErrorInReply:
            if not draft.over:
                raise
            return pieces, True
        return pieces, False

    async def health_check(self) -> Health:
        started, loop = self._clock(), asyncio.get_running_loop()
        exchange = Exchange(LISTED, loop.time() + HEALTH_TIMEOUT_S)
        try:
            with self.reporting(self.source("health check"), exchange):
                async with asyncio.timeout(HEALTH_TIMEOUT_S):
                    with exchange.recording():
                        await self._list_models(HEALTH_TIMEOUT_S)
            ok, detail = True, "answers"
        except ProviderError as error:
            ok, detail = False, error.message
        finally:
            self._take_note(exchange)
            await exchange.aclose()
        latency_ms = max(round((self._clock() - started) * 1000), 0)
        return Health(ok, latency_ms, detail, server_time(exchange.headers))

    def rate_limit_status(self) -> RateLimitStatus:
        return self._limits

    async def aclose(self) -> None:
        await self._http.aclose()

    def source(self, model: str) -> Source:
        """Whose failure it is, of a call to this model."""
        proxy = self._http.proxy
        return Source(self.name, model, self._key, None if proxy is None else proxy.variable)

    def _identify(self, exchange: Exchange, draft: Draft) -> None:
        if request_id := _request_id(exchange, self.request_id_headers):
            draft.request_id = request_id

    def _take_note(self, exchange: Exchange) -> None:
        if exchange.response is not None:
            self._limits = rate_limits(exchange.headers, self._now())

    def reporting(
        self, source: Source, exchange: Exchange, draft: Draft | None = None, *, streamed: bool = False
    ) -> Reporting:
        """Inside, an exception from below becomes one of ours. Cancellation passes through."""
        return Reporting(self._classify, source, exchange, draft, streamed=streamed)

    def _classify(self, error: Exception, source: Source, exchange: Exchange) -> ProviderError:
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, ErrorInReply):
            return self._answered(error.body, source, exchange)
        kind = next((self.sdk_errors[base] for base in type(error).__mro__ if base in self.sdk_errors), None)
        if kind is Kind.ANSWERED:
            # The reply's own body where the status was an error, else what the SDK read from the event.
            response = exchange.response
            if response is None or response.is_success or not response.is_stream_consumed:
                return self._answered(getattr(error, self.error_body, None), source, exchange, str(error))
            return self._answered(_error_body(response), source, exchange, str(error))
        if kind is Kind.CREDENTIALS:
            return _plain(AuthenticationError, source, exchange, "no usable key", str(error))
        if is_too_long(error):
            return _plain(BadReplyError, source, exchange, "more came than the limit on the reply allows", "")
        if (transport := transport_error(error, exchange)) is not None:
            return _transport_failure(transport, source, exchange, _cause(error))
        if kind is Kind.TRANSPORT:
            unknown = OutcomeUnknownError if exchange.sent else ConnectionFailedError
            return _transport_failure(unknown, source, exchange, _cause(error))
        if not exchange.sent:
            return _plain(RequestRejectedError, source, exchange, "it could not be sent", _cause(error))
        if exchange.media_type == "text/html":
            return error_for(Signal(200, html=True, message="an HTML page"), source)
        return _plain(BadReplyError, source, exchange, "an unreadable reply", type(error).__name__)

    def _answered(self, body: object, source: Source, exchange: Exchange, words: str = "") -> ProviderError:
        status = exchange.response.status_code if exchange.response is not None else None
        signal = read_signal(
            body,
            status=status,
            headers=exchange.headers,
            now=self._now(),
            request_id=_request_id(exchange, self.request_id_headers) or text_at(body, "request_id") or None,
        )
        return error_for(signal if signal.message else replace(signal, message=words or f"status {status}"), source)


def _transport_failure(kind: type[ProviderError], source: Source, exchange: Exchange, cause: str) -> ProviderError:
    if kind is ProxyRefusedError:
        return error_for(Signal(407, message=cause), source)
    way = f" through the proxy of {source.proxy}" if source.proxy and kind is ConnectionFailedError else ""
    return _plain(kind, source, exchange, f"{_TRANSPORT_PHRASES[kind]}{way}", cause)


_TRANSPORT_PHRASES: Mapping[type[ProviderError], str] = {
    ConnectionFailedError: "could not connect",
    OutcomeUnknownError: "no reply came after it was sent, and it may have been billed",
    BadReplyError: "the connection broke off in the middle of the reply",
    RequestRejectedError: "it could not be sent",
}


def decode(exchange: Exchange) -> object:
    """The JSON of a reply that was read to its end."""
    if exchange.response is None:
        raise ValueError("no reply")
    if not exchange.response.is_success:
        raise ErrorInReply(_error_body(exchange.response))
    try:
        return json.loads(exchange.response.content)
    except ValueError:
        text = exchange.response.text
        if is_html(text):
            raise ErrorInReply(text) from None
        raise


def _count_in(body: object) -> int:
    """The tokens of an input, as each of the providers says it. Raises ValueError for what is no count."""
    tokens = next((count for name in ("input_tokens", "totalTokens") if (count := dig(body, name)) is not None), None)
    if not isinstance(tokens, int) or not 0 <= tokens < MOST_TOKENS:
        raise ValueError("no count of tokens")
    return tokens


def _error_body(response: httpx2.Response | Reply) -> object:
    """What an error status came with: decoded JSON, or the text; nothing if it was given up on the way."""
    try:
        return json.loads(response.content)
    except httpx2.ResponseNotRead:
        return None
    except (ValueError, RecursionError):
        return response.text


def _request_id(exchange: Exchange, names: tuple[str, ...]) -> str | None:
    return next((exchange.headers[name] for name in names if exchange.headers.get(name)), None)


def _cause(error: BaseException) -> str:
    """The words of the innermost exception: an SDK's own say no more than `Connection error.`"""
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return "timed out"
    return _cause(error.__cause__) if error.__cause__ is not None else str(error) or type(error).__name__


def _plain(kind: type[ProviderError], source: Source, exchange: Exchange, phrase: str, detail: str) -> ProviderError:
    status = exchange.response.status_code if exchange.response is not None else None
    return kind(message(source, phrase, detail), provider=source.provider, model=source.model, status=status)
