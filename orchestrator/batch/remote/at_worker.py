"""The functions that dask.distributed calls in a worker's process. One desk for each lease; all of them share one event
loop, which is not the worker's own: it has to answer the scheduler whatever runs are doing."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import PlatformDirs

from ...config.loading import APP
from ...errors import OrchError
from ...ledger.batches import Job, find_job
from ...ledger.process import others_at_work
from ...ledger.schema import MIGRATIONS
from ...ledger.store import Ledger
from ...registry.model import RateLimits
from ...registry.providers import PROVIDERS
from ...run.portal import Portal
from ...run.whereabouts import host_name
from .desk import LEDGER, Desk, found_of
from .wire import About, Hello, LineCost, Piece, Returned, Trouble

FOLDER = "ORCH_WORKER_DIR"  # the variable that names where workers' ledgers are
ALIVE, GONE = "alive", "gone"
NO_DESK = "no_desk"

T = TypeVar("T")

_PORTAL = Portal()
_DESKS: dict[str, Desk] = {}


def folder_of(lease_id: str) -> Path:
    """Where the worker on this machine keeps the ledger of a lease: not in Dask's own folder, which is emptied when a
    worker has died."""
    named = os.environ.get(FOLDER)
    return (Path(named) if named else PlatformDirs(APP, appauthor=False).user_data_path / "workers") / lease_id


def look() -> About:
    """What there is to know of this process before it has anything to do."""
    keys = tuple(name for name, info in PROVIDERS.items() if os.environ.get(info.key_env))
    return About(len(MIGRATIONS), host_name() or "", keys)


async def open_desk(hello: Hello) -> tuple[str, LineCost] | Trouble:
    """Make a desk. Returns where its ledger is, and what the line that it planned may cost."""
    try:
        desk = Desk(hello, dict(os.environ), folder_of(hello.lease_id))
        cost = await _carry_out(desk.open())
    except OrchError as error:
        return Trouble.of(error)
    _DESKS[hello.lease_id] = desk
    return str(desk.folder / LEDGER), cost


def work(piece: Piece) -> Returned | Trouble:
    """A task of dask.distributed: ask the lines of a piece. Its thread leaves the worker's pool, as it only waits."""
    from distributed import secede

    desk = _DESKS.get(piece.lease_id)
    if desk is None:  # another process in the place of the one that the piece is for
        return Trouble(NO_DESK, 1, "the worker was started anew", None)
    secede()  # type: ignore[no-untyped-call]
    try:
        return _PORTAL.run(desk.work(piece))
    except OrchError as error:
        return Trouble.of(error)


async def renew_desk(lease_id: str, shares: Mapping[str, RateLimits]) -> None:
    """Tell a desk its shares of rate limits."""
    if (desk := _DESKS.get(lease_id)) is not None:
        await _carry_out(desk.renew(shares))


async def stop_desk(lease_id: str, why: str) -> None:
    """Have a desk ask nothing more."""
    if (desk := _DESKS.get(lease_id)) is not None:
        await _carry_out(desk.stop(why))


async def close_desk(lease_id: str, numbers: Sequence[int]) -> Returned | None:
    """Cancel what is in flight, and close the desk. None if this process has no such desk."""
    desk = _DESKS.get(lease_id)
    return None if desk is None else await _carry_out(desk.close(numbers))


def forget_ledger(ledger: Path) -> None:
    """Delete the folder of a worker that is gone: its owner has all that its ledger has."""
    if ledger.name == LEDGER:
        shutil.rmtree(ledger.parent, ignore_errors=True)


async def forget(lease_id: str) -> None:
    """Delete the ledger of a desk that is closed."""
    desk = _DESKS.pop(lease_id, None)
    if desk is not None:
        await asyncio.to_thread(desk.forget)


async def recover(job: Job, ledger: str, numbers: Sequence[int]) -> Returned | str:
    """What the ledger of a worker that has died knows of these lines; `alive` if it is at work, `gone` if there is
    no such file here."""
    return await asyncio.to_thread(recover_here, job, Path(ledger), numbers)


def recover_here(job: Job, ledger: Path, numbers: Sequence[int]) -> Returned | str:
    """As `recover`. What was in flight when the worker died becomes interrupted, and keeps its worst case if it was
    sent."""
    if not ledger.exists():
        return GONE
    if others_at_work(ledger):
        return ALIVE
    with Ledger.open(ledger) as opened:
        own = find_job(opened, job.job_id)
        return opened.read(lambda connection: found_of(connection, own, numbers))


async def _carry_out(coroutine: Coroutine[Any, Any, T]) -> T:
    return await asyncio.to_thread(_PORTAL.run, coroutine)
