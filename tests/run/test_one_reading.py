"""A prompt is read once for a run, and each answer once, whatever the plan."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from scripted import Act, Script, Stage, reply

from orchestrator.types import Completion, Request

PROMPT = "Ann has 12 apples and eats 5 of them. How many are left, and why would a migration not change that?"
VERDICT = '{"score": 0.2, "issues": ["it is thin"]}'


@pytest.fixture
def calls_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Counts what a function of one text is called with, from whichever module: reading is a plain function."""

    def counted(name: str) -> list[str]:
        seen: list[str] = []
        holders = [
            module
            for place, module in list(sys.modules.items())
            if place.startswith("orchestrator.") and hasattr(module, name)
        ]
        real = getattr(holders[0], name)

        def stand_in(text: Any, *rest: Any, **named: Any) -> Any:
            seen.append(text if isinstance(text, str) else getattr(text, "text", text))
            return real(text, *rest, **named)

        for module in holders:
            monkeypatch.setattr(module, name, stand_in)
        return seen

    return counted


class Answers(dict[str, Sequence[Act]]):
    """Every model hesitates, each time in other words; a check finds fault. `given` are the answers."""

    def __init__(self, text: str) -> None:
        self.text, self.given, self.numbers = text, list[str](), count(1)

    def __missing__(self, model: str) -> Sequence[Act]:
        return [self.answer]

    def answer(self, request: Request) -> Completion:
        if request.response_format is not None and request.response_format.name == "verdict":
            return reply(VERDICT)
        self.given.append(self.text.format(next(self.numbers)))
        return reply(self.given[-1])


UNSURE = "I'm not sure; it might be {}, but I think I would need more context."
DEFINITE = "He eats 5, and 12 - 5 = 7.\n\nThe answer is {}."
PLANS: dict[str, tuple[dict[str, Any], int]] = {  # the options, and how many answers there are at least
    "cheapest": ({"strategy": "cheapest"}, 1),
    "escalation": ({"strategy": "fallback", "chain": "mixed"}, 3),
    "self-check": ({"strategy": "fallback", "chain": "mixed", "self_check": "gpt-6-luna", "threshold": 0.5}, 2),
    "ensemble": ({"strategy": "ensemble"}, 3),
    "vote": ({"strategy": "vote"}, 3),
    "agreement": ({"strategy": "agree"}, 3),
    "tiers": ({"strategy": "tiers"}, 2),
    "several steps": ({"strategy": "pipeline"}, 2),
    "rounds": ({"strategy": "refine"}, 2),
    "round-robin": ({"strategy": "round-robin"}, 1),
    "task table": ({"strategy": "tasks"}, 2),
    "select": ({"strategy": "select", "critical": True}, 1),
    "named task": ({"strategy": "cheapest", "task": "math"}, 1),
}


@pytest.mark.parametrize("text", [UNSURE, DEFINITE], ids=["open", "definite"])
@pytest.mark.parametrize(("options", "least"), PLANS.values(), ids=PLANS)
def test_a_prompt_and_each_answer_are_read_once(
    tmp_path: Path, calls_of: Callable[[str], list[str]], text: str, options: dict[str, Any], least: int
) -> None:
    read, classified, counted = calls_of("read_prose"), calls_of("classify"), calls_of("estimate_tokens")
    answers = Answers(text)
    Stage(tmp_path, Script(answers)).run(PROMPT, **options)
    assert len(answers.given) >= (least if text is UNSURE else 1)
    assert sorted(read) == sorted([PROMPT, *answers.given])
    assert len(classified) == 1
    assert counted.count(PROMPT) == 1


@pytest.mark.parametrize(("strategy", "times"), [("cheapest", 0), ("ensemble", 0), ("tiers", 1)])
def test_what_a_prompt_needs_is_looked_for_where_it_decides(
    tmp_path: Path, calls_of: Callable[[str], list[str]], strategy: str, times: int
) -> None:
    looked_for = calls_of("needs_of")
    Stage(tmp_path, Script(Answers(UNSURE))).run(PROMPT, strategy=strategy)
    assert looked_for == [PROMPT] * times
