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
from typing import ClassVar, Protocol, TypeVar

import httpx2

from ..deferred import dataclass
from ..errors import ProviderError
from ..money import MOST_TOKENS
from ..types import Completion, Request
from .base import AtWork, Capabilities, Endpoint, Health, Piece, RateLimitStatus, StreamEvent
from .batches import BatchClient
from .failures import Source
from .headers import rate_limits, server_time
from .http import NO_KEY, Client, Exchange, Headers
from .incoming import LISTED, most_bytes, most_characters
from .reply import Draft, ErrorInReply, dig
from .reporting import Kind, Reporting, decode, request_id_in

HEALTH_TIMEOUT_S = COUNT_TIMEOUT_S = 10.0
_LAST_WORDS_S = 5.0  # after the end of an answer was told: for its counts
_GATEWAY_COST = "x-litellm-response-cost"  # dollars, of a whole reply


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
        if request_id := request_id_in(exchange, self.request_id_headers):
            draft.request_id = request_id

    def _take_note(self, exchange: Exchange) -> None:
        if exchange.response is not None:
            self._limits = rate_limits(exchange.headers, self._now())

    def reporting(
        self, source: Source, exchange: Exchange, draft: Draft | None = None, *, streamed: bool = False
    ) -> Reporting:
        """Inside, an exception from below becomes one of ours. Cancellation passes through."""
        return Reporting(self, self._now, source, exchange, draft, streamed=streamed)


def _count_in(body: object) -> int:
    """The tokens of an input, as each of the providers says it. Raises ValueError for what is no count."""
    tokens = next((count for name in ("input_tokens", "totalTokens") if (count := dig(body, name)) is not None), None)
    if not isinstance(tokens, int) or not 0 <= tokens < MOST_TOKENS:
        raise ValueError("no count of tokens")
    return tokens
