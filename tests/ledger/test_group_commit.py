"""Changes that wait at the same time share one commit, and each can fail alone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from orchestrator.errors import BudgetError, LedgerError
from orchestrator.ledger.store import Ledger
from orchestrator.ledger.transaction import Work

DEFERRED = "PRAGMA defer_foreign_keys = ON"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        opened.write(lambda db: db.execute("CREATE TABLE notes (text TEXT UNIQUE)"))
        yield opened


def noting(text: str) -> Work[str]:
    def note(db: sqlite3.Connection) -> str:
        db.execute("INSERT INTO notes VALUES (?)", (text,))
        return text

    return note


def refusing(text: str) -> Work[str]:
    def refuse(db: sqlite3.Connection) -> str:
        noting(text)(db)
        raise BudgetError("too much")

    return refuse


def notes(path: Path) -> list[str]:
    """What is durable, as another connection sees it."""
    with sqlite3.connect(path) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY rowid")]


def statements(ledger: Ledger) -> list[str]:
    """Grows by what the ledger's connection is told from now on."""
    heard: list[str] = []
    ledger.read(lambda db: db.set_trace_callback(heard.append))
    return heard


async def all_of(ledger: Ledger, *changes: Work[str]) -> list[str | BaseException]:
    return await asyncio.gather(*(ledger.submit(change) for change in changes), return_exceptions=True)


def test_changes_of_one_turn_of_a_loop_share_a_commit_in_their_order(ledger: Ledger) -> None:
    heard = statements(ledger)
    found = asyncio.run(all_of(ledger, *(noting(f"{number}") for number in range(20))))
    assert found == notes(ledger.path) == [f"{number}" for number in range(20)]
    assert heard.count("COMMIT") == 1


def test_one_that_is_refused_does_not_sink_the_others(ledger: Ledger) -> None:
    found = asyncio.run(all_of(ledger, noting("a"), refusing("b"), noting("a"), noting("c")))
    assert found[0] == "a"
    assert found[3] == "c"
    assert isinstance(found[1], BudgetError)
    assert isinstance(found[2], LedgerError)  # there is an "a" already
    assert notes(ledger.path) == ["a", "c"]


def test_only_one_that_had_written_something_costs_the_others_a_savepoint(ledger: Ledger) -> None:
    def refuse_at_once(db: sqlite3.Connection) -> str:
        db.execute("SELECT text FROM notes").fetchall()
        raise BudgetError("too much")

    heard = statements(ledger)
    found = asyncio.run(all_of(ledger, noting("a"), refuse_at_once, noting("b")))
    assert [type(each) for each in found] == [str, BudgetError, str]
    assert (heard.count("COMMIT"), heard.count("SAVEPOINT change")) == (1, 0)
    found = asyncio.run(all_of(ledger, noting("c"), refusing("d"), noting("e")))
    assert [type(each) for each in found] == [str, BudgetError, str]
    assert (heard.count("ROLLBACK"), heard.count("SAVEPOINT change"), heard.count("COMMIT")) == (1, 3, 2)
    assert notes(ledger.path) == ["a", "b", "c", "e"]


def test_nobody_is_told_before_the_commit_has_returned(ledger: Ledger) -> None:
    seen: list[list[str]] = []

    async def tell(change: Work[str]) -> None:
        await ledger.submit(change)
        seen.append(notes(ledger.path))

    async def both() -> None:
        await asyncio.gather(tell(noting("a")), tell(noting("b")))

    asyncio.run(both())
    assert seen == [["a", "b"], ["a", "b"]]


def test_if_the_commit_fails_all_of_them_have_failed(ledger: Ledger) -> None:
    def breaks_at_the_end(db: sqlite3.Connection) -> str:
        db.execute(DEFERRED)
        db.execute("INSERT INTO ratings (run_id, rating, rated_at) VALUES ('no such run', 1, 0)")
        return ""

    found = asyncio.run(all_of(ledger, noting("a"), breaks_at_the_end, noting("b")))
    assert [type(error) for error in found] == [LedgerError] * 3
    assert len({id(error) for error in found}) == 3  # each has its own to add to
    assert notes(ledger.path) == []
    assert asyncio.run(all_of(ledger, noting("c"))) == ["c"]


def test_a_change_is_made_even_if_its_task_is_cancelled_and_the_cancellation_comes_then(ledger: Ledger) -> None:
    async def cancelled() -> None:
        task = asyncio.ensure_future(all_of(ledger, noting("a")))
        await asyncio.sleep(0)  # it waits by now
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert notes(ledger.path) == ["a"]

    asyncio.run(cancelled())


def test_what_only_reads_takes_no_transaction(ledger: Ledger) -> None:
    asyncio.run(all_of(ledger, noting("a")))
    heard = statements(ledger)

    async def count() -> int:
        return await ledger.submit(lambda db: int(db.execute("SELECT count(*) FROM notes").fetchone()[0]), reads=True)

    assert asyncio.run(count()) == 1
    assert not [statement for statement in heard if statement.startswith(("BEGIN", "SAVEPOINT"))]


def test_closing_carries_out_what_was_handed_in(ledger: Ledger) -> None:
    async def hand_in() -> None:
        for number in range(5):
            ledger.submit(noting(f"{number}"))

    asyncio.run(hand_in())
    ledger.close()
    assert notes(ledger.path) == ["0", "1", "2", "3", "4"]


def test_what_is_handed_in_after_closing_is_refused(ledger: Ledger) -> None:
    ledger.close()
    (error,) = asyncio.run(all_of(ledger, noting("late")))
    assert isinstance(error, LedgerError)


def test_loops_in_several_threads_are_each_told_their_own(ledger: Ledger) -> None:
    def one(name: str) -> list[str | BaseException]:
        return asyncio.run(all_of(ledger, *(noting(f"{name}{number}") for number in range(50))))

    async def together() -> list[list[str | BaseException]]:
        calls: list[Callable[[], list[str | BaseException]]] = [partial(one, name) for name in "abc"]
        return await asyncio.gather(*(asyncio.to_thread(call) for call in calls))

    assert asyncio.run(together()) == [[f"{name}{number}" for number in range(50)] for name in "abc"]
    assert len(notes(ledger.path)) == 150
