"""Reading a ledger with plain SQL, as any other program would; nothing of orch's own reading code is used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .check import Findings

Row = sqlite3.Row

OPEN = ("reserved", "sent")
_CALLS = (
    "SELECT calls.*, runs.prompt, runs.status AS run_status FROM calls JOIN runs USING (run_id) ORDER BY calls.rowid"
)
# What the counters must hold, from the rows themselves.
_SUMS = """
    SELECT simulated, scope, name, day, sum(committed_nanousd) AS committed_nanousd,
           sum(settled_nanousd) AS settled_nanousd
    FROM (
    SELECT calls.simulated, scoped.scope, scoped.name, calls.day,
           coalesce(cost_nanousd, reserved_nanousd, 0) AS committed_nanousd,
           coalesce(cost_nanousd, 0) AS settled_nanousd
    FROM calls JOIN (
        SELECT call_id, 'all' AS scope, '' AS name FROM calls
        UNION ALL SELECT call_id, 'provider', provider FROM calls
        UNION ALL SELECT call_id, 'model', model FROM calls
        UNION ALL SELECT call_id, 'category', category FROM calls JOIN runs USING (run_id) WHERE category IS NOT NULL
        UNION ALL SELECT call_id, 'key', key FROM calls JOIN runs USING (run_id) WHERE key IS NOT NULL
        UNION ALL SELECT DISTINCT call_id, 'tag', value FROM calls JOIN runs USING (run_id), json_each(runs.tags)
    ) AS scoped USING (call_id)
    UNION ALL SELECT * FROM pruned_spending
    )
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_COUNTERS = "SELECT * FROM spending WHERE committed_nanousd OR settled_nanousd ORDER BY 1, 2, 3, 4"


@contextmanager
def reading(ledger: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write."""
    connection = sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    finally:
        connection.close()


def calls_of(ledger: Path) -> list[Row]:
    """Every call, with its run's prompt, in the order in which they were made."""
    with reading(ledger) as connection:
        return connection.execute(_CALLS).fetchall()


def committed_nanousd(connection: sqlite3.Connection) -> int:
    """What is settled and set aside in all, by the rows."""
    (total,) = connection.execute("SELECT coalesce(sum(coalesce(cost_nanousd, reserved_nanousd)), 0) FROM calls")
    return int(total[0])


def expect_consistent(ledger: Path, findings: Findings) -> None:
    """The file is whole, nothing in it is left open, and its counters are the sums of its rows."""
    with reading(ledger) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        findings.expect(verdict == "ok", f"integrity_check: {verdict}")
        left = connection.execute("SELECT status FROM calls WHERE status IN (?, ?)", OPEN).fetchall()
        findings.expect(not left, f"{len(left)} calls are still open")
        (running,) = connection.execute("SELECT count(*) FROM runs WHERE status = 'running'").fetchone()
        findings.expect(running == 0, f"{running} runs are still running")
        sums = {tuple(row) for row in connection.execute(_SUMS) if row["committed_nanousd"] or row["settled_nanousd"]}
        counters = {tuple(row) for row in connection.execute(_COUNTERS)}
        findings.expect_none(sorted(sums ^ counters, key=str), "counters and rows differ")


def percentile(values: list[float], percent: float) -> float:
    """By nearest rank; 0 of nothing."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]
