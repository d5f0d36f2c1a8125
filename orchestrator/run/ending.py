"""How a run ends: what becomes of its outcome or its error, and the row and the result that say so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from ..choose.making import Planned
from ..clock import Clock
from ..deferred import dataclass, replace
from ..errors import IncompleteError, Interrupted, NotAcceptedError, OrchError, ProviderError
from ..ledger.posting import Also, Postable
from ..ledger.records import CallRecord, Recorded, RunRecord, RunStatus
from ..types import FinishReason
from . import recording
from .call.run_log import RunLog
from .result import ErrorInfo, OrchestrationResult, build_result
from .walk import Execution, Outcome

Keep = Callable[[OrchestrationResult], Postable[None] | None]  # the change that is made with the end of a run

_TOO_SHORT = "raise --max-tokens: models that think before they write spend them on that too"


class RunInterrupted(asyncio.CancelledError):
    """A run was cancelled. The ledger and `result` have everything that is known of it."""

    def __init__(self, result: OrchestrationResult) -> None:
        super().__init__("interrupted")
        self.result = result


class RunPostponed(asyncio.CancelledError):
    """A run by batch was given up for now. The ledger has what it takes to go on with it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a run that has begun: `run` is its row as it stands. `latency_ms` is how long it has taken so far.

    `kept` gives, for the result, a change that is made in the transaction that ends the run. `goes_on_later`: to be
    cancelled is no end of it.
    """

    run: RunRecord
    planned: Planned
    execution: Execution
    log: RunLog
    clock: Clock
    latency_ms: Callable[[], int]
    with_text: bool
    kept: Keep | None
    goes_on_later: bool = False

    async def of(self, executed: Awaitable[Outcome]) -> OrchestrationResult:
        """The result of a run whose plan is executed by `executed`; its errors are in the result. Raises
        RunInterrupted if cancelled, or RunPostponed, and what is no OrchError, when the run has its end in the
        ledger."""
        log = self.log
        try:
            outcome = await executed
        except asyncio.CancelledError:
            if self.goes_on_later:
                await log.written()
                raise RunPostponed from None
            # What has been shown of an answer, or one that a cascade had put by while it asked for a better one.
            best = None if log.shown else self.execution.best
            text = log.shown if best is None else best.completion.text
            raise RunInterrupted(await self._finish(RunStatus.INTERRUPTED, text, best, Interrupted())) from None
        except OSError:  # the watcher's: nobody reads the answer any more
            unread = Interrupted("interrupted: the answer could not be shown")
            await self._finish(RunStatus.INTERRUPTED, log.shown, error=unread)
            raise
        except OrchError as error:
            text = _partial_text(error)
            is_partial = bool(text) and isinstance(error, IncompleteError)
            return await self._finish(RunStatus.INCOMPLETE if is_partial else RunStatus.FAILED, text, error=error)
        except Exception as error:
            await self._finish(RunStatus.FAILED, error=OrchError(f"unexpected {type(error).__name__}: {error}"))
            raise
        failed = _failure_of(outcome)
        status = RunStatus.COMPLETE if failed is None else RunStatus.INCOMPLETE
        result = await self._finish(status, outcome.completion.text if _is_answer(outcome) else "", outcome, failed)
        if failed is None and outcome.accepted is not False:
            try:
                await self._keep_for_others()
            except asyncio.CancelledError:
                raise RunInterrupted(result) from None
        return result

    async def _finish(
        self, status: RunStatus, text: str = "", outcome: Outcome | None = None, error: OrchError | None = None
    ) -> OrchestrationResult:
        metadata = recording.metadata_of(self.planned, self.execution.decisions, outcome, with_text=self.with_text)
        if (cache := self.execution.order.cache) is not None:
            metadata |= cache.metadata()
        row = recording.ended(
            self.run,
            status,
            at=self.clock(),
            latency_ms=self.latency_ms(),
            text=text,
            outcome=outcome,
            error=error,
            metadata=metadata,
            with_text=self.with_text,
        )
        result_of = partial(
            build_result,
            metadata=metadata,
            response=text,
            error=None if error is None else ErrorInfo.of(error),
            exception=error,
            tool_calls=() if outcome is None else outcome.completion.tool_calls,
            completion=None if outcome is None else outcome.completion,
        )

        made: OrchestrationResult | None = None  # with the calls as they were when the run's end was written

        def result_with(calls: tuple[CallRecord, ...]) -> OrchestrationResult:
            nonlocal made
            if made is None or made.calls != calls:
                made = self._explained(result_of(Recorded(row, calls)))
            return made

        kept = self.kept
        also: Also | None = None if kept is None else lambda calls: kept(result_with(calls))
        cancelled = await self.log.finish(row, also)
        result = result_with(tuple(self.log.calls.values()))
        if cancelled and status is not RunStatus.INTERRUPTED:
            raise RunInterrupted(result)
        return result

    def _explained(self, result: OrchestrationResult) -> OrchestrationResult:
        """The result with its explanation, if the run was asked for one."""
        if not self.planned.options.explain:
            return result
        from .explaining import explanation_of  # few runs are

        cache = self.execution.order.cache
        looked = [] if cache is None else cache.looked_at()
        explanation = explanation_of(result.model_used, result.calls, result.metadata, looked)
        return replace(result, explanation=explanation)

    async def _keep_for_others(self) -> None:
        """Keep the answers that were accepted in the response cache, if the run uses it."""
        order = self.execution.order
        if order.cache is not None:
            await order.cache.keep(order.fresh.values())


def _is_answer(outcome: Outcome) -> bool:
    """Whether there is an answer to show: a reply that was cut off before its first word is none."""
    cut = outcome.completion.finish_reason is FinishReason.LENGTH and not outcome.completion.text.strip()
    return outcome.unfit is not None or not cut


def _failure_of(outcome: Outcome) -> OrchError | None:
    """Why an outcome is not an acceptable answer; None if it is one."""
    if outcome.unfit is not None:
        return NotAcceptedError(f"the answer is not accepted: {outcome.unfit}")
    if not _is_answer(outcome):
        return IncompleteError("the answer was cut off before it began", provider=None, hint=_TOO_SHORT)
    return None


def _partial_text(error: OrchError) -> str:
    partial = error.partial if isinstance(error, ProviderError) else None
    return "" if partial is None else partial.text
