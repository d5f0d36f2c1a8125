"""Takes the texts out of the ledger and leaves the figures: as if nothing had ever been stored but hashes.

What goes is what `ORCH_LOG_TEXT=0` does not store: prompts, answers, conversations, what errors and reasons quote, and
the notes of ratings.
"""

from __future__ import annotations

import sqlite3

from ..ledger import progress
from ..ledger.records import TOOL_CALLS
from ..ledger.search import without_index
from ..ledger.store import Ledger
from ..ledger.texts import numbers_of
from ..ledger.transaction import as_ledger_errors, transaction
from ..ledger.views import TEXTS, number_of
from .removal import tidy

_BATCH = 500  # runs a transaction


def redact(ledger: Ledger, which: str = "true", parameters: tuple[str, ...] = ()) -> int:
    """Take the texts out of the runs that a condition on `run_rows` selects, some of them a transaction; runs under way
    stay as they are. Returns how many runs were looked at. Raises LedgerError."""
    done, last = 0, 0
    with as_ledger_errors(ledger.path), without_index(ledger.path), ledger.apart() as connection:
        (of,) = connection.execute(f"SELECT count(*) FROM run_rows WHERE {which}", parameters).fetchone()
        while True:
            with transaction(connection):
                rows = connection.execute(
                    f"SELECT rowid, run_id FROM run_rows WHERE rowid > ? AND status <> 'running' AND {which}"
                    " ORDER BY rowid LIMIT ?",
                    (last, *parameters, _BATCH),
                ).fetchall()
                if rows:
                    _redact(connection, [row[1] for row in rows])
                    last = rows[-1][0]
            if not rows:
                break
            done += len(rows)
            progress.show("redacting runs", done, of)
        tidy(connection, ledger.path)
    return done


def _redact(connection: sqlite3.Connection, run_ids: list[str]) -> None:
    marks = f"run_id IN ({', '.join('?' * len(run_ids))})"
    texts = numbers_of(connection, marks, run_ids)
    connection.execute(
        f"UPDATE run_rows SET {_none('runs')}, error_message = NULL,"
        f" metadata = json_remove(metadata, '$.{TOOL_CALLS}', '$.consensus') WHERE {marks}",
        run_ids,
    )
    connection.execute(
        f"UPDATE call_rows SET {_none('calls')}, error_message = NULL,"
        " verdict = CASE WHEN verdict IS NOT NULL THEN json_replace(verdict, '$.reasons', json('[]')) END"
        f" WHERE {marks}",
        run_ids,
    )
    connection.execute(f"UPDATE ratings SET note = NULL WHERE {marks}", run_ids)
    connection.execute(f"DELETE FROM conversations WHERE {marks}", run_ids)
    connection.executemany("DELETE FROM texts WHERE text_id = ?", texts)


def _none(view: str) -> str:
    return ", ".join(f"{name} = NULL, {number_of(name)} = NULL" for name in TEXTS[view])
