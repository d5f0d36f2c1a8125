"""The prompts of kept answers and their embeddings, for the semantic cache. They are in the file of the answers, and go
with them.

A scope is all that decides an answer but the wording of the question, as a hash: model, options, system prompt, files
and whom the answers are for. Prompts are only compared within a scope, and only if one source embedded them.

The vectors are float16. `head`, their first numbers, stands in a table of its own: a search reads the heads of a scope
and then the whole vectors of the few that come near.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from .kept_answers import KeptAnswers
from .transaction import transaction

_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS prompts (
        id      INTEGER PRIMARY KEY AUTOINCREMENT,
        key     TEXT NOT NULL,
        source  TEXT NOT NULL,
        scope   TEXT NOT NULL,
        text    TEXT NOT NULL,
        vector  BLOB NOT NULL,
        UNIQUE (key, source)
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS prompt_heads (
        source  TEXT NOT NULL,
        scope   TEXT NOT NULL,
        id      INTEGER NOT NULL,
        head    BLOB NOT NULL,
        PRIMARY KEY (source, scope, id)
    ) STRICT, WITHOUT ROWID
    """,
    # An older orch, which knows nothing of prompts, removes them too.
    """
    CREATE TRIGGER IF NOT EXISTS prompts_go_with_answers AFTER DELETE ON answers BEGIN
        DELETE FROM prompt_heads WHERE (source, scope, id) IN
            (SELECT source, scope, id FROM prompts WHERE key = OLD.key);
        DELETE FROM prompts WHERE key = OLD.key;
    END
    """,
)
_INSERT = """
    INSERT OR IGNORE INTO prompts (key, source, scope, text, vector)
    SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM answers WHERE key = ?)
"""
_INSERT_HEAD = "INSERT INTO prompt_heads (source, scope, id, head) VALUES (?, ?, ?, ?)"
_ROW_BYTES = 150  # what a prompt takes beside its text and its vector


class KeptPrompt(NamedTuple):
    """A prompt whose answer is kept under `key`. `vector` and `head` are float16, `head` the beginning of `vector`."""

    key: str
    source: str
    scope: str
    text: str
    vector: bytes
    head: bytes

    @property
    def bytes(self) -> int:
        """What it counts for in the file's size."""
        return len(self.text.encode()) + len(self.vector) + len(self.head) + _ROW_BYTES


class KeptVector(NamedTuple):
    """A kept prompt, as a search compares it."""

    id: int
    key: str
    text: str
    vector: bytes


class KeptPrompts:
    """The prompts in a file of answers. Each method raises LedgerError if the file cannot be used."""

    def __init__(self, answers: KeptAnswers) -> None:
        self._answers = answers

    def keep(self, prompts: Sequence[KeptPrompt]) -> None:
        """Keep prompts whose answers are kept; one that is there stays."""
        with self._answers.opened(create=True) as connection:
            assert connection is not None
            with transaction(connection):
                for statement in _SCHEMA:
                    connection.execute(statement)
                for each in prompts:
                    row = (each.key, each.source, each.scope, each.text, each.vector, each.key)
                    made = connection.execute(_INSERT, row)
                    if made.rowcount > 0:
                        connection.execute(_INSERT_HEAD, (each.source, each.scope, made.lastrowid, each.head))

    def heads(self, source: str, scope: str, after: int) -> list[tuple[int, bytes]]:
        """The numbers and heads of a scope's prompts that were kept after the one with a number, in order."""
        query = "SELECT id, head FROM prompt_heads WHERE source = ? AND scope = ? AND id > ? ORDER BY id"
        return self._read(query, (source, scope, after))

    def vectors(self, ids: Sequence[int]) -> list[KeptVector]:
        """The prompts with these numbers, as far as they are still there."""
        marks = ",".join("?" * len(ids))
        return [
            KeptVector(*row)
            for row in self._read(f"SELECT id, key, text, vector FROM prompts WHERE id IN ({marks})", ids)
        ]

    def count(self) -> int:
        """How many prompts are kept."""
        return next((count for (count,) in self._read("SELECT count(*) FROM prompts", ())), 0)

    def _read(self, query: str, values: Sequence[object]) -> list[tuple[int, bytes]] | list[tuple]:  # type: ignore[type-arg]
        with self._answers.opened(create=False) as connection:
            if connection is None:
                return []
            try:
                return connection.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):  # no prompt was kept yet
                    return []
                raise
