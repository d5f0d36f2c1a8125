"""A temporary view, and the triggers that make changes of the rows inserted into it: a whole group in one statement.

    INSERT INTO inbox VALUES (row), (row) ... ──► triggers: one change after the other ──► commit

While SQLite works at a statement, the event loops run; between two statements the thread has to get Python's lock back
from them. A group of changes in one statement needs it once, where change by change it is a hundred times.

The triggers make a change only if nothing about it is out of the ordinary. Anything else makes the statement fail, with
nothing changed: a row that is not there, a cap that is not enough, a budget, a breaker, a full window, a check of a
table. Then the same changes are made by their functions, which have the rules and the words for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from .limits import CLOCK_TOLERANCE, LEARNED_FOR, Learned
from .records import CallRecord, RunRecord
from .rows import changing_names, names_of
from .transaction import transaction, when_free
from .views import ROWS, TEXTS, number_of

Row = tuple[Any, ...]

# Numbers of rows for which there are statements: each is compiled once, and filled up with empty rows, a hundredth of a
# millisecond each. Fewer rows are not worth making the view.
_SIZES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
FEWEST, MOST = _SIZES[0], _SIZES[-1]
RUN, CALL, SETTLED, JUDGED, ENDED, TOKENS = "run", "call", "settled", "judged", "ended", "tokens"
# Stands for NULL in a row: to bind None takes Python's module five times as long as to bind a number, since it asks
# whether somebody has an adapter for it.
_NULL = -(2**63)
_BEFORE_CALL = 7  # values of a row before those of the call
_WIDTH = 1 + _BEFORE_CALL + max(len(names_of(record)) for record in (RunRecord, CallRecord))


class Taken(NamedTuple):
    """The slot that a call has taken, by its number, when, and the limits that its model's provider has reported."""

    slot_id: int
    at: int
    learned: Learned | None


def row(kind: str, values: Sequence[Any]) -> Row:
    """A row of the view."""
    stored = [_NULL if value is None else value for value in values]
    return (kind, *stored, *[_NULL] * (_WIDTH - 1 - len(values)))


def kind_of_text(table: str, name: str) -> str:
    """The kind of a row with a text of `runs` or `calls` that does not stand in their rows; it comes after theirs."""
    return f"{table}_{name}"


def make_inbox(connection: sqlite3.Connection) -> None:
    """Make the view and its triggers, for this connection alone."""
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("CREATE TEMP TABLE taken (call_id, slot_id, at, noted_at, rpm, tpm, blocked_until)")
    columns = ", ".join(f"NULL AS {column}" for column in ("kind", *(f"c{number}" for number in range(1, _WIDTH))))
    connection.execute(f"CREATE TEMP VIEW inbox AS SELECT {columns}")
    for kind, statements in _TRIGGERS.items():
        body = ";\n".join(statements)
        connection.execute(
            f"CREATE TEMP TRIGGER inbox_{kind} INSTEAD OF INSERT ON inbox WHEN NEW.kind = '{kind}' BEGIN {body}; END"
        )


def post(connection: sqlite3.Connection, rows: Sequence[Row]) -> dict[str, Taken]:
    """Make the changes of rows, in their order: all of them or none. Returns the slots that were taken, by call.

    They are durable when this returns. Raises sqlite3.Error or ValueError with nothing changed.
    """
    if len(rows) <= MOST:
        _insert(connection, rows)
    else:
        with transaction(connection):
            for first in range(0, len(rows), MOST):
                _insert(connection, rows[first : first + MOST])
    taken = {
        call_id: Taken(slot_id, at, None if learned[0] is None else Learned(*learned))
        for call_id, slot_id, at, *learned in connection.execute("SELECT * FROM taken").fetchall()
    }
    if taken:
        connection.execute("DELETE FROM taken")
    return taken


def _insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    size = next(size for size in _SIZES if size >= len(rows))
    values = [*chain.from_iterable(rows), *[_NULL] * (_WIDTH * (size - len(rows)))]
    when_free(connection, _insertion(size), values)


@cache
def _insertion(size: int) -> str:
    row = f"({', '.join('?' * _WIDTH)})"
    return f"INSERT INTO inbox VALUES {', '.join([row] * size)}"


def _new(first: int, names: Iterable[str]) -> dict[str, str]:
    """Columns of a table with their places in the view."""
    return {name: _value(number) for number, name in enumerate(names, start=first)}


def _value(number: int) -> str:
    return f"nullif(NEW.c{number}, {_NULL})"


