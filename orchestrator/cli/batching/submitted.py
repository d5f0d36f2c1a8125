"""What a batch has at providers: how far that is, and taking it back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from ...batch.submitting import Submitter
from ...clock import local_now, rfc3339
from ...config import Settings
from ...ledger.batches import Job, JobStatus, find_job, is_worked_on
from ...ledger.store import Ledger
from ...ledger.submissions import Submission, submissions_of, withdraw_waiting
from ...run.engine import Engine
from .. import render
from ..commands.ledgers import open_ledger
from ..output import Output
from .backends import Watch
from .listing import described


def show_submitted(settings: Settings, output: Output, wanted: str) -> int:
    """Ask the providers how far a batch is, settle what has ended, and print it."""
    with open_ledger(settings.ledger) as ledger:
        job, engine = find_job(ledger, wanted), Engine(settings, ledger=ledger)
        if not is_worked_on(job, ledger):
            _with_providers(engine, ledger, job, Submitter.refresh)
            if job.status is JobStatus.CANCELLED:
                ledger.write(partial(withdraw_waiting, job=job.job, at=local_now()))
        found = ledger.read(partial(submissions_of, job=job.job))
        row = described(job, ledger)
    rows = [_row(submission) for submission in found]
    output.emit({"schema_version": 1, "simulated": job.simulated, "batch": row, "submissions": rows})
    if not output.json:
        for submission in found:
            render.line(_line(submission))
        if not found:
            render.line(f"nothing of the batch {job.job_id} was submitted to a provider")
        elif not any(submission.state.is_open for submission in found):
            render.line(f"all of it has ended: orch batch fetch {job.job_id} goes on")
    return 0


def cancel_submitted(engine: Engine, ledger: Ledger, job: Job) -> None:
    """Take back what a cancelled job has at providers. What they have answered by then is billed, and settled."""
    _with_providers(engine, ledger, job, Submitter.cancel)
    _with_providers(engine, ledger, job, Submitter.refresh)
    ledger.write(partial(withdraw_waiting, job=job.job, at=local_now()))
    left = ledger.read(partial(submissions_of, job=job.job, only_open=True))
    if left:
        render.say(f"{len(left)} submissions are being cancelled: orch batch status {job.job_id} settles them")


def _with_providers(engine: Engine, ledger: Ledger, job: Job, act: Callable[[Submitter], Awaitable[object]]) -> None:
    """Do something about what a batch has at providers, if there is anything."""

    async def main() -> None:
        from ...batch.by_provider import ByProvider  # few batches go this way

        async with engine:
            await act(ByProvider(engine, observe=Watch()).submitter(job, ledger))

    if ledger.read(partial(submissions_of, job=job.job, only_open=True)):
        asyncio.run(main())


def _line(submission: Submission) -> str:
    done = "" if submission.done is None else f"{submission.done:,} of "
    why = "" if submission.code is None else f"  {submission.message or submission.code}"
    return (
        f"{submission.submission}  {submission.state.value:10}  {done}{submission.requests:,} requests to"
        f" {submission.model} ({submission.provider_batch or submission.provider}){why}"
    )


def _row(submission: Submission) -> dict[str, Any]:
    times = {
        name: None if (when := getattr(submission, name)) is None else rfc3339(when)
        for name in ("created_at", "submitted_at", "ended_at", "expires_at", "checked_at")
    }
    names = ("submission", "provider", "model", "provider_batch", "requests", "done", "code", "message")
    row: dict[str, Any] = {name: getattr(submission, name) for name in names}
    return row | {"state": submission.state.value} | times
