"""The batches of Google's Gemini API: https://ai.google.dev/gemini-api/docs/batch-api

Few and small requests stand in the submission itself, as do their results; others are in a file that is uploaded.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, cast

from google.genai import types
from pydantic import ValidationError

from ..types import Request
from .batches import BatchItem, BatchLimits, BatchResult, BatchState, BatchStatus, BrokenLineError, Ending
from .failures import error_for, read_signal
from .google import body_of, resource
from .payload import body_text
from .reply import dig, items_at, text_at
from .reporting import decode
from .sdk import SdkProvider
from .sdk_batches import FILE_TIMEOUT_S, SdkBatches, as_mapping, identified, moment, number

if TYPE_CHECKING:
    from google import genai


_PAGE = 100
_INLINE_REQUESTS, _INLINE_BYTES = 100, 1 << 20  # in the submission itself; the API takes up to 20 MB
_KEY = "key"
_STATES: Mapping[str, BatchState] = {
    "CANCELLING": BatchState.CANCELLING,
    **dict.fromkeys(("SUCCEEDED", "PARTIALLY_SUCCEEDED", "CANCELLED", "EXPIRED"), BatchState.ENDED),
    "FAILED": BatchState.FAILED,
}
_RESTS: Mapping[str, Ending] = {"EXPIRED": Ending.EXPIRED, "CANCELLED": Ending.CANCELLED}
# google.rpc.Code, which is what a line has in the place of a status: https://cloud.google.com/apis/design/errors
_STATUSES: Mapping[int, int] = {
    1: 499,
    2: 500,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    11: 400,
    12: 501,
    13: 500,
    14: 503,
    15: 500,
    16: 401,
}


def connect(provider: SdkProvider, client: genai.Client) -> GoogleBatches:
    """The batch API over an adapter and its SDK's client."""
    return GoogleBatches(provider, client)


