"""routing.yaml: what is shipped holds together, and what is wrong in a user's is said where it stands."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from test_registry_mutations import MUTATIONS

from orchestrator.choose.strategies.tasks import names_of, variable
from orchestrator.config.options import STRATEGY_NAMES
from orchestrator.config.yaml_files import read_document
from orchestrator.errors import ConfigError
from orchestrator.registry import Registry, load_registry
from orchestrator.registry.loading import shipped
from orchestrator.registry.routes import Routing
from orchestrator.registry.routing import RoutingReader

Load = Callable[..., Registry]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(routing: str = "", chains: str = "") -> Registry:
        for name, content in (("routing.yaml", routing), ("chains.yaml", chains)):
            if content:
                (tmp_path / name).write_text(content)
        return load_registry(models_file=None, chains_file=None, config_dir=tmp_path)

    return loaded


@pytest.mark.parametrize("name", STRATEGY_NAMES)
def test_no_table_and_no_chain_can_have_the_name_of_a_strategy(load: Load, name: str) -> None:
    with pytest.raises(ConfigError, match=f"tables.{name}: there is a strategy or a chain of this name"):
        load(routing=f"tables: {{{name}: {{rows: [{_ROW}]}}}}")
    with pytest.raises(
        ConfigError, match=rf"chains.yaml:1: {name}: (there is a strategy of this name|expected a mapping)"
    ):
        load(chains=f"{name}: [haiku]")


def test_every_model_of_the_shipped_routing_can_be_chosen(load: Load) -> None:
    registry = load()
    rows = [row for table in registry.routing.tables.values() for row in table.rows]
    named = {*registry.routing.round_robin, *(name for row in rows for name in row.models)}
    assert not [name for name in named if registry.model(name).is_retired(date(2026, 11, 21))]


def test_every_row_of_a_shipped_table_falls_back_on_another_maker(load: Load) -> None:
    registry = load()
    for table in registry.routing.tables.values():
        for row in table.rows:
            assert len({registry.model(name).provider for name in row.models}) > 1, (table.name, row.name)


def test_the_three_variables_of_the_routing_matrix_are_for_kinds_of_both_tables(load: Load) -> None:
    for table in load().routing.tables.values():
        variables = {variable(name) for name in names_of([table])}
        assert {f"MODEL_OVERRIDE_{kind}" for kind in ("ORCHESTRATION", "IMPLEMENTATION", "REASONING")} <= variables


def test_a_users_table_replaces_the_shipped_one_of_its_name_and_leaves_the_others(load: Load) -> None:
    mine = "tables: {tasks: {rows: [{name: all, primary: haiku, fallback: [opus, haiku]}]}}"
    routing = load(mine).routing
    assert routing.tables["tasks"].rows[0].models == ("claude-haiku-5-5", "claude-opus-5-5")
    assert "matrix" in routing.tables
    assert routing.round_robin == load("").routing.round_robin


def test_a_users_chain_may_have_the_name_of_a_shipped_table(load: Load) -> None:
    assert load(chains="matrix: [haiku, opus]").chains["matrix"].models == ("claude-haiku-5-5", "claude-opus-5-5")


_ROW = "{name: all, primary: haiku}"
_ARMS = "arms: {a: {model: haiku}, b: {chain: fast}}"


@pytest.mark.parametrize(
    ("routing", "message"),
    [
        pytest.param("tabels: {}", "1: tabels: unknown key (did you mean 'tables'?)", id="misspelt key"),
        pytest.param("round_robin: []", "1: round_robin: needs at least 1 entry", id="empty ring"),
        pytest.param(
            "round_robin: [haiku, claude-haiku-5-5]",
            "1: round_robin[1]: claude-haiku-5-5 has its turn already",
            id="ring twice",
        ),
        pytest.param("round_robin: [haikuu]", "1: round_robin[0]: there is no model named 'haikuu'", id="ring model"),
        pytest.param(
            f"tables: {{cheapest: {{rows: [{_ROW}]}}}}",
            "1: tables.cheapest: there is a strategy or a chain of this name",
            id="name of a strategy",
        ),
        pytest.param(
            f"tables: {{fast: {{rows: [{_ROW}]}}}}",
            "1: tables.fast: there is a strategy or a chain of this name",
            id="name of a chain",
        ),
        pytest.param(
            f"tables: {{t: {{rows: [{_ROW}, {{name: more, primary: opus}}]}}}}",
            "1: tables.t.rows[0]: takes every prompt, so that no later row counts",
            id="row that hides the rest",
        ),
        pytest.param(
            "tables: {t: {rows: [{name: code, primary: haiku, when: {tasks: [code]}}]}}",
            "1: tables.t.rows[0]: the last row takes what no other does",
            id="no row for the rest",
        ),
        pytest.param(
            f"tables: {{t: {{rows: [{{name: all, primary: opus, when: {{levels: [expert]}}}}, {_ROW}]}}}}",
            "1: tables.t.rows[1]: there is a row 'all' already",
            id="doubled row",
        ),
        pytest.param(
            f"tables: {{t: {{rows: [{{name: x, primary: opus, when: {{tasks: [coding]}}}}, {_ROW}]}}}}",
            "1: tables.t.rows[0].when.tasks[0]: coding is none of math, code",
            id="unknown task",
        ),
        pytest.param(
            f"tables: {{t: {{rows: [{{name: x, primary: opus, when: {{}}}}, {_ROW}]}}}}",
            "1: tables.t.rows[0].when: says nothing",
            id="empty condition",
        ),
        pytest.param(
            "capability: {weights: {}, cost: {weight: 0.3, per: 100, output_share: 0.25}}",
            "1: capability.weights: weighs nothing",
            id="no weights",
        ),
        pytest.param(
            "capability: {weights: {coding: 0.2}, cost: {weight: 0.3, per: 0, output_share: 0.25}}",
            "1: capability.cost.per: must be more than 0",
            id="price per nothing",
        ),
        pytest.param(
            "experiments: {e: {arms: {a: {model: haiku}}}}",
            "1: experiments.e: an experiment compares two arms or more",
            id="one arm",
        ),
        pytest.param(
            "experiments: {e: {arms: {a: {model: haiku, chain: fast}, b: {model: opus}}}}",
            "1: experiments.e.arms.a: an arm has one of model, chain and strategy",
            id="arm of two kinds",
        ),
        pytest.param(
            f"experiments: {{e: {{{_ARMS}, split: {{a: 0.7, b: 0.2}}}}}}",
            "1: experiments.e.split: the shares sum to 0.9, not to 1",
            id="shares",
        ),
        pytest.param(
            f"experiments: {{e: {{{_ARMS}, split: {{a: 1}}}}}}",
            "1: experiments.e.split: 'b' is missing",
            id="missing share",
        ),
        pytest.param(
            f"experiments: {{e: {{{_ARMS}, from: 2026-12-01, until: 2026-11-01}}}}",
            "1: experiments.e: ends on 2026-11-01, before it starts on 2026-12-01",
            id="ends first",
        ),
    ],
)
def test_a_mistake_in_a_users_routing_is_named(load: Load, tmp_path: Path, routing: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(routing)
    assert caught.value.message.startswith(f"{tmp_path / 'routing.yaml'}:{message}")


def test_a_damaged_file_loads_or_is_refused_with_its_name_and_a_line(tmp_path: Path) -> None:
    shipped_file, rng = shipped("routing.yaml").read_bytes(), random.Random(11)
    damaged, refused = tmp_path / "damaged.yaml", 0
    registry = load_registry(models_file=None, chains_file=None, config_dir=tmp_path)
    reader = RoutingReader({name: name for name in registry.models}, registry.chains, STRATEGY_NAMES)
    for _ in range(150):
        data = shipped_file
        for _ in range(rng.randrange(1, 4)):
            data = rng.choice(MUTATIONS)(data, rng) or b"\n"
        damaged.write_bytes(data)
        try:
            reader.over(Routing(), read_document(damaged))
        except ConfigError as error:
            refused += 1
            assert re.match(rf"{re.escape(str(damaged))}(:\d+)?: ", error.message), error.message  # noqa: PT017
    assert 30 < refused < 150


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_registry(models_file=None, chains_file=None, config_dir=tmp_path, routing_file=tmp_path / "nowhere.yaml")
