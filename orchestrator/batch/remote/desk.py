"""A worker's place for one job: an engine that stays open over a ledger of its own, within a lease.

    pieces ─► lines ─► one stream of runs, over all pieces ─► outcomes and rows, by piece

The ledger keeps to what the lease has granted: its limits are budgets there, its shares are rate limits. What a line
may cost at most is set aside before it is asked, so a line is asked whole or not at all.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import field
from functools import partial
from pathlib import Path

from ...choose.making import Planned
from ...deferred import dataclass, replace
from ...errors import BudgetError, NotAskedError, OrchError
from ...ledger.batches import Job, Kept, add_job, keep_lines
from ...ledger.budgets import Scope, set_budgets
from ...ledger.rate_shares import set_shares
from ...ledger.returned import returned_runs
from ...ledger.store import Ledger
from ...plan import needed
from ...registry.model import RateLimits
from ...run.engine import Engine
from ...run.given import options_over
from ...run.result import OrchestrationResult
from ...run.spending import SpendingLimit, usual_cap
from ..backend import Attempt, Task
from ..live import Live
from ..outcomes import NOT_ASKED, Outcome
from .wire import Grant, Hello, LineCost, Piece, Returned, Trouble, with_environment

LEDGER = "ledger.db"
_INTERRUPTED = "interrupted"


@dataclass(slots=True)
class LeasedMoney(SpendingLimit):
    """What a lease has granted in all. `cost` is what any line could have cost so far."""

    cost: LineCost = field(default_factory=LineCost)

    async def spend(
        self, planned: Planned, carry_out: Callable[[Planned], Awaitable[OrchestrationResult]]
    ) -> OrchestrationResult:
        """As `SpendingLimit.spend`."""
        self.cost = self.cost.or_more(_cost(planned))
        return await SpendingLimit.spend(self, planned, carry_out)


@dataclass(slots=True, eq=False)
class _Stream:
    """The runs of one engine: lines go in, and their outcomes go to whoever waits for them."""

    live: Live
    lines: asyncio.Queue[Attempt | None] = field(default_factory=asyncio.Queue)
    due: dict[int, asyncio.Future[Outcome]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class Desk:
    """Asks the lines of one job within one lease, on one event loop. `folder` is the worker's own for it."""

    def __init__(self, hello: Hello, environ: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._hello = hello
        self._settings = with_environment(hello.settings, hello.files, environ, folder, folder / LEDGER)
        self._money = LeasedMoney(0)
        self._grant = -1
        self._stream: _Stream | None = None
        self._stopped: OrchError | None = None

    async def open(self) -> LineCost:
        """Open the engine, and plan the line that was given for it. Returns what that may cost. Raises what keeps lines
        from being asked here."""
        self._ledger = await asyncio.to_thread(Ledger.open, self._settings.ledger)
        self._engine = Engine(self._settings, ledger=self._ledger)
        self._engine.keep_open()
        job = await self._ledger.submit(partial(add_job, job=self._hello.job))
        self._task = Task(
            job,
            self._ledger,
            self._hello.options,
            max_cost_nanousd=0,
            concurrency=self._hello.concurrency,
            deadline_s=self._hello.deadline_s,
            full=self._hello.full,
        )
        probe = self._hello.probe
        if probe is None or probe.prompt is None:
            return LineCost()
        return _cost(await self._engine.prepare(probe.prompt, options_over(self._task.options, probe.given)))

    async def work(self, piece: Piece) -> Returned:
        """Ask the lines of a piece, within what its grant allows."""
        await self._renew(piece.grant)
        if (why := self._stopped) is not None:
            return Returned(unasked={attempt.line.number: Trouble.of(why) for attempt in piece.attempts})
        outcomes = await self._ask(piece.attempts)
        unwritten = [each.to_keep() for each in outcomes if each.is_final and not each.kept]
        if unwritten:
            await self._ledger.submit(partial(keep_lines, job=self._task.job, kept=unwritten))
        found = await self._found([attempt.line.number for attempt in piece.attempts])
        unasked = {
            each.line.number: Trouble.of(each.error or NotAskedError("not asked"))
            for each in outcomes
            if each.status == NOT_ASKED
        }
        live = self._stream.live if self._stream is not None else None
        return replace(
            found,
            unasked=unasked,
            limit=1 if live is None else live.limit,
            cost=self._money.cost,
            waits_for=None if live is None else live.standing.waits_for,
        )

    async def renew(self, shares: Mapping[str, RateLimits]) -> None:
        """Take over other shares of rate limits: runs that wait for theirs look again soon."""
        change = partial(set_shares, shares=shares, simulated=self._settings.simulate)
        await self._ledger.submit(change)

    async def stop(self, why: str) -> None:
        """Ask nothing more. What is in flight ends as it would."""
        self._stopped = NotAskedError(why)
        if self._stream is not None:
            self._stream.live.stop(self._stopped)

    async def close(self, numbers: Iterable[int]) -> Returned:
        """Cancel what is in flight, settle it, and close the engine. Returns what is known of these lines."""
        self._stopped = self._stopped or NotAskedError("the worker has ended its work")
        if self._stream is not None and self._stream.task is not None:
            self._stream.task.cancel()
            await asyncio.wait({self._stream.task})
        found = await self._found(numbers)
        await self._engine.aclose()
        await asyncio.to_thread(self._ledger.close)
        return found

    def forget(self) -> None:
        """Delete the worker's own ledger: its owner has all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _found(self, numbers: Iterable[int]) -> Returned:
        read = partial(found_of, job=self._task.job, numbers=list(numbers))
        return await self._ledger.submit(read, reads=True)

    async def _renew(self, grant: Grant) -> None:
        if grant.number <= self._grant:
            return
        self._grant = grant.number
        await self._ledger.submit(partial(_set_limits, grant=grant, simulated=self._settings.simulate))
        self._money.whole = grant.whole
        self._money.total_nanousd = sum(limit.limit_nanousd for limit in grant.limits if limit.scope is Scope.ALL)

    async def _ask(self, attempts: Iterable[Attempt]) -> list[Outcome]:
        """The outcomes of lines. One that was cancelled has none."""
        stream = self._running()
        for attempt in attempts:
            stream.due[attempt.line.number] = asyncio.get_running_loop().create_future()
        waiting = [stream.due[attempt.line.number] for attempt in attempts]
        for attempt in attempts:
            stream.lines.put_nowait(attempt)
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        if (
            stream.live.stopped is not None and self._stream is stream
        ):  # it asks nothing more: the next piece has its own
            self._stream = None
            stream.lines.put_nowait(None)
        for each in ended:
            if isinstance(each, BaseException) and not isinstance(each, _CancelledError):
                raise each
        return [each for each in ended if isinstance(each, Outcome) and each.status != _INTERRUPTED]

    def _running(self) -> _Stream:
        if self._stream is None:
            self._stream = stream = _Stream(Live(self._engine, money=self._money))
            stream.task = asyncio.create_task(self._pump(stream))
        return self._stream

    async def _pump(self, stream: _Stream) -> None:
        try:
            async with aclosing(stream.live.work(_each(stream.lines), self._task)) as outcomes:
                async for outcome in outcomes:
                    stream.due.pop(outcome.line.number).set_result(outcome)
        except OrchError as error:
            self._give_up(stream, error)
        finally:
            self._give_up(stream, None)

    def _give_up(self, stream: _Stream, error: OrchError | None) -> None:
        while stream.due:
            _, waiting = stream.due.popitem()
            with suppress(asyncio.InvalidStateError):
                waiting.set_exception(error or _CancelledError)


class _CancelledError(Exception):
    """A line was cancelled. What its runs cost is in the worker's ledger."""


def found_of(connection: sqlite3.Connection, job: Job, numbers: Iterable[int]) -> Returned:
    """What a worker's ledger has of these lines of a job."""
    kept, runs = [], []
    query = (
        "SELECT lines.number, digest, status, code, result FROM batch_lines AS lines"
        " JOIN batch_results AS results USING (job, number) WHERE job = ? AND number = ?"
    )
    for number in numbers:
        kept += [Kept(*row) for row in connection.execute(query, (job.job, number)).fetchall()]
        runs += returned_runs(connection, *job.run_ids(number))
    return Returned(tuple(kept), tuple(runs))


def _set_limits(connection: sqlite3.Connection, grant: Grant, simulated: bool) -> None:
    set_budgets(connection, grant.limits)
    set_shares(connection, grant.shares, simulated=simulated)


def _cost(planned: Planned) -> LineCost:
    """What a run may cost. Raises BudgetError if that is unknown: a lease holds an amount."""
    worst, cap = planned.cost.maximum, planned.options.max_cost_nanousd
    expected, least = planned.cost.expected, needed(planned.plan, planned.costs.__getitem__)
    if worst is None or expected is None or least is None:
        raise BudgetError(
            "a model of the plan has no known price, so no lease can hold it",
            hint="give it a price in your models.yaml, or leave out --engine",
        )
    worst = worst if cap is None else min(worst, cap)
    return LineCost(worst, usual_cap(worst, max(expected, least)), min(worst, least))


async def _each(lines: asyncio.Queue[Attempt | None]) -> AsyncIterator[Attempt]:
    while (attempt := await lines.get()) is not None:
        yield attempt
