"""The server as clients see it, in this process: requests over ASGI, and the SDKs over the same app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from scripted import Script, Stage

from orchestrator.config import load_settings
from orchestrator.ledger.store import Ledger
from orchestrator.run.engine import Engine
from orchestrator.serve.gate import Gate
from orchestrator.serve.server import Serving, gate_for

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
ADDRESS = "http://127.0.0.1:4141"
NEVER_S = 3600.0  # between signs of life


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    chunks: list[bytes] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of each server-sent event; a comment as itself."""
        found: list[Any] = []
        for block in self.body.decode().split("\n\n"):
            for line in block.splitlines():
                if line.startswith(":"):
                    found.append(line)
                elif line.startswith("data: "):
                    data = line.removeprefix("data: ")
                    found.append(data if data == "[DONE]" else json.loads(data))
        return found

    @property
    def text(self) -> str:
        """The text of a stream of any of the three APIs."""
        pieces = []
        for event in self.events:
            if isinstance(event, dict):
                pieces += [choice["delta"].get("content") or "" for choice in event.get("choices", ())]
                if event.get("type") == "response.output_text.delta":
                    pieces.append(event["delta"])
                if event.get("type") == "content_block_delta":
                    pieces.append(event["delta"].get("text", ""))
        return "".join(pieces)


@dataclass
class Served:
    gate: Gate
    ledger: Ledger
    log: list[dict[str, Any]]
    trouble: list[str]

    async def post(self, path: str, body: Any, *, leaves_after: int | None = None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.request("POST", path, data, headers, leaves_after)

    def waits_for_a_model(self) -> bool:
        asking = "SELECT EXISTS (SELECT * FROM calls WHERE status = 'sent')"
        return bool(self.ledger.read(lambda db: db.execute(asking).fetchone()[0]))

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.request("GET", path, b"", headers)

    async def request(
        self, method: str, path: str, data: bytes, headers: Mapping[str, str], leaves_after: int | None = None
    ) -> Answer:
        """`leaves_after` so many pieces of the reply, the client closes the connection; 0: while it waits."""
        named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        sent = {"host": "127.0.0.1:4141", "content-length": str(len(data))} | named
        scope = {
            "type": "http", "method": method, "path": path, "query_string": b"", "client": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        }  # fmt: skip
        gone, arrived = asyncio.Event(), [{"type": "http.request", "body": data, "more_body": False}]
        answer = Answer(0, {}, b"")

        async def receive() -> Any:
            if arrived:
                return arrived.pop()
            if leaves_after == 0:
                while not self.waits_for_a_model():  # noqa: ASYNC110  # the ledger has no event to wait for
                    await asyncio.sleep(0)
                gone.set()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            elif message["body"]:
                answer.chunks.append(message["body"])
                if leaves_after is not None and len(answer.chunks) >= leaves_after:
                    gone.set()

        await self.gate(scope, receive, send)
        answer.body = b"".join(answer.chunks)
        return answer

    def http(self) -> httpx2.AsyncClient:
        """A client for an SDK."""
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.gate))


@asynccontextmanager
async def served(engine: Engine, tracing: Any = None, **options: Any) -> AsyncIterator[Served]:
    """The server over an engine. `options` are those of `Serving`."""
    serving = Serving(**{"every_s": NEVER_S, **options})
    log: list[dict[str, Any]] = []
    trouble: list[str] = []
    with Ledger.open(engine.settings.ledger) as ledger:
        async with engine:
            gate = gate_for(engine, ledger, serving, log=log.append, trouble=trouble.append, tracing=tracing)
            try:
                yield Served(gate, ledger, log, trouble)
            finally:
                await gate.settled()


def scripted(folder: Path, **acts: Any) -> Engine:
    """An engine whose models, by provider id with _ for - and ., do what is written."""
    return Stage(folder, Script({name: act if isinstance(act, list) else [act] for name, act in acts.items()})).engine()


def simulated(folder: Path) -> Engine:
    return Engine(load_settings({}, ledger=folder / "ledger.db", simulate=True))
