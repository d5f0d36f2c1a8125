"""The lines that are to be asked: those of the input that have no outcome yet, with how often they were asked before.

input ─► (in a thread, some at a time) ─► rows of the ledger ─► asked | done already | cannot be read
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import field
from functools import partial
from itertools import islice
from typing import Protocol

from ..deferred import dataclass
from ..errors import UsageError
from ..ledger.batches import Job, LineRow, RunOfLine, keep_lines, lines_between, runs_between
from ..ledger.queries import find_run
from ..ledger.store import Ledger
from ..run.result import recorded_result
from .backend import Attempt
from .lines import Line, broken
from .outcomes import Outcome, invalid, outcome_of

_AT_A_TIME = 200  # lines
_AGAIN, _COMPLETE = "again", "complete"


class Takes(Protocol):
    """Who takes the lines."""

    def wants_more(self) -> bool:
        """Whether more lines are to be read."""

    def take(self, number: int, *, ready: bool) -> None:
        """A line whose result belongs at the end of the output; `ready` if the ledger has it already."""

    def settle(self, outcome: Outcome) -> None:
        """A line that is settled without being asked; the ledger has it."""

    async def room(self) -> None:
        """Wait until more lines can be taken."""


@dataclass(slots=True)
class Feed:
    """Gives what is to be asked. `read` counts the lines so far, `at_end` that there are no more."""

    job: Job
    ledger: Ledger
    lines: Iterator[Line]
    full: bool
    taker: Takes
    read: int = 0
    at_end: bool = False
    _ids: set[int] = field(default_factory=set)

    async def attempts(self) -> AsyncIterator[Attempt]:
        """The lines that are to be asked. Raises UsageError if the input is not what the job was begun with."""
        while self.taker.wants_more():
            chunk = await asyncio.to_thread(lambda: list(islice(self.lines, _AT_A_TIME)))
            if not chunk:
                self.at_end = True
                return
            rows, runs = await self.ledger.submit(partial(self._rows, first=chunk[0], last=chunk[-1]), reads=True)
            kept: list[Outcome] = []
            asked = [attempt for line in chunk if (attempt := self._seen(line, rows, runs, kept)) is not None]
            if kept:
                to_keep = [outcome.to_keep() for outcome in kept]
                await self.ledger.submit(partial(keep_lines, job=self.job, kept=to_keep))
            self._order(chunk, rows, {outcome.line.number for outcome in kept})
            for outcome in kept:
                self.taker.settle(outcome)
            self.read += len(chunk)
            for attempt in asked:
                yield attempt
            await self.taker.room()

    def _rows(
        self, connection: sqlite3.Connection, first: Line, last: Line
    ) -> tuple[dict[int, LineRow], dict[int, RunOfLine]]:
        rows = lines_between(connection, self.job, first.number, last.number)
        return rows, runs_between(connection, self.job, first.number, last.number)

    def _seen(
        self, line: Line, rows: dict[int, LineRow], runs: dict[int, RunOfLine], kept: list[Outcome]
    ) -> Attempt | None:
        line = self._with_own_id(line)
        row, run = rows.get(line.number), runs.get(line.number)
        if row is not None and row.status != _AGAIN:
            self._check(line, row)
            return None
        if line.error is not None:
            kept.append(invalid(line))
            return None
        if row is None and run is not None and run.status == _COMPLETE:
            recovered = self._recovered(line, run)
            if recovered is not None:
                kept.append(recovered)
                return None
        return Attempt(line, 0 if run is None else run.attempt + 1)

    def _with_own_id(self, line: Line) -> Line:
        """The line, or one with an error if an earlier one has its id."""
        mark = hash((type(line.id), line.id))
        if mark not in self._ids:
            self._ids.add(mark)
            return line
        if line.error is not None:
            return line
        other = broken(line.number, "", f"the id {line.id!r} is that of an earlier line too", named=line.id)
        return Line(line.number, line.id, line.digest, error=other.error)

    def _check(self, line: Line, row: LineRow) -> None:
        if line.digest == row.digest or row.status != _COMPLETE:
            return
        raise UsageError(
            f"line {line.number:,} of the input is not what the batch {self.job.job_id} was asked",
            hint="put the input back as it was, or begin a batch of its own with another -o",
        )

    def _recovered(self, line: Line, run: RunOfLine) -> Outcome | None:
        """What came of a line whose run ended well, and which nothing else was written of."""
        recorded = find_run(self.ledger, run.run_id)
        if recorded.run.response is None:
            return None
        return outcome_of(line, recorded_result(recorded), full=self.full)

    def _order(self, chunk: list[Line], rows: dict[int, LineRow], kept: set[int]) -> None:
        for line in chunk:
            row = rows.get(line.number)
            if row is None or (row.pending and row.status != _AGAIN):
                self.taker.take(line.number, ready=row is not None or line.number in kept)
