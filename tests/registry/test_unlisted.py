"""The names that models go by: with a provider in front, and of models that no file lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import UsageError, did_you_mean
from orchestrator.registry.loading import load_registry
from orchestrator.registry.model import Registry
from orchestrator.registry.model_names import ModelNames
from orchestrator.registry.unlisted import UNLISTED, entry

NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    nowhere = tmp_path_factory.mktemp("config")
    return load_registry(models_file=None, chains_file=None, config_dir=nowhere)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("gpt-4o", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("OpenAI/GPT-4o", "gpt-4o"),
        ("openai:gpt-4o", "gpt-4o"),
        ("anthropic/claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("anthropic/claude-sonnet-5.5", "claude-sonnet-5-5"),
        ("anthropic:claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("gemini/gemini-3.8-flash", "gemini-3.8-flash"),
        ("google/gemini-3.8-flash", "gemini-3.8-flash"),
        ("google-gla:gemini-3.8-flash", "gemini-3.8-flash"),
        ("google/models/gemini-3.8-flash", "gemini-3.8-flash"),
        ("models/gemini-3.8-flash", "gemini-3.8-flash"),
        ("openrouter/qwen/qwen3.8-flash", "openrouter/qwen/qwen3.8-flash"),
    ],
)
def test_a_listed_model_by_every_name(registry: Registry, written: str, name: str) -> None:
    assert registry.model(written).name == name
    assert registry.chain(written).models == (name,)
    assert UNLISTED not in registry.model(written).tags


@pytest.mark.parametrize(
    ("written", "name", "provider", "model_id"),
    [
        ("openrouter/foo/bar", "openrouter/foo/bar", "openrouter", "foo/bar"),
        ("openrouter/qwen/qwen3:free", "openrouter/qwen/qwen3:free", "openrouter", "qwen/qwen3:free"),
        ("ollama/qwen3:8b", "ollama/qwen3:8b", "ollama", "qwen3:8b"),
        ("ollama_chat/qwen3:8b", "ollama/qwen3:8b", "ollama", "qwen3:8b"),
        ("ollama:qwen3:8b", "ollama/qwen3:8b", "ollama", "qwen3:8b"),
        ("hosted_vllm/org/model", "vllm/org/model", "vllm", "org/model"),
        ("openai/gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13", "openai", "gpt-4o-2024-05-13"),
        ("ft:gpt-4o:me::abc", "ft:gpt-4o:me::abc", "openai", "ft:gpt-4o:me::abc"),
        ("openai/ft:gpt-4o:me::abc", "ft:gpt-4o:me::abc", "openai", "ft:gpt-4o:me::abc"),
    ],
)
def test_a_model_of_a_known_provider_that_no_file_lists(
    registry: Registry, written: str, name: str, provider: str, model_id: str
) -> None:
    spec = registry.model(written)
    assert (spec.name, spec.provider, spec.id) == (name, provider, model_id)
    assert spec.price_at(NOW) is None
    assert UNLISTED in spec.tags
    assert registry.model(spec.name) is registry.model(spec.name)
    assert spec.name not in list(registry.models)


def test_a_namesake_says_what_can_be_known(registry: Registry) -> None:
    base, tuned = registry.model("gpt-4o"), registry.model("ft:gpt-4o-2024-08-06:me::abc")
    assert (tuned.context_window, tuned.output_limit, tuned.supports) == (
        base.context_window,
        base.output_limit,
        base.supports,
    )
    assert registry.model("ollama/anything").context_window < registry.model("openrouter/any/thing").context_window


@pytest.mark.parametrize("written", ["foo/gpt-4o", "mistral/gpt-4o", "opnai/gpt-4o"])
def test_a_provider_that_there_is_not_gets_the_model_as_a_hint(registry: Registry, written: str) -> None:
    for look_up in (registry.model, registry.chain):
        with pytest.raises(UsageError) as caught:
            look_up(written)
        assert caught.value.hint == "did you mean 'gpt-4o'?"


@pytest.mark.parametrize("written", ["openai/", "openai/two words", "openai/a,b", "/gpt", ":gpt", "openai", "ft:x"])
def test_what_can_be_no_name_is_none(registry: Registry, written: str) -> None:
    assert registry.find(written) is None


def test_the_entry_that_is_told_can_be_pasted(registry: Registry, tmp_path: Path) -> None:
    named = ["openrouter/foo/bar", "ft:gpt-4o:me::abc", "ollama/qwen3:8b"]
    lines = [f"  {line}" for name in named for line in entry(registry.model(name))]
    pasted = tmp_path / "models.yaml"
    pasted.write_text("\n".join(["models:", *lines]))
    mine = load_registry(models_file=pasted, chains_file=None, config_dir=tmp_path)
    for name in named:
        told, listed = registry.model(name), mine.model(name)
        assert (listed.id, listed.provider, listed.context_window) == (told.id, told.provider, told.context_window)
        assert (listed.scores, listed.levels, listed.supports) == (told.scores, told.levels, told.supports)
        assert UNLISTED not in listed.tags


def test_files_may_name_models_in_every_way(tmp_path: Path) -> None:
    chains = tmp_path / "chains.yaml"
    chains.write_text(
        "mine: [openai/gpt-4o, openrouter/foo/bar]\n"
        "roles:\n  clerk: {models: [gemini/gemini-3.8-flash]}\n"
        'tiers:\n  low: ["ollama/qwen3:8b"]\n'
    )
    mine = load_registry(models_file=None, chains_file=chains, config_dir=tmp_path)
    assert mine.chain("mine").models == ("gpt-4o", "openrouter/foo/bar")
    assert mine.tiers["low"] == ("ollama/qwen3:8b",)
    assert list(mine.role("clerk").models.values()) == [("gemini-3.8-flash",)]


def test_an_export_may_name_models_with_their_provider(registry: Registry) -> None:
    assert ModelNames(registry, "openai", {}).fold("openai/gpt-4o") == "gpt-4o"
    assert ModelNames(registry, None, {}).fold("anthropic/claude-sonnet-5-5") == "claude-sonnet-5-5"


def test_what_stands_after_a_slash_counts_for_a_suggestion() -> None:
    assert did_you_mean("openai/gpt-4o", ["openai", "gpt-4o"]) == "did you mean 'gpt-4o'?"
    assert did_you_mean("foo/gpt-4oo", ["gpt-4o"]) == "did you mean 'gpt-4o'?"
    assert did_you_mean("foo/", ["bar"]) is None
