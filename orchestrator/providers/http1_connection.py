"""One HTTP/1.1 connection, for one request at a time: what asyncio hands over goes through httptools' parser, and what
the parser finds is kept until it is asked for."""

from __future__ import annotations

import asyncio
import select
import sys
import time
from collections import deque

import httptools
import httpx2

from .incoming import ReplyTooLongError

_LONGEST_HEAD = 100 * 1024  # bytes of a reply's status line and headers, as in httpx2
_MOST_UNREAD = 256 * 1024  # bytes of a reply that may have arrived before anybody has asked for them
_FRAMED = frozenset({b"content-length", b"transfer-encoding"})  # with neither, a body ends with its connection


class Reply:
    """A reply as it was read: what an httpx2.Response has, as far as it is needed. `status_code` is 0 until there is a
    head. `body` is what came, unpacked, once that is complete."""

    def __init__(self) -> None:
        self.status_code = 0
        self.version = b"1.1"
        self.reason = b""
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.body: bytes | None = None
        self._headers: dict[str, str] | None = None

    @property
    def is_success(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status_code < 300

    @property
    def is_closed(self) -> bool:
        """Always: nothing more is read through it."""
        return True

    @property
    def is_stream_consumed(self) -> bool:
        """Whether the body was read to its end."""
        return self.body is not None

    async def aclose(self) -> None:
        """Do nothing: the connection is its transport's."""

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; the values of one name together, separated by commas."""
        if self._headers is None:
            joined = self._headers = {}
            for raw_name, raw_value in self.raw_headers:
                name, value = _decoded(raw_name).lower(), _decoded(raw_value)
                joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return self._headers

    @property
    def content(self) -> bytes:
        """The body. Raises ResponseNotRead if it did not come to its end."""
        if self.body is None:
            raise httpx2.ResponseNotRead
        return self.body

    @property
    def text(self) -> str:
        """The body as text. Raises ResponseNotRead."""
        _, _, charset = self.headers.get("content-type", "").lower().partition("charset=")
        try:
            return self.content.decode(charset.partition(";")[0].strip(" \"'") or "utf-8", errors="replace")
        except LookupError:
            return self.content.decode(errors="replace")


class Connection(asyncio.Protocol):
    """A connection to one origin. `idle_since` is in seconds on the monotonic clock."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._parser = httptools.HttpResponseParser(self)
        # As lenient as h11 and browsers: these forms say clearly where a reply ends.
        self._parser.set_dangerous_leniencies(
            lenient_chunked_length=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._ended = False
        self._error: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None  # of what is waited for, or of the end
        self._room: asyncio.Future[None] | None = None  # for more to be written; None while there is some
        self._begin(None)

    def _begin(self, reply: Reply | None) -> None:
        self._reply = reply  # to the request in flight
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self._reason = b""
        self._pieces: deque[bytes] = deque()
        self._held = self._dull = 0  # bytes of the body that nobody has taken; bytes since the last of a head or body
        self._most: int | None = None  # bytes of the body, where it is waited for as a whole
        self._framed = self._complete = False  # whether the head says where the body ends; whether that has come
        self._lasts = self._more = False  # whether the server keeps the connection; whether it said more than it should
        self._paused = False
        self._failure: Exception | None = None

    # What asyncio says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._socket = None
        if sys.platform != "win32":
            self._socket = select.poll()
            self._socket.register(transport.get_extra_info("socket"), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._reply is None:  # a server that has anything to say before it is asked is closing
            self.close()
            return
        self._dull += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._more = True
            self._fail(httpx2.RemoteProtocolError(str(error) or "the server changes to another protocol"))
        if self._dull > _LONGEST_HEAD:
            self._fail(httpx2.RemoteProtocolError("a head, or a line of a body, without end"))
        if self._most is not None and self._held > self._most:
            self._fail(ReplyTooLongError("it is longer than a reply can be"))
        elif self._most is None and self._held > _MOST_UNREAD:
            self._paused = True
            self._transport.pause_reading()
        if self._most is None or self._complete or self._failure is not None:
            _resolve(self._arrival)

    def eof_received(self) -> None:
        self._ended = True
        if self._reply is not None and self._reply.status_code and not self._framed:
            self._complete = True
        _resolve(self._arrival)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.eof_received()
        self._ended, self._error = True, exc
        del self._parser  # which refers to this connection
        _resolve(self._arrival)
        _resolve(self._room)

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        _resolve(self._room)
        self._room = None

    # What the parser finds.

    def on_message_begin(self) -> None:
        """More than was asked for, or a reply."""
        self._more = self._more or self._complete
        self._raw_headers, self._reason = [], b""

    def on_status(self, reason: bytes) -> None:
        """The reason, or a piece of it."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or what follows a body in chunks: nobody asks for that."""
        self._raw_headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """A head, or one that only says that it is still to come."""
        reply, status = self._reply, self._parser.get_status_code()
        if reply is None or self._more or status < 200:
            return
        self._dull = 0
        reply.status_code, reply.reason, reply.raw_headers = status, self._reason, self._raw_headers
        reply.version = self._parser.get_http_version().encode("ascii")
        self._framed = not _FRAMED.isdisjoint([name.lower() for name, _ in self._raw_headers])
        self._raw_headers = []

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if not self._more:
            self._dull = 0
            self._held += len(piece)
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """The end of a reply."""
        if self._reply is not None and self._reply.status_code and not self._more:
            self._complete = True
            self._lasts = self._parser.should_keep_alive()

    # What the transport asks for.

    async def send(self, message: bytes, reply: Reply, timeout_s: float | None) -> None:
        """Send a whole request. What comes for it goes into `reply`."""
        self._begin(reply)
        self._transport.write(message)
        if self._room is not None:
            await _within(timeout_s, self._room, httpx2.WriteTimeout)

    async def head(self, timeout_s: float | None) -> None:
        """Wait until the reply has its head."""
        assert self._reply is not None
        while not self._reply.status_code:
            await self._wait(timeout_s)

    async def piece(self, timeout_s: float | None) -> bytes | None:
        """The next piece of the body; None at its end."""
        while not self._pieces:
            if self._complete:
                return None
            await self._wait(timeout_s)
        piece = self._pieces.popleft()
        self._held -= len(piece)
        return piece

    async def whole(self, most: int) -> bytes:
        """The whole body, which may have `most` bytes."""
        self._most = most
        while not self._complete:
            await self._wait(None)
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    async def _wait(self, timeout_s: float | None) -> None:
        """Wait for more. Raises what is wrong if no more will come."""
        if self._failure is not None:
            raise self._failure
        if self._ended:
            raise self._end()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._arrival = asyncio.get_running_loop().create_future()
        if timeout_s is None:
            await self._arrival
        else:
            await _within(timeout_s, self._arrival, httpx2.ReadTimeout)

    def _end(self) -> Exception:
        if self._error is not None:
            error = httpx2.ReadError(str(self._error))
            error.__cause__ = self._error
            return error
        if self._reply is None or not self._reply.status_code:
            return httpx2.RemoteProtocolError("Server disconnected without sending a response.")
        return httpx2.RemoteProtocolError("the connection was closed before all of the body had come")

    def _fail(self, error: Exception) -> None:
        if not self._complete and self._failure is None:
            self._failure = error

    def is_done(self) -> bool:
        """Whether request and reply are complete, and the connection is ready for the next ones."""
        open_for_more = self._lasts and not (self._more or self._ended) and self._room is None
        if not self._complete or self._pieces or not open_for_more:
            return False
        self._reply = None
        self.idle_since = time.monotonic()
        return True

    def is_usable(self) -> bool:
        """Whether an idle connection is still open. A server that has anything to say before it is asked is closing."""
        if self._ended or self._transport.is_closing():
            return False
        if self._socket is None:
            return not select.select([self._transport.get_extra_info("socket")], [], [], 0)[0]
        return not self._socket.poll(0)

    def close(self) -> None:
        """Close the connection, whatever is under way."""
        self._transport.abort()


async def _within(seconds: float | None, future: asyncio.Future[None], error: type[httpx2.TimeoutException]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await future
    except TimeoutError:
        raise error("timed out") from None


def _resolve(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _decoded(raw: bytes) -> str:
    for encoding in ("ascii", "utf-8"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            pass
    return raw.decode("iso-8859-1")
