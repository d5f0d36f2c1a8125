"""What the page shows beyond the report's own groups: the SELECTs that give it, day by day."""

from __future__ import annotations

from ...ledger.sum_tables import LONG_INPUT
from ..day_parts import GOOD_RATING, GROUP, OF, Parts

BINS = 10
DEAREST, FAILED = 100, 100  # that are listed

CASCADE = "json_type(runs.plan, '$.cascade') IS NOT NULL"
# A leg is the place of a model among those that a cascade asked, in their order.
LEGS = f"""
    SELECT {GROUP}, runs.run_id AS run_id, coalesce(runs.pattern, runs.strategy) AS chain, calls.model AS model,
           coalesce(sum(calls.cost_nanousd), 0) AS cost_nanousd,
           row_number() OVER (PARTITION BY runs.run_id ORDER BY min(calls.rowid)) AS leg,
           runs.model_used IS calls.model AS answered,
           min(calls.rowid) < max(min(calls.rowid)) OVER (PARTITION BY runs.run_id) AS passed_on
    FROM run_rows AS runs JOIN call_rows AS calls ON calls.run_id = runs.run_id
    WHERE {CASCADE} AND {{where}} GROUP BY runs.run_id, calls.model
"""
BIN = f"CAST(min(runs.confidence * {BINS} + 1e-9, {BINS - 1}) AS INTEGER)"
_JOINED = "FROM run_rows AS runs JOIN call_rows AS calls ON calls.run_id = runs.run_id WHERE {where}"
# SQLite gives the other columns of the row that has the maximum (https://sqlite.org/lang_select.html#bareagg).
_QUERIES = {
    # chain, leg, asked, answered, passed on, not taken, nano-dollars, models, a run for each of what came of it
    "legs": f"""
        SELECT {", ".join(OF)}, chain, leg, count(*), sum(answered), sum(passed_on AND NOT answered),
               sum(NOT passed_on AND NOT answered), sum(cost_nanousd), json_group_array(DISTINCT model),
               max(run_id) FILTER (WHERE answered), max(run_id) FILTER (WHERE passed_on AND NOT answered),
               max(run_id) FILTER (WHERE NOT passed_on AND NOT answered)
        FROM ({LEGS}) GROUP BY 1, 2, 3, 4, 5, 6
    """,
    # bin, runs, sum of their confidence, rated ones, good ones, the latest run
    "bins": f"""
        SELECT {GROUP}, {BIN}, count(*), total(runs.confidence), count(ratings.rating),
               coalesce(sum(ratings.rating >= {GOOD_RATING}), 0), runs.run_id, max(runs.rowid)
        FROM run_rows AS runs LEFT JOIN ratings ON ratings.run_id = runs.run_id
        WHERE runs.confidence IS NOT NULL AND {{where}} GROUP BY 1, 2, 3, 4, 5
    """,
    # run, nano-dollars, calls
    "dearest": f"""
        SELECT {", ".join(OF)}, run_id, cost_nanousd, calls FROM (
            SELECT *, row_number() OVER (PARTITION BY {", ".join(OF)} ORDER BY cost_nanousd DESC, run_id) AS place
            FROM (
                SELECT {GROUP}, runs.run_id AS run_id, sum(calls.cost_nanousd) AS cost_nanousd, count(*) AS calls
                {_JOINED} AND calls.cost_nanousd > 0 GROUP BY runs.run_id
            )
        ) WHERE place <= {DEAREST}
    """,
    # model, price, the longest input, tokens read from the cache, tokens written to it; a long input stands alone, as
    # its price may have a tier of its own
    "cached": f"""
        SELECT {GROUP}, calls.model, calls.price, max(calls.input_tokens), sum(calls.cached_tokens),
               sum(calls.cache_write_tokens)
        {_JOINED} AND calls.price IS NOT NULL AND calls.cost_nanousd IS NOT NULL
            AND (calls.cached_tokens > 0 OR calls.cache_write_tokens > 0)
        GROUP BY 1, 2, 3, 4, 5, 6, CASE WHEN calls.input_tokens > {LONG_INPUT} THEN calls.call_id END
    """,
    # day, model, the cost of the model's dearest call on it, and its run
    "of_models": f"""
        SELECT {GROUP}, runs.day, calls.model, max(coalesce(calls.cost_nanousd, 0)), runs.run_id {_JOINED}
        GROUP BY 1, 2, 3, 4, runs.day, calls.model
    """,
    # the latest run of a strategy, and its row
    "of_strategies": f"""
        SELECT {GROUP}, runs.strategy, max(runs.rowid), runs.run_id FROM run_rows AS runs WHERE {{where}}
        GROUP BY 1, 2, 3, 4, 5
    """,
    # the latest runs that gave no whole answer, and their rows
    "failed": f"""
        SELECT {", ".join(OF)}, run_id, number FROM (
            SELECT {GROUP}, runs.run_id AS run_id, runs.rowid AS number,
                   row_number() OVER (PARTITION BY {GROUP} ORDER BY runs.rowid DESC) AS place
            FROM run_rows AS runs WHERE runs.status IN ('failed', 'incomplete', 'interrupted') AND {{where}}
        ) WHERE place <= {FAILED}
    """,
}
PAGE = Parts("page", "reading the days of the ledger for the page", _QUERIES)
