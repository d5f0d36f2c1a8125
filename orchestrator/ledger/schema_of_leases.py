"""The tables of leases: what one process sets aside for workers on other machines, of budgets and of rate limits.

leases        one a worker: who has it, for which job, and whether it is held, lost, settled or closed
lease_holds   what it may spend of everything and of each budget; what is not spent yet counts in `spending`
lease_pieces  the lines of its job that it has been given, and that may have been sent
lease_rates   the requests and tokens that it may take of a model's limits
rate_shares   in a worker's own ledger: the share of each model's limits that it has
"""

from __future__ import annotations

_HELD = "max(0, {0}.granted_nanousd - {0}.spent_nanousd)"


def _counted(row: str, sign: str) -> str:
    """Adds what a hold sets aside to `spending`, or takes it away."""
    return f"""
        INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd)
        SELECT simulated, {row}.scope, {row}.name, day, {sign}{_HELD.format(row)}, 0
        FROM leases WHERE lease_id = {row}.lease_id
        ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd;
    """


OF_LEASES = (
    # `worker`, `host` and `ledger`: the worker's address, its machine, and its own ledger's file there; `process`: who
    # has lent it. A closed lease's rates stay lent until `rates_until`, as its last requests count in their minute.
    """
    CREATE TABLE leases (
        lease_id     TEXT PRIMARY KEY,
        job          TEXT NOT NULL,
        worker       TEXT NOT NULL,
        host         TEXT NOT NULL,
        ledger       TEXT NOT NULL,
        process      TEXT,
        simulated    INTEGER NOT NULL,
        day          TEXT NOT NULL,
        status       TEXT NOT NULL CHECK (status IN ('held', 'lost', 'settled', 'closed')),
        taken_at     INTEGER NOT NULL,
        renewed_at   INTEGER NOT NULL,
        rates_until  INTEGER
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX leases_by_job ON leases (job)",
    """
    CREATE TABLE lease_holds (
        lease_id         TEXT NOT NULL REFERENCES leases (lease_id),
        scope            TEXT NOT NULL,
        name             TEXT NOT NULL,
        granted_nanousd  INTEGER NOT NULL CHECK (granted_nanousd >= 0),
        spent_nanousd    INTEGER NOT NULL DEFAULT 0 CHECK (spent_nanousd >= 0),
        PRIMARY KEY (lease_id, scope, name)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE lease_rates (
        lease_id       TEXT NOT NULL REFERENCES leases (lease_id),
        model          TEXT NOT NULL,
        rpm            INTEGER,
        tpm            INTEGER,
        rpd            INTEGER,
        tpd            INTEGER,
        used_requests  INTEGER NOT NULL DEFAULT 0,
        used_tokens    INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (lease_id, model)
    ) STRICT, WITHOUT ROWID
    """,
    # Lines of a job that a worker may be asking: `lines` is a JSON list of their numbers and attempts.
    """
    CREATE TABLE lease_pieces (
        lease_id  TEXT NOT NULL REFERENCES leases (lease_id),
        piece     INTEGER NOT NULL,
        lines     TEXT NOT NULL CHECK (json_valid(lines)),
        PRIMARY KEY (lease_id, piece)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE rate_shares (
        simulated  INTEGER NOT NULL,
        model      TEXT NOT NULL,
        rpm        INTEGER,
        tpm        INTEGER,
        rpd        INTEGER,
        tpd        INTEGER,
        PRIMARY KEY (simulated, model)
    ) STRICT, WITHOUT ROWID
    """,
    f"CREATE TRIGGER spending_of_a_new_hold AFTER INSERT ON lease_holds BEGIN {_counted('NEW', '')} END",
    f"""
    CREATE TRIGGER spending_of_a_changed_hold AFTER UPDATE OF granted_nanousd, spent_nanousd ON lease_holds BEGIN
        {_counted("OLD", "-")} {_counted("NEW", "")}
    END
    """,
    f"CREATE TRIGGER spending_of_an_ended_hold AFTER DELETE ON lease_holds BEGIN {_counted('OLD', '-')} END",
    # Leases that are out count in a new budget of a provider or a model with all that they hold. What an INSERT OR
    # REPLACE does to budgets must not replace a hold, so this asks whether there is one.
    """
    CREATE TRIGGER leases_in_a_new_budget AFTER INSERT ON budgets WHEN NEW.scope IN ('provider', 'model') BEGIN
        INSERT INTO lease_holds (lease_id, scope, name, granted_nanousd)
        SELECT lease_id, NEW.scope, NEW.name, max(0, granted_nanousd - spent_nanousd)
        FROM lease_holds AS holds JOIN leases USING (lease_id)
        WHERE holds.scope = 'all' AND status IN ('held', 'lost') AND NOT EXISTS (
            SELECT 1 FROM lease_holds
            WHERE lease_id = leases.lease_id AND scope = NEW.scope AND name = NEW.name
        );
    END
    """,
)

# What leases set aside, by day: for whoever counts `spending` anew.
HELD_BY_LEASES = f"""
    SELECT leases.simulated, holds.scope, holds.name, leases.day, {_HELD.format("holds")} AS held
    FROM lease_holds AS holds JOIN leases USING (lease_id)
"""
