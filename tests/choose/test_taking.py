"""Every option of a run with every way of answering: it makes a difference there, or is refused.

A new option needs a line in `ASKED`: something to ask for that is not the default. A new strategy needs one in `WAYS`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scripted import NOW, SURE, UNSURE, Act, Script, ScriptedProvider, reply

from orchestrator.config import Rollout, RunOptions, load_settings
from orchestrator.config.options import EXPERIMENT, OPTIONS, PLAN, STRATEGY_NAMES, TABLE, asked_for
from orchestrator.errors import OrchError, UsageError
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.store import Ledger
from orchestrator.plan import Cascade
from orchestrator.providers.base import StreamEvent
from orchestrator.registry.loading import load_registry
from orchestrator.registry.model import Registry
from orchestrator.run.engine import Engine
from orchestrator.types import AcceptRule, Effort, Prompt, Request, Tool

PROMPT = Prompt("Which one is it?")
TOOL = Tool("look_up", "Looks something up.", {"type": "object", "properties": {}})
# Of models that the ways come to. They have no price where `allow_unpriced` is asked for.
NAMED = {
    "claude-haiku-5-5": "anthropic",
    "claude-sonnet-5-5": "anthropic",
    "claude-opus-5-5": "anthropic",
    "gpt-6-luna": "openai",
    "gpt-6.1-sol": "openai",
    "gpt-6.1-terra": "openai",
    "gemini-3.5-flash-lite": "google",
    "gemini-3.8-flash": "google",
    "cerebras/gpt-oss-120b": "cerebras",
}
THREE = ("claude-haiku-5-5", "gpt-6.1-sol", "gemini-3.8-flash")

# What is asked for, by the field of `RunOptions`. Of what only the user's file sets, and the strategy, nothing.
ASKED: dict[str, Any] = {
    "chain": "openai",
    "role": "critic",
    "tier": "exec",
    "critical": True,
    "requires": ("design",),
    "routine": True,
    "models": ("gpt-6-luna", "gemini-3.8-flash"),
    "ensemble_size": 2,
    "saving": 0.0,
    "threshold": 0.99,
    "accept": AcceptRule.AGREEMENT,
    "verify": "false",
    "schema": {"type": "object", "required": ["answer"]},
    "schema_repair": True,
    "self_check": "gpt-6-luna",
    "logprobs": True,
    "task": "math",
    "experiment": "another",
    "subject": "somebody",
    "tools": (TOOL,),
    "tool_choice": "required",
    "max_latency_s": 0.01,
    "min_quality": 0.999,
    "temperature": 0.1,
    "top_p": 0.3,
    "seed": 7,
    "stop": ("##",),
    "effort": Effort.LOW,
    "max_cost_nanousd": 0,
    "allow_unpriced": True,
    "max_tokens": 17,
    "max_tokens_total": 900,
    "timeout_s": 7.0,
    "leg_timeout_s": 7.0,
    "stream": True,
    "category": "nightly",
    "tags": ("a",),
}
BESIDE = {"schema_repair": ("schema",), "tool_choice": ("tools",)}  # what an option means nothing without
WITHOUT = frozenset({"strategy", "max_tokens_by_task", "next_on", "stop_on", "count", "provider_cache", "cache_s"})
WITHOUT |= {"semantic_cache", "embedding", "explain"}  # they are about how an answer is come by

# A name for a way of answering: what it counts as among the takers of an option, and what is asked for.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {"strategy": name}) for name in STRATEGY_NAMES if name != EXPERIMENT},
    "fallback in a role": ("fallback", {"strategy": "fallback", "role": "planner"}),
    "fallback on one model": ("fallback", {"strategy": "fallback", "chain": "gpt-6.1-sol"}),
    "ensemble of named models": ("ensemble", {"strategy": "ensemble", "models": THREE}),
    "round-robin of named models": ("round-robin", {"strategy": "round-robin", "models": THREE}),
    "tiers that are said": ("tiers", {"strategy": "tiers", "tier": "tasks"}),
    "tiers of one's own": ("tiers", {"strategy": "tiers", "tier": "quick"}),
    "experiment": ("experiment", {"strategy": "experiment", "experiment": "small-models"}),
    "experiment by tiers": ("experiment", {"strategy": "experiment", "experiment": "by-tiers"}),
    **{name: (TABLE, {"strategy": name}) for name in ("tasks", "matrix", "select")},
    **{name: (PLAN, {"strategy": name}) for name in ("fast", "agree", "vote", "pipeline", "refine", "by-agreement")},
}

UNPRICED = """\
  {}:
    provider: {}
    context_window: 200_000
    output_limit: 64_000
    levels: [basic, intermediate, advanced, expert]
    scores: {{coding: 0.7, reasoning: 0.7, speed: 0.8, long_context: 0.7}}
    supports: [streaming, tools, json]
    prices: unpriced
