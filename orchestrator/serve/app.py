"""The server's routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from starlette.exceptions import HTTPException
from starlette.routing import Route, Router

from ..clock import local_now
from ..deferred import dataclass
from ..distribution import version
from .answering import Answering, with_orch
from .exchange import Exchange, Receive, Scope, Send
from .gate import EXCHANGE, App
from .metrics import CONTENT_TYPE, Metrics
from .names import described, described_for_anthropic, names_for
from .pages import show_report
from .problems import METHOD, NOT_FOUND, refused
from .runs import Runs
from .wires import chat, messages, responses

Answer: TypeAlias = Callable[[Exchange], Awaitable[None]]
ANSWERING = {"/v1/chat/completions": chat, "/v1/responses": responses, "/v1/messages": messages}
COUNTING, MODELS, HEALTH, METRICS, REPORT = "/v1/messages/count_tokens", "/v1/models", "/healthz", "/metrics", "/"
PATHS = (*ANSWERING, COUNTING, MODELS, HEALTH, METRICS, REPORT)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """An ASGI app of one function."""

    answer: Answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(scope[EXCHANGE])


@dataclass(frozen=True, slots=True)
class Routes:
    """What is at which path."""

    runs: Runs
    metrics: Metrics
    most_bytes: int

    def app(self, answering: Callable[[Any], Answering]) -> App:
        """The ASGI app. `answering` makes the endpoint of a wire."""
        answers = {path: answering(wire) for path, wire in ANSWERING.items()}
        routes = [Route(path, answer, methods=["POST"]) for path, answer in answers.items()]
        routes += [
            Route(COUNTING, _Endpoint(self._count), methods=["POST"]),
            Route(MODELS, _Endpoint(self._models), methods=["GET"]),
            Route(f"{MODELS}/{{name:path}}", _Endpoint(self._model), methods=["GET"]),
            Route(HEALTH, _Endpoint(self._health), methods=["GET"]),
            Route(METRICS, _Endpoint(self._figures), methods=["GET"]),
            Route(REPORT, _Endpoint(self._report), methods=["GET"]),
        ]
        return _Paths(answers, Router(routes, redirect_slashes=False))

    async def _health(self, exchange: Exchange) -> None:
        await exchange.respond(200, {"status": "ok", "version": version()})

    async def _report(self, exchange: Exchange) -> None:
        await show_report(exchange, self.runs.engine.settings, local_now)

    async def _figures(self, exchange: Exchange) -> None:
        await exchange.send_whole(200, self.metrics.text(), [(b"content-type", CONTENT_TYPE)])

    async def _models(self, exchange: Exchange) -> None:
        names = names_for(self.runs.engine, exchange.key)
        if b"anthropic-version" in exchange.headers:
            data = [described_for_anthropic(name) for name in names]
            ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
            await exchange.respond(200, {"data": data, "has_more": False, **ends})
        else:
            listed = [described(self.runs.engine, name) for name in names]
            await exchange.respond(200, {"object": "list", "data": listed})

    async def _model(self, exchange: Exchange) -> None:
        name = exchange.path.removeprefix(f"{MODELS}/")
        if name not in names_for(self.runs.engine, exchange.key):
            raise refused(NOT_FOUND, "model_not_found", f"there is no model {name[:100]!r}")
        anthropic = b"anthropic-version" in exchange.headers
        await exchange.respond(200, described_for_anthropic(name) if anthropic else described(self.runs.engine, name))

    async def _count(self, exchange: Exchange) -> None:
        """How many tokens the input is for the model that would be asked first."""
        document = await exchange.document(self.most_bytes)
        asked = with_orch(messages.read_for_count(document), document, exchange)
        planned = await self.runs.plan(asked, exchange.key)
        counted = await self.runs.engine.count_input(planned)
        orch = {"model": counted.model, "exact": counted.exact}
        await exchange.respond(200, {"input_tokens": counted.tokens, "orch": orch})


@dataclass(frozen=True, slots=True)
class _Paths:
    """An ASGI app: `answers` by path, which take nearly every request, else Starlette's router, without the pages of
    its own that `Starlette` would answer errors with."""

    answers: Mapping[str, App]
    router: Router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.answers.get(scope["path"])
        if answer is not None and scope["method"] == "POST":
            await answer(scope, receive, send)
            return
        scope["app"] = self  # then it raises for what it cannot route
        try:
            await self.router(scope, receive, send)
        except HTTPException as error:
            path, method = scope["path"], scope["method"]
            if error.status_code == METHOD:
                raise refused(METHOD, "method", f"{path[:200]} does not take {method}") from None
            raise refused(NOT_FOUND, "not_found", f"there is nothing at {path[:200]}") from None
