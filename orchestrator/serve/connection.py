"""uvicorn's connection, with the head and the body of a reply in one write.

uvicorn writes the head as soon as it has one, and the body then. Each write is a system call here, and wakes the client
up, which takes it more time than to read the reply.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD, _NOT_YET = b"HTTP/1.1 ", b"HTTP/1.1 1"  # how a reply's head begins, and one that only says: go on


class Protocol(HttpToolsProtocol):
    """uvicorn's own, over a transport that holds a head back for the body."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # it is always one
        """As uvicorn's."""
        super().connection_made(_JoinedWrites(transport, self.loop))  # type: ignore[arg-type]  # all of it that is used


class _JoinedWrites:
    """A transport for which a head that is written waits for what is written next, until the end of the event loop's
    turn at the latest."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """As a transport's."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD) and not data.startswith(_NOT_YET):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """As a transport's."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._transport.write(head)
