from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from orchestrator.simulator.scenario import (
    Fault,
    FaultKind,
    RetryAfterForm,
    Rule,
    Scenario,
    Schedule,
    When,
    WireName,
    load_scenario,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "simulator.md"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_rule_is_read_with_its_parameters(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        seed: 7
        rules:
          - model: claude-*
            wire: anthropic
            when: {first: 2}
            fault: rate_limited
            retry_after_s: 1.5
            retry_after_form: date
        """,
    )
    fault = Fault(FaultKind.RATE_LIMITED, retry_after_s=1.5, retry_after_form=RetryAfterForm.DATE)
    rule = Rule(fault, model="claude-*", wire=WireName.ANTHROPIC, when=When(first=2))
    assert load_scenario(path) == Scenario((rule,), seed=7)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{fault: rate_limitted}", "rate_limited"),
        ("{fault: cut, retry_after_s: 3}", "retry_after_s"),
        ("{fault: cut, after_tokens: -1}", "after_tokens"),
        ("{fault: server_error, status: 404}", "404"),
        ("{fault: cut, when: {nth: 1, every: 2}}", "one of"),
        ("{fault: cut, when: {nth: 0}}", "nth"),
        ("{fault: cut, when: {probability: 1.5}}", "probability"),
        ("{fault: cut, wire: http}", "wire"),
        ("{model: gpt-*}", "fault"),
    ],
    ids=[
        "misspelt fault",
        "parameter of another fault",
        "negative tokens",
        "status of another fault",
        "two conditions",
        "the zeroth request",
        "more than certain",
        "unknown wire",
        "no fault",
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, rule: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"scenario\.yaml:2.*{re.escape(message)}"):
        load_scenario(write(tmp_path, f"rules:\n  - {rule}\n"))


@pytest.mark.parametrize(
    ("when", "due"),
    [
        (When(), [1, 2, 3, 4, 5, 6]),
        (When(nth=2), [2]),
        (When(every=3), [3, 6]),
        (When(first=2), [1, 2]),
        (When(after=4), [5, 6]),
        (When(probability=0.0), []),
        (When(probability=1.0), [1, 2, 3, 4, 5, 6]),
    ],
    ids=["always", "nth", "every", "first", "after", "never by chance", "always by chance"],
)
def test_a_rule_happens_when_it_says(when: When, due: list[int]) -> None:
    schedule = Schedule(Scenario((Rule(Fault(FaultKind.CUT), when=when),)))
    assert [number for number in range(1, 7) if schedule.next("m", "openai")] == due


def test_chance_is_the_same_for_the_same_seed_and_near_its_probability() -> None:
    def drawn(seed: int) -> list[bool]:
        schedule = Schedule(Scenario((Rule(Fault(FaultKind.CUT), when=When(probability=0.3)),), seed))
        return [bool(schedule.next("m", "openai")) for _ in range(1_000)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 250 < sum(drawn(1)) < 350


def test_rules_count_only_what_they_match_and_the_first_that_is_due_happens() -> None:
    first = Rule(Fault(FaultKind.OVERLOADED), model="gpt-*", wire=WireName.OPENAI, when=When(nth=2))
    schedule = Schedule(Scenario((first, Rule(Fault(FaultKind.EMPTY)))))
    seen = [schedule.next(name, wire) for name, wire in (("gpt-1", "openai"), ("x", "openai"), ("gpt-2", "openai"))]
    assert [faults[0].kind for faults in seen] == [FaultKind.EMPTY, FaultKind.EMPTY, FaultKind.OVERLOADED]


def test_slow_comes_on_top_of_another_fault() -> None:
    slow, empty, cut = (Fault(kind) for kind in (FaultKind.SLOW, FaultKind.EMPTY, FaultKind.CUT))
    schedule = Schedule(Scenario(tuple(map(Rule, (slow, empty, cut)))))
    assert schedule.next("m", "openai") == (slow, empty)


def test_the_documented_scenario_loads_and_shows_every_fault(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    loaded = [load_scenario(write(tmp_path, example)) for example in examples]
    assert {rule.fault.kind for plan in loaded for rule in plan.rules} == set(FaultKind)
