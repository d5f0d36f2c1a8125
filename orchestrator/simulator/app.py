"""The simulator as an ASGI app: from a request to the script of its reply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType

from ..deferred import dataclass, replace
from ..registry.model import ModelSpec
from ..types import Usage
from . import embedding
from .answers.compose import compose
from .batches.records import Batch
from .batches.running import Batches, Replied
from .batches.store import BatchStore
from .catalogue import Catalogue, Meter
from .connection import Connection, ConnectionRefused, Receive, Scope, Send
from .counting import as_generation, counted
from .generation import altered, check_limits, generate, input_tokens
from .journal import Entry, Journal
from .routes import WIRES, Operation, Route, route
from .scenario import Fault, FaultKind, RetryAfterForm, Scenario, Schedule
from .script import Script, Sleep, of_error, play, rewritten
from .tokens import PrefixCache
from .wires.base import (
    Ask,
    Complaint,
    Envelope,
    Frame,
    Headers,
    Json,
    Problem,
    Rejected,
    Reply,
    Stage,
    Wire,
    encode,
    plain,
)

Clock = Callable[[], datetime]

_JSON: Headers = (("content-type", "application/json"),)
_STREAM: Headers = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))

# Faults that are an answer of their own: the provider says no, and charges nothing.
_PROBLEMS = {
    FaultKind.RATE_LIMITED: Problem.RATE_LIMITED,
    FaultKind.OVERLOADED: Problem.OVERLOADED,
    FaultKind.SERVER_ERROR: Problem.SERVER_ERROR,
    FaultKind.OUT_OF_CREDIT: Problem.OUT_OF_CREDIT,
    FaultKind.AUTH: Problem.AUTH,
    FaultKind.NOT_FOUND: Problem.NOT_FOUND,
    FaultKind.ERROR_IN_200: Problem.OVERLOADED,
    FaultKind.ERROR_IN_STREAM: Problem.OVERLOADED,  # where nothing is streamed, it is the status
}
_NOT_FOUND: Json = {"error": {"message": "Not found", "type": "invalid_request_error", "code": None, "param": None}}
_HTML = b"<html>\r\n<head><title>%d</title></head>\r\n<body><center><h1>%d</h1></center></body>\r\n</html>\r\n"


def system_clock() -> datetime:
    """The current time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Received:
    """A request that has been read."""

    route: Route
    wire: Wire
    ask: Ask
    envelope: Envelope
    faults: tuple[Fault, ...]


