"""Takes runs out of the ledger: old ones, or one that is to be forgotten. What they cost stays in budgets, and with
their sums in reports.

Each step is one transaction, so whatever stops it between two of them leaves a ledger that agrees with itself; the next
time it goes on.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

from ..deferred import dataclass
from ..errors import LedgerError
from ..ledger import progress
from ..ledger.batches import remove_jobs
from ..ledger.conversations import sweep_conversations
from ..ledger.kept_answers import KeptAnswers
from ..ledger.schema import COMMITTED, SETTLED
from ..ledger.search import without_index
from ..ledger.store import Ledger
from ..ledger.sums import keep_sums_of_day, keep_sums_of_run
from ..ledger.texts import numbers_of, sweep
from ..ledger.transaction import as_ledger_errors, transaction
from ..report.baseline_sums import BASELINE
from ..report.day_parts import keep_pruned_parts

_DAYS = """
    SELECT day FROM run_rows WHERE day < ? AND day NOT IN (SELECT day FROM run_rows WHERE status = 'running')
    GROUP BY day ORDER BY day
"""
# What the runs in `removed` count for in budgets.
_COUNTED = f"""
    WITH counted AS (
        SELECT calls.simulated, calls.day, calls.provider, calls.model, runs.category, runs.key, runs.tags,
               {COMMITTED} AS committed, {SETTLED} AS settled
        FROM removed JOIN call_rows AS calls ON calls.run_id = removed.run_id
             JOIN run_rows AS runs ON runs.run_id = removed.run_id
    ),
    scoped AS (
        SELECT simulated, 'all' AS scope, '' AS name, day, committed, settled FROM counted
        UNION ALL SELECT simulated, 'provider', provider, day, committed, settled FROM counted
        UNION ALL SELECT simulated, 'model', model, day, committed, settled FROM counted
        UNION ALL SELECT simulated, 'category', category, day, committed, settled FROM counted
                  WHERE category IS NOT NULL
        UNION ALL SELECT simulated, 'key', key, day, committed, settled FROM counted WHERE key IS NOT NULL
        UNION ALL SELECT simulated, 'tag', tag, day, committed, settled FROM (
            SELECT DISTINCT counted.rowid, simulated, value AS tag, day, committed, settled
            FROM (SELECT row_number() OVER () AS rowid, * FROM counted) AS counted, json_each(counted.tags)
        )
    )
    SELECT simulated, scope, name, day, sum(committed), sum(settled) FROM scoped GROUP BY 1, 2, 3, 4
"""
_ADDING = """
    INSERT INTO {table} SELECT * FROM spent WHERE true
    ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd,
                              settled_nanousd = settled_nanousd + excluded.settled_nanousd
"""
_HAS_TEXT = "SELECT 1 FROM call_rows WHERE run_id = ? AND (response IS NOT NULL OR response_text IS NOT NULL)"
_OF_REMOVED = "run_id IN (SELECT run_id FROM removed)"


@dataclass(frozen=True, slots=True)
class Removed:
    """What was taken out of a ledger."""

    days: int = 0
    runs: int = 0
    calls: int = 0


def prune(ledger: Ledger, before: date, *, keep_sums: bool) -> Removed:
    """Take out the runs of all days before one, a day at a time; days with a run under way stay. With `keep_sums`,
    their sums stay in reports. Raises LedgerError."""
    with as_ledger_errors(ledger.path), without_index(ledger.path), ledger.apart() as connection:
        days = [row[0] for row in connection.execute(_DAYS, (before.isoformat(),))]
        runs = calls = 0
        for number, day in enumerate(days, start=1):
            with transaction(connection):
                if keep_sums:
                    keep_sums_of_day(connection, day)
                    keep_pruned_parts(connection, day, "runs.day = ?", day, BASELINE)
                removed = _remove(connection, "day = ?", day)
            runs, calls = runs + removed[0], calls + removed[1]
            progress.show("pruning days", number, len(days))
        with transaction(connection):
            remove_jobs(connection, before)
        tidy(connection, ledger.path)
    return Removed(len(days), runs, calls)


def prunable(ledger: Ledger, before: date) -> Removed:
    """What `prune` would take out. Raises LedgerError."""

    def count(connection: sqlite3.Connection) -> Removed:
        days = f"day IN ({_DAYS.replace('ORDER BY day', '')})"
        row = connection.execute(
            f"SELECT count(DISTINCT day), count(*), (SELECT count(*) FROM call_rows WHERE run_id IN"
            f" (SELECT run_id FROM run_rows WHERE {days})) FROM run_rows WHERE {days}",
            (before.isoformat(),) * 2,
        ).fetchone()
        return Removed(*row)

    return ledger.read(count)


def forget(ledger: Ledger, run_id: str) -> Removed:
    """Take out one run; its sums stay. Raises LedgerError, also for a run that is under way."""
    with as_ledger_errors(ledger.path), without_index(ledger.path), ledger.apart() as connection:
        with transaction(connection):
            row = connection.execute("SELECT status, day FROM run_rows WHERE run_id = ?", (run_id,)).fetchone()
            if row is not None and row[0] == "running":
                raise LedgerError(f"the run {run_id} is under way", hint="wait until it has ended")
            keep_sums_of_run(connection, run_id)
            if row is not None:
                keep_pruned_parts(connection, row[1], "runs.run_id = ?", run_id, BASELINE)
            runs, calls = _remove(connection, "run_id = ?", run_id)
        tidy(connection, ledger.path)
    return Removed(0, runs, calls)


def tidy(connection: sqlite3.Connection, path: Path) -> None:
    """Delete the texts and turns that no row names any more, and take them out of the write-ahead log, if nobody else
    reads it now. Answers of runs whose texts are gone go from the response cache of the ledger at `path` too."""
    with transaction(connection):
        sweep(connection)
        sweep_conversations(connection)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with closing(KeptAnswers(path)) as answers:
        answers.forget([run for run in answers.runs() if connection.execute(_HAS_TEXT, (run,)).fetchone() is None])


def _remove(connection: sqlite3.Connection, which: str, value: str) -> tuple[int, int]:
    """Within a transaction: delete runs and all that hangs on them. Returns how many runs and calls there were."""
    connection.execute("DROP TABLE IF EXISTS temp.removed")
    connection.execute("DROP TABLE IF EXISTS temp.spent")
    connection.execute("CREATE TEMP TABLE removed (run_id TEXT PRIMARY KEY, day TEXT) WITHOUT ROWID")
    connection.execute(f"INSERT INTO removed SELECT run_id, day FROM run_rows WHERE {which}", (value,))
    connection.execute(f"CREATE TEMP TABLE spent AS {_COUNTED}")
    texts = numbers_of(connection, _OF_REMOVED)
    connection.execute(f"DELETE FROM repricings WHERE call_id IN (SELECT call_id FROM call_rows WHERE {_OF_REMOVED})")
    for table in ("ratings", "conversations"):
        connection.execute(f"DELETE FROM {table} WHERE {_OF_REMOVED}")
    calls = connection.execute(f"DELETE FROM call_rows WHERE {_OF_REMOVED}").rowcount
    runs = connection.execute(f"DELETE FROM run_rows WHERE {_OF_REMOVED}").rowcount
    connection.executemany("DELETE FROM texts WHERE text_id = ?", texts)
    for table in ("spending", "pruned_spending"):
        connection.execute(_ADDING.format(table=table))
    connection.execute("INSERT OR IGNORE INTO pruned_runs (run_id, day) SELECT run_id, day FROM removed")
    return runs, calls
