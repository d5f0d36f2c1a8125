from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patience import PATIENCE_S

from orchestrator.errors import BudgetError, LedgerError, UsageError
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from orchestrator.ledger.rows import from_micros, to_micros
from orchestrator.ledger.schema import MIGRATIONS
from orchestrator.ledger.store import Ledger

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def a_run(run_id: str = "01RUN", **fields: object) -> RunRecord:
    base = RunRecord(run_id, NOW, "2026-11-21", "fallback", "0" * 64, simulated=True)
    return replace(base, **fields)  # type: ignore[arg-type]


def a_call(call_id: str = "01CALL", run_id: str = "01RUN", **fields: object) -> CallRecord:
    base = CallRecord(call_id, run_id, NOW, "2026-11-21", "openai", "gpt-4o", "gpt-4o", 1, simulated=True)
    return replace(base, **fields)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "ledger.db"


def test_a_new_ledger_is_private_from_birth(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.start_run(a_run())
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_an_empty_file_becomes_a_ledger(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with Ledger.open(path) as ledger:
        ledger.start_run(a_run())


def test_every_commit_is_on_the_disk(path: Path) -> None:
    """In a process of its own: those of this one do not wait for the disk."""
    script = (
        "import sys; from pathlib import Path; from orchestrator.ledger.store import Ledger\n"
        "with Ledger.open(Path(sys.argv[1])) as ledger:\n"
        "    print(ledger.read(lambda connection: connection.execute('PRAGMA synchronous').fetchone()[0]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"


def test_it_is_strict_and_in_wal_mode(path: Path) -> None:
    with Ledger.open(path) as ledger:
        names = ("journal_mode", "foreign_keys", "busy_timeout", "user_version")
        pragmas = ledger.read(lambda connection: [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names])
    assert pragmas == ["wal", 1, 30_000, len(MIGRATIONS)]
    with sqlite3.connect(path) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("INSERT INTO runs (run_id, created_at) VALUES ('x', 'yesterday')")
    raw.close()


def test_a_row_stands_before_anything_is_sent_and_keeps_what_became_of_it(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.start_run(a_run(tags=("a", "b")))
        ledger.reserve([a_call(reserved_nanousd=500)])
        assert find_run(ledger, "last").calls[0].status is CallStatus.RESERVED
        ledger.mark_sent("01CALL", NOW)
        assert find_run(ledger, "01RUN").calls[0].status is CallStatus.SENT
        settled = a_call(
            status=CallStatus.COMPLETED, sent_at=NOW, ended_at=NOW, cost_nanousd=300, cost_source=CostSource.USAGE
        )
        ledger.settle(settled)
        ended = a_run(tags=("a", "b"), status=RunStatus.COMPLETE, response="nul \0 ok")
        ledger.finish_run(ended)
        found = find_run(ledger, "01RUN")
    assert found.calls == (settled,)
    assert found.run == ended
    assert found.totals.cost_nanousd == 300


def test_a_cap_counts_what_is_spent_and_what_is_set_aside(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.start_run(a_run(max_cost_nanousd=1000))
        ledger.reserve([a_call("1", reserved_nanousd=600)])
        with pytest.raises(BudgetError, match=r"\$0\.0000004 of the run's \$0\.000001 is left"):
            ledger.reserve([a_call("2", reserved_nanousd=401)])
        ledger.settle(a_call("1", reserved_nanousd=600, cost_nanousd=100, cost_source=CostSource.USAGE))
        ledger.reserve([a_call("2", reserved_nanousd=900)])
        assert ledger.left_nanousd(a_call("3")) == 0
        assert len(find_run(ledger, "01RUN").calls) == 2


def test_an_unpriced_call_is_refused_under_a_cap(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.start_run(a_run(max_cost_nanousd=1000))
        with pytest.raises(BudgetError, match="no known price"):
            ledger.reserve([a_call(reserved_nanousd=None)])


def test_one_unpriced_call_makes_a_runs_cost_unknown(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.start_run(a_run())
        for call_id, cost, source in (("1", 5, CostSource.USAGE), ("2", None, CostSource.UNPRICED)):
            ledger.reserve([a_call(call_id)])
            ledger.settle(a_call(call_id, cost_nanousd=cost, cost_source=source))
        totals = find_run(ledger, "last").totals
        (view,) = ledger.read(lambda connection: connection.execute("SELECT cost_nanousd FROM run_totals").fetchone())
    assert totals.cost_nanousd is None
    assert totals.cost_source is CostSource.UNPRICED
    assert view is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"not a database, whatever it says", id="garbage"),
        pytest.param(b"SQLite format 3\0" + b"\xff" * 4080, id="corrupt-header"),
    ],
)
def test_a_file_that_is_no_ledger_is_refused(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger.open(path)
    assert path.read_bytes() == content


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_ledger_is_refused_for_writing(path: Path) -> None:
    Ledger.open(path).close()
    path.chmod(0o400)
    with pytest.raises(LedgerError):
        Ledger.open(path)


def test_a_ledger_of_a_newer_orch_is_left_alone(path: Path) -> None:
    Ledger.open(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    raw.close()
    for opening in (Ledger.open, Ledger.open_for_reading):
        with pytest.raises(LedgerError, match="written by a newer orch"):
            opening(path)


def test_reading_makes_no_ledger(path: Path) -> None:
    assert Ledger.open_for_reading(path) is None
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [("02", "no run"), ("01", "more than one"), ("%", "no run"), ("", "more than one"), ("01A'--", "no run")],
)
def test_a_run_that_cannot_be_told_is_a_usage_error(path: Path, wanted: str, problem: str) -> None:
    with Ledger.open(path) as ledger:
        ledger.start_run(a_run("01AAA"))
        ledger.start_run(a_run("01BBB"))
        assert find_run(ledger, "01a").run.run_id == "01AAA"
        with pytest.raises(UsageError, match=problem):
            find_run(ledger, wanted)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=200),
    tags=st.lists(st.text(st.characters(codec="utf-8"), max_size=10), max_size=4),
    tokens=st.integers(0, 2**40),
)
def test_records_come_back_as_they_went_in(tmp_path: Path, text: str, tags: list[str], tokens: int) -> None:
    run = a_run(f"01{abs(hash((text, *tags, tokens)))}", prompt=text, tags=tuple(tags), confidence=0.25)
    with Ledger.open(tmp_path / "round-trip.db") as ledger:
        if find_run_or_none(ledger, run.run_id):
            return
        ledger.start_run(run)
        call = a_call(run.run_id, run.run_id, response=text, input_tokens=tokens, sent_at=NOW)
        ledger.reserve([call])
        found = find_run(ledger, run.run_id)
    assert (found.run, found.calls) == (run, (call,))


def find_run_or_none(ledger: Ledger, run_id: str) -> bool:
    return bool(ledger.read(lambda c: c.execute("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)).fetchone()))


@given(st.integers(-(2**53), 2**53))
def test_times_are_exact_to_the_microsecond(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros


def _open_and_write(path: str, number: int) -> None:
    with Ledger.open(Path(path)) as ledger:
        ledger.start_run(a_run(f"01RUN{number}"))
        ledger.reserve([a_call(f"01CALL{number}", f"01RUN{number}", reserved_nanousd=1)])


def test_many_processes_may_start_on_a_ledger_that_does_not_exist(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_open_and_write, args=(str(path), number)) for number in range(24)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 24
    with Ledger.open(path) as ledger:
        counts = ledger.read(
            lambda c: (
                c.execute("SELECT count(*) FROM runs").fetchone()[0],
                c.execute("SELECT count(*) FROM calls").fetchone()[0],
            )
        )
    assert counts == (24, 24)


def test_a_second_opening_in_a_process_leaves_the_locks_of_the_first(path: Path) -> None:
    look = f"import sqlite3; connection = sqlite3.connect({str(path)!r}); print(*connection.execute('{{}}').fetchone())"

    def elsewhere(query: str) -> str:
        """What another process reads, which then closes what it takes for the only connection there is."""
        return subprocess.run(
            [sys.executable, "-c", look.format(query)], check=True, capture_output=True, text=True
        ).stdout

    with Ledger.open(path) as first:
        first.start_run(a_run("01FIRST"))
        with Ledger.open(path):
            assert elsewhere("SELECT count(*) FROM runs") == "1\n"
            first.start_run(a_run("01SECOND"))
            assert elsewhere("SELECT count(*) FROM runs") == "2\n"


def test_a_ledger_in_memory_is_like_any_other_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Ledger.in_memory() as ledger:
        ledger.start_run(a_run(max_cost_nanousd=10))
        ledger.reserve([a_call(reserved_nanousd=10)])
        with pytest.raises(BudgetError):
            ledger.reserve([a_call("01OTHER", reserved_nanousd=1)])
        assert find_run(ledger, "01RUN").run.max_cost_nanousd == 10
    assert list(tmp_path.iterdir()) == []


def test_opening_a_ledger_again_takes_no_lock_away_from_what_this_process_has_open(tmp_path: Path) -> None:
    """POSIX drops all locks that a process has on a file when it closes any descriptor of it. Another process that
    finds the ledger unlocked takes its log away, as whoever closes a database last does, and it is corrupt."""
    path = tmp_path / "ledger.db"
    take_away = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)\n"
        "print(connection.execute('PRAGMA journal_mode = DELETE').fetchone()[0])"
    )
    with Ledger.open(path):
        with Ledger.open(path):
            pass
        found = subprocess.run(
            [sys.executable, "-c", take_away, str(path)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert "database is locked" in found.stderr


def test_the_last_run_is_the_one_made_last_whatever_the_clock_said(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        for run_id, year in (("7Z", 2106), ("01", 2026)):
            at = datetime(year, 1, 1, tzinfo=UTC)
            ledger.start_run(RunRecord(run_id, at, f"{year}-01-01", "fallback", "0" * 64, simulated=False))
        assert find_run(ledger, "last").run.run_id == "01"
