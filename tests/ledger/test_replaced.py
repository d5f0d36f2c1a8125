"""The ledger's file is deleted or replaced while it is in use: what was paid for is kept, and the user is told."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from scripted import SURE, UNSURE, Script, Stage, reply

from orchestrator.errors import LedgerError
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.records import Recorded
from orchestrator.ledger.spool import spooled
from orchestrator.ledger.store import Ledger
from orchestrator.run.events import Bystander, CallEnded, Event, Note, Observer, unobserved
from orchestrator.types import Completion, Request

CHAIN = "gpt-6-luna,claude-haiku-5-5"


def delete(ledger: Path) -> None:
    for file in ledger.parent.glob("ledger.db*"):
        if file.is_file() and file.suffix != ".alive":
            file.unlink()


def replace_by_a_copy(ledger: Path) -> None:
    copy = ledger.with_name("copy.db")
    with Ledger.open(ledger) as opened:
        opened.read(lambda db: db.execute("VACUUM INTO ?", (str(copy),)))
    copy.replace(ledger)


def restore_another(ledger: Path) -> None:
    """As `sqlite3 ledger.db ".restore backup.db"` does: the file stays, and all of its rows are others."""
    backup = ledger.with_name("backup.db")
    with Ledger.open(backup):
        pass
    with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(ledger)) as target:
        source.backup(target)


def look_up(ledger: Path, run_id: str | None) -> Recorded:
    with Ledger.open(ledger) as opened:
        return find_run(opened, str(run_id))


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return Stage(tmp_path, Script({"gpt-6-luna": [reply(SURE)], "claude-haiku-5-5": [reply(SURE)]}))


@pytest.mark.parametrize("watched", ["in order", "by a bystander", "not"])
@pytest.mark.parametrize(
    "losing", [delete, replace_by_a_copy, restore_another], ids=["deleted", "replaced", "written over"]
)
def test_what_was_paid_for_is_in_whatever_ledger_is_there_next(
    stage: Stage, losing: Callable[[Path], None], watched: str
) -> None:
    def answer(_: Request) -> Completion:
        losing(stage.ledger)
        return reply(SURE)

    said: list[Event] = []
    stage.script.acts["gpt-6-luna"] = [answer]
    ways: dict[str, Observer] = {"in order": said.append, "by a bystander": Bystander(said.append), "not": unobserved}
    result = stage.run(chain=CHAIN, observe=ways[watched])
    assert (result.status, result.response) == ("complete", SURE)
    assert spooled(stage.ledger)
    told = [event.text for event in said if isinstance(event, Note) and event.loud]
    noticed = [("deleted or replaced" in text or "has no row" in text) and "it is kept in" in text for text in told]
    assert noticed == [True] * (0 if watched == "not" else 2)
    assert sum(isinstance(event, CallEnded) for event in said) == (watched != "not")
    found = look_up(stage.ledger, result.run_id)
    assert found.run.status.value == "complete"
    assert [(call.status.value, call.cost_nanousd) for call in found.calls] == [("completed", result.cost_nanousd)]
    assert spooled(stage.ledger) == []


@pytest.mark.parametrize("losing", [delete, restore_another], ids=["deleted", "written over"])
def test_calls_that_the_lost_file_held_are_kept_with_the_end_of_the_run(
    stage: Stage, losing: Callable[[Path], None]
) -> None:
    """The first call was settled in a file that is not there any more when the second has failed to be reserved."""

    def answer(_: Request) -> Completion:
        losing(stage.ledger)
        return reply(SURE)

    stage.script.acts = {"gpt-6-luna": [reply(UNSURE)], "claude-haiku-5-5": [answer]}
    result = stage.run(chain=CHAIN)
    found = look_up(stage.ledger, result.run_id)
    assert [call.model for call in found.calls] == CHAIN.split(",")
    assert found.totals.cost_nanousd == result.cost_nanousd


def test_nothing_is_sent_once_the_file_is_lost(stage: Stage) -> None:
    def answer(_: Request) -> Completion:
        delete(stage.ledger)
        return reply(UNSURE)

    stage.script.acts["gpt-6-luna"] = [answer]
    result = stage.run(chain=CHAIN)
    assert [request.model for request in stage.script.sent] == ["gpt-6-luna"]
    assert result.response == UNSURE or result.error is not None


def test_changes_to_a_lost_file_are_refused(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        delete(ledger.path)
        with pytest.raises(LedgerError, match="deleted or replaced"):
            ledger.write(lambda db: db.execute("DELETE FROM budgets"))
