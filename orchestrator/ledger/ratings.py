"""Users' ratings of answers: at most one for each run, from 0 (useless) to 1 (just right).

Ratings are the outcomes that confidence and routing are measured by, so a rating belongs to a run with an answer, and
to the model that gave it. A new rating replaces the old one.
"""

from __future__ import annotations

import json
import math
import sqlite3
from datetime import datetime

from ..confidence.experience import NAME as FROM_RATINGS
from ..confidence.experience import RatedAnswer
from ..deferred import dataclass
from ..errors import UsageError
from .records import Recorded, RunStatus
from .rows import from_micros, to_micros
from .schema import COST_OF_RUN
from .store import Ledger

BAD, GOOD = 0.0, 1.0
MOST_LEARNT = 500  # ratings that confidence goes by: the newest, which are read for every run
MOST_NOTE_CHARS = 2_000  # a remark, not a document: ratings are read as a whole

# The call that gave the answer: the last completed one of the run's model, with the answer's very text if there is
# one (a synthesis or a panel may have called that model more than once).
_ANSWERS = """
    SELECT call_id FROM call_rows AS calls
    WHERE calls.run_id = runs.run_id AND calls.model = runs.model_used AND calls.status = 'completed'
"""
_ANSWER = f"""
    coalesce(({_ANSWERS} AND calls.response_sha256 = runs.response_sha256 ORDER BY calls.rowid DESC LIMIT 1),
             ({_ANSWERS} ORDER BY calls.rowid DESC LIMIT 1))
"""
_RATED = f"""
    WITH rated AS (
        SELECT ratings.*, ratings.rowid AS place, {_ANSWER} AS answer_id
        FROM ratings JOIN runs USING (run_id) WHERE runs.simulated = ?
    )
    SELECT runs.*, rated.rating, rated.rated_at, rated.note, calls.finish_reason, calls.verdict,
           calls.cost_nanousd AS answer_nanousd,
           {COST_OF_RUN} AS cost_nanousd
    FROM rated JOIN runs USING (run_id) LEFT JOIN calls ON calls.call_id = rated.answer_id
    ORDER BY rated.rated_at, rated.place
"""


_LEARNT = f"""
    WITH rated AS (
        SELECT ratings.rating, ratings.rated_at, runs.model_used, runs.task, {_ANSWER} AS answer_id
        FROM ratings JOIN runs USING (run_id) WHERE runs.simulated = ? AND runs.model_used IS NOT NULL
        ORDER BY ratings.rated_at DESC, ratings.rowid DESC LIMIT ?
    )
    SELECT rated.model_used, rated.task, rated.rating, calls.verdict
    FROM rated JOIN calls ON calls.call_id = rated.answer_id WHERE calls.verdict IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Rating:
    """`rating` is 0 to 1; `note` is the user's remark."""

    rating: float
    rated_at: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True)
class RatedRun:
    """A rated run, with what was known of its answer before.

    Texts are None where only their hashes were stored. `signals`: the logits that the answer's confidence was computed
    from, by name; empty if it was not judged. `cost_nanousd`: the sum over the run's calls, None if one is unpriced;
    `answer_nanousd`: the cost of the call that gave the answer. `latency_ms`: the whole run's.
    """

    run_id: str
    rating: Rating
    strategy: str
    task: str | None
    level: str | None
    score: float | None
    model_used: str | None
    confidence: float | None
    signals: dict[str, float]
    finish_reason: str | None
    prompt_sha256: str
    system: str | None
    prompt: str | None
    response: str | None
    cost_nanousd: int | None
    answer_nanousd: int | None
    latency_ms: int | None


def check_can_be_rated(recorded: Recorded) -> None:
    """Raises UsageError for a run that gave no answer."""
    run = recorded.run
    if run.status not in (RunStatus.COMPLETE, RunStatus.INCOMPLETE):
        what = "is still running" if run.status is RunStatus.RUNNING else f"gave no answer ({run.status})"
        raise UsageError(f"the run {run.run_id} {what}, so there is nothing to rate", hint="orch stats lists the runs")


