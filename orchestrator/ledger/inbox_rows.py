"""The rows that the inbox takes (inbox.py): their kinds, and what is told of a slot that one has taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .limits import Learned

# The kinds of rows. Each is of one change of the group, and comes after what it needs.
RUN, CALL, SETTLED, ENDED, OTHER = "run", "call", "settled", "ended", "other"
SENT, JUDGED, TOKENS, LINE = "sent", "judged", "tokens", "line"
AFTER_TURN, TURN, LAST_TURN = "after_turn", "turn", "last_turn"
KINDS_OF_THEIR_OWN = (RUN, CALL, SETTLED, ENDED)  # those with a trigger of their own; the others share one
# Stands for NULL in a row: to bind None takes Python's module five times as long as to bind a number, since it asks
# whether somebody has an adapter for it.
NULL = -(2**63)
Row = tuple[str, Sequence[Any]]  # its kind, and its values as SQLite stores them, with NULL for None


class Taken(NamedTuple):
    """The slot that a call has taken, by its number, when, and the limits that its model's provider has reported."""

    slot_id: int
    at: int
    learned: Learned | None


def kind_of_text(table: str, name: str) -> str:
    """The kind of a row with a text of `runs` or `calls` that does not stand in their rows; it comes after theirs."""
    return f"{table}_{name}"
