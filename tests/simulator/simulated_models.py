"""Models, scenarios and clients that the simulator's tests share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2

from orchestrator.registry.model import ModelSpec, RateLimits, Scores
from orchestrator.simulator.app import App, create_app
from orchestrator.simulator.scenario import Fault, FaultKind, Rule, Scenario, When, WireName
from orchestrator.simulator.transport import SimulatorTransport
from orchestrator.types import Level

NOW = datetime(2026, 11, 21, 12, 0, 30, 250_000, tzinfo=UTC)


def model(
    model_id: str,
    provider: str,
    *,
    levels: int = 2,
    score: float = 0.5,
    window: int = 128_000,
    tags: frozenset[str] = frozenset(),
) -> ModelSpec:
    return ModelSpec(
        name=model_id,
        provider=provider,
        id=model_id,
        prices=(),
        context_window=window,
        output_limit=8_192,
        levels=tuple(Level)[:levels],
        scores=Scores(score, score, score, score),
        limits=RateLimits(rpm=100, tpm=50_000, rpd=1_000),
        supports=frozenset({"tools", "logprobs", "streaming", "json", "vision"}),
        tags=tags,
    )


WEAK, MID, STRONG = (
    model("gpt-4o-mini", "openai"),
    model("claude-mid", "anthropic", levels=3),
    model("claude-top", "anthropic", levels=4, score=0.9),
)
MODELS = (
    WEAK,
    MID,
    STRONG,
    model("gpt-5", "openai", levels=4, score=0.9),
    model("gemini-2.0-flash", "google"),
    model("gemini-2.5-pro", "google", levels=4, score=0.9),
    model("llama-3.3-70b", "cerebras"),
    model("deepseek-chat", "deepseek"),
    model("meta/llama", "openrouter"),
    model("local", "vllm"),
)
MODEL_OF = {"anthropic": "claude-mid", "openai": "gpt-4o-mini", "google": "gemini-2.0-flash"}
WIRES = tuple(MODEL_OF)

PATHS = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}


def scenario(kind: FaultKind, *, when: When | None = None, wire: WireName | None = None, **parameters: Any) -> Scenario:
    """A scenario of one fault for every model."""
    return Scenario((Rule(Fault(kind, **parameters), wire=wire, when=when or When()),))


def simulator(plan: Scenario | None = None, **options: Any) -> App:
    return create_app(MODELS, plan, clock=lambda: NOW, **options)


def http(app: App, **options: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=SimulatorTransport(app), base_url="http://simulator", **options)


def request(wire: str, prompt: str = "What is 2+2?", *, stream: bool = False, **extra: Any) -> dict[str, Any]:
    """Keyword arguments for `client.post` or `client.stream('POST', ...)`: one prompt in the form of a wire."""
    if wire == "google":
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        url = f"/v1/models/{extra.pop('model', MODEL_OF[wire])}:{verb}"
        return {"url": url, "json": {"contents": [{"role": "user", "parts": [{"text": prompt}]}]} | extra}
    body = {"model": MODEL_OF[wire], "messages": [{"role": "user", "content": prompt}], "stream": stream}
    if wire == "anthropic":
        body["max_tokens"] = 1_000
    return {"url": PATHS[wire], "json": body | extra}


def text_of(wire: str, body: Mapping[str, Any]) -> str:
    if wire == "anthropic":
        return "".join(block["text"] for block in body["content"])
    if wire == "openai":
        return str(body["choices"][0]["message"]["content"])
    return "".join(part.get("text", "") for part in body["candidates"][0]["content"].get("parts", ()))


def entry(app: App, index: int = -1) -> dict[str, Any]:
    """What the journal says of a request, without the time."""
    listed: dict[str, Any] = app.journal.as_json()["requests"][index]
    return {key: value for key, value in listed.items() if key != "at"}
