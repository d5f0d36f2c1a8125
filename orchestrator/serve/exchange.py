"""One HTTP exchange over ASGI: the body is read up to a limit, the response is written once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeAlias

from ..config.strict_json import parse_json
from ..ledger.keys import Key
from .problems import BAD_REQUEST, TOO_LARGE, refused
from .wires.base import encoded

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

_JSON: Headers = [(b"content-type", b"application/json")]
_EVENTS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # a proxy that collects pieces would hide that something happens
]
# A client that sends far too much is read to its end, up to this many times the limit, and gets its answer: most look
# for one only when they have sent everything.
_READ_ON = 8


class ClientGone(Exception):
    """The client closed the connection."""


class Exchange:
    """A request, and the response to it. `status` is None until the response has begun.

    `key` is the client's, if it has one; `noted` is what the access log is to say besides.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.key: Key | None = None
        self.status: int | None = None
        self.noted: dict[str, Any] = {}
        self._receive = receive
        self._send = send

    @property
    def path(self) -> str:
        """The path that was asked for."""
        path: str = self.scope["path"]
        return path

    def header(self, name: bytes) -> str | None:
        """A header by its name in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def document(self, limit: int) -> dict[str, Any]:
        """The JSON object of the body. Raises Refused for a body that is too large or is none, and ClientGone."""
        body = await self._body(limit)
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise refused(BAD_REQUEST, "usage", f"the body is not UTF-8: byte {error.start}") from None
        try:  # what takes long to read would hold up all other clients
            document = parse_json(text) if len(text) < 1_000_000 else await asyncio.to_thread(parse_json, text)
        except ValueError as error:
            raise refused(BAD_REQUEST, "usage", f"the body is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise refused(BAD_REQUEST, "usage", "the body is not a JSON object")
        return document

    async def _body(self, limit: int) -> bytes:
        told = self.header(b"content-length")
        too_large = refused(
            TOO_LARGE, "too_large", f"the body has more than {limit:,} bytes; see: orch serve --max-body"
        )
        if told is not None and told.isdecimal() and int(told) > limit:
            if b"expect" not in self.headers:
                await self._discard(_READ_ON * limit)
            raise too_large
        chunks, length = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunks.append(message.get("body", b""))
            length += len(chunks[-1])
            if length > limit:
                await self._discard(_READ_ON * limit)
                raise too_large
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def _discard(self, most: int) -> None:
        """Read on, and keep nothing."""
        left = most
        while left > 0:
            message = await self._receive()
            left -= len(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return

    async def until_gone(self) -> None:
        """Return when the client has closed the connection."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def respond(self, status: int, document: object, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Answer with a JSON document."""
        await self.send_whole(status, encoded(document), [*_JSON, *headers])

    async def send_whole(self, status: int, body: bytes, headers: Headers) -> None:
        """Answer with a body."""
        await self._start(status, [*headers, (b"content-length", str(len(body)).encode())])
        await self._send({"type": "http.response.body", "body": body})

    async def begin_events(self, headers: Headers) -> None:
        """Begin a stream of events."""
        await self._start(200, [*_EVENTS, *headers])

    async def write(self, data: bytes) -> None:
        """Write a piece of the stream."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        """End the stream."""
        await self._send({"type": "http.response.body", "body": b""})

    async def _start(self, status: int, headers: Headers) -> None:
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
