"""A job from its input to its output.

    input ─► feed ─► backend ─► outcomes, in the ledger ─► output, durable ─► out of the ledger

Each result is in the ledger from the transaction that ends its run until it is in the output. So whatever stops the
process, no answer is lost and none is asked for twice: what is in the ledger and not in the output is written when the
job goes on.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from datetime import datetime
from functools import partial

from ..clock import Clock
from ..errors import Interrupted, LedgerError, NotAskedError, OrchError
from ..ledger.batches import JobStatus, end_job, keep_lines, mark_written, note_length, results_between, status_of
from .backend import Backend, Task
from .feed import Feed
from .lines import Line
from .outcomes import NOT_ASKED, SUBMITTED, Outcome, as_line
from .output import Sink
from .progress import Progress
from .replacing import put_in_place

WINDOW = 10_000  # lines that may be ahead of one that is not in the output yet
_EVERY_S = 0.2
_LOOK_EVERY = 5  # of these: whether the job was cancelled
_AT_A_TIME = 200  # results read and written at once
_MOST_UNKEPT = 100


class Flow:
    """One pass over a job's input. `progress` tells how far it is; `ordered`: the output is in the input's order.
    `heard` is called with what comes of each line, as it comes.

    `stopped` is what stopped it before the end, if anything did.
    """

    def __init__(
        self,
        task: Task,
        lines: Iterator[Line],
        sink: Sink,
        backend: Backend,
        *,
        ordered: bool,
        clock: Clock,
        window: int = WINDOW,
        heard: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._task = task
        self._sink = sink
        self._backend = backend
        self._ordered = ordered
        self._clock = clock
        self._window = window
        self._heard = heard
        self._open: OrderedDict[int, None] = OrderedDict()  # lines whose results belong at the end of the output
        self._ready: OrderedDict[int, None] = OrderedDict()  # of these, those whose results are in the ledger
        self._unasked: dict[int, Outcome] = {}
        self._to_keep: list[Outcome] = []
        self._tail = self._tail_begun = False  # what is written from now on is provisional
        self._quiet = False  # no more lines are read: the user does not want to wait
        self._moved, self._over = asyncio.Event(), asyncio.Event()
        self._writing = asyncio.Lock()
        self._failure: OrchError | None = None
        self._unwritten: OrchError | None = None  # why lines are not in the output: none after them is written either
        self.stopped: OrchError | None = None
        self.progress = Progress(lambda: backend.standing)
        self.feed = Feed(task.job, task.ledger, lines, task.full, self)

    async def run(self) -> None:
        """Go through the input. Raises an OrchError for an input, an output or a ledger that cannot be used.

        However it ends, what came of lines is kept, and the job's row says how it stands.
        """
        ticking = asyncio.create_task(self._tick())
        try:
            async with aclosing(self._backend.work(self.feed.attempts(), self._task)) as outcomes:
                async for outcome in outcomes:
                    self._note(outcome)
                    if len(self._to_keep) >= _MOST_UNKEPT:
                        await self._keep()
        except OrchError as error:
            self._failure = error
        except Exception as error:
            self.stopped = self.stopped or OrchError(f"unexpected {type(error).__name__}: {error}")
            raise
        except asyncio.CancelledError:
            self._quiet, self.stopped = True, self.stopped or Interrupted()
            raise
        finally:
            self._over.set()  # what is being written is written to its end
            await asyncio.wait({ticking})
            await self._finish()
        if self._failure is not None:
            raise self._failure

    def interrupt(self, why: OrchError | None = None) -> None:
        """Ask nothing more, and write down what is in flight when it has ended."""
        self._quiet = True
        self._stop(why or Interrupted())

    def _stop(self, why: OrchError) -> None:
        self.stopped = self.stopped or why
        self._backend.stop(why)
        self._moved.set()

    # -- what the feed takes -------------------------------------------------------------------------------------

    def wants_more(self) -> bool:
        """Whether more lines are to be read."""
        return not self._quiet

    def take(self, number: int, *, ready: bool) -> None:
        """A line whose result belongs at the end of the output; `ready` if the ledger has it."""
        self._open[number] = None
        if ready:
            self._ready[number] = None

    def settle(self, outcome: Outcome) -> None:
        """A line that is settled without being asked; the ledger has it."""
        self.progress.add(outcome)
        self._heard(outcome)

    async def room(self) -> None:
        """Wait until more lines can be taken."""
        while len(self._open) >= self._window and not self._quiet:
            self._moved.clear()
            await self._moved.wait()

    # -- what comes ----------------------------------------------------------------------------------------------

    def _note(self, outcome: Outcome) -> None:
        self.progress.add(outcome)
        self._heard(outcome)
        if outcome.status in (NOT_ASKED, SUBMITTED):
            self.stopped = self.stopped or outcome.error
            if not self._quiet and outcome.line.number in self._open:
                self._unasked[outcome.line.number] = outcome
        elif outcome.is_final and outcome.kept:
            self._now_ready([outcome])
        elif outcome.is_final:
            self._to_keep.append(outcome)

    def _now_ready(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.line.number in self._open:
                self._ready[outcome.line.number] = None

    async def _keep(self) -> None:
        kept, self._to_keep = self._to_keep, []
        if kept:
            lines = [outcome.to_keep() for outcome in kept]
            await self._task.ledger.submit(partial(keep_lines, job=self._task.job, kept=lines))
            self._now_ready(kept)

    # -- what goes -----------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        looks = 0
        try:
            while not self._over.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), _EVERY_S)
                await self._flush()
                looks += 1
                if looks % _LOOK_EVERY == 0:
                    await self._look()
        except OrchError as error:
            self._failure = self._failure or error
            self.interrupt(error)

    async def _look(self) -> None:
        status = await self._task.ledger.submit(partial(status_of, job=self._task.job), reads=True)
        if status is JobStatus.CANCELLED and self.stopped is None:
            self.interrupt(NotAskedError("the batch was cancelled", hint="orch batch --resume goes on with it"))

    async def _flush(self) -> None:
        async with self._writing:
            await self._keep()
            if self._unwritten is not None:
                raise self._unwritten
            while numbers := self._next():
                if self._tail and not self._tail_begun:
                    await self._put_in_place()
                    self._tail_begun = True
                try:
                    await self._write(numbers)
                except OrchError as error:
                    self._unwritten = error
                    raise
                self._moved.set()

    def _next(self) -> list[int]:
        """Lines that can be written now, some at a time."""
        numbers: deque[int] = deque()
        if not self._ordered and not self._tail:
            while self._ready and len(numbers) < _AT_A_TIME:
                numbers.append(self._ready.popitem(last=False)[0])
                self._open.pop(numbers[-1])
            if numbers or self._backend.standing.in_flight:
                return list(numbers)
        while self._open and len(numbers) < _AT_A_TIME:
            number = next(iter(self._open))
            if number in self._unasked and not self._tail:
                if numbers:
                    break  # what is final first
                self._tail = True
            elif number not in self._ready and number not in self._unasked:
                break
            numbers.append(number)
            self._open.popitem(last=False)
            self._ready.pop(number, None)
        return list(numbers)

    async def _write(self, numbers: list[int]) -> None:
        job, ledger = self._task.job, self._task.ledger
        read = partial(results_between, job=job, first=min(numbers), last=max(numbers))
        texts = dict(await ledger.submit(read, reads=True))
        if missing := [number for number in numbers if number not in texts and number not in self._unasked]:
            raise LedgerError(
                f"the ledger has no result of line {missing[0]:,}: it could not be written when its run ended",
                hint="once the ledger can be written, the same command goes on",
            )
        lines = [self._unasked_line(number) if number in self._unasked else texts[number] for number in numbers]
        if self._tail:
            await asyncio.to_thread(self._sink.add_provisional, lines)
            return
        await asyncio.to_thread(self._sink.write, lines)
        await ledger.submit(partial(mark_written, job=job, numbers=numbers, written_bytes=self._sink.size))

    def _unasked_line(self, number: int) -> str:
        return as_line(self._unasked.pop(number).document)

    # -- the end -------------------------------------------------------------------------------------------------

    async def _put_in_place(self) -> None:
        await asyncio.to_thread(put_in_place, self._task.job, self._task.ledger, self._sink)

    async def _finish(self) -> None:
        """Write what is there, and how the job stands."""
        try:
            await self._flush()
            if not self._tail:
                await self._put_in_place()
        except OrchError as error:
            self._failure = self._failure or error
        why = self._failure or self.stopped
        status = JobStatus.COMPLETE if why is None and self.feed.at_end else JobStatus.STOPPED
        change = partial(
            _end,
            task=self._task,
            status=status,
            lines=self.feed.read if self.feed.at_end else None,
            at=self._clock(),
            why=why,
        )
        try:
            await self._task.ledger.submit(change)
        except OrchError as error:
            self._failure = self._failure or error


def _end(
    connection: sqlite3.Connection,
    task: Task,
    status: JobStatus,
    lines: int | None,
    at: datetime,
    why: OrchError | None,
) -> None:
    if lines is not None:
        note_length(connection, task.job, lines)
    code, message = (None, None) if why is None else (why.code, why.message)
    end_job(connection, task.job, status, at, code, message)
