"""What speaks to the provider `echo`: it answers with the prompt."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from orchestrator.plugin_api import (
    Capabilities,
    Completion,
    Endpoint,
    FinishReason,
    Health,
    RateLimitStatus,
    Request,
    StreamEvent,
    Usage,
)


def connect(target: Endpoint, transport: Any) -> EchoProvider:
    """A connection. Another adapter would make its client here, over `transport` where there is one."""
    return EchoProvider(target.provider)


class EchoProvider:
    """Repeats the last message. A word is a token."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def complete(self, request: Request) -> Completion:
        words = request.messages[-1].content.split()
        said = words[: request.max_tokens]
        finish = FinishReason.STOP if len(said) == len(words) else FinishReason.LENGTH
        usage = Usage(input_tokens=len(words), output_tokens=len(said))
        return Completion(" ".join(said), finish, usage, latency_ms=0, model=request.model)

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        completion = await self.complete(request)
        yield completion.text
        yield completion

    def capabilities(self) -> Capabilities:
        return Capabilities(streaming=True, tools=False, json_schema=False, logprobs=False, stop=False)

    async def health_check(self) -> Health:
        return Health(ok=True, latency_ms=0, detail="runs in this process")

    def rate_limit_status(self) -> RateLimitStatus:
        return RateLimitStatus()

    async def aclose(self) -> None:
        """There is nothing to close."""
