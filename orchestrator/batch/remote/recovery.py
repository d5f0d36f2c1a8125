"""Leases of a job whose workers, or whose owner, have died: what they sent is looked for, and never guessed.

the worker itself, if it is at work ─► a worker on its machine, which reads its ledger ─► its ledger, if it is here
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path

from ...deferred import dataclass, replace
from ...errors import NotAskedError, OrchError
from ...ledger.batches import Job
from ...ledger.leases import Lease, LeaseStatus, leases_of, lines_out
from ...run.whereabouts import host_name
from ..backend import Attempt, Backend, Standing, Task
from ..outcomes import Outcome, not_asked
from .at_worker import close_desk, forget_ledger, recover, recover_here
from .cluster import Cluster
from .lender import Lender
from .wire import Returned

_MORE_ATTEMPTS = 64  # between what a lost worker may have used of a line's attempts, and what is asked anyway


@dataclass(frozen=True, slots=True)
class Found:
    """Whether all is known of a lease now, and what it brought."""

    lease: Lease
    known: bool
    returned: Returned | None = None

    @property
    def said(self) -> str:
        """In words."""
        how = "all that it sent is known now" if self.known else "what it sent is not known"
        return f"the worker {self.lease.holder.worker} was lost: {how}"


async def recover_lease(lease: Lease, lender: Lender, cluster: Cluster | None, hosts: Mapping[str, str]) -> Found:
    """Look for what the worker of a lease sent. If it is found, it is written and the lease is closed. `hosts` are the
    workers that there are, with their machines."""
    numbers = sorted(await lender.ledger.submit(partial(lines_out, job=lease.holder.job, lease_id=lease.lease_id)))
    returned = await _ask(lease, lender.job, cluster, hosts, numbers)
    if not isinstance(returned, Returned):
        return Found(lease, known=False)
    await lender.take_in(lease.lease_id, None, returned, numbers)
    await lender.end(lease.lease_id)
    if lease.holder.host == host_name():
        forget_ledger(Path(lease.holder.ledger))
    return Found(lease, known=True, returned=returned)


async def recover_job(job: Job, lender: Lender, cluster: Cluster | None, hosts: Mapping[str, str]) -> list[Found]:
    """As `recover_lease`, for all lost leases of a job."""
    out = await lender.ledger.submit(partial(leases_of, job=job.job_id, out=True), reads=True)
    lost = [lease for lease in out if lease.status is LeaseStatus.LOST]
    return [await recover_lease(lease, lender, cluster, hosts) for lease in lost]


async def _ask(
    lease: Lease, job: Job, cluster: Cluster | None, hosts: Mapping[str, str], numbers: list[int]
) -> Returned | str | None:
    holder = lease.holder
    if cluster is not None:
        try:
            if holder.worker in hosts and (
                answer := await cluster.call(holder.worker, close_desk, lease.lease_id, numbers)
            ):
                assert isinstance(answer, Returned)
                return answer
            beside = next((worker for worker, host in hosts.items() if host == holder.host), None)
            if beside is not None:
                found = await cluster.call(beside, recover, job, holder.ledger, numbers)
                if isinstance(found, Returned):
                    return found
        except (OSError, OrchError):
            pass  # it is lost as long as it cannot be asked
    if holder.host != host_name() or not holder.ledger:
        return None
    return recover_here(job, Path(holder.ledger), numbers)


@dataclass(slots=True)
class Careful:
    """A backend that leaves out the lines that a lost worker may have sent: they come back as not asked. With
    `at_least_once` they are asked again. `before` is awaited before any line is read."""

    backend: Backend
    at_least_once: bool = False
    before: Callable[[Task], Awaitable[object]] | None = None

    @property
    def standing(self) -> Standing:
        """As `Backend.standing`."""
        return self.backend.standing

    def stop(self, why: OrchError) -> None:
        """As `Backend.stop`."""
        self.backend.stop(why)

    async def work(self, lines: AsyncIterable[Attempt], task: Task) -> AsyncGenerator[Outcome, None]:
        """As `Backend.work`."""
        if self.before is not None:
            await self.before(task)
        left: list[Outcome] = []
        async with aclosing(self.backend.work(self._passed(lines, left, task), task)) as outcomes:
            async for outcome in outcomes:
                yield outcome
        for outcome in left:
            yield outcome

    async def _passed(self, lines: AsyncIterable[Attempt], left: list[Outcome], task: Task) -> AsyncIterator[Attempt]:
        out = await task.ledger.submit(partial(lines_out, job=task.job.job_id), reads=True)
        async for attempt in lines:
            last = out.get(attempt.line.number)
            if last is None:
                yield attempt
            elif self.at_least_once:
                yield anyway(attempt, last)
            else:
                left.append(not_asked(attempt.line, uncertain()))


def anyway(attempt: Attempt, last: int) -> Attempt:
    """The attempt at a line that a lost worker may have sent too, whose last known one is given."""
    return replace(attempt, number=max(attempt.number, last + _MORE_ATTEMPTS))


def uncertain() -> NotAskedError:
    """The error for a line that a lost worker may have sent."""
    return NotAskedError(
        "a worker that was lost may have sent it",
        hint="orch batch leases shows them; --at-least-once asks again what may have been sent",
    )
