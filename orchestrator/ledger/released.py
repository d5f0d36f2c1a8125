"""The migrations that were released, from the first to the eighth: never edited, as ledgers were made by them.

What they lead to, and what came later, stands in schema.py.
"""

from __future__ import annotations

# As `COST_OF_CALLS` was then.
_COST_OF_CALLS = """CASE WHEN sum(calls.cost_source = 'unpriced') > 0 THEN NULL
                ELSE coalesce(sum(coalesce(calls.cost_nanousd, calls.reserved_nanousd)), 0) END"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_VERSION_1 = (
    """
    CREATE TABLE runs (
        run_id            TEXT PRIMARY KEY,
        created_at        INTEGER NOT NULL,
        ended_at          INTEGER,
        day               TEXT NOT NULL,
        simulated         INTEGER NOT NULL CHECK (simulated IN (0, 1)),
        status            TEXT NOT NULL
                          CHECK (status IN ('running', 'complete', 'incomplete', 'failed', 'interrupted')),
        strategy          TEXT NOT NULL,
        category          TEXT,
        tags              TEXT NOT NULL CHECK (json_valid(tags)),
        task              TEXT,
        level             TEXT,
        score             REAL,
        confidence        REAL,
        prompt_sha256     TEXT NOT NULL,
        max_cost_nanousd  INTEGER,
        model_used        TEXT,
        response_sha256   TEXT,
        latency_ms        INTEGER,
        error_code        TEXT,
        plan              TEXT NOT NULL CHECK (json_valid(plan)),
        metadata          TEXT NOT NULL CHECK (json_valid(metadata)),
        error_message     TEXT,
        system            TEXT,
        prompt            TEXT,
        response          TEXT
    ) STRICT
    """,
    """
    CREATE TABLE calls (
        call_id            TEXT PRIMARY KEY,
        run_id             TEXT NOT NULL REFERENCES runs (run_id),
        created_at         INTEGER NOT NULL,
        sent_at            INTEGER,
        ended_at           INTEGER,
        day                TEXT NOT NULL,
        simulated          INTEGER NOT NULL CHECK (simulated IN (0, 1)),
        status             TEXT NOT NULL
                           CHECK (status IN ('reserved', 'sent', 'completed', 'failed', 'interrupted')),
        provider           TEXT NOT NULL,
        model              TEXT NOT NULL,
        provider_model     TEXT NOT NULL,
        step               TEXT,
        attempt            INTEGER NOT NULL CHECK (attempt >= 1),
        reserved_nanousd   INTEGER CHECK (reserved_nanousd >= 0),
        cost_nanousd       INTEGER CHECK (cost_nanousd >= 0),
        cost_source        TEXT CHECK (cost_source IN ('usage', 'estimate', 'none', 'unpriced')),
        input_tokens       INTEGER NOT NULL,
        output_tokens      INTEGER NOT NULL,
        cached_tokens      INTEGER NOT NULL,
        cache_write_tokens INTEGER NOT NULL,
        reasoning_tokens   INTEGER NOT NULL,
        finish_reason      TEXT,
        latency_ms         INTEGER,
        ttft_ms            INTEGER,
        request_id         TEXT,
        raw_model          TEXT,
        confidence         REAL,
        response_sha256    TEXT,
        error_code         TEXT,
        price              TEXT CHECK (price IS NULL OR json_valid(price)),
        usage              TEXT CHECK (usage IS NULL OR json_valid(usage)),
        verdict            TEXT CHECK (verdict IS NULL OR json_valid(verdict)),
        error_message      TEXT,
        response           TEXT
    ) STRICT
    """,
    "CREATE INDEX runs_by_day ON runs (day)",
    "CREATE INDEX calls_by_run ON calls (run_id, model)",
    "CREATE INDEX calls_by_day ON calls (day)",
    f"""
    CREATE VIEW run_totals AS
    SELECT runs.run_id,
           count(calls.call_id) AS calls,
           {_COST_OF_CALLS} AS cost_nanousd,
           coalesce(sum(calls.input_tokens), 0) AS input_tokens,
           coalesce(sum(calls.output_tokens), 0) AS output_tokens
    FROM runs LEFT JOIN calls USING (run_id)
    GROUP BY runs.run_id
    """,
)

# What every call counts towards: everything, its provider, its model, and its run's category and tags.
_SCOPES = """
    SELECT 'all' AS scope, '' AS name
    UNION ALL SELECT 'provider', NEW.provider
    UNION ALL SELECT 'model', NEW.model
    UNION ALL SELECT 'category', category FROM runs WHERE run_id = NEW.run_id AND category IS NOT NULL
    UNION ALL SELECT DISTINCT 'tag', value FROM runs, json_each(runs.tags) WHERE run_id = NEW.run_id
