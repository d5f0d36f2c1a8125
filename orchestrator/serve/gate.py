"""What every request passes: where it comes from, whose key it has, and, when it is over, the log and the figures."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from ..clock import Clock, rfc3339
from ..errors import Interrupted, OrchError
from .exchange import ClientGone, Exchange, Receive, Scope, Send
from .keyring import KeyRing
from .metrics import Metrics
from .origins import Origins
from .problems import Problem, Refused, bug, problem_of
from .wires import chat, messages

EXCHANGE = "orch.exchange"  # the key in the scope
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Log: TypeAlias = Callable[[dict[str, Any]], None]
OPEN_PATHS = ("/healthz",)  # who watches over a server has no key


class Gate:
    """An ASGI app around another one. `log` takes the access log, `trouble` what went wrong in the server itself."""

    def __init__(
        self,
        app: App,
        origins: Origins,
        keys: KeyRing,
        metrics: Metrics,
        *,
        clock: Clock,
        log: Log | None,
        trouble: Callable[[str], None],
    ) -> None:
        self._app = app
        self._origins = origins
        self._keys = keys
        self._metrics = metrics
        self._clock = clock
        self._log = log
        self._trouble = trouble
        self._at_work: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        scope[EXCHANGE] = exchange
        task = asyncio.current_task()
        assert task is not None
        self._at_work.add(task)
        self._metrics.in_flight.inc()
        started = time.perf_counter()
        try:
            await self._answered(exchange, scope, receive, send)
        finally:
            self._at_work.discard(task)
            self._metrics.in_flight.dec()
            self._ended(exchange, time.perf_counter() - started)

    async def settled(self) -> None:
        """Cancel what is being answered, and return when the ledger has the end of all of it."""
        while self._at_work:
            for task in self._at_work:
                task.cancel()
            await asyncio.wait(self._at_work)

    async def _answered(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._origins.check(exchange)
            if exchange.path not in OPEN_PATHS:
                exchange.key = await self._keys.admit(exchange)
                if exchange.key is not None and scope["method"] == "POST":
                    await self._keys.count(exchange.key)
            await self._app(scope, receive, send)
        except ClientGone:
            exchange.noted["gone"] = True
        except asyncio.CancelledError:
            await _tell(exchange, problem_of(Interrupted("the server is shutting down")))
            raise
        except (OrchError, Refused) as error:
            problem = error.problem if isinstance(error, Refused) else problem_of(error)
            await _tell(exchange, problem)
        except Exception as error:  # noqa: BLE001  # a client never sees what is inside of a bug
            self._trouble("".join(traceback.format_exception(error)))
            await _tell(exchange, bug())

    def _ended(self, exchange: Exchange, seconds: float) -> None:
        self._metrics.answered(exchange, seconds)
        if self._log is not None:
            client = exchange.scope.get("client")
            self._log(
                {
                    "at": rfc3339(self._clock()),
                    "client": None if client is None else client[0],
                    "method": exchange.scope["method"],
                    "path": exchange.path,
                    "status": exchange.status,
                    "ms": round(1000 * seconds, 1),
                    "key": None if exchange.key is None else exchange.key.name,
                    **exchange.noted,
                }
            )


async def _tell(exchange: Exchange, problem: Problem) -> None:
    """Answer with an error, in the form of the API that was asked, unless an answer has begun."""
    exchange.noted["error"] = problem.code
    if exchange.status is None:
        await exchange.respond(problem.status, form_of(exchange).error(problem), problem.headers)


def form_of(exchange: Exchange) -> Any:
    """The wire whose errors a client reads."""
    anthropic = exchange.path.startswith("/v1/messages") or b"anthropic-version" in exchange.headers
    return messages if anthropic else chat
