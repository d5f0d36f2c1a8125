"""Many runs through one engine: some at a time, within one cost cap and one deadline, with their results as they come.

    source ─► throttle ─► money set aside ─► a run of the engine ─► results
                 ▲                                  │
                 └──────── waiting, refused ────────┘

What is in flight and what nobody has taken yet is bounded, whatever the source holds. An error of one run is its
result; only what would stop every other run too stops all of them, and then the rest of the source is given with that
error, unasked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from ..choose.making import Planned
from ..clock import local_now
from ..config import RunOptions
from ..deferred import dataclass, replace
from ..errors import (
    BudgetError,
    ConnectionFailedError,
    LedgerError,
    NotAskedError,
    OrchError,
    OverloadedError,
    RateLimitedError,
    SetAsideError,
    UsageError,
)
from ..reading.messages import from_openai
from ..types import Prompt
from .events import Bystander, Event, Observer, unobserved
from .given import Dollars, nanousd_of
from .result import OrchestrationResult, refused_result
from .spending import SpendingLimit, SpentError
from .throttle import Pass, Throttle

if TYPE_CHECKING:
    from .engine import Engine, Keep

_HELD_UP = (RateLimitedError, OverloadedError, ConnectionFailedError, SetAsideError)
_LONGEST_PAUSE_S = 300.0
AHEAD = 1_000  # results that may be ready before the one that is due, and nobody has taken


@dataclass(frozen=True, slots=True)
class ToAsk:
    """One of many runs.

    `options`: None takes those of all; a function gives them when it is their turn. `planned` is its plan, if it was
    made before. `next_run_id` gives the id of each attempt, by default a new one; `kept` is as for `Engine.execute`.
    `mark` is the caller's own.
    """

    prompt: Prompt
    options: RunOptions | Callable[[], RunOptions] | None = None
    planned: Planned | None = None
    next_run_id: Callable[[], str] | None = None
    kept: Keep | None = None
    observe: Observer = unobserved
    mark: Any = None


Question: TypeAlias = str | Prompt | Sequence[Mapping[str, Any]] | ToAsk  # a text, a prompt, messages, or all of it
Questions: TypeAlias = Iterable[Question] | AsyncIterable[Question]


@dataclass(frozen=True, slots=True)
class ManyResult:
    """What came of one of many: `index` is its place in the source, from 0.

    `result` is there in any case, `error` is None for a complete answer. `asked` is False if nothing was sent for it,
    since all were stopped before: asking again pays for nothing twice.
    """

    index: int
    question: ToAsk
    result: OrchestrationResult
    asked: bool = True

    @property
    def error(self) -> OrchError | None:
        """Why there is no complete answer."""
        return self.result.exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What bounds all runs together. `concurrency`: how many at a time, None for what rate limits allow. `deadline_s`
    is in seconds from the beginning: none begins later, and none lasts longer. After `max_errors` failures none begins.
    `ahead`: how many results may wait for one that is due before them. `pauses_s`: a run that met a provider which is
    down or limits the rate, and was not billed, is made again after each of these; it keeps its place meanwhile."""

    concurrency: int | None = None
    deadline_s: float | None = None
    max_errors: int | None = None
    ordered: bool = False
    ahead: int = AHEAD
    pauses_s: Sequence[float] = ()


