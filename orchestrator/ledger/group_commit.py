"""Group commit: changes that wait at the same time share one durable transaction, and fail one by one.

    event loops ── submit ──► queue ──► one thread:  the statement of inbox.py, then BEGIN, change, change ..., COMMIT
                    futures ◄── results ────────────

The usual changes of a group are made by one statement (inbox.py). What that leaves, as it is out of the ordinary, and
what it cannot say, is made by functions afterwards, one by one, as follows; so is everything if the statement fails.

A change that fails leaves nothing behind; the others go on. Most fail before they have written anything. If one fails
later, the transaction is rolled back and made again with each change in a savepoint: SAVEPOINT, change, RELEASE (or
ROLLBACK TO). Savepoints for all would double the statements of a group, and each statement hands the interpreter over
to the event loops and waits for it again. So a change may be made twice; its effects outside the database must allow
for that.

No future is done before the commit has returned; if the commit fails, all of its changes fail. Changes are made in the
order of submission, but for those that the statement leaves: they come after it, in their order. Changes that one turn
of an event loop submits reach the thread together.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from ..deferred import dataclass
from ..errors import LedgerError
from .haste import hurry, relax
from .inbox import FEWEST, MOST, Inbox
from .inbox_rows import Row
from .posting import Postable
from .transaction import Work, as_ledger_errors, is_busy, transaction

T = TypeVar("T")
_MOST_SKIPPED = 63  # groups that are not posted, if those before could not be


class Written(asyncio.Future[T]):
    """A future that cannot be cancelled, since its change will be made: a task that is cancelled while it waits for
    one goes on waiting and is cancelled afterwards. So the task knows what is on disk."""

    def cancel(self, msg: Any = None) -> bool:
        """Refuse: the change will be made."""
        return False


class _HalfMadeError(Exception):
    """A change failed after it had written something."""


@dataclass(slots=True, eq=False)
class _Change:
    """A change in the queue, and its result. One that only reads needs no transaction."""

    work: Work[Any]
    reads: bool
    loop: asyncio.AbstractEventLoop
    future: Written[Any]
    result: Any = None
    error: BaseException | None = None


class GroupCommit:
    """Makes changes on one connection. `lock` keeps other users off the connection meanwhile.

    `submit` may be called from any event loop, in any thread. The thread that makes the changes starts with the first
    one and ends with `close`. `check` raises LedgerError if the committed file is not at the ledger's path any more.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: threading.Lock, check: Callable[[], None]
    ) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock
        self._check = check
        self._waiting: deque[_Change] = deque()
        self._signals: SimpleQueue[bool] = SimpleQueue()  # True: there is something to do; False: that was all
        self._signalled: set[asyncio.AbstractEventLoop] = set()  # loops that give a signal at the end of their turn
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._inbox: Inbox | None = None
        self._posts = False  # whether the last group had a statement
        self._not_posted = 0  # so many groups have none, as the last statement failed
        self._skipped = 0

    def submit(self, work: Work[T], *, reads: bool = False) -> Written[T]:
        """Submit a change. The future is done when the change is durable. The change is made even if nobody waits for
        it.

        The future raises what the change raised, or LedgerError.
        """
        loop = asyncio.get_running_loop()
        change = _Change(work, reads, loop, Written(loop=loop))
        if self._closed:
            change.future.set_exception(LedgerError(f"the ledger {self._path} has been closed"))
            return change.future
        self._waiting.append(change)
        if loop not in self._signalled:
            self._signalled.add(loop)
            loop.call_soon(self._signal, loop)
        return change.future

    def close(self) -> None:
        """Return when all submitted changes are made."""
        with self._starting:
            self._closed = True
            thread = self._thread
        if thread is not None:
            self._signals.put(False)
            thread.join()
        if self._waiting:
            self._carry_out_all()

    def _signal(self, loop: asyncio.AbstractEventLoop) -> None:
        self._signalled.discard(loop)
        if self._thread is None:
            with self._starting:
                if self._thread is None and not self._closed:
                    self._thread = threading.Thread(target=self._work, name="orch-ledger", daemon=True)
                    self._thread.start()
        if self._posts:
            hurry(id(self))
        self._signals.put(True)

    def _work(self) -> None:
        while self._signals.get():
            self._carry_out_all()
            relax(id(self))

    def _carry_out_all(self) -> None:
        while group := self._take():
            with self._lock:
                try:
                    self._carry_out(group)
                except BaseException as error:  # noqa: BLE001  # whoever waits is told, whatever it is
                    for change in group:
                        change.error = error
            _deliver(group)

    def _take(self) -> list[_Change]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]

    def _carry_out(self, group: Sequence[_Change]) -> None:
        reading = [change for change in group if change.reads]
        writing = [change for change in group if not change.reads]
        with as_ledger_errors(self._path):
            usual = self._usual(writing)
            self._posts = bool(usual)
            if len(usual) == len(writing):
                usual, writing = {}, self._left(usual, writing)
            if writing and not self._made_together(usual, writing):
                with transaction(self._connection):
                    for change in self._left(usual, writing):
                        self._try_in_savepoint(change)
        for change in reading:
            self._try(change)
        if len(reading) < len(group):
            self._check()

    def _usual(self, group: Sequence[_Change]) -> dict[_Change, list[Row]]:
        """The changes that the statement is to make, with their rows: none if they are too few for one."""
        if len(group) < FEWEST:
            return {}
        if self._skipped < self._not_posted:
            self._skipped += 1
            return {}
        rows = {change: change.work.rows() for change in group if isinstance(change.work, Postable)}
        usual = {change: of_change for change, of_change in rows.items() if of_change is not None}
        if len(usual) < FEWEST:
            return {}
        if self._inbox is None:  # before any transaction, which may be rolled back
            self._inbox = Inbox(self._connection)
        return usual

    def _left(self, usual: Mapping[_Change, list[Row]], group: Sequence[_Change]) -> list[_Change]:
        """Make the usual ones of a group by one statement (inbox.py). Returns the others, and those that it left: all
        of them if it failed."""
        if not usual or self._inbox is None:
            return list(group)
        connection, changes = self._connection, list(usual)
        within = connection.in_transaction
        try:
            odd, taken = self._inbox.post(list(usual.values()))
        except (sqlite3.Error, ValueError, OverflowError) as error:
            if is_busy(error) or connection.in_transaction != within:
                raise
            self._not_posted, self._skipped = min(2 * self._not_posted + 1, _MOST_SKIPPED), 0
            return list(group)
        self._not_posted = 0
        made = {change for place, change in enumerate(changes) if place not in odd}
        for place, change in enumerate(changes):
            if change in made:
                assert isinstance(change.work, Postable)
                change.result, change.error = change.work.usual, None
                if change.work.posted is not None and place in taken:
                    change.work.posted(taken[place])
        return [change for change in group if change not in made]

    def _made_together(self, usual: Mapping[_Change, list[Row]], group: Sequence[_Change]) -> bool:
        """Commit all changes of a group, without those that failed before they wrote anything. False, with nothing
        changed, if one failed later."""
        connection = self._connection
        try:
            with transaction(connection):
                for change in self._left(usual, group):
                    before = connection.total_changes
                    self._try(change)
                    if change.error is not None and connection.total_changes != before:
                        raise _HalfMadeError
                    self._check_transaction(change)
        except _HalfMadeError:
            return False
        return True

    def _try(self, change: _Change) -> None:
        change.error = None
        try:
            change.result = change.work(self._connection)
        except Exception:  # noqa: BLE001  # it is the caller's, who may be waiting for it
            try:
                with as_ledger_errors(self._path):
                    raise
            except Exception as error:  # noqa: BLE001  # as above
                change.error = error

    def _try_in_savepoint(self, change: _Change) -> None:
        execute = self._connection.execute
        execute("SAVEPOINT change")
        self._try(change)
        self._check_transaction(change)
        if change.error is not None:
            execute("ROLLBACK TO change")
        execute("RELEASE change")

    def _check_transaction(self, change: _Change) -> None:
        """Raises the change's error if the database gave up the whole transaction, as when the disk is full."""
        if change.error is not None and not self._connection.in_transaction:
            raise change.error


def _deliver(group: Sequence[_Change]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Change]] = {}
    for change in group:
        by_loop.setdefault(change.loop, []).append(change)
    for loop, changes in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, changes)
        except RuntimeError:
            if not loop.is_closed():  # a loop that was closed has nobody who waits
                raise


def _resolve(changes: Sequence[_Change]) -> None:
    for change in changes:
        if change.error is None:
            change.future.set_result(change.result)
        else:
            change.future.set_exception(_own(change.error))


def _own(error: BaseException) -> BaseException:
    """A copy of the error for each of several futures: each may add to its traceback or change its message."""
    if not isinstance(error, LedgerError):
        return error
    again = LedgerError(error.message, hint=error.hint)
    again.__cause__ = error.__cause__
    return again
