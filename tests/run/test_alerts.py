"""Telling the user's command of alerts: after the answer, within a time limit, and nothing of it outlives the run."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from scripted import NOW, SURE, Script, ScriptedProvider, Stage, reply

from orchestrator.config import RunOptions
from orchestrator.ledger.budgets import Budget, Scope, set_budgets
from orchestrator.ledger.store import Ledger
from orchestrator.period import Period
from orchestrator.run.call import alerts
from orchestrator.run.engine import Engine, RunInterrupted
from orchestrator.run.events import Event, Note
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Prompt

ASK = replace(RunOptions(), chain="gpt-6-luna", max_tokens=2_000)


def command(folder: Path, *lines: str) -> Path:
    """A command that notes its process, then does as the lines say."""
    path = folder / "tell"
    path.write_text("\n".join(("#!/bin/sh", f"echo $$ >> {folder / 'started'}", *lines)) + "\n")
    path.chmod(0o700)
    return path


def started(folder: Path) -> list[int]:
    path = folder / "started"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def is_alive(pid: int) -> bool:
    """A process that was killed is there for a moment, and as a zombie until it is waited for."""
    for _ in range(500):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        time.sleep(0.01)
    return True


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes as Linux has them")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A budget of a day that one answer spends nearly all of."""
    stage = Stage(tmp_path, Script({"gpt-6-luna": [reply(SURE, tokens=(10, 2_000))]}))
    reserved = stage.run(chain=ASK.chain, max_tokens=ASK.max_tokens).calls[0].reserved_nanousd
    assert reserved is not None
    with Ledger.open(stage.ledger) as ledger:
        ledger.write(lambda db: db.execute("UPDATE calls SET cost_nanousd = 0"))
        ledger.write(lambda db: set_budgets(db, [Budget(Period.DAY, Scope.ALL, "", reserved + reserved // 5)]))
    return stage


def alerting(stage: Stage, on_alert: Path) -> Engine:
    settings = replace(stage.engine().settings, on_alert=str(on_alert))
    return Engine(settings, connect=lambda name: ScriptedProvider(name, stage.script), clock=lambda: NOW)


def test_the_answer_is_given_before_anybody_is_told(stage: Stage) -> None:
    tell = command(stage.folder)
    given: list[tuple[str, list[int]]] = []

    def answered(result: OrchestrationResult) -> None:
        given.append((result.response, started(stage.folder)))

    engine = alerting(stage, tell)
    result = asyncio.run(engine.execute(engine.plan(Prompt("?"), ASK), answered=answered))
    assert given == [(SURE, [])]
    assert result.response == SURE
    assert len(started(stage.folder)) == 1


def test_a_run_that_is_cancelled_meanwhile_keeps_its_answer_and_stops_the_command(stage: Stage) -> None:
    tell = command(stage.folder, "sleep 600 &", f"echo $! >> {stage.folder / 'started'}", "sleep 600")

    async def cancelled() -> OrchestrationResult:
        task = asyncio.create_task(alerting(stage, tell).run(Prompt("?"), ASK))
        while len(started(stage.folder)) < 2 and not task.done():  # noqa: ASYNC110  # another process tells
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(RunInterrupted) as interrupted:
            await task
        return interrupted.value.result

    result = asyncio.run(cancelled())
    assert (result.status, result.response) == ("complete", SURE)
    assert [pid for pid in started(stage.folder) if is_alive(pid)] == []


def test_a_command_that_takes_too_long_is_stopped_with_all_that_it_started(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "_PATIENCE_S", 0.3)
    tell = command(stage.folder, "sleep 600 &", f"echo $! >> {stage.folder / 'started'}", "sleep 600")
    said: list[Event] = []
    asyncio.run(alerting(stage, tell).run(Prompt("?"), ASK, said.append))
    assert [event.text.partition("tell ")[2] for event in said if isinstance(event, Note) and event.loud] == [
        "was stopped after 0 s"
    ]
    assert [pid for pid in started(stage.folder) if is_alive(pid)] == []


def test_a_command_that_fails_is_a_warning_with_its_last_word(stage: Stage) -> None:
    tell = command(stage.folder, "echo no mail today >&2", "exit 3")
    said: list[Event] = []
    asyncio.run(alerting(stage, tell).run(Prompt("?"), ASK, said.append))
    assert [event.text.partition("tell ")[2] for event in said if isinstance(event, Note) and event.loud] == [
        "ended with exit code 3 (no mail today)"
    ]


def test_ctrl_c_while_alerts_are_told_costs_no_answer(user_files: Path) -> None:
    tell = command(user_files, "sleep 600")
    (user_files / "config.yaml").write_text(f"on_alert: {tell}\n")
    orch = [sys.executable, "-m", "orchestrator"]
    run = [*orch, "run", "-p", "What is 2+2?", "--simulate", "--chain", "gpt-6-luna", "--max-tokens", "100"]
    asked = subprocess.run([*run, "-o", "json"], capture_output=True, check=True, timeout=60)
    (reserved,) = [call["cost_nanousd"] for call in json.loads(asked.stdout)["calls"]]
    assert reserved
    limit = f"{(3 * reserved) / 1e9:.9f}"
    subprocess.run([*orch, "budget", "set", "--daily", limit, "--simulate"], check=True, timeout=60)
    with subprocess.Popen(
        [*run, "--config", str(user_files / "config.yaml")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        answer = process.stdout.readline()
        while not started(user_files) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=60)
    assert answer.strip(), said
    assert (process.returncode, rest) == (0, b"")
    assert [pid for pid in started(user_files) if is_alive(pid)] == []
