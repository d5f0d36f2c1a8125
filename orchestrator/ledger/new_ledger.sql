-- A new ledger: written by scripts/ledger_schema.py from the migrations in schema.py.
CREATE TABLE "run_rows" (
        run_id            TEXT PRIMARY KEY,
        created_at        INTEGER NOT NULL,
        ended_at          INTEGER,
        day               TEXT NOT NULL,
        simulated         INTEGER NOT NULL CHECK (simulated IN (0, 1)),
        status            TEXT NOT NULL
                          CHECK (status = 'running' OR status = 'complete' OR status = 'incomplete' OR status = 'failed' OR status = 'interrupted'),
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
    , process TEXT, pattern TEXT, experiment TEXT, arm TEXT, subject_sha256 TEXT, key TEXT, host TEXT, user TEXT, source TEXT, source_key TEXT, system_text INTEGER, prompt_text INTEGER, response_text INTEGER, tier TEXT GENERATED ALWAYS AS (CASE WHEN strategy = 'tiers' AND json_valid(metadata) AND json_extract(metadata, '$.decisions[0]') LIKE 'tier %:%' THEN substr(json_extract(metadata, '$.decisions[0]'), 6, instr(json_extract(metadata, '$.decisions[0]'), ':') - 6) END) VIRTUAL) STRICT;
CREATE TABLE "call_rows" (
        call_id            TEXT PRIMARY KEY,
        run_id             TEXT NOT NULL REFERENCES "run_rows" (run_id),
        created_at         INTEGER NOT NULL,
        sent_at            INTEGER,
        ended_at           INTEGER,
        day                TEXT NOT NULL,
        simulated          INTEGER NOT NULL CHECK (simulated IN (0, 1)),
        status             TEXT NOT NULL
                           CHECK (status = 'reserved' OR status = 'sent' OR status = 'completed' OR status = 'failed' OR status = 'interrupted'),
        provider           TEXT NOT NULL,
        model              TEXT NOT NULL,
        provider_model     TEXT NOT NULL,
        step               TEXT,
        attempt            INTEGER NOT NULL CHECK (attempt >= 1),
        reserved_nanousd   INTEGER CHECK (reserved_nanousd >= 0),
        cost_nanousd       INTEGER CHECK (cost_nanousd >= 0),
        cost_source        TEXT CHECK (cost_source = 'usage' OR cost_source = 'provider' OR cost_source = 'estimate' OR cost_source = 'cache' OR cost_source = 'imported' OR cost_source = 'none' OR cost_source = 'unpriced'),
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
    , role TEXT, response_text INTEGER, from_run TEXT, saved_nanousd INTEGER, similarity REAL, submission TEXT, batch_saved_nanousd INTEGER) STRICT;
CREATE INDEX runs_by_day ON "run_rows" (day);
CREATE INDEX calls_by_run ON "call_rows" (run_id, model);
CREATE INDEX calls_by_day ON "call_rows" (day);
CREATE INDEX runs_running ON "run_rows" (process) WHERE status = 'running';
CREATE TABLE spending (
        simulated          INTEGER NOT NULL,
        scope              TEXT NOT NULL,
        name               TEXT NOT NULL,
        day                TEXT NOT NULL,
        committed_nanousd  INTEGER NOT NULL,
        settled_nanousd    INTEGER NOT NULL,
        PRIMARY KEY (simulated, scope, name, day)
    ) STRICT, WITHOUT ROWID
    ;
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
    ;
CREATE TABLE rate_slots (
        slot_id    INTEGER PRIMARY KEY AUTOINCREMENT,
        simulated  INTEGER NOT NULL,
        model      TEXT NOT NULL,
        taken_at   INTEGER NOT NULL,
        at         INTEGER NOT NULL,
        tokens     INTEGER NOT NULL
    ) STRICT
    ;
