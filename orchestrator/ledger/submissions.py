"""The rows of submissions to the providers' batch APIs. Each function is one change, or one query, within the caller's
transaction.

A request is written in the transaction that reserves its call, a submission in the one that marks the calls of its
requests as sent: both before anything is sent.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from ..deferred import dataclass
from .orphans import AWAY, interrupt_calls
from .records import CallRecord, RunRecord
from .rows import from_micros, from_row, to_micros


class SubmissionState(StrEnum):
    """How a submission stands, by the ledger."""

    RECORDED = "recorded"  # about to be sent; whether it arrived is not known
    SUBMITTED = "submitted"
    CANCELLING = "cancelling"
    ENDED = "ended"  # its results are in the ledger
    FAILED = "failed"  # none of its requests was carried out

    @property
    def is_open(self) -> bool:
        """Whether something may still come of it."""
        return self not in (SubmissionState.ENDED, SubmissionState.FAILED)


OPEN = tuple(state.value for state in SubmissionState if state.is_open)


@dataclass(frozen=True)
class Submission:
    """A row of `provider_submissions`. `model` is the registry's name, `done` how many of its requests have ended."""

    submission: str
    job: int
    provider: str
    model: str
    provider_model: str
    state: SubmissionState
    requests: int
    bytes: int
    simulated: bool
    created_at: datetime
    provider_batch: str | None = None
    unsure: bool = False
    not_ours: tuple[str, ...] = ()
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    checked_at: datetime | None = None
    done: int | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class BatchRequest:
    """A row of `provider_requests`: a call of a run. `result` is what `BatchResult.as_text` gave, None until there is
    one. Tokens as in a Load."""

    call_id: str
    run_id: str
    job: int
    place: str
    nth: int
    provider: str
    model: str
    body: str | None
    input_tokens: int
    input_bound: int
    max_tokens: int
    logprobs: bool
    state: str = "waiting"
    submission: str | None = None
    result: str | None = None


class Ready(NamedTuple):
    """A request that can be submitted."""

    call_id: str
    body: str


_REQUEST = ", ".join(BatchRequest.__annotations__)
_SUBMISSION = ", ".join(Submission.__annotations__)
_TIMES = ("created_at", "submitted_at", "ended_at", "expires_at", "checked_at")


# -- requests ----------------------------------------------------------------------------------------------------------


def add_request(connection: sqlite3.Connection, request: BatchRequest) -> None:
    """Write a request whose call is reserved in the same transaction. From now on its run outlives this process."""
    values = [getattr(request, name) for name in BatchRequest.__annotations__]
    marks = ", ".join("?" * len(values))
    connection.execute(
        f"INSERT INTO provider_requests ({_REQUEST}, bytes) VALUES ({marks}, ?)",
        (*values, len((request.body or "").encode())),
    )
    connection.execute("UPDATE run_rows SET process = ? WHERE run_id = ?", (AWAY, request.run_id))


def requests_of(connection: sqlite3.Connection, run_id: str) -> list[BatchRequest]:
    """The requests of a run."""
    rows = connection.execute(f"SELECT {_REQUEST} FROM provider_requests WHERE run_id = ?", (run_id,))
    return [BatchRequest(**{**dict(row), "logprobs": bool(row["logprobs"])}) for row in rows]


def run_with_calls(connection: sqlite3.Connection, run_id: str) -> tuple[RunRecord, tuple[CallRecord, ...]] | None:
    """A run that was begun and has not ended, and its calls; None if there is none."""
    row = connection.execute("SELECT * FROM runs WHERE run_id = ? AND status = 'running'", (run_id,)).fetchone()
    if row is None:
        return None
    calls = connection.execute("SELECT * FROM calls WHERE run_id = ? ORDER BY rowid", (run_id,))
    return from_row(RunRecord, row), tuple(from_row(CallRecord, call) for call in calls)


def settle_live_calls(connection: sqlite3.Connection, run_id: str, at: datetime) -> None:
    """Settle calls of a run that no batch has: a process that ended had sent them itself. Those that the response cache
    answered are deleted: it is asked again."""
    connection.execute("DELETE FROM call_rows WHERE run_id = ? AND cost_source = 'cache'", (run_id,))
    which = "run_id = ? AND call_id NOT IN (SELECT call_id FROM provider_requests WHERE run_id = ?)"
    interrupt_calls(connection, which, (run_id, run_id), at)


