"""An engine stays open as long as its owner likes: what can be paid once is paid once, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from patience import PATIENCE_S
from scripted import NOW, SURE, Hang, Script, ScriptedProvider, Stage, reply

from orchestrator import Orchestrator, run_orchestration
from orchestrator.config import RunOptions, load_settings
from orchestrator.ledger.breakers import Circuit, set_aside
from orchestrator.ledger.budgets import Budget, Scope, set_budgets
from orchestrator.ledger.limits import Learned, note_limits
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.records import RunStatus
from orchestrator.ledger.rows import to_micros
from orchestrator.ledger.spool import spooled
from orchestrator.ledger.store import Ledger
from orchestrator.ledger.transaction import Work
from orchestrator.period import Period
from orchestrator.run import shared
from orchestrator.run.engine import Engine, RunInterrupted
from orchestrator.run.events import Event, Waiting
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Completion, Prompt, Request

ASK = replace(RunOptions(), chain="gpt-6-luna")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({"gpt-6-luna": [reply(SURE)]}))


def alive(folder: Path) -> list[Path]:
    """The signs of life of those that have a ledger open."""
    return list(folder.glob("*.alive"))


def runs_in(ledger: Path) -> int:
    with Ledger.open(ledger) as opened:
        return int(opened.read(lambda db: db.execute("SELECT count(*) FROM runs").fetchone()[0]))


async def ask(engine: Engine, times: int = 1) -> list[OrchestrationResult]:
    return await asyncio.gather(*(engine.run(Prompt(f"Which one is it? {n}"), ASK) for n in range(times)))


def test_runs_of_an_open_engine_share_connections_and_ledger(stage: Stage) -> None:
    async def many() -> None:
        async with stage.engine() as engine:
            results = await ask(engine, 100)
            assert {result.status for result in results} == {"complete"}
            assert stage.script.closed == 0
            await ask(engine, 100)
            assert len(alive(stage.folder)) == 1
        assert stage.script.closed == 1
        assert not alive(stage.folder)

    asyncio.run(many())
    assert runs_in(stage.ledger) == 200


@pytest.mark.parametrize(
    ("set_before", "during"),
    [((700, 10, 10), 50_000), ((2_000, 10, 0), 50_000), ((1_234, 5, 5), 1_234), ((0, 10, 10), 0)],
    ids=["as Python has it", "as Python 3.13 has it", "by the program", "switched off"],
)
def test_garbage_is_looked_for_seldom_while_runs_are_in_flight(
    stage: Stage, tmp_path: Path, set_before: tuple[int, int, int], during: int
) -> None:
    seen: set[int] = set()

    def look(_: Request) -> Completion:
        seen.add(gc.get_threshold()[0])
        return reply(SURE)

    other = Stage(tmp_path / "other", stage.script)
    stage.script.acts["gpt-6-luna"] = [look]

    async def in_two_engines() -> None:
        async with stage.engine() as one, other.engine() as two:
            await asyncio.gather(ask(one, 3), ask(two, 5))
            assert gc.get_threshold() == set_before, "open, but idle"
            await ask(one)

    usual = gc.get_threshold()
    gc.set_threshold(*set_before)
    try:
        asyncio.run(in_two_engines())
        assert (seen, gc.get_threshold()) == ({during}, set_before)
    finally:
        gc.set_threshold(*usual)


def test_the_latency_of_a_run_is_without_the_time_it_took_to_load_what_connects(stage: Stage) -> None:
    def slowly(name: str) -> ScriptedProvider:
        stage.script.clock.skip(30)
        return ScriptedProvider(name, stage.script)

    (result,) = asyncio.run(ask(stage.engine(connect=slowly)))
    assert (result.status, result.latency < 15) == ("complete", True)


def test_an_engine_that_is_not_entered_is_closed_after_its_run(stage: Stage) -> None:
    engine = stage.engine()
    for times in (1, 2):
        asyncio.run(ask(engine))
        assert stage.script.closed == times
        assert not alive(stage.folder)


def test_an_open_engine_goes_through_many_loops_and_closes_its_connections_with_each(stage: Stage) -> None:
    engine = stage.engine()
    engine.keep_open()
    for times in (1, 2, 3):
        asyncio.run(ask(engine))
        assert stage.script.closed == times
        assert len(alive(stage.folder)) == 1
    asyncio.run(engine.aclose())
    assert not alive(stage.folder)


def test_an_engine_is_used_from_several_threads_at_a_time(stage: Stage) -> None:
    stage.script.ledger = None
    engine = stage.engine()
    stage.script.ledger = None
    engine.keep_open()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: asyncio.run(ask(engine, 20)), range(4)))
    asyncio.run(engine.aclose())
    assert [len(results) for results in found] == [20] * 4
    assert len({result.run_id for results in found for result in results}) == 80
    assert runs_in(stage.ledger) == 80


def test_the_result_in_memory_is_what_the_ledger_says(stage: Stage) -> None:
    (result,) = asyncio.run(ask(stage.engine()))
    with Ledger.open(stage.ledger) as ledger:
        recorded = find_run(ledger, str(result.run_id))
    assert result.calls == recorded.calls
    assert result.timestamp == recorded.run.created_at


def test_a_ledger_that_is_replaced_while_the_engine_is_open_is_opened_anew(stage: Stage) -> None:
    async def through() -> None:
        async with stage.engine() as engine:
            await ask(engine)
            for file in stage.folder.glob("ledger.db*"):
                file.unlink()
            await ask(engine, 2)

    asyncio.run(through())
    assert runs_in(stage.ledger) == 2


def test_a_run_that_is_cancelled_leaves_the_engine_open_and_its_row_settled(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({"gpt-6-luna": [Hang(), reply(SURE)]}))

    async def through() -> None:
        async with stage.engine() as engine:
            task = asyncio.ensure_future(engine.run(Prompt("Which one?"), ASK))
            await stage.script.hanging.wait()
            task.cancel()
            with pytest.raises(RunInterrupted) as interrupted:
                await task
            assert interrupted.value.result.status == RunStatus.INTERRUPTED
            (result,) = await ask(engine)
            assert result.status == "complete"

    asyncio.run(through())
    with Ledger.open(stage.ledger) as ledger:
        states = ledger.read(lambda db: [row[0] for row in db.execute("SELECT status FROM calls ORDER BY rowid")])
    assert states == ["interrupted", "completed"]


def set_aside_until_later(db: sqlite3.Connection) -> None:
    at = to_micros(NOW)
    set_aside(db, Circuit(False, "openai", "gpt-6-luna"), at + 3_600_000_000, "it is down", at)


def blocked_for_long(db: sqlite3.Connection) -> None:
    at = to_micros(NOW)
    note_limits(db, (False, "gpt-6-luna"), Learned(at, blocked_until=at + 3_600_000_000))


def used_up(db: sqlite3.Connection) -> None:
    set_budgets(db, [Budget(Period.DAY, Scope.ALL, "", 1)])


@pytest.mark.parametrize(
    ("change", "code"),
    [(set_aside_until_later, "set_aside"), (blocked_for_long, "quota_exhausted"), (used_up, "budget")],
    ids=["breaker", "limit", "budget"],
)
def test_what_another_process_has_written_since_the_last_run_is_heeded(
    stage: Stage, change: Work[None], code: str
) -> None:
    async def through() -> list[str | None]:
        async with stage.engine() as engine:
            results = await ask(engine)
            with Ledger.open(stage.ledger) as another:
                another.write(change)
            results += [*await ask(engine), *await ask(engine)]
        return [None if result.error is None else result.error.code for result in results]

    assert asyncio.run(through()) == [None, code, code]
    assert len(stage.script.sent) == 1


def test_a_run_that_nothing_holds_up_waits_for_two_commits(stage: Stage) -> None:
    heard: list[str] = []

    async def through() -> None:
        with Ledger.open(stage.ledger) as ledger:
            ledger.read(lambda db: db.set_trace_callback(heard.append))
            async with stage.engine(opened=ledger) as engine:
                await ask(engine)

    asyncio.run(through())
    assert [heard.count(statement) for statement in ("BEGIN IMMEDIATE", "COMMIT", "SAVEPOINT change")] == [2, 2, 0]


def limited(db: sqlite3.Connection) -> None:
    note_limits(db, (False, "gpt-6-luna"), Learned(to_micros(NOW), rpm=60, tpm=60_000))


def with_a_large_budget(db: sqlite3.Connection) -> None:
    set_budgets(db, [Budget(Period.DAY, Scope.ALL, "", 10**12)])


def test_a_slot_that_is_free_is_taken_in_the_commit_that_reserves(stage: Stage) -> None:
    heard: list[str] = []

    async def through() -> list[tuple[int, int]]:
        with Ledger.open(stage.ledger) as ledger:
            ledger.write(limited)
            ledger.read(lambda db: db.set_trace_callback(heard.append))
            async with stage.engine(opened=ledger) as engine:
                await ask(engine)
            return ledger.read(lambda db: [tuple(row) for row in db.execute("SELECT at, tokens FROM rate_slots")])

    assert asyncio.run(through()) == [(to_micros(NOW), 30)]  # what the reply took
    assert [heard.count(statement) for statement in ("BEGIN IMMEDIATE", "COMMIT", "SAVEPOINT change")] == [2, 2, 0]


def test_a_slot_is_not_kept_for_a_call_that_the_cap_refuses(stage: Stage) -> None:
    async def through() -> None:
        with Ledger.open(stage.ledger) as ledger:
            ledger.write(limited)
            async with stage.engine(opened=ledger) as engine:
                asked = replace(ASK, max_cost_nanousd=70_000, max_tokens=8_000)
                result = await engine.run(Prompt("Which one is it?"), asked)
                assert result.error is not None
                assert result.error.code == "budget"
            assert not ledger.read(lambda db: db.execute("SELECT * FROM rate_slots").fetchall())

    asyncio.run(through())


@pytest.mark.parametrize("change", [None, limited, with_a_large_budget], ids=["at once", "limited", "held up"])
def test_a_run_may_be_cancelled_at_any_turn_of_the_loop(stage: Stage, change: Work[None] | None) -> None:
    async def through() -> None:
        async with stage.engine() as engine:
            await ask(engine)
            if change is not None:
                with Ledger.open(stage.ledger) as another:
                    another.write(change)
            for turns in range(25):
                task = asyncio.ensure_future(engine.run(Prompt(f"Which one is it? {turns}"), ASK))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    asyncio.run(through())
    assert not spooled(stage.ledger)
    with sqlite3.connect(stage.ledger) as db:
        states = {state for (state,) in db.execute("SELECT status FROM calls UNION SELECT status FROM runs")}
        kept = db.execute("SELECT count(*) FROM rate_slots").fetchone()[0]
    assert states <= {"complete", "completed", "interrupted"}
    assert kept <= len(stage.script.sent)


# -- the Python face -----------------------------------------------------------------------------------------------


def test_an_orchestrator_answers_from_scripts_threads_and_loops(user_files: Path) -> None:
    with Orchestrator(simulate=True) as orch:
        assert orch.run("What is the capital of France?", "cheapest").status == "complete"
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(orch.run, ["What is the capital of Italy?"] * 8))
        assert {result.status for result in found} == {"complete"}

        async def from_a_loop() -> None:
            results = await asyncio.gather(*(orch.arun("What is the capital of Spain?") for _ in range(8)))
            assert len(results) == 8
            assert orch.run("What is the capital of Chile?").status == "complete"  # as in a notebook

        asyncio.run(from_a_loop())
    asyncio.run(close_twice())


async def close_twice() -> None:
    async with Orchestrator(simulate=True) as orch:
        await orch.arun("Hello")
    await orch.aclose()


def test_the_functions_share_one_engine_until_what_it_is_made_from_changes(
    user_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_SIMULATE", "1")
    run_orchestration("Hello")
    engine = shared.engine_for(None)
    run_orchestration("Hello")
    assert shared.engine_for(None) is engine
    monkeypatch.setenv("ORCH_LEDGER", str(user_files / "another.db"))
    run_orchestration("Hello")
    assert shared.engine_for(None) is not engine
    assert runs_in(user_files / "another.db") == 1
    changed = shared.engine_for(None)
    changed.settings.config_dir.mkdir(parents=True)
    (changed.settings.config_dir / "config.yaml").write_text("strategy: cheapest\n")
    assert shared.engine_for(None) is not changed
    shared.close()
    assert not alive(user_files)


def script(text: str, **environ: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-W", "error", "-c", textwrap.dedent(text)]
    return subprocess.run(
        argv, capture_output=True, text=True, env={**os.environ, **environ}, timeout=PATIENCE_S, check=False
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_forks_and_its_child_both_go_on(user_files: Path) -> None:
    done = script(
        """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking a process that has threads
        from orchestrator import run_orchestration
        run_orchestration("Hello", simulate=True)
        child = os.fork()
        print(run_orchestration(f"Hello from {'parent' if child else 'child'}", simulate=True).status, flush=True)
        if child:
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status))
            print(run_orchestration("Hello again", simulate=True).status)
        """,
        ORCH_LEDGER=str(user_files / "ledger.db"),
    )
    assert done.stderr == ""
    assert sorted(done.stdout.split()) == ["0", "complete", "complete", "complete"]
    assert runs_in(user_files / "ledger.db") == 4
    assert not alive(user_files)


def test_a_script_that_ends_closes_what_is_open(user_files: Path) -> None:
    done = script(
        """
        from orchestrator import run_orchestration
        for number in range(20):
            run_orchestration(f"Hello {number}", "cheapest", simulate=True)
        """,
        ORCH_LEDGER=str(user_files / "ledger.db"),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert runs_in(user_files / "ledger.db") == 20
    assert not alive(user_files)


SLOW_LANE = """
checked: 2026-11-21
models:
  slow-lane:
    provider: openai
    id: slow-lane
    context_window: 200_000
    output_limit: 8_000
    levels: [basic]
    scores: {coding: 0.5, reasoning: 0.5, speed: 0.5, long_context: 0.5}
    limits: {rpm: 1}
    prices: [{input: 0.1, output: 0.5}]
