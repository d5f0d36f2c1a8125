"""The contract of a provider, and what every adapter shares.

An adapter turns one `Request` into one `Completion`, over the provider's own SDK, with the SDK's retries off. It
raises only `orchestrator.errors.ProviderError`s, never one of the SDK's exceptions, and keeps no state but its
connection. Retrying, limiting, pricing and recording are not its business: `orchestrator.run.call` does those.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from ..deferred import dataclass
from ..types import Completion, Request, Thought, Usage

if TYPE_CHECKING:
    import httpx2


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


@dataclass(frozen=True, slots=True)
class AtWork:
    """The model is working on something that is not passed on yet: it thinks, or writes a tool call."""


# What a stream yields: pieces of the answer and of thoughts as they arrive, usage as soon as the provider reports any
# (cumulative; the last one counts), signs that the model is at work on something else, and at the end exactly one
# Completion.
Piece = str | Thought | Usage
StreamEvent = Piece | AtWork | Completion


class Provider(Protocol):
    """One connection to one provider. `complete` and `stream` raise only ProviderErrors, each with its `provider`, and
    with `billed` where it is not what the error usually means.

    It never retries, and gives up after `request.timeout_s` seconds. Used from one event loop, by many calls at a time.
    """

    @property
    def name(self) -> str:
        """The provider's name, as in models.yaml."""

    async def complete(self, request: Request) -> Completion:
        """The whole reply, with its text as the model wrote it and tokens in the convention of `Usage`."""

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        """The reply as it comes; its last event is the Completion of all of it. One that breaks off after some text
        raises IncompleteError with that text as `partial`."""

    async def count_input(self, request: Request) -> int | None:
        """The tokens of a request's input as the provider counts them, without having it answered; None where it has no
        way to ask. It costs nothing."""

    def capabilities(self) -> Capabilities:
        """What can be passed on."""

    async def health_check(self) -> Health:
        """Whether the endpoint answers, without spending. Raises nothing."""

    def rate_limit_status(self) -> RateLimitStatus:
        """What the latest reply said of the limits."""

    async def aclose(self) -> None:
        """Close the connection. Raises nothing."""


class Adapter(Protocol):
    """The module that speaks to a provider: `ProviderInfo.module`."""

    def connect(self, target: Endpoint, transport: httpx2.AsyncBaseTransport | None, /) -> Provider:
        """A connection; sends nothing yet. With a `transport`, requests go there and not into the network.

        Raises ConfigError for a base URL that is no address, AuthenticationError for a key that cannot be used.
        """
