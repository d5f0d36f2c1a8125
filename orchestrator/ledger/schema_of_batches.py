"""The tables of batches: a job, what came of its lines, and results that are not in its output file yet."""

from __future__ import annotations

OF_BATCHES = (
    # `process` is the one that works on it, `settings` the flags that it was begun with. `lines` is how many its input
    # has, once it was read to the end. The first `written_bytes` of the output are final; `replaced_bytes` is the size
    # of the file that is about to take its place.
    """
    CREATE TABLE batch_jobs (
        job               INTEGER PRIMARY KEY,
        job_id            TEXT NOT NULL UNIQUE,
        created_at        INTEGER NOT NULL,
        ended_at          INTEGER,
        simulated         INTEGER NOT NULL,
        process           TEXT,
        status            TEXT NOT NULL CHECK (status IN ('running', 'stopped', 'complete', 'cancelled')),
        input             TEXT NOT NULL,
        output            TEXT NOT NULL,
        settings          TEXT NOT NULL CHECK (json_valid(settings)),
        max_cost_nanousd  INTEGER,
        lines             INTEGER,
        stopped_code      TEXT,
        stopped_message   TEXT,
        written_bytes     INTEGER NOT NULL DEFAULT 0,
        replaced_bytes    INTEGER
    ) STRICT
    """,
    # A line has a row when it has an outcome; `number` is where it begins in the input, `digest` 64 bits of its hash.
    # `again`: it failed, and is to be asked again.
    """
    CREATE TABLE batch_lines (
        job     INTEGER NOT NULL,
        number  INTEGER NOT NULL,
        digest  INTEGER NOT NULL,
        status  TEXT NOT NULL CHECK (status IN ('complete', 'incomplete', 'failed', 'invalid', 'again')),
        code    TEXT,
        PRIMARY KEY (job, number)
    ) STRICT, WITHOUT ROWID
    """,
    # The outbox: a result is deleted once it is in the output. `replaces`: that has an earlier one of the line.
    """
    CREATE TABLE batch_results (
        job       INTEGER NOT NULL,
        number    INTEGER NOT NULL,
        replaces  INTEGER NOT NULL,
        result    TEXT NOT NULL,
        PRIMARY KEY (job, number)
    ) STRICT
    """,
)
