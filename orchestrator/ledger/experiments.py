"""The ledger's records of experiments: stops, and the runs that took part."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from ..deferred import dataclass
from .rows import from_micros, to_micros
from .schema import COST_OF_RUN
from .store import Ledger

_RUNS = f"""
    SELECT runs.arm, runs.subject_sha256, runs.status, runs.latency_ms, runs.confidence, ratings.rating,
           {COST_OF_RUN} AS cost_nanousd
    FROM run_rows AS runs LEFT JOIN ratings USING (run_id)
    WHERE runs.experiment = ? AND runs.simulated = ? AND runs.status <> 'running'
    ORDER BY runs.run_id
"""


@dataclass(frozen=True, slots=True)
class Stop:
    """When an experiment was stopped, and the arm that everybody gets since."""

    arm: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TrialRun:
    """A finished run of an experiment. None is unknown: an unpriced cost, or the confidence of a run without an
    answer."""

    arm: str
    subject: str
    complete: bool
    cost_nanousd: int | None
    latency_ms: int | None
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


def runs_by_arm(ledger: Ledger, *, simulated: bool) -> dict[str, dict[str, int]]:
    """The number of runs of each arm of each experiment. Raises LedgerError."""
    query = (
        "SELECT experiment, arm, count(*) FROM run_rows WHERE experiment IS NOT NULL AND simulated = ? GROUP BY 1, 2"
    )
    counts: dict[str, dict[str, int]] = {}
    for experiment, arm, runs in ledger.read(lambda db: db.execute(query, (int(simulated),)).fetchall()):
        counts.setdefault(experiment, {})[arm] = runs
    return counts


def trial_runs(ledger: Ledger, experiment: str, *, simulated: bool) -> list[TrialRun]:
    """The finished runs of an experiment, in order of creation. Raises LedgerError."""

    def query(connection: sqlite3.Connection) -> list[sqlite3.Row]:
        return connection.execute(_RUNS, (experiment, int(simulated))).fetchall()

    return [
        TrialRun(
            arm=row["arm"],
            subject=row["subject_sha256"],
            complete=row["status"] == "complete",
            cost_nanousd=row["cost_nanousd"],
            latency_ms=row["latency_ms"],
            confidence=row["confidence"],
            rating=row["rating"],
        )
        for row in ledger.read(query)
    ]
