"""`orch ledger`: what goes is gone, what it cost stays, and a kill at any moment leaves a ledger that agrees with
itself."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, cast

import pytest
from report_everything import (
    DAYS,
    FIRST,
    SELECTIONS,
    TODAY,
    comparisons,
    every_report,
    runs_of_every_kind,
    stays_when_pruned,
)
from report_recording import Recorder

from orchestrator.errors import UsageError
from orchestrator.ledger import progress
from orchestrator.ledger.budgets import Budget, BudgetState, Scope, budget_states, set_budgets
from orchestrator.ledger.records import RunStatus
from orchestrator.ledger.schema import MIGRATIONS
from orchestrator.ledger.search import index_path, search
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period
from orchestrator.report.aggregate import summarise
from orchestrator.report.dimensions import By
from orchestrator.upkeep import merging, redaction
from orchestrator.upkeep.asking import asked
from orchestrator.upkeep.backup import back_up
from orchestrator.upkeep.ledger_health import CheckStatus, check_ledger
from orchestrator.upkeep.merging import merge
from orchestrator.upkeep.redaction import redact
from orchestrator.upkeep.removal import forget, prunable, prune

ALL = SELECTIONS["all"]
SECRET = "a text that nobody is to find again "
SCOPES = [(Scope.ALL, ""), (Scope.MODEL, "small"), (Scope.CATEGORY, "batch"), (Scope.TAG, "b")]


_SETTLING = """
    UPDATE calls SET status = 'failed', cost_source = 'estimate', cost_nanousd = reserved_nanousd
    WHERE cost_source IS NULL
