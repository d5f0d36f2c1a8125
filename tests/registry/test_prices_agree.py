"""models.yaml against the pinned genai-prices, and the script that keeps the one up with the other."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import types as genai
from genai_prices.data import providers

from orchestrator.money import NANO_PER_DOLLAR, cost_nanousd
from orchestrator.registry import ModelSpec
from orchestrator.registry.loading import load_registry, read_models, shipped
from orchestrator.types import Usage

SINCE = date(2026, 11, 21)
INSTANTS = [
    datetime(2026, 11, 21, 0, tzinfo=UTC),
    datetime(2026, 11, 21, 3, 59, tzinfo=UTC),  # DeepSeek's dearer hours: 01:00-04:00 and 06:00-10:00
    datetime(2026, 11, 21, 4, tzinfo=UTC),
    datetime(2026, 11, 22, 6, tzinfo=UTC),
    datetime(2026, 11, 30, 23, 59, tzinfo=UTC),
    datetime(2026, 12, 1, tzinfo=UTC),  # Gemini 4 Argon goes up
    datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),  # Gemini 3.x Flash goes up
    datetime(2028, 2, 29, 8, tzinfo=UTC),
]
USAGES = [
    Usage(input_tokens=1, output_tokens=1),
    Usage(input_tokens=1000, output_tokens=333, cached_tokens=400),
    Usage(input_tokens=100_001, output_tokens=2000, cached_tokens=7, cache_write_tokens=11),
    Usage(input_tokens=200_000, output_tokens=7),
    Usage(input_tokens=272_001, output_tokens=128_000, cached_tokens=272_000),
]
OPUS = (
    "- {input: 4, output: 20, cache_read: 0.2, cache_write: 5, cache_write_1h: 8, batch: 0.5, service: {fast: 2},\n"
    "         fees: {web_search: 0.01}, regions: {us: 1.1}}"
)
O3 = (
    "- {from: 2025-06-10, input: 2, output: 8, cache_read: 0.5, batch: {input: 1, output: 4, cache_read: 0.5},\n"
    "         service: {fast: 1.75, flex: 0.5, priority: 1.75}, fees: {web_search: 0.01}}"
)
MODELS = read_models(shipped("models.yaml"))
PRICED_BY_TOKEN = [spec for spec in MODELS.values() if spec.prices and spec.prices[0].gpu_hour is None]


@pytest.fixture(scope="module")
def update_prices() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "scripts" / "update_prices.py"
    spec = importlib.util.spec_from_file_location("update_prices", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def models_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(shipped("models.yaml"), tmp_path / "models.yaml"))


def test_every_price_agrees_with_the_pinned_package_or_says_why_not(update_prices: ModuleType) -> None:
    assert [str(found) for found in update_prices.differences(MODELS.values(), SINCE)] == []


def test_the_prices_of_embeddings_agree_too(tmp_path: Path) -> None:
    registry = load_registry(models_file=None, chains_file=None, config_dir=tmp_path)
    assert registry.embeddings
    for model in registry.embeddings.values():
        (price,) = model.spec.prices
        theirs = their_model(model.spec).get_prices(INSTANTS[0]).input_mtok
        assert price.rates is not None
        assert price.rates.input == theirs, model.spec.name


def their_model(spec: ModelSpec) -> genai.ModelInfo:
    found = next(provider for provider in providers if provider.id == spec.provider).find_model(spec.id)
    assert found is not None
    return found


@pytest.mark.parametrize("spec", PRICED_BY_TOKEN, ids=lambda spec: spec.name)
def test_a_bill_is_the_one_that_the_package_would_write(spec: ModelSpec) -> None:
    theirs = their_model(spec)
    for at in INSTANTS:
        price = spec.price_at(at)
        assert price is not None
        for usage in USAGES:
            same = TheirUsage(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cached_tokens,
                cache_write_tokens=usage.cache_write_tokens,
            )
            dollars = theirs.get_prices(at).calc_price(same)["total_price"]
            assert 0 <= cost_nanousd(price, usage) - dollars * NANO_PER_DOLLAR < 1, (at, usage)
            if (by_batch := price.by_batch()) is not None:
                halved = theirs.get_prices(at, {"processing": "batch"}).calc_price(same)["total_price"]
                assert 0 <= cost_nanousd(by_batch, usage) - halved * NANO_PER_DOLLAR < 1, (at, usage)
                assert halved < dollars


@pytest.mark.parametrize(
    ("old", "new", "model"),
    [
        pytest.param("- {input: 4, output: 20,", "- {input: 4, output: 21,", "claude-opus-5-5", id="a rate"),
        pytest.param("{above: 100_000, input: 0.5,", "{above: 100_001, input: 0.5,", "claude-haiku-5-5", id="a tier"),
        pytest.param("from: 2026-12-01", "from: 2026-12-02", "gemini-4-argon", id="a future day"),
        pytest.param('utc: "06:00-10:00"', 'utc: "06:00-09:59"', "deepseek-v4-pro", id="an hour"),
        pytest.param("cache_write_1h: 8, batch: 0.5", "cache_write_1h: 8", "claude-opus-5-5", id="no batch rate"),
        pytest.param("8, batch: 0.5", "8, batch: 0.6", "claude-opus-5-5", id="a discount"),
        pytest.param("cache_write_1h: 8", "cache_write_1h: 9", "claude-opus-5-5", id="an hour in the cache"),
        pytest.param("service: {fast: 2}", "service: {fast: 3}", "claude-opus-5-5", id="a service tier"),
        pytest.param("web_search: 0.01", "web_search: 0.02", "claude-opus-5-5", id="a fee"),
        pytest.param("batch: {input: 1.25", "batch: {input: 1.5", "gpt-4o", id="a batch rate"),
        pytest.param(
            "{from: 2026-08-17,", "{from: 2026-08-17, batch: 0.5,", "deepseek-v4-pro", id="no such batch rate"
        ),
    ],
)
def test_a_price_that_differs_is_found_unless_a_dated_note_explains_it(
    update_prices: ModuleType, models_file: Path, old: str, new: str, model: str
) -> None:
    document = models_file.read_text("utf-8")
    before, entry = document.split(f"  {model}:\n")
    assert old in entry
    models_file.write_text(before + f"  {model}:\n" + entry.replace(old, new, 1), "utf-8")
    found = list(update_prices.differences(read_models(models_file).values(), SINCE))
    assert [difference.model for difference in found] == [model]


@pytest.mark.parametrize(
    ("note", "explained"),
    [("corrected on the price page, 2026-11-20", True), ("corrected on the price page", False)],
    ids=["dated", "undated"],
)
def test_a_difference_is_explained_by_a_dated_note_only(
    update_prices: ModuleType, models_file: Path, note: str, explained: bool
) -> None:
    document = models_file.read_text("utf-8")
    assert document.count(OPUS) == 1
    models_file.write_text(document.replace(OPUS, f'- {{input: 4, output: 21, note: "{note}"}}'), "utf-8")
    found = list(update_prices.differences(read_models(models_file).values(), SINCE))
    assert (found == []) == explained


def test_writing_adds_dated_entries_and_changes_nothing_else(update_prices: ModuleType, models_file: Path) -> None:
    document = models_file.read_text("utf-8")
    assert document.count(O3) == 1
    stale = document.replace(OPUS, "- {input: 5, output: 25}").replace(O3, "- {from: 2025-06-10, input: 2, output: 9}")
    hours = document[document.index("  deepseek-flash:") : document.index("  deepseek-reasoner:")]
    plain = "\n".join(line for line in hours.splitlines() if "utc:" not in line) + "\n\n"
    stale = stale.replace(hours, plain)
    models_file.write_text(stale, "utf-8")
    assert update_prices.main(["--write", "--file", str(models_file)], SINCE) == 0
    written = models_file.read_text("utf-8").splitlines()
    added = [line for line in written if line not in stale.splitlines()]
    assert added == [
        "      - {from: 2026-11-21, input: 4, output: 20, cache_read: 0.2, cache_write: 5, cache_write_1h: 8,"
        f" batch: 0.5, service: {{fast: 2}}, fees: {{web_search: 0.01}}, {tail(update_prices)}}}",
        "      - {from: 2026-11-21, input: 2, output: 8, cache_read: 0.5,"
        " batch: {input: 1, output: 4, cache_read: 0.5}, service: {fast: 1.75, flex: 0.5, priority: 1.75},"
        " fees: {web_search: 0.01},"
        f" {tail(update_prices)}}}",
        f"      - {{from: 2026-11-21, input: 0.15, output: 0.6, cache_read: 0.003, {tail(update_prices)}}}",
        f'      - {{utc: "01:00-04:00", input: 0.3, output: 1.2, cache_read: 0.006, {tail(update_prices)}}}',
        f'      - {{utc: "06:00-10:00", input: 0.3, output: 1.2, cache_read: 0.006, {tail(update_prices)}}}',
    ]
    assert [line for line in written if line not in added] == stale.splitlines()
    assert [path.name for path in models_file.parent.iterdir()] == ["models.yaml"]


def tail(update_prices: ModuleType) -> str:
    return f"source: {update_prices.SOURCE}, checked: 2026-11-21"


def test_looking_writes_nothing_and_says_what_differs(
    update_prices: ModuleType, models_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = models_file.read_text("utf-8").replace(
        "- {input: 4, output: 20, cache_read: 0.2,", "- {input: 5, output: 20,"
    )
    models_file.write_text(stale, "utf-8")
    assert update_prices.main(["--file", str(models_file)], SINCE) == 1
    assert "claude-opus-5-5 at 2026-11-21 00:00 UTC" in capsys.readouterr().out
    assert models_file.read_text("utf-8") == stale


def test_a_day_that_is_taken_is_left_to_the_maintainer(
    update_prices: ModuleType, models_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = models_file.read_text("utf-8").replace("{from: 2026-12-01, input: 4,", "{from: 2026-12-01, input: 3,")
    models_file.write_text(stale, "utf-8")
    assert update_prices.main(["--write", "--file", str(models_file)], SINCE) == 1
    assert "gemini-4-argon: edit by hand" in capsys.readouterr().out
    assert models_file.read_text("utf-8") == stale
