"""What a prompt asks for, as tiers are chosen by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.reading.complexity import ComplexityAnalyzer
from orchestrator.reading.needs import Need, Needs, needs_of, told
from orchestrator.types import Analysis, Level, Task


def analysed(level: Level, task: Task) -> Analysis:
    return Analysis(0.5, level, task, {}, 10, 100, 0.5)


def found(prompt: str, level: Level, task: Task) -> set[str]:
    needs = needs_of(prompt, analysed(level, task))
    fields = ("requires_design", "is_critical", "requires_implementation", "is_routine")
    return {name for name in fields if getattr(needs, name)}


@pytest.mark.parametrize(
    ("prompt", "level", "task", "expected"),
    [
        pytest.param(
            "Design a billing system", Level.ADVANCED, Task.PLANNING, {"requires_design", "requires_implementation"},
            id="a design",
        ),
        pytest.param("Please design a cache", Level.INTERMEDIATE, Task.PLANNING, {"requires_design"}, id="an order"),
        pytest.param("Explain the design", Level.INTERMEDIATE, Task.EXPLANATION, {"is_routine"}, id="and no order"),
        pytest.param("Migrate sessions to JWT", Level.BASIC, Task.CHAT, {"requires_design"}, id="a migration"),
        pytest.param(
            "Prove it", Level.EXPERT, Task.MATH, {"requires_design", "requires_implementation"}, id="whatever is expert"
        ),
        pytest.param(
            "Review the security architecture here", Level.INTERMEDIATE, Task.ANALYSIS, {"is_critical"}, id="security"
        ),
        pytest.param("What is a vulnerability?", Level.BASIC, Task.QUESTION, {"is_routine"}, id="a word is explained"),
        pytest.param("Add 2 and 2. This must not fail.", Level.BASIC, Task.MATH, {"is_critical"}, id="it says so"),
        pytest.param(
            "Fix the bug in this function", Level.INTERMEDIATE, Task.DEBUGGING, {"requires_implementation"},
            id="something is broken",
        ),
        pytest.param("Fix a cup of tea", Level.INTERMEDIATE, Task.WRITING, {"is_routine"}, id="no program is broken"),
        pytest.param(
            "Write a function that adds", Level.INTERMEDIATE, Task.CODE, {"is_routine"}, id="simple code is routine"
        ),
        pytest.param(
            "A function that adds", Level.ADVANCED, Task.CODE, {"requires_implementation"}, id="hard code is not"
        ),
        pytest.param("Should I?", Level.INTERMEDIATE, Task.ANALYSIS, set(), id="judgement is never routine"),
        pytest.param("Hi", Level.BASIC, Task.CHAT, set(), id="what could not be told is not routine"),
        pytest.param(
            "Translate 'design a system' and `migrate it to prod`", Level.INTERMEDIATE, Task.TRANSLATION,
            {"is_routine"}, id="what is quoted does not count",
        ),
    ],
)  # fmt: skip
def test_what_a_prompt_asks_for(prompt: str, level: Level, task: Task, expected: set[str]) -> None:
    assert found(prompt, level, task) == expected


def test_every_need_has_a_reason_that_names_its_evidence() -> None:
    needs = needs_of("Design a threat model", analysed(Level.ADVANCED, Task.PLANNING))
    assert needs.reasons == (
        "it requires design: 'design'",
        "it is critical: 'threat model'",
        "it requires implementation: advanced planning",
    )


def test_what_the_user_says_is_all_that_counts() -> None:
    assert told({Need.ROUTINE}) == Needs(is_routine=True, reasons=("it is routine: the user says so",))


@given(st.text(max_size=300))
def test_any_text_has_needs_and_what_is_routine_needs_nothing_else(prompt: str) -> None:
    needs = needs_of(prompt, ComplexityAnalyzer().analyze(prompt))
    assert not (needs.is_routine and (needs.requires_design or needs.is_critical or needs.requires_implementation))
