"""Full-text search of prompts and answers, in a file of its own beside the ledger.

The index is made when somebody searches for the first time, and brought up to date with each search: a write to the
ledger costs nothing for it. It holds no text, only which words are in which run; it can be deleted at any time, and is
deleted where the ledger forgets a text (`without_index`). Where it cannot be written, it is made in memory.

Words are compared without regard to case and accents. Each character of a script that is written without spaces counts
as a word.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ..errors import LedgerError, UsageError
from ..expressions import expression
from . import progress
from .store import Ledger
from .transaction import transaction

_FORMAT = 1  # of the index; another one is made anew
_BATCH = 500  # runs a transaction
_MOST_CHARACTERS = 1_000_000  # of each text
_BETWEEN = " \ue000 "  # a word that nobody looks for: no phrase reaches from one text into the next
_FIRST, _MOST_AT_ONCE = 500, 64_000  # runs that are looked up at a time: at first, and later
_TABLES = (
    "CREATE VIRTUAL TABLE words USING fts5 (text, content = '', tokenize = 'unicode61 remove_diacritics 2')",
    # Up to which row of the ledger's runs it goes, and which run that is: another one there means another ledger.
    "CREATE TABLE position (done INTEGER NOT NULL, run_id TEXT NOT NULL)",
    "INSERT INTO position VALUES (0, '')",
    # Runs that were under way, by their rows.
    "CREATE TABLE waiting (run INTEGER PRIMARY KEY)",
    f"PRAGMA user_version = {_FORMAT}",
)
_NEXT = "SELECT rowid, run_id, status FROM run_rows WHERE rowid > ? ORDER BY rowid LIMIT ?"
_TEXTS = """
    SELECT run_id, prompt AS text FROM runs WHERE run_id IN (SELECT value FROM json_each(?1)) AND prompt IS NOT NULL
    UNION SELECT run_id, response FROM runs
          WHERE run_id IN (SELECT value FROM json_each(?1)) AND response IS NOT NULL
    UNION SELECT run_id, response FROM calls
          WHERE run_id IN (SELECT value FROM json_each(?1)) AND response IS NOT NULL