"""


def test_a_run_that_waits_in_line_can_be_seen_in_the_ledger(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(SLOW_LANE)
    stage = Stage(tmp_path, Script({"slow-lane": [reply(SURE)]}))
    environ = {**stage.environ, "ORCH_MODELS": str(tmp_path / "models.yaml")}
    settings = load_settings(environ, ledger=stage.ledger)
    settings = replace(settings, config_dir=tmp_path, retry=replace(settings.retry, max_wait_s=180))
    seen: list[asyncio.Future[list[str]]] = []

    def look(connection: sqlite3.Connection) -> list[str]:
        return [status for (status,) in connection.execute("SELECT status FROM runs ORDER BY run_id")]

    async def two() -> None:
        with Ledger.open(stage.ledger) as ledger:
            engine = Engine(settings, connect=lambda name: ScriptedProvider(name, stage.script), ledger=ledger)
            options = replace(RunOptions(), chain="slow-lane")
            await engine.run(Prompt("Which one is it?"), options)
            waits = asyncio.Event()

            def observe(event: Event) -> None:
                if isinstance(event, Waiting):
                    seen.append(ledger.submit(look, reads=True))
                    waits.set()

            second = asyncio.create_task(engine.run(Prompt("Which one is it?"), options, observe))
            await waits.wait()
            await seen[0]
            second.cancel()
            with pytest.raises(RunInterrupted):
                await second

    asyncio.run(two())
    assert seen[0].result() == ["complete", "running"]
