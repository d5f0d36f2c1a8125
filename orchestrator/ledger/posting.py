"""The changes that every run makes, in two forms: as functions (entries.py), and as rows that one statement writes.

A change goes by its rows only if nothing about it is out of the ordinary: see inbox.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from ..deferred import dataclass
from ..types import digest_of
from . import entries
from .budgets import Alert
from .conversations import KeptTurn
from .inbox import CALL, ENDED, FEWEST, JUDGED, RUN, SETTLED, TOKENS, Row, Taken, kind_of_text, row
from .limits import Slot, Wanted, settle_tokens
from .records import CallRecord, RunRecord
from .rows import changing_names, names_of, stored_values
from .texts import IN_ROW, SHARED
from .transaction import Work
from .views import TEXTS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Postable(Generic[T]):
    """A change in two forms: the function, and `rows`, which returns None if the rows cannot say it. `usual` is the
    function's result if nothing is out of the ordinary. `posted` is told of the slots that rows have taken, by call."""

    work: Work[T]
    rows: Callable[[], list[Row] | None]
    usual: T
    posted: Callable[[Mapping[str, Taken]], None] | None = None

    def __call__(self, connection: sqlite3.Connection) -> T:
        """Make the change by its function."""
        return self.work(connection)


@dataclass(frozen=True, slots=True)
class AtOnce:
    """A call that is sent at once, unless something holds it up: `look` takes its slot under the rate limits, or
    raises an error.

    `wanted` is that slot, in a window of `span` microseconds, or None if rows cannot take it; it is asked for right
    before it is taken. `took` is told what was taken.
    """

    look: Work[None]
    wanted: Callable[[], Wanted | None]
    span: int
    took: Callable[[Taken], None]


def start_run(run: RunRecord, said: Sequence[KeptTurn]) -> Postable[None]:
    """As `entries.start_run`."""

    def rows() -> list[Row] | None:
        return None if said else _rows(RUN, "runs", run.run_id, run, names_of(RunRecord))

    return Postable(partial(entries.start_run, run=run, said=said), rows, usual=None)


def reserve(calls: Sequence[CallRecord], exempt: Collection[str], at_once: AtOnce | None) -> Postable[None]:
    """As `entries.reserve`; a call that is sent `at_once` takes its slot before."""

    def work(connection: sqlite3.Connection) -> None:
        if at_once is not None:
            at_once.look(connection)
        entries.reserve(connection, calls, exempt)

    def rows() -> list[Row] | None:
        wanted = None if at_once is None else at_once.wanted()
        if at_once is not None and wanted is None:
            return None
        slot: tuple[Any, ...] = (False, None, None, None, None, None)
        if at_once is not None and wanted is not None:
            limits = wanted.limits
            slot = (True, limits.rpm, limits.tpm, wanted.tokens, wanted.now, wanted.now - at_once.span)
        return [
            each
            for call in calls
            for each in _rows(CALL, "calls", call.call_id, call, names_of(CallRecord), (_counts(call, exempt), *slot))
        ]

    def posted(taken: Mapping[str, Taken]) -> None:
        if at_once is not None and (of_call := taken.get(calls[0].call_id)) is not None:
            at_once.took(of_call)

    return Postable(work, rows, usual=None, posted=posted)


def settle(current: Callable[[], CallRecord]) -> Postable[tuple[Alert, ...]]:
    """As `entries.settle`, for the call as it stands when it is written."""

    def rows() -> list[Row]:
        call = current()
        return _rows(SETTLED, "calls", call.call_id, call, changing_names(CallRecord), (call.call_id,))

    return Postable(lambda connection: entries.settle(connection, current()), rows, usual=())


def judge(call_id: str, confidence: float, verdict: str) -> Postable[None]:
    """As `entries.judge`."""
    work = partial(entries.judge, call_id=call_id, confidence=confidence, verdict=verdict)
    return Postable(work, lambda: [row(JUDGED, [call_id, confidence, verdict])], usual=None)


def finish_run(run: RunRecord) -> Postable[tuple[CallRecord, ...]]:
    """As `entries.finish_run`."""

    def rows() -> list[Row]:
        return _rows(ENDED, "runs", run.run_id, run, changing_names(RunRecord), (run.run_id,))

    return Postable(partial(entries.finish_run, run=run), rows, usual=())


def spend(slot: Slot, tokens: int) -> Postable[None]:
    """As `limits.settle_tokens`."""

    def rows() -> list[Row] | None:
        return [row(TOKENS, [slot.slot_id, tokens])] if slot.since is None else None

    return Postable(partial(settle_tokens, slot=slot, tokens=tokens), rows, usual=None)


def rows_of(changes: Sequence[Postable[Any]]) -> list[Row] | None:
    """The rows of changes; None if one has none, or if they are too few for a statement."""
    if len(changes) < FEWEST:
        return None
    rows: list[Row] = []
    for change in changes:
        of_change = change.rows()
        if of_change is None:
            return None
        rows += of_change
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
    values, texts = stored_values(record, names), []
    for name in TEXTS[table]:
        text: str | None = getattr(record, name)
        if text is not None and len(text) > IN_ROW and name in names:
            values[names.index(name)] = None
            digest = digest_of(text) if len(text) >= SHARED else None
            texts.append(row(kind_of_text(table, name), [key, digest, text]))
    return [row(kind, [*before, *values]), *texts]


def _counts(call: CallRecord, exempt: Collection[str]) -> bool:
    """Whether caps and budgets apply to a call."""
    return call.call_id not in exempt and call.reserved_nanousd != 0
