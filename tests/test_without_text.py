"""`ORCH_LOG_TEXT=0`: nothing of a prompt or an answer is on disk, whatever was asked for and however it ended."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted import Act, Script, Stage, reply

from orchestrator.config import RunOptions
from orchestrator.errors import (
    BadReplyError,
    IncompleteError,
    OrchError,
    OverloadedError,
    RequestRejectedError,
)
from orchestrator.ledger.store import Ledger
from orchestrator.registry.loading import load_registry
from orchestrator.types import FinishReason, Prompt, Request, Tool, ToolCall, Usage

CANARY = "zanzibar"
PROMPT = f"What is 17 * 23, and why does {CANARY} matter to it? Answer with {CANARY}."
ANSWER = f"I'm not sure about {CANARY}, it might be 12 * 3 = 37; the answer is {CANARY}."
TOOL = Tool(CANARY, CANARY, {"type": "object", "properties": {"x": {"const": 1}}})


def echoed(request: Request) -> Any:
    """A reply that repeats its prompt wherever a reply has room for text."""
    usage = Usage(10, 20, raw={"note": CANARY, CANARY: {"text": CANARY}, "deep": {"n": 1, "text": CANARY}})
    return replace(reply(f"{ANSWER} {request.messages[-1].content}"), usage=usage)


def called_a_tool(request: Request) -> Any:
    return replace(
        reply(ANSWER),
        finish_reason=FinishReason.TOOL_CALLS,
        tool_calls=(ToolCall("1", CANARY, f'{{"x": "{CANARY}"}}'),),
    )


def judged(request: Request) -> Any:
    return reply(f'{{"score": 0.4, "issues": ["{CANARY} is wrong"]}}')


def failed(kind: type[Any], **how: Any) -> Exception:
    error: Exception = kind(f"openai m: it said: {CANARY}", provider="openai", model="m", **how)
    return error


ONE = {"strategy": "fallback", "chain": "gpt-6-luna"}
TWO = {"strategy": "fallback", "chain": "gpt-6-luna,gpt-6-sol"}
PANEL = {"strategy": "ensemble", "models": ("gpt-6-luna", "gpt-6-sol")}
SAYS = f'{sys.executable} -c "import sys; print(sys.stdin.read()); sys.exit(1)"'


@pytest.mark.parametrize(
    ("acts", "options"),
    [
        pytest.param([echoed], ONE, id="an answer"),
        pytest.param([echoed], TWO, id="a cascade"),
        pytest.param([echoed], TWO | {"accept": "agreement"}, id="agreement"),
        pytest.param([echoed], ONE | {"verify": SAYS}, id="the user's command"),
        pytest.param([lambda _: reply(f'"{CANARY}"')], ONE | {"schema": {"const": 1}}, id="a schema"),
        pytest.param([called_a_tool], ONE | {"tools": (TOOL,)}, id="a tool"),
        pytest.param([echoed], PANEL, id="an ensemble"),
        pytest.param([echoed, judged], TWO | {"self_check": "gpt-6-luna"}, id="a self-check"),
        pytest.param([echoed], {"strategy": "pipeline"}, id="a pipeline"),
        pytest.param([echoed, judged], {"strategy": "refine"}, id="a loop"),
        pytest.param([echoed], {"strategy": "debate"}, id="a debate"),
        pytest.param([echoed], {"strategy": "diverge"}, id="a synthesis"),
        pytest.param([failed(RequestRejectedError, status=400)], ONE, id="an error that quotes"),
        pytest.param([failed(BadReplyError), echoed], TWO, id="a retry and a failure"),
        pytest.param([failed(OverloadedError, status=503)], TWO, id="a breaker"),
        pytest.param([failed(OverloadedError)], PANEL, id="none answers"),
        pytest.param([failed(IncompleteError, partial=reply(ANSWER))], ONE, id="a piece of an answer"),
        pytest.param([ValueError(CANARY)], ONE, id="a bug"),
        pytest.param([echoed], ONE | {"stream": True}, id="a stream"),
    ],
)
def test_nothing_of_a_prompt_or_an_answer_is_on_disk(tmp_path: Path, acts: list[Act], options: dict[str, Any]) -> None:
    registry = load_registry(models_file=None, chains_file=None, config_dir=tmp_path)
    stage = Stage(tmp_path, Script({spec.id: acts for spec in registry.models.values()}))
    engine = stage.engine(log_text=False)
    asked = replace(RunOptions(timeout_s=60, subject=f"{CANARY}@example.com"), **options)
    for _ in range(3):  # so that breakers open
        with suppress(OrchError, ValueError):
            asyncio.run(engine.run(Prompt(PROMPT, f"You are {CANARY}."), asked))
    with Ledger.open(stage.ledger) as ledger:
        assert ledger.read(lambda connection: connection.execute("SELECT count(*) FROM calls").fetchone()[0])
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or CANARY.encode() not in file.read_bytes(), file.name
    with sqlite3.connect(stage.ledger) as connection:
        assert CANARY not in "\n".join(connection.iterdump())
    connection.close()
