"""Who asks the lines of a batch: this process, a provider's batch API, or workers on other machines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import Protocol

from ..config import RunOptions
from ..deferred import dataclass
from ..errors import OrchError
from ..ledger.batches import Job, place_of
from ..ledger.store import Ledger
from .lines import Line
from .outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Task:
    """What all lines of a job have in common.

    `options` are those of every run, over which a line's own go. `spent_nanousd` is what earlier runs of the job have
    cost, within `max_cost_nanousd` for all of it. `concurrency` is the most lines in flight, None for what rate limits
    let through; `deadline_s` are the seconds that it may take from now on; after `max_errors` failed lines no other is
    asked. `full`: the output has all of a run's fields.
    """

    job: Job
    ledger: Ledger
    options: RunOptions
    spent_nanousd: int = 0
    max_cost_nanousd: int | None = None
    concurrency: int | None = None
    deadline_s: float | None = None
    max_errors: int | None = None
    full: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a backend stands: lines in flight, what has been spent by now, and what it waits for, in words."""

    in_flight: int = 0
    spent_nanousd: int = 0
    waits_for: str | None = None


class Backend(Protocol):
    """Asks lines. What it gives need not be in order; each line comes back exactly once, unless it is cancelled.

    A run for a line has the id that `task.job.run_id(line.number, attempt)` gives, with an attempt that no earlier run
    of the line had: `ledger.batches.runs_between` finds those. An outcome whose rows the backend has not written with
    `ledger.batches.keep_lines` is written by whoever takes it. What stops all lines, such as a cap that is reached, is
    told by outcomes with the status `not_asked` for the lines that are left.
    """

    @property
    def standing(self) -> Standing:
        """How it stands now."""

    def work(self, lines: AsyncIterable[Attempt], task: Task) -> AsyncGenerator[Outcome, None]:
        """Ask lines as they come. Closing the iterator cancels what is in flight, and settles it."""

    def stop(self, why: OrchError) -> None:
        """Ask nothing more; what is in flight ends as it would."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A line that is to be asked, and the number of the next attempt: how many runs it has had before."""

    line: Line
    number: int = 0

    def after(self, run_ids: Iterable[str]) -> Attempt:
        """The attempt that follows those that runs of these ids were, as far as they are of this line."""
        places = [place_of(run_id) for run_id in run_ids]
        return Attempt(self.line, max([self.number, *(n + 1 for line, n in places if line == self.line.number)]))
