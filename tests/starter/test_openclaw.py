"""openclaw.json to orch's own files: what is read, what is written, what is said of it, and that it always loads."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.choose.making import make_plan
from orchestrator.config import RunOptions, load_settings
from orchestrator.errors import ConfigError
from orchestrator.plan import calls
from orchestrator.registry import Registry, load_registry
from orchestrator.registry.routes import Condition
from orchestrator.starter.conversion import Converted, convert
from orchestrator.starter.files import check
from orchestrator.starter.openclaw import OpenClaw, Use, read_openclaw
from orchestrator.types import Prompt

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHIPPED = load_registry(models_file=None, chains_file=None, config_dir=Path("/nonexistent"))

# The shape, and the names of models, are those of the document that describes the file.
DOCUMENT = {
    "agents": {
        "main": {"model": "gemini-2.0-flash", "description": "Orchestrator - routes tasks to work agents"},
        "work": {"model": "claude-haiku-4-5", "description": "Implementation - code generation, testing"},
        "personal": {"model": "claude-sonnet-5-5"},
    },
    "routing": {
        "orchestration": "gemini-2.0-flash",
        "implementation": "claude-haiku-4-5",
        "reasoning": "claude-sonnet-5-5",
    },
}


def converted(document: object, tmp_path: Path) -> Converted:
    path = tmp_path / "openclaw.json"
    path.write_text(json.dumps(document), "utf-8")
    found = convert(read_openclaw(path), SHIPPED, source=path.name, when=NOW)
    check(found.files)
    return found


def loaded(found: Converted, tmp_path: Path) -> Registry:
    for name, text in found.files.items():
        (tmp_path / name).write_text(text, "utf-8")
    return load_registry(models_file=None, chains_file=None, config_dir=tmp_path)


def test_work_becomes_chains_and_agents_become_roles(tmp_path: Path) -> None:
    registry = loaded(converted(DOCUMENT, tmp_path), tmp_path)
    legs = {name: registry.chains[name].models for name in ("orchestration", "implementation", "reasoning")}
    assert legs == {
        "orchestration": ("gemini-2.5-flash-lite", "claude-haiku-4-5"),
        "implementation": ("claude-haiku-4-5", "claude-sonnet-5-5"),
        "reasoning": ("claude-sonnet-5-5", "claude-haiku-4-5"),  # the dearest has the next cheaper one behind it
    }
    roles = {name: next(iter(registry.roles[name].models.values())) for name in ("main", "work", "personal")}
    assert {name: models[0] for name, models in roles.items()} == {
        "main": "gemini-2.5-flash-lite",
        "work": "claude-haiku-4-5",
        "personal": "claude-sonnet-5-5",
    }


def test_the_routing_becomes_a_task_table_that_config_yaml_names(tmp_path: Path) -> None:
    found = converted(DOCUMENT, tmp_path)
    table = loaded(found, tmp_path).routing.tables["openclaw"]
    assert [(row.name, row.models[0]) for row in table.rows] == [
        ("security", "claude-sonnet-5-5"),
        ("complex-debugging", "claude-sonnet-5-5"),
        ("implementation", "claude-haiku-4-5"),
        ("reasoning", "claude-sonnet-5-5"),
        ("orchestration", "gemini-2.5-flash-lite"),
    ]
    assert {row.kind for row in table.rows if row.name in ("security", "complex-debugging")} == {"reasoning"}
    assert "strategy: openclaw" in found.files["config.yaml"]


@pytest.mark.parametrize(
    ("prompt", "model"),
    [
        ("Write unit tests for add()", "claude-haiku-4-5"),
        ("Implement a distributed rate limiter", "claude-haiku-4-5"),
        ("Implement the POST /users API endpoint", "claude-haiku-4-5"),
        ("Write documentation for the API", "claude-haiku-4-5"),
        ("Do a security review of this login code", "claude-sonnet-5-5"),
        ("Debug this race condition in the cache", "claude-sonnet-5-5"),
        ("Design the architecture for a payment service", "claude-sonnet-5-5"),
        ("Which of these jobs should run first?", "gemini-2.5-flash-lite"),
    ],
)
def test_the_table_sends_each_kind_of_work_to_its_model(tmp_path: Path, prompt: str, model: str) -> None:
    registry = loaded(converted(DOCUMENT, tmp_path), tmp_path)
    settings = replace(load_settings({}), simulate=True)
    planned = make_plan(Prompt(prompt), RunOptions(strategy="openclaw"), registry=registry, settings=settings, when=NOW)
    assert next(calls(planned.plan)).model == model


def test_other_kinds_of_work_come_first_by_their_task_or_by_their_name(tmp_path: Path) -> None:
    routing = {"orchestration": "gemini-2.5-flash", "code_review": "claude-sonnet-5-5", "summary": "claude-haiku-5-5"}
    table = loaded(converted({"routing": routing}, tmp_path), tmp_path).routing.tables["openclaw"]
    when = {row.name: row.when for row in table.rows}
    assert list(when) == ["code_review", "summary", "orchestration"]
    assert when["code_review"] == Condition(words=("code review",))
    assert when["summary"] == Condition(tasks=frozenset({"summary"}))


def test_agents_alone_become_chains_without_a_table(tmp_path: Path) -> None:
    found = converted({"agents": {"main": "claude-haiku-5-5"}}, tmp_path)
    assert "routing.yaml" not in found.files
    assert 'chain: "main"' in found.files["config.yaml"]


def test_a_model_that_no_longer_answers_is_replaced_and_that_is_said(tmp_path: Path) -> None:
    found = converted(DOCUMENT, tmp_path)
    assert found.warnings == ["gemini-2.0-flash stopped answering on 2026-06-01: gemini-2.5-flash-lite takes its place"]
    assert "was: gemini-2.0-flash" in found.files["chains.yaml"]


def test_a_model_that_will_stop_stays_with_a_warning(tmp_path: Path) -> None:
    found = converted({"routing": {"reasoning": "claude-sonnet-4-5"}}, tmp_path)
    assert found.warnings == [
        "claude-sonnet-4-5 stops answering on 2026-11-30; claude-sonnet-5-5 is the current one like it"
    ]
    assert loaded(found, tmp_path).chains["reasoning"].models == ("claude-sonnet-4-5",)


def test_an_unknown_model_is_left_out_and_the_entry_to_add_is_given_and_loads(tmp_path: Path) -> None:
    found = converted({"routing": {"reasoning": "acme/frob-9", "testing": "claude-haiku-4-5"}}, tmp_path)
    (warning,) = found.warnings
    assert "no model named 'acme/frob-9'" in warning
    registry = loaded(found, tmp_path)
    assert registry.chains["testing"].models == ("claude-haiku-4-5",)
    assert "reasoning" not in registry.chains
    _, _, entry = warning.partition("with what is true of it: ")
    (tmp_path / "models.yaml").write_text(f"checked: 2026-11-21\nmodels:\n  {entry}\n")
    assert load_registry(models_file=None, chains_file=None, config_dir=tmp_path).model("acme/frob-9").prices == ()
    commented = found.files["models.yaml"].replace("models: {}", "models:").replace("\n#  ", "\n  ")
    (tmp_path / "models.yaml").write_text(commented)
    assert load_registry(models_file=None, chains_file=None, config_dir=tmp_path).model("acme/frob-9")


def test_fallbacks_and_lists_of_agents_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "openclaw.json"
    document = {
        "gateway": {"port": 1},
        "agents": {
            "defaults": {"model": {"primary": "anthropic/claude-opus-5-5", "fallbacks": ["openai/gpt-6-luna"]}},
            "list": [{"id": "main"}, {"id": "work", "model": "claude-haiku-5-5"}],
        },
    }
    path.write_text(json.dumps(document))
    read = read_openclaw(path)
    both = ("anthropic/claude-opus-5-5", "openai/gpt-6-luna")
    assert read == OpenClaw((Use("main", both), Use("work", ("claude-haiku-5-5",))), ())
    registry = loaded(converted(document, tmp_path), tmp_path)
    assert registry.chains["main"].models == ("claude-opus-5-5", "gpt-6-luna")


def test_a_chain_accepts_its_first_answer(tmp_path: Path) -> None:
    text = converted(DOCUMENT, tmp_path).files["chains.yaml"]
    assert text.count("threshold: 0,") == 3


def test_names_that_orch_cannot_have_are_changed_and_that_is_said(tmp_path: Path) -> None:
    names = ["code review", "claude-haiku-5-5", "roles", "yes", "7", "cheapest"]
    found = converted({"routing": dict.fromkeys(names, "claude-haiku-5-5")}, tmp_path)
    registry = loaded(found, tmp_path)
    expected = ["code-review", "claude-haiku-5-5-2", "roles-2", "yes-2", "work-7", "cheapest-2"]
    assert set(expected) <= set(registry.chains)
    assert found.warnings == [f"{old!r} is called {new} here" for old, new in zip(names, expected, strict=True)]


ODD = [
    pytest.param("{ // main\n}", r":1:3: Expecting property name", id="comment"),
    pytest.param('{\n  "routing": {"a": "b",}\n}', r":2:2[0-9]: ", id="trailing comma"),
    pytest.param("{'routing': 1}", r":1:2: ", id="single quotes"),
    pytest.param("", r":1:1: Expecting value", id="empty"),
    pytest.param("[]", "expected an object, not a list", id="list"),
    pytest.param("{}", "neither 'agents' nor 'routing'", id="nothing in it"),
    pytest.param('{"routing": {}}', "names no model", id="no rows"),
    pytest.param('{"routing": {"a": 7}}', "routing.a: expected text, not a number", id="number"),
    pytest.param('{"routing": {"a": " "}}', "routing.a: must not be empty", id="blank"),
    pytest.param('{"routing": {"a": "x", "a": "y"}}', "the key 'a' is there twice", id="twice"),
    pytest.param('{"routing": {"a": NaN}}', "NaN is no number", id="not a number"),
    pytest.param('{"agents": {"a": {"model": {"fallbacks": []}}}}', "agents.a.model.primary: expected text", id="half"),
    pytest.param('{"agents": {"list": {}}}', "agents.list: expected a list", id="no list"),
    pytest.param('{"agents": {"a": "x", "list": [{"id": "a"}]}}', "an agent a already", id="agent twice"),
    pytest.param("[" * 100_000, "too deeply", id="deep"),
]


@pytest.mark.parametrize(("text", "problem"), ODD)
def test_what_is_not_as_expected_is_refused_with_its_place(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "openclaw.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem) as refused:
        read_openclaw(path)
    assert "openclaw.json" in refused.value.message


def test_a_file_without_an_end_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read_openclaw(Path("/dev/zero"))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "openclaw.json"
    path.write_bytes(b'{"routing": {"a": "\xff"}}')
    with pytest.raises(ConfigError, match="not UTF-8: byte 0xff at position 19"):
        read_openclaw(path)


MODELS = st.one_of(st.sampled_from([*SHIPPED.models, "opus", "google/gemini-2.0-flash"]), st.text().filter(str.strip))
NAMES = st.text().filter(lambda name: name not in ("defaults", "list"))
USES = st.dictionaries(
    NAMES, st.one_of(MODELS, st.fixed_dictionaries({"model": MODELS, "description": st.text()})), max_size=5
)


@given(st.fixed_dictionaries({"agents": USES, "routing": st.dictionaries(st.text(), MODELS, max_size=5)}))
def test_whatever_is_converted_loads(document: dict[str, Any]) -> None:
    assume(document["agents"] or document["routing"])
    with TemporaryDirectory() as folder:
        found = converted(document, Path(folder))
        registry = loaded(found, Path(folder))
        own = [registry.chains[name] for name in registry.chains if name not in SHIPPED.chains]
        assert all(SHIPPED.models[call.model] for chain in own for call in calls(chain.plan))
