"""HTTP/1.1 to one origin: httptools reads the protocol, asyncio moves the bytes, and connections are kept for the next.

    request ─► the idle connection used last, else a new one ─► head and body, in one piece
    reply   ◄─ head, then the body piece by piece or all at once; then the connection is idle again

httpx2's own transport looks at every connection of its pool for each request, and goes through anyio, locks and traces:
with some hundred requests in flight that costs several times what the request itself does.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

import httpx2

from ..expressions import expression
from .http1_connection import Connection, Reply

_NEXT_ADDRESS_S = 0.25  # before the next address of a host is tried beside the first: RFC 8305, section 5
# RFC 9110, sections 5.6.2 and 5.5: what else is in a name or a value could end it, and begin another header.
_TOKEN = expression(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = expression(rb"(?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_TARGET = expression(rb"[\x21-\x7e]+")


class Http1Transport(httpx2.AsyncBaseTransport):
    """As many connections as there are requests in flight; one that has been idle for `kept_alive_s` is closed.

    A request is sent once. It raises what httpx2's own transport does.
    """

    def __init__(self, tls: ssl.SSLContext, kept_alive_s: float) -> None:
        self._tls = tls
        self._kept_alive_s = kept_alive_s
        self._idle: deque[Connection] = deque()  # the one used last is the last
        self._closed = False
        tls.set_alpn_protocols(["http/1.1"])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        if "transfer-encoding" in request.headers:  # the body is known by now, and sent in one piece
            del request.headers["transfer-encoding"]
            request.headers["content-length"] = str(len(body))
        head = head_of(request.method, request.url, request.headers.raw)
        timeouts = request.extensions.get("timeout") or {}
        connection = self._idle_one() or await self._connect(request.url, timeouts.get("connect"))
        reply = Reply()
        try:
            await connection.send(head + b"\r\n" + body, reply, timeouts.get("write"))
            await connection.head(timeouts.get("read"))
        except BaseException:
            connection.close()
            raise
        return httpx2.Response(
            reply.status_code,
            headers=reply.raw_headers,
            stream=_Body(connection, timeouts.get("read"), self._give_back),
            extensions={"http_version": b"HTTP/" + reply.version, "reason_phrase": reply.reason},
        )

    async def exchange(self, url: httpx2.URL, message: bytes, reply: Reply, *, connect_s: float, most: int) -> bytes:
        """Send a whole request, head and body, and return the reply's body as it came. The reply has its head even
        where its body fails. Besides connecting, nothing has a time limit.

        Raises ReplyTooLongError if the body has more than `most` bytes.
        """
        connection = self._idle_one() or await self._connect(url, connect_s)
        try:
            await connection.send(message, reply, None)
            body = await connection.whole(most)
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        return body

    async def aclose(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        await asyncio.sleep(0)  # in which asyncio closes the sockets

    def _idle_one(self) -> Connection | None:
        oldest = time.monotonic() - self._kept_alive_s
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().close()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None

    async def _connect(self, url: httpx2.URL, timeout_s: float | None) -> Connection:
        secure = url.scheme == "https"
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection,
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

    def _give_back(self, connection: Connection) -> None:
        if self._closed or not connection.is_done():
            connection.close()
        else:
            self._idle.append(connection)


def head_of(method: str, url: httpx2.URL, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request, without the empty line at its end. Raises LocalProtocolError for what is no valid one."""
    line = method.encode("ascii", "replace"), url.raw_path
    if not _TOKEN.fullmatch(line[0]) or not _TARGET.fullmatch(line[1]):
        raise httpx2.LocalProtocolError("the request line is invalid")
    if method in ("HEAD", "CONNECT"):  # whose replies end in a way of their own
        raise httpx2.LocalProtocolError(f"there is no {method} here")
    pieces = [b"%b %b HTTP/1.1\r\n" % line]
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise httpx2.LocalProtocolError(f"the header {name.decode('ascii', 'replace')!r} is invalid")
        pieces.append(b"%b: %b\r\n" % (name, value))
    return b"".join(pieces)


class _Body(httpx2.AsyncByteStream):
    """A reply's body, piece by piece as it arrives."""

    def __init__(self, connection: Connection, timeout_s: float | None, done: Callable[[Connection], None]) -> None:
        self._connection: Connection | None = connection
        self._timeout_s = timeout_s
        self._done = done

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while self._connection is not None:
                piece = await self._connection.piece(self._timeout_s)
                if piece is None:
                    break
                yield piece
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._done(connection)