class GoogleBatches(SdkBatches):
    """The batches of Google's Gemini API."""

    limits = BatchLimits(requests=100_000, bytes=2_000_000_000)

    def __init__(self, provider: SdkProvider, client: genai.Client) -> None:
        super().__init__(provider)
        self._client = client.aio

    def body(self, request: Request) -> str:
        """As `BatchClient.body`."""
        return body_text(body_of(request))

    async def submit(self, model: str, mark: str, items: Sequence[BatchItem]) -> BatchStatus:
        """As `BatchClient.submit`."""
        if len(items) <= _INLINE_REQUESTS and sum(len(item.body) for item in items) <= _INLINE_BYTES:
            source = types.BatchJobSource(inlined_requests=[_inlined(model, item) for item in items])
        else:
            source = types.BatchJobSource(file_name=await self._uploaded(model, mark, items))
        async with self._asking(f"{model} batch") as exchange:
            with exchange.recording():
                await self._client.batches.create(
                    model=resource(model), src=source, config=types.CreateBatchJobConfig(display_name=mark)
                )
            return self._parsed(decode(exchange))

    async def _uploaded(self, model: str, mark: str, items: Sequence[BatchItem]) -> str:
        """The name of the file that the requests are in."""
        with TemporaryFile() as file:
            for item in items:
                file.write(f'{{"{_KEY}":{json.dumps(item.custom_id)},"request":{item.body}}}\n'.encode())
            file.seek(0)
            async with self._uploading(f"{model} batch") as exchange:
                with exchange.recording():
                    config = types.UploadFileConfig(mime_type="application/jsonl", display_name=f"orch-{mark}")
                    uploaded = await self._client.files.upload(file=cast("Any", file), config=config)
        return str(uploaded.name)

    async def status(self, batch_id: str) -> BatchStatus:
        """As `BatchClient.status`."""
        return self._parsed(await self._described(batch_id))

    async def _described(self, batch_id: str) -> object:
        """What is said of a batch. The SDK fails at errors with details, which are read here without it."""
        async with self._asking(batch_id, FILE_TIMEOUT_S, is_file=True) as exchange:
            with exchange.recording(), suppress(ValidationError):
                await self._client.batches.get(name=batch_id)
            return decode(exchange)

    async def cancel(self, batch_id: str) -> None:
        """As `BatchClient.cancel`."""
        async with self._asking(batch_id) as exchange:
            with exchange.recording():
                await self._client.batches.cancel(name=batch_id)

    async def results(self, status: BatchStatus) -> AsyncGenerator[BatchResult | BrokenLineError, None]:
        """As `BatchClient.results`."""
        if not status.results:
            described = _facts(await self._described(status.id))
            for line in items_at(described, "output", "inlinedResponses", "inlinedResponses"):
                try:
                    yield self._result(line)
                except BrokenLineError as broken:
                    yield broken
            return
        for name in status.results:
            with TemporaryFile() as file:
                async with self._asking(status.id, FILE_TIMEOUT_S, is_file=True) as exchange:
                    with exchange.recording():
                        await self._client.files.download(file=name, destination=cast("Any", file))
                file.seek(0)
                async with aclosing(self._read_lines(_lines(file))) as found:
                    async for result in found:
                        yield result

    async def _page(self, after: str | None) -> tuple[Sequence[object], str | None]:
        async with self._asking("batches", is_file=True) as exchange:
            with exchange.recording(), suppress(ValidationError):
                await self._client.batches.list(config=types.ListBatchJobsConfig(page_size=_PAGE, page_token=after))
            listed = decode(exchange)
        return items_at(listed, "operations"), text_at(listed, "nextPageToken") or None

    def _parsed(self, body: object) -> BatchStatus:
        facts = _facts(body)
        word = text_at(facts, "state").removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
        state = _STATES.get(word, BatchState.IN_PROGRESS)
        failure = None
        if state is BatchState.FAILED:
            error = dig(body, "error")
            signal = read_signal({"error": error}, status=_status_of(error), headers={}, now=datetime.now(UTC))
            failure = error_for(signal, self._source(text_at(facts, "model").removeprefix("models/")))
        output = text_at(facts, "output", "responsesFile")
        counts = {name: _count(facts, name) for name in ("requestCount", "pendingRequestCount")}
        total = counts["requestCount"]
        return BatchStatus(
            id=text_at(body, "name") or text_at(facts, "name"),
            state=state,
            mark=text_at(facts, "displayName"),
            created_at=moment(dig(facts, "createTime")),
            ended_at=moment(dig(facts, "endTime")) if state.is_over else None,
            requests=total,
            done=None if total is None else total - (counts["pendingRequestCount"] or 0),
            results=(output,) if output else (),
            failure=failure,
            rest=_RESTS.get(word),
        )

    def _result(self, line: object) -> BatchResult:
        custom_id = identified(line, _KEY) if text_at(line, _KEY) else identified(line, "metadata", _KEY)
        if isinstance(reply := dig(line, "response"), dict):
            return BatchResult(custom_id, body=reply)
        if not isinstance(error := dig(line, "error"), dict):
            raise BrokenLineError("neither a response nor an error")
        return BatchResult(custom_id, status=_status_of(error), body={"error": error})


def _inlined(model: str, item: BatchItem) -> types.InlinedRequest:
    body = json.loads(item.body)
    options = body.pop("generationConfig")
    contents = [types.Content.model_validate(turn) for turn in body.pop("contents")]
    return types.InlinedRequest(
        contents=cast("types.ContentListUnion", contents),
        config=types.GenerateContentConfig.model_validate(options | body),
        metadata={_KEY: item.custom_id},
    )


def _facts(body: object) -> dict[str, Any]:
    """What is said of a batch: the API wraps it as an operation."""
    return as_mapping(dig(body, "metadata")) or as_mapping(body)


async def _lines(file: IO[bytes]) -> AsyncIterator[str]:
    for line in file:
        yield line.decode(errors="replace")


def _count(facts: object, name: str) -> int | None:
    """A count, which JSON of a 64-bit number has as text."""
    text = text_at(facts, "batchStats", name)
    return int(text) if text.isdecimal() else number(facts, "batchStats", name)


def _status_of(error: object) -> int:
    code = number(error, "code") or 2
    return _STATUSES.get(code, code if 400 <= code < 600 else 500)
