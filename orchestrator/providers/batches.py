"""The providers' batch APIs: many requests in one submission, answered within a day at half of the price.

    Request ─► body ─► lines of a submission ─► submit ─► status ... ended ─► results, in any order ─► Completion

A client writes a request as the live call would, and has its reply read by the same reader. It keeps no state: what
was submitted, and what has come back, is in the ledger. `mark` is an id of ours that a submission carries, so that one
whose id was never received is found again.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from typing import Protocol

from ..deferred import dataclass
from ..errors import BatchEndedError, Billed, OutcomeUnknownError, ProviderError
from ..types import Completion, Request
from .base import Provider

PROMISED_S = 86_400.0  # all three promise an answer within a day, and give up on what is not done by then


class BatchState(StrEnum):
    """How a submission stands at the provider."""

    IN_PROGRESS = "in_progress"
    CANCELLING = "cancelling"
    ENDED = "ended"  # there may be results, whether it was completed, cancelled, or ran out of time
    FAILED = "failed"  # as a whole: none of its requests was carried out

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self in (BatchState.ENDED, BatchState.FAILED)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one submission can hold."""

    requests: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One request of a submission: an id that is unique in it, and the body as JSON text."""

    custom_id: str
    body: str


class Ending(StrEnum):
    """How one request of a submission ended."""

    REPLIED = "replied"  # with an answer, or an error
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    LOST = "lost"  # it should have a result, and has none


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """A submission as its provider describes it.

    `mark` is ours, None where the provider keeps none. `requests`: how many it holds, `done`: how many have ended, None
    where it does not say. `results` say where its results are, in the provider's words. `failure`: why it failed as a
    whole. `rest`: how a request ended that has no result; None if each has one.
    """

    id: str
    state: BatchState
    mark: str | None = None
    created_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    requests: int | None = None
    done: int | None = None
    results: tuple[str, ...] = ()
    failure: ProviderError | None = None
    rest: Ending | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of one request. `body` is the decoded reply, an error if `status` is no success."""

    custom_id: str
    ending: Ending = Ending.REPLIED
    status: int = 200
    body: object = None

    def as_text(self) -> str:
        """As JSON text, for the ledger."""
        return json.dumps({"ending": self.ending, "status": self.status, "body": self.body})

    @classmethod
    def from_text(cls, custom_id: str, text: str) -> BatchResult:
        """What `as_text` gave."""
        known = json.loads(text)
        return cls(custom_id, Ending(known["ending"]), known["status"], known["body"])


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reply is read against: the model's id at the provider, the output limit, whether logprobs were wanted."""

    model: str
    max_tokens: int
    logprobs: bool = False


class BrokenLineError(ValueError):
    """A line of a file of results that is not what the provider promises."""


class BatchClient(Protocol):
    """The batch API of one provider. Raises only ProviderErrors, as a Provider does."""

    @property
    def limits(self) -> BatchLimits:
        """What one submission can hold."""

    def body(self, request: Request) -> str:
        """A request as JSON text, as the live call would have it."""

    async def submit(self, model: str, mark: str, items: Sequence[BatchItem]) -> BatchStatus:
        """Submit requests to one model, by its id at the provider. An OutcomeUnknownError leaves open whether it
        arrived: `find` tells."""

    async def find(self, mark: str, requests: int, since: datetime) -> Sequence[BatchStatus]:
        """The submissions that can be the one with this mark, and so many requests, which was sent after `since`. More
        than one, and one without a mark, are only likely: their results say whether they are."""

    async def status(self, batch_id: str) -> BatchStatus:
        """How a submission stands."""

    def results(self, status: BatchStatus) -> AsyncGenerator[BatchResult | BrokenLineError, None]:
        """The results of one that is over, as they are read, in any order; may hold one more than once, or none of some
        requests. A BrokenLineError stands for a line that cannot be read."""

    async def cancel(self, batch_id: str) -> None:
        """Ask for a submission to be cancelled. What was answered by then is billed, and among the results."""

    def read(self, result: BatchResult, asked: Asked) -> Completion:
        """A result as a completion, its usage marked as by batch. Raises ProviderErrors as the live call would."""


def ended_early(provider: str, model: str, ending: Ending) -> ProviderError:
    """The error of a request that its batch ended without: it was not carried out and is not billed, unless its result
    alone was lost."""
    if ending is Ending.LOST:
        lost = f"{provider} {model}: its result is not among those of its batch, and it may have been billed"
        return OutcomeUnknownError(lost, provider=provider, model=model)
    why = "the batch ran out of time before it was answered" if ending is Ending.EXPIRED else "its batch was cancelled"
    return BatchEndedError(
        f"{provider} {model}: {why}",
        provider=provider,
        model=model,
        provider_code=f"batch_{ending.value}",
        billed=Billed.NO,
    )


class LineReader(ABC):
    """Reads a file of results: one JSON object a line."""

    @abstractmethod
    def _result(self, line: object) -> BatchResult:
        """A result out of a decoded line. Raises BrokenLineError."""

    async def _read_lines(self, lines: AsyncIterator[str]) -> AsyncGenerator[BatchResult | BrokenLineError, None]:
        number = 0
        async for line in lines:
            number += 1
            if not line.strip():
                continue
            try:
                yield self._result(json.loads(line))
            except (ValueError, RecursionError):
                yield BrokenLineError(f"line {number} of the results cannot be read")


def connected(module: str, provider: Provider, client: object) -> BatchClient:
    """The batch API in a module of this package, over an adapter and its SDK's client. It is imported now: most calls
    are live."""
    found: BatchClient = import_module(f"{__package__}.{module}").connect(provider, client)
    return found


def batches_of(provider: Provider) -> BatchClient | None:
    """The batch API of a connection; None where the provider has none that orch speaks, as those of plugins."""
    found = getattr(provider, "batches", None)
    client: BatchClient | None = None if found is None else found()
    return client