class Many:
    """The results of many runs, for `async for`. Leaving the loop cancels what is in flight, and settles it.

    `stop` lets what is in flight end and asks nothing more. `throttle`, `money` and `stopped` tell how it stands;
    `observe` gets the events of all runs.
    """

    def __init__(
        self,
        engine: Engine,
        questions: Questions,
        options: RunOptions,
        bounds: Bounds,
        money: SpendingLimit,
        *,
        observe: Observer = unobserved,
    ) -> None:
        self._engine = engine
        self._questions = questions
        self._options = options
        self._bounds = bounds
        self._observe = observe
        self._monotonic = monotonic = engine.monotonic
        self._until = None if bounds.deadline_s is None else monotonic() + bounds.deadline_s
        self._errors = 0
        self._results: AsyncGenerator[ManyResult, None] | None = None
        self._ended: deque[asyncio.Future[None]] = deque()  # runs that a budget refused wait for the end of others
        self.money = money
        self.throttle = Throttle(bounds.concurrency, monotonic)
        self._halted = asyncio.Event()
        self.stopped: OrchError | None = None

    def __aiter__(self) -> AsyncGenerator[ManyResult, None]:
        if self._results is None:
            self._results = self._given()
        return self._results

    async def aclose(self) -> None:
        """Cancel what is in flight, and wait until it is settled."""
        if self._results is not None:
            await self._results.aclose()

    def stop(self, why: OrchError) -> None:
        """Ask nothing more. The rest of the source is given with this error; what is in flight ends as it would."""
        self.stopped = self.stopped or why
        self._halted.set()
        self.throttle.wake()
        for waiting in self._ended:
            if not waiting.done():
                waiting.set_result(None)

    async def _given(self) -> AsyncGenerator[ManyResult, None]:
        ready: asyncio.Queue[ManyResult | BaseException | None] = asyncio.Queue()
        room = asyncio.Semaphore(self._bounds.ahead + self.throttle.most)
        asking = asyncio.create_task(self._ask_all(ready, room))
        late: dict[int, ManyResult] = {}
        due = 0
        try:
            while (given := await ready.get()) is not None:
                if isinstance(given, BaseException):
                    raise given
                if not self._bounds.ordered:
                    room.release()
                    yield given
                    continue
                late[given.index] = given
                while (next_one := late.pop(due, None)) is not None:
                    due += 1
                    room.release()
                    yield next_one
        finally:
            asking.cancel()
            while not asking.done():
                with suppress(asyncio.CancelledError):  # what is in flight is settled in any case
                    await asyncio.wait({asking})

    async def _ask_all(self, ready: asyncio.Queue[ManyResult | BaseException | None], room: asyncio.Semaphore) -> None:
        """Ask everything; what is in flight when this is cancelled is cancelled and settled."""
        runs: set[asyncio.Task[None]] = set()
        self._engine.keep_open()
        try:
            index = 0
            async for question in _each(self._questions):
                await room.acquire()
                try:
                    to_ask, entered = _to_ask(question), None
                except OrchError as error:
                    refused = self._refused(error)
                    self._count(refused)
                    ready.put_nowait(ManyResult(index, ToAsk(Prompt("")), refused))
                    index += 1
                    continue
                if self._may_begin():
                    entered = await self.throttle.enter()
                    if not self._may_begin():
                        entered.leave(well=False)
                        entered = None
                if entered is None:
                    ready.put_nowait(self._unasked(index, to_ask))
                else:
                    run = asyncio.create_task(self._ask(index, to_ask, entered, ready))
                    runs.add(run)
                    run.add_done_callback(runs.discard)
                index += 1
            while runs:
                await asyncio.wait(runs)
            ready.put_nowait(None)
        except BaseException as error:
            for run in runs:
                run.cancel()
            while runs:
                await asyncio.wait(runs)
            if isinstance(error, asyncio.CancelledError):
                raise
            ready.put_nowait(error)
        finally:
            await self._engine.aclose()

    def _may_begin(self) -> bool:
        if self.stopped is None and self._until is not None and self._monotonic() >= self._until:
            self.stop(NotAskedError("not asked: the deadline had passed", hint="give it more time with --deadline"))
        return self.stopped is None

    def _unasked(self, index: int, question: ToAsk) -> ManyResult:
        assert self.stopped is not None
        return ManyResult(index, question, self._refused(self.stopped), asked=False)

    def _refused(self, error: OrchError) -> OrchestrationResult:
        simulated = self._engine.settings.simulate
        return refused_result(error, strategy=self._options.strategy, simulated=simulated, when=local_now())

    async def _ask(
        self, index: int, question: ToAsk, entered: Pass, ready: asyncio.Queue[ManyResult | BaseException | None]
    ) -> None:
        well = False
        try:
            found = await self._result(index, question, entered)
            well = found.error is None
            ready.put_nowait(found)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # a bug, or what is no Exception: whoever waits for results is told
            ready.put_nowait(error)
        finally:
            entered.leave(well=well)
            self._one_ended()

    async def _result(self, index: int, question: ToAsk, entered: Pass) -> ManyResult:
        pauses = iter(self._bounds.pauses_s)
        while True:
            try:
                result = await self._run(question, entered)
            except (SpentError, LedgerError) as error:  # every other run would meet it too
                self.stop(error)
                return self._unasked(index, question)
            except OrchError as error:
                result = self._refused(error)
            if isinstance(result.exception, LedgerError):
                self.stop(result.exception)
                if _nothing_was_sent(result):
                    return self._unasked(index, question)
            if is_held_up(result) and self.stopped is None and (pause_s := next(pauses, None)) is not None:
                await self._pause(result, pause_s)
                if self._may_begin():
                    continue
            if not is_unasked(result):
                self._count(result)
                return ManyResult(index, question, result)
            if not await self._others_have_ended():
                assert result.exception is not None
                self.stop(result.exception)
            if self.stopped is not None:
                return self._unasked(index, question)

    async def _run(self, question: ToAsk, entered: Pass) -> OrchestrationResult:
        """One run, within what is left of the money and of the time. Raises an OrchError if it could not begin."""
        planned = question.planned or await self._engine.prepare(question.prompt, self._options_of(question))
        if self._until is not None:
            left_s = min(planned.options.timeout_s, max(self._until - self._monotonic(), 0.001))
            planned = replace(planned, options=replace(planned.options, timeout_s=left_s))
        run_id = None if question.next_run_id is None else question.next_run_id()

        listening = [each for each in (entered, question.observe, self._observe) if each is not unobserved]

        def observe(event: Event) -> None:
            for hear in listening:
                hear(event)

        async def carried_out(plan: Planned) -> OrchestrationResult:
            return await self._engine.execute(plan, Bystander(observe), run_id=run_id, kept=question.kept)

        if self.money.total_nanousd is None:
            try:
                result = await carried_out(planned)
            except asyncio.CancelledError as cancelled:
                interrupted: OrchestrationResult | None = getattr(cancelled, "result", None)
                self.money.spent_nanousd += 0 if interrupted is None else interrupted.cost_nanousd or 0
                raise
            self.money.spent_nanousd += result.cost_nanousd or 0
            return result
        return await self.money.spend(planned, carried_out)

    def _options_of(self, question: ToAsk) -> RunOptions:
        options = question.options
        return self._options if options is None else options if isinstance(options, RunOptions) else options()

    def _count(self, result: OrchestrationResult) -> None:
        if result.exception is None:
            return
        self._errors += 1
        if self._bounds.max_errors is not None and self._errors >= self._bounds.max_errors:
            failed = f"{self._errors:,} failed" if self._errors > 1 else "one failed"
            self.stop(NotAskedError(f"not asked: {failed} before it", hint="raise --max-errors, or see what is wrong"))

    async def _pause(self, result: OrchestrationResult, pause_s: float) -> None:
        """Wait until a provider may be there again; not beyond the deadline, and not when all is stopped."""
        advised_s = None if result.error is None else result.error.retry_after_s
        until = self._monotonic() + max(pause_s, min(advised_s or 0.0, _LONGEST_PAUSE_S))
        until = until if self._until is None else min(until, self._until)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._halted.wait(), max(until - self._monotonic(), 0.0))

    async def _others_have_ended(self) -> bool:
        """After a budget has refused a run: wait until another run has ended. False if there is no other, apart from
        those that wait here too."""
        under_way = self.throttle.in_flight - len(self._ended) - 1
        if under_way <= 0:
            return False
        self.throttle.refused(to=under_way)
        ended = asyncio.get_running_loop().create_future()
        self._ended.append(ended)
        try:
            await ended
        finally:
            if ended in self._ended:
                self._ended.remove(ended)
        return True

    def _one_ended(self) -> None:
        while self._ended:
            waiting = self._ended.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return