def _inserting(table: str, values: dict[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def _updating(table: str, key: str, values: dict[str, str]) -> str:
    assignments = ", ".join(f"{name} = {value}" for name, value in values.items())
    return f"UPDATE {table} SET {assignments}, response_text = NULL WHERE {key} = NEW.c1"


def _unless(condition: str) -> str:
    return f"SELECT RAISE(ABORT, 'out of the ordinary') WHERE NOT ({condition})"


def _reserving() -> list[str]:
    """Check the cap, take a slot for a call that is sent at once, insert the call."""
    counts, at_once, rpm, tpm, tokens, now, since = (_value(number) for number in range(1, 1 + _BEFORE_CALL))
    call = _new(1 + _BEFORE_CALL, names_of(CallRecord))
    of_run, of_model = f"run_id = {call['run_id']}", f"simulated = {call['simulated']} AND model = {call['model']}"
    within_cap = f"""
        SELECT 1 FROM run_rows WHERE {of_run} AND (
            max_cost_nanousd IS NULL OR {call["reserved_nanousd"]} + (
                SELECT coalesce(sum(coalesce(cost_nanousd, reserved_nanousd, 0)), 0) FROM call_rows WHERE {of_run}
            ) <= max_cost_nanousd
        )
    """
    breakers = f"""
        SELECT 1 FROM breakers
        WHERE simulated = {call["simulated"]} AND provider = {call["provider"]} AND model IN ({call["model"]}, '')
    """
    learned = f"SELECT 1 FROM learned_limits WHERE {of_model}"
    barred = f"""
        SELECT 1 FROM learned_limits WHERE {of_model} AND (
            blocked_until > {now} OR noted_at <= {now} - {LEARNED_FOR} OR noted_at > {now} + {CLOCK_TOLERANCE}
        )
    """
    later = f"SELECT 1 FROM rate_slots WHERE {of_model} AND (at > {now} OR taken_at > {now} + {CLOCK_TOLERANCE})"
    used = f"""
        SELECT count(*) AS requests, coalesce(sum(tokens), 0) AS tokens FROM rate_slots
        WHERE {of_model} AND at > {since}
    """
    too_many = f"used.requests >= {{0}} OR used.tokens > {{1}} - min({tokens}, {{1}})"
    full = f"""
        SELECT 1 FROM ({used}) AS used LEFT JOIN (SELECT rpm, tpm FROM learned_limits WHERE {of_model}) AS learned
        WHERE {too_many.format(rpm, tpm)} OR {too_many.format("learned.rpm", "learned.tpm")}
    """
    limited = f"{at_once} AND (coalesce({rpm}, {tpm}) IS NOT NULL OR EXISTS ({learned}))"
    return [
        _unless(f"NOT {counts} OR ({_NO_BUDGET} AND EXISTS ({within_cap}))"),
        _unless(f"NOT {at_once} OR ({_NO_BUDGET} AND NOT EXISTS ({breakers}) AND NOT EXISTS ({barred}))"),
        _unless(f"NOT ({limited}) OR NOT (EXISTS ({later}) OR EXISTS ({full}))"),
        f"DELETE FROM rate_slots WHERE {at_once} AND {of_model} AND at < {since}",
        f"""
        INSERT INTO rate_slots (simulated, model, taken_at, at, tokens)
        SELECT {call["simulated"]}, {call["model"]}, {now}, {now}, {tokens} WHERE {limited}
        """,
        f"""
        INSERT INTO taken
        SELECT {call["call_id"]}, last_insert_rowid(), {now}, noted_at, learned.rpm, learned.tpm, blocked_until
        FROM (SELECT 1) LEFT JOIN (SELECT * FROM learned_limits WHERE {of_model}) AS learned WHERE {limited}
        """,
        _inserting("call_rows", call),
    ]


def _keeping(table: str, name: str) -> list[str]:
    """Store a text, unless it is there already: see texts.py."""
    key, digest, text = "NEW.c1", _value(2), "NEW.c3"
    same = f"SELECT text_id FROM texts WHERE digest = {digest}"
    if (table, name) == ("runs", "response"):
        same += f"""
            UNION ALL SELECT text_id FROM call_rows JOIN texts ON text_id = response_text
            WHERE {digest} IS NULL AND run_id = {key} AND text = {text}
        """
    key_name = {"runs": "run_id", "calls": "call_id"}[table]
    return [
        f"INSERT INTO texts (digest, text) SELECT {digest}, {text} WHERE NOT EXISTS ({same})",
        f"UPDATE {ROWS[table]} SET {number_of(name)} = coalesce(({same} LIMIT 1), last_insert_rowid())"
        f" WHERE {key_name} = {key}",
    ]


_NO_BUDGET = "NOT EXISTS (SELECT 1 FROM budgets)"
_CALL_IS_THERE = "EXISTS (SELECT 1 FROM call_rows WHERE call_id = NEW.c1)"
_TRIGGERS = {
    RUN: [_inserting("run_rows", _new(1, names_of(RunRecord)))],
    CALL: _reserving(),
    SETTLED: [
        _unless(f"{_NO_BUDGET} AND {_CALL_IS_THERE}"),
        _updating("call_rows", "call_id", _new(2, changing_names(CallRecord))),
    ],
    JUDGED: [
        _unless(_CALL_IS_THERE),
        "UPDATE call_rows SET confidence = NEW.c2, verdict = NEW.c3 WHERE call_id = NEW.c1",
    ],
    ENDED: [
        _unless(
            "EXISTS (SELECT 1 FROM run_rows WHERE run_id = NEW.c1) AND NOT EXISTS"
            " (SELECT 1 FROM call_rows WHERE run_id = NEW.c1 AND status IN ('reserved', 'sent'))"
        ),
        _updating("run_rows", "run_id", _new(2, changing_names(RunRecord))),
    ],
    **{kind_of_text(table, name): _keeping(table, name) for table, names in TEXTS.items() for name in names},
    TOKENS: ["UPDATE rate_slots SET tokens = NEW.c2 WHERE slot_id = NEW.c1"],
}
