"""The rows of batches. Each function that takes a connection is one change, or one query, within the caller's
transaction.

The runs of a job have ids that are worked out from the job's, the line's number and the attempt. So the row of a run
says which line it was for, before anything else is written of the line, and all runs of a job are one range of ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from ..deferred import dataclass
from ..errors import UsageError
from .inbox_rows import LINE, NULL
from .posting import Postable
from .process import is_gone
from .rows import from_micros, to_micros
from .schema import COST_OF_CALLS
from .store import Ledger

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32, https://github.com/ulid/spec
_OF_JOB = 16  # letters of a run's id that are the job's
_ATTEMPTS = 1 << 12
_NUMBERS = 1 << 38
LAST = "last"


class JobStatus(StrEnum):
    """How a job stands. `stopped`: it can go on."""

    RUNNING = "running"
    STOPPED = "stopped"
    COMPLETE = "complete"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Job:
    """A row of `batch_jobs`. `input` and `output` are absolute paths, or `-`; `settings` is a JSON object."""

    job: int
    job_id: str
    created_at: datetime
    simulated: bool
    status: JobStatus
    input: str
    output: str
    settings: str
    process: str | None = None
    ended_at: datetime | None = None
    max_cost_nanousd: int | None = None
    lines: int | None = None
    stopped_code: str | None = None
    stopped_message: str | None = None
    written_bytes: int = 0
    replaced_bytes: int | None = None

    def run_id(self, number: int, attempt: int) -> str:
        """The id of a run for a line, a ULID."""
        return run_id_of(self.job_id, number, attempt)

    def run_ids(self, number: int) -> tuple[str, str]:
        """The first and the last id that a run for a line can have."""
        return self.run_id(number, 0), self.run_id(number, _ATTEMPTS - 1)


class Kept(NamedTuple):
    """What came of a line: its row, and its result as a JSON text."""

    number: int
    digest: int
    status: str
    code: str | None
    result: str


class LineRow(NamedTuple):
    """The row of a line that has an outcome. `pending`: the output has nothing of the line yet."""

    digest: int
    status: str
    pending: bool


class RunOfLine(NamedTuple):
    """The latest run for a line: its attempt, from 0, and how it stands."""

    attempt: int
    run_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many lines of a job have which outcome, what failed by code, and what all its runs cost. `cost_nanousd` is
    None if a call was unpriced; `pending` are not in the output yet."""

    by_status: Mapping[str, int] = field(default_factory=dict)
    by_code: Mapping[str, int] = field(default_factory=dict)
    pending: int = 0
    cost_nanousd: int | None = 0

    @property
    def done(self) -> int:
        """Lines with a complete answer."""
        return self.by_status.get("complete", 0)

    @property
    def failed(self) -> int:
        """Lines that were given up: asked in vain, or unreadable."""
        return sum(self.by_status.values()) - self.done - self.by_status.get("again", 0)


def run_id_of(job_id: str, number: int, attempt: int) -> str:
    """The id of a run for a line of a job, a ULID. Raises ValueError out of range."""
    if not (0 <= number < _NUMBERS and 0 <= attempt < _ATTEMPTS):
        raise ValueError(f"line {number}, attempt {attempt}: there are no ids for that many")
    place, letters = number * _ATTEMPTS + attempt, []
    for _ in range(len(job_id) - _OF_JOB):
        place, letter = divmod(place, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return job_id[:_OF_JOB] + "".join(reversed(letters))


def place_of(run_id: str) -> tuple[int, int]:
    """The line's number and the attempt that a run's id stands for."""
    place = 0
    for letter in run_id[_OF_JOB:]:
        place = place * len(_LETTERS) + _LETTERS.index(letter)
    return divmod(place, _ATTEMPTS)


# -- jobs --------------------------------------------------------------------------------------------------------------


def add_job(connection: sqlite3.Connection, job: Job) -> Job:
    """Insert a job; gives it with its number."""
    cursor = connection.execute(
        "INSERT INTO batch_jobs (job_id, created_at, simulated, process, status, input, output, settings,"
        " max_cost_nanousd) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(job.job_id, to_micros(job.created_at), job.simulated, job.process, job.status.value, job.input),
            *(job.output, job.settings, job.max_cost_nanousd),
        ),
    )
    assert cursor.lastrowid is not None  # of an INSERT it never is
    return _one(connection, cursor.lastrowid)


def take_up(connection: sqlite3.Connection, job: Job, process: str | None, ledger: Ledger) -> Job:
    """Let this process work on a job. Raises UsageError if another one does."""
    now = _one(connection, job.job)
    if is_worked_on(now, ledger):
        raise UsageError(f"another process is working on the batch {job.job_id}", hint="orch batch show tells how far")
    connection.execute(
        "UPDATE batch_jobs SET process = ?, status = 'running', ended_at = NULL, stopped_code = NULL,"
        " stopped_message = NULL, max_cost_nanousd = ? WHERE job = ?",
        (process, job.max_cost_nanousd, job.job),
    )
    return _one(connection, job.job)


