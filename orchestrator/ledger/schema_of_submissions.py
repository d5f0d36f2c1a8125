"""The tables of the providers' batch APIs: what was submitted, and the requests that are in it or wait to be."""

from __future__ import annotations

OF_SUBMISSIONS = (
    # `submission` is our own mark, which the provider is given where it takes one; `provider_batch` is its id for it,
    # null until that is known. `recorded`: it is about to be sent, or was, and nobody knows whether it arrived.
    # `unsure`: the provider keeps no mark, so that its results must show that the batch is ours; `not_ours` are ids of
    # those that were not.
    """
    CREATE TABLE provider_submissions (
        submission      TEXT PRIMARY KEY,
        job             INTEGER NOT NULL,
        provider        TEXT NOT NULL,
        model           TEXT NOT NULL,
        provider_model  TEXT NOT NULL,
        provider_batch  TEXT,
        state           TEXT NOT NULL
                        CHECK (state IN ('recorded', 'submitted', 'cancelling', 'ended', 'failed')),
        requests        INTEGER NOT NULL,
        bytes           INTEGER NOT NULL,
        simulated       INTEGER NOT NULL,
        unsure          INTEGER NOT NULL DEFAULT 0,
        not_ours        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(not_ours)),
        created_at      INTEGER NOT NULL,
        submitted_at    INTEGER,
        ended_at        INTEGER,
        expires_at      INTEGER,
        checked_at      INTEGER,
        done            INTEGER,
        code            TEXT,
        message         TEXT
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX provider_submissions_of_jobs ON provider_submissions (job, state)",
    # One call of a run each, until the run has ended. `place` and `nth` say which of the run's calls it is; `body` is
    # what is sent, until it was, and `result` what came, from then on.
    """
    CREATE TABLE provider_requests (
        call_id       TEXT PRIMARY KEY,
        run_id        TEXT NOT NULL,
        job           INTEGER NOT NULL,
        place         TEXT NOT NULL,
        nth           INTEGER NOT NULL,
        provider      TEXT NOT NULL,
        model         TEXT NOT NULL,
        state         TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'answered')),
        submission    TEXT,
        not_before    INTEGER NOT NULL DEFAULT 0,
        body          TEXT,
        bytes         INTEGER NOT NULL,
        result        TEXT,
        input_tokens  INTEGER NOT NULL,
        input_bound   INTEGER NOT NULL,
        max_tokens    INTEGER NOT NULL,
        logprobs      INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX provider_requests_of_runs ON provider_requests (run_id, place, nth)",
    "CREATE INDEX provider_requests_that_wait ON provider_requests (job, provider, model) WHERE state = 'waiting'",
    "CREATE INDEX provider_requests_of_submissions ON provider_requests (submission) WHERE submission IS NOT NULL",
)
# Of a call: the submission that it was in, and what it would have cost more without it.
BATCH_COLUMNS = "submission TEXT, batch_saved_nanousd INTEGER"
