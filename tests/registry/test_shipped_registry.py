"""What the shipped models.yaml and chains.yaml hold."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from patience import PATIENCE_S

from orchestrator.registry import ModelSpec, Registry, Status, load_registry
from orchestrator.registry.providers import PROVIDERS
from orchestrator.types import Level

TODAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SELF_HOSTED = {"vllm", "ollama", "llamacpp"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return load_registry(models_file=None, chains_file=None, config_dir=tmp_path_factory.mktemp("empty"))


def current(registry: Registry) -> list[ModelSpec]:
    return [spec for spec in registry.models.values() if spec.status is Status.CURRENT]


def test_every_provider_has_a_current_model(registry: Registry) -> None:
    assert {spec.provider for spec in current(registry)} == set(PROVIDERS)


REFERENCE = {
    "claude-haiku-3.5": (200_000, Level.INTERMEDIATE, "0.8", "4", 100),
    "claude-sonnet-3.5": (200_000, Level.ADVANCED, "3", "15", 50),
    "claude-opus-3": (200_000, Level.EXPERT, "15", "75", 20),
    "gpt-4o-mini": (128_000, Level.INTERMEDIATE, "0.15", "0.6", 100),
    "gpt-4o": (128_000, Level.ADVANCED, "2.5", "10", 50),
    "gpt-4": (8192, Level.EXPERT, "30", "60", 20),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_the_models_of_2024_keep_their_prices_levels_and_limits(registry: Registry, name: str) -> None:
    window, level, input_rate, output_rate, rpm = REFERENCE[name]
    spec = registry.model(name)
    price = spec.price_at(NOON)
    assert price is not None
    assert price.rates is not None
    assert (price.rates.input, price.rates.output) == (Decimal(input_rate), Decimal(output_rate))
    assert (spec.context_window, spec.top_level, spec.limits.rpm) == (window, level, rpm)


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4-turbo",
        "gemini-1.5-pro",
        "gemini-2.0-flash",
        "gemini-pro",
        "gemini-flash",
        "claude-haiku-4-5",
        "claude-sonnet-4-5",
        "opus",
        "sonnet",
        "haiku",
        "qwen-2.5-coder",
        "deepseek-coder-32b",
        "codellama-34b",
        "mistral-large",
        "llama-3-70b",
        "openrouter/openai/gpt-4-turbo",
        "openrouter/anthropic/claude-3-opus",
        "openrouter/google/gemini-pro-1.5",
        "openrouter/meta-llama/llama-3-70b-instruct",
        "vllm/llama3-70b",
        "ollama/llama3-70b",
        "vllm/mistral-large",
        "ollama/mistral-large",
    ],
)
def test_every_model_that_scripts_may_name_is_there(registry: Registry, name: str) -> None:
    assert registry.model(name).prices


@pytest.mark.parametrize("provider", ["anthropic", "openai", "google", "openrouter"])
def test_each_large_provider_has_a_current_model_for_every_level(registry: Registry, provider: str) -> None:
    levels = {spec.top_level for spec in current(registry) if spec.provider == provider}
    assert levels >= {Level.INTERMEDIATE, Level.ADVANCED, Level.EXPERT}


def test_a_model_is_trusted_with_every_level_below_its_highest(registry: Registry) -> None:
    for spec in registry.models.values():
        assert spec.levels == tuple(Level)[: len(spec.levels)], spec.name


def test_retired_means_that_the_day_has_passed_and_nothing_else(registry: Registry) -> None:
    for spec in registry.models.values():
        assert spec.is_retired(TODAY) == (spec.status is Status.RETIRED), spec.name
        assert spec.status is not Status.CURRENT or spec.retires is None, spec.name


def test_every_model_has_a_price_now_and_self_hosted_ones_have_it_by_the_hour(registry: Registry) -> None:
    for spec in registry.models.values():
        price = spec.price_at(NOON)
        assert price is not None, spec.name
        assert (price.gpu_hour is not None) == (spec.provider in SELF_HOSTED), spec.name


@pytest.mark.parametrize(
    "family",
    [
        ["claude-opus-3", "claude-opus-4-0", "claude-opus-4-5", "claude-opus-4-8", "claude-opus-5", "claude-opus-5-5"],
        ["claude-sonnet-3.5", "claude-sonnet-4-0", "claude-sonnet-4-6", "claude-sonnet-5", "claude-sonnet-5-5"],
        ["claude-haiku-3.5", "claude-haiku-4-5", "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"],
        ["gpt-4o-mini", "gpt-4.1-mini", "gpt-5-mini", "gpt-5.4-mini"],
        ["gpt-4o", "gpt-4.1", "gpt-5", "gpt-5.2", "gpt-5.4", "gpt-5.6-sol", "gpt-6-sol", "gpt-6.1-sol"],
        ["gpt-6-luna", "gpt-6.1-terra", "gpt-6.1-sol", "gpt-6-astra"],
        ["gemini-2.0-flash", "gemini-2.5-flash", "gemini-3.5-flash", "gemini-3.7-flash", "gemini-3.8-flash"],
        ["gemini-2.5-flash-lite", "gemini-3.5-flash-lite", "gemini-3.8-flash", "gemini-4-argon"],
    ],
    ids=lambda family: f"{family[0]} to {family[-1]}",
)
def test_scores_rise_with_the_generation_and_the_tier(registry: Registry, family: list[str]) -> None:
    scores = [registry.model(name).scores for name in family]
    for key in ("coding", "reasoning"):
        values = [getattr(score, key) for score in scores]
        assert values == sorted(set(values)), key


@pytest.mark.parametrize(
    ("name", "accepts"),
    [
        ("gpt-4o", True),
        ("gpt-5", False),
        ("gpt-6-luna", False),
        ("o3", False),
        ("claude-opus-4-6", True),
        ("claude-opus-4-7", False),
        ("claude-haiku-5-5", False),
        ("gemini-2.5-flash", True),
        ("gemini-3.8-flash", False),
    ],
)
def test_temperature_is_offered_only_where_it_is_accepted(registry: Registry, name: str, accepts: bool) -> None:
    assert ("temperature" in registry.model(name).supports) == accepts


def test_logprobs_are_not_offered_by_models_that_reason_or_by_anthropic(registry: Registry) -> None:
    for spec in registry.models.values():
        if spec.provider == "anthropic" or spec.name.startswith(("gpt-5", "gpt-6", "o3", "o4")):
            assert "logprobs" not in spec.supports, spec.name


LEGACY = {
    "legacy-mixed": "gpt-4o-mini claude-haiku-3.5 claude-sonnet-3.5 gpt-4o claude-opus-3",
    "legacy-anthropic": "claude-haiku-3.5 claude-sonnet-3.5 claude-opus-3",
    "legacy-openai": "gpt-4o-mini gpt-4o gpt-4",
    "legacy-fast": "claude-haiku-3.5 gpt-4o-mini claude-sonnet-3.5",
}


@pytest.mark.parametrize("name", LEGACY)
def test_the_chains_of_2024_are_kept_as_they_were(registry: Registry, name: str) -> None:
    assert registry.chain(name).models == tuple(LEGACY[name].split())


@pytest.mark.parametrize("name", ["mixed", "anthropic", "openai", "google", "fast", "local"])
def test_the_chains_of_today_name_current_models_only(registry: Registry, name: str) -> None:
    assert all(registry.model(model).status is Status.CURRENT for model in registry.chain(name).models)


@pytest.mark.parametrize("name", ["mixed", "anthropic", "openai", "google"])
def test_the_chains_of_today_go_from_cheap_to_strong(registry: Registry, name: str) -> None:
    legs = [registry.model(model) for model in registry.chain(name).models]
    ranks = [leg.top_level.rank for leg in legs]
    assert ranks == sorted(ranks)
    assert legs[-1].top_level is Level.EXPERT


def test_mixed_crosses_three_providers(registry: Registry) -> None:
    assert {registry.model(model).provider for model in registry.chain("mixed").models} == {
        "anthropic",
        "openai",
        "google",
    }


def test_loading_imports_no_sdk_and_no_http_library() -> None:
    code = (
        "import sys; from pathlib import Path; from orchestrator.registry import load_registry; "
        "load_registry(models_file=None, chains_file=None, config_dir=Path('/nonexistent')); "
        "print(sorted({'anthropic', 'openai', 'google', 'httpx2', 'typer', 'rich', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert done.stdout.strip() == "[]"