def is_held_up(result: OrchestrationResult) -> bool:
    """Whether a run failed since a provider is down or limits the rate, and cost nothing: another time it may work."""
    return isinstance(result.exception, _HELD_UP) and result.cost_nanousd == 0


def is_unasked(result: OrchestrationResult) -> bool:
    """Whether a budget that others use too refused a run before anything was sent, so that nothing is lost by asking
    again."""
    error = result.exception
    return isinstance(error, BudgetError) and error.shared and _nothing_was_sent(result)


def _nothing_was_sent(result: OrchestrationResult) -> bool:
    return not any(call.sent_at for call in result.calls)


async def _each(questions: Questions) -> AsyncIterator[Question]:
    if isinstance(questions, AsyncIterable):
        async for question in questions:
            yield question
        return
    for question in questions:
        yield question
        await asyncio.sleep(0)


def _to_ask(question: Question) -> ToAsk:
    if isinstance(question, ToAsk):
        return question
    if isinstance(question, Prompt):
        return ToAsk(question)
    return ToAsk(Prompt(question) if isinstance(question, str) else from_openai(question))


def many_of(
    engine: Engine,
    questions: Questions,
    options: RunOptions | None,
    *,
    max_cost: Dollars | None,
    deadline: float | None,
    observe: Observer,
    **bounds: Any,
) -> Many:
    """As `Engine.run_many`."""
    for name in ("concurrency", "max_errors"):
        if bounds[name] is not None and bounds[name] < 1:
            raise UsageError(f"{name} must be at least 1, not {bounds[name]}")
    money = SpendingLimit(None if max_cost is None else nanousd_of("max_cost", max_cost))
    options = engine.settings.run if options is None else options
    return Many(engine, questions, options, Bounds(deadline_s=deadline, **bounds), money, observe=observe)
