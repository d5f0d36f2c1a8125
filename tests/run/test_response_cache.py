"""An answer that was accepted is given again without asking, and nothing else is."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scripted import NOW, SURE, UNSURE, Act, Hang, Script, Stage, reply

from orchestrator.config import RunOptions
from orchestrator.config.options import Served
from orchestrator.ledger.kept_answers import KeptAnswer, KeptAnswers, answers_path
from orchestrator.run.events import Event, Note, TextArrived
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import FinishReason, Prompt, Tool, ToolCall

GPT, CLAUDE, OLDER = "gpt-6-luna", "claude-haiku-5-5", "claude-sonnet-4-6"
DAY = 86_400.0
LOOK_UP = Tool("look_up", "Looks something up.", {"type": "object", "properties": {"what": {"type": "string"}}})
REFUSAL = "I'm sorry, but I can't help with that request."


def stage_of(folder: Path, *acts: Act, **others: list[Act]) -> Stage:
    script: dict[str, Any] = {GPT: acts or [reply(SURE)], CLAUDE: [reply(SURE)], OLDER: [reply(SURE)]}
    return Stage(folder, Script(script | {name.replace("_", "-"): each for name, each in others.items()}))


def test_a_hit_costs_nothing_and_says_where_it_comes_from(tmp_path: Path) -> None:
    events: list[Event] = []
    stage = stage_of(tmp_path)
    paid = stage.run(chain=GPT, cache_s=DAY)
    hit = stage.run(chain=GPT, cache_s=DAY, stream=True, observe=events.append)
    assert len(stage.script.sent) == 1
    (call,) = hit.calls
    assert (hit.response, hit.cost_nanousd, hit.cost_source) == (SURE, 0, "cache")
    assert (call.status, call.from_run, call.saved_nanousd) == ("completed", paid.run_id, paid.cost_nanousd)
    assert (call.input_tokens, call.output_tokens, call.latency_ms, call.sent_at) == (0, 0, None, None)
    assert [(event.text, event.final) for event in events if isinstance(event, TextArrived)] == [(SURE, True)]
    assert any("is from the cache" in decision for decision in hit.metadata["decisions"])
    assert hit.completion is not None
    assert hit.completion.usage == paid.completion.usage  # type: ignore[union-attr]  # a run that has an answer


def test_clients_with_different_keys_share_no_answers(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    for key in ("ann", "bob", None, "ann", "bob", None):
        stage.run(chain=GPT, cache_s=DAY, served=Served(key))
    assert len(stage.script.sent) == 3


def test_a_hit_of_tools_has_their_calls(tmp_path: Path) -> None:
    wanted = ToolCall("call_1", "look_up", '{"what": "it"}')
    stage = stage_of(tmp_path, replace(reply("", finish=FinishReason.TOOL_CALLS), tool_calls=(wanted,)))
    for _ in range(2):
        assert stage.run(chain=GPT, cache_s=DAY, tools=(LOOK_UP,)).tool_calls == (wanted,)
    assert len(stage.script.sent) == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"chain": CLAUDE}, id="model"),
        pytest.param({"temperature": 0.5}, id="temperature"),
        pytest.param({"top_p": 0.3}, id="top_p"),
        pytest.param({"stop": ("##",)}, id="stop"),
        pytest.param({"max_tokens": 99}, id="output limit"),
        pytest.param({"schema": {"type": "string"}}, id="schema"),
        pytest.param({"system": "Be brief."}, id="system prompt"),
        pytest.param({"prompt": "Which one was it?"}, id="prompt"),
        pytest.param({"cache_s": 0.0}, id="no cache"),
    ],
)
def test_what_decides_the_answer_is_asked_anew(tmp_path: Path, other: dict[str, Any]) -> None:
    stage = stage_of(tmp_path)
    stage.run(chain=OLDER, cache_s=DAY)
    stage.run(**{"chain": OLDER, "cache_s": DAY, **other})
    assert len(stage.script.sent) == 2


def test_what_decides_nothing_of_the_answer_finds_it(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    stage.run(chain=GPT, cache_s=DAY)
    stage.run(chain=GPT, cache_s=60, tags=("a",), timeout_s=7, category="b", provider_cache=False, strategy="fallback")
    assert len(stage.script.sent) == 1


@pytest.mark.parametrize(
    ("act", "options"),
    [
        pytest.param(reply(REFUSAL), {}, id="refused in words"),
        pytest.param(reply(SURE, finish=FinishReason.LENGTH), {}, id="cut off"),
        pytest.param(reply("  "), {}, id="empty"),
        pytest.param(reply(SURE), {"verify": "false"}, id="rejected by the user's command"),
        pytest.param(reply(SURE), {"schema": {"type": "object"}}, id="does not fit the schema"),
        pytest.param(reply(UNSURE), {"chain": f"{GPT},{CLAUDE}", "threshold": 0.99}, id="the best seen"),
    ],
)
def test_what_was_not_accepted_is_not_kept(tmp_path: Path, act: Act, options: dict[str, Any]) -> None:
    stage = stage_of(tmp_path, act)
    for _ in range(2):
        stage.run(**{"chain": GPT, "cache_s": DAY, **options})
    assert sum(request.model == GPT for request in stage.script.sent) == 2


def test_a_cascade_keeps_the_leg_that_was_accepted(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, reply(UNSURE))
    runs = [stage.run(chain=f"{GPT},{CLAUDE}", cache_s=DAY, threshold=0.7) for _ in range(2)]
    assert [run.model_used for run in runs] == [CLAUDE, CLAUDE]
    assert [request.model for request in stage.script.sent] == [GPT, CLAUDE, GPT]


def test_members_of_a_panel_answer_each_for_itself_and_are_all_found_again(tmp_path: Path) -> None:
    (tmp_path / "chains.yaml").write_text(f"thrice: {{panel: {{reduce: vote, members: [{GPT}, {GPT}, {GPT}]}}}}\n")
    stage = stage_of(tmp_path)
    first, second = (stage.run(strategy="thrice", cache_s=DAY) for _ in range(2))
    assert len(stage.script.sent) == 3
    assert [call.cost_source for call in second.calls] == ["cache"] * 3
    stage.run(chain=GPT, cache_s=DAY)  # the first of them is as one that is alone
    assert (len(stage.script.sent), first.response) == (3, second.response)


def test_an_answer_is_taken_up_to_its_age(tmp_path: Path) -> None:
    stage, later = stage_of(tmp_path), NOW + timedelta(hours=1)

    async def ask(now: datetime, ttl_s: float) -> None:
        engine = stage.engine(clock=lambda: now)
        await engine.run(Prompt("Which one is it?"), RunOptions(chain=GPT, cache_s=ttl_s))

    for now, ttl_s, sent in ((NOW, 3600, 1), (later, 3600, 1), (later, 3599, 2), (later, 60, 2)):
        asyncio.run(ask(now, ttl_s))
        assert len(stage.script.sent) == sent


def together(stage: Stage, count: int, cancel_first: bool = False) -> list[OrchestrationResult | BaseException]:
    async def ask() -> list[OrchestrationResult | BaseException]:
        async with stage.engine() as engine:
            options = RunOptions(chain=GPT, cache_s=DAY)
            runs = [asyncio.create_task(engine.run(Prompt("Which?"), options)) for _ in range(count)]
            if cancel_first:
                await stage.script.hanging.wait()
                runs[0].cancel()
            return await asyncio.gather(*runs, return_exceptions=True)

    return asyncio.run(ask())


def test_the_same_request_is_under_way_once(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    results = together(stage, 8)
    assert [each.response for each in results] == [SURE] * 8  # type: ignore[union-attr]  # none raised
    assert len(stage.script.sent) == 1
    assert sorted(str(each.cost_source) for each in results) == ["cache"] * 7 + ["usage"]  # type: ignore[union-attr]


def test_whoever_waits_for_a_run_that_comes_to_nothing_asks(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, Hang(), reply(SURE))
    cancelled, *others = together(stage, 3, cancel_first=True)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert [each.response for each in others] == [SURE] * 2  # type: ignore[union-attr]  # none raised
    assert len(stage.script.sent) == 2


def test_nothing_is_kept_where_no_texts_are(tmp_path: Path) -> None:
    stage, events = stage_of(tmp_path), list[Event]()
    stage.environ["ORCH_LOG_TEXT"] = "0"
    for _ in range(2):
        stage.run(chain=GPT, cache_s=DAY, observe=events.append)
    assert len(stage.script.sent) == 2
    assert not answers_path(stage.ledger).exists()
    assert sum(isinstance(event, Note) and event.loud and "cache" in event.text for event in events) == 2


def test_a_file_that_cannot_be_read_is_done_without(tmp_path: Path) -> None:
    stage, events = stage_of(tmp_path), list[Event]()
    answers_path(stage.ledger).write_text("no database, but text that is long enough for one" * 50)
    assert stage.run(chain=GPT, cache_s=DAY, observe=events.append).response == SURE
    assert sum(isinstance(event, Note) and event.loud and "orch cache clear" in event.text for event in events) == 1
    file = KeptAnswers(stage.ledger, 10**6)
    assert file.clear() == 0
    stage.run(chain=GPT, cache_s=DAY)
    assert file.kept().answers == 1


# -- the file ----------------------------------------------------------------------------------------------------------


def an_answer(number: int, size: int = 1_000) -> KeptAnswer:
    return KeptAnswer(f"{number:064d}", f'"{"x" * size}"', "run", 1, NOW, NOW + timedelta(days=1))


def test_what_was_longest_of_no_use_goes_first(tmp_path: Path) -> None:
    file = KeptAnswers(tmp_path / "ledger.db", 10_000)
    for number in range(8):
        file.keep([an_answer(number)], NOW + timedelta(seconds=number))
    assert file.find(an_answer(0).key, NOW + timedelta(minutes=5), DAY) is not None  # now it is the latest
    file.keep([an_answer(8)], NOW + timedelta(minutes=6))
    file.keep([an_answer(9, size=10_000)], NOW)
    kept = {n for n in range(10) if file.find(an_answer(n).key, NOW + timedelta(minutes=6), DAY) is not None}
    assert {0, 8} <= kept
    assert kept.isdisjoint({1, 9})
    assert file.kept().bytes <= 10_000
    assert file.prune(NOW + timedelta(days=2)) == len(kept)
    assert answers_path(tmp_path / "ledger.db").stat().st_mode & 0o777 == 0o600


def keep_many(folder: Path, first: int) -> None:
    file = KeptAnswers(folder / "ledger.db", 10**9)
    for number in range(first, first + 25):
        file.keep([an_answer(number)], NOW)


def keep_for_ever(folder: Path, begun: Any) -> None:
    file, number = KeptAnswers(folder / "ledger.db", 100_000), 0
    while True:
        file.keep([an_answer(number)], NOW)
        number += 1
        begun.set()


def test_processes_share_the_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=keep_many, args=(tmp_path, 25 * n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert KeptAnswers(tmp_path / "ledger.db", 10**9).kept().answers == 75


def test_a_process_that_is_killed_leaves_a_usable_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    begun = context.Event()
    process = context.Process(target=keep_for_ever, args=(tmp_path, begun))
    process.start()
    begun.wait()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    file = KeptAnswers(tmp_path / "ledger.db", 100_000)
    assert file.kept().answers > 0
    file.keep([an_answer(10**6)], NOW)
    assert file.find(an_answer(10**6).key, NOW, DAY) is not None
    with sqlite3.connect(file.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# -- the command line --------------------------------------------------------------------------------------------------


Printed = subprocess.CompletedProcess[bytes]


def test_the_command_line(orch: Callable[..., Printed]) -> None:
    def document(*words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(orch(*words, "--simulate", "-o", "json").stdout)
        return found

    def ask(*words: str) -> dict[str, Any]:
        return document("run", "-m", GPT, *words)

    first, second = ask("--cache", "1h", "Why?"), ask("--cache", "Why?")
    (call,) = second["calls"]
    assert (second["cost_source"], call["from_run"]) == ("cache", first["run_id"])
    assert call["saved_nanousd"] == first["cost_nanousd"] > 0
    assert ask("--cache", "--no-cache", "Why?")["cost_source"] == "usage"
    assert b"from the cache" in orch("show", "--simulate", second["run_id"]).stdout
    total = document("report")["total"]
    assert (total["cache_hits"], total["saved_nanousd"]) == (1, first["cost_nanousd"])
    assert b"1 call answered by the response cache" in orch("report", "--simulate").stdout
    stats = document("cache")
    assert (stats["answers"], stats["hits"], stats["saved_nanousd"]) == (1, 1, first["cost_nanousd"])
    assert document("cache", "prune")["removed"] == 0
    assert document("cache", "clear")["removed"] == 1
    assert ask("--cache", "Why?")["cost_source"] == "usage"
    assert orch("ledger", "redact", "--all", "--simulate").returncode == 0
    assert document("cache")["answers"] == 0
    assert orch("cache", "clean", "--simulate").returncode == 2
    assert orch("run", "--simulate", "--cache=soon", "Why?").returncode == 2
