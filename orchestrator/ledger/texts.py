"""Where the texts of runs and calls are kept, so that no report reads past them and none is written twice.

A short text stands in its row. A longer one is a row of `texts`, and its number stands in the column named after it
with `_text`: an answer has one row there for the call that gave it and the run that it answers. A text from 4,000
characters on is looked up by its digest first, so that a long prompt or system prompt is stored once, however many runs
have it. What no row names any more is deleted by `sweep`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from ..types import digest_of
from .conversations import sweep_conversations
from .progress import Progress
from .transaction import transaction
from .views import TEXTS, number_of

IN_ROW = 1_000  # characters of a text that stands in its row
SHARED = 4_000  # from here on, a text is worth an entry in the index of digests
_MOVING = "moving the texts of the ledger"
_BATCH = 400  # runs a transaction: other processes' calls wait for one batch at most


class Kept(NamedTuple):
    """Where a text stands: in its row, or in the row of `texts` with this number; neither is no text."""

    in_row: str | None
    number: int | None


def keep(connection: sqlite3.Connection, text: str | None) -> Kept:
    """Within a transaction: store a text, unless it is short or is there already."""
    if text is None or len(text) <= IN_ROW:
        return Kept(text, None)
    digest = digest_of(text) if len(text) >= SHARED else None
    if digest is not None:
        row = connection.execute("SELECT text_id FROM texts WHERE digest = ?", (digest,)).fetchone()
        if row is not None:
            return Kept(None, row[0])
    inserted = connection.execute("INSERT INTO texts (digest, text) VALUES (?, ?)", (digest, text))
    return Kept(None, inserted.lastrowid)


def keep_answer(connection: sqlite3.Connection, run_id: str, text: str | None) -> Kept:
    """As `keep`, for a run's answer: if a call of the run gave this very text, it is there already."""
    if text is None or not IN_ROW < len(text) < SHARED:
        return keep(connection, text)
    row = connection.execute(
        "SELECT text_id FROM call_rows JOIN texts ON text_id = response_text WHERE run_id = ? AND text = ? LIMIT 1",
        (run_id, text),
    ).fetchone()
    return keep(connection, text) if row is None else Kept(None, row[0])


def sweep(connection: sqlite3.Connection) -> int:
    """Within a transaction: delete the texts that no row names, and conversations without their run. Returns the
    number of texts."""
    sweep_conversations(connection)
    named = " UNION ALL ".join(
        f"SELECT {number_of(name)} FROM {table} WHERE {number_of(name)} IS NOT NULL"
        for table, names in (("run_rows", TEXTS["runs"]), ("call_rows", TEXTS["calls"]))
        for name in names
    )
    return connection.execute(f"DELETE FROM texts WHERE text_id NOT IN ({named})").rowcount


def numbers_of(connection: sqlite3.Connection, which: str, parameters: Sequence[str] = ()) -> list[tuple[int]]:
    """The texts that the runs which a condition on `run_id` selects have for themselves, with their calls."""
    named = " UNION ".join(
        f"SELECT {number_of(name)} AS text_id FROM {table} WHERE {which}"
        for table, names in (("run_rows", TEXTS["runs"]), ("call_rows", TEXTS["calls"]))
        for name in names
    )
    times = sum(len(names) for names in TEXTS.values())
    query = f"SELECT text_id FROM texts WHERE digest IS NULL AND text_id IN ({named})"
    return [(row[0],) for row in connection.execute(query, [*parameters] * times)]


# -- texts of an older ledger ----------------------------------------------------------------------------------------


def unmoved(connection: sqlite3.Connection) -> bool:
    """Whether texts of an older ledger still stand in their rows."""
    return connection.execute("SELECT 1 FROM unfinished WHERE work = 'texts'").fetchone() is not None


def move_texts(connection: sqlite3.Connection, progress: Progress) -> None:
    """Move the texts of an older ledger out of its rows, some runs a transaction.

    It may be stopped at any moment, and goes on where it stopped. The ledger can be used meanwhile.
    """
    while True:
        with transaction(connection):
            row = connection.execute("SELECT done, last FROM unfinished WHERE work = 'texts'").fetchone()
            if row is None:
                return  # somebody else has ended it
            done, last = row
            until = _move_batch(connection, done, last)
            if until >= last:
                connection.execute("DELETE FROM unfinished WHERE work = 'texts'")
            else:
                connection.execute("UPDATE unfinished SET done = ? WHERE work = 'texts'", (until,))
        progress(_MOVING, until, last)


def _move_batch(connection: sqlite3.Connection, done: int, last: int) -> int:
    """Move the texts of the runs after row `done`, and of their calls. Returns the row that is done then."""
    long = " OR ".join(f"length({name}) > {IN_ROW}" for name in TEXTS["runs"])
    rows = connection.execute(
        f"SELECT rowid, run_id, {long} FROM run_rows WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT {_BATCH}",
        (done, last),
    ).fetchall()
    for rowid, run_id, is_long in rows:
        calls = connection.execute(
            "SELECT rowid, response FROM call_rows WHERE run_id = ? AND length(response) > ?", (run_id, IN_ROW)
        ).fetchall()
        for call, response in calls:
            _move(connection, "call_rows", call, "response", keep(connection, response))
        if is_long:
            _move_run(connection, rowid, run_id)
    return rows[-1][0] if rows else last


def _move_run(connection: sqlite3.Connection, rowid: int, run_id: str) -> None:
    for name in TEXTS["runs"]:
        (text,) = connection.execute(f"SELECT {name} FROM run_rows WHERE rowid = ?", (rowid,)).fetchone()
        kept = keep_answer(connection, run_id, text) if name == "response" else keep(connection, text)
        if kept.number is not None:
            _move(connection, "run_rows", rowid, name, kept)


def _move(connection: sqlite3.Connection, table: str, rowid: int, name: str, kept: Kept) -> None:
    connection.execute(f"UPDATE {table} SET {name} = NULL, {number_of(name)} = ? WHERE rowid = ?", (kept.number, rowid))
