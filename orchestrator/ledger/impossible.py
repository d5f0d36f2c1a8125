"""Costs and token counts that no call has, in the rows of older ledgers: put right, so that sums fit into 64 bits.

Today neither a reply nor the spool can bring them in. A row that has them gets its reserved worst case for its cost,
and no tokens, and keeps its amounts under the key `not_believed` of its usage.
"""

from __future__ import annotations

import sqlite3

from ..money import MOST_NANOUSD, MOST_TOKENS
from .records import NOT_BELIEVED
from .schema import COMMITTED, SETTLED
from .schema_of_leases import HELD_BY_LEASES

_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
_AMOUNTS = ("cost_nanousd", "reserved_nanousd", *_TOKENS)
_IS_IMPOSSIBLE = " OR ".join(
    f"{name} NOT BETWEEN 0 AND {MOST_TOKENS if name in _TOKENS else MOST_NANOUSD}" for name in _AMOUNTS
)
_WORST = f"CASE WHEN reserved_nanousd BETWEEN 0 AND {MOST_NANOUSD} THEN reserved_nanousd END"
_CORRECTION = f"""
    UPDATE call_rows SET
        usage = json_object('{NOT_BELIEVED}', json_object({", ".join(f"'{name}', {name}" for name in _AMOUNTS)})),
        cost_nanousd = CASE WHEN cost_nanousd IS NULL OR cost_nanousd BETWEEN 0 AND {MOST_NANOUSD} THEN cost_nanousd
                            ELSE {_WORST} END,
        cost_source = CASE WHEN cost_nanousd IS NULL OR cost_nanousd BETWEEN 0 AND {MOST_NANOUSD} THEN cost_source
                           WHEN {_WORST} IS NULL THEN 'unpriced' ELSE 'estimate' END,
        reserved_nanousd = {_WORST},
        {", ".join(f"{name} = 0" for name in _TOKENS)}
    WHERE {_IS_IMPOSSIBLE}
"""
_TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'call_rows'"
_OF_DAYS = "SELECT 1 FROM spending WHERE simulated IN (0, 1) AND scope = 'all' AND name = '' AND"
_SCOPED = """
    SELECT call_id, 'all' AS scope, '' AS name FROM call_rows
    UNION ALL SELECT call_id, 'provider', provider FROM call_rows
    UNION ALL SELECT call_id, 'model', model FROM call_rows
    UNION ALL SELECT call_id, 'category', category FROM call_rows JOIN run_rows USING (run_id)
              WHERE category IS NOT NULL
    UNION ALL SELECT call_id, 'key', key FROM call_rows JOIN run_rows USING (run_id) WHERE key IS NOT NULL
    UNION ALL SELECT DISTINCT call_id, 'tag', value FROM call_rows JOIN run_rows USING (run_id), json_each(tags)
"""
_REBUILDING = f"""
    INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd)
    SELECT calls.simulated, scoped.scope, scoped.name, calls.day,
           sum({COMMITTED}), sum({SETTLED})
    FROM call_rows AS calls JOIN ({_SCOPED}) AS scoped USING (call_id) GROUP BY 1, 2, 3, 4
"""
_OTHERS = f"""
    INSERT INTO spending SELECT * FROM pruned_spending
    UNION ALL SELECT simulated, scope, name, day, held, 0 FROM ({HELD_BY_LEASES}) WHERE true
    ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd,
                              settled_nanousd = settled_nanousd + excluded.settled_nanousd
"""


def has_impossible_costs(connection: sqlite3.Connection) -> bool:
    """Whether the calls of some day cost more than all of them can: found in a millisecond."""
    row = connection.execute(f"{_OF_DAYS} (committed_nanousd > ? OR settled_nanousd > ?) LIMIT 1", (MOST_NANOUSD,) * 2)
    return row.fetchone() is not None


def correct_impossible(connection: sqlite3.Connection) -> int:
    """Within a transaction: correct the calls with impossible amounts, and count anew what budgets are checked against.
    Returns the number of calls."""
    # The triggers would add up the old amounts with the new ones.
    triggers = connection.execute(_TRIGGERS).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    corrected = connection.execute(_CORRECTION).rowcount
    if corrected:
        connection.execute("DELETE FROM spending")
        connection.execute(_REBUILDING)
        connection.execute(_OTHERS)
        connection.execute("DELETE FROM summed_days")
    for _, sql in triggers:
        connection.execute(sql)
    return corrected
