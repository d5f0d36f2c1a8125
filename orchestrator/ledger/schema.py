"""The ledger's tables, and the migration to them.

Times are integer microseconds since 1970 (UTC); money is integer nano-dollars. `day` is the user's calendar day
(YYYY-MM-DD) when the row was made. It is set once, so a row belongs to exactly one day, week and month, whatever clock
and time zone do later. A run's cost is the sum over its calls and is stored nowhere else; the view `run_totals`
computes it for people who open the file with other tools.

    run_rows, call_rows   what orch writes; short texts stand in them, the others by their number in `texts`
    runs, calls           views of these with every text in its place (views.py)
    run_sums, call_sums   sums of days, for reports (sums.py); of pruned rows too
    spending              sums by day, for budgets; only triggers write it
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .released import RELEASED
from .schema_of_batches import OF_BATCHES
from .schema_of_conversations import OF_CONVERSATIONS
from .schema_of_first_sums import ADD_CACHE_SUMS, CREATE_FIRST_SUMS, FIRST_DIMENSIONS
from .schema_of_keys import VERSION_9
from .schema_of_leases import OF_LEASES
from .schema_of_pruning import OF_PRUNING
from .schema_of_submissions import BATCH_COLUMNS, OF_SUBMISSIONS
from .schema_of_sums import OF_SUMS
from .schema_of_writes import OF_WRITES
from .schema_statements import DAY_OF_RUN, OF_BOTH, ends_sums, with_columns
from .sum_tables import ADD_BATCH_SUMS, ADD_KINDS_OF_PARTS, ADD_PRUNED_PARTS
from .views import remake_views

# What the calls of a run cost, as an expression over them: null if one is unpriced; one that is not settled yet counts
# with what is set aside for it. The view `run_totals` has it, and so have queries of a few runs, for which SQLite would
# read the view of all. Another rule takes a migration that makes the view anew.
COST_OF_CALLS = """CASE WHEN sum(calls.cost_source = 'unpriced') > 0 THEN NULL
                ELSE coalesce(sum(coalesce(calls.cost_nanousd, calls.reserved_nanousd)), 0) END"""
COST_OF_RUN = f"(SELECT {COST_OF_CALLS} FROM call_rows AS calls WHERE calls.run_id = runs.run_id)"

# What a row counts for in budgets: nothing if another tool's log was imported.
_COMMITTED = (
    "CASE WHEN {0}.cost_source IS 'imported' THEN 0 ELSE coalesce({0}.cost_nanousd, {0}.reserved_nanousd, 0) END"
)
_SETTLED = "CASE WHEN {0}.cost_source IS 'imported' THEN 0 ELSE coalesce({0}.cost_nanousd, 0) END"
COMMITTED, SETTLED = _COMMITTED.format("calls"), _SETTLED.format("calls")
_OLD_COMMITTED, _NEW_COMMITTED = _COMMITTED.format("OLD"), _COMMITTED.format("NEW")
_OLD_SETTLED, _NEW_SETTLED = _SETTLED.format("OLD"), _SETTLED.format("NEW")


def _scopes_of(row: str) -> str:
    """What a call counts towards: everything, its provider, its model, and its run's category, key and tags."""
    return f"""
        SELECT 'all' AS scope, '' AS name
        UNION ALL SELECT 'provider', {row}.provider
        UNION ALL SELECT 'model', {row}.model
        UNION ALL SELECT 'category', category FROM run_rows WHERE run_id = {row}.run_id AND category IS NOT NULL
        UNION ALL SELECT 'key', key FROM run_rows WHERE run_id = {row}.run_id AND key IS NOT NULL
        UNION ALL SELECT DISTINCT 'tag', value FROM run_rows, json_each(run_rows.tags) WHERE run_id = {row}.run_id
    """


