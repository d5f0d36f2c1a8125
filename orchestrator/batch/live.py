"""The lines of a batch asked by this process, many at a time through one engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial

from ..deferred import dataclass
from ..errors import BudgetError, LedgerError, OrchError
from ..ledger.batches import keeping
from ..ledger.posting import Postable
from ..run.engine import Engine
from ..run.events import Observer, unobserved
from ..run.given import options_over
from ..run.many import Bounds, Many, ManyResult, ToAsk, is_held_up
from ..run.result import OrchestrationResult
from ..run.spending import SpendingLimit
from .backend import Attempt, Standing, Task
from .lines import Line
from .outcomes import Outcome, not_asked, outcome_of

_AHEAD = 1_000
_PAUSES_S = (2.0, 8.0, 30.0, 60.0, 120.0, 240.0)  # a provider that is down for minutes costs no line its answer


@dataclass(slots=True)
class Live:
    """Asks lines through an engine, which stays open meanwhile. `money` is what it may spend, where that is not what
    the task says: on a worker it is what a lease grants."""

    engine: Engine
    observe: Observer = unobserved
    money: SpendingLimit | None = None
    _many: Many | None = None

    @property
    def standing(self) -> Standing:
        """As `Backend.standing`."""
        if self._many is None:
            return Standing()
        throttle, waiting = self._many.throttle, self._many.throttle.waits_for
        reason = None if waiting is None else f"{waiting.model}: {waiting.reason}"
        return Standing(throttle.in_flight, self._many.money.spent_nanousd, reason)

    @property
    def limit(self) -> int:
        """How many lines may be in flight now."""
        return 1 if self._many is None else self._many.throttle.limit

    @property
    def stopped(self) -> OrchError | None:
        """Why it asks nothing more, if it does not."""
        return None if self._many is None else self._many.stopped

    async def work(self, lines: AsyncIterable[Attempt], task: Task) -> AsyncGenerator[Outcome, None]:
        """As `Backend.work`."""
        bounds = Bounds(
            concurrency=task.concurrency,
            deadline_s=task.deadline_s,
            max_errors=task.max_errors,
            ahead=_AHEAD,
            pauses_s=_PAUSES_S,
        )
        money = self.money or SpendingLimit(task.max_cost_nanousd, task.spent_nanousd)
        questions = self._questions(lines, task)
        self._many = Many(self.engine, questions, task.options, bounds, money, observe=self.observe)
        async with aclosing(aiter(self._many)) as results:
            async for each in results:
                asked: _Asked = each.question.mark
                yield asked.came_of(each)

    def stop(self, why: OrchError) -> None:
        """As `Backend.stop`."""
        if self._many is not None:
            self._many.stop(why)

    async def _questions(self, lines: AsyncIterable[Attempt], task: Task) -> AsyncIterator[ToAsk]:
        async for attempt in lines:
            line, asked = attempt.line, _Asked(attempt.line, task)
            assert line.prompt is not None, "a line that cannot be read is not asked"
            yield ToAsk(
                line.prompt,
                partial(options_over, task.options, line.given) if line.given else None,
                next_run_id=_run_ids(attempt, task),
                kept=asked.keep,
                mark=asked,
            )


def _run_ids(attempt: Attempt, task: Task) -> Callable[[], str]:
    number = attempt.number - 1

    def next_run_id() -> str:
        nonlocal number
        number += 1
        return task.job.run_id(attempt.line.number, number)

    return next_run_id


def _is_kept(result: OrchestrationResult) -> bool:
    """Whether it is sure, when a run ends, that it is what came of the line: what a budget has refused, or a provider
    that is down, or what the ledger could not take, may be asked again."""
    again = isinstance(result.exception, BudgetError | LedgerError) or is_held_up(result)
    return result.status != "interrupted" and not again


@dataclass(slots=True)
class _Asked:
    """A line that is asked. `outcome` is what is written of it in the transaction that ends its run, if anything is."""

    line: Line
    task: Task
    outcome: Outcome | None = None

    def keep(self, result: OrchestrationResult) -> Postable[None] | None:
        """The change that is made with the end of a run: what came of the line, so that neither is there without the
        other."""
        if not _is_kept(result):
            return None
        self.outcome = outcome_of(self.line, result, full=self.task.full, kept=True)
        return keeping(self.task.job, self.outcome.to_keep())

    def came_of(self, each: ManyResult) -> Outcome:
        """What came of the line in the end."""
        if not each.asked:
            assert each.error is not None
            return not_asked(self.line, each.error)
        return self.outcome or outcome_of(self.line, each.result, full=self.task.full)
