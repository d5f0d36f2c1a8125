"""The rows of one run: kept in memory as they stand, and written to the ledger.

    begin ─► reserve (waited for) ─► settle, judge ─► reserve ... ─► finish (waited for)

The ledger writes changes in the order in which they are handed in, so the run waits for two of them only: a
reservation, since nothing may be sent before it is durable, and the end of the run, since nobody may be told of a
result before it is durable. A row that the ledger cannot take goes to the spool, so neither an answer nor its cost is
lost.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ...deferred import replace
from ...errors import LedgerError
from ...ledger import entries, posting
from ...ledger.budgets import Alert
from ...ledger.conversations import KeptTurn
from ...ledger.posting import Also, AtOnce
from ...ledger.records import CallRecord, CallStatus, RunRecord
from ...ledger.spool import spool
from ...ledger.store import Ledger
from ..events import BudgetAlerted, Bystander, CallEnded, Note, Observer, unobserved

T = TypeVar("T")
Beside = Callable[[sqlite3.Connection], None]


class RunLog:
    """Writes the rows of one run, and tells the run's observer what was written.

    `calls`: every call of the run as it stands, by id, in order. `alerts`: the budget alerts that their costs raised.
    `shown`: what had been shown of the answer when its call was interrupted.
    """

    def __init__(self, ledger: Ledger, observe: Observer = unobserved) -> None:
        self.calls: dict[str, CallRecord] = {}
        self.alerts: list[Alert] = []
        self.shown = ""
        self._ledger = ledger
        self.observe = observe
        self._run: RunRecord | None = None
        self._said: Sequence[KeptTurn] = ()
        self._begun: asyncio.Future[None] | None = None
        self._handed_in: list[asyncio.Future[Any]] = []
        self._settling: set[str] = set()
        self._spooling: dict[str, asyncio.Future[str]] = {}

    def begin(self, run: RunRecord, said: Sequence[KeptTurn] = ()) -> None:
        """Take the run's row, and the turns of its conversation. `start` writes them, at the latest with the first
        reservation, in the same commit."""
        self._run = run
        self._said = said

    def go_on(self, run: RunRecord, calls: Sequence[CallRecord]) -> None:
        """Go on with a run whose rows are in the ledger."""
        self._run = run
        self.calls |= {call.call_id: call for call in calls}
        self._begun = asyncio.get_running_loop().create_future()
        self._begun.set_result(None)

    async def written(self) -> None:
        """Wait for everything that was handed in, as far as the task is not cancelled meanwhile."""
        await self._all_written()

    def start(self) -> None:
        """Write the run's row, once. If that fails, the next reservation or the end of the run raises the error."""
        if self._begun is None and self._run is not None:
            self._begun = self._hand_in(self._ledger.submit(posting.start_run(self._run, self._said)))

    async def reserve(
        self,
        calls: Sequence[CallRecord],
        exempt: Collection[str],
        at_once: AtOnce | None = None,
        beside: Beside | None = None,
    ) -> None:
        """Insert calls: all of them or none. Raises BudgetError, and LedgerError if the run could not be written.

        A call that is sent `at_once` takes its slot first, in the same transaction; if it gets none, that error is
        raised, and no call is inserted. `beside` writes something else in the same transaction.
        """
        self.start()
        if beside is None:
            reserved = self._ledger.submit(posting.reserve(calls, exempt, at_once))
        else:
            reserved = self._ledger.submit(partial(_reserve, calls=calls, exempt=exempt, beside=beside))
        try:
            await reserved
        except LedgerError:
            await self.check_begun()
            raise
        finally:  # a task that is cancelled meanwhile must know as well what is in the ledger
            if reserved.done() and reserved.exception() is None:
                self.calls |= {call.call_id: call for call in calls}

    async def check_begun(self) -> None:
        """Raises LedgerError if the run's own row could not be written."""
        if self._begun is not None:
            await self._begun

    async def mark_sent(self, call_id: str, at: datetime) -> CallRecord:
        """Mark a call that was reserved earlier as sent, right before it is."""
        await self._ledger.submit(posting.mark_sent(call_id, at))
        self.calls[call_id] = replace(self.calls[call_id], status=CallStatus.SENT, sent_at=at)
        return self.calls[call_id]

    async def settle(self, call: CallRecord, outcome: str) -> None:
        """Write how a call ended; `outcome` is that in words. The row is written even if the task is cancelled
        meanwhile.

        If the run has an observer, this waits until the row is written, so that events come in order; a bystander
        hears of it later.
        """
        self.calls[call.call_id] = call
        self._settling.add(call.call_id)
        settled = self._hand_in(self._ledger.submit(posting.settle(partial(self._settling_call, call.call_id))))
        settled.add_done_callback(partial(self._settled, call.call_id))
        if self.observe is unobserved:
            return
        ended = CallEnded(call.call_id, call.model, outcome, call.latency_ms, call.cost_nanousd)
        if isinstance(self.observe, Bystander):
            settled.add_done_callback(partial(self._tell, ended))
            return
        await asyncio.wait({settled})
        if settled.exception() is not None:
            self.observe(Note(await self._spooling[call.call_id], loud=True))
        self._tell(ended, settled)

    def _tell(self, ended: CallEnded, settled: asyncio.Future[tuple[Alert, ...]]) -> None:
        """Tell the observer of a call's end, and of the alerts that its cost raised."""
        if settled.exception() is None:
            for alert in settled.result():
                self.observe(BudgetAlerted(alert))
        self.observe(ended)

    def judge(self, call_id: str, confidence: float, verdict: str) -> None:
        """Write the verdict on an answer, a JSON object. A failure to write it does not fail the run."""
        self.calls[call_id] = replace(self.calls[call_id], confidence=confidence, verdict=verdict)
        if call_id not in self._settling:  # else it goes with the settlement
            self._hand_in(self._ledger.submit(posting.judge(call_id, confidence, verdict)))

    async def finish(self, run: RunRecord, also: Also | None = None) -> bool:
        """Write the run's end, and in the same transaction the change that `also` gives for the run's calls. Returns
        when all rows of the run are durable or in the spool, and says whether the task was cancelled meanwhile.

        Raises LedgerError if the run's row could not be written at the start: then the ledger has nothing of it, and
        nothing was sent.
        """
        self.start()
        finished = self._hand_in(self._ledger.submit(posting.finish_run(run, self._all_calls, also)))
        cancelled = await self._all_written()
        if self._begun is not None and (error := self._begun.exception()) is not None:
            raise error
        if (error := finished.exception()) is None:
            self.calls |= {call.call_id: call for call in finished.result()}
        else:
            path = await self._keep(run, run, error)
            where = f"it is kept in {path} until the ledger can take it" if path else "it could not be kept"
            self.observe(Note(f"{error}; the end of the run is not in it: {where}", loud=True))
        return cancelled

    def _settling_call(self, call_id: str) -> CallRecord:
        """Within the transaction: the row as it stands now, with its verdict if there is one."""
        self._settling.discard(call_id)
        return self.calls[call_id]

    def _all_calls(self) -> tuple[CallRecord, ...]:
        return tuple(self.calls.values())

    def _settled(self, call_id: str, written: asyncio.Future[tuple[Alert, ...]]) -> None:
        if (error := written.exception()) is None:
            self.alerts += written.result()
        else:
            spooling = self._spooling[call_id] = self._hand_in(asyncio.ensure_future(self._spool(call_id, error)))
            if isinstance(self.observe, Bystander):
                spooling.add_done_callback(lambda kept: self.observe(Note(kept.result(), loud=True)))

    async def _spool(self, call_id: str, error: BaseException) -> str:
        """Put a row into the spool, with a warning."""
        call = self.calls[call_id]
        path = await self._keep(call, self._run, error)
        kept = f"it is kept in {path} until the ledger can take it"
        where = kept if path else f"it cost {call.cost_nanousd} nano-dollars"
        return f"{error}; the call to {call.model} is not in it: {where}"

    async def _keep(self, record: CallRecord | RunRecord, run: RunRecord | None, error: BaseException) -> Path | None:
        """Put a record that the ledger did not take into the spool; the whole run if its earlier rows are gone."""
        records = [record]
        # A full disk or a lock leaves its rows as they are. Any other `error` says that the file was written over.
        keeps_rows = isinstance(error.__cause__, sqlite3.OperationalError)
        if run is not None and (not keeps_rows or self._ledger.is_replaced()):
            records = [run, *self.calls.values()]
        return await asyncio.to_thread(spool, self._ledger.path, *records)

    def _hand_in(self, future: asyncio.Future[T]) -> asyncio.Future[T]:
        self._handed_in.append(future)
        return future

    async def _all_written(self) -> bool:
        """Wait for everything that was handed in, and is meanwhile. Returns whether the task was cancelled."""
        cancelled = False
        for future in self._handed_in:
            while not future.done():
                try:
                    # The ledger's futures are not cancelled with the task; `wait` would take ten times as long.
                    await (asyncio.wait({future}) if isinstance(future, asyncio.Task) else future)
                except asyncio.CancelledError:
                    cancelled = True
                except Exception:  # noqa: BLE001  # looked at by those whom it concerns
                    break
            if not future.cancelled():
                future.exception()  # else asyncio would log that nobody looked at it
        return cancelled


def _reserve(
    connection: sqlite3.Connection, calls: Sequence[CallRecord], exempt: Collection[str], beside: Beside
) -> None:
    entries.reserve(connection, calls, exempt)
    beside(connection)
