"""A question that was asked before in other words is answered by what was kept, and no other question is."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted import NOW, SURE, Script, Stage, reply
from skipping import carry_out

from orchestrator.config import RunOptions
from orchestrator.config.options import Served
from orchestrator.errors import ConfigError, OverloadedError, UsageError
from orchestrator.ledger.kept_answers import KeptAnswer, KeptAnswers, answers_path
from orchestrator.ledger.kept_prompts import KeptPrompts
from orchestrator.run.call.prompt_search import PromptSearch, kept_prompt
from orchestrator.run.events import Event, Note
from orchestrator.run.result import OrchestrationResult
from orchestrator.simulator.embedding import embedding
from orchestrator.types import Completion, FinishReason, Prompt, Request, Tool, Usage

GPT, EMBEDDER = "gpt-6-luna", "text-embedding-3-small"
ASKED, AGAIN = "How do rainbows form?", "Explain how rainbows form."


def embedded(request: Request) -> Completion:
    assert request.embeds
    vector = tuple(embedding(request.messages[0].content, request.dimensions or 8))
    return Completion("", FinishReason.STOP, Usage(7, 0), 3, EMBEDDER, embedding=vector)


def stage_of(folder: Path) -> Stage:
    return Stage(folder, Script({GPT: [reply(SURE)], EMBEDDER: [embedded]}))


def asked(stage: Stage, prompt: str = AGAIN, **options: Any) -> OrchestrationResult:
    given = {"chain": GPT, "semantic_cache": ("explanation", "question"), "embedding": EMBEDDER}
    return stage.run(prompt=prompt, **(given | options))


def answers_asked_for(stage: Stage) -> int:
    return sum(not request.embeds for request in stage.script.sent)


def test_the_same_in_other_words_costs_its_embedding_and_says_where_the_answer_comes_from(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    paid, hit = asked(stage, ASKED), asked(stage)
    assert answers_asked_for(stage) == 1
    looked_up, call = hit.calls
    assert (looked_up.role, looked_up.model, looked_up.input_tokens) == ("embedding", EMBEDDER, 7)
    assert looked_up.cost_nanousd == hit.cost_nanousd == 7 * 20  # $0.02 a million tokens
    assert (looked_up.response, looked_up.cost_source) == (None, "usage")
    assert (hit.response, call.from_run, call.saved_nanousd) == (SURE, paid.run_id, paid.calls[1].cost_nanousd)
    assert 0.7 <= (call.similarity or 0) < 1
    assert hit.metadata["semantic_cache"][0]["hit"]
    exact = asked(stage, ASKED)
    assert [(each.from_run, each.similarity) for each in exact.calls] == [(paid.run_id, None)]


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        pytest.param("Why do rainbows form?", {}, id="another question"),
        pytest.param("How do rainbows not form?", {}, id="negation"),
        pytest.param(AGAIN, {"semantic_cache": ("math",)}, id="another kind of task"),
        pytest.param(AGAIN, {"cache_s": 0.0, "given": {"cache_s": "--no-cache"}}, id="no cache"),
        pytest.param(AGAIN, {"system": "Be brief."}, id="system prompt"),
        pytest.param(AGAIN, {"schema": {"type": "string"}}, id="schema"),
        pytest.param(AGAIN, {"temperature": 0.3, "chain": "gemini-3.8-flash"}, id="model"),
        pytest.param(AGAIN, {"max_tokens": 99}, id="output limit"),
        pytest.param(AGAIN, {"served": Served("ann")}, id="a client's key"),
        pytest.param(AGAIN, {"embedding": "openai/text-embedding-3-large"}, id="embedded by another model"),
        pytest.param(AGAIN, {"tools": (Tool("look_up", "", {"type": "object"}),)}, id="tools"),
    ],
)
def test_what_is_not_the_same_is_asked(tmp_path: Path, prompt: str, options: dict[str, Any]) -> None:
    stage = stage_of(tmp_path)
    stage.script.acts |= {"gemini-3.8-flash": [reply(SURE)], "text-embedding-3-large": [embedded]}
    asked(stage, ASKED)
    asked(stage, prompt, **options)
    assert answers_asked_for(stage) == 2


def test_why_the_nearest_was_not_taken_is_told_without_its_words(tmp_path: Path) -> None:
    stage, events = stage_of(tmp_path), list[Event]()
    first = asked(stage, ASKED)
    missed = asked(stage, "Why do rainbows form?", observe=events.append)
    (looked,) = missed.metadata["semantic_cache"]
    assert (looked["run_id"], looked["hit"], looked["differs"]) == (first.run_id, False, ["what is asked for"])
    told = next(each for each in missed.metadata["decisions"] if "semantic cache" in each)
    assert "differs in what is asked for" in told
    assert ASKED not in told
    assert any(isinstance(event, Note) and ASKED in event.text for event in events)


def test_an_explanation_says_why_each_cache_hit_or_missed_and_why_this_model(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)

    def caches(prompt: str, **options: Any) -> list[str]:
        explanation = asked(stage, prompt, explain=True, **options).explanation
        assert explanation is not None
        answered, *lines = explanation.lines()
        assert (answered, explanation.why[0][:6]) == (f"{GPT} answered:", "chain:")
        assert GPT in explanation.why[1]
        return [line.strip() for line in lines[lines.index("Caches:") + 1 :]]

    first = asked(stage, "How do rainbows form in 3 hours?").run_id
    response, semantic, prompt, *words = caches("How do rainbows not form in 4 hours?")
    assert response == f"- {GPT}, response cache, miss: no answer to this very request is kept"
    assert semantic.startswith(f"- {GPT}, semantic cache, miss: the nearest prompt is that of run {first}, 0.")
    assert semantic.endswith("alike (from 0.70 on it can be a hit)")
    assert prompt == "How do rainbows form in 3 hours?"
    assert words == [
        "differs in numbers (4 / 3)",
        "differs in negation (not / -)",
        f"- {GPT}, provider's cache, miss: 10 tokens of input, and what is shorter than 1,024 is not kept",
    ]
    _, hit, *_ = caches("How do rainbows form in three hours?")
    assert hit.startswith(f"- {GPT}, semantic cache, hit: the nearest prompt is that of run {first}, ")
    again = caches("How do rainbows form in 3 hours?")
    assert again == [f"- {GPT}, response cache, hit: run {first} asked the same 0 s before"]
    unlike = f"- {GPT}, semantic cache, miss: "
    assert f"{unlike}no prompt is kept for this model and these options" in caches(AGAIN, system="Be brief.")
    assert f"{unlike}it is asked for math, and the prompt is taken for explanation" in caches(
        AGAIN, semantic_cache=("math",)
    )
    assert caches(ASKED, semantic_cache=())[0] == "- response cache, off: --cache would turn it on"


def test_it_lasts_as_long_as_the_answers_do(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    asked(stage, ASKED, cache_s=60)
    later = stage.engine(clock=lambda: NOW + timedelta(seconds=61))
    options = RunOptions(chain=GPT, semantic_cache=("explanation",), embedding=EMBEDDER, cache_s=60)
    carry_out(later.run(Prompt(AGAIN), options), stage.script.clock)
    assert answers_asked_for(stage) == 2


def test_prompts_go_with_their_answers(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    run = asked(stage, ASKED)
    file = KeptAnswers(stage.ledger, 10**6)
    try:
        prompts, before = KeptPrompts(file), file.kept()
        assert prompts.count() == 1
        assert before.bytes > 1024 + 200  # the vector counts
        if os.name == "posix":
            assert answers_path(stage.ledger).stat().st_mode & 0o777 == 0o600
        file.forget([str(run.run_id)])
        assert prompts.count() == 0
        for path in tmp_path.glob("*.answers*"):
            assert b"rainbows" not in path.read_bytes()
    finally:
        file.close()


def test_among_many_the_nearest_are_found_and_what_is_gone_is_not(tmp_path: Path) -> None:
    file = KeptAnswers(tmp_path / "ledger.db", 10**8)
    try:
        search, other = PromptSearch(KeptPrompts(file)), PromptSearch(KeptPrompts(file))
        words = [f"w{number}" for number in range(300)]
        rows = [np.asarray(embedding(f"{one} {two} alike", 256), np.float32) for one, two in pairwise(words)]
        keys = [str(number) for number in range(len(rows))]
        file.keep([KeptAnswer(key, "{}", f"run {key}", 1, NOW, NOW + timedelta(1)) for key in keys], NOW)
        for part in (slice(0, 100), slice(100, 299)):  # what comes later is found too
            kept = [kept_prompt(key, "s", "here", key, row) for key, row in zip(keys[part], rows[part], strict=True)]
            search.prompts.keep(kept)
            for key, row in zip(keys[part], rows[part], strict=True):
                found = other.nearest("s", "here", row)[0]
                assert found.key == key
                assert found.similarity == pytest.approx(1, abs=0.01)
        assert other.nearest("s", "elsewhere", rows[0]) == other.nearest("t", "here", rows[0]) == []
        file.forget(["run 7"])
        assert other.nearest("s", "here", rows[7])[0].key != "7"
    finally:
        file.close()


def test_where_no_embedding_comes_the_question_is_asked_with_a_word(tmp_path: Path) -> None:
    stage, events = stage_of(tmp_path), list[Event]()
    stage.script.acts |= {EMBEDDER: [OverloadedError("too much", provider="openai")]}
    result = asked(stage, ASKED, observe=events.append)
    assert result.response == SURE
    assert any(
        isinstance(event, Note) and event.loud and "without the semantic cache" in event.text for event in events
    )


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        pytest.param({"semantic_cache": ("explain",)}, UsageError, "kinds of task", id="task"),
        pytest.param({"embedding": "text-embedding-9"}, UsageError, "no embedding model", id="model"),
        pytest.param({"embedding": "anthropic/x"}, UsageError, "anthropic has no embeddings", id="provider"),
        pytest.param(
            {"semantic_cache": (), "given": {"embedding": "--embedding"}}, UsageError, "needs the", id="alone"
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(
    tmp_path: Path, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    stage = stage_of(tmp_path)
    with pytest.raises(kind, match=message):
        asked(stage, **options)
    assert stage.script.sent == []


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.reading.embedding.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="not installed"):
        asked(stage_of(tmp_path), embedding="local")


@pytest.mark.parametrize("model", [EMBEDDER, "gemini-embedding-001", "ollama/nomic-embed-text"])
def test_the_command_line(
    orch: Callable[..., subprocess.CompletedProcess[bytes]], monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://localhost:11434/v1")
    flags = ("--simulate", "-m", GPT, "--semantic-cache", "explanation", "--embedding", model)
    for prompt in (ASKED, AGAIN, "Explain why rainbows form"):
        assert orch("run", *flags, prompt).returncode == 0
    counted = json.loads(orch("cache", "--simulate", "-o", "json").stdout)["semantic"]
    assert (counted["prompts"], counted["hits"], counted["embeddings"]) == (1, 1, 3)
    why = orch("why", "--simulate").stdout.decode()
    assert f"    {ASKED}" in why
    assert "differs in what is asked for (why / how it is done)" in why
