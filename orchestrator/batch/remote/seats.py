"""The workers of a job: looked at before they get anything, given a lease and a desk, and let go in the end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import field

from ...config import Settings
from ...deferred import dataclass
from ...errors import ConfigError, OrchError
from ...ledger.leases import Holder
from ...ledger.schema import MIGRATIONS
from ...registry.model import RateLimits
from ..backend import Attempt, Task
from .at_worker import close_desk, forget, open_desk
from .cluster import Cluster
from .lender import Lender
from .wire import Hello, LineCost, Returned, Trouble, without_environment

FIRST = 16  # lines in flight at a worker that has not told yet how many it takes
_END_WITHIN_S = 15.0  # who has not settled what is in flight by then is lost


@dataclass(slots=True, eq=False)
class Seat:
    """A worker at work: its lease, and the pieces that it has. `limit`: how many lines it takes at a time; `shares`: of
    rate limits, as it was told; `heard`: whether a piece has come back lately; `looked`: how often what it has left was
    looked for."""

    worker: str
    lease_id: str
    limit: int = FIRST
    cost: LineCost = field(default_factory=LineCost)
    pieces: dict[int, tuple[Attempt, ...]] = field(default_factory=dict)
    calls: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    waits_for: str | None = None
    shares: dict[str, RateLimits] = field(default_factory=dict)
    heard: bool = False
    gone: bool = False
    looked: int = 0

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return sum(len(piece) for piece in self.pieces.values())

    @property
    def numbers(self) -> list[int]:
        """The numbers of its lines."""
        return [attempt.line.number for piece in self.pieces.values() for attempt in piece]


async def host_of(cluster: Cluster, worker: str) -> str:
    """The machine of a worker. Raises ConfigError if it has another orch than this one, or does not answer."""
    from importlib.metadata import version

    own, theirs = version("orch-llm"), await cluster.version_at(worker)
    if theirs != own:
        has = "no orch" if theirs is None else f"orch {theirs}"
        hint = f"install it on the workers: pip install 'orch-llm[dask]=={own}'"
        raise ConfigError(f"worker {worker} has {has}, and this is orch {own}", hint=hint)
    about = await cluster.look_at(worker)
    if about.schema != len(MIGRATIONS):
        raise ConfigError(
            f"worker {worker} has another build of orch {own}: its ledgers have schema {about.schema}, not "
            f"{len(MIGRATIONS)}",
            hint="install the same build everywhere",
        )
    return about.host


@dataclass(frozen=True, slots=True)
class Usher:
    """Seats the workers of one job. `probe`: a line that each of them plans first; `of`: how many share the work."""

    cluster: Cluster
    lender: Lender
    settings: Settings
    task: Task
    probe: Attempt | None
    of: int

    async def seat(self, worker: str, host: str) -> Seat:
        """Give a worker a lease and a desk. Raises an OrchError if it can ask nothing, as without a key."""
        settings, files = without_environment(self.settings)
        task = self.task
        holder = Holder(task.job.job_id, worker, host, "", task.ledger.process, simulated=self.settings.simulate)
        lease = await self.lender.take(holder)
        concurrency = None if task.concurrency is None else -(-task.concurrency // self.of)
        hello = Hello(
            *(lease.lease_id, task.job, settings, files, task.options, concurrency, task.deadline_s, task.full),
            probe=None if self.probe is None else self.probe.line,
        )
        try:
            answer = await self.cluster.call(worker, open_desk, hello)
        except OSError as error:
            answer = Trouble(ConfigError.code, ConfigError.exit_code, f"it does not answer: {error}", None)
        if isinstance(answer, Trouble):
            await self.lender.end(lease.lease_id)  # nothing was sent
            raise answer.as_error(worker)
        ledger, cost = answer
        await self.lender.note_ledger(lease.lease_id, ledger)
        return Seat(worker, lease.lease_id, FIRST if concurrency is None else concurrency, cost)

    async def let_go(self, seat: Seat) -> None:
        """Have a worker end and settle what it has in flight, and take its lease back."""
        numbers, returned = seat.numbers, None
        if not seat.gone:
            with suppress(OSError, TimeoutError, OrchError):
                call = self.cluster.call(seat.worker, close_desk, seat.lease_id, numbers)
                returned = await asyncio.wait_for(call, _END_WITHIN_S)
        for waiting in seat.calls.values():
            waiting.cancel()
        if isinstance(returned, Returned):
            await self.lender.take_in(seat.lease_id, None, returned, numbers)
            await self.lender.end(seat.lease_id)
            with suppress(OSError, TimeoutError, OrchError):
                await asyncio.wait_for(self.cluster.call(seat.worker, forget, seat.lease_id), _END_WITHIN_S)
        elif not seat.gone:
            await self.lender.lose(seat.lease_id)
