"""The simulator over loopback, served by uvicorn until it is interrupted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import UsageError
from ..loopback import host_in, is_loopback, listen, until_signals
from .app import App
from .connection import HANG_UP, Connection, Receive, Scope, Send

_GRACE_S = 1  # for replies under way when the server is told to stop


class _Protocol(H11Protocol):
    """Gives the app a way to close its connection without the end that HTTP asks for."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.app_state = {**self.app_state, HANG_UP: transport.close}


class _ForLoopback:
    """An app that is asked for by a name of this machine only. A web page whose name was made to lead here (DNS
    rebinding) could read its replies otherwise, since a browser takes it for that page's own server."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"host"]
        if len(hosts) == 1 and is_loopback(host_in(hosts[0])):
            await self._app(scope, receive, send)
        else:
            refusal = b'{"error": {"message": "The Host header does not name this machine.", "type": "forbidden"}}'
            await Connection(scope, receive, send).respond(403, (("content-type", "application/json"),), refusal)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without raising them again at the end, as uvicorn's own would."""
        with until_signals(self.handle_exit):
            yield


def serve(app: App, port: int, host: str = "127.0.0.1", *, ready: Callable[[int], None]) -> None:
    """Serve the app on a loopback address until Ctrl-C or SIGTERM, then return.

    Port 0 chooses a free one; `ready` is called with the port once connections are accepted. Raises UsageError for an
    address that is not loopback, or that cannot be had.
    """
    with _listening(host, port) as listener:
        config = uvicorn.Config(
            _ForLoopback(app),
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        chosen: int = listener.getsockname()[1]
        server = _Server(config, lambda: ready(chosen))
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    if host != "localhost" and not is_loopback(host):
        raise UsageError(f"the simulator listens on 127.0.0.1 or ::1, and {host} is not an address of loopback")
    return listen(host, port)
