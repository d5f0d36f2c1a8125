"""Anthropic's Message Batches: https://docs.anthropic.com/en/docs/build-with-claude/batch-processing

A batch has no name of ours: whether one whose id was never received is there is told by its results.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from ..types import Request
from .anthropic import parameters
from .batches import BatchItem, BatchLimits, BatchResult, BatchState, BatchStatus, BrokenLineError, Ending
from .payload import body_text
from .reply import dig, items_at, text_at
from .reporting import decode
from .sdk import SdkProvider
from .sdk_batches import FILE_TIMEOUT_S, SdkBatches, identified, moment, number

if TYPE_CHECKING:
    import anthropic


_PAGE = 100
_STATES: Mapping[str, BatchState] = {
    "in_progress": BatchState.IN_PROGRESS,
    "canceling": BatchState.CANCELLING,
    "ended": BatchState.ENDED,
}
_ENDINGS: Mapping[str, Ending] = {"expired": Ending.EXPIRED, "canceled": Ending.CANCELLED}


def connect(provider: SdkProvider, client: anthropic.AsyncAnthropic) -> AnthropicBatches:
    """The batch API over an adapter and its SDK's client."""
    return AnthropicBatches(provider, client)


class AnthropicBatches(SdkBatches):
    """The batches of Anthropic's Messages API."""

    limits = BatchLimits(requests=100_000, bytes=256_000_000)

    def __init__(self, provider: SdkProvider, client: anthropic.AsyncAnthropic) -> None:
        super().__init__(provider)
        self._batches = client.messages.batches

    def body(self, request: Request) -> str:
        """As `BatchClient.body`."""
        return body_text(parameters(request))

    async def submit(self, model: str, mark: str, items: Sequence[BatchItem]) -> BatchStatus:
        """As `BatchClient.submit`."""
        requests: Any = [{"custom_id": item.custom_id, "params": json.loads(item.body)} for item in items]
        async with self._asking(f"{model} batch", FILE_TIMEOUT_S) as exchange:
            with exchange.recording():
                await self._batches.with_raw_response.create(requests=requests, timeout=FILE_TIMEOUT_S)
            return self._parsed(decode(exchange))

    async def status(self, batch_id: str) -> BatchStatus:
        """As `BatchClient.status`."""
        async with self._asking(batch_id) as exchange:
            with exchange.recording():
                await self._batches.with_raw_response.retrieve(batch_id)
            return self._parsed(decode(exchange))

    async def cancel(self, batch_id: str) -> None:
        """As `BatchClient.cancel`."""
        async with self._asking(batch_id) as exchange:
            with exchange.recording():
                await self._batches.with_raw_response.cancel(batch_id)

    async def results(self, status: BatchStatus) -> AsyncGenerator[BatchResult | BrokenLineError, None]:
        """As `BatchClient.results`."""
        async with self._asking(status.id, FILE_TIMEOUT_S, is_file=True) as exchange:
            with exchange.recording():
                opened = self._batches.with_streaming_response.results(status.id, timeout=FILE_TIMEOUT_S)
                response: _HasLines = await opened.__aenter__()
            async with aclosing(self._read_lines(response.iter_lines())) as found:
                async for result in found:
                    yield result

    async def _page(self, after: str | None) -> tuple[Sequence[object], str | None]:
        async with self._asking("batches") as exchange:
            with exchange.recording():
                more: Any = {} if after is None else {"after_id": after}
                await self._batches.with_raw_response.list(limit=_PAGE, **more)
            listed = decode(exchange)
        return items_at(listed, "data"), text_at(listed, "last_id") if dig(listed, "has_more") is True else None

    def _parsed(self, body: object) -> BatchStatus:
        counts = {
            name: number(body, "request_counts", name) or 0
            for name in ("processing", "succeeded", "errored", "canceled", "expired")
        }
        total = sum(counts.values())
        return BatchStatus(
            id=text_at(body, "id"),
            state=_STATES.get(text_at(body, "processing_status"), BatchState.IN_PROGRESS),
            created_at=moment(dig(body, "created_at")),
            ended_at=moment(dig(body, "ended_at")),
            expires_at=moment(dig(body, "expires_at")),
            requests=total or None,
            done=total - counts["processing"],
        )

    def _result(self, line: object) -> BatchResult:
        custom_id, kind = identified(line, "custom_id"), text_at(line, "result", "type")
        if kind in _ENDINGS:
            return BatchResult(custom_id, _ENDINGS[kind])
        if kind == "errored":
            error = dig(line, "result", "error")
            return BatchResult(custom_id, status=_status_of(error), body=error)
        if kind != "succeeded":
            raise BrokenLineError(kind)
        return BatchResult(custom_id, body=dig(line, "result", "message"))


class _HasLines(Protocol):
    def iter_lines(self) -> AsyncIterator[str]: ...


# A line has the error's type alone: https://docs.anthropic.com/en/api/errors
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def _status_of(error: object) -> int:
    return _STATUSES.get(text_at(error, "error", "type") or text_at(error, "type"), 500)
