"""Which model a conversation with tools was begun by.

A turn is recognised by the ids of its calls of tools, and by the hash of all turns up to it, for clients that write ids
of their own. The marks are in memory, and in the ledger for when the server starts anew. Signatures of thoughts, which
most clients do not send back with a call, are in memory alone: where there is none, a provider is told so.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

from ..clock import Clock
from ..deferred import replace
from ..errors import LedgerError
from ..ledger.rows import to_micros
from ..ledger.store import Ledger
from ..types import Message, Prompt, ToolCall

_IN_MEMORY = 20_000  # marks; a turn of a conversation makes two or three
_SIGNATURES = 2_000  # in memory; each has some thousand characters
_KEPT = timedelta(days=30)
_TIDY_EVERY = 1_000  # marks


class Conversations:
    """The marks of one server. `clock` dates them."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._marks: OrderedDict[str, str] = OrderedDict()
        self._signatures: OrderedDict[str, str] = OrderedDict()
        self._made = 0

    async def model_of(self, prompt: Prompt, owner: str) -> str | None:
        """The model that made the latest turn of a conversation with tools; None for a new one, or one of another
        server. `owner` is whose conversations they are: nobody goes on with another's."""
        marks = list(_marks_in(prompt, owner))
        for mark in marks:
            if (known := self._marks.get(mark)) is not None:
                return known
        if not marks:
            return None
        try:
            return await self._ledger.submit(partial(_look_up, marks=marks), reads=True)
        except LedgerError:
            return None

    def signed(self, prompt: Prompt, owner: str) -> Prompt:
        """The conversation with the signatures that its calls of tools were made with."""
        if not self._signatures:
            return prompt

        def restored(call: ToolCall) -> ToolCall:
            known = self._signatures.get(_of_id(call.id, owner)) if call.signature is None else None
            return call if known is None else replace(call, signature=known)

        def turn(each: Message) -> Message:
            return replace(each, tool_calls=tuple(map(restored, each.tool_calls))) if each.tool_calls else each

        return replace(prompt, before=tuple(map(turn, prompt.before)), after=tuple(map(turn, prompt.after)))

    def remember(self, prompt: Prompt, answer: Message, model: str, owner: str) -> None:
        """Remember that a model gave this answer."""
        turns = [*_turns(prompt), answer]
        marks = [*(_of_id(call.id, owner) for call in answer.tool_calls), _of_turns(prompt.system, turns, owner)]
        _put(self._marks, dict.fromkeys(marks, model), _IN_MEMORY)
        signed = (call for call in answer.tool_calls if call.signature is not None)
        _put(self._signatures, {_of_id(call.id, owner): call.signature or "" for call in signed}, _SIGNATURES)
        self._made += len(marks)
        before = None
        if self._made >= _TIDY_EVERY:
            self._made, before = 0, self._clock() - _KEPT
        keeping = self._ledger.submit(partial(_keep, marks=marks, model=model, at=self._clock(), before=before))
        keeping.add_done_callback(_seen)


def _put(kept: OrderedDict[str, str], new: Mapping[str, str], most: int) -> None:
    kept.update(new)
    while len(kept) > most:
        kept.popitem(last=False)


def _seen(keeping: asyncio.Future[None]) -> None:
    """A mark that is lost is a conversation that may change its model: no reason to fail."""
    if not keeping.cancelled():
        keeping.exception()


def _keep(
    connection: sqlite3.Connection, marks: Sequence[str], model: str, at: datetime, before: datetime | None
) -> None:
    rows = [(mark, model, to_micros(at)) for mark in marks]
    connection.executemany("INSERT OR REPLACE INTO conversation_marks (mark, model, made_at) VALUES (?, ?, ?)", rows)
    if before is not None:
        connection.execute("DELETE FROM conversation_marks WHERE made_at < ?", (to_micros(before),))


def _look_up(connection: sqlite3.Connection, marks: Sequence[str]) -> str | None:
    for mark in marks:
        found = connection.execute("SELECT model FROM conversation_marks WHERE mark = ?", (mark,)).fetchone()
        if found is not None:
            return str(found["model"])
    return None


def _turns(prompt: Prompt) -> list[Message]:
    return [*prompt.before, Message("user", prompt.text, parts=prompt.parts), *prompt.after]


def _marks_in(prompt: Prompt, owner: str) -> Iterator[str]:
    """The marks of a conversation's latest answer, the surest first."""
    turns = _turns(prompt)
    latest = next((place for place in reversed(range(len(turns))) if turns[place].role == "assistant"), None)
    if latest is None:
        return
    yield from (_of_id(call.id, owner) for call in reversed(turns[latest].tool_calls))
    yield _of_turns(prompt.system, turns[: latest + 1], owner)


def _of_id(call_id: str, owner: str) -> str:
    return _hash("id", owner, call_id)


def _of_turns(system: str | None, turns: Sequence[Message], owner: str) -> str:
    said: list[object] = [system or ""]
    for turn in turns:
        media = [each.url or sha256(each.data or b"").hexdigest() for each in turn.media]
        said.append([turn.role, turn.content.strip(), media, [[call.name, _plain(call)] for call in turn.tool_calls]])
    return _hash("turns", owner, json.dumps(said))


def _plain(call: ToolCall) -> object:
    """The arguments of a call, however they are spaced."""
    try:
        return json.loads(call.arguments or "{}")
    except ValueError:
        return call.arguments


def _hash(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]
