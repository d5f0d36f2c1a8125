"""The lines of a batch asked by workers of dask.distributed.

    lines ─► pieces, each within its worker's lease ─► workers ─► rows, costs and outcomes, into the ledger ─► outcomes
                      ▲                                   │
                      └──── what no lease could hold ◄────┘

A piece is for one process: it is never started again, and not by another worker. Of a worker that is gone, the ledger
is looked for; what was not sent is asked by others, and what may have been sent is not, as long as that is unknown.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from contextlib import suppress
from functools import partial, reduce

from ...clock import Clock, local_now
from ...config import Settings
from ...deferred import dataclass
from ...errors import BudgetError, ConfigError, NotAskedError, OrchError
from ...ledger.leases import lease_of
from ..backend import Attempt, Standing, Task
from ..outcomes import Outcome, not_asked, outcome_kept
from .at_worker import renew_desk, stop_desk
from .cluster import Cluster
from .lender import Lender
from .recovery import anyway, recover_job, recover_lease, uncertain
from .seats import Seat, Usher, host_of
from .source import Source
from .wire import LineCost, Piece, Returned, Trouble

_LOOK_EVERY_S = 1.0  # whether all workers are there
_LOOKS = 15  # so often for what a lost worker has left, and for a scheduler that does not answer
_MOST_IN_PIECE = 64


@dataclass(frozen=True, slots=True)
class _Came:
    """A piece came back, or never will."""

    seat: Seat
    piece: int
    answer: Returned | Trouble | BaseException


class Workers:
    """Asks lines through the workers of a cluster: `engine` is a scheduler's address, or `local`. `say` tells the user
    of workers that come and go."""

    def __init__(
        self,
        engine: str,
        settings: Settings,
        *,
        at_least_once: bool = False,
        say: Callable[[str], None] = lambda _: None,
        clock: Clock = local_now,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._at_least_once = at_least_once
        self._say = say
        self._clock = clock
        self._seats: list[Seat] = []
        self._hosts: dict[str, str] = {}  # the machines of all workers that are there
        self._refused: set[str] = set()
        self._stopped: OrchError | None = None
        self._events: asyncio.Queue[_Came | None] = asyncio.Queue()  # None: look at what can be done now
        self._look_due = False
        self._waiting: deque[Attempt] = deque()  # lines to be asked, before those that are read
        self._out: deque[Outcome] = deque()
        self._held: dict[int, int] = {}  # what leases held when they got each piece
        self._least: dict[int, int] = {}  # what a lease has to hold for a line that came back unasked
        self._number = self._failed = self._silent = 0
        self._lender: Lender | None = None

    @property
    def standing(self) -> Standing:
        """As `Backend.standing`."""
        waits = next((seat.waits_for for seat in self._seats if seat.waits_for), None)
        spent = 0 if self._lender is None else self._lender.spent_nanousd
        return Standing(sum(seat.lines for seat in self._seats), spent, waits)

    def stop(self, why: OrchError) -> None:
        """As `Backend.stop`."""
        self._stopped = self._stopped or why
        self._wake()

    async def work(self, lines: AsyncIterable[Attempt], task: Task) -> AsyncGenerator[Outcome, None]:
        """As `Backend.work`."""
        cluster = await Cluster.open(self._engine)
        self._lender = lender = Lender(
            task.job, task.ledger, self._settings, task.options, self._clock, task.max_cost_nanousd, task.spent_nanousd
        )
        usher = source = None
        looking = asyncio.create_task(self._look_now_and_then())
        try:
            self._hosts = await self._all_workers(cluster)
            lender.sharers = len(self._hosts)
            for found in await recover_job(task.job, lender, cluster, self._hosts):
                self._say(found.said)
            source = Source(lines, self._wake)  # now that it is known what earlier workers have left
            usher = Usher(cluster, lender, self._settings, task, await source.first(), len(self._hosts))
            await self._seat_all(usher)
            while not (self._is_done() and source.at_end):
                await self._step(usher, source)
                while self._out:
                    yield self._out.popleft()
        finally:
            looking.cancel()
            if source is not None:
                await source.aclose()
            await asyncio.shield(self._end(cluster, usher))

    async def _step(self, usher: Usher, source: Source) -> None:
        """Hand out what can be handed out, and take what comes next."""
        if self._stopped is None:
            await self._hand_out(usher, source)
        if self._stopped is not None:
            self._out.extend(not_asked(attempt.line, self._stopped) for attempt in self._left(source))
        if self._out or (self._is_done() and source.at_end):
            return
        event = await self._events.get()
        if event is not None:
            await self._take(event, usher.task)
        elif self._look_due:
            self._look_due = False
            await self._look(usher)

    def _wake(self) -> None:
        self._events.put_nowait(None)

    def _is_done(self) -> bool:
        return not (self._out or self._waiting or any(seat.pieces for seat in self._seats))

    def _left(self, source: Source) -> Iterator[Attempt]:
        while self._waiting:
            yield self._waiting.popleft()
        while (attempt := source.take()) is not None:
            yield attempt

    # -- the beginning and the end -------------------------------------------------------------------------------

    async def _all_workers(self, cluster: Cluster) -> dict[str, str]:
        try:
            workers = list(await cluster.workers())
            hosts = {worker: await host_of(cluster, worker) for worker in workers}
        except (OSError, TimeoutError) as error:
            raise ConfigError(f"the scheduler at {self._engine} does not answer: {error}") from error
        if not hosts:
            raise ConfigError(f"the scheduler at {self._engine} has no workers", hint="dask worker ADDRESS starts one")
        return hosts

    async def _seat_all(self, usher: Usher) -> None:
        seating = [usher.seat(worker, host) for worker, host in self._hosts.items()]
        seats = await asyncio.gather(*seating, return_exceptions=True)
        self._seats = [seat for seat in seats if isinstance(seat, Seat)]
        for failure in seats:
            if isinstance(failure, BaseException):
                raise failure

    async def _end(self, cluster: Cluster, usher: Usher | None) -> None:
        if usher is not None:
            await asyncio.gather(*(usher.let_go(seat) for seat in self._seats), return_exceptions=True)
        await cluster.close()

    # -- what goes -----------------------------------------------------------------------------------------------

    async def _hand_out(self, usher: Usher, source: Source) -> None:
        """Give pieces to workers that have room, the one with the fewest lines first."""
        while self._stopped is None:
            free = [seat for seat in self._seats if not seat.gone and seat.lines < 2 * seat.limit]
            if not free:
                if all(seat.gone for seat in self._seats) and not any(seat.pieces for seat in self._seats):
                    self._stopped = NotAskedError("all workers are gone", hint="start others, and --resume the batch")
                return
            seat = min(free, key=lambda each: each.lines / each.limit)
            attempts = self._some(max(1, min(_MOST_IN_PIECE, seat.limit // 4)), source)
            if not attempts:
                return
            if not await self._give(usher, seat, attempts):
                self._waiting.extendleft(reversed(attempts))
                return

    def _some(self, number: int, source: Source) -> tuple[Attempt, ...]:
        attempts: list[Attempt] = []
        while len(attempts) < number:
            attempt = self._waiting.popleft() if self._waiting else source.take()
            if attempt is None:
                break
            attempts.append(attempt)
        return tuple(attempts)

    async def _give(self, usher: Usher, seat: Seat, attempts: tuple[Attempt, ...]) -> bool:
        """Give a worker a piece, if its lease can hold enough for one of its lines. If it cannot, and nobody has
        anything that may come back, all is stopped."""
        self._number += 1
        cost = reduce(LineCost.or_more, (each.cost for each in self._seats))
        alone = not any(other.pieces for other in self._seats)
        least = max(cost.needed if alone else cost.usual, *(self._least.get(each.line.number, 0) for each in attempts))
        lines = seat.lines + len(attempts)
        given = await usher.lender.give(seat.lease_id, attempts, self._number, lines, cost, least)
        if (grant := given.grant) is None:
            if alone:
                problem = f"the next line could cost more than is left: {given.short_of}"
                self.stop(BudgetError(problem, hint="raise --max-cost or the budget; what was answered is kept"))
            return False
        seat.pieces[self._number] = attempts
        self._held[self._number] = given.left
        seat.shares = dict(grant.shares)
        piece = Piece(seat.lease_id, self._number, grant, attempts)
        seat.calls[self._number] = asyncio.create_task(self._await_piece(usher.cluster, seat, piece))
        return True

    async def _await_piece(self, cluster: Cluster, seat: Seat, piece: Piece) -> None:
        try:
            answer: Returned | Trouble | BaseException = await cluster.work(seat.worker, piece)
        except BaseException as error:  # whatever it is, the worker is looked at
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            answer = error
        self._events.put_nowait(_Came(seat, piece.number, answer))

    # -- what comes ----------------------------------------------------------------------------------------------

    async def _take(self, came: _Came, task: Task) -> None:
        """Write what came of a piece."""
        seat, answer = came.seat, came.answer
        if came.piece not in seat.pieces:
            return
        if not isinstance(answer, Returned):
            await self._lost(seat, answer)
            return
        attempts = seat.pieces.pop(came.piece)
        seat.calls.pop(came.piece, None)
        assert self._lender is not None
        await self._lender.take_in(seat.lease_id, came.piece, answer, [each.line.number for each in attempts])
        seat.limit, seat.waits_for, seat.heard = max(1, answer.limit), answer.waits_for, True
        seat.cost = seat.cost.or_more(answer.cost)
        if not seat.pieces and not seat.gone:
            await self._lender.rest(seat.lease_id)
        left = self._held.pop(came.piece, 0)
        for attempt in attempts:
            if attempt.line.number in answer.unasked:
                self._least[attempt.line.number] = left + left // 2 + 1  # as it was, it was too little
            else:
                self._least.pop(attempt.line.number, None)
        self._sort(attempts, answer, task)

    def _sort(self, attempts: tuple[Attempt, ...], returned: Returned, task: Task) -> None:
        """Sort the lines of a piece: those with an outcome, and those that are asked again, or by nobody."""
        kept = {each.number: each for each in returned.kept}
        for attempt in attempts:
            number = attempt.line.number
            if number in kept:
                self._out.append(outcome_kept(attempt.line, kept[number]))
                self._count(kept[number].status, task)
                continue
            trouble = returned.unasked.get(number)
            if trouble is not None and trouble.code != BudgetError.code and self._stopped is None:
                self.stop(NotAskedError(trouble.message, hint=trouble.hint))
            self._waiting.append(attempt.after([each.run["run_id"] for each in returned.runs]))

    def _count(self, status: str, task: Task) -> None:
        self._failed += status != "complete"
        if task.max_errors is not None and self._failed >= task.max_errors and self._stopped is None:
            failed = f"{self._failed:,} failed" if self._failed > 1 else "one failed"
            self.stop(NotAskedError(f"not asked: {failed} before it", hint="raise --max-errors, or see what is wrong"))

    # -- workers that come and go --------------------------------------------------------------------------------

    async def _look_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self._look_due = True
            self._wake()

    async def _look(self, usher: Usher) -> None:
        """Notice workers that are gone or new, and recover what others have left."""
        try:
            there = await usher.cluster.workers()
            self._silent = 0
        except (OSError, TimeoutError):
            self._silent += 1
            there = dict.fromkeys(self._hosts, 0) if self._silent < _LOOKS else {}
        self._hosts = {worker: host for worker, host in self._hosts.items() if worker in there}
        for seat in self._seats:
            if seat.worker not in there and not seat.gone:
                await self._lost(seat, None)
        if self._stopped is not None:
            await self._tell_to_stop(usher.cluster)
        else:
            for worker in there.keys() - self._hosts.keys() - self._refused:
                await self._join(usher, worker)
        for seat in self._seats:
            if seat.gone and seat.pieces:
                await self._recover(usher, seat)
            elif seat.pieces and not seat.heard:
                await self._renew(usher, seat)
            seat.heard = False

    async def _renew(self, usher: Usher, seat: Seat) -> None:
        """Tell a worker that has given nothing lately what it has of rate limits now: its lines may wait for more."""
        shares = await usher.lender.renew(seat.lease_id)
        if shares != seat.shares:
            seat.shares = shares
            with suppress(OSError, TimeoutError):
                await usher.cluster.call(seat.worker, renew_desk, seat.lease_id, shares)

    async def _join(self, usher: Usher, worker: str) -> None:
        try:
            self._hosts[worker] = await host_of(usher.cluster, worker)
            self._seats.append(await usher.seat(worker, self._hosts[worker]))
            self._say(f"the worker {worker} has come")
        except (OSError, TimeoutError):
            self._hosts.pop(worker, None)
        except OrchError as error:
            self._refused.add(worker)
            self._say(f"the worker {worker} is left out: {error.message}")

    async def _tell_to_stop(self, cluster: Cluster) -> None:
        assert self._stopped is not None
        for seat in self._seats:
            if seat.pieces and not seat.gone:
                with suppress(OSError, TimeoutError):
                    await cluster.call(seat.worker, stop_desk, seat.lease_id, self._stopped.message)

    async def _lost(self, seat: Seat, why: Trouble | BaseException | None) -> None:
        """A worker is gone. Its lease stays set aside, and its lines are asked by nobody, until its ledger is found."""
        if seat.gone:
            return
        seat.gone = True
        for waiting in seat.calls.values():
            waiting.cancel()
        seat.calls.clear()
        assert self._lender is not None
        await self._lender.lose(seat.lease_id)
        reason = why.message if isinstance(why, Trouble) else "it does not answer" if why else "it is gone"
        self._say(f"the worker {seat.worker} was lost: {reason}")

    async def _recover(self, usher: Usher, seat: Seat) -> None:
        """Look for what a lost worker has sent. After some time, its lines come back as they are."""
        lender, seat.looked = usher.lender, seat.looked + 1
        lease = await lender.ledger.submit(partial(lease_of, lease_id=seat.lease_id), reads=True)
        found = await recover_lease(lease, lender, usher.cluster, self._hosts)
        if not found.known and seat.looked < _LOOKS:
            return
        attempts = tuple(attempt for piece in seat.pieces.values() for attempt in piece)
        seat.pieces.clear()
        if found.returned is not None:
            self._sort(attempts, found.returned, usher.task)
        elif self._at_least_once:
            self._waiting.extend(anyway(attempt, attempt.number) for attempt in attempts)
        else:
            self._out.extend(not_asked(attempt.line, uncertain()) for attempt in attempts)
