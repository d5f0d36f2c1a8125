from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from report_recording import NOON, UNPRICED, Recorder, recording
from test_report_json import keys, section

from orchestrator.errors import UsageError
from orchestrator.ledger.records import RunStatus
from orchestrator.ledger.search import forget_index, index_path
from orchestrator.report.history import RunList, newest_runs
from orchestrator.report.selection import Selection

Orch = Callable[..., CompletedProcess[bytes]]
recorder = pytest.fixture(recording)
REAL = Selection(simulated=False)


def found(recorder: Recorder, *texts: str, limit: int = 20, selection: Selection = REAL) -> list[str]:
    return [run.run_id for run in listed(recorder, *texts, limit=limit, selection=selection).runs]


def listed(recorder: Recorder, *texts: str, limit: int = 20, selection: Selection = REAL) -> RunList:
    return newest_runs(recorder.ledger, selection, limit=limit, now=NOON, texts=texts)


def test_the_newest_come_first_and_it_is_said_that_there_are_more(recorder: Recorder) -> None:
    ids = [recorder.run({"cost_nanousd": n}, at=NOON - timedelta(days=n), prompt=f"{n}") for n in range(3)]
    assert found(recorder) == ids[::-1]
    assert [listed(recorder, limit=n).more for n in (2, 3)] == [True, False]
    assert found(recorder, selection=Selection(simulated=True)) == []
    (run,) = listed(recorder, limit=1).runs
    assert (run.calls, run.cost_nanousd, run.prompt) == (1, 2, "2")


@pytest.mark.parametrize(
    ("texts", "hits"),
    [
        pytest.param(["sky"], {"sky"}, id="a word"),
        pytest.param(["WHY IS THE"], {"sky"}, id="words in their order, in any case"),
        pytest.param(["the why"], set(), id="not in another order"),
        pytest.param(["why", "scatter"], {"sky"}, id="in prompt and answer; the last word may be a beginning"),
        pytest.param(["blue light"], set(), id="not from one text into the next"),
        pytest.param(["cafe"], {"café"}, id="without the accent"),
        pytest.param(["天空"], {"chinese"}, id="within text without spaces"),
        pytest.param(["passed over"], {"café"}, id="the answer of a call that is not the run's"),
        pytest.param(['sky" OR "cafe'], set(), id="no operators"),
        pytest.param(["sky*"], {"sky"}, id="no wildcards"),
    ],
)
def test_a_search_finds_words_in_prompts_and_in_all_answers(
    recorder: Recorder, texts: list[str], hits: set[str]
) -> None:
    ids = {
        "sky": recorder.run({}, prompt="Why is the sky blue?", response="Light is scattered."),
        "café": recorder.run({"response": "an answer passed over"}, prompt="How is a Café made?", response="Beans."),
        "chinese": recorder.run(prompt="为什么天空是蓝色的"),
        "none": recorder.run(prompt=None),
    }
    assert set(found(recorder, *texts)) == {ids[hit] for hit in hits}


def test_an_index_is_brought_up_to_date_and_made_anew_where_it_has_to_be(recorder: Recorder) -> None:
    first = recorder.run(prompt="a needle")
    assert found(recorder, "needle") == [first]
    running = recorder.run(prompt="a needle, still asked", status=RunStatus.RUNNING)
    second = recorder.run(prompt="another needle", category="work")
    assert found(recorder, "needle") == [second, first]
    assert found(recorder, "needle", selection=Selection(simulated=False, category="work")) == [second]
    recorder.ledger.write(lambda db: db.execute("UPDATE runs SET status = 'complete' WHERE run_id = ?", (running,)))
    assert found(recorder, "needle") == [second, running, first]
    index = index_path(recorder.ledger.path)
    assert index.stat().st_mode & 0o777 == 0o600
    index.write_bytes(b"no index at all, but long enough to be looked at as the head of a database file" * 20)
    assert found(recorder, "needle", limit=1) == [second]
    forget_index(recorder.ledger.path)
    assert not index.exists()
    # The newest run is gone, and another one has its row.
    assert found(recorder, "needle", limit=1) == [second]
    recorder.ledger.write(lambda db: db.execute("DELETE FROM run_rows WHERE run_id = ?", (second,)))
    third = recorder.run(prompt="hay")
    assert (found(recorder, "needle"), found(recorder, "hay")) == ([running, first], [third])


@pytest.mark.skipif(os.name != "posix", reason="a folder that is closed")
def test_where_an_index_cannot_stand_it_is_made_in_memory(recorder: Recorder) -> None:
    run_id = recorder.run(prompt="needle")
    index_path(recorder.ledger.path).mkdir()
    assert found(recorder, "needle") == [run_id]


def test_a_text_without_words_is_refused(recorder: Recorder) -> None:
    recorder.run(prompt="needle")
    with pytest.raises(UsageError, match="no word"):
        found(recorder, "?!")


def test_every_key_of_the_list_is_documented(recorder: Recorder) -> None:
    recorder.run({}, UNPRICED, prompt="why?", tags=("a",))
    document = listed(recorder, "why").to_dict()
    assert keys(document) <= section("Runs") | section("Statistics") | section("Report")
    assert (document["runs"][0]["cost"], document["runs"][0]["tags"]) == (None, ["a"])


def test_the_command_lists_searches_and_says_what_it_cannot(orch: Orch, tmp_path: Path) -> None:
    for number in range(3):
        orch("run", "--simulate", "-p", f"Is {number} a prime number?")
    document = json.loads(orch("runs", "--simulate", "--json", "--grep", "1 a prime").stdout)
    assert [run["prompt"] for run in document["runs"]] == ["Is 1 a prime number?"]
    lines = orch("runs", "--simulate", "-n", "2")
    assert (lines.stdout.count(b"a prime number?"), b"--limit 20" in lines.stderr) == (2, True)
    assert b"no run has these words" in orch("runs", "--simulate", "--grep", "composite").stdout
    assert orch("runs", "--simulate", "-n", "0").returncode == 2
    assert orch("runs", "--simulate", "--json", "-o", "csv").returncode == 2
    assert b"no runs in this period" in orch("runs").stdout


def test_show_all_has_what_each_call_answered(orch: Orch) -> None:
    orch("run", "--simulate", "-s", "ensemble", "-p", "Which is better, a or b?")
    calls = json.loads(orch("show", "--simulate", "--all", "-o", "json").stdout)["calls"]
    assert len(calls) == 3
    assert all(call["response"] for call in calls)
    text = orch("show", "--simulate", "--all").stdout.decode()
    assert all(f"answer {number}, {call['model']}:" in text for number, call in enumerate(calls, start=1))
    assert "response" not in json.loads(orch("show", "--simulate", "-o", "json").stdout)["calls"][0]