"""


def spending_triggers(scopes: str) -> tuple[str, ...]:
    """The triggers that keep `spending`. `scopes` is the query for what a new call counts towards."""
    return (
        f"""
    CREATE TRIGGER spending_of_a_new_call AFTER INSERT ON calls BEGIN
        INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd)
        SELECT NEW.simulated, scope, name, NEW.day,
               coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0), coalesce(NEW.cost_nanousd, 0)
        FROM ({scopes}) WHERE true
        ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd,
                                  settled_nanousd = settled_nanousd + excluded.settled_nanousd;
    END
    """,
        f"""
    CREATE TRIGGER spending_of_a_changed_call AFTER UPDATE OF cost_nanousd, reserved_nanousd ON calls
    WHEN NEW.cost_nanousd IS NOT OLD.cost_nanousd OR NEW.reserved_nanousd IS NOT OLD.reserved_nanousd BEGIN
        UPDATE spending SET
            committed_nanousd = committed_nanousd + coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0)
                                                  - coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0),
            settled_nanousd = settled_nanousd + coalesce(NEW.cost_nanousd, 0) - coalesce(OLD.cost_nanousd, 0)
        WHERE simulated = NEW.simulated AND day = NEW.day AND (scope, name) IN ({scopes});
    END
    """,
        f"""
    CREATE TRIGGER spending_of_a_deleted_call AFTER DELETE ON calls BEGIN
        UPDATE spending SET
            committed_nanousd = committed_nanousd - coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0),
            settled_nanousd = settled_nanousd - coalesce(OLD.cost_nanousd, 0)
        WHERE simulated = OLD.simulated AND day = OLD.day AND (scope, name) IN ({scopes.replace("NEW.", "OLD.")});
    END
    """,
    )


_VERSION_2 = (
    # The process that a run belongs to: while it lives it holds a lock of this name (see process.py).
    "ALTER TABLE runs ADD COLUMN process TEXT",
    "CREATE INDEX runs_running ON runs (process) WHERE status = 'running'",
    # Sums over calls by day, so that a budget of a month is checked without reading a month of calls. Only the
    # triggers write them: whatever changes a call, they agree with the rows.
    """
    CREATE TABLE spending (
        simulated          INTEGER NOT NULL,
        scope              TEXT NOT NULL,
        name               TEXT NOT NULL,
        day                TEXT NOT NULL,
        committed_nanousd  INTEGER NOT NULL,
        settled_nanousd    INTEGER NOT NULL,
        PRIMARY KEY (simulated, scope, name, day)
    ) STRICT, WITHOUT ROWID
    """,
    *spending_triggers(_SCOPES),
    # What was called before there were counters.
    """
    INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd)
    SELECT calls.simulated, scoped.scope, scoped.name, calls.day,
           sum(coalesce(calls.cost_nanousd, calls.reserved_nanousd, 0)), sum(coalesce(calls.cost_nanousd, 0))
    FROM calls JOIN (
        SELECT call_id, 'all' AS scope, '' AS name FROM calls
        UNION ALL SELECT call_id, 'provider', provider FROM calls
        UNION ALL SELECT call_id, 'model', model FROM calls
        UNION ALL SELECT call_id, 'category', category FROM calls JOIN runs USING (run_id) WHERE category IS NOT NULL
        UNION ALL SELECT DISTINCT call_id, 'tag', value FROM calls JOIN runs USING (run_id), json_each(runs.tags)
    ) AS scoped USING (call_id)
    GROUP BY 1, 2, 3, 4
    """,
    """
    CREATE TABLE budgets (
        period         TEXT NOT NULL CHECK (period IN ('day', 'week', 'month')),
        scope          TEXT NOT NULL CHECK (scope IN ('all', 'provider', 'model', 'category', 'tag')),
        name           TEXT NOT NULL,
        limit_nanousd  INTEGER NOT NULL CHECK (limit_nanousd >= 0),
        PRIMARY KEY (period, scope, name)
    ) STRICT, WITHOUT ROWID
    """,
    # An alert is given once a window: the row says that it was.
    """
    CREATE TABLE budget_alerts (
        simulated  INTEGER NOT NULL,
        period     TEXT NOT NULL,
        scope      TEXT NOT NULL,
        name       TEXT NOT NULL,
        first_day  TEXT NOT NULL,
        percent    INTEGER NOT NULL,
        at         INTEGER NOT NULL,
        PRIMARY KEY (simulated, period, scope, name, first_day, percent)
    ) STRICT, WITHOUT ROWID
    """,
)

_VERSION_3 = (
    # Places in the queue of a model, in the order of arrival: `at` is when the request may leave, `taken_at` when the
    # place was taken. Tokens are an estimate until the call is over. Places older than a minute are deleted.
    """
    CREATE TABLE rate_slots (
        slot_id    INTEGER PRIMARY KEY AUTOINCREMENT,
        simulated  INTEGER NOT NULL,
        model      TEXT NOT NULL,
        taken_at   INTEGER NOT NULL,
        at         INTEGER NOT NULL,
        tokens     INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX rate_slots_by_time ON rate_slots (simulated, model, at, tokens)",
    # What a model with a daily limit has used, in buckets of some minutes that start at `since`.
    """
    CREATE TABLE rate_days (
        simulated  INTEGER NOT NULL,
        model      TEXT NOT NULL,
        since      INTEGER NOT NULL,
        requests   INTEGER NOT NULL,
        tokens     INTEGER NOT NULL,
        PRIMARY KEY (simulated, model, since)
    ) STRICT, WITHOUT ROWID
    """,
    # What providers say of their limits. It was `noted_at`; the limits are forgotten after a while.
    """
    CREATE TABLE learned_limits (
        simulated      INTEGER NOT NULL,
        model          TEXT NOT NULL,
        noted_at       INTEGER NOT NULL,
        rpm            INTEGER,
        tpm            INTEGER,
        blocked_until  INTEGER NOT NULL,
        PRIMARY KEY (simulated, model)
    ) STRICT, WITHOUT ROWID
    """,
    # Circuit breakers: a row while there is something to hold against a model, or against a provider (model '').
    """
    CREATE TABLE breakers (
        simulated    INTEGER NOT NULL,
        provider     TEXT NOT NULL,
        model        TEXT NOT NULL,
        failures     INTEGER NOT NULL,
        openings     INTEGER NOT NULL,
        failed_at    INTEGER NOT NULL,
        open_until   INTEGER,
        probe_until  INTEGER,
        reason       TEXT NOT NULL,
        PRIMARY KEY (simulated, provider, model)
    ) STRICT, WITHOUT ROWID
    """,
)

