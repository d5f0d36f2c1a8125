"""What the page shows beyond the report's own groups, in parts: of each day, and of each category and list of tags in
it, so that any selection of whole days is the sum of some parts.

The parts of summed days are kept in `page_days` when a page is first asked for; those of other days are read from the
rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...errors import LedgerError
from ...ledger import progress
from ...ledger.store import Ledger
from ...ledger.sum_tables import LONG_INPUT
from ..selection import Selection

BINS = 10
GOOD_RATING = 0.5
DEAREST, FAILED = 100, 100  # that are listed

# The kinds of rows that a part has, by name.
Part = Mapping[str, Sequence[Sequence[Any]]]
_OF = ("simulated", "source", "category", "tags")
_GROUP = ", ".join(f"runs.{name}" for name in _OF)

CASCADE = "json_type(runs.plan, '$.cascade') IS NOT NULL"
# A leg is the place of a model among those that a cascade asked, in their order.
LEGS = f"""
    SELECT {_GROUP}, runs.run_id AS run_id, coalesce(runs.pattern, runs.strategy) AS chain, calls.model AS model,
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
    # chain, leg, asked, answered, passed on, unanswered, nano-dollars, models, a run for each of what came of it
    "legs": f"""
        SELECT {", ".join(_OF)}, chain, leg, count(*), sum(answered), sum(passed_on AND NOT answered),
               sum(NOT passed_on AND NOT answered), sum(cost_nanousd), json_group_array(DISTINCT model),
               max(run_id) FILTER (WHERE answered), max(run_id) FILTER (WHERE passed_on AND NOT answered),
               max(run_id) FILTER (WHERE NOT passed_on AND NOT answered)
        FROM ({LEGS}) GROUP BY 1, 2, 3, 4, 5, 6
    """,
    # bin, runs, sum of their confidence, rated ones, good ones, the latest run
    "bins": f"""
        SELECT {_GROUP}, {BIN}, count(*), total(runs.confidence), count(ratings.rating),
               coalesce(sum(ratings.rating >= {GOOD_RATING}), 0), runs.run_id, max(runs.rowid)
        FROM run_rows AS runs LEFT JOIN ratings ON ratings.run_id = runs.run_id
        WHERE runs.confidence IS NOT NULL AND {{where}} GROUP BY 1, 2, 3, 4, 5
    """,
    # run, nano-dollars, calls
    "dearest": f"""
        SELECT {", ".join(_OF)}, run_id, cost_nanousd, calls FROM (
            SELECT *, row_number() OVER (PARTITION BY {", ".join(_OF)} ORDER BY cost_nanousd DESC, run_id) AS place
            FROM (
                SELECT {_GROUP}, runs.run_id AS run_id, sum(calls.cost_nanousd) AS cost_nanousd, count(*) AS calls
                {_JOINED} AND calls.cost_nanousd > 0 GROUP BY runs.run_id
            )
        ) WHERE place <= {DEAREST}
    """,
    # model, price, the longest input, tokens read from the cache, tokens written to it; a long input stands alone, as
    # its price may have a tier of its own
    "cached": f"""
        SELECT {_GROUP}, calls.model, calls.price, max(calls.input_tokens), sum(calls.cached_tokens),
               sum(calls.cache_write_tokens)
        {_JOINED} AND calls.price IS NOT NULL AND calls.cost_nanousd IS NOT NULL
            AND (calls.cached_tokens > 0 OR calls.cache_write_tokens > 0)
        GROUP BY 1, 2, 3, 4, 5, 6, CASE WHEN calls.input_tokens > {LONG_INPUT} THEN calls.call_id END
    """,
    # the run with the dearest call of a model on the day
    "of_models": f"""
        SELECT {_GROUP}, runs.run_id, max(coalesce(calls.cost_nanousd, 0)) {_JOINED}
        GROUP BY 1, 2, 3, 4, runs.day, calls.model
    """,
    # the latest run of a strategy, and its row
    "of_strategies": f"""
        SELECT {_GROUP}, runs.strategy, max(runs.rowid), runs.run_id FROM run_rows AS runs WHERE {{where}}
        GROUP BY 1, 2, 3, 4, 5
    """,
    # the latest runs that gave no whole answer, and their rows
    "failed": f"""
        SELECT {", ".join(_OF)}, run_id, number FROM (
            SELECT {_GROUP}, runs.run_id AS run_id, runs.rowid AS number,
                   row_number() OVER (PARTITION BY {_GROUP} ORDER BY runs.rowid DESC) AS place
            FROM run_rows AS runs WHERE runs.status IN ('failed', 'incomplete', 'interrupted') AND {{where}}
        ) WHERE place <= {FAILED}
    """,
}


