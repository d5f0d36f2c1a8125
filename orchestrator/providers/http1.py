"""HTTP/1.1 to one origin: h11 speaks the protocol, asyncio moves the bytes, and connections are kept for the next call.

    request ─► the idle connection used last, else a new one ─► head and body, in one piece
    reply   ◄─ head, then the body piece by piece; the connection is idle again once that was read to its end

httpx2's own transport looks at every connection of its pool for each request, and goes through anyio, locks and traces:
with some hundred requests in flight that costs several times what the request itself does.
"""

from __future__ import annotations

import asyncio
import select
import ssl
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

import h11
import httpx2

_LONGEST_HEAD = 100 * 1024  # bytes of a reply's status line and headers, as in httpx2
_MOST_UNREAD = 256 * 1024  # bytes of a reply that may have arrived before anybody has asked for them
_NEXT_ADDRESS_S = 0.25  # before the next address of a host is tried beside the first: RFC 8305, section 5

ReadEvent = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


class Http1Transport(httpx2.AsyncBaseTransport):
    """As many connections as there are requests in flight; one that has been idle for `kept_alive_s` is closed.

    A request is sent once. It raises what httpx2's own transport does.
    """

    def __init__(self, tls: ssl.SSLContext, kept_alive_s: float) -> None:
        self._tls = tls
        self._kept_alive_s = kept_alive_s
        self._idle: deque[_Connection] = deque()  # the one used last is the last
        self._closed = False
        tls.set_alpn_protocols(["http/1.1"])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        timeouts = request.extensions.get("timeout") or {}
        connection = self._idle_one() or await self._connect(request.url, timeouts.get("connect"))
        try:
            await connection.send(request, body, timeouts.get("write"))
            reply = await connection.head(timeouts.get("read"))
        except BaseException:
            connection.close()
            raise
        return httpx2.Response(
            reply.status_code,
            headers=reply.headers.raw_items(),
            stream=_Body(connection, timeouts.get("read"), self._give_back),
            extensions={"http_version": b"HTTP/" + reply.http_version, "reason_phrase": reply.reason},
        )

    async def aclose(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        await asyncio.sleep(0)  # in which asyncio closes the sockets

    def _idle_one(self) -> _Connection | None:
        oldest = time.monotonic() - self._kept_alive_s
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().close()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None

    async def _connect(self, url: httpx2.URL, timeout_s: float | None) -> _Connection:
        secure = url.scheme == "https"
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection,
                    url.raw_host.decode("ascii"),
                    url.port or (443 if secure else 80),
                    ssl=self._tls if secure else None,
                    happy_eyeballs_delay=_NEXT_ADDRESS_S,
                )
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that no host can have
            raise httpx2.ConnectError(str(error)) from error
        return connection

    def _give_back(self, connection: _Connection) -> None:
        if self._closed or not connection.is_done():
            connection.close()
        else:
            self._idle.append(connection)


class _Connection(asyncio.Protocol):
    """One connection, for one request at a time. `idle_since` is in seconds on the monotonic clock."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._unread = 0
        self._ended = False
        self._error: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None  # of more data, or of the end
        self._room: asyncio.Future[None] | None = None  # for more to be written; None while there is some

    # What asyncio says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._socket = None
        if sys.platform != "win32":
            self._socket = select.poll()
            self._socket.register(transport.get_extra_info("socket"), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._unread += len(data)
        if self._unread > _MOST_UNREAD:
            self._transport.pause_reading()
        _resolve(self._arrival)

    def eof_received(self) -> None:
        self._ended = True
        _resolve(self._arrival)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._error = True, exc
        _resolve(self._arrival)
        _resolve(self._room)

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        _resolve(self._room)
        self._room = None

    # What the transport asks for.

    async def send(self, request: httpx2.Request, body: bytes, timeout_s: float | None) -> None:
        """Raises LocalProtocolError, with nothing sent, for what is no valid request."""
        try:
            head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
            events = (head, h11.Data(data=body), h11.EndOfMessage()) if body else (head, h11.EndOfMessage())
            parts = [self._http.send(event) for event in events]
        except h11.LocalProtocolError as error:
            raise httpx2.LocalProtocolError(str(error)) from error
        self._transport.write(b"".join(part for part in parts if part))
        if self._room is not None:
            await _within(timeout_s, self._room, httpx2.WriteTimeout)

    async def head(self, timeout_s: float | None) -> h11.Response:
        """The reply's head, without those that only say that it is still to come."""
        while not isinstance(event := await self.next_event(timeout_s), h11.Response):
            pass
        return event

    async def next_event(self, timeout_s: float | None) -> ReadEvent:
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise httpx2.RemoteProtocolError(str(error)) from error
            if event is not h11.NEED_DATA:
                return event
            self._unread = 0
            if not self._ended:
                self._transport.resume_reading()
                self._arrival = asyncio.get_running_loop().create_future()
                await _within(timeout_s, self._arrival, httpx2.ReadTimeout)
            elif self._error is not None:
                raise httpx2.ReadError(str(self._error)) from self._error
            elif self._http.their_state is h11.SEND_RESPONSE:
                raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")
            else:
                self._http.receive_data(b"")

    def is_done(self) -> bool:
        """Whether request and reply are complete, and the connection is ready for the next ones."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE or self._ended:
            return False
        self._http.start_next_cycle()
        self.idle_since = time.monotonic()
        return True

    def is_usable(self) -> bool:
        """Whether an idle connection is still open. A server that has anything to say before it is asked is closing."""
        if self._ended or self._http.trailing_data[0]:
            return False
        if self._socket is None:
            return not select.select([self._transport.get_extra_info("socket")], [], [], 0)[0]
        return not self._socket.poll(0)

    def close(self) -> None:
        self._transport.abort()


class _Body(httpx2.AsyncByteStream):
    """A reply's body, piece by piece as it arrives."""

    def __init__(self, connection: _Connection, timeout_s: float | None, done: Callable[[_Connection], None]) -> None:
        self._connection: _Connection | None = connection
        self._timeout_s = timeout_s
        self._done = done

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while self._connection is not None:
                event = await self._connection.next_event(self._timeout_s)
                if not isinstance(event, h11.Data):
                    break
                yield bytes(event.data)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._done(connection)


async def _within(seconds: float | None, future: asyncio.Future[None], error: type[httpx2.TimeoutException]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await future
    except TimeoutError:
        raise error("timed out") from None


def _resolve(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
