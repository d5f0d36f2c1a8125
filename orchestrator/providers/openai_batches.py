"""OpenAI's Batch API: https://platform.openai.com/docs/guides/batch

A file of requests is uploaded and named in a batch; results and errors come in a file each.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Final

from ..types import Request
from .batches import BatchItem, BatchLimits, BatchResult, BatchState, BatchStatus, BrokenLineError, Ending
from .failures import error_for, read_signal
from .openai import chat_parameters
from .payload import body_text
from .reply import dig, items_at, text_at
from .reporting import decode
from .sdk import SdkProvider
from .sdk_batches import FILE_TIMEOUT_S, SdkBatches, as_mapping, identified, moment, number

if TYPE_CHECKING:
    import openai

    from ..errors import ProviderError

_PAGE = 100
_URL: Final = "/v1/chat/completions"
_MARK = "orch"  # the key of our mark in the metadata
_STATES: Mapping[str, BatchState] = {
    "cancelling": BatchState.CANCELLING,
    **dict.fromkeys(("completed", "expired", "cancelled"), BatchState.ENDED),
    "failed": BatchState.FAILED,
}
_ENDINGS: Mapping[str, Ending] = {
    "batch_expired": Ending.EXPIRED,
    "batch_cancelled": Ending.CANCELLED,
    "batch_canceled": Ending.CANCELLED,
}

_RESTS: Mapping[str, Ending] = {"expired": Ending.EXPIRED, "cancelled": Ending.CANCELLED}


def connect(provider: SdkProvider, client: openai.AsyncOpenAI) -> OpenAIBatches:
    """The batch API over an adapter and its SDK's client."""
    return OpenAIBatches(provider, client)


class OpenAIBatches(SdkBatches):
    """The batches of OpenAI's Chat Completions API."""

    limits = BatchLimits(requests=50_000, bytes=200_000_000)

    def __init__(self, provider: SdkProvider, client: openai.AsyncOpenAI) -> None:
        super().__init__(provider)
        self._client = client

    def body(self, request: Request) -> str:
        """As `BatchClient.body`."""
        return body_text(chat_parameters(request, self._provider.name))

    async def submit(self, model: str, mark: str, items: Sequence[BatchItem]) -> BatchStatus:
        """As `BatchClient.submit`."""
        with TemporaryFile() as file:
            for item in items:
                line = (
                    f'{{"custom_id":{json.dumps(item.custom_id)},"method":"POST","url":"{_URL}","body":{item.body}}}\n'
                )
                file.write(line.encode())
            file.seek(0)
            async with self._uploading(f"{model} batch") as exchange:
                with exchange.recording():
                    await self._client.files.with_raw_response.create(
                        file=(f"orch-{mark}.jsonl", file), purpose="batch", timeout=FILE_TIMEOUT_S
                    )
                file_id = text_at(decode(exchange), "id")
        async with self._asking(f"{model} batch") as exchange:
            with exchange.recording():
                await self._client.batches.with_raw_response.create(
                    input_file_id=file_id, endpoint=_URL, completion_window="24h", metadata={_MARK: mark}
                )
            return self._parsed(decode(exchange))

    async def status(self, batch_id: str) -> BatchStatus:
        """As `BatchClient.status`."""
        async with self._asking(batch_id) as exchange:
            with exchange.recording():
                await self._client.batches.with_raw_response.retrieve(batch_id)
            return self._parsed(decode(exchange))

    async def cancel(self, batch_id: str) -> None:
        """As `BatchClient.cancel`."""
        async with self._asking(batch_id) as exchange:
            with exchange.recording():
                await self._client.batches.with_raw_response.cancel(batch_id)

    async def results(self, status: BatchStatus) -> AsyncGenerator[BatchResult | BrokenLineError, None]:
        """As `BatchClient.results`."""
        for file_id in status.results:
            async with self._asking(status.id, FILE_TIMEOUT_S, is_file=True) as exchange:
                with exchange.recording():
                    opened = self._client.files.with_streaming_response.content(file_id, timeout=FILE_TIMEOUT_S)
                    response = await opened.__aenter__()
                async with aclosing(self._read_lines(response.iter_lines())) as found:
                    async for result in found:
                        yield result

    async def _page(self, after: str | None) -> tuple[Sequence[object], str | None]:
        async with self._asking("batches") as exchange:
            with exchange.recording():
                more: Any = {} if after is None else {"after": after}
                await self._client.batches.with_raw_response.list(limit=_PAGE, **more)
            listed = decode(exchange)
        found = items_at(listed, "data")
        return found, text_at(found[-1], "id") if found and dig(listed, "has_more") is True else None

    def _parsed(self, body: object) -> BatchStatus:
        ends = ("completed_at", "failed_at", "expired_at", "cancelled_at")
        done = (number(body, "request_counts", "completed") or 0) + (number(body, "request_counts", "failed") or 0)
        state = _STATES.get(text_at(body, "status"), BatchState.IN_PROGRESS)
        files = (text_at(body, "output_file_id"), text_at(body, "error_file_id"))
        return BatchStatus(
            id=text_at(body, "id"),
            state=state,
            mark=text_at(body, "metadata", _MARK) or "",  # one without is not ours
            created_at=moment(dig(body, "created_at")),
            ended_at=next((when for end in ends if (when := moment(dig(body, end))) is not None), None),
            expires_at=moment(dig(body, "expires_at")),
            requests=number(body, "request_counts", "total") or None,
            done=done,
            results=tuple(filter(None, files)),
            failure=self._failure(body) if state is BatchState.FAILED else None,
            rest=_RESTS.get(text_at(body, "status")),
        )

    def _failure(self, body: object) -> ProviderError:
        errors = items_at(body, "errors", "data")
        first = as_mapping(errors[0]) if errors else {}
        limited = "limit" in text_at(first, "code")  # enqueued tokens: there is room when other batches have ended
        signal = read_signal({"error": first}, status=429 if limited else 400, headers={}, now=datetime.now(UTC))
        return error_for(signal, self._source(text_at(body, "model") or text_at(body, "id")))

    def _result(self, line: object) -> BatchResult:
        custom_id = identified(line, "custom_id")
        status, body = number(line, "response", "status_code"), dig(line, "response", "body")
        if status is not None and body is not None:
            return BatchResult(custom_id, status=status, body=body)
        error = dig(line, "error")
        if ending := _ENDINGS.get(text_at(error, "code")):
            return BatchResult(custom_id, ending)
        if not isinstance(error, dict):
            raise BrokenLineError("neither a response nor an error")
        return BatchResult(custom_id, status=500, body={"error": error})