def is_worked_on(job: Job, ledger: Ledger) -> bool:
    """Whether a process that is alive works on a job."""
    return job.process is not None and job.process != ledger.process and not is_gone(ledger.path, job.process)


def end_job(
    connection: sqlite3.Connection, job: Job, status: JobStatus, at: datetime, code: str | None, message: str | None
) -> None:
    """Write that nobody works on a job any more, and why; one that was cancelled meanwhile stays so."""
    connection.execute(
        "UPDATE batch_jobs SET process = NULL, ended_at = ?, stopped_code = ?, stopped_message = ?,"
        " status = CASE WHEN status = 'cancelled' AND ? <> 'complete' THEN status ELSE ? END WHERE job = ?",
        (to_micros(at), code, message, status.value, status.value, job.job),
    )


def cancel_job(connection: sqlite3.Connection, job: Job, at: datetime) -> None:
    """Cancel a job; a process that works on it looks now and then."""
    connection.execute(
        "UPDATE batch_jobs SET status = 'cancelled', ended_at = ? WHERE job = ?", (to_micros(at), job.job)
    )


def note_length(connection: sqlite3.Connection, job: Job, lines: int) -> None:
    """Write how many lines the input has."""
    connection.execute("UPDATE batch_jobs SET lines = ? WHERE job = ?", (lines, job.job))


def status_of(connection: sqlite3.Connection, job: Job) -> JobStatus:
    """How a job stands now."""
    return _one(connection, job.job).status


def find_job(ledger: Ledger, wanted: str) -> Job:
    """A job by its id, by an unambiguous prefix of it, or the newest one by the word `last`. Raises UsageError."""
    if wanted.lower() == LAST:
        found = _jobs(ledger, "1 ORDER BY job DESC LIMIT 1", ())
    else:
        prefix = wanted.upper()
        found = _jobs(ledger, "job_id >= ? AND job_id < ? || char(0x10FFFF) LIMIT 2", (prefix, prefix))
    if not found:
        raise UsageError(f"no batch {wanted[:40]!r} in the ledger", hint="orch batch list lists them")
    if len(found) > 1:
        raise UsageError(f"{wanted!r} is the beginning of more than one batch: give more of the id")
    return found[0]


def jobs_of(ledger: Ledger, *, simulated: bool) -> list[Job]:
    """All jobs, the newest first."""
    return _jobs(ledger, "simulated = ? ORDER BY job DESC", (simulated,))


def counts_of(connection: sqlite3.Connection, job: Job) -> Counts:
    """How far a job is."""
    by_status = "SELECT status, count(*) FROM batch_lines WHERE job = ? GROUP BY status"
    by_code = "SELECT code, count(*) FROM batch_lines WHERE job = ? AND code IS NOT NULL GROUP BY code"
    pending = connection.execute("SELECT count(*) FROM batch_results WHERE job = ?", (job.job,)).fetchone()[0]
    cost = connection.execute(
        f"SELECT {COST_OF_CALLS} FROM call_rows AS calls WHERE calls.run_id BETWEEN ? AND ?",
        _range(job, 0, _NUMBERS - 1),
    ).fetchone()[0]
    return Counts(
        dict(connection.execute(by_status, (job.job,)).fetchall()),
        dict(connection.execute(by_code, (job.job,)).fetchall()),
        pending,
        cost,
    )


def ask_again(connection: sqlite3.Connection, job: Job) -> int:
    """Have the lines of a job that failed asked again when it goes on. Returns how many there are."""
    failed = "job = ? AND status NOT IN ('complete', 'again')"
    pending = f"number IN (SELECT number FROM batch_lines WHERE {failed})"
    unwritten = [
        (job.job, row[0])
        for row in connection.execute(
            f"SELECT number FROM batch_results WHERE job = ? AND NOT replaces AND {pending}", (job.job, job.job)
        )
    ]
    connection.execute(f"DELETE FROM batch_results WHERE job = ? AND {pending}", (job.job, job.job))
    connection.executemany("DELETE FROM batch_lines WHERE job = ? AND number = ?", unwritten)
    again = connection.execute(f"UPDATE batch_lines SET status = 'again' WHERE {failed}", (job.job,)).rowcount
    return again + len(unwritten)


def remove_jobs(connection: sqlite3.Connection, before: date) -> int:
    """Take out the jobs that ended before a day and have nothing left to be written. Returns how many."""
    ended = to_micros(datetime.combine(before, time(), tzinfo=UTC))
    which = "ended_at < ? AND process IS NULL AND job NOT IN (SELECT job FROM batch_results)"
    jobs = [row[0] for row in connection.execute(f"SELECT job FROM batch_jobs WHERE {which}", (ended,))]
    for job in jobs:
        connection.execute("DELETE FROM batch_lines WHERE job = ?", (job,))
        connection.execute("DELETE FROM batch_jobs WHERE job = ?", (job,))
    return len(jobs)


# -- lines -------------------------------------------------------------------------------------------------------------