_VERSION_4 = (
    # What a call was recorded as before it was priced again, and as what since: one row a call and repricing, kept
    # when the repricing is undone.
    """
    CREATE TABLE repricings (
        reprice_id        TEXT NOT NULL,
        call_id           TEXT NOT NULL REFERENCES calls (call_id),
        at                INTEGER NOT NULL,
        undone_at         INTEGER,
        old_cost_nanousd  INTEGER,
        old_cost_source   TEXT NOT NULL,
        old_price         TEXT CHECK (old_price IS NULL OR json_valid(old_price)),
        new_cost_nanousd  INTEGER NOT NULL,
        new_cost_source   TEXT NOT NULL,
        new_price         TEXT NOT NULL CHECK (json_valid(new_price)),
        reason            TEXT NOT NULL,
        PRIMARY KEY (reprice_id, call_id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX repricings_by_call ON repricings (call_id)",
)

_VERSION_5 = (
    # What the user thought of a run's answer: the outcome that confidence and routing are measured by.
    """
    CREATE TABLE ratings (
        run_id    TEXT PRIMARY KEY REFERENCES runs (run_id),
        rating    REAL NOT NULL CHECK (rating BETWEEN 0 AND 1),
        rated_at  INTEGER NOT NULL,
        note      TEXT
    ) STRICT
    """,
)

_VERSION_6 = (
    # The named plan that a run carried out, and the role in which a call was made.
    "ALTER TABLE runs ADD COLUMN pattern TEXT",
    "ALTER TABLE calls ADD COLUMN role TEXT",
)

_VERSION_7 = (
    # The experiment that a run was part of, the arm that it took, and whom that was drawn for.
    "ALTER TABLE runs ADD COLUMN experiment TEXT",
    "ALTER TABLE runs ADD COLUMN arm TEXT",
    "ALTER TABLE runs ADD COLUMN subject_sha256 TEXT",
    "CREATE INDEX runs_of_experiments ON runs (experiment, arm) WHERE experiment IS NOT NULL",
    # Experiments that were stopped, and the arm that everybody gets since.
    """
    CREATE TABLE stopped_experiments (
        simulated   INTEGER NOT NULL,
        experiment  TEXT NOT NULL,
        arm         TEXT NOT NULL,
        stopped_at  INTEGER NOT NULL,
        PRIMARY KEY (simulated, experiment)
    ) STRICT, WITHOUT ROWID
    """,
    # How many turns were taken among models that take turns: `ring` is their names, separated by commas.
    """
    CREATE TABLE turns (
        simulated  INTEGER NOT NULL,
        ring       TEXT NOT NULL,
        taken      INTEGER NOT NULL,
        PRIMARY KEY (simulated, ring)
    ) STRICT, WITHOUT ROWID
    """,
    # For the latency of a model: its latest calls.
    "CREATE INDEX calls_by_model ON calls (simulated, model, created_at)",
)

_SOURCES_BEFORE = "('usage', 'estimate', 'none', 'unpriced')"
_SOURCES = "('usage', 'provider', 'estimate', 'cache', 'imported', 'none', 'unpriced')"

_VERSION_8 = (
    # A cost may be what the provider says that it charged. Only the check is written anew, as SQLite's documentation of
    # ALTER TABLE (section 7) allows for a change that leaves the rows as they are: a table of millions is not copied.
    "PRAGMA writable_schema = ON",
    f"""
    UPDATE sqlite_master SET sql = replace(sql, {_quoted(_SOURCES_BEFORE)}, {_quoted(_SOURCES)})
    WHERE type = 'table' AND name = 'calls'
    """,
    "PRAGMA writable_schema = RESET",
    # Any change of the schema has other connections read it again.
    "CREATE INDEX calls_by_provider_model ON calls (provider_model, created_at)",
    "DROP INDEX calls_by_provider_model",
)

RELEASED: tuple[tuple[str, ...], ...] = (
    _VERSION_1,
    _VERSION_2,
    _VERSION_3,
    _VERSION_4,
    _VERSION_5,
    _VERSION_6,
    _VERSION_7,
    _VERSION_8,
)
