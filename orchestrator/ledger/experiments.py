"""The ledger's records of experiments: stops, and what the runs that took part add up to."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ..deferred import dataclass
from .rows import from_micros, to_micros
from .schema import COST_OF_RUN
from .store import Ledger

# A mean leaves out what is null: a cost with an unpriced call, and runs without an answer or a rating.
_SUBJECTS = f"""
    SELECT arm, subject_sha256, count(*), avg(complete), avg(cost_nanousd), avg(latency_ms), avg(confidence),
           avg(rating)
    FROM (
        SELECT runs.arm, runs.subject_sha256, runs.status = 'complete' AS complete, runs.latency_ms, runs.confidence,
               ratings.rating, {COST_OF_RUN} AS cost_nanousd
        FROM run_rows AS runs LEFT JOIN ratings USING (run_id)
        WHERE runs.experiment = ? AND runs.simulated = ? AND runs.status <> 'running'
    ) GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Stop:
    """When an experiment was stopped, and the arm that everybody gets since."""

    arm: str
    at: datetime


class TrialSubject(NamedTuple):
    """A subject of an experiment: the number of its finished runs, and their means. None is unknown in all of them: an
    unpriced cost, or the confidence of a run without an answer."""

    arm: str
    subject: str
    runs: int
    success: float
    cost_nanousd: float | None
    latency_ms: float | None
    confidence: float | None
    rating: float | None


def stops(ledger: Ledger, *, simulated: bool) -> dict[str, Stop]:
    """The stopped experiments, by name. Raises LedgerError."""
    query = "SELECT experiment, arm, stopped_at FROM stopped_experiments WHERE simulated = ?"
    rows = ledger.read(lambda db: db.execute(query, (int(simulated),)).fetchall())
    return {row["experiment"]: Stop(row["arm"], from_micros(row["stopped_at"])) for row in rows}


def stop(ledger: Ledger, experiment: str, arm: str, *, simulated: bool, at: datetime) -> None:
    """Stop an experiment: everybody gets this arm from now on. Stopping again replaces the arm. Raises LedgerError."""
    change = "INSERT OR REPLACE INTO stopped_experiments VALUES (?, ?, ?, ?)"
    ledger.write(lambda db: db.execute(change, (int(simulated), experiment, arm, to_micros(at))))


def resume(ledger: Ledger, experiment: str, *, simulated: bool) -> bool:
    """Undo a stop. Returns whether there was one. Raises LedgerError."""
    change = "DELETE FROM stopped_experiments WHERE simulated = ? AND experiment = ?"
    return ledger.write(lambda db: db.execute(change, (int(simulated), experiment)).rowcount) > 0


def arms_taken(ledger: Ledger, *, simulated: bool) -> dict[str, list[str]]:
    """The arms of each experiment that any run has taken. Raises LedgerError."""
    query = """
        SELECT experiment, arm
        FROM (SELECT DISTINCT experiment, arm FROM run_rows WHERE experiment IS NOT NULL) AS taken
        WHERE EXISTS (SELECT 1 FROM run_rows AS runs
                      WHERE runs.experiment = taken.experiment AND runs.arm IS taken.arm AND runs.simulated = ?)
    """
    arms: dict[str, list[str]] = {}
    for experiment, arm in ledger.read(lambda db: db.execute(query, (int(simulated),)).fetchall()):
        arms.setdefault(experiment, []).append(arm)
    return arms


def runs_by_arm(ledger: Ledger, *, simulated: bool) -> dict[str, dict[str, int]]:
    """The number of runs of each arm of each experiment. Raises LedgerError."""
    query = (
        "SELECT experiment, arm, count(*) FROM run_rows WHERE experiment IS NOT NULL AND simulated = ? GROUP BY 1, 2"
    )
    counts: dict[str, dict[str, int]] = {}
    for experiment, arm, runs in ledger.read(lambda db: db.execute(query, (int(simulated),)).fetchall()):
        counts.setdefault(experiment, {})[arm] = runs
    return counts


def trial_subjects(ledger: Ledger, experiment: str, *, simulated: bool) -> list[TrialSubject]:
    """The subjects that have finished runs of an experiment, by arm. Raises LedgerError."""
    rows = ledger.read(lambda db: db.execute(_SUBJECTS, (experiment, int(simulated))).fetchall())
    return [TrialSubject(*row) for row in rows]
