"""The views under which the ledger's rows are read: `runs` and `calls` with their texts, and four for people.

orch writes `run_rows` and `call_rows`, where a long text stands as its number in `texts`. Everybody else reads `runs`
and `calls`, which have every column, and may change them too. The views are made anew after any migration, from the
columns that the tables have, so a column that a migration adds is in them.

`v_runs`, `v_calls`, `v_daily` and `v_budgets` are for people: times in ISO 8601 (UTC), money in dollars.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from ..period import days_in_sql

ROWS = {"runs": "run_rows", "calls": "call_rows"}
TEXTS = {"runs": ("system", "prompt", "response"), "calls": ("response",)}
_SUFFIX = "_text"  # of the column with a text's number


def number_of(text: str) -> str:
    """The column that has the number of a text which does not stand in its own column."""
    return f"{text}{_SUFFIX}"


def remake_views(connection: sqlite3.Connection) -> None:
    """Within a migration: drop the views and make them from the tables as they are now."""
    for view in (*_FOR_PEOPLE, "run_totals", *ROWS):
        connection.execute(f"DROP VIEW IF EXISTS {view}")
    for view in ROWS:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({ROWS[view]})")]
        numbers = {number_of(text) for text in TEXTS[view]}
        for statement in _view(
            view, [name for name in names if name not in numbers], worked_out(connection, ROWS[view])
        ):
            connection.execute(statement)
    connection.execute(_RUN_TOTALS)
    there = {row[1] for row in connection.execute("PRAGMA table_info(runs)")}
    for view, query in _FOR_PEOPLE.items():
        later = "" if _LATER in there else f"{_LATER}, "
        connection.execute(f"CREATE VIEW {view} AS {query.replace(later, '')}")


def worked_out(connection: sqlite3.Connection, table: str, schema: str = "main") -> list[str]:
    """The columns of a table that SQLite works out from others when they are read: nobody writes them."""
    return [row[1] for row in connection.execute(f"PRAGMA {schema}.table_xinfo({table})") if row[6]]


def _view(view: str, names: Sequence[str], read_only: Sequence[str]) -> Iterator[str]:
    """A view of a table with its texts, and the triggers by which it can be written like a table."""
    table, texts = ROWS[view], TEXTS[view]
    short = [name for name in names if name not in texts]
    whole = [
        f"coalesce({name}, (SELECT text FROM texts WHERE text_id = {number_of(name)})) AS {name}" for name in texts
    ]
    yield f"CREATE VIEW {view} AS SELECT rowid AS rowid, {', '.join([*short, *whole, *read_only])} FROM {table}"
    values = ", ".join(f"NEW.{name}" for name in names)
    yield f"""
        CREATE TRIGGER {view}_insert INSTEAD OF INSERT ON {view} BEGIN
            INSERT INTO {table} ({", ".join(names)}) VALUES ({values});
        END
    """
    changed_texts = "".join(
        f"UPDATE {table} SET {name} = NEW.{name}, {number_of(name)} = NULL"
        f" WHERE rowid = OLD.rowid AND NEW.{name} IS NOT OLD.{name};"
        for name in texts
    )
    yield f"""
        CREATE TRIGGER {view}_update INSTEAD OF UPDATE ON {view} BEGIN
            UPDATE {table} SET {", ".join(f"{name} = NEW.{name}" for name in short)} WHERE rowid = OLD.rowid;
            {changed_texts}
        END
    """
    yield f"""
        CREATE TRIGGER {view}_delete INSTEAD OF DELETE ON {view} BEGIN
            DELETE FROM {table} WHERE rowid = OLD.rowid;
        END
    """


def _time(column: str) -> str:
    return (
        f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000000, 'unixepoch')"
        f" || printf('.%06dZ', {column} % 1000000) AS {column}"
    )


# For people who open the ledger with other tools: the first day of the window that it is now.
_FIRST_DAYS = f"\n{' ' * 34}".join(
    f"WHEN '{period}' THEN {first}" for period, (first, _) in days_in_sql("'now', 'localtime'").items()
)


def _dollars(amount: str, name: str) -> str:
    return f"{amount} / 1e9 AS {name}"


_RUN_TOTALS = """
    CREATE VIEW run_totals AS
    SELECT run_rows.run_id,
           count(calls.call_id) AS calls,
           CASE WHEN sum(calls.cost_source = 'unpriced') > 0 THEN NULL
                ELSE coalesce(sum(coalesce(calls.cost_nanousd, calls.reserved_nanousd)), 0) END AS cost_nanousd,
           coalesce(sum(calls.input_tokens), 0) AS input_tokens,
           coalesce(sum(calls.output_tokens), 0) AS output_tokens
    FROM run_rows LEFT JOIN call_rows AS calls ON calls.run_id = run_rows.run_id
    GROUP BY run_rows.run_id
