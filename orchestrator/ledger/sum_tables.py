"""The tables that hold sums of days, for reports: their columns, and how these are made from runs and calls.

`call_sums` and `run_sums` sum up the same rows at several grains, `grain` says which: by all dimensions (`*`), by
one (its name), and by none (the empty text). By day, simulated and source they are summed at every grain. `pruned` are
the sums of rows that are gone. `latencies` are milliseconds with commas between them, one for each completed call or
complete run: percentiles of any of these sums are exact.
"""

from __future__ import annotations

ALL, NONE = "*", ""
ALWAYS = ("day", "simulated", "source")
CALL_DIMENSIONS = ("provider", "model", "step", "role")
RUN_DIMENSIONS = (
    *ALWAYS,
    *("strategy", "pattern", "task", "level", "category", "tags", "experiment", "arm", "host", "user", "key"),
)
# Those with a grain of their own: what is asked for most, and has few values.
GRAINS = ("model", "provider", "strategy", "task", "level", "category", "tags")
# By the quarter of an hour in which runs were started: every time zone's hours are made of these.
TIME = "created_at"
TIMED = ("model", "provider")  # what the sums by time have besides
QUARTER = "runs.created_at - runs.created_at % 900000000"

CALL_SUMS = {
    # The runs that made calls: by all of the call's dimensions, and by one of them. A run counts once in each.
    "runs": "count(DISTINCT calls.run_id)",
    **{
        f"{name}_runs": "sum(NOT EXISTS (SELECT 1 FROM call_rows AS other WHERE other.run_id = calls.run_id"
        f" AND other.{name} IS calls.{name} AND other.rowid < calls.rowid))"
        for name in CALL_DIMENSIONS
    },
    "calls": "count(*)",
    "failed_calls": "sum(calls.status = 'failed')",
    "interrupted_calls": "sum(calls.status = 'interrupted')",
    "unsettled_calls": "sum(calls.cost_source IS NULL)",
    "unpriced_calls": "sum(calls.cost_source IS NOT NULL AND calls.cost_nanousd IS NULL)",
    "estimated_calls": "sum(calls.cost_source IS 'estimate')",
    "cost_nanousd": "coalesce(sum(calls.cost_nanousd), 0)",
    "reserved_nanousd": "coalesce(sum(CASE WHEN calls.cost_source IS NULL THEN calls.reserved_nanousd END), 0)",
    "priced_calls": (
        "sum(calls.status = 'completed' AND calls.cost_nanousd IS NOT NULL AND calls.cost_source <> 'cache')"
    ),
    "priced_nanousd": "coalesce(sum(CASE WHEN calls.status = 'completed' THEN calls.cost_nanousd END), 0)",
    "input_tokens": "sum(calls.input_tokens)",
    "output_tokens": "sum(calls.output_tokens)",
    "cached_tokens": "sum(calls.cached_tokens)",
    "cache_write_tokens": "sum(calls.cache_write_tokens)",
    "reasoning_tokens": "sum(calls.reasoning_tokens)",
    "judged": "count(calls.confidence)",
    "confidence": "total(calls.confidence)",
    # Answers from the response cache, and what those had cost.
    "cache_hits": "sum(calls.cost_source IS 'cache')",
    "saved_nanousd": "coalesce(sum(calls.saved_nanousd), 0)",
    # Calls by the providers' batch APIs, and what live ones would have cost more.
    "batch_calls": "count(calls.submission)",
    "batch_saved_nanousd": "coalesce(sum(calls.batch_saved_nanousd), 0)",
}
_OF_CACHE = ("cache_hits", "saved_nanousd")
_OF_BATCHES = ("batch_calls", "batch_saved_nanousd")
_LATER = (*_OF_CACHE, *_OF_BATCHES)  # columns that later migrations add
CALL_LATENCIES = "group_concat(CASE WHEN calls.status = 'completed' THEN calls.latency_ms END)"
RUN_SUMS = {
    "runs": "count(*)",
    "complete_runs": "sum(runs.status = 'complete')",
    "finished_runs": "sum(runs.status <> 'running')",
    "multi_model_runs": (
        "coalesce(sum((SELECT min(model) <> max(model) FROM call_rows WHERE call_rows.run_id = runs.run_id)), 0)"
    ),
    "judged": "count(runs.confidence)",
    "confidence": "total(runs.confidence)",
    "rated_runs": "count(ratings.rating)",
    "rating": "total(ratings.rating)",
}
RUN_LATENCIES = "group_concat(CASE WHEN runs.status = 'complete' THEN runs.latency_ms END)"
# The call that gave a run's answer, whose model a rating counts for.
ANSWER = """LEFT JOIN call_rows AS calls ON calls.rowid = (
    SELECT answers.rowid FROM call_rows AS answers
    WHERE answers.run_id = runs.run_id AND answers.model = runs.model_used
    ORDER BY answers.status = 'completed' DESC, answers.rowid DESC LIMIT 1
)"""
# Sums that only the tables have, and those that reports take apart.
RUNS_BY_ONE = tuple(f"{name}_runs" for name in CALL_DIMENSIONS)
RATED = ("rated_runs", "rating")
_REAL = ("confidence", "rating")


def _columns(sums: dict[str, str]) -> str:
    dimensions = (*RUN_DIMENSIONS, *CALL_DIMENSIONS)
    texts = (f"{name} {'INTEGER' if name == 'simulated' else 'TEXT'}" for name in dimensions)
    numbers = (f"{name} {'REAL' if name in _REAL else 'INTEGER'} NOT NULL" for name in sums if name not in _LATER)
    return ", ".join(
        ["grain TEXT NOT NULL", "pruned INTEGER NOT NULL", f"{TIME} INTEGER", *texts, *numbers, "latencies TEXT"]
    )


CREATE_SUMS = (
    f"CREATE TABLE call_sums ({_columns(CALL_SUMS)}) STRICT",
    f"CREATE TABLE run_sums ({_columns(RUN_SUMS)}) STRICT",
    "CREATE INDEX call_sums_by_day ON call_sums (grain, day)",
    "CREATE INDEX run_sums_by_day ON run_sums (grain, day)",
)


def _added(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"ALTER TABLE call_sums ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0" for name in names)


ADD_CACHE_SUMS, ADD_BATCH_SUMS = _added(_OF_CACHE), _added(_OF_BATCHES)
