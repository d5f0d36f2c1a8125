"""Plans in chains.yaml: what can be written, and what is said of what cannot."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import yaml
from counting import lines_carried_out
from hypothesis import given, settings
from plans import plans

from orchestrator.config.yaml_files import read_document
from orchestrator.errors import ConfigError
from orchestrator.plan import (
    FREE_SIGNALS,
    SELF_CHECK,
    Accept,
    Call,
    Cascade,
    Check,
    Loop,
    Node,
    Panel,
    Reduce,
    Sequence,
    check_plan,
    most_calls,
    to_dict,
)
from orchestrator.registry import Registry, load_registry
from orchestrator.registry.chains import ChainsDocument
from orchestrator.types import AcceptRule, Level

NOWHERE = Path("/nonexistent")


def load(tmp_path: Path, text: str) -> Registry:
    path = tmp_path / "chains.yaml"
    path.write_text(text, encoding="utf-8")
    return load_registry(models_file=None, chains_file=path, config_dir=NOWHERE)


CHECKED = (*FREE_SIGNALS, SELF_CHECK)


@pytest.mark.parametrize(
    ("written", "plan"),
    [
        pytest.param("[gpt-4o, gpt-4]", Cascade((Call("gpt-4o"), Call("gpt-4"))), id="a list is a cascade"),
        pytest.param("{call: claude-3-opus}", Call("claude-opus-3"), id="a call by an alias"),
        pytest.param("{call: {}}", Call(), id="a call that leaves all to the prompt"),
        pytest.param(
            "{call: {role: critic, level: expert, max_tokens: 9, temperature: 0.5, system: Hi, optional: true}}",
            Call(role="critic", level=Level.EXPERT, max_tokens=9, temperature=0.5, system="Hi", optional=True),
            id="a call with options",
        ),
        pytest.param(
            "{cascade: {accept: agreement, threshold: 0.7, signals: [text], legs: [gpt-4o, {call: {tier: exec}}]}}",
            Cascade((Call("gpt-4o"), Call(tier="exec")), Accept(0.7, AcceptRule.AGREEMENT, ("text",))),
            id="a cascade",
        ),
        pytest.param(
            "{cascade: {legs: [gpt-4o, gpt-4], checker: {role: critic}}}",
            Cascade((Call("gpt-4o"), Call("gpt-4")), Accept(signals=CHECKED, checker=Call(role="critic"))),
            id="a cascade with a self-check",
        ),
        pytest.param("{panel: [gpt-4o, gpt-4]}", Panel((Call("gpt-4o"), Call("gpt-4"))), id="a panel in short"),
        pytest.param(
            "{panel: {members: [gpt-4o, gpt-4], synthesiser: {role: integrator}}}",
            Panel((Call("gpt-4o"), Call("gpt-4")), Reduce.SYNTHESISE, Call(role="integrator")),
            id="a panel that synthesises",
        ),
        pytest.param(
            "{sequence: {name: s, budget_share: 0.5, time_share: 1, answer: a, steps: [{call: {name: a}}, gpt-4]}}",
            Sequence((Call(name="a"), Call("gpt-4")), "a", name="s", budget_share=0.5, time_share=1.0),
            id="a sequence",
        ),
        pytest.param(
            "{loop: {body: gpt-4o, until: {check: gpt-4, score: 0.8}, max_rounds: 3}}",
            Loop(Call("gpt-4o"), Check(Call("gpt-4"), 0.8), 3),
            id="a loop with a check",
        ),
        pytest.param(
            "{loop: {body: gpt-4o, until: {threshold: 0.9}, max_rounds: 2}}",
            Loop(Call("gpt-4o"), Accept(0.9), 2),
            id="a loop until confidence",
        ),
        pytest.param(
            "{loop: {body: {panel: {reduce: agree, members: [gpt-4o, gpt-4]}}, until: agreement, max_rounds: 2}}",
            Loop(Panel((Call("gpt-4o"), Call("gpt-4")), Reduce.AGREE), Accept(rule=AcceptRule.AGREEMENT), 2),
            id="a loop until agreement",
        ),
    ],
)
def test_every_kind_of_node_can_be_written(tmp_path: Path, written: str, plan: Node) -> None:
    assert load(tmp_path, f"mine: {written}").chains["mine"].plan == plan


def test_a_plan_has_a_description_and_the_models_that_it_names(tmp_path: Path) -> None:
    chain = load(tmp_path, "mine: {description: 'one  and\n another', panel: [gpt-4o, gpt-4, gpt-4o]}").chains["mine"]
    assert (chain.description, chain.models) == ("one and another", ("gpt-4o", "gpt-4"))


def test_a_users_role_replaces_the_shipped_one_in_the_shipped_plans_too(tmp_path: Path) -> None:
    registry = load(tmp_path, "roles: {critic: {models: [gpt-4o]}}\ntiers: {mine: [gpt-4]}\nx: {call: {tier: mine}}")
    assert registry.role("Critic").models_for(Level.EXPERT) == ("gpt-4o",)
    assert registry.role("planner").system
    assert {"mine", "exec"} <= set(registry.tiers)


def test_a_role_by_level_has_models_for_every_level(tmp_path: Path) -> None:
    role = load(tmp_path, "roles: {r: {models: {intermediate: [gpt-4o], expert: [gpt-4]}}}").role("r")
    assert [role.models_for(level)[0] for level in Level] == ["gpt-4o", "gpt-4o", "gpt-4o", "gpt-4"]


CALL = "call: {{name: {0}, template: '{1}'}}"


def steps(*calls: tuple[str, str]) -> str:
    """A sequence of calls, a line each from line 2 on."""
    return "mine: {sequence: [\n" + ",\n".join("{" + CALL.format(*call) + "}" for call in calls) + "]}"


MISTAKES = {
    "nothing": (
        "mine: {}",
        "1: mine: holds no plan; expected one of call, cascade, panel",
    ),
    "only a description": (
        "mine: {description: x}",
        "1: mine: holds no plan",
    ),
    "misspelt": (
        "mine: {cascde: [gpt-4]}",
        "1: mine.cascde: unknown key (did you mean 'cascade'?)",
    ),
    "no kind": (
        "mine: {zzz: 1}",
        "1: mine.zzz: unknown key (expected one of call, cascade",
    ),
    "two kinds": (
        "mine:\n  call: gpt-4\n  panel: [gpt-4, gpt-4]",
        "3: mine.panel: a node is of one kind, and there is 'call' on line 2",
    ),
    "described leg": (
        "mine: [{description: x, call: gpt-4}]",
        "1: mine[0].description: unknown key",
    ),
    "model": (
        "mine: {call: {model: gpt-4p}}",
        "1: mine.call.model: there is no model named 'gpt-4p'",
    ),
    "a chain in a chain": (
        "mine: [fast]",
        "1: mine[0]: there is no model named 'fast'",
    ),
    "role": (
        "mine: {call: {role: critc}}",
        "1: mine.call.role: there is no role named 'critc' (did you mean",
    ),
    "tier": (
        "mine: {call: {tier: zzz}}",
        "1: mine.call.tier: there is no tier named 'zzz' (there are",
    ),
    "level": (
        "mine: {call: {level: hard}}",
        "1: mine.call.level: hard is none of basic, inter",
    ),
    "two choices": (
        "mine: {call: {model: gpt-4, tier: exec}}",
        "1: mine.call: a call takes one of model, tier",
    ),
    "no tokens": (
        "mine: {call: {max_tokens: 0}}",
        "1: mine.call.max_tokens: 0 is less than 1",
    ),
    "temperature": (
        "mine: {call: {temperature: 3}}",
        "1: mine.call.temperature: 3 is more than 2",
    ),
    "share": (
        "mine: {call: {budget_share: 0}}",
        "1: mine.call.budget_share: budget_share must be more",
    ),
    "time share": (
        "mine: {call: {time_share: 2}}",
        "1: mine.call.time_share: 2 is more than 1",
    ),
    "step's name": (
        "mine: {call: {name: 9x}}",
        "1: mine.call.name: the name of a step is a letter",
    ),
    "slot": (
        "mine: {call: {template: $promt}}",
        "mine.call.template: there is no placeholder $promt",
    ),
    "panel of one": (
        "mine: {panel: [gpt-4]}",
        "1: mine.panel: needs at least 2 entries",
    ),
    "no steps": (
        "mine: {sequence: []}",
        "1: mine.sequence: needs at least 1 entry",
    ),
    "nobody": (
        "mine: {panel: {members: [gpt-4, gpt-4], reduce: synthesise}}",
        "mine.panel: needs a synthesiser",
    ),
    "a synthesiser for nothing": (
        "mine: {panel: {members: [gpt-4, gpt-4], reduce: vote, synthesiser: gpt-4}}",
        "1: mine.panel.synthesiser: has a synthesiser, but does not synthesise",
    ),
    "no bound": (
        "mine: {loop: {body: gpt-4, until: agreement}}",
        "1: mine.loop: 'max_rounds' is missing",
    ),
    "too many rounds": (
        "mine: {loop: {body: gpt-4, until: {threshold: 1}, max_rounds: 99}}",
        "1: mine.loop.max_rounds: max_rounds must be from 1 to 20",
    ),
    "agreement of one": (
        "mine: {loop: {body: gpt-4, until: agreement, max_rounds: 2}}",
        "1: mine.loop.until: goes on until agreement, so its body must be a panel with reduce: agree",
    ),
    "no score": (
        "mine: {loop: {body: gpt-4, until: {check: gpt-4}, max_rounds: 2}}",
        "1: mine.loop.until: 'score' is missing",
    ),
    "twice": (
        steps(("a", "x"), ("a", "y")),
        "3: mine.sequence[1].call.name: there is another step named 'a'",
    ),
    "forward": (
        steps(("a", "$steps.b"), ("b", "y")),
        "2: mine.sequence[0].call.template: $steps.b is not there yet: that step comes later",
    ),
    "itself": (
        steps(("a", "$steps.a")),
        "2: mine.sequence[0].call.template: $steps.a is this step itself",
    ),
    "unknown step": (
        steps(("notes", "x"), ("b", "$steps.nots")),
        "3: mine.sequence[1].call.template: there is no step named 'nots' (did you mean 'notes'?)",
    ),
    "answer": (
        steps(("a", "$answer")),
        "2: mine.sequence[0].call.template: $answer is only there in the",
    ),
    "members do not see each other": (
        "mine: {panel: [{call: {name: a}}, {call: {name: b, template: $steps.a}}]}",
        "1: mine.panel[1].call.template: $steps.a is not there yet: that step comes later, or at the same time",
    ),
    "answer of nobody": (
        "mine: {sequence: {answer: b, steps: [{call: {name: a}}]}}",
        "1: mine.sequence.answer: 'b' is none of its own steps",
    ),
    "loops in loops": (
        "mine: {loop: {max_rounds: 20, until: {threshold: 1}, body: "
        "{loop: {max_rounds: 20, until: {threshold: 1}, body: gpt-4}}}}",
        "1: mine.loop: makes up to 400 calls; at most 200 are allowed",
    ),
    "roles as a list": (
        "roles: [gpt-4]",
        "1: roles: expected a mapping, found a list",
    ),
    "role without models": (
        "roles: {r: {}}",
        "1: roles.r: 'models' is missing",
    ),
    "role of nobody": (
        "roles: {r: {models: []}}",
        "1: roles.r.models: needs at least 1 entry",
    ),
    "role's level": (
        "roles: {r: {models: {hard: [gpt-4]}}}",
        "1: roles.r.models.hard: unknown level",
    ),
    "tier's name": (
        "tiers: {a b: [gpt-4]}",
        "1: tiers.a b: the name of a role or tier is a letter",
    ),
}


@pytest.mark.parametrize(("written", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_plan_is_named(tmp_path: Path, written: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, written)
    assert caught.value.message.startswith(f"{tmp_path / 'chains.yaml'}:")
    assert message in caught.value.message


@settings(max_examples=40)
@given(plan=plans())
def test_a_plan_that_is_printed_reads_as_the_same_plan(tmp_path_factory: pytest.TempPathFactory, plan: Node) -> None:
    check_plan(plan)
    text = yaml.safe_dump({"mine": to_dict(plan)}, allow_unicode=True)
    assert load(tmp_path_factory.mktemp("plans"), text).chains["mine"].plan == plan


@given(plan=plans())
def test_a_plan_makes_as_many_calls_at_most_as_its_nodes_say(plan: Node) -> None:
    assert 1 <= most_calls(plan) <= 200
    assert most_calls(Loop(plan, Accept(1.0), 2)) == 2 * most_calls(plan)


def test_ten_times_the_plans_are_ten_times_the_work(tmp_path: Path) -> None:
    one = yaml.safe_dump(to_dict(load(tmp_path, "").chains["refine"].plan))
    path = tmp_path / "many.yaml"
    models = {name: name for name in ("gpt-4o",)}
    roles = ("planner", "builder", "critic")

    def lines(plans: int) -> int:
        path.write_text("".join(f"plan-{number}:\n{textwrap.indent(one, '  ')}" for number in range(plans)))
        return lines_carried_out(lambda: ChainsDocument(read_document(path), models).chains(roles, ()))

    lines(1)  # expressions and records are compiled
    assert lines(200) < 11 * lines(20)


def test_shipped_plans_name_roles_tiers_and_current_models(registry_of_all: Registry) -> None:
    assert {"pipeline", "diverge", "refine", "build", "debate", "agree", "vote"} <= set(registry_of_all.chains)
    roles = {"retriever", "planner", "critic", "reasoner", "builder", "verifier", "integrator", "philosopher"}
    assert set(registry_of_all.roles) == roles
    assert all(
        chain.description for name, chain in registry_of_all.chains.items() if not isinstance(chain.plan, Cascade)
    )


@pytest.fixture
def registry_of_all() -> Registry:
    return load_registry(models_file=None, chains_file=None, config_dir=NOWHERE)
