"""The changes that every run makes, in two forms: as functions (entries.py), and as rows that one statement writes.

A change goes by its rows only if nothing about it is out of the ordinary: see inbox.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from ..deferred import dataclass
from ..errors import BudgetError
from ..types import digest_of
from . import entries
from .budgets import Alert
from .conversations import KeptTurn
from .inbox_rows import (
    AFTER_TURN,
    CALL,
    ENDED,
    JUDGED,
    LAST_TURN,
    NULL,
    RUN,
    SENT,
    SETTLED,
    TOKENS,
    TURN,
    Row,
    Taken,
    kind_of_text,
)
from .limits import Slot, Wanted, settle_tokens
from .records import CallRecord, RunRecord
from .rows import changing_names, first_names, has_first_alone, stored_values, to_micros
from .texts import IN_ROW, SHARED
from .transaction import Work
from .views import TEXTS

T = TypeVar("T")
_NEW_TURNS = 4  # of a conversation that goes on: the question, and what was said since the last one


@dataclass(frozen=True, slots=True)
class Postable(Generic[T]):
    """A change in two forms: the function, and `rows`, which returns None if the rows cannot say it. `usual` is the
    function's result if nothing is out of the ordinary. `posted` is told of the slot that the rows have taken, if
    any."""

    work: Work[T]
    rows: Callable[[], list[Row] | None]
    usual: T
    posted: Callable[[Taken], None] | None = None

    def __call__(self, connection: sqlite3.Connection) -> T:
        """Make the change by its function."""
        return self.work(connection)


@dataclass(frozen=True, slots=True)
class AtOnce:
    """A call that is sent at once, unless something holds it up: `look` takes its slot under the rate limits, or
    raises an error.

    `wanted` is that slot, in a window of `span` microseconds, or None if rows cannot take it; it is asked for right
    before it is taken. `took` is told what was taken. `under_budgets`: also where there are budgets, if its worst case
    fits into them; `refused` may raise another error if it does not.
    """

    look: Work[None]
    wanted: Callable[[], Wanted | None]
    span: int
    took: Callable[[Taken], None]
    under_budgets: bool
    refused: Work[None]


def start_run(run: RunRecord, said: Sequence[KeptTurn]) -> Postable[None]:
    """As `entries.start_run`."""

    def rows() -> list[Row] | None:
        if not has_first_alone(run):
            return None
        return [*_turns(run.run_id, said), *_rows(RUN, "runs", run.run_id, run, first_names(RunRecord))]

    return Postable(partial(entries.start_run, run=run, said=said), rows, usual=None)


def reserve(calls: Sequence[CallRecord], exempt: Collection[str], at_once: AtOnce | None) -> Postable[None]:
    """As `entries.reserve`; a call that is sent `at_once` takes its slot before."""

    def work(connection: sqlite3.Connection) -> None:
        if at_once is None:
            return entries.reserve(connection, calls, exempt)
        at_once.look(connection)
        try:
            return entries.reserve(connection, calls, exempt)
        except BudgetError:
            at_once.refused(connection)
            raise

    def rows() -> list[Row] | None:
        if len(calls) > 1:  # all of them or none
            return None
        slot = _slot(at_once)
        return None if slot is None else _of_new_call(calls[0], (_counts(calls[0], exempt), *slot))

    return Postable(work, rows, usual=None, posted=None if at_once is None else at_once.took)


def mark_sent(call_id: str, at: datetime) -> Postable[None]:
    """As `entries.mark_sent`."""
    work = partial(entries.mark_sent, call_id=call_id, at=at)
    return Postable(work, lambda: [(SENT, (call_id, to_micros(at)))], usual=None)


def settle(current: Callable[[], CallRecord]) -> Postable[tuple[Alert, ...]]:
    """As `entries.settle`, for the call as it stands when it is written."""

    def rows() -> list[Row]:
        call = current()
        return _rows(SETTLED, "calls", call.call_id, call, changing_names(CallRecord), (call.call_id, 1))

    return Postable(lambda connection: entries.settle(connection, current()), rows, usual=())


def judge(call_id: str, confidence: float, verdict: str) -> Postable[None]:
    """As `entries.judge`."""
    work = partial(entries.judge, call_id=call_id, confidence=confidence, verdict=verdict)
    return Postable(work, lambda: [(JUDGED, (call_id, confidence, verdict))], usual=None)


def finish_run(
    run: RunRecord, calls: Callable[[], tuple[CallRecord, ...]] = tuple, also: Also | None = None
) -> Postable[tuple[CallRecord, ...]]:
    """As `entries.finish_run`, and with it the change that `also` gives for the run's calls: `calls`, but for those
    that were still open."""

    def work(connection: sqlite3.Connection) -> tuple[CallRecord, ...]:
        interrupted = entries.finish_run(connection, run)
        if also is not None:
            ended = {call.call_id: call for call in (*calls(), *interrupted)}
            if (change := also(tuple(ended.values()))) is not None:
                change(connection)
        return interrupted

    def rows() -> list[Row] | None:
        ended = _rows(ENDED, "runs", run.run_id, run, changing_names(RunRecord), (run.run_id,))
        change = None if also is None else also(calls())
        if change is None:
            return ended
        beside = change.rows()
        return None if beside is None else ended + beside

    return Postable(work, rows, usual=())


def spend(slot: Slot, tokens: int) -> Postable[None]:
    """As `limits.settle_tokens`."""

    def rows() -> list[Row] | None:
        return [(TOKENS, (slot.slot_id, tokens))] if slot.since is None else None

    return Postable(partial(settle_tokens, slot=slot, tokens=tokens), rows, usual=None)


def _turns(run_id: str, said: Sequence[KeptTurn]) -> list[Row]:
    """The rows of a conversation's last turns: those before are there already, or all of it is out of the ordinary."""
    if not said:
        return []
    last = said[-_NEW_TURNS:]
    before: list[Row] = [] if last[0].previous is None else [(AFTER_TURN, (last[0].previous,))]
    turns: list[Row] = [(TURN, [NULL if each is None else each for each in turn]) for turn in reversed(last)]
    return [*before, *turns, (LAST_TURN, (run_id, last[-1].turn_id))]