_VERSION_10 = (
    "ALTER TABLE runs RENAME TO run_rows",
    "ALTER TABLE calls RENAME TO call_rows",
    # Who asked, from where, and whether another tool's log is where the run comes from: `source_key` is its mark there.
    # Columns that end in _text have the number of a text that is too long for the row.
    "PRAGMA writable_schema = ON",
    with_columns(
        "run_rows",
        "host TEXT, user TEXT, source TEXT, source_key TEXT,"
        " system_text INTEGER, prompt_text INTEGER, response_text INTEGER",
    ),
    with_columns("call_rows", "response_text INTEGER"),
    "PRAGMA writable_schema = RESET",
    "CREATE UNIQUE INDEX runs_by_source ON run_rows (source, source_key) WHERE source_key IS NOT NULL",
    # `digest` (SHA-256, hex) is set where a text is long enough to be looked for before it is stored again.
    "CREATE TABLE texts (text_id INTEGER PRIMARY KEY, digest TEXT, text TEXT NOT NULL) STRICT",
    "CREATE UNIQUE INDEX texts_by_digest ON texts (digest) WHERE digest IS NOT NULL",
    # Work on an older ledger's rows that goes on when it is opened again: up to which row it is done, and which is the
    # last one.
    "CREATE TABLE unfinished (work TEXT PRIMARY KEY, done INTEGER NOT NULL, last INTEGER NOT NULL) STRICT",
    "INSERT INTO unfinished SELECT 'texts', 0, rowid FROM run_rows ORDER BY rowid DESC LIMIT 1",
    *CREATE_FIRST_SUMS,
    "CREATE TABLE summed_days (day TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    ends_sums("INSERT", "run_rows", "{row}.day"),
    ends_sums(f"UPDATE OF {', '.join(FIRST_DIMENSIONS)}, model_used, {OF_BOTH}", "run_rows", "{row}.day"),
    ends_sums("DELETE", "run_rows", "{row}.day"),
    ends_sums("INSERT", "call_rows", DAY_OF_RUN),
    ends_sums(f"UPDATE OF cost_nanousd, cost_source, {OF_BOTH}", "call_rows", DAY_OF_RUN),
    ends_sums("DELETE", "call_rows", DAY_OF_RUN),
    ends_sums("INSERT", "ratings", DAY_OF_RUN),
    ends_sums("UPDATE", "ratings", DAY_OF_RUN),
    ends_sums("DELETE", "ratings", DAY_OF_RUN),
    # What pruned calls count for in `spending`.
    """
    CREATE TABLE pruned_spending (
        simulated          INTEGER NOT NULL,
        scope              TEXT NOT NULL,
        name               TEXT NOT NULL,
        day                TEXT NOT NULL,
        committed_nanousd  INTEGER NOT NULL,
        settled_nanousd    INTEGER NOT NULL,
        PRIMARY KEY (simulated, scope, name, day)
    ) STRICT, WITHOUT ROWID
    """,
    "DROP TRIGGER spending_of_a_new_call",
    "DROP TRIGGER spending_of_a_changed_call",
    "DROP TRIGGER spending_of_a_deleted_call",
    f"""
    CREATE TRIGGER spending_of_a_new_call AFTER INSERT ON call_rows BEGIN
        INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd)
        SELECT NEW.simulated, scope, name, NEW.day, {_NEW_COMMITTED}, {_NEW_SETTLED}
        FROM ({_scopes_of("NEW")}) WHERE true
        ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd,
                                  settled_nanousd = settled_nanousd + excluded.settled_nanousd;
    END
    """,
    f"""
    CREATE TRIGGER spending_of_a_changed_call AFTER UPDATE OF cost_nanousd, reserved_nanousd, cost_source ON call_rows
    WHEN {_NEW_COMMITTED} <> {_OLD_COMMITTED} OR {_NEW_SETTLED} <> {_OLD_SETTLED} BEGIN
        UPDATE spending SET committed_nanousd = committed_nanousd + {_NEW_COMMITTED} - {_OLD_COMMITTED},
                            settled_nanousd = settled_nanousd + {_NEW_SETTLED} - {_OLD_SETTLED}
        WHERE simulated = NEW.simulated AND day = NEW.day AND (scope, name) IN ({_scopes_of("NEW")});
    END
    """,
    f"""
    CREATE TRIGGER spending_of_a_deleted_call AFTER DELETE ON call_rows BEGIN
        UPDATE spending SET committed_nanousd = committed_nanousd - {_OLD_COMMITTED},
                            settled_nanousd = settled_nanousd - {_OLD_SETTLED}
        WHERE simulated = OLD.simulated AND day = OLD.day AND (scope, name) IN ({_scopes_of("OLD")});
    END
    """,
    # Budgets of any period and scope that the program knows.
    """
    CREATE TABLE budgets_of_any_kind (
        period         TEXT NOT NULL,
        scope          TEXT NOT NULL,
        name           TEXT NOT NULL,
        limit_nanousd  INTEGER NOT NULL CHECK (limit_nanousd >= 0),
        PRIMARY KEY (period, scope, name)
    ) STRICT, WITHOUT ROWID
    """,
    "INSERT INTO budgets_of_any_kind SELECT period, scope, name, limit_nanousd FROM budgets",
    "DROP TABLE budgets",
    "ALTER TABLE budgets_of_any_kind RENAME TO budgets",
)

