"""The lines of a batch asked through the providers' batch APIs, in rounds.

    line ─► run, as far as it goes without an answer ─► its calls wait ─► submitted together ─► ... ─► results
              ▲                                                                                          │
              └──────────────── carried out again, now with these answers ◄──────────────────────────────┘

So a cascade's next model is asked for what was not accepted, in the next round, and any strategy works. Everything is
in the ledger: a job that is stopped, by whatever, goes on where it was.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import field
from datetime import datetime
from functools import partial

from ..choose.making import Planned, cost_by_batch
from ..clock import Clock, local_now
from ..config import RunOptions
from ..config.yaml_document import parse
from ..deferred import dataclass, replace
from ..errors import BudgetError, ConfigError, LedgerError, NotAskedError, OrchError, SubmittedError
from ..ledger.batches import Job, keep_lines
from ..ledger.posting import Postable
from ..ledger.store import Ledger
from ..ledger.submissions import forget_run, requests_of, run_with_calls, runs_under_way, settle_live_calls
from ..plan import Node, to_dict
from ..registry.plans import PlanReader
from ..run.call.by_batch import ByBatch
from ..run.ending import RunInterrupted, RunPostponed
from ..run.engine import Engine
from ..run.events import Bystander, Observer, unobserved
from ..run.given import options_over
from ..run.many import is_unasked
from ..run.result import OrchestrationResult, refused_result
from ..run.spending import SpentError
from .backend import Attempt, Standing, Task
from .caps import Caps
from .eligible import Ways, left_out, ways_of
from .outcomes import Outcome, not_asked, outcome_of, submitted
from .submitting import GRACE_S, Submitter

_AT_ONCE = 32  # runs that are carried out at the same time
_STILL_S = 0.3  # after which the source of lines is taken to wait for results
_WAITS_S = (5.0, 10.0, 20.0, 40.0, 60.0)  # between two looks at a provider
_PATIENCE = 0.9  # of the time that there is
_AT_A_PROVIDER = "the batch is at its provider"


@dataclass(slots=True)
class ByProvider:
    """Asks lines through the providers' batch APIs.

    With `wait` it stays until all of it is answered; without, it submits what there is to submit, fetches what is
    there, and gives the rest as submitted. `auto`: what cannot go by batch, or not within the deadline, is asked live;
    and when a tenth of the time is left, what is not answered is taken back and asked live.
    """

    engine: Engine
    wait: bool = True
    observe: Observer = unobserved
    clock: Clock = local_now
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    grace_s: float = GRACE_S
    auto: bool = False
    _work: _Work | None = None

    @property
    def standing(self) -> Standing:
        """As `Backend.standing`."""
        return Standing() if self._work is None else self._work.standing

    async def work(self, lines: AsyncIterable[Attempt], task: Task) -> AsyncGenerator[Outcome, None]:
        """As `Backend.work`."""
        self._work = work = _Work(self, task)
        async with self.engine:  # a run may be carried out only long after the one before
            driving = asyncio.create_task(work.drive(lines))
            driving.add_done_callback(lambda _: work.outcomes.put_nowait(None))
            try:
                while (outcome := await work.outcomes.get()) is not None:
                    yield outcome
                await driving
            finally:
                driving.cancel()
                await asyncio.wait({driving})
                with suppress(asyncio.CancelledError):
                    driving.exception()

    def submitter(self, job: Job, ledger: Ledger) -> Submitter:
        """What sends and fetches the submissions of a job."""
        engine = self.engine
        return Submitter(
            job,
            ledger,
            engine.registry,
            engine.settings,
            engine.batches,
            self.clock,
            self.observe,
            self.grace_s,
        )

    def stop(self, why: OrchError) -> None:
        """As `Backend.stop`: what is at a provider stays there, and can be fetched."""
        if self._work is not None:
            self._work.stop(why)


@dataclass(slots=True)
class _Work:
    """One pass over the lines of a job. `parked` are the lines whose runs wait for a provider, by the run's id."""

    backend: ByProvider
    task: Task
    outcomes: asyncio.Queue[Outcome | None] = field(default_factory=asyncio.Queue)
    parked: dict[str, Attempt] = field(default_factory=dict)
    held: deque[Attempt] = field(default_factory=deque)  # there is no money for them now
    why: OrchError | None = None
    live: bool = False
    failed: int = 0
    _under_way: dict[str, int] = field(default_factory=dict)  # requests of runs without a result, by the run's id
    _ways: Ways | None = None
    _left_out: Mapping[tuple[str, str | None], str] = field(default_factory=dict)
    _taken: int = 0
    _walking: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _caps: Caps = field(init=False)
    _submitter: Submitter = field(init=False)

    def __post_init__(self) -> None:
        task = self.task
        self._caps = Caps(task.max_cost_nanousd)
        self._submitter = self.backend.submitter(task.job, task.ledger)
        if task.concurrency is not None:
            self._room = asyncio.Semaphore(task.concurrency)

    @property
    def standing(self) -> Standing:
        waits = _AT_A_PROVIDER if self.parked and not self._walking else None
        return Standing(len(self.parked) + self._walking, self._caps.spent_nanousd, waits)

    def stop(self, why: OrchError) -> None:
        self.why = self.why or why
        self._stopping.set()

    async def drive(self, lines: AsyncIterable[Attempt]) -> None:
        """Carry out everything. Each line's outcome is put into `outcomes`."""
        engine, ledger = self.backend.engine, self.task.ledger
        if self.backend.auto:
            deadline_s = self.task.deadline_s
            ways = partial(ways_of, registry=engine.registry, settings=engine.settings, deadline_s=deadline_s)
            self._ways = await ledger.submit(ways, reads=True)
        else:
            self._left_out = left_out(engine.registry, engine.settings.free_tier, self.backend.clock())
        await ledger.submit(partial(self._caps.load, job=self.task.job), reads=True)
        await self._submitter.refresh()
        await self._look_up()
        taking = asyncio.create_task(self._take(lines))
        try:
            await self._rounds(taking)
        finally:
            taking.cancel()
            await asyncio.wait({taking})
        if not taking.cancelled() and (error := taking.exception()) is not None:
            raise error
        reason = self.why or SubmittedError("a provider is at work on it", hint="orch batch fetch fetches the results")
        for attempt in self.parked.values():
            self.outcomes.put_nowait(submitted(attempt.line, reason))
        for attempt in self.held:
            self.outcomes.put_nowait(not_asked(attempt.line, self.why or self._caps.spent_error()))

    async def _rounds(self, taking: asyncio.Task[None]) -> None:
        looks = 0
        started = self.backend.clock()
        while True:
            await self._still(taking)
            if taking.done() and taking.exception() is not None:
                return
            moved = await self._go_on()
            if self._stopping.is_set():
                return
            moved |= bool(await self._submitter.flush())
            if not self.parked and taking.done():
                if self.held and moved:  # what has ended gave money back
                    continue
                return
            fetched = await self._submitter.refresh()
            await self._look_up()
            if fetched:
                looks = 0
                continue
            if not self.backend.wait and not moved:
                return
            await self._mind_the_time((self.backend.clock() - started).total_seconds())
            await self._pause(_WAITS_S[min(looks, len(_WAITS_S) - 1)])
            looks += 1

    async def _still(self, taking: asyncio.Task[None]) -> None:
        """Wait until all lines were taken, or no more come before there are results."""
        while not taking.done():
            before = self._taken
            await asyncio.wait({taking}, timeout=_STILL_S)
            if self._taken == before and not self._walking:
                return

    async def _pause(self, seconds: float) -> None:
        if self.backend.engine.settings.simulate:
            seconds = 0.0
        pausing = asyncio.ensure_future(self.backend.sleep(seconds))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({pausing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pausing.cancel()
            stopping.cancel()

    async def _look_up(self) -> None:
        query = partial(runs_under_way, job=self.task.job.job)
        found = await self.task.ledger.submit(query, reads=True)
        for run_id in self.parked:  # it may have been put down since the ledger was asked
            found.setdefault(run_id, self._under_way.get(run_id, 1))
        self._under_way = found

    async def _mind_the_time(self, passed_s: float) -> None:
        """Near the deadline, take back what is at a provider, to ask it live; or leave it there."""
        deadline_s = self.task.deadline_s
        if deadline_s is None:
            return
        if self.backend.auto and not self.live and passed_s >= _PATIENCE * deadline_s:
            self.live = True
            await self._submitter.cancel()
        elif passed_s >= deadline_s:
            hint = "orch batch fetch fetches what a provider answers later"
            self.stop(NotAskedError("the deadline has passed", hint=hint))

    # -- lines ---------------------------------------------------------------------------------------------------

    async def _take(self, lines: AsyncIterable[Attempt]) -> None:
        """Carry out lines as they come, some at a time."""
        walks: set[asyncio.Task[None]] = set()
        try:
            async for attempt in lines:
                self._taken += 1
                before = self.task.job.run_id(attempt.line.number, max(attempt.number - 1, 0))
                if attempt.number and before in self._under_way:
                    attempt = replace(attempt, number=attempt.number - 1)  # that run goes on
                if self._stopping.is_set():
                    self._park_or_leave(attempt)
                    continue
                if self._under_way.get(self._run_id(attempt)):
                    self.parked[self._run_id(attempt)] = attempt
                    continue
                await self._begin(attempt, walks)
            await _all(walks)
        finally:
            await _cancelled(walks)

    def _park_or_leave(self, attempt: Attempt) -> None:
        if self._run_id(attempt) in self._under_way:
            self.parked[self._run_id(attempt)] = attempt
        else:
            self.held.append(attempt)

    async def _go_on(self) -> bool:
        """Carry out the runs that have what they waited for, and lines that there was no money for. Returns whether any
        got further."""
        ready = [attempt for run_id, attempt in self.parked.items() if not self._under_way.get(run_id)]
        for attempt in ready:
            del self.parked[self._run_id(attempt)]
        again, self.held = list(self.held), deque()
        if self.failed and self.task.max_errors is not None and self.failed >= self.task.max_errors:
            self.stop(NotAskedError(f"not asked: {self.failed:,} failed before it", hint="raise --max-errors"))
        walks: set[asyncio.Task[None]] = set()
        try:
            for attempt in [*ready, *again]:
                if self._stopping.is_set():
                    self._park_or_leave(attempt)
                else:
                    await self._begin(attempt, walks)
            await _all(walks)
        finally:
            await _cancelled(walks)
        return bool(ready) or len(self.held) < len(again)

    async def _begin(self, attempt: Attempt, walks: set[asyncio.Task[None]]) -> None:
        """Carry a line out as soon as there is room. Raises what another one has failed with."""
        await self._room.acquire()
        for walk in [walk for walk in walks if walk.done()]:
            walks.discard(walk)
            walk.result()
        walks.add(asyncio.create_task(self._walk(attempt)))

    def _run_id(self, attempt: Attempt) -> str:
        return self.task.job.run_id(attempt.line.number, attempt.number)

    # -- one run -------------------------------------------------------------------------------------------------

    async def _walk(self, attempt: Attempt) -> None:
        """Carry out a line's run as far as it goes, and say what came of it."""
        self._walking += 1
        run_id = self._run_id(attempt)
        try:
            result, kept = await self._carried_out(attempt, run_id)
        except SpentError:
            self.held.append(attempt)
            return
        except RunPostponed:
            self.parked[run_id] = attempt
            return
        except LedgerError:  # every other run would meet it too
            raise
        except OrchError as error:
            result, kept = self._refused(error), False
        finally:
            self._walking -= 1
            self._room.release()
        self._caps.ended(run_id, result.cost_nanousd)
        if is_unasked(result) or (self.task.max_cost_nanousd is not None and _had_too_little(result)):
            # other runs give back what they do not use
            self.held.append(replace(attempt, number=attempt.number + 1))
            return
        self.failed += result.exception is not None
        self.outcomes.put_nowait(outcome_of(attempt.line, result, full=self.task.full, kept=kept))

    async def _carried_out(self, attempt: Attempt, run_id: str) -> tuple[OrchestrationResult, bool]:
        """A run's result, and whether its line is written. Raises RunPostponed where it waits for a provider, and
        SpentError before it began."""
        engine, line, ledger = self.backend.engine, attempt.line, self.task.ledger
        assert line.prompt is not None, "a line that cannot be read is not asked"
        by_batch = await self._known(run_id)
        options = self._options(attempt)
        planned = await engine.prepare(line.prompt, options, left_out=self._left_out)
        if by_batch.begun is not None:
            planned = replace(planned, plan=_plan_of(by_batch.begun.plan, planned, engine))
        else:
            by_batch.live = self.live or (self._ways is not None and self._ways.goes_live(planned.plan, self._now()))
            planned = self._capped(planned, run_id, live=by_batch.live)

        def keep(result: OrchestrationResult) -> Postable[None]:
            kept = [outcome_of(line, result, full=self.task.full).to_keep()] if _is_kept(result) else []

            def write(connection: sqlite3.Connection) -> None:
                forget_run(connection, run_id)
                keep_lines(connection, self.task.job, kept)

            return Postable(write, lambda: None, usual=None)

        observe = Bystander(self.backend.observe)
        running = asyncio.create_task(
            engine.execute(planned, observe, run_id=run_id, kept=keep, by_batch=by_batch), name=run_id
        )
        quiet = asyncio.create_task(by_batch.until_quiet())
        try:
            await asyncio.wait({running, quiet}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            quiet.cancel()
            if not running.done():
                running.cancel()
                await asyncio.wait({running})
            if by_batch.put_down:
                self._under_way[run_id] = self._under_way.get(run_id, 0) + by_batch.put_down
        try:
            result = running.result()
        except RunInterrupted as interrupted:
            result = interrupted.result
        assert ledger is self.task.ledger
        return result, _is_kept(result)

    def _options(self, attempt: Attempt) -> RunOptions:
        given = attempt.line.given
        return options_over(self.task.options, given) if given else self.task.options

    async def _known(self, run_id: str) -> ByBatch:
        """What the ledger has of a run."""
        job = self.task.job.job
        if run_id not in self._under_way:
            return ByBatch(job, live=self.live)

        def load(connection: sqlite3.Connection) -> ByBatch:
            settle_live_calls(connection, run_id, self.backend.clock())
            found = run_with_calls(connection, run_id)
            if found is None:
                return ByBatch(job, live=self.live)
            return ByBatch(job, *found, requests_of(connection, run_id), live=self.live)

        return await self.task.ledger.submit(load)

    def _now(self) -> datetime:
        return self.backend.clock()

    def _capped(self, planned: Planned, run_id: str, *, live: bool) -> Planned:
        """The plan within what is left for the job. Raises SpentError."""
        if self.task.max_cost_nanousd is None:
            return planned
        engine, cost = self.backend.engine, planned.cost
        if not live:
            cost = cost_by_batch(planned, registry=engine.registry, settings=engine.settings, when=self._now())
        most = self._caps.take(run_id, cost, planned.options.max_cost_nanousd)
        return replace(planned, options=replace(planned.options, max_cost_nanousd=most))

    def _refused(self, error: OrchError) -> OrchestrationResult:
        simulated = self.backend.engine.settings.simulate
        return refused_result(error, strategy=self.task.options.strategy, simulated=simulated, when=local_now())


async def _all(walks: set[asyncio.Task[None]]) -> None:
    """Wait for all of them. Raises what one has failed with."""
    for walk in list(walks):
        await walk


async def _cancelled(walks: set[asyncio.Task[None]]) -> None:
    """Cancel what is not done, and wait until it is."""
    for walk in walks:
        walk.cancel()
    if walks:
        await asyncio.wait(walks)


def _had_too_little(result: OrchestrationResult) -> bool:
    """Whether a run's own cap let it send nothing."""
    return isinstance(result.exception, BudgetError) and not any(call.sent_at for call in result.calls)


def _is_kept(result: OrchestrationResult) -> bool:
    """Whether it is sure, when a run ends, that it is what came of the line: what a budget has refused may be asked
    again."""
    return (
        result.run_id is not None and result.status != "interrupted" and not isinstance(result.exception, BudgetError)
    )


def _plan_of(text: str, planned: Planned, engine: Engine) -> Node:
    """The plan that a run was begun with, whatever would be chosen now."""
    registry = engine.registry
    reader = PlanReader({name: name for name in registry.models}, registry.roles, registry.tiers)
    try:
        plan = reader.plan(parse(text, "the run's plan"))
    except ConfigError:  # a model that no file lists
        return planned.plan
    return planned.plan if to_dict(plan) == to_dict(planned.plan) else plan
