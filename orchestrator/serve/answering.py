"""The endpoints that answer: one for each API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from ..choose.making import Planned
from ..deferred import dataclass, replace
from ..errors import Interrupted, OrchError
from ..ledger.store import Ledger
from ..run.events import Bystander, Event, Observer
from ..run.result import OrchestrationResult
from .asked import Asked
from .exchange import Exchange, Receive, Scope, Send
from .gate import EXCHANGE
from .metrics import Metrics
from .orch_options import STAY, from_body, from_headers
from .previous import with_previous
from .problems import Problem, Refused, problem_of
from .runs import Runs
from .watched import Sign, Watched
from .wires.base import Stream, Wire

if TYPE_CHECKING:
    from .tracing import Tracing


@dataclass(frozen=True, slots=True)
class Answering:
    """An ASGI app that answers in the form of one API. `most_bytes` is the limit on a body, `every_s` the longest time
    without a sign of life on a stream."""

    wire: Wire
    runs: Runs
    ledger: Ledger
    metrics: Metrics
    most_bytes: int
    every_s: float
    tracing: Tracing | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        exchange: Exchange = scope[EXCHANGE]
        document = await exchange.document(self.most_bytes)
        asked = with_orch(self.wire.read(document), document, exchange)
        exchange.noted["asked"] = asked.model[:100]
        if asked.previous is not None:
            asked = await asyncio.to_thread(with_previous, asked, self.ledger, exchange.key)
        planned = await self.runs.plan(asked, exchange.key)
        watched = Watched(partial(self._run, planned), exchange.until_gone)
        if asked.stream:
            await self._streamed(asked, watched, exchange)
        else:
            await self._whole(asked, watched, exchange)

    def _run(self, planned: Planned, observe: Observer) -> Awaitable[OrchestrationResult]:
        def observed(event: Event) -> None:
            observe(event)
            self.metrics.observe(event)

        return self.runs.engine.execute(planned, Bystander(observed))

    async def _whole(self, asked: Asked, watched: Watched, exchange: Exchange) -> None:
        result = await watched.result()
        self._note(result, exchange)
        self._trace(result, asked, exchange)
        reply = self.runs.reply(asked, exchange.key, result, watched.warnings)
        await exchange.respond(200, self.wire.whole(reply, asked), reply.headers)

    async def _streamed(self, asked: Asked, watched: Watched, exchange: Exchange) -> None:
        writer = _Writer(self.wire.stream(asked), watched, exchange)
        try:
            async with aclosing(watched.pieces(self.every_s)) as pieces:
                async for happened in pieces:
                    if isinstance(happened, OrchestrationResult):
                        self._note(happened, exchange)
                        self._trace(happened, asked, exchange)
                        await writer.end(self.runs.reply(asked, exchange.key, happened, watched.warnings))
                    elif happened is Sign.WAITING:
                        await writer.alive()
                    elif isinstance(happened, str):
                        await writer.piece(happened)
        except asyncio.CancelledError:
            await writer.fail(problem_of(Interrupted("the server is shutting down")))
            raise
        except (OrchError, Refused) as error:
            if exchange.status is None:
                raise
            problem = error.problem if isinstance(error, Refused) else problem_of(error)
            exchange.noted["error"] = problem.code
            await writer.fail(problem)

    def _trace(self, result: OrchestrationResult, asked: Asked, exchange: Exchange) -> None:
        if self.tracing is not None:
            self.tracing.record(exchange, asked.model, result)

    def _note(self, result: OrchestrationResult, exchange: Exchange) -> None:
        self.metrics.ended(result, None if exchange.key is None else exchange.key.name)
        exchange.noted |= {
            "run_id": result.run_id,
            "model": result.model_used,
            "cost_nanousd": result.cost_nanousd,
            "calls": len(result.calls),
        }


class _Writer:
    """Writes one stream. Nothing is sent before there is something to send, so that an early error has its status."""

    def __init__(self, stream: Stream, watched: Watched, exchange: Exchange) -> None:
        self._stream = stream
        self._watched = watched
        self._exchange = exchange
        self._begun = False
        self._shown: list[str] = []

    async def alive(self) -> None:
        await self._open()
        await self._exchange.write(self._stream.alive())

    async def piece(self, text: str) -> None:
        await self._open()
        self._shown.append(text)
        await self._exchange.write(self._begin(self._watched.model) + self._stream.piece(text))

    async def end(self, reply: Any) -> None:
        await self._open()
        shown = "".join(self._shown)
        rest = reply.text.removeprefix(shown) if reply.text.startswith(shown) else ""
        piece = self._begin(reply.model) + (self._stream.piece(rest) if rest else b"")
        await self._exchange.write(piece + self._stream.end(replace(reply, text=shown + rest)))
        await self._exchange.finish()

    async def fail(self, problem: Problem) -> None:
        if self._exchange.status is not None:
            await self._exchange.write(self._stream.fail(problem))
            await self._exchange.finish()

    async def _open(self) -> None:
        if self._exchange.status is None:
            run_id = self._watched.run_id.encode()
            await self._exchange.begin_events([(b"x-orch-run-id", run_id)] if run_id else [])

    def _begin(self, model: str) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._stream.begin(self._watched.run_id, model)


def with_orch(asked: Asked, document: Mapping[str, Any], exchange: Exchange) -> Asked:
    """What is asked, with orch's own options: those of the body before those of headers."""
    body = document.get("orch")
    given = from_headers(exchange.scope["headers"]) | (from_body(body) if isinstance(body, dict) else {})
    if not given:
        return asked
    return replace(asked, given={**asked.given, **given}, stay=given.get(STAY, True))