class App:
    """An ASGI app that stands in for the providers. It keeps a journal, and what it has seen of prompts and limits."""

    def __init__(
        self, catalogue: Catalogue, scenario: Scenario, clock: Clock, sleep: Sleep, folder: Path | None = None
    ) -> None:
        self.journal = Journal(clock)
        self._catalogue = catalogue
        self._schedule = Schedule(scenario)
        self._cache = PrefixCache()
        self._meter = Meter()
        self._clock = clock
        self._sleep = sleep
        self._received = 0
        self._batches = Batches(BatchStore(self.journal, folder), self._schedule, self._carry_out, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"the simulator speaks HTTP, not {scope['type']}")
        connection = Connection(scope, receive, send)
        where = route(scope)
        body = await connection.read_body()
        if body is None:
            return
        if where.operation in (Operation.GENERATE, Operation.EMBED):
            await self._generate(where, body, connection)
        elif where.operation is Operation.BATCHES:
            await self._answer_batches(where, body, connection)
        elif where.operation is Operation.COUNT:
            status, answer = self._count(where, body)
            await connection.respond(status, _JSON, encode(answer))
        else:
            status, answer = self._look_up(where, scope["method"])
            await connection.respond(status, _JSON, encode(answer))

    def _count(self, where: Route, body: bytes) -> tuple[int, Json]:
        """How many tokens an input is. Nothing is charged, and nothing is in the journal."""
        wire, model = WIRES[where.wire], where.model or ""
        try:
            ask = wire.parse(as_generation(_json(body), where.wire), model=where.model, stream=False)
            model = ask.model
            spec = self._catalogue.find(model, wire=where.wire, provider=where.provider, certain=where.certain)
            if spec is None:
                raise Rejected(Problem.NOT_FOUND, model)
        except Rejected as rejected:
            error = wire.error(rejected.complaint, self._envelope(where, model))
            return error.status, error.body
        return 200, counted(input_tokens(ask, spec), where.wire)

    def _look_up(self, where: Route, method: str) -> tuple[int, Json]:
        """What needs no model: the journal and the lists of models."""
        if where.operation is Operation.JOURNAL and method in ("GET", "DELETE"):
            answer = self.journal.as_json()
            if method == "DELETE":
                self.journal.clear()
            return 200, answer
        if where.operation is Operation.MODELS:
            wire = WIRES[where.wire]
            specs = self._catalogue.served(where.wire, where.provider if where.certain else "")
            if where.model is None:
                return 200, wire.models(specs, self._clock())
            named = [spec for spec in specs if spec.id == where.model]
            if named:
                listing = wire.models(named[:1], self._clock())
                single: Json = listing["models" if where.wire == "google" else "data"][0]
                return 200, single
            error = wire.error(Complaint(Problem.NOT_FOUND, where.model), self._envelope(where, where.model))
            return error.status, error.body
        return 404, _NOT_FOUND

    async def _answer_batches(self, where: Route, body: bytes, connection: Connection) -> None:
        try:
            found = self._batches.answer(connection.scope, where.path, where.wire, where.provider, where.certain, body)
        except Rejected as rejected:
            error = WIRES[where.wire].error(rejected.complaint, self._envelope(where, ""))
            await connection.respond(error.status, (*error.headers, *_JSON), encode(error.body))
            return
        if found is None:
            await connection.respond(404, _JSON, encode(_NOT_FOUND))
        elif found.lost:
            await connection.cut()
        else:
            await connection.respond(found.status, found.headers, found.body)

    def _carry_out(self, batch: Batch, body: Json) -> Replied:
        """What one request of a batch is answered."""
        where = Route(Operation.GENERATE, batch.wire, batch.provider or batch.wire, batch.certain, model=batch.model)
        self._received += 1
        script = self._script(where, encode(body), Entry(self._clock(), batch.wire))
        try:
            reply = json.loads(b"".join(frame.data for frame in script.frames))
        except ValueError:
            return Replied(500, {"error": {"message": "The server had an error."}}, Usage())
        if isinstance(usage := reply.get("usage"), dict) and "service_tier" in usage:
            usage["service_tier"] = "batch"
        return Replied(script.status, reply, script.usage if script.billed else Usage())

    async def _generate(self, where: Route, body: bytes, connection: Connection) -> None:
        entry = self.journal.open(where.wire)
        self._received += 1
        script = self._script(where, body, entry)
        try:
            await connection.unless_disconnected(play(script, connection, entry, self._sleep))
        except ConnectionRefused:
            self.journal.withdraw(entry)
            raise

    def _script(self, where: Route, body: bytes, entry: Entry) -> Script:
        wire = WIRES[where.wire]
        try:
            if where.operation is Operation.EMBED:
                ask = embedding.parse(_json(body), where.wire, where.model)
            else:
                ask = replace(wire.parse(_json(body), model=where.model, stream=where.stream), sse=where.sse)
        except Rejected as rejected:
            envelope = self._envelope(where, where.model or "")
            return of_error(wire.error(rejected.complaint, envelope), wire.headers(envelope, None))
        entry.model = ask.model
        faults = self._schedule.next(ask.model, where.wire)
        received = _Received(where, wire, ask, self._envelope(where, ask.model), faults)
        script = self._answer(received)
        for fault in faults:
            script = rewritten(script, fault, wire, received.envelope)
            script = replace(
                script,
                latency_ms=script.latency_ms + fault.latency_ms,
                per_token_ms=script.per_token_ms + fault.per_token_ms,
            )
        return script

    def _envelope(self, where: Route, model: str) -> Envelope:
        now = self._clock()
        digest = blake2b(f"{self._received}\n{model}".encode(errors="surrogatepass"), digest_size=12)
        provider = where.provider if where.certain and where.provider else where.wire
        return Envelope(f"{digest.hexdigest()}{self._received:06d}", model, provider, now)

    def _answer(self, received: _Received) -> Script:
        """The script of the answer, or of what stands in its place."""
        wire, ask, envelope = received.wire, received.ask, received.envelope
        for fault in received.faults:
            if instead := _instead(fault, received):
                return instead
        if received.route.operation is Operation.EMBED:
            return embedding.answered(ask, received.route.wire, wire.headers(envelope, None))
        spec = self._catalogue.find(
            ask.model, wire=received.route.wire, provider=received.route.provider, certain=received.route.certain
        )
        if spec is None:
            complaint = Complaint(Problem.NOT_FOUND, ask.model)
            return of_error(wire.error(complaint, envelope), wire.headers(envelope, None))
        envelope = replace(envelope, provider=spec.provider)
        try:
            check_limits(ask, spec, received.route.wire)
        except Rejected as rejected:
            limits = self._meter.take(spec, 0, envelope.now)
            return of_error(wire.error(rejected.complaint, envelope), wire.headers(envelope, limits))
        return self._reply(replace(received, envelope=envelope), spec)

    def _reply(self, received: _Received, spec: ModelSpec) -> Script:
        wire, ask, envelope = received.wire, received.ask, received.envelope
        name = f"{spec.provider}/{spec.id}"
        if ask.blocks is None:
            cached, written = self._cache.admit(name, ask.prompt_text), 0
        else:
            cached, written = self._cache.admit_marked(name, ask.blocks)
        reply: Reply = generate(compose(ask, spec), ask, spec, cached_tokens=cached, written_tokens=written)
        for fault in received.faults:
            reply = altered(reply, fault)
        limits = self._meter.take(spec, input_tokens(ask, spec) + reply.usage.output_tokens, envelope.now)
        headers = wire.headers(envelope, limits)
        if ask.stream:
            kind = _STREAM if ask.sse else _JSON
            frames = tuple(wire.frames(reply, ask, envelope))
            return Script(200, (*kind, *headers), frames, reply.usage, streamed=True)
        body = Frame(encode(wire.body(reply, ask, envelope)), reply.usage.output_tokens, Stage.TEXT)
        return Script(200, (*_JSON, *headers), (body,), reply.usage)


