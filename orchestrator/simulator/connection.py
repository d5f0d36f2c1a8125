"""One HTTP exchange over ASGI, as the app sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from .wires.base import Headers

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

HANG_UP = "orch.hang_up"  # the key in the scope's state of a function that closes the connection as it is


class ConnectionCut(Exception):
    """The app leaves off in the middle, or before it said anything."""


class ConnectionRefused(ConnectionCut):
    """The app was never to be reached: nothing was received."""


class Connection:
    """Reads one request and writes one response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send

    async def read_body(self) -> bytes | None:
        """The whole request body, or None if the client left while sending it."""
        chunks = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def until_disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int, headers: Headers) -> None:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        await self.start(status, (*headers, ("content-length", str(len(body)))))
        await self.finish(body)

    async def cut(self, error: type[ConnectionCut] = ConnectionCut) -> None:
        """Break off. A real connection is closed; where there is none, the error says so."""
        hang_up = self.scope.get("state", {}).get(HANG_UP)
        if hang_up is None:
            raise error
        hang_up()
        await self.until_disconnected()

    async def unless_disconnected(self, work: Awaitable[None]) -> bool:
        """Do the work, or as much of it as gets done until the client leaves. Returns whether it was finished."""
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self.until_disconnected())
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return False
            await working
            return True
        finally:
            await _cancelled((working, leaving))


async def _cancelled(tasks: Iterable[asyncio.Future[None]]) -> None:
    """Cancel tasks and wait until they are gone, so that none outlives the exchange."""
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