"""
_COST_OF_RUN = """(
    SELECT CASE WHEN sum(calls.cost_source = 'unpriced') > 0 THEN NULL
                ELSE coalesce(sum(coalesce(calls.cost_nanousd, calls.reserved_nanousd)), 0) END
    FROM call_rows AS calls WHERE calls.run_id = runs.run_id
)"""

_LATER = "tier"  # a column that older versions on the way to this one do not have yet
_FOR_PEOPLE = {
    "v_runs": f"""
        SELECT run_id, {_time("created_at")}, {_time("ended_at")}, day, status, strategy, pattern, category, tags, task,
               level, tier, model_used, confidence, {_dollars(_COST_OF_RUN, "cost_dollars")},
               {_dollars("max_cost_nanousd", "max_cost_dollars")}, latency_ms / 1000.0 AS latency_s,
               (SELECT rating FROM ratings WHERE ratings.run_id = runs.run_id) AS rating,
               experiment, arm, host, user, key, source, simulated, error_code, error_message, system, prompt, response
        FROM runs
    """,
    "v_calls": f"""
        SELECT call_id, run_id, {_time("created_at")}, {_time("sent_at")}, {_time("ended_at")}, day, status, provider,
               model, provider_model, step, role, attempt, {_dollars("cost_nanousd", "cost_dollars")}, cost_source,
               {_dollars("reserved_nanousd", "reserved_dollars")}, input_tokens, output_tokens, cached_tokens,
               cache_write_tokens, reasoning_tokens, finish_reason, latency_ms / 1000.0 AS latency_s,
               ttft_ms / 1000.0 AS first_token_s, confidence, simulated, error_code, error_message, response
        FROM calls
    """,
    "v_daily": f"""
        SELECT day, provider, model, simulated, sum(calls) AS calls, {_dollars("sum(cost_nanousd)", "cost_dollars")},
               sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
               sum(cached_tokens) AS cached_tokens, sum(failed_calls) AS failed_calls
        FROM (
            SELECT day, provider, model, simulated, count(*) AS calls, sum(cost_nanousd) AS cost_nanousd,
                   sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
                   sum(cached_tokens) AS cached_tokens, sum(status = 'failed') AS failed_calls
            FROM call_rows GROUP BY 1, 2, 3, 4
            UNION ALL
            SELECT day, provider, model, simulated, calls, cost_nanousd, input_tokens, output_tokens, cached_tokens,
                   failed_calls
            FROM call_sums WHERE pruned AND grain = '*'
        )
        GROUP BY 1, 2, 3, 4
    """,
    "v_budgets": f"""
        SELECT period, scope, name, {_dollars("limit_nanousd", "limit_dollars")},
               {_dollars("(SELECT coalesce(sum(settled_nanousd), 0) {0})", "spent_dollars")},
               {_dollars("(SELECT coalesce(sum(committed_nanousd), 0) {0})", "committed_dollars")},
               first_day, kinds.simulated
        FROM (
            SELECT *, CASE period {_FIRST_DAYS}
                                  ELSE '' END AS first_day
            FROM budgets
        ) AS budgets, (
            SELECT DISTINCT simulated FROM spending UNION ALL SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM spending)
        ) AS kinds
    """.replace(
        "{0}",
        "FROM spending WHERE spending.scope = budgets.scope AND spending.name = budgets.name"
        " AND spending.day >= budgets.first_day AND spending.simulated = kinds.simulated",
    ),
}
