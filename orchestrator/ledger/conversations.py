"""The turns around a run's question, kept so that the conversation can go on.

A turn is kept once, however many runs have it: its id is the digest of what it says and of the id of the turn before.
So the runs of one conversation share all that they have in common, and a run names its last turn only. A run whose
question is a text alone has no row here: its prompt says it all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..types import digest_of

if TYPE_CHECKING:
    from .store import Ledger


class KeptTurn(NamedTuple):
    """A row of `conversation_turns`. `message` is the turn as a JSON object, in OpenAI's form."""

    turn_id: str
    previous: str | None
    message: str


def kept_turns(messages: Sequence[str]) -> tuple[KeptTurn, ...]:
    """The rows of a conversation, in order."""
    turns: list[KeptTurn] = []
    for message in messages:
        previous = turns[-1].turn_id if turns else None
        turns.append(KeptTurn(digest_of(f"{previous or ''}\n{message}"), previous, message))
    return tuple(turns)


def keep_conversation(connection: sqlite3.Connection, run_id: str, turns: Sequence[KeptTurn]) -> None:
    """Within a transaction: write the turns of a run that are not there yet."""
    if not turns:
        return
    for turn in reversed(turns):
        if connection.execute("INSERT OR IGNORE INTO conversation_turns VALUES (?, ?, ?)", turn).rowcount == 0:
            break  # with it, those before it are there
    connection.execute("INSERT OR REPLACE INTO conversations VALUES (?, ?)", (run_id, turns[-1].turn_id))


def conversation_of(ledger: Ledger, run_id: str) -> tuple[str, ...]:
    """The messages of a run's conversation as JSON, its question among them; empty if none are kept."""
    query = """
        WITH RECURSIVE said (turn_id, previous, message, place) AS (
            SELECT turn_id, previous, message, 0 FROM conversation_turns
            WHERE turn_id = (SELECT last_turn FROM conversations WHERE run_id = ?)
            UNION ALL
            SELECT earlier.turn_id, earlier.previous, earlier.message, place + 1
            FROM conversation_turns AS earlier JOIN said ON earlier.turn_id = said.previous
        )
        SELECT message FROM said ORDER BY place DESC
    """
    return ledger.read(lambda connection: tuple(row[0] for row in connection.execute(query, (run_id,))))


def sweep_conversations(connection: sqlite3.Connection) -> int:
    """Within a transaction: delete the conversations of runs that are gone or whose text was removed, and the turns
    that none has any more. Returns the number of turns."""
    connection.execute(
        """
        DELETE FROM conversations WHERE run_id NOT IN (
            SELECT run_id FROM run_rows WHERE prompt IS NOT NULL OR prompt_text IS NOT NULL
        )
        """
    )
    return connection.execute(
        """
        DELETE FROM conversation_turns WHERE turn_id NOT IN (
            WITH RECURSIVE named (turn_id) AS (
                SELECT last_turn FROM conversations
                UNION
                SELECT previous FROM conversation_turns JOIN named USING (turn_id) WHERE previous IS NOT NULL
            )
            SELECT turn_id FROM named
        )
        """
    ).rowcount
