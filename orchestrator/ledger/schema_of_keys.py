"""Version 9 of the schema: the keys of clients that are served, a scope of budgets and reports, and which model a
conversation with tools was begun by."""

from __future__ import annotations

from .released import spending_triggers

_BUDGETED_BEFORE = "(''all'', ''provider'', ''model'', ''category'', ''tag'')"  # as SQL text
_BUDGETED = "(''all'', ''provider'', ''model'', ''category'', ''tag'', ''key'')"

# What every call counts towards: everything, its provider, its model, and its run's category, key and tags.
_SCOPES = """
    SELECT 'all' AS scope, '' AS name
    UNION ALL SELECT 'provider', NEW.provider
    UNION ALL SELECT 'model', NEW.model
    UNION ALL SELECT 'category', category FROM runs WHERE run_id = NEW.run_id AND category IS NOT NULL
    UNION ALL SELECT 'key', key FROM runs WHERE run_id = NEW.run_id AND key IS NOT NULL
    UNION ALL SELECT DISTINCT 'tag', value FROM runs, json_each(runs.tags) WHERE run_id = NEW.run_id
"""

VERSION_9 = (
    # The name of the key under which a client had a run made.
    "ALTER TABLE runs ADD COLUMN key TEXT",
    "DROP TRIGGER spending_of_a_new_call",
    "DROP TRIGGER spending_of_a_changed_call",
    "DROP TRIGGER spending_of_a_deleted_call",
    *spending_triggers(_SCOPES),
    # A budget may be a key's. Only the check is written anew, as in version 8.
    "PRAGMA writable_schema = ON",
    f"""
    UPDATE sqlite_master SET sql = replace(sql, '{_BUDGETED_BEFORE}', '{_BUDGETED}')
    WHERE type = 'table' AND name = 'budgets'
    """,
    "PRAGMA writable_schema = RESET",
    # The keys themselves are not kept: 256 random bits need no salt, and no slow hash.
    """
    CREATE TABLE keys (
        name        TEXT PRIMARY KEY,
        key_sha256  TEXT NOT NULL UNIQUE,
        created_at  INTEGER NOT NULL,
        revoked_at  INTEGER,
        models      TEXT NOT NULL CHECK (json_valid(models)),
        rpm         INTEGER CHECK (rpm >= 1),
        tags        TEXT NOT NULL CHECK (json_valid(tags))
    ) STRICT, WITHOUT ROWID
    """,
    # Which model answered the turn of a conversation that a mark stands for: the hash of an id of one of its calls of
    # tools, or of the turns up to it.
    """
    CREATE TABLE conversation_marks (
        mark     TEXT PRIMARY KEY,
        model    TEXT NOT NULL,
        made_at  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX conversation_marks_by_time ON conversation_marks (made_at)",
    "CREATE INDEX runs_of_keys ON runs (key, day) WHERE key IS NOT NULL",
)