def keep_parts(ledger: Ledger) -> None:
    """Keep the parts of every summed day that has none yet, each day in a transaction. A ledger that cannot be written,
    or is busy, stays as it is."""
    wanted = "SELECT day FROM summed_days WHERE day NOT IN (SELECT day FROM page_days)"
    days = ledger.read(lambda db: [row[0] for row in db.execute(wanted)])
    try:
        for number, day in enumerate(days, start=1):
            ledger.maintain(lambda db, day=day: _keep_day(db, day))  # type: ignore[misc]
            progress.show("reading the days of the ledger for the page", number, len(days))
    except LedgerError:
        return


def _keep_day(connection: sqlite3.Connection, day: str) -> None:
    summed = connection.execute("SELECT 1 FROM summed_days WHERE day = ?", (day,)).fetchone()
    if not summed or connection.execute("SELECT 1 FROM page_days WHERE day = ?", (day,)).fetchone():
        return  # somebody else was here
    kept = _of_rows(connection, "runs.day = ?", (day,))
    connection.executemany(
        f"INSERT INTO page_days (day, {', '.join(_OF)}, figures) VALUES (?, ?, ?, ?, ?, ?)",
        [(day, *of, json.dumps(part)) for of, part in kept.items()],
    )


def read_parts(connection: sqlite3.Connection, selection: Selection) -> Iterator[Part]:
    """The parts that the selected runs are made of."""
    where, parameters = selection.where()
    whole, values = selection.whole_days()
    kept = f"""
        SELECT sums.day AS day, sums.figures AS figures FROM page_days AS sums
        WHERE {whole} AND sums.day IN (SELECT day FROM summed_days)
    """
    for row in connection.execute(kept, values):
        yield json.loads(row["figures"])
    inside, bounds = selection.days_within()
    rest = f"SELECT day FROM summed_days WHERE {inside} AND day IN (SELECT day FROM page_days)"
    days = [row[0] for row in connection.execute(rest, bounds)]
    known = f"runs.day NOT IN ({', '.join('?' * len(days))})"
    if days:
        # The days that are left, each found in the index.
        left = f"""
            WITH RECURSIVE days (day) AS (
                SELECT min(day) FROM run_rows
                UNION ALL
                SELECT (SELECT min(day) FROM run_rows WHERE run_rows.day > days.day) FROM days WHERE day IS NOT NULL
            ) SELECT day FROM days AS runs WHERE day IS NOT NULL AND {known}
        """
        days = [row[0] for row in connection.execute(left, days)]
        known = f"runs.day IN ({', '.join('?' * len(days))})"
    yield from _of_rows(connection, f"{where} AND {known}", (*parameters, *days)).values()


def _of_rows(
    connection: sqlite3.Connection, where: str, parameters: Sequence[str | int]
) -> dict[tuple[Any, ...], dict[str, list[Sequence[Any]]]]:
    """The parts of the runs of a condition, by simulated, source, category and tags."""
    parts: dict[tuple[Any, ...], dict[str, list[Sequence[Any]]]] = defaultdict(lambda: {name: [] for name in _QUERIES})
    for name, query in _QUERIES.items():
        for row in connection.execute(query.format(where=where), parameters):
            parts[tuple(row[: len(_OF)])][name].append(tuple(row[len(_OF) :]))
    return parts


def rows_of(parts: Iterable[Part], name: str) -> Iterator[Sequence[Any]]:
    """The rows of a kind of all parts."""
    for part in parts:
        yield from part[name]
