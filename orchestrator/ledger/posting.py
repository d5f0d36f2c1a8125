"""The changes that every run makes, as rows of a temporary view: one statement makes those of a whole group.

    INSERT INTO inbox VALUES (row), (row) ... ──► triggers of the view: one change after the other ──► commit

While SQLite works at a statement, the event loops run; between two statements the thread has to get Python's lock back
from them. A group of changes in one statement needs it once, where change by change it is a hundred times.

The triggers make a change only if nothing about it is out of the ordinary. Anything else makes the statement fail, with
nothing changed: a row that is not there, a cap that is not enough, a budget, a breaker, a limit, a check of a table.
Then the same changes are made by their functions (entries.py), which have the rules and the words for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import chain
from typing import Any, Generic, TypeVar

from ..deferred import dataclass
from . import entries
from .budgets import Alert
from .conversations import KeptTurn
from .records import CallRecord, RunRecord
from .rows import changing_names, names_of, stored_values
from .texts import IN_ROW
from .transaction import Work, when_free

T = TypeVar("T")
Row = tuple[Any, ...]

FEWEST, MOST = 4, 128  # rows of a statement; fewer are not worth making the view
_RUN, _CALL, _SETTLED, _JUDGED, _ENDED = "run", "call", "settled", "judged", "ended"
_WIDTH = 2 + max(len(names_of(record)) for record in (RunRecord, CallRecord)) + 1


@dataclass(frozen=True, slots=True)
class Postable(Generic[T]):
    """A change in two forms: the function, and `rows`, which returns None if the rows cannot say it. `usual` is the
    function's result if nothing is out of the ordinary."""

    work: Work[T]
    rows: Callable[[], list[Row] | None]
    usual: T

    def __call__(self, connection: sqlite3.Connection) -> T:
        """Make the change by its function."""
        return self.work(connection)


def start_run(run: RunRecord, said: Sequence[KeptTurn]) -> Postable[None]:
    """As `entries.start_run`."""

    def rows() -> list[Row] | None:
        if said or _is_long(run.system) or _is_long(run.prompt):
            return None
        return [_row(_RUN, stored_values(run, names_of(RunRecord)))]

    return Postable(partial(entries.start_run, run=run, said=said), rows, usual=None)


def reserve(calls: Sequence[CallRecord], exempt: Collection[str], look: Work[None] | None) -> Postable[None]:
    """As `entries.reserve`, after `look`, which may refuse the calls. With it, they go by the view only if their model
    has no limits and no breaker, and there is no budget."""

    def work(connection: sqlite3.Connection) -> None:
        if look is not None:
            look(connection)
        entries.reserve(connection, calls, exempt)

    def rows() -> list[Row] | None:
        if any(_is_long(call.response) for call in calls):
            return None
        return [
            _row(
                _CALL,
                [
                    call.call_id not in exempt and call.reserved_nanousd != 0,
                    look is not None,
                    *stored_values(call, names_of(CallRecord)),
                ],
            )
            for call in calls
        ]

    return Postable(work, rows, usual=None)


def settle(current: Callable[[], CallRecord]) -> Postable[tuple[Alert, ...]]:
    """As `entries.settle`, for the call as it stands when it is written."""

    def rows() -> list[Row] | None:
        call = current()
        if _is_long(call.response):
            return None
        return [_row(_SETTLED, [call.call_id, *stored_values(call, changing_names(CallRecord))])]

    return Postable(lambda connection: entries.settle(connection, current()), rows, usual=())


def judge(call_id: str, confidence: float, verdict: str) -> Postable[None]:
    """As `entries.judge`."""
    work = partial(entries.judge, call_id=call_id, confidence=confidence, verdict=verdict)
    return Postable(work, lambda: [_row(_JUDGED, [call_id, confidence, verdict])], usual=None)


def finish_run(run: RunRecord) -> Postable[tuple[CallRecord, ...]]:
    """As `entries.finish_run`."""

    def rows() -> list[Row] | None:
        if _is_long(run.response):
            return None
        return [_row(_ENDED, [run.run_id, *stored_values(run, changing_names(RunRecord))])]

    return Postable(partial(entries.finish_run, run=run), rows, usual=())


def make_inbox(connection: sqlite3.Connection) -> None:
    """Make the view and its triggers, for this connection alone."""
    connection.execute("PRAGMA temp_store = MEMORY")
    columns = ", ".join(f"NULL AS {column}" for column in _columns())
    connection.execute(f"CREATE TEMP VIEW inbox AS SELECT {columns}")
    for kind, statements in _TRIGGERS.items():
        body = ";\n".join(statements)
        connection.execute(
            f"CREATE TEMP TRIGGER inbox_{kind} INSTEAD OF INSERT ON inbox WHEN NEW.kind = '{kind}' BEGIN {body}; END"
        )


