"""The simulator in process: an httpx2 transport that streams what the app sends as it is sent.

`httpx2.ASGITransport` holds a reply back until the app has finished. Here every piece is handed over when the client
asks for it, so that a stream can be slow, be cut, or be left by its client, as over a socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx2

from .app import App
from .connection import ConnectionCut, ConnectionRefused, Message, Scope

_LEFT = "peer closed connection without sending complete message body (incomplete chunked read)"
_SILENT = "Server disconnected without sending a response."


class SimulatorTransport(httpx2.AsyncBaseTransport):
    """Hands requests to the app. A cut raises RemoteProtocolError, a refusal ConnectError, silence ReadTimeout."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        exchange = _Exchange(self._app, request, await request.aread())
        try:
            message = await exchange.next_message()
        except ConnectionRefused:
            raise httpx2.ConnectError("All connection attempts failed", request=request) from None
        except ConnectionCut:
            raise httpx2.RemoteProtocolError(_SILENT, request=request) from None
        except BaseException:
            await exchange.aclose()
            raise
        return httpx2.Response(message["status"], headers=message["headers"], stream=_ReplyStream(exchange))


class _ReplyStream(httpx2.AsyncByteStream):
    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            try:
                message = await self._exchange.next_message()
            except ConnectionCut:
                raise httpx2.RemoteProtocolError(_LEFT, request=self._exchange.request) from None
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]
        await self._exchange.finished()

    async def aclose(self) -> None:
        await self._exchange.aclose()


class _Exchange:
    """One request: the app runs as a task that is never more than one message ahead of the client."""

    def __init__(self, app: App, request: httpx2.Request, body: bytes) -> None:
        self.request = request
        self._body: bytes | None = body
        self._messages: asyncio.Queue[Message | Exception] = asyncio.Queue(maxsize=1)
        self._timeout = _read_timeout(request.extensions.get("timeout", {}))
        self._task = asyncio.ensure_future(self._run(app))

    async def next_message(self) -> Message:
        """What the app sends next. Raises what the app raises, and ReadTimeout when it takes too long."""
        try:
            async with asyncio.timeout(self._timeout):
                message = await self._messages.get()
        except TimeoutError:
            raise httpx2.ReadTimeout("The read operation timed out", request=self.request) from None
        if isinstance(message, Exception):
            raise message
        return message

    async def _run(self, app: App) -> None:
        """The app, and then why there is nothing more of it."""
        end: Exception = ConnectionCut()
        try:
            await app(_scope(self.request), self._receive, self._messages.put)
        except Exception as error:  # noqa: BLE001 - it is raised again where the client waits
            end = error
        await self._messages.put(end)

    async def finished(self) -> None:
        """Let the app come to its end after its last message.

        A client may give up on that: awaiting the task itself would make its cancellation the app's, and what the app
        makes of one is no longer the one that the client's cancel scope looks for.
        """
        await asyncio.wait((self._task,))

    async def aclose(self) -> None:
        """The client leaves: whatever the app still does is cancelled, and waited for."""
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def _receive(self) -> Message:
        if self._body is None:
            # In process the client's leaving is the cancellation of the task.
            await asyncio.get_running_loop().create_future()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _read_timeout(timeouts: Mapping[str, float | None]) -> float | None:
    return timeouts.get("read")


def _scope(request: httpx2.Request) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 0),
        "root_path": "",
    }
