"""Reading models and chains: the user's over the shipped ones, names and aliases, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, UsageError
from orchestrator.money import OtherRates, Price, Rates, Tier
from orchestrator.registry import FreeQuota, RateLimits, Registry, Scores, Status, load_registry
from orchestrator.types import Level

MODEL = """\
  house:
    provider: vllm
    context_window: 32_768
    output_limit: 8192
    levels: [intermediate, basic]
    scores: {coding: 0.7, reasoning: 0.4, speed: 0.5, long_context: 0.5}
    prices:
      - {input: 1, output: 2}
"""
MODELS = "checked: 2026-11-21\nmodels:\n" + MODEL
FULL = """\
checked: 2026-11-21
source: price list
models:
  house/model-1:
    provider: openai
    id: ft:model-1
    aliases: [house]
    status: deprecated
    retires: 2027-01-01
    context_window: 100_000
    output_limit: 4096
    levels: [basic]
    scores: {coding: 0.5, reasoning: 0.4, speed: 1, long_context: 0}
    supports: [tools, temperature]
    limits: {rpm: 10, tpm: 1000, rpd: 100, tpd: 100_000}
    free_quota: {requests_per_day: 5, tokens_per_day: 500}
    tags: [cheap]
    tokens_per_second: 12.5
    prices:
      - {input: 1, output: 2, cache_read: 0.1, cache_write: 1.25, tiers: [{above: 50_000, input: 2, output: 3}]}
      - {from: 2026-12-01, input: 3, output: 4, note: "raised, seen 2026-11-20"}
      - {utc: "22:00-04:30", input: 1.5, output: 2, source: night list, checked: 2026-11-01}
      - {from: 2027-02-01, gpu_hour: 0.30}