def create_app(
    models: Iterable[ModelSpec],
    scenario: Scenario | None = None,
    *,
    more: Mapping[str, ModelSpec] = MappingProxyType({}),
    clock: Clock = system_clock,
    sleep: Sleep = asyncio.sleep,
    folder: Path | None = None,
) -> App:
    """A simulator of these models, and of `more` by PROVIDER/ID, which it does not list. `clock` gives the present time
    with a time zone; `sleep` waits for seconds; in `folder`, if there is one, batches outlive the process."""
    return App(Catalogue(models, more), scenario or Scenario(), clock, sleep, folder)


def _json(body: bytes) -> Json:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        raise Rejected(Problem.BAD_REQUEST, "We could not parse the JSON body of your request.") from None
    if not isinstance(parsed, dict):
        raise Rejected(Problem.BAD_REQUEST, "The JSON body of your request is not an object.")
    return parsed


def _instead(fault: Fault, received: _Received) -> Script | None:
    """The reply that a fault puts in the place of an answer, if it is of that kind."""
    wire, ask, envelope = received.wire, received.ask, received.envelope
    headers = wire.headers(envelope, None)
    if fault.kind is FaultKind.REDIRECT:
        return Script(307, (*headers, ("location", fault.location)), ())
    if fault.kind not in _PROBLEMS or (fault.kind is FaultKind.ERROR_IN_STREAM and ask.stream):
        return None
    complaint = Complaint(_PROBLEMS[fault.kind], ask.model, fault.status, fault.retry_after_s)
    if fault.kind is FaultKind.ERROR_IN_200:
        if ask.stream and ask.sse:
            frame = Frame(wire.error_frame(complaint, envelope), 0, Stage.TEXT)
            return Script(200, (*_STREAM, *headers), (frame,))
        return replace(of_error(wire.error(complaint, envelope), headers), status=200)
    if received.route.wire != "google":
        headers = (*headers, *_retry_after(fault, envelope.now))
    script = of_error(wire.error(complaint, envelope), headers)
    if fault.html:
        page = Frame(_HTML % (script.status, script.status), 0, Stage.TEXT)
        return replace(script, headers=(*headers, ("content-type", "text/html")), frames=(page,))
    return script


def _retry_after(fault: Fault, now: datetime) -> Headers:
    seconds = fault.retry_after_s
    if seconds is None:
        return ()
    match fault.retry_after_form:
        case RetryAfterForm.MILLISECONDS:
            return (("retry-after-ms", plain(seconds * 1000)),)
        case RetryAfterForm.DATE:
            when = (now + timedelta(seconds=seconds)).astimezone(UTC)
            return (("retry-after", format_datetime(when, usegmt=True)),)
        case RetryAfterForm.SECONDS:
            return (("retry-after", plain(seconds)),)