CREATE INDEX rate_slots_by_time ON rate_slots (simulated, model, at, tokens);
CREATE TABLE rate_days (
        simulated  INTEGER NOT NULL,
        model      TEXT NOT NULL,
        since      INTEGER NOT NULL,
        requests   INTEGER NOT NULL,
        tokens     INTEGER NOT NULL,
        PRIMARY KEY (simulated, model, since)
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE learned_limits (
        simulated      INTEGER NOT NULL,
        model          TEXT NOT NULL,
        noted_at       INTEGER NOT NULL,
        rpm            INTEGER,
        tpm            INTEGER,
        blocked_until  INTEGER NOT NULL,
        PRIMARY KEY (simulated, model)
    ) STRICT, WITHOUT ROWID
    ;
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
    ;
CREATE TABLE repricings (
        reprice_id        TEXT NOT NULL,
        call_id           TEXT NOT NULL REFERENCES "call_rows" (call_id),
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
    ;
CREATE INDEX repricings_by_call ON repricings (call_id);
CREATE TABLE ratings (
        run_id    TEXT PRIMARY KEY REFERENCES "run_rows" (run_id),
        rating    REAL NOT NULL CHECK (rating BETWEEN 0 AND 1),
        rated_at  INTEGER NOT NULL,
        note      TEXT
    ) STRICT
    ;
CREATE INDEX runs_of_experiments ON "run_rows" (experiment, arm) WHERE experiment IS NOT NULL;
CREATE TABLE stopped_experiments (
        simulated   INTEGER NOT NULL,
        experiment  TEXT NOT NULL,
        arm         TEXT NOT NULL,
        stopped_at  INTEGER NOT NULL,
        PRIMARY KEY (simulated, experiment)
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE turns (
        simulated  INTEGER NOT NULL,
        ring       TEXT NOT NULL,
        taken      INTEGER NOT NULL,
        PRIMARY KEY (simulated, ring)
    ) STRICT, WITHOUT ROWID
    ;
CREATE INDEX calls_by_model ON "call_rows" (simulated, model, created_at);
CREATE TABLE keys (
        name        TEXT PRIMARY KEY,
        key_sha256  TEXT NOT NULL UNIQUE,
        created_at  INTEGER NOT NULL,
        revoked_at  INTEGER,
        models      TEXT NOT NULL CHECK (json_valid(models)),
        rpm         INTEGER CHECK (rpm >= 1),
        tags        TEXT NOT NULL CHECK (json_valid(tags))
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE conversation_marks (
        mark     TEXT PRIMARY KEY,
        model    TEXT NOT NULL,
        made_at  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    ;
CREATE INDEX conversation_marks_by_time ON conversation_marks (made_at);
CREATE INDEX runs_of_keys ON "run_rows" (key, day) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX runs_by_source ON run_rows (source, source_key) WHERE source_key IS NOT NULL;
CREATE TABLE texts (text_id INTEGER PRIMARY KEY, digest TEXT, text TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX texts_by_digest ON texts (digest) WHERE digest IS NOT NULL;
CREATE TABLE unfinished (work TEXT PRIMARY KEY, done INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
CREATE TABLE summed_days (day TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TRIGGER run_rows_insert_ends_sums AFTER INSERT ON run_rows  BEGIN DELETE FROM summed_days WHERE day = NEW.day; END;
CREATE TRIGGER run_rows_delete_ends_sums AFTER DELETE ON run_rows  BEGIN DELETE FROM summed_days WHERE day = OLD.day; END;
CREATE TRIGGER call_rows_delete_ends_sums AFTER DELETE ON call_rows  BEGIN DELETE FROM summed_days WHERE day = (SELECT day FROM run_rows WHERE run_id = OLD.run_id); END;
CREATE TRIGGER ratings_insert_ends_sums AFTER INSERT ON ratings  BEGIN DELETE FROM summed_days WHERE day = (SELECT day FROM run_rows WHERE run_id = NEW.run_id); END;
CREATE TRIGGER ratings_update_ends_sums AFTER UPDATE ON ratings  BEGIN DELETE FROM summed_days WHERE day = (SELECT day FROM run_rows WHERE run_id = NEW.run_id); END;
CREATE TRIGGER ratings_delete_ends_sums AFTER DELETE ON ratings  BEGIN DELETE FROM summed_days WHERE day = (SELECT day FROM run_rows WHERE run_id = OLD.run_id); END;
CREATE TABLE pruned_spending (
        simulated          INTEGER NOT NULL,
        scope              TEXT NOT NULL,
        name               TEXT NOT NULL,
        day                TEXT NOT NULL,
        committed_nanousd  INTEGER NOT NULL,
        settled_nanousd    INTEGER NOT NULL,
        PRIMARY KEY (simulated, scope, name, day)
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE "budgets" (
        period         TEXT NOT NULL,
        scope          TEXT NOT NULL,
        name           TEXT NOT NULL,
        limit_nanousd  INTEGER NOT NULL CHECK (limit_nanousd >= 0),
        PRIMARY KEY (period, scope, name)
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE conversation_turns (
        turn_id   TEXT PRIMARY KEY,
        previous  TEXT,
        message   TEXT NOT NULL CHECK (json_valid(message))
    ) STRICT
    ;
CREATE TABLE conversations (
        run_id     TEXT PRIMARY KEY,
        last_turn  TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE pruned_runs (run_id TEXT PRIMARY KEY, day TEXT) STRICT, WITHOUT ROWID;
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
    ;
CREATE TABLE batch_lines (
        job     INTEGER NOT NULL,
        number  INTEGER NOT NULL,
        digest  INTEGER NOT NULL,
        status  TEXT NOT NULL CHECK (status = 'complete' OR status = 'incomplete' OR status = 'failed' OR status = 'invalid' OR status = 'again'),
        code    TEXT,
        PRIMARY KEY (job, number)
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE batch_results (
        job       INTEGER NOT NULL,
        number    INTEGER NOT NULL,
        replaces  INTEGER NOT NULL,
        result    TEXT NOT NULL,
        PRIMARY KEY (job, number)
    ) STRICT
    ;
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
    ;
CREATE INDEX leases_by_job ON leases (job);
CREATE TABLE lease_holds (
        lease_id         TEXT NOT NULL REFERENCES leases (lease_id),
        scope            TEXT NOT NULL,
        name             TEXT NOT NULL,
        granted_nanousd  INTEGER NOT NULL CHECK (granted_nanousd >= 0),
        spent_nanousd    INTEGER NOT NULL DEFAULT 0 CHECK (spent_nanousd >= 0),
        PRIMARY KEY (lease_id, scope, name)
    ) STRICT, WITHOUT ROWID
    ;
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
    ;
CREATE TABLE lease_pieces (
        lease_id  TEXT NOT NULL REFERENCES leases (lease_id),
        piece     INTEGER NOT NULL,
        lines     TEXT NOT NULL CHECK (json_valid(lines)),
        PRIMARY KEY (lease_id, piece)
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE rate_shares (
        simulated  INTEGER NOT NULL,
        model      TEXT NOT NULL,
        rpm        INTEGER,
        tpm        INTEGER,
        rpd        INTEGER,
        tpd        INTEGER,
        PRIMARY KEY (simulated, model)
    ) STRICT, WITHOUT ROWID
    ;
CREATE TRIGGER spending_of_a_new_hold AFTER INSERT ON lease_holds BEGIN 
        INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd)
        SELECT simulated, NEW.scope, NEW.name, day, max(0, NEW.granted_nanousd - NEW.spent_nanousd), 0
        FROM leases WHERE lease_id = NEW.lease_id
        ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd;
     END;
CREATE TRIGGER spending_of_a_changed_hold AFTER UPDATE OF granted_nanousd, spent_nanousd ON lease_holds BEGIN
        
        INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd)
        SELECT simulated, OLD.scope, OLD.name, day, -max(0, OLD.granted_nanousd - OLD.spent_nanousd), 0
        FROM leases WHERE lease_id = OLD.lease_id
        ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd;
     
        INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd)
        SELECT simulated, NEW.scope, NEW.name, day, max(0, NEW.granted_nanousd - NEW.spent_nanousd), 0
        FROM leases WHERE lease_id = NEW.lease_id
        ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd;
    
    END;
CREATE TRIGGER spending_of_an_ended_hold AFTER DELETE ON lease_holds BEGIN 
        INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd)
        SELECT simulated, OLD.scope, OLD.name, day, -max(0, OLD.granted_nanousd - OLD.spent_nanousd), 0
        FROM leases WHERE lease_id = OLD.lease_id
        ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd;
     END;
CREATE TRIGGER leases_in_a_new_budget AFTER INSERT ON budgets WHEN NEW.scope IN ('provider', 'model') BEGIN
        INSERT INTO lease_holds (lease_id, scope, name, granted_nanousd)
        SELECT lease_id, NEW.scope, NEW.name, max(0, granted_nanousd - spent_nanousd)
        FROM lease_holds AS holds JOIN leases USING (lease_id)
        WHERE holds.scope = 'all' AND status IN ('held', 'lost') AND NOT EXISTS (
            SELECT 1 FROM lease_holds
            WHERE lease_id = leases.lease_id AND scope = NEW.scope AND name = NEW.name
        );
    END;
CREATE TABLE call_sums (grain TEXT NOT NULL, pruned INTEGER NOT NULL, day TEXT, simulated INTEGER, source TEXT, strategy TEXT, pattern TEXT, tier TEXT, task TEXT, level TEXT, category TEXT, tags TEXT, experiment TEXT, key TEXT, host TEXT, user TEXT, arm TEXT, provider TEXT, model TEXT, step TEXT, role TEXT, created_at INTEGER, step_runs INTEGER NOT NULL DEFAULT 0, role_runs INTEGER NOT NULL DEFAULT 0, step_role_runs INTEGER NOT NULL DEFAULT 0, provider_runs INTEGER NOT NULL DEFAULT 0, provider_step_runs INTEGER NOT NULL DEFAULT 0, provider_role_runs INTEGER NOT NULL DEFAULT 0, provider_step_role_runs INTEGER NOT NULL DEFAULT 0, model_runs INTEGER NOT NULL DEFAULT 0, model_step_runs INTEGER NOT NULL DEFAULT 0, model_role_runs INTEGER NOT NULL DEFAULT 0, model_step_role_runs INTEGER NOT NULL DEFAULT 0, calls INTEGER NOT NULL DEFAULT 0, failed_calls INTEGER NOT NULL DEFAULT 0, interrupted_calls INTEGER NOT NULL DEFAULT 0, unsettled_calls INTEGER NOT NULL DEFAULT 0, unpriced_calls INTEGER NOT NULL DEFAULT 0, estimated_calls INTEGER NOT NULL DEFAULT 0, cost_nanousd INTEGER NOT NULL DEFAULT 0, reserved_nanousd INTEGER NOT NULL DEFAULT 0, priced_calls INTEGER NOT NULL DEFAULT 0, priced_nanousd INTEGER NOT NULL DEFAULT 0, input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0, cached_tokens INTEGER NOT NULL DEFAULT 0, cache_write_tokens INTEGER NOT NULL DEFAULT 0, reasoning_tokens INTEGER NOT NULL DEFAULT 0, judged INTEGER NOT NULL DEFAULT 0, confidence REAL NOT NULL DEFAULT 0, cache_hits INTEGER NOT NULL DEFAULT 0, saved_nanousd INTEGER NOT NULL DEFAULT 0, latencies ANY, batch_calls INTEGER NOT NULL DEFAULT 0, batch_saved_nanousd INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX call_sums_by_day ON call_sums (grain, day);
CREATE TABLE run_sums (grain TEXT NOT NULL, pruned INTEGER NOT NULL, day TEXT, simulated INTEGER, source TEXT, strategy TEXT, pattern TEXT, tier TEXT, task TEXT, level TEXT, category TEXT, tags TEXT, experiment TEXT, key TEXT, host TEXT, user TEXT, arm TEXT, provider TEXT, model TEXT, step TEXT, role TEXT, created_at INTEGER, runs INTEGER NOT NULL DEFAULT 0, complete_runs INTEGER NOT NULL DEFAULT 0, finished_runs INTEGER NOT NULL DEFAULT 0, multi_model_runs INTEGER NOT NULL DEFAULT 0, judged INTEGER NOT NULL DEFAULT 0, confidence REAL NOT NULL DEFAULT 0, rated_runs INTEGER NOT NULL DEFAULT 0, rating REAL NOT NULL DEFAULT 0, latencies ANY) STRICT;
CREATE INDEX run_sums_by_day ON run_sums (grain, day);
CREATE TABLE answer_sums (
        day                 TEXT NOT NULL,
        simulated           INTEGER NOT NULL,
        source              TEXT,
        category            TEXT,
        tags                TEXT NOT NULL,
        utc_day             INTEGER NOT NULL,  -- since 1970
        long_input          INTEGER,
        answers             INTEGER NOT NULL,
        input_tokens        INTEGER NOT NULL,
        output_tokens       INTEGER NOT NULL,
        cached_tokens       INTEGER NOT NULL,
        cache_write_tokens  INTEGER NOT NULL,
        reasoning_tokens    INTEGER NOT NULL
    ) STRICT
    ;
CREATE INDEX answer_sums_by_day ON answer_sums (day);
CREATE TABLE page_days (
        day        TEXT NOT NULL,
        simulated  INTEGER NOT NULL,
        source     TEXT,
        category   TEXT,
        tags       TEXT NOT NULL,
        figures    TEXT NOT NULL CHECK (json_valid(figures))
    , kind TEXT NOT NULL DEFAULT 'page', pruned INTEGER NOT NULL DEFAULT 0) STRICT
    ;
CREATE INDEX page_days_by_day ON page_days (day);
CREATE INDEX calls_failed ON call_rows (run_id) WHERE error_code IS NOT NULL;
CREATE TRIGGER run_rows_update_ends_sums AFTER UPDATE OF day, simulated, source, strategy, pattern, task, level, category, tags, experiment, key, host, user, arm, metadata, model_used, response_sha256, created_at, status, latency_ms, confidence ON run_rows WHEN OLD.status <> 'running' BEGIN DELETE FROM summed_days WHERE day = NEW.day; END;
CREATE TRIGGER call_rows_insert_ends_sums AFTER INSERT ON call_rows WHEN NEW.cost_source IS NOT NULL BEGIN DELETE FROM summed_days WHERE day = (SELECT day FROM run_rows WHERE run_id = NEW.run_id); END;
CREATE TRIGGER call_rows_update_ends_sums AFTER UPDATE OF cost_nanousd, cost_source, saved_nanousd, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, status, latency_ms, confidence ON call_rows WHEN OLD.cost_source IS NOT NULL BEGIN DELETE FROM summed_days WHERE day = (SELECT day FROM run_rows WHERE run_id = NEW.run_id); END;
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
    ;
CREATE INDEX provider_submissions_of_jobs ON provider_submissions (job, state);
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
    ;
CREATE UNIQUE INDEX provider_requests_of_runs ON provider_requests (run_id, place, nth);
CREATE INDEX provider_requests_that_wait ON provider_requests (job, provider, model) WHERE state = 'waiting';
CREATE INDEX provider_requests_of_submissions ON provider_requests (submission) WHERE submission IS NOT NULL;
CREATE TRIGGER spending_of_a_new_call AFTER INSERT ON call_rows BEGIN INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd) VALUES (NEW.simulated, 'all', '', NEW.day, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END), (NEW.simulated, 'provider', NEW.provider, NEW.day, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END), (NEW.simulated, 'model', NEW.model, NEW.day, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END) ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd, settled_nanousd = settled_nanousd + excluded.settled_nanousd; INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd) SELECT NEW.simulated, 'category', category, NEW.day, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END FROM run_rows WHERE run_id = NEW.run_id AND category IS NOT NULL ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd, settled_nanousd = settled_nanousd + excluded.settled_nanousd; INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd) SELECT NEW.simulated, 'key', key, NEW.day, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END FROM run_rows WHERE run_id = NEW.run_id AND key IS NOT NULL ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd, settled_nanousd = settled_nanousd + excluded.settled_nanousd; END;
CREATE TRIGGER spending_of_a_new_call_tags AFTER INSERT ON call_rows WHEN (SELECT tags FROM run_rows WHERE run_id = NEW.run_id) <> '[]' BEGIN INSERT INTO spending (simulated, scope, name, day, committed_nanousd, settled_nanousd) SELECT NEW.simulated, 'tag', value, NEW.day, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END, CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END FROM (SELECT DISTINCT value FROM run_rows, json_each(run_rows.tags) WHERE run_id = NEW.run_id) WHERE true ON CONFLICT DO UPDATE SET committed_nanousd = committed_nanousd + excluded.committed_nanousd, settled_nanousd = settled_nanousd + excluded.settled_nanousd; END;
CREATE TRIGGER spending_of_a_changed_call AFTER UPDATE OF cost_nanousd, reserved_nanousd, cost_source ON call_rows WHEN (CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END <> CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END OR CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END <> CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END) BEGIN UPDATE spending SET committed_nanousd = committed_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = NEW.simulated AND day = NEW.day AND scope = 'all' AND name = ''; UPDATE spending SET committed_nanousd = committed_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = NEW.simulated AND day = NEW.day AND scope = 'provider' AND name = NEW.provider; UPDATE spending SET committed_nanousd = committed_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = NEW.simulated AND day = NEW.day AND scope = 'model' AND name = NEW.model; UPDATE spending SET committed_nanousd = committed_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = NEW.simulated AND day = NEW.day AND scope = 'category' AND name = (SELECT category FROM run_rows WHERE run_id = NEW.run_id); UPDATE spending SET committed_nanousd = committed_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = NEW.simulated AND day = NEW.day AND scope = 'key' AND name = (SELECT key FROM run_rows WHERE run_id = NEW.run_id); END;
CREATE TRIGGER spending_of_a_changed_call_tags AFTER UPDATE OF cost_nanousd, reserved_nanousd, cost_source ON call_rows WHEN (CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END <> CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END OR CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END <> CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END) AND (SELECT tags FROM run_rows WHERE run_id = NEW.run_id) <> '[]' BEGIN UPDATE spending SET committed_nanousd = committed_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, NEW.reserved_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd + CASE WHEN NEW.cost_source IS 'imported' THEN 0 ELSE coalesce(NEW.cost_nanousd, 0) END - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = NEW.simulated AND day = NEW.day AND scope = 'tag' AND name IN (SELECT DISTINCT value FROM run_rows, json_each(run_rows.tags) WHERE run_id = NEW.run_id); END;
CREATE TRIGGER spending_of_a_deleted_call AFTER DELETE ON call_rows BEGIN UPDATE spending SET committed_nanousd = committed_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = OLD.simulated AND day = OLD.day AND scope = 'all' AND name = ''; UPDATE spending SET committed_nanousd = committed_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = OLD.simulated AND day = OLD.day AND scope = 'provider' AND name = OLD.provider; UPDATE spending SET committed_nanousd = committed_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = OLD.simulated AND day = OLD.day AND scope = 'model' AND name = OLD.model; UPDATE spending SET committed_nanousd = committed_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = OLD.simulated AND day = OLD.day AND scope = 'category' AND name = (SELECT category FROM run_rows WHERE run_id = OLD.run_id); UPDATE spending SET committed_nanousd = committed_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = OLD.simulated AND day = OLD.day AND scope = 'key' AND name = (SELECT key FROM run_rows WHERE run_id = OLD.run_id); END;
CREATE TRIGGER spending_of_a_deleted_call_tags AFTER DELETE ON call_rows WHEN (SELECT tags FROM run_rows WHERE run_id = OLD.run_id) <> '[]' BEGIN UPDATE spending SET committed_nanousd = committed_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, OLD.reserved_nanousd, 0) END, settled_nanousd = settled_nanousd - CASE WHEN OLD.cost_source IS 'imported' THEN 0 ELSE coalesce(OLD.cost_nanousd, 0) END WHERE simulated = OLD.simulated AND day = OLD.day AND scope = 'tag' AND name IN (SELECT DISTINCT value FROM run_rows, json_each(run_rows.tags) WHERE run_id = OLD.run_id); END;
CREATE INDEX budgets_by_name ON budgets (scope, name);
CREATE VIEW runs AS SELECT rowid AS rowid, run_id, created_at, ended_at, day, simulated, status, strategy, category, tags, task, level, score, confidence, prompt_sha256, max_cost_nanousd, model_used, response_sha256, latency_ms, error_code, plan, metadata, error_message, process, pattern, experiment, arm, subject_sha256, key, host, user, source, source_key, coalesce(system, (SELECT text FROM texts WHERE text_id = system_text)) AS system, coalesce(prompt, (SELECT text FROM texts WHERE text_id = prompt_text)) AS prompt, coalesce(response, (SELECT text FROM texts WHERE text_id = response_text)) AS response, tier FROM run_rows;
CREATE TRIGGER runs_insert INSTEAD OF INSERT ON runs BEGIN
            INSERT INTO run_rows (run_id, created_at, ended_at, day, simulated, status, strategy, category, tags, task, level, score, confidence, prompt_sha256, max_cost_nanousd, model_used, response_sha256, latency_ms, error_code, plan, metadata, error_message, system, prompt, response, process, pattern, experiment, arm, subject_sha256, key, host, user, source, source_key) VALUES (NEW.run_id, NEW.created_at, NEW.ended_at, NEW.day, NEW.simulated, NEW.status, NEW.strategy, NEW.category, NEW.tags, NEW.task, NEW.level, NEW.score, NEW.confidence, NEW.prompt_sha256, NEW.max_cost_nanousd, NEW.model_used, NEW.response_sha256, NEW.latency_ms, NEW.error_code, NEW.plan, NEW.metadata, NEW.error_message, NEW.system, NEW.prompt, NEW.response, NEW.process, NEW.pattern, NEW.experiment, NEW.arm, NEW.subject_sha256, NEW.key, NEW.host, NEW.user, NEW.source, NEW.source_key);
        END;
CREATE TRIGGER runs_update INSTEAD OF UPDATE ON runs BEGIN
            UPDATE run_rows SET run_id = NEW.run_id, created_at = NEW.created_at, ended_at = NEW.ended_at, day = NEW.day, simulated = NEW.simulated, status = NEW.status, strategy = NEW.strategy, category = NEW.category, tags = NEW.tags, task = NEW.task, level = NEW.level, score = NEW.score, confidence = NEW.confidence, prompt_sha256 = NEW.prompt_sha256, max_cost_nanousd = NEW.max_cost_nanousd, model_used = NEW.model_used, response_sha256 = NEW.response_sha256, latency_ms = NEW.latency_ms, error_code = NEW.error_code, plan = NEW.plan, metadata = NEW.metadata, error_message = NEW.error_message, process = NEW.process, pattern = NEW.pattern, experiment = NEW.experiment, arm = NEW.arm, subject_sha256 = NEW.subject_sha256, key = NEW.key, host = NEW.host, user = NEW.user, source = NEW.source, source_key = NEW.source_key WHERE rowid = OLD.rowid;
            UPDATE run_rows SET system = NEW.system, system_text = NULL WHERE rowid = OLD.rowid AND NEW.system IS NOT OLD.system;UPDATE run_rows SET prompt = NEW.prompt, prompt_text = NULL WHERE rowid = OLD.rowid AND NEW.prompt IS NOT OLD.prompt;UPDATE run_rows SET response = NEW.response, response_text = NULL WHERE rowid = OLD.rowid AND NEW.response IS NOT OLD.response;
        END;
CREATE TRIGGER runs_delete INSTEAD OF DELETE ON runs BEGIN
            DELETE FROM run_rows WHERE rowid = OLD.rowid;
        END;
CREATE VIEW calls AS SELECT rowid AS rowid, call_id, run_id, created_at, sent_at, ended_at, day, simulated, status, provider, model, provider_model, step, attempt, reserved_nanousd, cost_nanousd, cost_source, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, finish_reason, latency_ms, ttft_ms, request_id, raw_model, confidence, response_sha256, error_code, price, usage, verdict, error_message, role, from_run, saved_nanousd, similarity, submission, batch_saved_nanousd, coalesce(response, (SELECT text FROM texts WHERE text_id = response_text)) AS response FROM call_rows;
CREATE TRIGGER calls_insert INSTEAD OF INSERT ON calls BEGIN
            INSERT INTO call_rows (call_id, run_id, created_at, sent_at, ended_at, day, simulated, status, provider, model, provider_model, step, attempt, reserved_nanousd, cost_nanousd, cost_source, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, finish_reason, latency_ms, ttft_ms, request_id, raw_model, confidence, response_sha256, error_code, price, usage, verdict, error_message, response, role, from_run, saved_nanousd, similarity, submission, batch_saved_nanousd) VALUES (NEW.call_id, NEW.run_id, NEW.created_at, NEW.sent_at, NEW.ended_at, NEW.day, NEW.simulated, NEW.status, NEW.provider, NEW.model, NEW.provider_model, NEW.step, NEW.attempt, NEW.reserved_nanousd, NEW.cost_nanousd, NEW.cost_source, NEW.input_tokens, NEW.output_tokens, NEW.cached_tokens, NEW.cache_write_tokens, NEW.reasoning_tokens, NEW.finish_reason, NEW.latency_ms, NEW.ttft_ms, NEW.request_id, NEW.raw_model, NEW.confidence, NEW.response_sha256, NEW.error_code, NEW.price, NEW.usage, NEW.verdict, NEW.error_message, NEW.response, NEW.role, NEW.from_run, NEW.saved_nanousd, NEW.similarity, NEW.submission, NEW.batch_saved_nanousd);
        END;
CREATE TRIGGER calls_update INSTEAD OF UPDATE ON calls BEGIN
            UPDATE call_rows SET call_id = NEW.call_id, run_id = NEW.run_id, created_at = NEW.created_at, sent_at = NEW.sent_at, ended_at = NEW.ended_at, day = NEW.day, simulated = NEW.simulated, status = NEW.status, provider = NEW.provider, model = NEW.model, provider_model = NEW.provider_model, step = NEW.step, attempt = NEW.attempt, reserved_nanousd = NEW.reserved_nanousd, cost_nanousd = NEW.cost_nanousd, cost_source = NEW.cost_source, input_tokens = NEW.input_tokens, output_tokens = NEW.output_tokens, cached_tokens = NEW.cached_tokens, cache_write_tokens = NEW.cache_write_tokens, reasoning_tokens = NEW.reasoning_tokens, finish_reason = NEW.finish_reason, latency_ms = NEW.latency_ms, ttft_ms = NEW.ttft_ms, request_id = NEW.request_id, raw_model = NEW.raw_model, confidence = NEW.confidence, response_sha256 = NEW.response_sha256, error_code = NEW.error_code, price = NEW.price, usage = NEW.usage, verdict = NEW.verdict, error_message = NEW.error_message, role = NEW.role, from_run = NEW.from_run, saved_nanousd = NEW.saved_nanousd, similarity = NEW.similarity, submission = NEW.submission, batch_saved_nanousd = NEW.batch_saved_nanousd WHERE rowid = OLD.rowid;
            UPDATE call_rows SET response = NEW.response, response_text = NULL WHERE rowid = OLD.rowid AND NEW.response IS NOT OLD.response;
        END;
CREATE TRIGGER calls_delete INSTEAD OF DELETE ON calls BEGIN
            DELETE FROM call_rows WHERE rowid = OLD.rowid;
        END;
CREATE VIEW run_totals AS
    SELECT run_rows.run_id,
           count(calls.call_id) AS calls,
           CASE WHEN sum(calls.cost_source = 'unpriced') > 0 THEN NULL
                ELSE coalesce(sum(coalesce(calls.cost_nanousd, calls.reserved_nanousd)), 0) END AS cost_nanousd,
           coalesce(sum(calls.input_tokens), 0) AS input_tokens,
           coalesce(sum(calls.output_tokens), 0) AS output_tokens
    FROM run_rows LEFT JOIN call_rows AS calls ON calls.run_id = run_rows.run_id
    GROUP BY run_rows.run_id;
CREATE VIEW v_runs AS 
        SELECT run_id, strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000000, 'unixepoch') || printf('.%06dZ', created_at % 1000000) AS created_at, strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000000, 'unixepoch') || printf('.%06dZ', ended_at % 1000000) AS ended_at, day, status, strategy, pattern, category, tags, task,
               level, tier, model_used, confidence, (
    SELECT CASE WHEN sum(calls.cost_source = 'unpriced') > 0 THEN NULL
                ELSE coalesce(sum(coalesce(calls.cost_nanousd, calls.reserved_nanousd)), 0) END
    FROM call_rows AS calls WHERE calls.run_id = runs.run_id
) / 1e9 AS cost_dollars,
               max_cost_nanousd / 1e9 AS max_cost_dollars, latency_ms / 1000.0 AS latency_s,
               (SELECT rating FROM ratings WHERE ratings.run_id = runs.run_id) AS rating,
               experiment, arm, host, user, key, source, simulated, error_code, error_message, system, prompt, response
        FROM runs;
CREATE VIEW v_calls AS 
        SELECT call_id, run_id, strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000000, 'unixepoch') || printf('.%06dZ', created_at % 1000000) AS created_at, strftime('%Y-%m-%dT%H:%M:%S', sent_at / 1000000, 'unixepoch') || printf('.%06dZ', sent_at % 1000000) AS sent_at, strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000000, 'unixepoch') || printf('.%06dZ', ended_at % 1000000) AS ended_at, day, status, provider,
               model, provider_model, step, role, attempt, cost_nanousd / 1e9 AS cost_dollars, cost_source,
               reserved_nanousd / 1e9 AS reserved_dollars, input_tokens, output_tokens, cached_tokens,
               cache_write_tokens, reasoning_tokens, finish_reason, latency_ms / 1000.0 AS latency_s,
               ttft_ms / 1000.0 AS first_token_s, confidence, simulated, error_code, error_message, response
        FROM calls;
CREATE VIEW v_daily AS 
        SELECT day, provider, model, simulated, sum(calls) AS calls, sum(cost_nanousd) / 1e9 AS cost_dollars,
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
        GROUP BY 1, 2, 3, 4;
CREATE VIEW v_budgets AS 
        SELECT period, scope, name, limit_nanousd / 1e9 AS limit_dollars,
               (SELECT coalesce(sum(settled_nanousd), 0) FROM spending WHERE spending.scope = budgets.scope AND spending.name = budgets.name AND spending.day >= budgets.first_day AND spending.simulated = kinds.simulated) / 1e9 AS spent_dollars,
               (SELECT coalesce(sum(committed_nanousd), 0) FROM spending WHERE spending.scope = budgets.scope AND spending.name = budgets.name AND spending.day >= budgets.first_day AND spending.simulated = kinds.simulated) / 1e9 AS committed_dollars,
               first_day, kinds.simulated
        FROM (
            SELECT *, CASE period WHEN 'day' THEN date('now', 'localtime')
                                  WHEN 'week' THEN date('now', 'localtime', 'weekday 0', '-6 days')
                                  WHEN 'month' THEN date('now', 'localtime', 'start of month')
                                  WHEN 'year' THEN date('now', 'localtime', 'start of year')
                                  ELSE '' END AS first_day
            FROM budgets
        ) AS budgets, (
            SELECT DISTINCT simulated FROM spending UNION ALL SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM spending)
        ) AS kinds;
PRAGMA user_version = 22;
