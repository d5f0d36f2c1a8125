"""Tools passed through: read strictly, offered with the prompt, and what the model calls of them in the result."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import SURE, Script, Stage, reply

from orchestrator.config import RunOptions
from orchestrator.errors import ConfigError, UsageError
from orchestrator.plan import calls
from orchestrator.reading.tool_definitions import parse_tools, read_tools
from orchestrator.types import Completion, FinishReason, Prompt, Tool, ToolCall, Usage

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "The weather in a city", SCHEMA)
ANTHROPIC = {"name": "get_weather", "description": "The weather in a city", "input_schema": SCHEMA}
RESPONSES = {"type": "function", "name": "get_weather", "description": "The weather in a city", "parameters": SCHEMA}
CHAT = {"type": "function", "function": {k: v for k, v in RESPONSES.items() if k != "type"}}
ASKED = "What is the weather in Paris?"

Orch = Callable[..., subprocess.CompletedProcess[bytes]]


def calling(name: str = "get_weather", arguments: str = '{"city": "Paris"}') -> Completion:
    called = (ToolCall("call_1", name, arguments),)
    return Completion("", FinishReason.TOOL_CALLS, Usage(60, 12), 5, model="as-named", tool_calls=called)


@pytest.mark.parametrize("tool", [ANTHROPIC, RESPONSES, CHAT], ids=["anthropic", "responses", "chat"])
@pytest.mark.parametrize("wrapped", [False, True], ids=["list", "under tools"])
def test_tools_are_read_in_each_of_the_forms(tmp_path: Path, tool: dict[str, Any], wrapped: bool) -> None:
    (tmp_path / "tools.json").write_text(json.dumps({"tools": [tool]} if wrapped else [tool]))
    assert read_tools(tmp_path / "tools.json") == (WEATHER,)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param("{}", "expected a list of tools", id="no list"),
        pytest.param("[]", "holds no tools", id="empty"),
        pytest.param("[", "is not JSON", id="no JSON"),
        pytest.param('[{"name": "a", "name": "b"}]', "is not JSON: the key 'name' is there twice", id="doubled key"),
        pytest.param("[3]", "tools[0]: expected an object", id="number"),
        pytest.param(json.dumps([{"description": "x"}]), "tools[0].name: is missing", id="no name"),
        pytest.param(json.dumps([{"name": "get weather"}]), "tools[0].name: expected 1 to 64 letters", id="bad name"),
        pytest.param(json.dumps([ANTHROPIC, CHAT]), "tools[1]: there is a tool 'get_weather' already", id="twice"),
        pytest.param(
            json.dumps([{"name": "a", "input_schema": {"type": "string"}}]),
            'tools[0].input_schema: expected a JSON Schema with "type": "object"',
            id="no object",
        ),
        pytest.param(
            json.dumps([{"name": "a", "input_schema": {"type": "object", "properties": {"x": {"type": "strng"}}}}]),
            "tools[0].input_schema.properties.x.type: is no JSON Schema",
            id="no schema",
        ),
        pytest.param(
            json.dumps([{**ANTHROPIC, "cache_control": {}}]), "tools[0]: unknown key 'cache_control'", id="unknown key"
        ),
        pytest.param(
            json.dumps([{"type": "web_search_20250305", "name": "web_search"}]),
            "tools[0].type: 'web_search_20250305' cannot be passed on",
            id="provider's own",
        ),
    ],
)
def test_what_is_wrong_with_a_file_of_tools_is_said_with_its_place(tmp_path: Path, document: str, problem: str) -> None:
    (tmp_path / "tools.json").write_text(document)
    with pytest.raises(ConfigError) as caught:
        read_tools(tmp_path / "tools.json")
    assert caught.value.message.startswith(f"{tmp_path / 'tools.json'}: {problem}")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["object", "function"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "function", "name", "input_schema", "parameters", "tools"]), inner)
    ),
    max_leaves=12,
)


@given(_JSON)
def test_no_json_makes_anything_but_tools_or_a_clear_error(document: object) -> None:
    with suppress(ConfigError):
        assert parse_tools(document)


def test_a_call_of_a_tool_is_in_the_result_and_in_the_ledger(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({"claude-haiku-5-5": [calling()]}))
    result = stage.run(ASKED, chain="haiku", tools=(WEATHER,))
    assert stage.script.sent[0].tools == (WEATHER,)
    assert result.status == "complete"
    assert result.calls[0].finish_reason == "tool_calls"
    document = result.to_dict()
    assert document["tool_calls"] == [{"id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}]
    assert "tool_calls" not in document["metadata"]


def test_a_call_that_cannot_be_carried_out_goes_to_the_next_model(tmp_path: Path) -> None:
    acts = {"claude-haiku-5-5": [calling(arguments='{"town": 3}')], "claude-opus-5-5": [calling()]}
    result = Stage(tmp_path, Script(dict(acts))).run(ASKED, chain="haiku,opus", tools=(WEATHER,))
    assert result.model_used == "claude-opus-5-5"
    unknown = acts | {"claude-haiku-5-5": [calling("get_whether")]}
    assert Stage(tmp_path, Script(dict(unknown))).run(ASKED, chain="haiku,opus", tools=(WEATHER,)).model_used == (
        "claude-opus-5-5"
    )


def test_arguments_that_are_no_object_are_given_as_they_were_written(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({"claude-haiku-5-5": [calling(arguments="{city: Paris")]}))
    result = stage.run(ASKED, chain="haiku", tools=(WEATHER,))
    assert result.to_dict()["tool_calls"][0]["arguments"] == "{city: Paris"
    assert (result.confidence or 0) < 0.1


def test_only_models_that_support_tools_are_chosen(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({}))
    for strategy in ("cheapest", "cost", "capability", "fallback", "tasks", "round-robin"):
        plan = stage.engine().plan(Prompt(ASKED), replace(RunOptions(), strategy=strategy, tools=(WEATHER,)))
        registry = stage.engine().registry
        assert all("tools" in registry.model(call.model).supports for call in calls(plan.plan)), strategy


@pytest.mark.parametrize("options", [{"chain": "ollama/llama3-70b"}, {"chain": "haiku,ollama/llama3-70b"}])
def test_a_named_model_that_takes_no_tools_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="ollama/llama3-70b does not support tools"):
        Stage(tmp_path, Script({})).run(ASKED, tools=(WEATHER,), **options)


@pytest.mark.parametrize("strategy", ["ensemble", "pipeline", "vote", "debate", "refine"])
def test_a_plan_that_puts_answers_together_takes_no_tools(tmp_path: Path, strategy: str) -> None:
    with pytest.raises(UsageError, match="tools go with one model at a time"):
        Stage(tmp_path, Script({})).run(ASKED, strategy=strategy, tools=(WEATHER,))


def test_the_definitions_of_tools_are_part_of_what_is_set_aside(tmp_path: Path) -> None:
    long = Tool("get_weather", "The weather in a city. " * 500, SCHEMA)
    stage = Stage(tmp_path, Script({"claude-haiku-5-5": [calling()]}))
    bare, with_tools = (
        stage.engine().plan(Prompt(ASKED), replace(RunOptions(), chain="haiku", tools=tools)) for tools in ((), (long,))
    )
    assert with_tools.load.input_tokens > bare.load.input_tokens + 2_000
    assert (with_tools.cost.maximum or 0) > (bare.cost.maximum or 0)
    in_role = stage.engine().plan(
        Prompt(ASKED), replace(RunOptions(), strategy="cheapest", role="critic", tools=(long,))
    )
    assert all((cost.maximum or 0) > 0 for cost in in_role.costs.values())
    reserved = stage.run(ASKED, chain="haiku", tools=(long,)).calls[0].reserved_nanousd
    assert reserved is not None
    assert reserved > (bare.cost.maximum or 0)


def test_a_model_may_answer_in_words_all_the_same(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Script({"claude-haiku-5-5": [reply(SURE)]}))
    result = stage.run(ASKED, chain="haiku", tools=(WEATHER,))
    assert (result.response, result.tool_calls) == (SURE, ())


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("get_weather", "=get_weather"),
        ("=none", "=none"),
    ],
)
def test_which_tool_is_called_can_be_chosen(tmp_path: Path, choice: str, sent: str) -> None:
    stage = Stage(tmp_path, Script({"claude-haiku-5-5": [calling()]}))
    offered: dict[str, Any] = {"chain": "haiku", "tools": (WEATHER, Tool("none", "", SCHEMA))}
    stage.run(ASKED, **offered, tool_choice=choice)
    assert stage.script.sent[0].tool_choice == sent
    with pytest.raises(UsageError, match="there is no tool 'nix' among those that are offered"):
        stage.run(ASKED, **offered, tool_choice="nix")


def test_without_tools_there_is_nothing_to_choose(orch: Orch) -> None:
    refused = orch("run", "--simulate", "--tool-choice", "required", "-p", ASKED)
    assert (refused.returncode, refused.stderr.decode().splitlines()[0]) == (2, "orch: --tool-choice needs tools")


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "gpt-6-luna", "gemini-3.8-flash"])
def test_tools_go_over_every_wire(orch: Orch, tmp_path: Path, model: str) -> None:
    (tmp_path / "tools.json").write_text(json.dumps([CHAT]))
    argv = ("run", "--simulate", "--chain", model, "--tools", str(tmp_path / "tools.json"), "-p", ASKED)
    document = json.loads(orch(*argv, "--output", "json").stdout)
    assert [(call["name"], call["arguments"]) for call in document["tool_calls"]] == [
        ("get_weather", {"city": "Paris"})
    ]
    assert (
        json.loads(orch("show", "last", "--simulate", "--output", "json").stdout)["tool_calls"]
        == (document["tool_calls"])
    )
    assert json.loads(orch(*argv).stdout)["name"] == "get_weather"
    hidden = json.loads(orch(*argv, "--output", "json", ORCH_LOG_TEXT="0").stdout)
    assert hidden["tool_calls"]
    assert not json.loads(orch("show", "last", "--simulate", "--output", "json").stdout)["tool_calls"]