def rows_of(changes: Sequence[Postable[Any]]) -> list[Row] | None:
    """The rows of changes; None if one has none, or if they are too few or too many for a statement."""
    if not FEWEST <= len(changes) <= MOST:
        return None
    rows: list[Row] = []
    for change in changes:
        of_change = change.rows()
        if of_change is None:
            return None
        rows += of_change
    return rows if len(rows) <= MOST else None


def post(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Make the changes of at most `MOST` rows, in their order: all of them or none.

    Outside a transaction, they are durable when this returns. Raises sqlite3.Error or ValueError with nothing changed.
    """
    size = next(size for size in _sizes() if size >= len(rows))
    values = [*chain.from_iterable(rows), *[None] * (_WIDTH * (size - len(rows)))]
    when_free(connection, _insertion(size), values)


def _is_long(text: str | None) -> bool:
    return text is not None and len(text) > IN_ROW


def _row(kind: str, values: Sequence[Any]) -> Row:
    return (kind, *values, *[None] * (_WIDTH - 1 - len(values)))


def _sizes() -> Iterator[int]:
    """The numbers of rows for which there are statements: each is compiled once, and filled with empty rows."""
    size = FEWEST
    while size <= MOST:
        yield size
        size *= 2


@cache
def _insertion(size: int) -> str:
    row = f"({', '.join('?' * _WIDTH)})"
    return f"INSERT INTO inbox VALUES {', '.join([row] * size)}"


def _columns() -> list[str]:
    return ["kind", *(f"c{number}" for number in range(1, _WIDTH))]


def _new(first: int, names: Iterable[str]) -> dict[str, str]:
    """Columns of a table with their places in the view."""
    return {name: f"NEW.c{number}" for number, name in enumerate(names, start=first)}


def _inserting(table: str, values: dict[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def _updating(table: str, key: str, values: dict[str, str]) -> str:
    assignments = ", ".join(f"{name} = {value}" for name, value in values.items())
    return f"UPDATE {table} SET {assignments}, response_text = NULL WHERE {key} = NEW.c1"


def _unless(condition: str) -> str:
    return f"SELECT RAISE(ABORT, 'out of the ordinary') WHERE NOT ({condition})"


def _triggers() -> dict[str, list[str]]:
    call = _new(3, names_of(CallRecord))
    counts, at_once, reserved_nanousd = "NEW.c1", "NEW.c2", call["reserved_nanousd"]
    within_cap = f"""
        SELECT 1 FROM run_rows WHERE run_id = {call["run_id"]} AND (
            max_cost_nanousd IS NULL OR {reserved_nanousd} + (
                SELECT coalesce(sum(coalesce(cost_nanousd, reserved_nanousd, 0)), 0)
                FROM call_rows WHERE run_id = {call["run_id"]}
            ) <= max_cost_nanousd
        )
    """
    of_model = f"simulated = {call['simulated']}"
    breaker = (
        f"SELECT 1 FROM breakers WHERE {of_model} AND provider = {call['provider']} AND model IN ({call['model']}, '')"
    )
    limit = f"SELECT 1 FROM learned_limits WHERE {of_model} AND model = {call['model']}"
    no_budget = "NOT EXISTS (SELECT 1 FROM budgets)"
    return {
        _RUN: [_inserting("run_rows", _new(1, names_of(RunRecord)))],
        _CALL: [
            _unless(f"NOT {counts} OR ({no_budget} AND EXISTS ({within_cap}))"),
            _unless(f"NOT {at_once} OR ({no_budget} AND NOT EXISTS ({breaker}) AND NOT EXISTS ({limit}))"),
            _inserting("call_rows", call),
        ],
        _SETTLED: [
            _unless(f"{no_budget} AND EXISTS (SELECT 1 FROM call_rows WHERE call_id = NEW.c1)"),
            _updating("call_rows", "call_id", _new(2, changing_names(CallRecord))),
        ],
        _JUDGED: [
            _unless("EXISTS (SELECT 1 FROM call_rows WHERE call_id = NEW.c1)"),
            "UPDATE call_rows SET confidence = NEW.c2, verdict = NEW.c3 WHERE call_id = NEW.c1",
        ],
        _ENDED: [
            _unless(
                "EXISTS (SELECT 1 FROM run_rows WHERE run_id = NEW.c1) AND NOT EXISTS"
                " (SELECT 1 FROM call_rows WHERE run_id = NEW.c1 AND status IN ('reserved', 'sent'))"
            ),
            _updating("run_rows", "run_id", _new(2, changing_names(RunRecord))),
        ],
    }


_TRIGGERS = _triggers()