"""
FILES = {
    "models.yaml": "models:\n" + "".join(map(UNPRICED.format, *zip(*NAMED.items(), strict=True))),
    "routing.yaml": """\
capability:
  weights:
    coding: 0.2
    reasoning: {usual: 0.2, raised: 0.9, when: {critical: true}}
    speed: 0.1
  cost: {weight: 0.3, per: 100, output_share: 0.25}
experiments:
  by-tiers:
    description: two ways that both go by what a prompt asks for
    arms: {one: {strategy: tiers}, other: {strategy: tiers}}
  another:
    description: by models
    arms: {one: {model: gpt-6-luna}, other: {model: gpt-6.1-sol}}
""",
    "chains.yaml": """\
by-agreement:
  description: a loop that asks again until the answer can be trusted
  loop: {body: {call: {model: gpt-6-luna}}, until: confidence, max_rounds: 2}
tiers:
  quick: {models: [gpt-6-luna], plan: fast}
""",
}


class Provider(ScriptedProvider):
    """Marks the requests whose replies were to come piece by piece."""

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent, None]:
        async for event in ScriptedProvider.stream(self, replace(request, stop=("streamed",))):
            yield event


class AnyModel(dict[str, Any]):
    """Each model is unsure at first."""

    def __missing__(self, model: str) -> list[Act]:
        return [reply(UNSURE), reply(SURE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of settings for each kind of models, with files that let each way take each option."""
    folder = tmp_path_factory.mktemp("ways")
    for name in ("priced", "unpriced"):
        (folder / name).mkdir()
        for file, text in FILES.items():
            if file != "models.yaml" or name == "unpriced":
                (folder / name / file).write_text(text)
    return folder


@cache
def registry_in(config_dir: Path) -> Registry:
    return load_registry(models_file=None, chains_file=None, config_dir=config_dir)


def engine_in(folder: Path, script: Script, *, unpriced: bool = False) -> Engine:
    keys = {f"{name}_API_KEY": "k" for name in ("OPENAI", "ANTHROPIC", "GEMINI", "CEREBRAS", "OPENROUTER", "DEEPSEEK")}
    settings = load_settings(keys, ledger=folder / "ledger.db")
    return Engine(
        settings,
        registry_in(folder / ("unpriced" if unpriced else "priced")),
        connect=lambda name: Provider(name, script),
        clock=lambda: NOW,
        rng=random.Random(7),
        monotonic=lambda: 0.0,
    )


def options_for(asked: Mapping[str, Any], *, unpriced: bool = False) -> RunOptions:
    """What a user asks for by flags. Where there are models without a price, the user's settings have a cap."""
    defaults = RunOptions(max_cost_nanousd=10**9) if unpriced else RunOptions()
    return asked_for(defaults, asked, {name: OPTIONS[name].flag_name for name in asked})


def planned(folder: Path, asked: Mapping[str, Any], *, unpriced: bool) -> tuple[Any, ...]:
    """What is decided, without the options themselves; or why nothing can be."""
    engine = engine_in(folder, Script({}), unpriced=unpriced)
    try:
        found = engine.plan(PROMPT, options_for(asked, unpriced=unpriced))
    except UsageError:
        raise
    except OrchError as error:
        return type(error), error.message
    return found.plan, found.cost, found.reasons, found.load


