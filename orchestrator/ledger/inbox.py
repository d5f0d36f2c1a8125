"""A temporary view, and the triggers that make changes of the rows inserted into it: a whole group in one statement.

    INSERT INTO inbox VALUES (row), (row) ... ──► triggers: one change after the other ──► commit
                                                    └──► what is out of the ordinary is left, and told

While SQLite works at a statement, the event loops run; between two statements the thread has to get Python's lock back
from them. A group of changes in one statement needs it once, where change by change it is a hundred times.

The triggers make a change only if nothing about it is out of the ordinary: a row that is not there, a cap or a budget
that is not enough, an alert, a breaker, a full window. They leave such a change, with all of its rows, and its function
makes it afterwards, which has the rules and the words for it. A check of a table makes the whole statement fail, with
nothing changed. `inbox_kinds.py` has the triggers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any, NamedTuple

from .inbox_rows import KINDS_OF_THEIR_OWN, NULL, OTHER, Row, Taken
from .limits import Learned
from .transaction import transaction, when_free

# Numbers of rows for which there are statements: each is compiled once, and filled up with empty rows, a hundredth of a
# millisecond each. Fewer rows are not worth making the view.
_SIZES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
FEWEST, MOST = _SIZES[0], _SIZES[-1]


class Posted(NamedTuple):
    """What came of a group: the places of the changes that were left, and the slots that others have taken."""

    odd: Collection[int]
    taken: Mapping[int, Taken]


class Inbox:
    """The view and its triggers, for one connection alone."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        from .inbox_kinds import TRIGGERS, VIEWS  # long texts, for processes that have many calls in flight

        self._connection = connection
        self._width = len(VIEWS["inbox"])
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS odd (change INTEGER PRIMARY KEY)")
        connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS taken (change, slot_id, at, noted_at, rpm, tpm, blocked_until)"
        )
        for view, columns in VIEWS.items():
            values = ", ".join(f"NULL AS {column}" for column in columns)
            connection.execute(f"CREATE TEMP VIEW IF NOT EXISTS {view} AS SELECT {values}")
        for number, (view, condition, statements) in enumerate(TRIGGERS):
            body = ";\n".join(statements)
            connection.execute(
                f"CREATE TEMP TRIGGER IF NOT EXISTS {view}_{number} INSTEAD OF INSERT ON {view} WHEN {condition}"
                f" BEGIN {body}; END"
            )

    def post(self, changes: Sequence[Sequence[Row]]) -> Posted:
        """Make changes by their rows, in their order, but for those that are out of the ordinary.

        They are durable when this returns, or with the transaction that the connection is in. Raises sqlite3.Error or
        ValueError with nothing changed.
        """
        rows = [(kind, change, values) for change, rows in enumerate(changes) for kind, values in rows]
        several = len(rows) > MOST and not self._connection.in_transaction
        with transaction(self._connection) if several else nullcontext():
            for first in range(0, len(rows), MOST):
                self._insert(rows[first : first + MOST])
        return self._told()

    def _insert(self, rows: Sequence[tuple[str, int, Sequence[Any]]]) -> None:
        size = next(size for size in _SIZES if size >= len(rows))
        values: list[Any] = []
        for kind, change, of_row in rows:
            if kind in KINDS_OF_THEIR_OWN:
                values += (kind, change)
            else:
                values += (OTHER, change, kind)
            values += of_row
            values += _empty(-len(values) % self._width)
        values += _empty(self._width * size - len(values))
        when_free(self._connection, _insertion(size, self._width), values)

    def _told(self) -> Posted:
        told = "SELECT change, NULL, NULL, NULL, NULL, NULL, NULL FROM odd UNION ALL SELECT * FROM taken"
        odd: set[int] = set()
        taken: dict[int, Taken] = {}
        for change, slot_id, at, *learned in self._connection.execute(told).fetchall():
            if slot_id is None:
                odd.add(change)
            else:
                taken[change] = Taken(slot_id, at, None if learned[0] is None else Learned(*learned))
        if odd:
            self._connection.execute("DELETE FROM odd")
        if taken:
            self._connection.execute("DELETE FROM taken")
        return Posted(odd, taken)


@cache
def _empty(places: int) -> list[int]:
    return [NULL] * places


@cache
def _insertion(size: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"INSERT INTO inbox VALUES {', '.join([row] * size)}"