def runs_under_way(connection: sqlite3.Connection, job: int) -> dict[str, int]:
    """The runs of a job that wait for a provider, with how many of their requests have no result yet."""
    query = "SELECT run_id, sum(state <> 'answered') FROM provider_requests WHERE job = ? GROUP BY run_id"
    return {row[0]: row[1] for row in connection.execute(query, (job,))}


def waiting_by_model(connection: sqlite3.Connection, job: int, at: datetime) -> list[tuple[str, str, int, int]]:
    """Of the requests that can be submitted now: provider, model, how many, and their bytes."""
    query = (
        "SELECT provider, model, count(*), sum(bytes) FROM provider_requests"
        " WHERE job = ? AND state = 'waiting' AND not_before <= ? GROUP BY provider, model ORDER BY min(call_id)"
    )
    return [tuple(row) for row in connection.execute(query, (job, to_micros(at)))]


def ready(
    connection: sqlite3.Connection, job: int, provider: str, model: str, at: datetime, most: int, most_bytes: int
) -> list[Ready]:
    """The next requests for one submission, the oldest first; one at least, if there is any."""
    query = (
        "SELECT call_id, body, bytes FROM provider_requests WHERE job = ? AND provider = ? AND model = ?"
        " AND state = 'waiting' AND not_before <= ? ORDER BY call_id LIMIT ?"
    )
    found: list[Ready] = []
    taken = 0
    for call_id, body, size in connection.execute(query, (job, provider, model, to_micros(at), most)):
        taken += size
        if found and taken > most_bytes:
            break
        found.append(Ready(call_id, body))
    return found


def forget_run(connection: sqlite3.Connection, run_id: str) -> None:
    """Within the transaction that ends a run: delete its requests, but those that may still be billed."""
    connection.execute("DELETE FROM provider_requests WHERE run_id = ? AND state <> 'sent'", (run_id,))


def withdraw_waiting(connection: sqlite3.Connection, job: int, at: datetime) -> int:
    """End the runs of a job that wait for a provider and have nothing under way there. Returns how many."""
    runs = [run_id for run_id, open_ in _standing(connection, job).items() if not open_]
    for run_id in runs:
        interrupt_calls(connection, "run_id = ?", (run_id,), at)
        connection.execute(
            "UPDATE run_rows SET status = 'interrupted', ended_at = ?, error_code = 'interrupted',"
            " error_message = 'its batch was cancelled' WHERE run_id = ? AND status = 'running'",
            (to_micros(at), run_id),
        )
        connection.execute("DELETE FROM provider_requests WHERE run_id = ?", (run_id,))
    return len(runs)


def _standing(connection: sqlite3.Connection, job: int) -> dict[str, int]:
    query = "SELECT run_id, sum(state = 'sent') FROM provider_requests WHERE job = ? GROUP BY run_id"
    return {row[0]: row[1] for row in connection.execute(query, (job,))}


# -- submissions -------------------------------------------------------------------------------------------------------


def record(connection: sqlite3.Connection, submission: Submission, calls: Sequence[str]) -> None:
    """Write a submission that is about to be sent, and mark the calls of its requests as sent."""
    values = _values(submission)
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO provider_submissions ({', '.join(values)}) VALUES ({marks})", (*values.values(),))
    named = [(submission.submission, call) for call in calls]
    connection.executemany(
        "UPDATE provider_requests SET state = 'sent', submission = ? WHERE call_id = ? AND state = 'waiting'", named
    )
    at = to_micros(submission.created_at)
    connection.executemany(
        "UPDATE call_rows SET status = 'sent', sent_at = ?, submission = ? WHERE call_id = ? AND status = 'reserved'",
        [(at, submission.submission, call) for call in calls],
    )


def change(connection: sqlite3.Connection, submission: Submission) -> None:
    """Write a submission as it stands."""
    values = _values(submission)
    names = ", ".join(f"{name} = ?" for name in values)
    connection.execute(
        f"UPDATE provider_submissions SET {names} WHERE submission = ?", (*values.values(), submission.submission)
    )


