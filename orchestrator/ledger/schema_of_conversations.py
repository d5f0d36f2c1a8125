"""The tables of conversations: turns, each kept once, and the last turn of each run that was asked within one."""

from __future__ import annotations

OF_CONVERSATIONS = (
    # `message` is a turn in OpenAI's form; `turn_id` the digest of it and of `previous`, the turn before it.
    """
    CREATE TABLE conversation_turns (
        turn_id   TEXT PRIMARY KEY,
        previous  TEXT,
        message   TEXT NOT NULL CHECK (json_valid(message))
    ) STRICT
    """,
    """
    CREATE TABLE conversations (
        run_id     TEXT PRIMARY KEY,
        last_turn  TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)