def rate(ledger: Ledger, run_id: str, rating: Rating) -> Rating | None:
    """Rate a run, in one transaction. Returns the rating that this one replaces.

    Raises ValueError for a rating outside 0 to 1, and LedgerError.
    """
    if not (math.isfinite(rating.rating) and BAD <= rating.rating <= GOOD):
        raise ValueError(f"a rating is from 0 to 1, not {rating.rating}")

    def change(connection: sqlite3.Connection) -> Rating | None:
        before = _rating_of(connection, run_id)
        connection.execute(
            "INSERT INTO ratings (run_id, rating, rated_at, note) VALUES (?, ?, ?, ?) ON CONFLICT (run_id)"
            " DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at, note = excluded.note",
            (run_id, rating.rating, to_micros(rating.rated_at), rating.note),
        )
        return before

    return ledger.write(change)


def unrate(ledger: Ledger, run_id: str) -> Rating | None:
    """Remove a run's rating. Returns what it was, None if there was none. Raises LedgerError."""

    def change(connection: sqlite3.Connection) -> Rating | None:
        before = _rating_of(connection, run_id)
        connection.execute("DELETE FROM ratings WHERE run_id = ?", (run_id,))
        return before

    return ledger.write(change)


def rating_of(ledger: Ledger, run_id: str) -> Rating | None:
    """A run's rating, or None. Raises LedgerError."""
    return ledger.read(lambda connection: _rating_of(connection, run_id))


def rated_runs(ledger: Ledger, *, simulated: bool) -> tuple[RatedRun, ...]:
    """The rated runs, simulated or real, in the order in which they were rated. Raises LedgerError."""
    rows = ledger.read(lambda connection: connection.execute(_RATED, (int(simulated),)).fetchall())
    return tuple(_rated_run(row) for row in rows)


def state_of_ratings(connection: sqlite3.Connection) -> tuple[int, int, float]:
    """How many ratings there are, when the newest was given, and their sum: it differs once a rating has changed."""
    row = connection.execute("SELECT count(*), coalesce(max(rated_at), 0), coalesce(sum(rating), 0.0) FROM ratings")
    count, newest, total = row.fetchone()
    return count, newest, total


def rated_answers(connection: sqlite3.Connection, *, simulated: bool, most: int = MOST_LEARNT) -> list[RatedAnswer]:
    """The newest rated answers that were judged, `most` of them, with the logits of their confidence without those that
    earlier ratings gave it."""
    found = []
    for model, task, rating, verdict in connection.execute(_LEARNT, (int(simulated), most)):
        signals = json.loads(verdict).get("signals", {})
        if signals:
            logit = math.fsum(value for name, value in signals.items() if name != FROM_RATINGS)
            found.append(RatedAnswer(model, task or "", rating, logit))
    return found


def _rating_of(connection: sqlite3.Connection, run_id: str) -> Rating | None:
    row = connection.execute("SELECT rating, rated_at, note FROM ratings WHERE run_id = ?", (run_id,)).fetchone()
    return None if row is None else Rating(row["rating"], from_micros(row["rated_at"]), row["note"])


def _rated_run(row: sqlite3.Row) -> RatedRun:
    verdict = json.loads(row["verdict"]) if row["verdict"] else {}
    return RatedRun(
        run_id=row["run_id"],
        rating=Rating(row["rating"], from_micros(row["rated_at"]), row["note"]),
        strategy=row["strategy"],
        task=row["task"],
        level=row["level"],
        score=row["score"],
        model_used=row["model_used"],
        confidence=row["confidence"],
        signals=verdict.get("signals", {}),
        finish_reason=row["finish_reason"],
        prompt_sha256=row["prompt_sha256"],
        system=row["system"],
        prompt=row["prompt"],
        response=row["response"],
        cost_nanousd=row["cost_nanousd"],
        answer_nanousd=row["answer_nanousd"],
        latency_ms=row["latency_ms"],
    )