"""
# Scripts without spaces between words: Thai, Lao, Khmer, Burmese, kana, bopomofo, Han.
_UNSPACED = expression(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003134f])"
)


def search(ledger: Ledger, texts: Sequence[str]) -> Iterator[list[int]]:
    """The rows of the runs that have all of these texts in a prompt or an answer, the newest first, some at a time.

    The words of a text must stand in their order, next to each other; the last may be the beginning of one. Raises
    UsageError for a text without words, and LedgerError.
    """
    wanted = " AND ".join(f'"{_spaced(_with_words(text))}" *' for text in texts)
    with closing(_opened(ledger.path)) as index:
        _bring_up_to_date(index, ledger)
        found = index.execute("SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC", (wanted,))
        size = _FIRST
        while rows := found.fetchmany(size):
            yield [row[0] for row in rows]
            size = min(2 * size, _MOST_AT_ONCE)


def index_path(ledger: Path) -> Path:
    """Where the index of a ledger is."""
    return ledger.with_name(f"{ledger.name}.search")


@contextmanager
def without_index(ledger: Path) -> Iterator[None]:
    """For whatever deletes or changes texts. The index is deleted before, so that no word stays if the program is
    killed meanwhile, and after, since somebody may have searched meanwhile."""
    forget_index(ledger)
    yield
    forget_index(ledger)


def forget_index(ledger: Path) -> None:
    """Delete the index of a ledger; the next search makes it anew."""
    for suffix in ("", "-journal"):
        with suppress(FileNotFoundError):
            Path(f"{index_path(ledger)}{suffix}").unlink()


def _with_words(text: str) -> str:
    if not any(character.isalnum() for character in text):
        raise UsageError(f"there is no word to look for in {text[:40]!r}")
    return text.replace('"', '""').replace("\0", " ")


def _spaced(text: str) -> str:
    return _UNSPACED.sub(r" \1 ", text)


def _opened(ledger: Path) -> sqlite3.Connection:
    """The index, made if there is none, or if it is of no use."""
    path = index_path(ledger)
    for _ in range(2):
        try:
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            return _with_tables(sqlite3.connect(path, isolation_level=None, timeout=30))
        except (sqlite3.OperationalError, OSError):  # a closed folder, a full disk
            break
        except sqlite3.DatabaseError:  # it is no index, or a damaged one
            forget_index(ledger)
    return _with_tables(sqlite3.connect(":memory:", isolation_level=None))


def _with_tables(index: sqlite3.Connection) -> sqlite3.Connection:
    try:
        with transaction(index):
            (version,) = index.execute("PRAGMA user_version").fetchone()
            if version not in (0, _FORMAT):
                raise sqlite3.DatabaseError("an index of another program's version")
            for statement in () if version else _TABLES:
                index.execute(statement)
    except BaseException:
        index.close()
        raise
    return index


def _bring_up_to_date(index: sqlite3.Connection, ledger: Ledger) -> None:
    try:
        with transaction(index):
            _start_anew_if_another(index, ledger)
            _add_ended(index, ledger)
        while _add_batch(index, ledger):
            pass
    except sqlite3.Error as error:
        raise LedgerError(
            f"the search index {index_path(ledger.path)} cannot be used: {error}", hint="delete it, and search again"
        ) from error


def _start_anew_if_another(index: sqlite3.Connection, ledger: Ledger) -> None:
    """Where rows have other numbers than they had, as after another ledger was put in its place."""
    done, run_id = index.execute("SELECT done, run_id FROM position").fetchone()
    there = ledger.read(lambda db: db.execute("SELECT run_id FROM run_rows WHERE rowid = ?", (done,)).fetchone())
    if done and (there is None or there[0] != run_id):
        index.execute("INSERT INTO words (words) VALUES ('delete-all')")
        index.execute("DELETE FROM waiting")
        index.execute("UPDATE position SET done = 0, run_id = ''")


def _add_ended(index: sqlite3.Connection, ledger: Ledger) -> None:
    """Add the runs that were under way and have ended."""
    waiting = [row[0] for row in index.execute("SELECT run FROM waiting")]
    for run in waiting:
        row = ledger.read(
            lambda db, run=run: db.execute(  # type: ignore[misc]
                "SELECT rowid, run_id, status FROM run_rows WHERE rowid = ?", (run,)
            ).fetchone()
        )
        if row is None or row["status"] != "running":
            index.execute("DELETE FROM waiting WHERE run = ?", (run,))
            _add(index, ledger, [] if row is None else [row])


def _add_batch(index: sqlite3.Connection, ledger: Ledger) -> bool:
    """Add some runs that came after those in the index; whether there may be more."""
    with transaction(index):
        (done,) = index.execute("SELECT done FROM position").fetchone()
        rows, last = ledger.read(
            lambda db: (
                db.execute(_NEXT, (done, _BATCH)).fetchall(),
                db.execute("SELECT max(rowid) FROM run_rows").fetchone()[0],
            )
        )
        if not rows:
            return False
        running = [(row["rowid"],) for row in rows if row["status"] == "running"]
        index.executemany("INSERT INTO waiting VALUES (?)", running)
        _add(index, ledger, [row for row in rows if row["status"] != "running"])
        index.execute("UPDATE position SET done = ?, run_id = ?", (rows[-1]["rowid"], rows[-1]["run_id"]))
    progress.show("reading the texts of the ledger", rows[-1]["rowid"], last)
    return True


def _add(index: sqlite3.Connection, ledger: Ledger, runs: Sequence[sqlite3.Row]) -> None:
    texts: dict[str, list[str]] = {}
    wanted = json.dumps([run["run_id"] for run in runs])
    for run_id, text in ledger.read(lambda db: db.execute(_TEXTS, (wanted,)).fetchall()):
        texts.setdefault(run_id, []).append(_spaced(text[:_MOST_CHARACTERS]))
    index.executemany(
        "INSERT INTO words (rowid, text) VALUES (?, ?)",
        [(run["rowid"], _BETWEEN.join(texts[run["run_id"]])) for run in runs if run["run_id"] in texts],
    )
