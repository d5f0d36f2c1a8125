"""The submissions of a job: sent, found again, looked at, fetched and settled.

    requests that wait ─► recorded ─► sent ─► submitted ─► ended: each result settles its call
                             │                   │
                             └── found again? ───┘   after a process, a connection or a machine went down in between

A submission is in the ledger before it is sent. One whose fate is not known is looked for at the provider, and sent
again only if it is not there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import TypeVar

from ulid import ULID

from ..clock import Clock
from ..config import Settings
from ..deferred import dataclass, replace
from ..errors import AuthenticationError, Billed, Disposition, OrchError, ProviderError
from ..ledger import entries
from ..ledger import submissions as rows
from ..ledger.batches import Job
from ..ledger.budgets import Alert
from ..ledger.store import Ledger
from ..ledger.submissions import Submission, SubmissionState
from ..providers.batches import BatchClient, BatchItem, BatchResult, BatchState, BatchStatus, BrokenLineError, Ending
from ..registry.model import Registry
from ..run.call.by_batch import settled
from ..run.events import BudgetAlerted, Note, Observer

T = TypeVar("T")

GRACE_S = 120.0  # in which what was sent must show up in the provider's list
_EARLIER_S = 600.0  # by which the provider's clock may be behind
_AT_A_TIME = 200  # results settled in one transaction
_MOST_BYTES = 64 << 20  # of one submission: it is held in memory while it is sent
_FETCHES = 2  # of results of which some are missing
_WAITS_S = (15, 60, 300, 900, 1_800, 3_600)  # before what a provider did not take is sent again; then it is given up
_NOT_RECEIVED = "not_received"


@dataclass(slots=True)
class Submitter:
    """Sends what waits and fetches what is ready, for one job. `client` gives the batch API of a provider."""

    job: Job
    ledger: Ledger
    registry: Registry
    settings: Settings
    client: Callable[[str], Awaitable[BatchClient | None]]
    clock: Clock
    observe: Observer
    grace_s: float = GRACE_S

    async def flush(self) -> int:
        """Submit all requests that wait. Returns how many submissions were sent."""
        sent = 0
        waiting = await self._read(partial(rows.waiting_by_model, job=self.job.job, at=self.clock()))
        for provider, model, _, _ in waiting:
            client = await self._client(provider)
            while items := await self._ready(client, provider, model):
                await self._submit(client, provider, model, items)
                sent += 1
        return sent

    async def refresh(self) -> bool:
        """Look at all that is open, and fetch what has ended. Returns whether there is anything new."""
        moved = False
        for submission in await self.open():
            if submission.state is SubmissionState.RECORDED:
                moved |= await self._find(submission)
            else:
                moved |= await self._look(submission)
        return moved

    async def open(self) -> list[Submission]:
        """The submissions of which something may still come."""
        return await self._read(partial(rows.submissions_of, job=self.job.job, only_open=True))

    async def cancel(self) -> None:
        """Have everything cancelled that is at a provider. What it has answered by then is billed, and fetched."""
        for submission in await self.open():
            if submission.state is SubmissionState.RECORDED:
                await self._find(submission)
        for submission in await self.open():
            if submission.state is SubmissionState.SUBMITTED and submission.provider_batch is not None:
                await (await self._client(submission.provider)).cancel(submission.provider_batch)
                await self._change(replace(submission, state=SubmissionState.CANCELLING))

    # -- sending -------------------------------------------------------------------------------------------------

    async def _ready(self, client: BatchClient, provider: str, model: str) -> list[rows.Ready]:
        limits = client.limits
        query = partial(
            rows.ready,
            job=self.job.job,
            provider=provider,
            model=model,
            at=self.clock(),
            most=limits.requests,
            most_bytes=min(limits.bytes, _MOST_BYTES),
        )
        return await self._read(query)

    async def _submit(self, client: BatchClient, provider: str, model: str, items: Sequence[rows.Ready]) -> None:
        spec, now = self.registry.model(model), self.clock()
        submission = Submission(
            submission=str(ULID()),
            job=self.job.job,
            provider=provider,
            model=model,
            provider_model=spec.id,
            state=SubmissionState.RECORDED,
            requests=len(items),
            bytes=sum(len(item.body.encode()) for item in items),
            simulated=self.settings.simulate,
            created_at=now,
        )
        calls = [item.call_id for item in items]
        await self.ledger.submit(partial(rows.record, submission=submission, calls=calls))
        try:
            status = await client.submit(
                spec.id, submission.submission, [BatchItem(item.call_id, item.body) for item in items]
            )
        except ProviderError as error:
            if error.billed is Billed.NO:
                await self._not_taken(submission, error)
            else:  # it may have arrived: it is looked for
                self._tell(f"{provider}: {error.message}")
            return
        await self._change(_known(submission, status, replace(submission, submitted_at=self.clock())))

    async def _not_taken(self, submission: Submission, error: ProviderError) -> None:
        """A provider did not take a submission, or could do nothing with it."""
        earlier = [
            each
            for each in await self._read(partial(rows.submissions_of, job=self.job.job))
            if each.model == submission.model and each.state is SubmissionState.FAILED
        ]
        over = replace(
            submission, state=SubmissionState.FAILED, ended_at=self.clock(), code=error.code, message=error.message
        )
        self._tell(error.message)
        if error.disposition is Disposition.RETRY and len(earlier) < len(_WAITS_S):
            wait_s = 0 if self.settings.simulate else max(_WAITS_S[len(earlier)], error.retry_after_s or 0)
            not_before = self.clock() + timedelta(seconds=wait_s)
            await self.ledger.submit(partial(rows.take_back, submission=over, not_before=not_before))
            return
        calls = await self._read(partial(rows.open_calls, submission=submission.submission))
        client = await self._client(submission.provider)
        for start in range(0, len(calls), _AT_A_TIME):
            refused = [_refused(call, error) for call in calls[start : start + _AT_A_TIME]]
            await self._settle(client, submission, refused)
        await self._change(over)

    # -- finding again -------------------------------------------------------------------------------------------

    async def _find(self, submission: Submission) -> bool:
        """Look for a submission of which nobody knows whether it arrived. Returns whether that is known now."""
        client = await self._client(submission.provider)
        since = submission.created_at - timedelta(seconds=_EARLIER_S)
        known = await self._read(partial(rows.known_batches, provider=submission.provider))
        found = [
            status
            for status in await client.find(submission.submission, submission.requests, since)
            if status.id not in known and status.id not in submission.not_ours
        ]
        if found:
            unsure = found[0].mark is None
            begun = replace(submission, submitted_at=found[0].created_at or self.clock(), unsure=unsure)
            await self._change(_known(submission, found[0], begun))
            return True
        if (self.clock() - submission.created_at).total_seconds() < self.grace_s:
            return False
        over = replace(submission, state=SubmissionState.FAILED, ended_at=self.clock(), code=_NOT_RECEIVED)
        await self.ledger.submit(partial(rows.take_back, submission=over, not_before=self.clock()))
        return True

    # -- what comes back -----------------------------------------------------------------------------------------

    async def _look(self, submission: Submission) -> bool:
        client = await self._client(submission.provider)
        assert submission.provider_batch is not None
        try:
            status = await client.status(submission.provider_batch)
            if status.state is BatchState.ENDED:
                await self._fetch(client, submission, status)
                return True
        except ProviderError as error:
            if error.disposition is not Disposition.RETRY and not isinstance(error, AuthenticationError):
                self._tell(error.message)
            if isinstance(error, AuthenticationError):
                raise
            return False
        if status.state is BatchState.FAILED:
            assert status.failure is not None
            await self._not_taken(submission, status.failure)
            return True
        await self._change(replace(submission, checked_at=self.clock(), done=status.done, expires_at=status.expires_at))
        return False

    async def _fetch(self, client: BatchClient, submission: Submission, status: BatchStatus) -> None:
        matched = broken = 0
        for _ in range(_FETCHES):
            broken = 0
            chunk: list[BatchResult] = []
            async with aclosing(client.results(status)) as results:
                async for result in results:
                    if isinstance(result, BrokenLineError):
                        broken += 1
                        continue
                    chunk.append(result)
                    if len(chunk) >= _AT_A_TIME:
                        matched += await self._settle(client, submission, chunk)
                        chunk = []
            matched += await self._settle(client, submission, chunk)
            missing = await self._read(partial(rows.open_calls, submission=submission.submission))
            if not missing or status.rest is not None:
                break
        if submission.unsure and not matched and len(missing) == submission.requests:
            await self._change(
                replace(
                    submission,
                    state=SubmissionState.RECORDED,
                    provider_batch=None,
                    unsure=False,
                    not_ours=(*submission.not_ours, status.id),
                )
            )
            return
        if missing and status.rest is None:
            unreadable = f", and {broken} of its lines cannot be read" if broken else ""
            self._tell(f"{submission.provider} batch {status.id}: {len(missing)} results are missing{unreadable}")
        rest = status.rest or Ending.LOST
        for start in range(0, len(missing), _AT_A_TIME):
            lost = [BatchResult(call, rest) for call in missing[start : start + _AT_A_TIME]]
            await self._settle(client, submission, lost)
        over = replace(submission, state=SubmissionState.ENDED, ended_at=status.ended_at or self.clock())
        code = None if status.rest is None else f"batch_{status.rest.value}"
        await self._change(replace(over, checked_at=self.clock(), done=submission.requests, code=code))

    async def _settle(self, client: BatchClient, submission: Submission, results: Sequence[BatchResult]) -> int:
        """Settle the calls of results, once each. Returns how many were open."""
        if not results:
            return 0
        alerts, settled_calls = await self.ledger.submit(
            partial(self._settled, client=client, submission=submission, results=results)
        )
        for alert in alerts:
            self.observe(BudgetAlerted(alert))
        return settled_calls

    def _settled(
        self,
        connection: sqlite3.Connection,
        client: BatchClient,
        submission: Submission,
        results: Sequence[BatchResult],
    ) -> tuple[list[Alert], int]:
        texts = {result.custom_id: result.as_text() for result in results}
        alerts: list[Alert] = []
        found = rows.calls_without_result(connection, submission.submission, list(texts))
        for request in found:
            record = rows.call_of(connection, request.call_id)
            known = replace(request, result=texts[request.call_id])
            row = settled(
                record,
                known,
                client,
                self.registry,
                at=self.clock(),
                free_tier=tuple(self.settings.free_tier),
                log_text=self.settings.log_text,
            ).record
            alerts += entries.settle(connection, row)
            rows.keep_result(connection, request.call_id, texts[request.call_id])
        return alerts, len(found)

    # -- the rest ------------------------------------------------------------------------------------------------

    async def _client(self, provider: str) -> BatchClient:
        client = await self.client(provider)
        if client is None:
            raise OrchError(f"{provider} has no batch API that orch speaks")
        return client

    async def _change(self, submission: Submission) -> None:
        await self.ledger.submit(partial(rows.change, submission=submission))

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return await self.ledger.submit(query, reads=True)

    def _tell(self, text: str) -> None:
        self.observe(Note(text, loud=True))


def _known(submission: Submission, status: BatchStatus, begun: Submission) -> Submission:
    """A submission that the provider has."""
    return replace(
        begun, state=SubmissionState.SUBMITTED, provider_batch=status.id, expires_at=status.expires_at, done=status.done
    )


def _refused(call: str, error: ProviderError) -> BatchResult:
    """A request whose whole submission was refused, as if it had been answered with that."""
    why = error.reason.rpartition(" batch: ")[2]
    body = {"error": {"code": error.provider_code, "type": error.provider_code, "message": why}}
    return BatchResult(call, status=error.status or 400, body=body)
