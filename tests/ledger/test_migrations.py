"""Ledgers of every earlier schema: whatever stood in them stands in them afterwards, also if it was stopped midway."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest

from orchestrator.ledger import progress, texts
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.schema import MIGRATIONS, carry_out, migrate, version_of
from orchestrator.ledger.store import Ledger
from orchestrator.ledger.sum_tables import ALL
from orchestrator.ledger.texts import IN_ROW, SHARED, Kept
from orchestrator.ledger.views import remake_views
from orchestrator.report.aggregate import summarise
from orchestrator.report.dimensions import By
from orchestrator.report.selection import Selection

SHORT, LONG, SHARED_TEXT = "nul \0 and ü", "ä long answer " * (IN_ROW // 10), "a system prompt " * SHARED
RUNS, BATCH = 60, 20
BEFORE_GRAINS = 15  # the last schema with sums by one dimension each
OWN_TEXTS = 10  # the first schema with texts in a table of their own
_RUN = (
    "INSERT INTO runs (run_id, created_at, day, simulated, status, strategy, tags, prompt_sha256, plan, metadata,"
    " system, prompt, response)"
    " VALUES (?, ?, '2026-11-21', 0, 'complete', 'fallback', '[\"t\"]', 'x', '{}', '{}', ?, ?, ?)"
)
_CALL = (
    "INSERT INTO calls (call_id, run_id, created_at, day, status, provider, model, provider_model, attempt,"
    " cost_nanousd, cost_source, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,"
    " simulated, response)"
    " VALUES (?, ?, 1, '2026-11-21', 'completed', 'openai', 'm', 'm', 1, 70, 'usage', 1, 1, 0, 0, 0, 0, ?)"
)
_TEXTS = "SELECT run_id, system, prompt, runs.response, calls.response FROM runs JOIN calls USING (run_id) ORDER BY 1"


def old_ledger(path: Path, version: int) -> list[tuple[object, ...]]:
    """A ledger of a schema as it was, with runs of every kind of text. Returns the texts that it has."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in (statement for statements in MIGRATIONS[:version] for statement in statements):
            db.execute(statement)
        if version >= OWN_TEXTS:
            remake_views(db)
        db.execute(f"PRAGMA user_version = {version}")
        db.execute("BEGIN")
        for number in range(RUNS):
            answer = (f"{number} {LONG}", SHORT, None)[number % 3]
            db.execute(_RUN, (f"R{number:04}", number, SHARED_TEXT, f"{number}: {LONG if number % 2 else ''}", answer))
            db.execute(_CALL, (f"C{number:04}", f"R{number:04}", answer))
        db.execute("COMMIT")
        return db.execute(_TEXTS).fetchall()


def test_a_new_ledger_is_what_the_migrations_make_of_an_empty_file() -> None:
    """scripts/ledger_schema.py writes it anew."""
    found = []
    for make in (migrate, lambda db: carry_out(db, 0)):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
            assert make(db)
            schema = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid").fetchall()
            rows = {
                name: db.execute(f"SELECT * FROM {name}").fetchall() for kind, name, *_ in schema if kind == "table"
            }
            found.append((schema, rows, version_of(db)))
    assert found[0] == found[1]


def killed_within_a_batch(path: Path, texts_before: int) -> None:
    """Open a ledger in a process that is killed while it moves a text, in the middle of a transaction."""
    left, keep = [texts_before], texts.keep

    def keep_or_die(connection: sqlite3.Connection, text: str | None) -> Kept:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return keep(connection, text)

    texts.keep = keep_or_die
    Ledger.open(path)


@pytest.mark.parametrize("version", range(1, OWN_TEXTS))
def test_a_ledger_of_an_earlier_schema_keeps_everything(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    before = old_ledger(path, version)
    monkeypatch.setattr(texts, "_BATCH", BATCH)
    child = get_context("fork").Process(target=killed_within_a_batch, args=(path, 130))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as db:
        assert db.execute(_TEXTS).fetchall() == before, "it can be read midway"
        assert db.execute("SELECT done FROM unfinished").fetchone()[0] == 2 * BATCH
    seen: list[tuple[str, int, int]] = []
    monkeypatch.setattr(progress, "show", lambda *told: seen.append(told))
    opened = Ledger.open_for_reading(path)
    assert opened is not None
    with opened as ledger:
        assert seen[-1][1:] == (RUNS, RUNS)
        assert ledger.read(lambda db: [tuple(row) for row in db.execute(_TEXTS)]) == before
        long = [text for row in before for text in row[2:4] if isinstance(text, str) and len(text) > IN_ROW]
        stored = ledger.read(lambda db: db.execute("SELECT count(*), count(DISTINCT text) FROM texts").fetchone())
        assert tuple(stored) == (len(long) + 1, len(long) + 1), "an answer once for its call and run, the system once"
        assert ledger.read(lambda db: db.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"
        spent = ledger.read(
            lambda db: db.execute("SELECT settled_nanousd FROM spending WHERE scope = 'tag'").fetchone()
        )
        assert spent[0] == 70 * RUNS
        assert find_run(ledger, "last").run.run_id == f"R{RUNS - 1:04}"


@pytest.mark.parametrize("by", [By.MODEL, By.TAG, By.TIER, By.HOUR, By.ROLE], ids=str)
def test_what_was_pruned_under_an_earlier_schema_stays_in_reports(tmp_path: Path, by: By) -> None:
    path = tmp_path / "ledger.db"
    old_ledger(path, BEFORE_GRAINS)
    dimensions = "day, simulated, strategy, tags, model, provider"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for table, of_table in (
            ("call_sums", "calls, cost_nanousd, runs, model_runs"),
            ("run_sums", "runs, complete_runs"),
        ):
            sums = dict.fromkeys((row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[3]), 0)
            sums |= dict.fromkeys(of_table.split(", "), 2) | {"pruned": 1}
            names = ", ".join([*sums, dimensions, "latencies"])
            of_day = ("2026-11-20", 0, "fallback", '["t"]', "m", "openai", "30,10")
            for grain in (ALL, ""):
                values = (*(sums | {"grain": grain}).values(), *of_day)
                db.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})", values)
    with Ledger.open(path) as ledger:
        total = summarise(ledger, Selection(simulated=False), by=by).total
    assert (total.calls, total.runs, total.cost_nanousd) == (RUNS + 2, RUNS + 2, 70 * RUNS + 2)
    assert total.p95_latency_ms == 30


def test_runs_and_calls_can_be_written_like_tables(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:

        def change(db: sqlite3.Connection) -> list[tuple[object, ...]]:
            db.execute(_RUN, ("R", 1, None, LONG, LONG))
            db.execute(_CALL, ("C", "R", LONG))
            db.execute("UPDATE runs SET prompt = ?, host = 'h' WHERE run_id = 'R'", (SHORT,))
            db.execute("UPDATE calls SET cost_nanousd = 90, response = NULL")
            return [tuple(row) for row in db.execute(f"{_TEXTS}")]

        assert ledger.write(change) == [("R", None, SHORT, LONG, None)]
        spent = ledger.read(
            lambda db: db.execute("SELECT settled_nanousd FROM spending WHERE scope = 'all'").fetchone()
        )
        assert spent[0] == 90
        ledger.write(lambda db: (db.execute("DELETE FROM calls"), db.execute("DELETE FROM runs")))
        assert ledger.read(lambda db: db.execute("SELECT count(*) FROM run_rows").fetchone()[0]) == 0