"""

Load = Callable[..., Registry]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(*, models: str | None = None, chains: str | None = None) -> Registry:
        for name, document in (("models.yaml", models), ("chains.yaml", chains)):
            if document is not None:
                (tmp_path / name).write_text(document, "utf-8")
        return load_registry(models_file=None, chains_file=None, config_dir=tmp_path)

    return load


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return load_registry(models_file=None, chains_file=None, config_dir=tmp_path_factory.mktemp("empty"))


def test_every_field_of_a_model_is_read(load: Load) -> None:
    spec = load(models=FULL).model("house/model-1")
    assert (spec.provider, spec.id, spec.aliases, spec.status) == (
        "openai",
        "ft:model-1",
        ("house",),
        Status.DEPRECATED,
    )
    assert (spec.retires, spec.context_window, spec.output_limit) == (date(2027, 1, 1), 100_000, 4096)
    assert (spec.levels, spec.scores) == ((Level.BASIC,), Scores(0.5, 0.4, 1.0, 0.0))
    assert (spec.limits, spec.free_quota) == (RateLimits(10, 1000, 100, 100_000), FreeQuota(5, 500))
    assert (spec.supports, spec.tags) == (frozenset({"tools", "temperature"}), frozenset({"cheap"}))
    assert spec.tokens_per_second == 12.5


def test_prices_are_read_as_dated_decimals(load: Load) -> None:
    checked, one = date(2026, 11, 21), Decimal(1)
    tier = Tier(50_000, Rates(Decimal(2), Decimal(3)))
    night = (time(22), time(4, 30))
    assert load(models=FULL).model("house").prices == (
        Price(date.min, "price list", checked, Rates(one, Decimal(2), Decimal("0.1"), Decimal("1.25")), (tier,)),
        Price(date(2026, 12, 1), "price list", checked, Rates(Decimal(3), Decimal(4)), note="raised, seen 2026-11-20"),
        Price(date(2026, 12, 1), "night list", date(2026, 11, 1), Rates(Decimal("1.5"), Decimal(2)), hours_utc=night),
        Price(date(2027, 2, 1), "price list", checked, gpu_hour=Decimal("0.30")),
    )


def test_a_batch_rate_is_a_share_of_the_usual_ones_or_has_rates_of_its_own(load: Load) -> None:
    def batch(written: str) -> OtherRates | None:
        price = (
            "{input: 1, output: 2, cache_read: 0.1, tiers: [{above: 9, input: 3, output: 5}], batch: " + written + "}"
        )
        return load(models=MODELS.replace("{input: 1, output: 2}", price)).model("house").prices[0].batch

    half = Rates(Decimal("0.5"), Decimal(1), Decimal("0.05"))
    assert batch("0.5") == OtherRates(half, (Tier(9, Rates(Decimal("1.5"), Decimal("2.5"))),))
    own = Rates(Decimal("0.4"), Decimal(1))
    assert batch("{input: 0.4, output: 1}") == OtherRates(own)
    assert batch("{input: 0.4, output: 1, tiers: [{above: 7, input: 1, output: 2}]}") == OtherRates(
        own, (Tier(7, Rates(Decimal(1), Decimal(2))),)
    )


def test_a_later_price_ends_the_hours_of_an_earlier_one(load: Load) -> None:
    spec = load(models=FULL).model("house")
    price = spec.price_at(datetime(2027, 2, 1, 23, tzinfo=UTC))
    assert price is not None
    assert price.gpu_hour == Decimal("0.30")


def test_a_model_may_be_unpriced_if_it_says_so(load: Load) -> None:
    models = MODELS.replace("prices:\n      - {input: 1, output: 2}", "prices: unpriced")
    assert load(models=models).model("house").price_at(datetime(2026, 11, 21, tzinfo=UTC)) is None


def test_a_users_models_come_after_the_shipped_ones(load: Load, registry: Registry) -> None:
    assert list(load(models=MODELS).models) == [*registry.models, "house"]


def test_a_users_model_replaces_the_shipped_one_of_that_name_as_a_whole(load: Load, registry: Registry) -> None:
    found = load(models=MODELS.replace("house:", "claude-haiku-4-5:"))
    assert found.model("claude-haiku-4-5").provider == "vllm"
    assert found.model("claude-haiku-4-5").tags == frozenset()
    assert set(found.models) == set(registry.models)


def test_files_that_are_named_are_read_instead_of_those_in_the_config_directory(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("never read: [")
    (tmp_path / "chains.yaml").write_text("never read: [")
    (tmp_path / "m.yaml").write_text(MODELS)
    (tmp_path / "c.yaml").write_text("mine: [house, gpt-4o]")
    named = {"models_file": tmp_path / "m.yaml", "chains_file": tmp_path / "c.yaml"}
    assert load_registry(**named, config_dir=tmp_path).chain("mine").models == ("house", "gpt-4o")


@pytest.mark.parametrize("which", ["models_file", "chains_file"])
def test_a_file_that_is_named_must_exist(which: str, tmp_path: Path) -> None:
    files: dict[str, Path | None] = {"models_file": None, "chains_file": None, which: tmp_path / "no.yaml"}
    with pytest.raises(ConfigError, match=r"no\.yaml: cannot be read: No such file"):
        load_registry(models_file=files["models_file"], chains_file=files["chains_file"], config_dir=tmp_path)


def test_a_broken_link_in_the_config_directory_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_registry(models_file=None, chains_file=None, config_dir=tmp_path)


def test_empty_files_add_nothing(load: Load, registry: Registry) -> None:
    assert load(models="# nothing yet\n", chains="").models.keys() == registry.models.keys()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            "vllm", "vlm", "4: models.house.provider: there is no provider 'vlm' (did you mean 'vllm'?)", id="provider"
        ),
        pytest.param("vllm", "acme", "there is no provider 'acme' (known: anthropic, ", id="provider, nothing close"),
        pytest.param(
            "8192", "40_000", "3: models.house: output_limit 40,000 is above context_window 32,768", id="output limit"
        ),
        pytest.param("8192", "-1", "6: models.house.output_limit: -1 is less than 1", id="negative limit"),
        pytest.param(
            "coding: 0.7", "coding: 1.1", "8: models.house.scores.coding: 1.1 is more than 1", id="score over 1"
        ),
        pytest.param("coding: 0.7, ", "", "8: models.house.scores: 'coding' is missing", id="missing score"),
        pytest.param(
            "intermediate, basic", "basic, basic", "7: models.house.levels: names a level twice", id="level twice"
        ),
        pytest.param("intermediate, ", "genius, ", "7: models.house.levels[0]: genius is none of basic, ", id="level"),
        pytest.param("intermediate, basic", "", "7: models.house.levels: needs at least 1 entry", id="no level"),
        pytest.param(
            "    prices:\n      - {input: 1, output: 2}\n", "", "3: models.house: 'prices' is missing", id="no prices"
        ),
        pytest.param(
            "\n      - {input: 1, output: 2}",
            "",
            "9: models.house.prices: has no value; expected a list of",
            id="empty",
        ),
        pytest.param(
            "\n      - {input: 1, output: 2}", " []", "9: models.house.prices: needs a price, or the word", id="none"
        ),
        pytest.param(
            "{input: 1, output: 2}", "{input: 1}", "10: models.house.prices[0]: 'output' is missing", id="one rate"
        ),
        pytest.param(
            "input: 1,", "input: -1,", "10: models.house.prices[0].input: -1 is less than 0", id="negative price"
        ),
        pytest.param(
            "input: 1,", "input: .nan,", "10: models.house.prices[0].input: .nan is not a finite", id="nan price"
        ),
        pytest.param("input: 1,", "imput: 1,", "'input' is missing (is it 'imput' on line 10?)", id="misspelt price"),
        pytest.param(
            "input: 1,", "gpu_hour: 1, input: 1,", "gpu_hour and prices by token exclude each other", id="both kinds"
        ),
        pytest.param("{input: 1, output: 2}", "{gpu_hour: 1}", "needs 'tokens_per_second'", id="no throughput"),
        pytest.param("2}", "2, batch: 1.5}", "10: models.house.prices[0].batch: 1.5 is more than 1", id="dear batch"),
        pytest.param("2}", "2, batch: 0}", "10: models.house.prices[0].batch: must be more than 0", id="free batch"),
        pytest.param("2}", "2, batch: half}", "10: models.house.prices[0].batch: expected", id="batch in words"),
        pytest.param("2}", "2, batch: {input: 1}}", "prices[0].batch: 'output' is missing", id="half a batch rate"),
        pytest.param("2}", "2, batch: {inpt: 1, output: 1}}", "is it 'inpt' on line 10?", id="misspelt batch rate"),
        pytest.param(
            "{input: 1, output: 2}", "{gpu_hour: 1, batch: 0.5}", "gpu_hour and a batch rate exclude", id="hourly batch"
        ),
        pytest.param(
            "{input: 1", "{utc: '01:00-02:00', input: 1", "the first price must hold at all hours", id="first by hour"
        ),
        pytest.param(
            "2}\n", "2}\n      - {input: 1, output: 2}\n", "11: models.house.prices[1]: 'from' is missing", id="undated"
        ),
        pytest.param(
            "2}\n",
            "2}\n      - {from: 2026-02-02, input: 1, output: 2}\n      - {from: 2026-02-01, input: 1, output: 2}\n",
            "12: models.house.prices[2]: prices must be in order of 'from', and 2026-02-01 is not after",
            id="prices out of order",
        ),
        pytest.param(
            "2}\n",
            "2}\n      - {utc: '1-2', input: 1, output: 2}\n",
            "11: models.house.prices[1].utc: expected two times",
            id="hours",
        ),
        pytest.param(
            "2}\n",
            "2, tiers: [{above: 9, input: 1, output: 2}, {above: 9, input: 1, output: 2}]}\n",
            "10: models.house.prices[0]: tiers must be in order of 'above'",
            id="tiers out of order",
        ),
        pytest.param("checked: 2026-11-21\n", "", "'checked' is missing", id="undated check"),
        pytest.param(
            "    levels",
            "    status: retired\n    levels",
            "3: models.house: a retired model needs 'retires'",
            id="retired",
        ),
        pytest.param(
            "house:", "my house:", "3: models.my house: a name is made of letters, digits and", id="name with a space"
        ),
        pytest.param("house:", "'a,b':", "a name is made of letters, digits and", id="name with a comma"),
        pytest.param(
            "    levels",
            "    aliases: ['a,b']\n    levels",
            "7: models.house.aliases[0]: 'a,b' cannot be a name",
            id="alias",
        ),
        pytest.param(
            "    levels",
            "    aliases: [gpt-4o]\n    levels",
            "3: models.house: the name 'gpt-4o' is also",
            id="alias = name",
        ),
        pytest.param(
            "    levels",
            "    aliases: [claude-opus-3]\n    levels",
            "'claude-opus-3' is also that of 'claude-opus-3'",
            id="alias taken",
        ),
        pytest.param(
            "house:", "claude-sonnet-4-5-20250929:", "'claude-sonnet-4-5-20250929' is also that of", id="name = alias"
        ),
        pytest.param("models:", "model:", "2: model: unknown key (did you mean 'models'?)", id="unknown section"),
    ],
)
def test_a_mistake_in_a_users_models_is_named(load: Load, tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MODELS
    with pytest.raises(ConfigError) as caught:
        load(models=MODELS.replace(old, new, 1))
    assert caught.value.message.startswith(f"{tmp_path / 'models.yaml'}:")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("chains", "message"),
    [
        pytest.param(
            "mine: [gpt-4o, gpt-4p]", "1: mine[1]: there is no model named 'gpt-4p' (did you mean '", id="no model"
        ),
        pytest.param("a: [gpt-4o]\nmine: []", "2: mine: needs at least 1 entry", id="empty"),
        pytest.param("mine: gpt-4o", "1: mine: expected a list of models, or a plan, found text gpt-4o", id="text"),
        pytest.param("mine: {panel: [gpt-4o]}", "1: mine.panel: needs at least 2 entries", id="panel of one"),
        pytest.param("mine: [[gpt-4o]]", "1: mine[0]: expected the name of a model, or a mapping", id="list in a list"),
        pytest.param("gpt-4o: [gpt-4]", "1: gpt-4o: a chain cannot have the name of a model", id="named as a model"),
        pytest.param("a,b: [gpt-4]", "1: a,b: a name is made of letters, digits and", id="name with a comma"),
        pytest.param("mine: [gpt-4]\nmine: [gpt-4]", "2: mine: duplicate key; the first is on line 1", id="duplicate"),
    ],
)
def test_a_mistake_in_a_users_chains_is_named(load: Load, tmp_path: Path, chains: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(chains=chains)
    assert caught.value.message.startswith(f"{tmp_path / 'chains.yaml'}:{message}")


def test_a_users_chain_replaces_the_shipped_one_and_may_use_aliases(load: Load) -> None:
    found = load(models=MODELS, chains="mixed: [house, claude-3-opus]\n")
    assert found.chain("mixed").models == ("house", "claude-opus-3")
    assert "anthropic" in found.chains


def test_a_model_is_found_by_name_and_by_alias(registry: Registry) -> None:
    assert registry.model("claude-3-opus-20240229") is registry.model("claude-opus-3")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("claude-sonnet-5.5", "did you mean 'claude-sonnet-5-5'?", id="misspelt"),
        pytest.param("GPT-4O", "did you mean 'gpt-4o'?", id="other case"),
        pytest.param(
            "zzzzzzzz", "see: orch models; one that is not listed is called as PROVIDER/NAME", id="nothing close"
        ),
    ],
)
def test_an_unknown_model_is_refused_with_a_hint(registry: Registry, name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="there is no model named") as caught:
        registry.model(name)
    assert caught.value.hint == hint


def test_a_chain_is_found_by_name_or_made_from_a_list_of_models(registry: Registry) -> None:
    assert registry.chain("mixed") is registry.chains["mixed"]
    assert registry.chain("gpt-4o-mini, claude-haiku-3.5").models == ("gpt-4o-mini", "claude-haiku-3.5")
    assert registry.chain("gpt-4o").models == ("gpt-4o",)


@pytest.mark.parametrize(
    ("chain", "problem"),
    [
        pytest.param("", "the chain is empty", id="empty"),
        pytest.param("gpt-4o,,gpt-4", "the chain 'gpt-4o,,gpt-4' has an empty element", id="empty element"),
        pytest.param("gpt-4o,", "the chain 'gpt-4o,' has an empty element", id="comma at the end"),
        pytest.param("mixd", "there is no chain or model named 'mixd'", id="unknown name"),
        pytest.param("gpt-4o,gpt-4p", "there is no model named 'gpt-4p'", id="unknown model"),
    ],
)
def test_a_chain_that_cannot_be_made_is_refused(registry: Registry, chain: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        registry.chain(chain)
    assert caught.value.message == problem
    assert caught.value.hint


def test_the_registry_cannot_be_changed(registry: Registry) -> None:
    with pytest.raises(TypeError):
        registry.models["new"] = registry.model("gpt-4o")  # type: ignore[index]  # what is tested
