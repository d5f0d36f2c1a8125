"""The contract of a provider, and what every adapter shares.

An adapter turns one `Request` into one `Completion`, over the provider's own SDK, with the SDK's retries off. It
raises only `orchestrator.errors.ProviderError`s, never one of the SDK's exceptions, and keeps no state but its
connection. Retrying, limiting, pricing and recording are not its business: `orchestrator.calling` does those.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Protocol

from ..deferred import dataclass
from ..types import Completion, Request, Usage


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is reached. `base_url` None is the SDK's own default; `api_key` None is no key."""

    provider: str
    base_url: str | None
    api_key: str | None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can pass on; whether a given model honours it is in the registry."""

    streaming: bool
    tools: bool
    json_schema: bool
    logprobs: bool
    stop: bool


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an endpoint answers, checked without spending: it lists models or fails trying.

    `server_time` is what the reply's Date header says, to the second.
    """

    ok: bool
    latency_ms: int
    detail: str
    server_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """What the last reply's headers said of the limits. None where the provider does not say."""

    requests_limit: int | None = None
    requests_remaining: int | None = None
    requests_reset: datetime | None = None
    tokens_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_reset: datetime | None = None


# What a stream yields: pieces of text as they arrive, usage as soon as the provider reports any (cumulative; the last
# one counts), and at the end exactly one Completion.
StreamEvent = str | Usage | Completion


class Provider(Protocol):
    """One connection to one provider. `complete` and `stream` raise only ProviderErrors."""

    @property
    def name(self) -> str: ...

    async def complete(self, request: Request) -> Completion: ...

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]: ...

    def capabilities(self) -> Capabilities: ...

    async def health_check(self) -> Health: ...

    def rate_limit_status(self) -> RateLimitStatus: ...

    async def aclose(self) -> None: ...