"""


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    for made in runs_of_every_kind(tmp_path):
        made.ledger.write(set_some_budgets)
        made.ledger.write(lambda db: db.execute(_SETTLING))
        yield made


def set_some_budgets(connection: sqlite3.Connection) -> None:
    set_budgets(connection, [Budget(Period.YEAR, *scope, 10**12) for scope in SCOPES])


def budgets(ledger: Ledger) -> list[BudgetState]:
    return ledger.read(
        lambda db: [state for kind in (True, False) for state in budget_states(db, TODAY.date(), simulated=kind)]
    )


def counts(ledger: Ledger) -> tuple[int, int]:
    query = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM calls)"
    return ledger.read(lambda db: tuple(db.execute(query).fetchone()))


def is_found(path: Path) -> bool:
    """Whether the secret stands in any file of a ledger."""
    return any(SECRET.encode() in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def expect_sound(path: Path) -> None:
    wrong = [check for check in check_ledger(path, now=TODAY, full=True) if check.status is CheckStatus.ERROR]
    assert wrong == []


def test_pruned_runs_are_gone_and_no_report_and_no_budget_tells(recorder: Recorder) -> None:
    ledger, before = recorder.ledger, every_report(recorder)
    moments = {key: report for key, report in before.items() if stays_when_pruned(*key)}
    compared = comparisons(ledger)
    spent, cut = budgets(ledger), FIRST.replace(day=FIRST.day + 3)
    would = prunable(ledger, cut)
    assert prune(ledger, cut, keep_sums=True) == would
    assert 0 < would.runs < 160
    assert counts(ledger)[0] == 160 - would.runs
    after = every_report(recorder)
    assert {key: after[key] for key in moments} == moments
    assert comparisons(ledger) | {"moments": []} == compared | {"moments": []}
    assert budgets(ledger) == spent
    expect_sound(ledger.path)
    assert prune(ledger, cut, keep_sums=True).runs == 0


def test_without_their_sums_pruned_runs_leave_reports_but_not_budgets(recorder: Recorder) -> None:
    spent = budgets(recorder.ledger)
    prune(recorder.ledger, TODAY.date(), keep_sums=False)
    total = next(report for key, report in every_report(recorder).items() if key == ("all", By.MODEL)).total
    assert total.runs == counts(recorder.ledger)[0] - simulated(recorder.ledger)
    assert budgets(recorder.ledger) == spent
    expect_sound(recorder.ledger.path)


def simulated(ledger: Ledger) -> int:
    return int(ledger.read(lambda db: db.execute("SELECT count(*) FROM runs WHERE simulated").fetchone()[0]))


def test_a_day_with_a_run_under_way_is_not_pruned(recorder: Recorder) -> None:
    recorder.run(at=TODAY.replace(day=FIRST.day), status=RunStatus.RUNNING)
    assert prune(recorder.ledger, TODAY.date(), keep_sums=True).days == DAYS - 1


def test_a_forgotten_run_leaves_its_costs_alone_and_no_merge_brings_it_back(recorder: Recorder, tmp_path: Path) -> None:
    ledger, copy = recorder.ledger, tmp_path / "copy.db"
    run_id = recorder.run(
        {"response": SECRET * 40, "cost_nanousd": 5, "reserved_nanousd": 5}, prompt=SECRET * 40, response=SECRET * 40
    )
    before, spent = every_report(recorder), budgets(ledger)
    back_up(ledger.path, copy, force=False)
    assert any(search(ledger, [SECRET]))
    assert forget(ledger, run_id).calls == 1
    assert not index_path(ledger.path).exists()
    days = {key: report for key, report in before.items() if key[0] != "moments" and By.HOUR not in key}
    assert {key: report for key, report in every_report(recorder).items() if key in days} == days
    assert budgets(ledger) == spent
    assert merge(ledger, copy, host=None, user=None).runs == 0
    assert not is_found(ledger.path)
    expect_sound(ledger.path)


def test_redaction_leaves_the_figures_and_not_one_word(recorder: Recorder) -> None:
    ledger = recorder.ledger
    for length in (1, 40, 400):
        call = {
            "response": SECRET * length,
            "reserved_nanousd": 0,
            "verdict": json.dumps({"signals": {"x": 1}, "reasons": [SECRET]}),
        }
        recorder.run(call, prompt=SECRET * length, system=SECRET * 400, response=SECRET, error_message=SECRET)
    before = every_report(recorder)
    assert any(search(ledger, [SECRET]))
    assert redact(ledger) == counts(ledger)[0]
    assert not index_path(ledger.path).exists()
    assert every_report(recorder) == before
    assert not is_found(ledger.path)
    verdict = ledger.read(lambda db: db.execute("SELECT verdict FROM calls WHERE verdict IS NOT NULL").fetchone()[0])
    assert json.loads(verdict) == {"signals": {"x": 1}, "reasons": []}
    expect_sound(ledger.path)


@pytest.mark.parametrize("version", [1, 8, len(MIGRATIONS)])
def test_a_merge_brings_each_run_once_with_where_it_is_from(recorder: Recorder, tmp_path: Path, version: int) -> None:
    ledger, other = recorder.ledger, tmp_path / "other.db"
    with closing(sqlite3.connect(other, isolation_level=None)) as db:
        for statement in (statement for statements in MIGRATIONS[: min(version, 8)] for statement in statements):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {min(version, 8)}")
        for number in range(3):
            db.execute(
                "INSERT INTO runs (run_id, created_at, day, simulated, status, strategy, tags, prompt_sha256, plan,"
                " metadata, prompt, response) VALUES (?, 1, '2026-11-19', 0, ?, 'x', '[\"b\"]', '', '{}', '{}', ?, ?)",
                (f"O{number}", "running" if number == 2 else "complete", SECRET, SECRET * 40),
            )
            db.execute(
                "INSERT INTO calls (call_id, run_id, created_at, day, status, provider, model, provider_model, attempt,"
                " cost_nanousd, cost_source, input_tokens, output_tokens, cached_tokens, cache_write_tokens,"
                " reasoning_tokens, simulated, response)"
                " VALUES (?, ?, 1, '2026-11-19', 'completed', 'p', 'm', 'm', 1, 7, 'usage', 1, 1, 0, 0, 0, 0, ?)",
                (f"C{number}", f"O{number}", SECRET * 40),
            )
    if version > 8:
        Ledger.open(other).close()
        with closing(sqlite3.connect(other)) as db:
            db.execute("UPDATE runs SET status = 'running' WHERE run_id = 'O2'")
            db.commit()
    # A run under way in an older ledger is of a process that is gone: it has ended when that is brought up to date.
    expected = 2 if version > 8 else 3
    before, content = counts(ledger), other.read_bytes()
    merged = merge(ledger, other, host="laptop", user="ada")
    assert (merged.runs, merged.calls, merged.known) == (expected, expected, 0)
    again = merge(ledger, other, host="laptop", user="ada")
    assert (again.runs, again.known) == (0, merged.runs)
    assert counts(ledger) == (before[0] + merged.runs, before[1] + merged.calls)
    query = "SELECT host, user, prompt, response FROM runs WHERE run_id LIKE 'O%'"
    assert {tuple(row) for row in ledger.read(lambda db: db.execute(query).fetchall())} == {
        ("laptop", "ada", SECRET, SECRET * 40)
    }
    assert ledger.read(lambda db: db.execute("SELECT count(*) FROM texts").fetchone()[0]) == merged.runs
    assert other.read_bytes() == content
    expect_sound(ledger.path)
    with pytest.raises(UsageError, match="the ledger itself"):
        merge(ledger, ledger.path, host=None, user=None)


def test_a_backup_is_whole_and_replaces_nothing_unasked(recorder: Recorder, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    back_up(recorder.ledger.path, copy, force=False)
    with Ledger.open(copy) as copied:
        assert counts(copied) == counts(recorder.ledger)
    with pytest.raises(UsageError, match="is there already"):
        back_up(recorder.ledger.path, copy, force=False)
    back_up(recorder.ledger.path, copy, force=True)
    assert [file.name for file in tmp_path.iterdir() if "unfinished" in file.name] == []


# -- kill -9 ---------------------------------------------------------------------------------------------------------


def _killed(path: str, work: Callable[[Ledger], object], after: int) -> None:
    """Carry out upkeep on a ledger until it is killed, after some steps."""
    steps = [after]

    def show(what: str, done: int, of: int) -> None:
        steps[0] -= 1
        if steps[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    progress.show = show
    with Ledger.open(Path(path)) as ledger:
        work(ledger)


WORK: dict[str, Callable[[Ledger], object]] = {
    "prune": lambda ledger: prune(ledger, TODAY.date(), keep_sums=True),
    "redact": redact,
    "merge": lambda ledger: merge(ledger, ledger.path.with_name("other.db"), host=None, user=None),
}


@pytest.mark.parametrize("name", WORK)
def test_what_is_killed_loses_nothing_and_can_be_run_again(
    recorder: Recorder, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "_BATCH", 20)
    monkeypatch.setattr(redaction, "_BATCH", 20)
    source, path = recorder.ledger.path, tmp_path / "worked-on.db"
    back_up(source, tmp_path / "other.db", force=False)
    if name == "merge":
        Ledger.open(path).close()
        with Ledger.open(path) as fresh:
            fresh.write(set_some_budgets)
    else:
        back_up(source, path, force=False)
    for after in (1, 2):
        child = multiprocessing.get_context("fork").Process(target=_killed, args=(str(path), WORK[name], after))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        expect_sound(path)
    with Ledger.open(path) as ledger:
        WORK[name](ledger)
        assert budgets(ledger) == budgets(recorder.ledger)
        total = summarise(ledger, ALL, by=By.MODEL)
        assert total == summarise(recorder.ledger, ALL, by=By.MODEL)
        if name != "prune":
            assert counts(ledger) == counts(recorder.ledger)
    expect_sound(path)


def test_a_merge_brings_the_sums_of_what_was_pruned_there_once(recorder: Recorder, tmp_path: Path) -> None:
    before, compared, there = every_report(recorder), comparisons(recorder.ledger), tmp_path / "there.db"
    back_up(recorder.ledger.path, there, force=False)
    cut = FIRST.replace(day=FIRST.day + 3)
    with Ledger.open(there) as other, Ledger.open(tmp_path / "here.db") as here:
        prune(other, cut, keep_sums=True)
        for days in (3, 0):
            assert merge(here, there, host=None, user=None).summed_days == days
            for key, report in before.items():
                if stays_when_pruned(*key):
                    assert summarise(here, SELECTIONS[key[0]], by=key[1:]) == report
            assert comparisons(here)["all"] == compared["all"]
        # What is here as rows does not come as sums too.
        merged = merge(recorder.ledger, there, host=None, user=None)
        assert (merged.summed_days, merged.pruned_days) == (0, 0)
        assert summarise(recorder.ledger, ALL, by=By.MODEL) == before["all", By.MODEL]


# -- by hand ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM runs",
        "UPDATE runs SET prompt = ''",
        "ATTACH 'elsewhere.db' AS elsewhere",
        "PRAGMA user_version = 7",
        "PRAGMA journal_mode = DELETE",
        "VACUUM INTO 'elsewhere.db'",
        "SELECT 1; DELETE FROM runs",
        "nonsense",
    ],
)
def test_a_query_changes_nothing(recorder: Recorder, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = {file.name for file in tmp_path.iterdir()}
    with pytest.raises(UsageError), asked(recorder.ledger.path, sql) as (_, rows):
        list(rows)
    assert {file.name for file in tmp_path.iterdir()} == before
    assert counts(recorder.ledger)[0] == 160


def test_the_commands_say_what_they_did(orch: Callable[..., CompletedProcess[bytes]], tmp_path: Path) -> None:
    at = ("--ledger", str(tmp_path / "l.db"))
    for prompt in ("Why is the sky blue?", "Name a river."):
        assert orch("run", "--simulate", "-p", prompt, *at).returncode == 0

    def told(*words: str) -> dict[str, Any]:
        done = orch("ledger", *words, *at, "-o", "json")
        assert done.returncode == 0, done.stderr
        return cast("dict[str, Any]", json.loads(done.stdout))

    copy = str(tmp_path / "copy.db")
    assert told("path")["path"] == str(tmp_path / "l.db")
    assert told("backup", copy)["bytes"] > 0
    checks = told("check")["checks"]
    assert {check["status"] for check in checks} <= {"ok", "warning"}
    assert orch("ledger", "check", *at).stdout.count(b"\n") == len(checks)
    assert told("forget", "last")["calls"] == 1
    assert told("redact", "--all")["runs"] == 1
    days = {"summed_days": 0, "pruned_days": 0}
    assert told("merge", copy)["merged"] == [{"file": copy, "runs": 0, "calls": 0, "known_runs": 2} | days]
    assert told("prune", "--older-than", "2100-01-01", "--dry-run")["runs"] == 1
    assert told("prune", "--older-than", "2100-01-01", "--keep-sums", "--vacuum")["runs"] == 1
    answered = orch("ledger", "query", "SELECT sum(calls) AS calls FROM v_daily", *at, "-o", "csv")
    assert answered.stdout == b"calls\r\n2\r\n"
    assert orch("budget", "set", "--daily", "5", *at, "--simulate").returncode == 0
    ask = "SELECT simulated, spent_dollars > 0 AS spent FROM v_budgets"
    assert orch("ledger", "query", ask, *at, "-o", "csv").stdout == b"simulated,spent\r\n1,1\r\n"
    assert json.loads(orch("ledger", "metadata", *at).stdout)["databases"]["l"]["tables"]["v_runs"]["title"] == "Runs"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["swap"], b"no 'swap'"),
        (["prune"], b"how old?"),
        (["prune", "--older-than", "soon"], b"--older-than takes days"),
        (["redact"], b"which runs?"),
        (["redact", "last", "--all"], b"which runs?"),
        (["backup"], b"takes the file to write"),
        (["merge"], b"takes the ledgers to merge"),
        (["merge", "nowhere.db"], b"there is no ledger at nowhere.db"),
        (["query"], b"takes one SELECT"),
        (["query", "SELECT 1 AS a, 2 AS a"], b"one name"),
        (["path", "somewhere"], b"takes no name"),
        (["check", "--full"], b"orch ledger check always reads all of the ledger"),
        (["path", "--vacuum"], b"makes no use of --vacuum"),
        (["query", "SELECT 1", "-o", "pdf"], b"--output takes"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(
    orch: Callable[..., CompletedProcess[bytes]], tmp_path: Path, words: list[str], problem: bytes
) -> None:
    Ledger.open(tmp_path / "l.db").close()
    done = orch("ledger", *words, "--ledger", str(tmp_path / "l.db"))
    assert done.returncode == 2
    assert problem in done.stderr
