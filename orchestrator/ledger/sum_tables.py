"""The tables that hold sums of days, for reports: their columns, what these are of a run or a call, and the grains.

`call_sums` and `run_sums` sum up the same rows at several grains; `grain` says which. A grain has some blocks of
dimensions, one letter for each, so that any two dimensions stand together in a grain of few rows, and dimensions with
many values only where they are asked for. `*` has all dimensions but the time of day. By day, simulated and source they
are summed at every grain. `pruned` are the sums of rows that are gone. `latencies` has one number for each completed
call or complete run (latencies.py): percentiles of any of these sums are exact.
"""

from __future__ import annotations

from itertools import combinations

from .records import EMBEDDING

ALL = "*"
ALWAYS = ("day", "simulated", "source")
CALL_DIMENSIONS = ("provider", "model", "step", "role")
TIME = "created_at"
# By the hour, in UTC, in which runs were started: it is an hour in every time zone that is whole hours from UTC.
HOUR = "runs.created_at - runs.created_at % 3600000000"
_BLOCKS = {
    "M": CALL_DIMENSIONS,
    "W": ("strategy", "pattern", "tier"),  # the way taken
    "T": ("task", "level"),
    "G": ("category", "tags"),
    "C": ("experiment", "key", "host", "user"),  # of clients
    "H": (TIME,),
}
RUN_DIMENSIONS = (*ALWAYS, *_BLOCKS["W"], *_BLOCKS["T"], *_BLOCKS["G"], *_BLOCKS["C"], "arm")
# What each grain has besides what all of them have.
GRAINS: dict[str, tuple[str, ...]] = {
    name: tuple(column for block in name for column in _BLOCKS[block])
    for name in ("", "MWT", "MWG", "TG", "MWC", "TC", "GC", "HMW", "HT", "HG", "HC")
} | {ALL: (*RUN_DIMENSIONS[len(ALWAYS) :], *CALL_DIMENSIONS)}