def _slot(at_once: AtOnce | None) -> tuple[int, ...] | None:
    """What a call's row has of the slot that it wants; None if rows cannot take it."""
    if at_once is None:
        return (0, 0, NULL, NULL, 0, 0, 0)
    wanted = at_once.wanted()
    if wanted is None:
        return None
    rpm, tpm = (NULL if each is None else each for each in (wanted.limits.rpm, wanted.limits.tpm))
    return (1, int(at_once.under_budgets), rpm, tpm, wanted.tokens, wanted.now, wanted.now - at_once.span)


def _of_new_call(call: CallRecord, before: tuple[int, ...]) -> list[Row]:
    """The rows of a call that is inserted: two if it has ended already, as one that the response cache answers."""
    rows = _rows(CALL, "calls", call.call_id, call, first_names(CallRecord), before)
    if not has_first_alone(call):
        rows += _rows(SETTLED, "calls", call.call_id, call, changing_names(CallRecord), (call.call_id, 0))
    return rows


def _rows(
    kind: str,
    table: str,
    key: str,
    record: RunRecord | CallRecord,
    names: tuple[str, ...],
    before: tuple[Any, ...] = (),
) -> list[Row]:
    """The row with a record's columns, and after it one for each text that is too long to stand in its row."""
    values = stored_values(record, names, NULL)
    texts: list[Row] = []
    for name in TEXTS[table]:
        text: str | None = getattr(record, name)
        if text is not None and len(text) > IN_ROW and name in names:
            values[names.index(name)] = NULL
            digest = digest_of(text) if len(text) >= SHARED else NULL
            texts.append((kind_of_text(table, name), (key, digest, text)))
    return [(kind, [*before, *values]), *texts]


def _counts(call: CallRecord, exempt: Collection[str]) -> int:
    """Whether caps and budgets apply to a call, as SQLite says it."""
    return int(call.call_id not in exempt and call.reserved_nanousd != 0)


Also = Callable[[tuple[CallRecord, ...]], Postable[None] | None]
