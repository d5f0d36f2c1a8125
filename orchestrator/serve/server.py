"""Serves until it is told to stop: opens the ledger and the engine, listens, and settles everything at the end."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from ..clock import local_now
from ..config import Settings
from ..deferred import dataclass
from ..distribution import with_extra
from ..errors import UsageError
from ..ledger.keys import all_keys
from ..ledger.store import Ledger
from ..loopback import is_loopback, listen, until_signals
from ..run.engine import Engine
from .answering import Answering
from .app import PATHS, Routes
from .connection import Protocol
from .conversations import Conversations
from .gate import Gate, Log
from .keyring import KeyRing
from .metrics import Metrics
from .origins import Origins
from .runs import Runs

if TYPE_CHECKING:
    from .tracing import Tracing

# What asks for traces: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
TRACED = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_KEEP_ALIVE_S = 75  # longer than clients keep a connection: they, not the server, close one that is idle
_BACKLOG = 2_048


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve. `tls_name` is the name of the TLS proxy in front, if there is one.

    `most_bytes` is the limit on a body; `every_s` the longest time without a sign of life on a stream; `drain_s` how
    long answers may take that are under way when the server is told to stop.
    """

    host: str = "127.0.0.1"
    port: int = 4141
    tls_name: str | None = None
    most_bytes: int = 32_000_000
    every_s: float = 5.0
    drain_s: float = 60.0


class Server(uvicorn.Server):
    """uvicorn, told to stop by Ctrl-C and SIGTERM alone; it says when it listens."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's."""
        await super().startup(sockets)
        self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without raising them again at the end, as uvicorn's own would."""
        with until_signals(self.handle_exit):
            yield


def check_may_listen(serving: Serving, *, keys: int) -> None:
    """Raises UsageError for an address that others can reach, if anybody there could spend."""
    if is_loopback(serving.host) or keys or serving.tls_name is not None:
        return
    raise UsageError(
        f"{serving.host} can be reached from other machines, and there are no keys: anybody there could spend",
        hint="orch keys add NAME makes one; with a TLS proxy in front that knows who asks: --tls-in-front NAME",
    )


def serve(
    settings: Settings,
    serving: Serving,
    *,
    ready: Callable[[int], None],
    log: Log | None,
    trouble: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C or SIGTERM, then until what is under way has been answered.

    `ready` gets the port once connections are accepted. Raises UsageError for an address that cannot be had, or that
    needs keys, LedgerError and ConfigError.
    """
    with Ledger.open(settings.ledger) as ledger:
        for warning in ledger.warnings:
            trouble(warning)
        engine = Engine(settings, ledger=ledger)
        check_may_listen(serving, keys=len(ledger.read(all_keys)))
        with listen(serving.host, serving.port) as listener:
            asyncio.run(_serve(engine, ledger, serving, listener, ready=ready, log=log, trouble=trouble))


async def _serve(
    engine: Engine,
    ledger: Ledger,
    serving: Serving,
    listener: socket.socket,
    *,
    ready: Callable[[int], None],
    log: Log | None,
    trouble: Callable[[str], None],
) -> None:
    async with engine:
        tracing = _tracing(engine.settings.environ, trouble)
        gate = gate_for(engine, ledger, serving, log=log, trouble=trouble, tracing=tracing)
        port: int = listener.getsockname()[1]
        server = Server(_config(gate, serving), partial(ready, port))
        try:
            await server.serve(sockets=[listener])
        finally:
            await gate.settled()
            if tracing is not None:
                await asyncio.to_thread(tracing.close)


def _tracing(environ: Mapping[str, str], trouble: Callable[[str], None]) -> Tracing | None:
    """What makes spans, if the environment asks for them; without the extra for it, a warning."""
    if not any(environ.get(name) for name in TRACED):
        return None
    try:
        from .tracing import tracing_for  # an extra
    except ImportError:
        trouble(f"there are no traces, which OTEL_EXPORTER_OTLP_ENDPOINT asks for: {with_extra('otel')}")
        return None
    return tracing_for()


def gate_for(
    engine: Engine,
    ledger: Ledger,
    serving: Serving,
    *,
    log: Log | None,
    trouble: Callable[[str], None],
    tracing: Tracing | None = None,
) -> Gate:
    """The whole server as an ASGI app, over an engine that is open."""
    open_to_others = not is_loopback(serving.host)
    behind = serving.tls_name is not None
    required = (open_to_others and not behind) or ((open_to_others or behind) and bool(ledger.read(all_keys)))
    metrics = Metrics(ledger, local_now, PATHS)
    runs = Runs(engine, Conversations(ledger, local_now))
    routes = Routes(runs, metrics, serving.most_bytes)

    def answering(wire: Any) -> Answering:
        return Answering(wire, runs, ledger, metrics, serving.most_bytes, serving.every_s, tracing)

    return Gate(
        routes.app(answering),
        Origins(any_host=open_to_others, name=serving.tls_name),
        KeyRing(
            ledger, required=required, simulated=engine.settings.simulate, clock=local_now, monotonic=time.monotonic
        ),
        metrics,
        clock=local_now,
        log=log,
        trouble=trouble,
    )


def _config(gate: Gate, serving: Serving) -> uvicorn.Config:
    return uvicorn.Config(
        gate,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(serving.drain_s),
    )