def take_back(connection: sqlite3.Connection, submission: Submission, not_before: datetime) -> None:
    """Write that a submission did not take place: its requests wait again, until `not_before` at least."""
    change(connection, submission)
    connection.execute(
        "UPDATE call_rows SET status = 'reserved', sent_at = NULL, submission = NULL WHERE status = 'sent'"
        " AND call_id IN (SELECT call_id FROM provider_requests WHERE submission = ? AND state = 'sent')",
        (submission.submission,),
    )
    connection.execute(
        "UPDATE provider_requests SET state = 'waiting', submission = NULL, not_before = ?"
        " WHERE submission = ? AND state = 'sent'",
        (to_micros(not_before), submission.submission),
    )


def submissions_of(connection: sqlite3.Connection, job: int, *, only_open: bool = False) -> list[Submission]:
    """The submissions of a job, in order."""
    which = f" AND state IN ({', '.join(repr(state) for state in OPEN)})" if only_open else ""
    query = f"SELECT {_SUBMISSION} FROM provider_submissions WHERE job = ?{which} ORDER BY created_at, submission"
    return [_submission(row) for row in connection.execute(query, (job,))]


def known_batches(connection: sqlite3.Connection, provider: str) -> set[str]:
    """The provider's ids of all submissions that are known."""
    query = "SELECT provider_batch FROM provider_submissions WHERE provider = ? AND provider_batch IS NOT NULL"
    return {row[0] for row in connection.execute(query, (provider,))}


def durations_s(connection: sqlite3.Connection, provider: str, *, simulated: bool, latest: int = 50) -> list[float]:
    """How long the latest submissions to a provider took that ended with results, in seconds."""
    query = (
        "SELECT ended_at - submitted_at FROM provider_submissions WHERE provider = ? AND simulated = ?"
        " AND state = 'ended' AND code IS NULL AND ended_at >= submitted_at ORDER BY ended_at DESC LIMIT ?"
    )
    return [row[0] / 1e6 for row in connection.execute(query, (provider, simulated, latest))]


def calls_without_result(connection: sqlite3.Connection, submission: str, calls: Iterable[str]) -> list[BatchRequest]:
    """Of these calls, those that are in a submission and have no result yet."""
    query = f"SELECT {_REQUEST} FROM provider_requests WHERE call_id = ? AND submission = ? AND state = 'sent'"
    rows = (connection.execute(query, (call, submission)).fetchone() for call in calls)
    return [BatchRequest(**{**dict(row), "logprobs": bool(row["logprobs"])}) for row in rows if row is not None]


def open_calls(connection: sqlite3.Connection, submission: str) -> list[str]:
    """The calls of a submission that have no result yet."""
    query = "SELECT call_id FROM provider_requests WHERE submission = ? AND state = 'sent' ORDER BY call_id"
    return [row[0] for row in connection.execute(query, (submission,))]


def call_of(connection: sqlite3.Connection, call_id: str) -> CallRecord:
    """The row of a call."""
    return from_row(CallRecord, connection.execute("SELECT * FROM calls WHERE call_id = ?", (call_id,)).fetchone())


def keep_result(connection: sqlite3.Connection, call_id: str, result: str) -> None:
    """Write what came of a request, in the transaction that settles its call. Of a run that has ended, nothing is
    kept."""
    connection.execute(
        "DELETE FROM provider_requests WHERE call_id = ? AND run_id IN"
        " (SELECT run_id FROM run_rows WHERE status <> 'running')",
        (call_id,),
    )
    connection.execute(
        "UPDATE provider_requests SET state = 'answered', body = NULL, result = ? WHERE call_id = ?", (result, call_id)
    )


def _values(submission: Submission) -> dict[str, object]:
    values = {name: getattr(submission, name) for name in Submission.__annotations__}
    values |= {name: None if values[name] is None else to_micros(values[name]) for name in _TIMES}
    return {**values, "not_ours": json.dumps(submission.not_ours), "state": submission.state.value}


def _submission(row: sqlite3.Row) -> Submission:
    values = dict(row)
    values |= {name: None if values[name] is None else from_micros(values[name]) for name in _TIMES}
    values["not_ours"] = tuple(json.loads(values["not_ours"]))
    values["state"] = SubmissionState(values["state"])
    values |= {name: bool(values[name]) for name in ("unsure", "simulated")}
    return Submission(**values)
