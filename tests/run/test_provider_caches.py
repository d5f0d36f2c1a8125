"""What is sent again is served from the provider's cache, on every wire, at the prices of writing and reading."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from orchestrator.config import RunOptions, load_settings
from orchestrator.reading.attachments import attach
from orchestrator.reading.messages import from_openai
from orchestrator.run.engine import Engine
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import Prompt

FILE = "file: rules.txt\n" + "\n".join(f"{line}\tRule {line} applies to every visitor." for line in range(1, 201))
WIRES = ["claude-sonnet-5-5", "gpt-6-luna", "gemini-3.8-flash"]
PROGRAM = "You check every claim against the rules of the house. " * 120


def asked(*prompts: Prompt, **options: Any) -> list[OrchestrationResult]:
    async def ask() -> list[OrchestrationResult]:
        async with Engine(load_settings(os.environ, simulate=True)) as engine:
            return [await engine.run(prompt, RunOptions(**options)) for prompt in prompts]

    return asyncio.run(ask())


def turns(*said: str) -> Prompt:
    roles = ("user", "assistant")
    return from_openai([{"role": roles[n % 2], "content": text} for n, text in enumerate(said)])


@pytest.mark.parametrize("model", WIRES)
@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            attach("How many rules are there?", None, FILE),
            attach("What is rule 7?", None, FILE),
            id="a file",
        ),
        pytest.param(
            turns("Keep these.\n" + FILE, "I have them.", "How many are there?"),
            turns("Keep these.\n" + FILE, "I have them.", "How many are there?", "200.", "And which is the last?"),
            id="a conversation",
        ),
        pytest.param(
            Prompt("Is the house open?", PROGRAM), Prompt("Is the garden open?", PROGRAM), id="a system prompt"
        ),
    ],
)
def test_what_is_asked_about_twice_is_served_from_the_cache(model: str, first: Prompt, second: Prompt) -> None:
    once, twice = asked(first, second, chain=model)
    (written,), (read,) = once.calls, twice.calls
    assert written.cached_tokens == 0
    assert read.cached_tokens > 0.8 * written.input_tokens
    assert (read.cost_nanousd or 0) < 0.6 * (written.cost_nanousd or 0)


def test_nothing_is_marked_where_the_user_says_so_and_a_short_prompt_never_is() -> None:
    prompts = [attach(question, None, FILE) for question in ("How many?", "Which?")]
    for result in asked(*prompts, chain="claude-sonnet-5-5", provider_cache=False):
        assert result.calls[0].cached_tokens == 0
    costs = [
        [result.cost_nanousd for result in asked(Prompt("Hi"), chain="claude-sonnet-5-5", provider_cache=kept)]
        for kept in (True, False)
    ]
    assert costs[0] == costs[1]