def carried_out(folder: Path, asked: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is sent to models, and what is known of the run in the end."""
    (folder / "ledger.db").unlink(missing_ok=True)
    script = Script(AnyModel())
    result = asyncio.run(engine_in(folder, script).run(PROMPT, options_for(asked)))
    with Ledger.open(folder / "ledger.db") as ledger:
        run = find_run(ledger, result.run_id or "").run
    known = (result.status, result.confidence, result.metadata, run.category, run.tags, run.task)
    return sorted(map(repr, script.sent)), known


# What is said of an option that is refused, and of one that leaves nobody to ask.
SAID = {
    "makes no use of": "refused",
    "roles of their own": "refused",
    "tools go with one model": "refused",
    "both say whom to ask": "refused",
    "decides on the strategy": "refused",
    "rated as high as was asked for": "used",
}


@cache
def carried_out_plainly(folder: Path, way: str) -> tuple[Any, ...]:
    return carried_out(folder, WAYS[way][1])


def fate(folder: Path, way: str, option: str) -> str:
    """What becomes of an option with a way of answering: used, refused or ignored."""
    asked, unpriced = WAYS[way][1] | {name: ASKED[name] for name in BESIDE.get(option, ())}, option == "allow_unpriced"
    more = {**asked, option: ASKED[option]}
    try:
        after = planned(folder, more, unpriced=unpriced)
    except UsageError as error:
        found = [what for words, what in SAID.items() if words in error.message]
        return found[0] if found else error.message
    if after != planned(folder, asked, unpriced=unpriced):
        return "used"
    before = carried_out(folder, asked) if option in BESIDE else carried_out_plainly(folder, way)
    return "used" if carried_out(folder, more) != before else "ignored"


@pytest.mark.parametrize("option", ASKED)
def test_an_option_makes_a_difference_or_is_refused(folder: Path, option: str) -> None:
    """And it makes one for those strategies that the table of options says; of an experiment, its arms decide."""
    fates = {way: fate(folder, way, option) for way in WAYS}
    assert {way: what for way, what in fates.items() if what not in ("used", "refused")} == {}
    kinds = {kind for kind, _ in WAYS.values()}
    taken = {WAYS[way][0] for way, what in fates.items() if what == "used"}
    assert taken - {EXPERIMENT} == set(OPTIONS[option].takers or kinds) - {EXPERIMENT}


def test_every_option_and_every_strategy_is_looked_at() -> None:
    assert ASKED.keys() | WITHOUT == OPTIONS.keys()
    assert {kind for kind, _ in WAYS.values()} == {*STRATEGY_NAMES, TABLE, PLAN}


def test_what_stands_in_the_users_file_is_a_default_and_never_refused(folder: Path) -> None:
    defaults = RunOptions(chain="openai", threshold=0.9, ensemble_size=2, accept=AcceptRule.AGREEMENT, logprobs=True)
    for _, asked in WAYS.values():
        engine_in(folder, Script({})).plan(PROMPT, asked_for(defaults, asked, {name: name for name in asked}))


@pytest.mark.parametrize("option", ["threshold", "subject", "critical", "requires", "routine"])
def test_a_rollout_makes_use_of_what_cheapest_does_not(folder: Path, option: str) -> None:
    engine = engine_in(folder, Script({}))
    options = options_for({"strategy": "cheapest", option: ASKED[option]})
    with pytest.raises(UsageError, match="cheapest makes no use of"):
        engine.plan(PROMPT, options)
    engine.settings = replace(engine.settings, rollout=Rollout("gpt-6-luna", NOW.date()))
    plain = engine.plan(Prompt("Fix the typo in: teh"), options_for({"strategy": "cheapest", "routine": True}))
    assert isinstance(plain.plan, Cascade)
    assert engine.plan(PROMPT, options).options == options


def test_a_refusal_says_which_strategies_take_the_option(folder: Path) -> None:
    with pytest.raises(UsageError, match="cheapest makes no use of --threshold") as raised:
        engine_in(folder, Script({})).plan(PROMPT, options_for({"strategy": "cheapest", "threshold": 0.9}))
    assert raised.value.hint == "it is for fallback, tiers, task tables and named plans"


@pytest.mark.parametrize(
    ("asked", "strategy"),
    [
        ({"models": ("haiku",)}, "ensemble"),
        ({"ensemble_size": 2}, "ensemble"),
        ({"chain": "openai"}, "fallback"),
        ({"tier": "arch"}, "tiers"),
        ({"critical": True}, "tiers"),
        ({"requires": ("design",)}, "tiers"),
        ({"routine": True}, "tiers"),
        ({"experiment": "small-models", "models": ("haiku",)}, "experiment"),
        ({"threshold": 0.9}, "cost"),
        ({"critical": False, "models": ()}, "cost"),
    ],
    ids=str,
)
def test_an_option_of_one_strategy_implies_it(asked: dict[str, Any], strategy: str) -> None:
    assert asked_for(RunOptions(strategy="cost"), asked, {name: name for name in asked}).strategy == strategy


def test_models_for_fallback_are_its_chain() -> None:
    found = options_for({"strategy": "fallback", "models": ("gpt-6-luna", "haiku")})
    assert (found.chain, found.models, found.given) == ("gpt-6-luna,haiku", (), {"chain": "--models"})
    with pytest.raises(UsageError, match="--chain and --models both say whom to ask"):
        options_for({"strategy": "fallback", "chain": "mixed", "models": ("haiku",)})
