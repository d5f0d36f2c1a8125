"""A planner keeps what options settle and what it has read; nobody can tell by its plans."""

from __future__ import annotations

import random
from dataclasses import replace

from scripted import NOW

from orchestrator.choose.making import Planned, Planner
from orchestrator.config import RunOptions, load_settings
from orchestrator.errors import OrchError
from orchestrator.registry.loading import registry_for
from orchestrator.types import Prompt

_PROMPTS = ("What is 17 * 23?", "Prove that the square root of 2 is irrational.", "Write a haiku about rain.")
_OPTIONS = (
    RunOptions(),
    RunOptions(strategy="cheapest"),
    RunOptions(strategy="cheapest", saving=0.2),
    RunOptions(strategy="cheapest", saving=0.9),
    RunOptions(strategy="ensemble"),
    RunOptions(strategy="ensemble", models=("gpt-6-luna", "claude-haiku-4-5")),
    RunOptions(strategy="ensemble", models=("gemini-3.5-flash", "gpt-6-luna")),
    RunOptions(strategy="tiers"),
    RunOptions(strategy="tiers", tier="ARCH"),
    RunOptions(strategy="tiers", tier="no-such-tier"),
    RunOptions(chain="gpt-6-luna"),
    RunOptions(chain="claude-haiku-4-5,gpt-6-luna"),
    RunOptions(threshold=0.9),
    RunOptions(task="code"),
    RunOptions(critical=True),
    RunOptions(max_cost_nanousd=10_000_000),
    RunOptions(chain="no-such-model"),
)


def _planned(planner: Planner, prompt: str, options: RunOptions) -> object:
    try:
        planned: Planned = planner.plan(Prompt(prompt), options, when=NOW)
    except OrchError as error:
        return type(error), str(error)
    return planned.plan, planned.cost, planned.reasons, planned.warnings, planned.analysis, planned.options


def test_plans_do_not_depend_on_what_was_planned_before() -> None:
    settings = load_settings({})
    registry = registry_for(settings)
    asked = [(prompt, options) for prompt in _PROMPTS for options in _OPTIONS] * 2
    random.Random(1).shuffle(asked)
    asked += [(_PROMPTS[0], replace(options, temperature=0.5)) for options in _OPTIONS[:4]]
    one = Planner(registry, settings)
    for prompt, options in asked:
        assert _planned(one, prompt, options) == _planned(Planner(registry, settings), prompt, options), options
