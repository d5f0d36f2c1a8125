"""What is shown of an answer while it comes is the answer: for every strategy, and every plan that is shipped."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playing import CHEAP, CHECKED, MIDDLE, NOTES_FIRST, STRONG, failing, play, verdict
from scripted import SURE, UNSURE, Act, Script, Stage, reply

from orchestrator.config import RunOptions, load_settings
from orchestrator.config.options import EXPERIMENT, STRATEGY_NAMES
from orchestrator.errors import IncompleteError, OverloadedError, ProviderError, RateLimitedError, RefusedError
from orchestrator.registry.loading import registry_for
from orchestrator.run.engine import Engine
from orchestrator.run.events import Event, TextArrived
from orchestrator.types import AcceptRule, Completion, FinishReason, Prompt

SETTINGS = load_settings({}, simulate=True)
REGISTRY = registry_for(SETTINGS)
NAMES = [name for name in STRATEGY_NAMES if name != EXPERIMENT]  # which draws one of the others
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
EVIDENCE: Mapping[str, Mapping[str, Any]] = {
    "alone": {},
    "never accepted": {"threshold": 1.0},
    "self-checked": {"self_check": "claude-haiku-5-5", "threshold": 0.9},
    "in agreement": {"accept": AcceptRule.AGREEMENT},
    "not verified": {"verify": "false"},
    "with a schema": {"schema": SCHEMA},
}
QUESTION = "Should I use REST or GraphQL?"


class Reader:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, TextArrived) and event.final:
            self.pieces.append(event.text)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@pytest.mark.parametrize("evidence", EVIDENCE.values(), ids=EVIDENCE)
def test_what_is_shown_is_the_response_for_every_strategy_and_plan(tmp_path: Path, evidence: Mapping[str, Any]) -> None:
    engine = Engine(replace(SETTINGS, ledger=tmp_path / "ledger.db", config_dir=tmp_path), registry=REGISTRY)

    async def run(name: str) -> None:
        reader = Reader()
        options = replace(RunOptions(), strategy=name, stream=True, **evidence)
        result = await engine.run(Prompt(QUESTION), options, reader)
        assert result.status in ("complete", "incomplete"), name
        assert reader.text in ("", result.response), name

    async def run_all() -> None:
        async with engine:
            await asyncio.gather(*map(run, dict.fromkeys((*NAMES, *REGISTRY.routing.tables, *REGISTRY.chains))))

    asyncio.run(run_all())


SHOWN_AS_THEY_COME = ["cheapest", "diverge", "pipeline", "build", "memory-brain"]


@pytest.mark.parametrize("name", SHOWN_AS_THEY_COME)
def test_an_answer_that_nothing_can_replace_is_shown_as_it_comes(tmp_path: Path, name: str) -> None:
    engine = Engine(replace(SETTINGS, ledger=tmp_path / "ledger.db", config_dir=tmp_path), registry=REGISTRY)
    reader = Reader()
    options = replace(RunOptions(), strategy=name, stream=True)
    result = asyncio.run(engine.run(Prompt(QUESTION), options, reader))
    assert reader.text == result.response != ""
    assert len(reader.pieces) > 1


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({}))


def shown(stage: Stage, plan: str, acts: dict[str, list[Act]], **options: Any) -> tuple[str, str, str]:
    """What is shown of a plan, what it gives, and its status."""
    reader = Reader()
    result = play(stage, plan, acts, stream=True, observe=reader, **options)
    return reader.text, result.response, result.status


def partial(kind: type[ProviderError], text: str) -> ProviderError:
    return failing(kind, partial=Completion(text, FinishReason.INCOMPLETE, None, 5, "as-named"))


CHAIN = f"mine: [{CHEAP}, {MIDDLE}]"


def test_a_chain_of_one_is_shown(stage: Stage) -> None:
    assert shown(stage, f"mine: [{CHEAP}]", {CHEAP: [reply(UNSURE)]}) == (UNSURE, UNSURE, "complete")


def test_the_last_model_is_shown_if_no_other_has_answered(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {CHEAP: [failing(OverloadedError)], MIDDLE: [reply(UNSURE)]}
    assert shown(stage, CHAIN, acts) == (UNSURE, UNSURE, "complete")


def test_the_last_model_is_not_shown_if_an_earlier_answer_may_be_better(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {CHEAP: [reply(SURE)], MIDDLE: [reply(UNSURE)]}
    assert shown(stage, CHAIN, acts, threshold=1.0) == ("", SURE, "complete")


def test_a_self_check_is_never_shown(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {CHEAP: [reply(SURE)], STRONG: [reply(verdict(0.9))], MIDDLE: [reply(UNSURE)]}
    assert shown(stage, CHAIN, acts, self_check=STRONG, threshold=0.85) == ("", SURE, "complete")
    assert [request.model for request in stage.script.sent] == [CHEAP, STRONG]


def test_a_loop_that_may_go_round_again_is_not_shown_and_its_last_word_is(stage: Stage) -> None:
    acts: dict[str, list[Act]] = {
        MIDDLE: [reply("one"), reply("two")],
        CHEAP: [reply(verdict(0.1, "no")), reply(verdict(1))],
    }
    assert shown(stage, CHECKED, acts) == ("", "two", "complete")
    once = CHECKED.replace("max_rounds: 3", "max_rounds: 1")
    assert shown(stage, once, {MIDDLE: [reply("one")], CHEAP: [reply(verdict(0.1, "no"))]}) == (
        "one",
        "one",
        "complete",
    )


@pytest.mark.parametrize("kind", [IncompleteError, RefusedError, RateLimitedError])
def test_nothing_takes_the_place_of_what_has_been_shown(stage: Stage, kind: type[ProviderError]) -> None:
    """Neither another try, nor what came before an optional step, nor a member of a panel, nor a model of the role."""
    acts: dict[str, list[Act]] = {
        MIDDLE: [partial(kind, "Half of"), reply("another try")],
        CHEAP: [reply("notes")],
        STRONG: [reply("notes")],
    }
    optional = NOTES_FIRST.replace("name: answer", "name: answer\n        optional: true")
    synthesis = (
        f"mine: {{panel: {{members: [{CHEAP}, {STRONG}], reduce: synthesise, synthesiser: {{model: {MIDDLE}}}}}}}"
    )
    in_a_role = f"mine: {{call: {{role: scout}}}}\nroles: {{scout: {{models: [{MIDDLE}, {STRONG}]}}}}"
    for plan in (f"mine: [{MIDDLE}]", optional, synthesis, in_a_role):
        stage.script.sent.clear()
        text, response, status = shown(stage, plan, acts)
        assert text == response == "Half of"
        assert status == ("incomplete" if kind is IncompleteError else "failed")
