"""What the batch APIs share, over the SDK's client of the live adapter: errors, replies, and how results are read."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from ..deferred import replace
from ..errors import ConnectionFailedError, OutcomeUnknownError
from ..types import Completion, Usage
from .batches import Asked, BatchResult, BatchStatus, BrokenLineError, Ending, LineReader, ended_early
from .failures import Source, error_for, read_signal
from .http import Exchange
from .incoming import LISTED, most_characters_of
from .reply import Draft, ErrorInReply, dig, text_at
from .sdk import SdkProvider

ASK_TIMEOUT_S = 60.0
FILE_TIMEOUT_S = 3_600.0  # for what is as large as a batch
_FILE = 4 << 30  # bytes of results at most
BY_BATCH = {"service_tier": "batch"}  # what a usage object says of its price: `billing` takes the batch's


class SdkBatches(LineReader):
    """A BatchClient over the adapter of the same provider."""

    def __init__(self, provider: SdkProvider) -> None:
        self._provider = provider

    @abstractmethod
    def _parsed(self, body: object) -> BatchStatus:
        """A submission out of the decoded reply that describes it."""

    @abstractmethod
    async def _page(self, after: str | None) -> tuple[Sequence[object], str | None]:
        """A page of the submissions that the provider lists, the latest first, and where the next one begins."""

    @asynccontextmanager
    async def _asking(
        self, what: str, timeout_s: float = ASK_TIMEOUT_S, *, is_file: bool = False
    ) -> AsyncGenerator[Exchange, None]:
        """Inside, the SDK is used; its errors become ours. The exchange is the latest of those made inside."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        exchange = Exchange(_FILE if is_file else LISTED, deadline, is_file=is_file)
        try:
            with self._provider.reporting(self._source(what), exchange):
                async with asyncio.timeout_at(deadline):
                    yield exchange
        finally:
            await exchange.aclose()

    @asynccontextmanager
    async def _uploading(self, what: str) -> AsyncGenerator[Exchange, None]:
        """As `_asking`. Of a file alone nothing is carried out, so nothing is billed whatever became of it."""
        try:
            async with self._asking(what, FILE_TIMEOUT_S) as exchange:
                yield exchange
        except OutcomeUnknownError as error:
            raise ConnectionFailedError(
                error.message.replace(", and it may have been billed", ""), provider=error.provider, model=error.model
            ) from error

    def _source(self, model: str) -> Source:
        return self._provider.source(model)

    async def find(self, mark: str, requests: int, since: datetime) -> Sequence[BatchStatus]:
        """As `BatchClient.find`."""
        likely: list[BatchStatus] = []
        after: str | None = None
        while True:
            found, after = await self._page(after)
            for status in map(self._parsed, found):
                if status.mark == mark:
                    return [status]
                recent = status.created_at is None or status.created_at >= since
                if recent and status.mark is None and status.requests in (None, requests):
                    likely.append(status)
                if not recent:
                    return likely
            if after is None or not found:
                return likely

    def read(self, result: BatchResult, asked: Asked) -> Completion:
        """As `BatchClient.read`."""
        source = self._source(asked.model)
        if result.ending is not Ending.REPLIED:
            raise ended_early(source.provider, source.model, result.ending)
        draft = Draft(source, lambda: 0.0, most_characters_of(asked.max_tokens), whole=True)
        now = datetime.now(UTC)
        if not 200 <= result.status < 300:
            raise error_for(read_signal(result.body, status=result.status, headers={}, now=now), source)
        try:
            for _ in self._provider.read_into(result.body, draft):
                pass
        except ErrorInReply as error:
            raise error_for(read_signal(error.body, status=None, headers={}, now=now), source) from error
        for _ in draft.finish_text():
            pass
        draft.first = None
        draft.usage = _by_batch(draft.usage)
        return draft.deliver(streamed=False)


def _by_batch(usage: Usage | None) -> Usage | None:
    return None if usage is None else replace(usage, raw={**usage.raw, **BY_BATCH})


def number(body: object, *path: str) -> int | None:
    """The whole number at a path, or None."""
    value = dig(body, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment(value: object) -> datetime | None:
    """A time as an API has it: seconds since 1970, or RFC 3339; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


def identified(line: object, *path: str) -> str:
    """The id of ours that a line of results carries. Raises BrokenLineError."""
    if not (custom_id := text_at(line, *path)):
        raise BrokenLineError("no id")
    return custom_id


def as_mapping(value: object) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}