def keep_lines(connection: sqlite3.Connection, job: Job, kept: Iterable[Kept]) -> None:
    """Write what came of lines. It is in the outbox until `mark_written`."""
    for line in kept:
        connection.execute(
            "INSERT OR REPLACE INTO batch_results VALUES (?1, ?2, coalesce("
            "(SELECT replaces FROM batch_results WHERE job = ?1 AND number = ?2),"
            " EXISTS (SELECT 1 FROM batch_lines WHERE job = ?1 AND number = ?2)), ?3)",
            (job.job, line.number, line.result),
        )
        connection.execute(
            "INSERT OR REPLACE INTO batch_lines VALUES (?, ?, ?, ?, ?)",
            (job.job, line.number, line.digest, line.status, line.code),
        )


def keeping(job: Job, kept: Kept) -> Postable[None]:
    """As `keep_lines`, of one line."""
    of_line = (job.job, kept.number, kept.result, kept.digest, kept.status, NULL if kept.code is None else kept.code)
    return Postable(partial(keep_lines, job=job, kept=[kept]), lambda: [(LINE, of_line)], usual=None)


def lines_between(connection: sqlite3.Connection, job: Job, first: int, last: int) -> dict[int, LineRow]:
    """The rows of the lines that have an outcome, by number."""
    query = (
        "SELECT number, digest, status, EXISTS (SELECT 1 FROM batch_results AS results"
        " WHERE results.job = lines.job AND results.number = lines.number AND NOT results.replaces)"
        " FROM batch_lines AS lines WHERE job = ? AND number BETWEEN ? AND ?"
    )
    return {row[0]: LineRow(row[1], row[2], bool(row[3])) for row in connection.execute(query, (job.job, first, last))}


def runs_between(connection: sqlite3.Connection, job: Job, first: int, last: int) -> dict[int, RunOfLine]:
    """The latest run of each line that has one, by number."""
    query = "SELECT run_id, status FROM run_rows WHERE run_id BETWEEN ? AND ? ORDER BY run_id"
    found: dict[int, RunOfLine] = {}
    for run_id, status in connection.execute(query, _range(job, first, last)):
        number, attempt = place_of(run_id)
        found[number] = RunOfLine(attempt, run_id, status)
    return found


def results_between(
    connection: sqlite3.Connection, job: Job, first: int, last: int, *, replacing: bool = False
) -> list[tuple[int, str]]:
    """The results in the outbox, in order: those that come to the end of the output, or those that replace earlier
    ones."""
    query = (
        "SELECT number, result FROM batch_results WHERE job = ? AND number BETWEEN ? AND ? AND replaces = ?"
        " ORDER BY number"
    )
    return [tuple(row) for row in connection.execute(query, (job.job, first, last, replacing))]


def mark_written(connection: sqlite3.Connection, job: Job, numbers: Sequence[int], written_bytes: int) -> None:
    """Take results out of the outbox that are in the output for good, which is now so long. What they said is
    overwritten: the ledger may have been told to keep no text."""
    connection.execute("PRAGMA secure_delete = ON").fetchall()
    connection.executemany(
        "DELETE FROM batch_results WHERE job = ? AND number = ?", [(job.job, number) for number in numbers]
    )
    connection.execute("PRAGMA secure_delete = OFF").fetchall()
    connection.execute(
        "UPDATE batch_jobs SET written_bytes = ?, replaced_bytes = NULL WHERE job = ?", (written_bytes, job.job)
    )


def replacing_numbers(connection: sqlite3.Connection, job: Job) -> list[int]:
    """The lines whose results are to replace earlier ones in the output, in order."""
    query = "SELECT number FROM batch_results WHERE job = ? AND replaces ORDER BY number"
    return [row[0] for row in connection.execute(query, (job.job,))]


def note_replacement(connection: sqlite3.Connection, job: Job, replaced_bytes: int) -> None:
    """Write how long the output will be when the file that is ready takes its place."""
    connection.execute("UPDATE batch_jobs SET replaced_bytes = ? WHERE job = ?", (replaced_bytes, job.job))


def run_range(job: Job) -> tuple[str, str]:
    """The first and the last id that a run of a job can have."""
    return _range(job, 0, _NUMBERS - 1)


def _range(job: Job, first: int, last: int) -> tuple[str, str]:
    return job.run_id(first, 0), job.run_id(last, _ATTEMPTS - 1)


def _one(connection: sqlite3.Connection, number: int) -> Job:
    return _job(connection.execute("SELECT * FROM batch_jobs WHERE job = ?", (number,)).fetchone())


def _jobs(ledger: Ledger, which: str, parameters: Sequence[object]) -> list[Job]:
    query = f"SELECT * FROM batch_jobs WHERE {which}"
    return ledger.read(lambda connection: [_job(row) for row in connection.execute(query, parameters)])


def _job(row: sqlite3.Row) -> Job:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118  # a row gives its values otherwise
    values["status"], values["simulated"] = JobStatus(values["status"]), bool(values["simulated"])
    values["created_at"] = from_micros(values["created_at"])
    values["ended_at"] = None if values["ended_at"] is None else from_micros(values["ended_at"])
    return Job(**values)