# Answers from the response cache: the run that paid for one, and what it had cost.
_OF_KEPT_ANSWERS = (
    "PRAGMA writable_schema = ON",
    with_columns("call_rows", "from_run TEXT, saved_nanousd INTEGER"),
    "PRAGMA writable_schema = RESET",
    *ADD_CACHE_SUMS,
)

# How similar the prompt was whose answer the semantic cache gave.
_OF_SIMILARITY = (
    "PRAGMA writable_schema = ON",
    with_columns("call_rows", "similarity REAL"),
    "PRAGMA writable_schema = RESET",
)

# The providers' batch APIs.
_OF_SUBMISSIONS = (
    "PRAGMA writable_schema = ON",
    with_columns("call_rows", BATCH_COLUMNS),
    "PRAGMA writable_schema = RESET",
    *OF_SUBMISSIONS,
    *ADD_BATCH_SUMS,
)

# One tuple of statements a version; the ledger's `user_version` counts how many have been carried out.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    *(*RELEASED, VERSION_9, _VERSION_10, OF_CONVERSATIONS, OF_PRUNING),
    _OF_KEPT_ANSWERS,
    OF_BATCHES,
    OF_LEASES,
    OF_SUMS,
    _OF_SIMILARITY,
    _OF_SUBMISSIONS,
    ADD_KINDS_OF_PARTS,
    (),  # `v_budgets` has what simulated runs spend
    OF_WRITES,
    ADD_PRUNED_PARTS,
)
_FIRST_WITH_VIEWS = 10
NEW_LEDGER = Path(__file__).with_name("new_ledger.sql")  # what they make of an empty file: scripts/ledger_schema.py


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of a ledger; 0 for a new file.

    Raises ValueError if it is newer than this program, or if the database is not a ledger.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise ValueError("it is another program's database")
    if version > len(MIGRATIONS):
        raise ValueError(f"it was written by a newer orch (schema {version}; this one knows {len(MIGRATIONS)})")
    return version


def migrate(connection: sqlite3.Connection) -> bool:
    """Migrate an open database to the newest version, each step in its own transaction. Returns whether there was
    anything to do. The caller holds the lock.

    Raises ValueError as `version_of` does.
    """
    version = version_of(connection)
    if version == 0:
        _make_new(connection)
    return carry_out(connection, version_of(connection)) or version == 0


def carry_out(connection: sqlite3.Connection, version: int) -> bool:
    """Carry out the migrations of a database of a version, as `migrate` does. Returns whether there were any."""
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        with _all_or_nothing(connection):
            for statement in statements:
                connection.execute(statement)
            if number >= _FIRST_WITH_VIEWS:
                remake_views(connection)
            connection.execute(f"PRAGMA user_version = {number}")
    return version < len(MIGRATIONS)


def _make_new(connection: sqlite3.Connection) -> None:
    """Make of an empty database what the migrations would, at once: these take ten times as long."""
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{NEW_LEDGER.read_text(encoding='utf-8')}COMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _all_or_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
