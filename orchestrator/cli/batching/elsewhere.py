"""`orch batch --engine`, and what workers on other machines have left behind."""

from __future__ import annotations

from functools import partial

from ...batch.backend import Backend, Task
from ...clock import local_now
from ...config import Settings
from ...errors import UsageError
from ...ledger.batches import Job
from ...ledger.leases import lines_out
from ...ledger.store import Ledger
from .backends import Watch
from .flags import BatchFlags, Via


def check_engine(flags: BatchFlags) -> None:
    """Raises UsageError and ConfigError for an `--engine` that cannot be, before anything is begun."""
    if flags.engine is not None and flags.via not in (None, Via.LIVE):
        raise UsageError("workers ask live: --engine and --via exclude each other")
    if flags.engine is not None:
        from ...batch.remote.cluster import check_engine  # few batches go there

        check_engine(flags.engine)


def on_workers(
    backend: Backend, flags: BatchFlags, settings: Settings, ledger: Ledger, job: Job, watch: Watch
) -> Backend:
    """The workers that are to ask, or the backend itself; either leaves alone what a lost worker may have sent."""
    again = flags.at_least_once
    if flags.engine is None and not ledger.read(partial(lines_out, job=job.job_id)):
        return backend
    from ...batch.remote.backend import Workers
    from ...batch.remote.lender import Lender
    from ...batch.remote.recovery import Careful, recover_job

    if flags.engine is not None:
        workers = Workers(flags.engine, settings, at_least_once=again, say=watch.say)
        return Careful(workers, again)

    async def recover(task: Task) -> None:
        lender = Lender(task.job, ledger, settings, task.options, local_now, task.max_cost_nanousd, task.spent_nanousd)
        for found in await recover_job(task.job, lender, None, {}):
            watch.say(found.said)

    return Careful(backend, again, recover)
