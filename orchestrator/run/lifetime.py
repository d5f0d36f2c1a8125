"""What an engine holds open, and for how long: as long as it has an owner or a run.

take ─► ledger, admission, connections ─► give_back          a run
keep ─────────────────────────────── let_go                  an owner, which need not have a run
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from ..deferred import dataclass
from ..ledger.store import Ledger
from .call.admission import Admission
from .call.connections import Connections
from .collecting import collect_as_usual, collect_seldom

if TYPE_CHECKING:
    from .call.cache import AnswerCache

_LOOK_EVERY_S = 0.02  # at what is in the ledger's place
# What was open when a process was forked: closing it in the child could take the parent's locks away.
# https://sqlite.org/howtocorrupt.html, 2.6
_OF_PARENTS: list[object] = []


@dataclass(slots=True, eq=False)
class Opened:
    """What is open. `runs` counts the runs in flight on it."""

    ledger: Ledger
    admission: Admission
    connections: Connections
    cache_bytes: int
    runs: int = 0
    _looked_at: float = -math.inf
    _answers: AnswerCache | None = None
    _making: threading.Lock = field(default_factory=threading.Lock)

    @property
    def answers(self) -> AnswerCache:
        """The response cache of the ledger, made for the first run that uses one."""
        with self._making:
            if self._answers is None:
                from .call.cache import AnswerCache  # heavy

                self._answers = AnswerCache(self.ledger.path, self.cache_bytes)
            return self._answers

    def is_replaced(self) -> bool:
        """Whether another file is in the ledger's place, as it was a moment ago if runs are in flight: they would fail
        as well."""
        now = time.monotonic()
        if not self.runs or now > self._looked_at + _LOOK_EVERY_S:
            self._looked_at = now
            return self.ledger.is_replaced()
        return False

    def close_answers(self) -> None:
        """Close the response cache, if a run used it."""
        with self._making:
            if self._answers is not None:
                self._answers.close()


class Lifetime:
    """Opens what runs need, and closes it after the last one. Safe to use from several threads and event loops.

    `admission` makes that of a ledger, `connections` those to providers. `ledger` is one that its owner keeps open;
    without it, the ledger at `path` is opened, and again when the file is replaced. `cache_bytes` is the most that the
    response cache may take. `warnings` come from opening, for whoever can tell the user.
    """

    def __init__(
        self,
        admission: Callable[[Ledger], Admission],
        connections: Callable[[], Connections],
        path: Path,
        ledger: Ledger | None,
        *,
        cache_bytes: int,
    ) -> None:
        self._admission = admission
        self._connections = connections
        self._cache_bytes = cache_bytes
        self._path = path
        self._ledger = ledger
        self.warnings: list[str] = []
        self._pid = os.getpid()
        self._lock = threading.Lock()  # over the two below, and over `runs`
        self._owners = 0
        self._opened: Opened | None = None
        self._opening = threading.Lock()  # one opens, the others wait

    @property
    def ledger(self) -> Ledger | None:
        """The ledger that is open, if an owner keeps it so: it can be read without opening it again."""
        with self._lock:
            opened = self._opened if self._owners and self._pid == os.getpid() else None
        if opened is None or (opened.ledger is not self._ledger and opened.ledger.is_replaced()):
            return None
        return opened.ledger

    def keep(self) -> None:
        """Keep open what is opened from now on, until `let_go` was called as often as this."""
        with self._lock:
            self._owners += 1

    async def let_go(self) -> None:
        """Undo one `keep`; after the last, close what no run uses."""
        with self._lock:
            self._owners -= 1
            opened = self._opened
        if opened is not None:
            await self._close_if_unused(opened)

    async def take(self) -> Opened:
        """Open what a run needs; the run must give it back. Raises LedgerError if it cannot be opened."""
        opened = self._take_opened()
        return await asyncio.to_thread(self._open_and_take) if opened is None else opened

    async def give_back(self, opened: Opened) -> None:
        """Give back what a run took, and close it if nobody needs it."""
        with self._lock:
            opened.runs -= 1
            if not opened.runs:
                collect_as_usual(id(opened))
        await self._close_if_unused(opened)

    def _take_opened(self) -> Opened | None:
        if self._pid != os.getpid():
            self._forget_parent()
        with self._lock:
            opened = self._opened
            if opened is None or (opened.ledger is not self._ledger and opened.is_replaced()):
                return None
            if not opened.runs:
                collect_seldom(id(opened))
            opened.runs += 1
            return opened

    def _open_and_take(self) -> Opened:
        with self._opening:
            if (already := self._take_opened()) is not None:
                return already
            ledger = self._ledger or Ledger.open(self._path)
            self.warnings += ledger.warnings
            with self._lock:
                replaced = self._opened
                connections = self._connections() if replaced is None else replaced.connections
                opened = Opened(ledger, self._admission(ledger), connections, self._cache_bytes, runs=1)
                self._opened = opened
                collect_seldom(id(opened))
            if replaced is not None and not replaced.runs:
                replaced.close_answers()
                replaced.ledger.close()
            return opened

    async def _close_if_unused(self, opened: Opened) -> None:
        with self._lock:
            in_use = opened.runs or (self._opened is opened and self._owners)
            if not in_use and self._opened is opened:
                self._opened = None
        if not in_use:
            await asyncio.shield(self._close(opened))

    async def _close(self, opened: Opened) -> None:
        if self._opened is None or self._opened.connections is not opened.connections:
            await opened.connections.aclose()
        opened.close_answers()
        if opened.ledger is not self._ledger:
            try:
                await asyncio.to_thread(opened.ledger.close)
            except RuntimeError:  # the interpreter is about to end, and starts no more threads
                opened.ledger.close()

    def _forget_parent(self) -> None:
        """In a forked process: drop what the parent opened, without using or closing it."""
        if self._opened is not None:
            _OF_PARENTS.append(self._opened)
            collect_as_usual(id(self._opened))
        self._pid, self._opened = os.getpid(), None
        self._lock, self._opening = threading.Lock(), threading.Lock()
