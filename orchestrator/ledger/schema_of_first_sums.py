"""Sums of days as versions 10 to 15 of the schema had them, at grains of one dimension each."""

from __future__ import annotations

FIRST_DIMENSIONS = (
    *("day", "simulated", "source", "strategy", "pattern", "task", "level", "category", "tags", "experiment", "arm"),
    *("host", "user", "key"),
)
_OF_CALLS = ("provider", "model", "step", "role")
_CALL_SUMS = (
    *("runs", "provider_runs", "model_runs", "step_runs", "role_runs", "calls", "failed_calls", "interrupted_calls"),
    *("unsettled_calls", "unpriced_calls", "estimated_calls", "cost_nanousd", "reserved_nanousd", "priced_calls"),
    *("priced_nanousd", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"),
    *("judged", "confidence"),
)
_RUN_SUMS = (
    *("runs", "complete_runs", "finished_runs", "multi_model_runs", "judged", "confidence", "rated_runs", "rating"),
)


def _columns(sums: tuple[str, ...]) -> str:
    texts = (f"{name} {'INTEGER' if name == 'simulated' else 'TEXT'}" for name in (*FIRST_DIMENSIONS, *_OF_CALLS))
    numbers = (f"{name} {'REAL' if name in ('confidence', 'rating') else 'INTEGER'} NOT NULL" for name in sums)
    return ", ".join(
        ["grain TEXT NOT NULL", "pruned INTEGER NOT NULL", "created_at INTEGER", *texts, *numbers, "latencies TEXT"]
    )


CREATE_FIRST_SUMS = (
    f"CREATE TABLE call_sums ({_columns(_CALL_SUMS)}) STRICT",
    f"CREATE TABLE run_sums ({_columns(_RUN_SUMS)}) STRICT",
    "CREATE INDEX call_sums_by_day ON call_sums (grain, day)",
    "CREATE INDEX run_sums_by_day ON run_sums (grain, day)",
)
ADD_CACHE_SUMS = tuple(
    f"ALTER TABLE call_sums ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0" for name in ("cache_hits", "saved_nanousd")
)
