"""Version 12 of the schema: which runs were taken out of the ledger, so that none comes back by a merge and counts
twice."""

from __future__ import annotations

OF_PRUNING = ("CREATE TABLE pruned_runs (run_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",)
