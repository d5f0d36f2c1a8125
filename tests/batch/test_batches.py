"""`orch batch`: each line is asked once and written once, whatever stops it; what cannot be asked says why."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Orchestrator
from orchestrator.cli.batching.flags import BatchFlags, Via, settings_of, with_settings
from orchestrator.ledger.group_commit import GroupCommit

Orch = Callable[..., subprocess.CompletedProcess[bytes]]
Object = dict[str, Any]

ONE = ("-m", "gpt-6-luna")  # a model, so that each line is one call


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(path: str, *values: Object | str) -> None:
    lines = [value if isinstance(value, str) else json.dumps(value) for value in values]
    Path(path).write_text("".join(f"{line}\n" for line in lines))


def answers(path: str) -> list[Object]:
    content = Path(path).read_bytes()
    return objects(gzip.decompress(content) if path.endswith(".gz") else content)


def objects(content: bytes) -> list[Object]:
    return [json.loads(line) for line in content.splitlines()]


def batch(orch: Orch, *argv: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return orch("batch", *argv, "--simulate", **more)


def ledger(home: Path) -> sqlite3.Connection:
    return sqlite3.connect(next(home.rglob("*.db")))


def questions(number: int) -> list[Object]:
    return [{"prompt": f"What is {place} + {place}?"} for place in range(number)]


def test_each_line_is_answered_once_in_order_with_what_matters_of_its_run(orch: Orch, place: Path) -> None:
    asked("in.jsonl", *questions(40), {"prompt": "Why?", "id": "w", "max_tokens": 7, "strategy": "cheapest"})
    done = batch(orch, "in.jsonl", "-o", "out.jsonl.gz")
    found = answers("out.jsonl.gz")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"41 answered" in done.stderr
    assert [each["line"] for each in found] == list(range(1, 42))
    assert [each["id"] for each in found] == [*range(1, 41), "w"]
    assert {each["status"] for each in found} == {"complete"}
    assert len({each["run_id"] for each in found}) == 41
    assert "calls" not in found[0]
    shown = orch("show", found[-1]["run_id"], "--simulate", "--output", "json")
    assert json.loads(shown.stdout)["strategy"] == "cheapest"
    again = batch(orch, "in.jsonl", "-o", "out.jsonl.gz")
    assert again.returncode == 2
    assert b"has the results of the batch" in again.stderr


def test_standard_input_goes_to_standard_output_with_all_fields_as_they_come(orch: Orch) -> None:
    done = batch(orch, "-", "--full", "--unordered", *ONE, stdin=b"What is 1 + 1?\nWhat is 2 + 2?\n")
    assert done.returncode == 0
    assert sorted((each["line"], len(each["calls"])) for each in objects(done.stdout)) == [(1, 1), (2, 1)]


def test_a_table_is_asked_by_a_template_over_its_columns(orch: Orch, place: Path) -> None:
    Path("in.csv").write_text('id,text,extra\na,"1 + 1, please",x\n')
    done = batch(orch, "in.csv", "--prompt", "What is {text}?", "-o", "out.jsonl", *ONE)
    (found,) = answers("out.jsonl")
    assert (done.returncode, found["id"]) == (0, "a")
    shown = orch("show", found["run_id"], "--simulate")
    assert b"What is 1 + 1, please?" in shown.stdout


def test_what_cannot_be_asked_is_a_line_too_and_is_asked_again_in_its_place(orch: Orch, place: Path) -> None:
    broken, twice = '{"prompt": ', {"prompt": "What is 3 + 3?", "id": 1}
    asked("in.jsonl", *questions(2), broken, twice, {"prompt": "b", "chain": "none"}, *questions(1))
    done = batch(orch, "in.jsonl", "-o", "out.jsonl", *ONE)
    found = answers("out.jsonl")
    assert done.returncode == 10
    assert [each["status"] for each in found] == ["complete", "complete", "invalid", "invalid", "failed", "complete"]
    assert "is that of an earlier line too" in found[3]["error"]["message"]
    asked("in.jsonl", *questions(2), *questions(1), twice, {"prompt": "b"}, *questions(1))
    again = batch(orch, "retry-failed", "last")
    mended = answers("out.jsonl")
    assert again.returncode == 10
    assert b"3 lines are asked again" in again.stderr
    assert [each["line"] for each in mended] == [1, 2, 3, 4, 5, 6]
    assert [each["status"] for each in mended] == ["complete"] * 3 + ["invalid"] + ["complete"] * 2
    assert [mended[place] for place in (0, 1, 5)] == [found[place] for place in (0, 1, 5)]


def test_a_cap_in_the_middle_says_why_not_and_with_more_it_is_finished(orch: Orch, place: Path) -> None:
    asked("in.jsonl", *questions(30))
    cost = sum(each["cost_nanousd"] for each in objects(batch(orch, "in.jsonl", *ONE).stdout))
    done = batch(orch, "in.jsonl", "-o", "out.jsonl", "--max-cost", f"{cost / 2e9:.9f}", "--max-tokens", "60", *ONE)
    found = answers("out.jsonl")
    by_status = Counter(each["status"] for each in found)
    assert done.returncode == 10
    assert len(found) == 30
    assert 5 < by_status["complete"] < 25
    assert sum(each.get("cost_nanousd", 0) for each in found) <= cost / 2
    assert {each["error"]["code"] for each in found if each["status"] == "not_asked"} == {"budget"}
    more = batch(orch, "in.jsonl", "--resume", "--max-cost", "5")
    finished = answers("out.jsonl")
    assert more.returncode == 0, more.stderr
    assert [(each["line"], each["status"]) for each in finished] == [(n, "complete") for n in range(1, 31)]
    answered = [each for each in found if each["status"] == "complete"]
    assert [each for each in finished if each["line"] in {one["line"] for one in answered}] == answered


def test_after_too_many_failures_nothing_more_is_asked(orch: Orch, place: Path) -> None:
    bad = [{"prompt": "x", "chain": "none"}] * 3
    asked("in.jsonl", *bad, *questions(4))
    done = batch(orch, "in.jsonl", "-o", "out.jsonl", "--max-errors", "2", "--concurrency", "1", *ONE)
    found = [(each["status"], each["error"]["code"]) for each in answers("out.jsonl")]
    assert done.returncode == 10
    assert found == [("failed", "usage")] * 2 + [("not_asked", "not_asked")] * 5
    status = json.loads(batch(orch, "show", "last", "-o", "json").stdout)["batch"]
    assert (status["status"], status["stopped"]["code"], status["failed"]) == ("stopped", "not_asked", 2)


def test_what_a_crash_left_in_the_outbox_is_written_and_half_a_line_cut_off(
    orch: Orch, place: Path, user_files: Path
) -> None:
    asked("in.jsonl", *questions(6))
    batch(orch, "in.jsonl", "-o", "out.jsonl", *ONE)
    whole = Path("out.jsonl").read_text()
    lines = whole.splitlines(keepends=True)
    with closing(ledger(user_files)) as db:  # as if it had been killed after the fourth line was settled
        db.executemany("INSERT INTO batch_results VALUES (1, ?, 0, ?)", [(3, lines[2].strip()), (4, lines[3].strip())])
        db.execute("DELETE FROM batch_lines WHERE number > 4")
        db.execute("DELETE FROM call_rows WHERE run_id > ?", (json.loads(lines[3])["run_id"],))
        db.execute("DELETE FROM run_rows WHERE run_id > ?", (json.loads(lines[3])["run_id"],))
        written = len("".join(lines[:2]).encode())
        db.execute("UPDATE batch_jobs SET status = 'running', process = 'gone', written_bytes = ?", (written,))
        db.commit()
    Path("out.jsonl").write_text("".join(lines[:3]) + lines[3][:20])
    done = batch(orch, "in.jsonl", "-o", "out.jsonl", *ONE)
    assert done.returncode == 0, done.stderr
    assert b"goes on: 4 answered" in done.stderr
    found = Path("out.jsonl").read_text().splitlines(keepends=True)
    assert found[:4] == lines[:4]
    assert [json.loads(line)["line"] for line in found] == [1, 2, 3, 4, 5, 6]
    with closing(ledger(user_files)) as db:
        assert db.execute("SELECT count(*) FROM batch_results").fetchone() == (0,)


def test_a_run_that_ended_well_is_not_made_again_for_its_line(orch: Orch, place: Path, user_files: Path) -> None:
    asked("in.jsonl", *questions(2))
    batch(orch, "in.jsonl", "-o", "out.jsonl", *ONE)
    before = answers("out.jsonl")
    with closing(ledger(user_files)) as db:
        db.execute("DELETE FROM batch_lines")
        db.execute("UPDATE batch_jobs SET status = 'stopped', process = NULL, written_bytes = 0")
        db.commit()
    done = batch(orch, "--resume")
    assert done.returncode == 0, done.stderr
    assert [each["run_id"] for each in answers("out.jsonl")] == [each["run_id"] for each in before]


def test_an_input_that_has_changed_is_noticed_and_one_that_has_grown_goes_on(orch: Orch, place: Path) -> None:
    asked("in.jsonl", *questions(2), {"prompt": "x", "chain": "none"}, *questions(2))
    batch(orch, "in.jsonl", "-o", "out.jsonl", "--max-errors", "1", "--concurrency", "1", *ONE)
    asked("in.jsonl", {"prompt": "Something else"}, *questions(4))
    changed = batch(orch, "--resume")
    assert changed.returncode == 2
    assert b"line 1 of the input is not what the batch" in changed.stderr
    asked("in.jsonl", *questions(2), {"prompt": "x", "chain": "none"}, *questions(4))
    grown = batch(orch, "in.jsonl", "-o", "out.jsonl", *ONE)
    assert grown.returncode == 10
    assert [each["line"] for each in answers("out.jsonl")] == [1, 2, 3, 4, 5, 6, 7]


def test_a_cancelled_batch_goes_on_only_when_it_is_named(orch: Orch, place: Path) -> None:
    asked("in.jsonl", *questions(1), {"prompt": "x", "chain": "none"}, *questions(1))
    batch(orch, "in.jsonl", "-o", "out.jsonl", "--max-errors", "1", "--concurrency", "1", *ONE)
    assert batch(orch, "cancel", "last").returncode == 0
    (listed,) = json.loads(batch(orch, "list", "-o", "json").stdout)["batches"]
    assert (listed["status"], listed["done"], listed["failed"]) == ("cancelled", 1, 1)
    assert batch(orch, "in.jsonl", "-o", "out.jsonl", *ONE).returncode == 2
    assert batch(orch, "--resume", listed["batch_id"][:20]).returncode == 10
    assert len(answers("out.jsonl")) == 3


def test_without_text_in_the_ledger_results_are_gone_from_it_once_they_are_written(
    orch: Orch, place: Path, user_files: Path
) -> None:
    asked("in.jsonl", {"prompt": "What is the capital of France?"})
    done = batch(orch, "in.jsonl", "-o", "out.jsonl", *ONE, ORCH_LOG_TEXT="0")
    (found,) = answers("out.jsonl")
    assert done.returncode == 0
    assert found["response"]
    for path in user_files.rglob("*.db*"):
        assert found["response"].encode() not in path.read_bytes()


def test_python_asks_many_with_the_options_of_a_run() -> None:
    async def take() -> list[tuple[int, bool, str | None]]:
        async with Orchestrator(simulate=True) as orch:
            asking = orch.run_many(["What is 1 + 1?", "Why?"], "cheapest", ordered=True, max_cost=1, max_tokens=90)
            return [(each.index, each.error is None, each.result.strategy) async for each in asking]

    assert asyncio.run(take()) == [(0, True, "cheapest"), (1, True, "cheapest")]


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        pytest.param((), "no input", id="nothing"),
        pytest.param(("none.jsonl",), "cannot be read", id="no file"),
        pytest.param((".",), "is a folder", id="a folder"),
        pytest.param(("empty.jsonl",), "there is nothing in it", id="an empty file"),
        pytest.param(("in.jsonl", "-o", "in.jsonl"), "is the input too", id="its own output"),
        pytest.param(("in.jsonl", "-o", "none/out.jsonl"), "there is no folder", id="no such folder"),
        pytest.param(("in.jsonl", "-o", "empty.jsonl", "-s", "none"), "none", id="unknown strategy"),
        pytest.param(("in.jsonl", "--deadline", "soon"), "--deadline takes a time", id="no time"),
        pytest.param(("in.jsonl", "more.jsonl"), "one input at a time", id="two inputs"),
        pytest.param(("in.jsonl", "--max-cost", "x"), "--max-cost takes an amount", id="no amount"),
        pytest.param(("show", "01ABC"), "no batch", id="unknown batch"),
        pytest.param(("cancel",), "needs the id of a batch", id="which one"),
        pytest.param(("--resume",), "there is no batch", id="nothing to go on with"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_begun(
    argv: tuple[str, ...], problem: str, orch: Orch, place: Path
) -> None:
    asked("in.jsonl", *questions(1))
    asked("more.jsonl", *questions(1))
    Path("empty.jsonl").touch()
    orch("run", "--simulate", "-p", "What is 1 + 1?", *ONE)  # there is a ledger
    done = batch(orch, *argv)
    assert done.returncode in (2, 3)
    assert problem in done.stderr.decode()
    assert json.loads(batch(orch, "list", "-o", "json").stdout)["batches"] == []


def test_a_dry_run_prices_each_line_and_asks_nothing(orch: Orch, place: Path, user_files: Path) -> None:
    asked("in.jsonl", *questions(3), "broken")
    done = batch(orch, "in.jsonl", "--dry-run", "-o", "json", *ONE)
    found = json.loads(done.stdout)
    assert (done.returncode, found["lines"], found["failing"]) == (0, 4, 1)
    assert 0 < found["minimum_nanousd"] < found["expected_nanousd"] < found["maximum_nanousd"]
    assert found["first_models"] == {"gpt-6-luna": 3}
    assert not list(user_files.rglob("*.db"))


@pytest.mark.parametrize(
    ("begun", "given", "expected"),
    [
        pytest.param({"engine": "local:4"}, {}, (None, "local:4"), id="workers-stay"),
        pytest.param({"engine": "local:4"}, {"engine": "local:2"}, (None, "local:2"), id="other-workers"),
        pytest.param({"engine": "local:4"}, {"via": Via.LIVE}, (Via.LIVE, None), id="back-to-this-process"),
        pytest.param({"via": Via.AUTO}, {}, (Via.AUTO, None), id="the-way-stays"),
        pytest.param({"via": Via.AUTO}, {"engine": "local"}, (None, "local"), id="to-workers"),
    ],
)
def test_who_asks_is_kept_with_the_batch_unless_it_is_given_anew(
    begun: dict[str, Any], given: dict[str, Any], expected: tuple[Via | None, str | None]
) -> None:
    goes_on = with_settings(BatchFlags(**given), settings_of(BatchFlags(**begun)))
    assert (goes_on.via, goes_on.engine) == expected


def test_with_a_ledger_that_is_full_no_line_is_written_out_of_order_or_lost(
    orch: Orch, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked("in.jsonl", *questions(80))
    begin = GroupCommit.__init__

    def with_little_room(commit: GroupCommit, path: Path, connection: sqlite3.Connection, *more: Any) -> None:
        begin(commit, path, connection, *more)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 25}")

    with monkeypatch.context() as full:
        full.setattr(GroupCommit, "__init__", with_little_room)
        stopped = batch(orch, "in.jsonl", "-o", "out.jsonl", *ONE)
    assert stopped.returncode == 11, stopped.stderr
    assert b"bug" not in stopped.stderr
    written = answers("out.jsonl")
    assert [answer["line"] for answer in written] == list(range(1, len(written) + 1))
    assert sum(answer["status"] == "complete" for answer in written) < 80
    assert batch(orch, "in.jsonl", "-o", "out.jsonl", *ONE).returncode == 0
    found = answers("out.jsonl")
    assert [answer["line"] for answer in found] == list(range(1, 81))
    assert {answer["status"] for answer in found} == {"complete"}