# A run counts once for each model (or provider), role and step of its calls, and for each pair and all three of them.
_RUNS_BY = [
    (*asked, *others)
    for asked in ((), ("provider",), ("model",))
    for number in range(3)
    for others in combinations(("step", "role"), number)
    if asked or others
]
# The column that says how many runs made calls, by the call's dimensions that are asked for.
RUNS_BY = {frozenset(names): f"{'_'.join(names)}_runs" for names in _RUNS_BY}
# What a call adds to a sum.
CALL_SUMS = {
    "calls": "1",
    "failed_calls": "calls.status = 'failed'",
    "interrupted_calls": "calls.status = 'interrupted'",
    "unsettled_calls": "calls.cost_source IS NULL",
    "unpriced_calls": "calls.cost_source IS NOT NULL AND calls.cost_nanousd IS NULL",
    "estimated_calls": "calls.cost_source IS 'estimate'",
    "cost_nanousd": "coalesce(calls.cost_nanousd, 0)",
    "reserved_nanousd": "CASE WHEN calls.cost_source IS NULL THEN coalesce(calls.reserved_nanousd, 0) ELSE 0 END",
    "priced_calls": "calls.status = 'completed' AND calls.cost_nanousd IS NOT NULL AND calls.cost_source <> 'cache'",
    "priced_nanousd": "CASE WHEN calls.status = 'completed' THEN coalesce(calls.cost_nanousd, 0) ELSE 0 END",
    "input_tokens": "calls.input_tokens",
    "output_tokens": "calls.output_tokens",
    "cached_tokens": "calls.cached_tokens",
    "cache_write_tokens": "calls.cache_write_tokens",
    "reasoning_tokens": "calls.reasoning_tokens",
    "judged": "calls.confidence IS NOT NULL",
    "confidence": "coalesce(calls.confidence, 0.0)",
    # Answers from the response cache, and what those had cost.
    "cache_hits": "calls.cost_source IS 'cache'",
    "saved_nanousd": "coalesce(calls.saved_nanousd, 0)",
    # Calls by the providers' batch APIs, and what live ones would have cost more.
    "batch_calls": "calls.submission IS NOT NULL",
    "batch_saved_nanousd": "coalesce(calls.batch_saved_nanousd, 0)",
}
LATER = ("batch_calls", "batch_saved_nanousd")  # columns that a migration after these tables adds
_LATENCY = "CASE WHEN {0}.status = '{1}' THEN min(max({0}.latency_ms, 0), 4294967295) END"  # as it is packed
CALL_LATENCY = _LATENCY.format("calls", "completed")
# What a run adds to a sum.
RUN_SUMS = {
    "runs": "1",
    "complete_runs": "runs.status = 'complete'",
    "finished_runs": "runs.status <> 'running'",
    # Models that were asked for an answer.
    "multi_model_runs": (
        "coalesce((SELECT min(model) <> max(model) FROM call_rows"
        f" WHERE call_rows.run_id = runs.run_id AND call_rows.role IS NOT '{EMBEDDING}'), 0)"
    ),
    "judged": "runs.confidence IS NOT NULL",
    "confidence": "coalesce(runs.confidence, 0.0)",
}
RATED = {"rated_runs": "ratings.rating IS NOT NULL", "rating": "coalesce(ratings.rating, 0.0)"}
RUN_LATENCY = _LATENCY.format("runs", "complete")
# The call that gave a run's answer, whose model a rating counts for.
ANSWER = """LEFT JOIN call_rows AS calls ON ratings.rating IS NOT NULL AND calls.rowid = (
    SELECT answers.rowid FROM call_rows AS answers
    WHERE answers.run_id = runs.run_id AND answers.model = runs.model_used
    ORDER BY answers.status = 'completed' DESC, answers.rowid DESC LIMIT 1
)"""
# Several calls of a run may have completed: the answer's is the one whose text it is, else the last one of its model.
ANSWERING = """(
    SELECT max(((calls.response_sha256 IS runs.response_sha256) << 61)
               | ((calls.model IS runs.model_used) << 60) | calls.rowid) & ((1 << 60) - 1)
    FROM call_rows AS calls WHERE calls.run_id = runs.run_id AND calls.status = 'completed'
)"""
TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
LONG_INPUT = 100_000  # tokens: from more on, an answer is kept for itself
SUMS = {"call_sums": (*RUNS_BY.values(), *CALL_SUMS), "run_sums": (*RUN_SUMS, *RATED)}
_REAL = ("confidence", "rating")


def create_sums(table: str) -> tuple[str, str]:
    """The statements that create a table of sums, and the index by which one grain of some days is found."""
    texts = (f"{name} {'INTEGER' if name == 'simulated' else 'TEXT'}" for name in (*RUN_DIMENSIONS, *CALL_DIMENSIONS))
    first = [name for name in SUMS[table] if name not in LATER]
    sums = (f"{name} {'REAL' if name in _REAL else 'INTEGER'} NOT NULL DEFAULT 0" for name in first)
    columns = ["grain TEXT NOT NULL", "pruned INTEGER NOT NULL", *texts, f"{TIME} INTEGER", *sums, "latencies ANY"]
    return (
        f"CREATE TABLE {table} ({', '.join(columns)}) STRICT",
        f"CREATE INDEX {table}_by_day ON {table} (grain, day)",
    )


ADD_BATCH_SUMS = tuple(f"ALTER TABLE call_sums ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0" for name in LATER)
# A run's embedding was counted as one more model. Parts of days that are kept have a kind.
_OF_EMBEDDINGS = f"SELECT day FROM call_sums WHERE grain = 'MWG' AND role = '{EMBEDDING}' AND NOT pruned"
ADD_PRUNED_PARTS = ("ALTER TABLE page_days ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0",)
ADD_KINDS_OF_PARTS = (
    f"DELETE FROM summed_days WHERE day IN ({_OF_EMBEDDINGS})",
    "DELETE FROM page_days",
    "ALTER TABLE page_days ADD COLUMN kind TEXT NOT NULL DEFAULT 'page'",
)
