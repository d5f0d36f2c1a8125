"""Version 16 of the schema: sums of days at grains of several dimensions, so that any two stand together in few rows;
the tier of a run as a column; and writes of calls that end no sums where there can be none.

No day is summed while a run of it is under way or a call of it is not settled (sums.py). So a run's end, and what
happens to a call up to its settlement, change no sums, and the triggers leave them alone.
"""

from __future__ import annotations

from .schema_of_first_sums import FIRST_DIMENSIONS
from .schema_statements import DAY_OF_RUN, OF_BOTH, ends_sums, with_columns
from .sum_tables import ALL, ALWAYS, GRAINS, LATER, RUN_DIMENSIONS, RUNS_BY, SUMS, TIME, TOKENS, create_sums

# A run's tier stands in the first of its decisions: `tier EXEC: it requires implementation`.
_DECISION = "json_extract(metadata, '$.decisions[0]')"
_TIER = (
    "tier TEXT GENERATED ALWAYS AS (CASE WHEN strategy = 'tiers' AND json_valid(metadata)"
    f" AND {_DECISION} LIKE 'tier %:%' THEN substr({_DECISION}, 6, instr({_DECISION}, ':') - 6) END) VIRTUAL"
)
# What sums of pruned runs have of an older schema: of a pair of a call's dimensions, at most so many runs.
_AS_IT_WAS = {name: name if len(names) == 1 else "runs" for names, name in RUNS_BY.items()}
# The columns of runs that sums are made from; a tier comes from the metadata.
_OF_RUNS = [name for name in RUN_DIMENSIONS if name != "tier"]


def _brought_over(table: str, grain: str) -> str:
    """Sums of pruned runs at a grain, from those at the finest one, which knew neither tiers nor the time of day."""
    known = {*FIRST_DIMENSIONS, "provider", "model", "step", "role"}
    dimensions = [name for name in (*ALWAYS, *GRAINS[grain]) if name in known]
    sums = {name: f"sum({_AS_IT_WAS.get(name, name)})" for name in SUMS[table] if name not in LATER}
    return f"""
        INSERT INTO {table} (grain, pruned, {", ".join([*dimensions, *sums])}, latencies)
        SELECT '{grain}', 1, {", ".join([*dimensions, *sums.values()])}, group_concat(latencies)
        FROM first_{table} WHERE grain = '{ALL}' AND pruned GROUP BY {", ".join(dimensions)}
    """


OF_SUMS = (
    "PRAGMA writable_schema = ON",
    with_columns("run_rows", _TIER),
    "PRAGMA writable_schema = RESET",
    *(f"ALTER TABLE {table} RENAME TO first_{table}" for table in SUMS),
    *(f"DROP INDEX {table}_by_day" for table in SUMS),
    *(statement for table in SUMS for statement in create_sums(table)),
    *(_brought_over(table, grain) for table in SUMS for grain in GRAINS),
    *(f"DROP TABLE first_{table}" for table in SUMS),
    "DELETE FROM summed_days",
    # The day of a run that was pruned: a merge tells by it which sums of another ledger are not here yet.
    "ALTER TABLE pruned_runs ADD COLUMN day TEXT",
    # The calls that gave the answers, for what another model would have cost: tokens by the UTC day of the call, whose
    # prices apply. An answer stands for itself where the input is so long that its price may have a tier of its own.
    """
    CREATE TABLE answer_sums (
        day                 TEXT NOT NULL,
        simulated           INTEGER NOT NULL,
        source              TEXT,
        category            TEXT,
        tags                TEXT NOT NULL,
        utc_day             INTEGER NOT NULL,  -- since 1970
        long_input          INTEGER,
        answers             INTEGER NOT NULL,
        input_tokens        INTEGER NOT NULL,
        output_tokens       INTEGER NOT NULL,
        cached_tokens       INTEGER NOT NULL,
        cache_write_tokens  INTEGER NOT NULL,
        reasoning_tokens    INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX answer_sums_by_day ON answer_sums (day)",
    # What the page shows of a day, made when a page is asked for.
    """
    CREATE TABLE page_days (
        day        TEXT NOT NULL,
        simulated  INTEGER NOT NULL,
        source     TEXT,
        category   TEXT,
        tags       TEXT NOT NULL,
        figures    TEXT NOT NULL CHECK (json_valid(figures))
    ) STRICT
    """,
    "CREATE INDEX page_days_by_day ON page_days (day)",
    "CREATE INDEX calls_failed ON call_rows (run_id) WHERE error_code IS NOT NULL",
    "DROP TRIGGER run_rows_update_ends_sums",
    ends_sums(
        f"UPDATE OF {', '.join(_OF_RUNS)}, metadata, model_used, response_sha256, {TIME}, {OF_BOTH}",
        "run_rows",
        "{row}.day",
        "WHEN OLD.status <> 'running'",
    ),
    "DROP TRIGGER call_rows_insert_ends_sums",
    ends_sums("INSERT", "call_rows", DAY_OF_RUN, "WHEN NEW.cost_source IS NOT NULL"),
    "DROP TRIGGER call_rows_update_ends_sums",
    ends_sums(
        f"UPDATE OF cost_nanousd, cost_source, saved_nanousd, {', '.join(TOKENS)}, {OF_BOTH}",
        "call_rows",
        DAY_OF_RUN,
        "WHEN OLD.cost_source IS NOT NULL",
    ),
)
