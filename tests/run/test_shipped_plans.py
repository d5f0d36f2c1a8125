"""The plans that are shipped do what docs/patterns.md says of them: the simulator's journal is what was called."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from documents import rows
from scripted import NOW, Script, Stage

from orchestrator.config import RunOptions, load_settings
from orchestrator.ledger.breakers import Circuit, set_aside
from orchestrator.ledger.queries import find_run
from orchestrator.ledger.rows import to_micros
from orchestrator.ledger.store import Ledger
from orchestrator.plan import Call, calls
from orchestrator.providers.base import Endpoint, Provider
from orchestrator.providers.catalog import connect
from orchestrator.registry.loading import registry_for
from orchestrator.registry.providers import PROVIDERS
from orchestrator.run.engine import Engine
from orchestrator.simulator.app import App, create_app
from orchestrator.simulator.transport import SimulatorTransport
from orchestrator.types import Prompt

ROOT = Path(__file__).resolve().parents[2]
ROWS = rows((ROOT / "docs" / "patterns.md").read_text("utf-8"), "pattern")
PATTERNS = sorted({row[0].strip("`") for row in ROWS})


def engine(tmp_path: Path) -> tuple[Engine, App]:
    settings = load_settings({}, ledger=tmp_path / "ledger.db", simulate=True)
    settings = replace(settings, config_dir=tmp_path)
    registry = registry_for(settings)
    app = create_app(registry.models.values(), None)
    transport = SimulatorTransport(app)

    def connected(name: str) -> Provider:
        return connect(Endpoint(name, PROVIDERS[name].base_url, "k"), transport)

    return Engine(settings, registry=registry, connect=connected, rng=random.Random(1)), app


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1]}")
def test_a_pattern_calls_the_models_that_the_document_says_in_its_order(tmp_path: Path, row: list[str]) -> None:
    name, prompt = row[0].strip("`"), row[1]
    made, app = engine(tmp_path)
    planned = made.plan(Prompt(prompt), RunOptions(strategy=name))
    result = asyncio.run(made.execute(planned))
    assert result.status == "complete"
    journal = [entry["model"] for entry in app.journal.as_json()["requests"]]
    for group in row[2].split(" → "):
        expected = [made.registry.model(model).id for model in re.findall(r"`([^`]+)`", group)]
        here, journal = journal[: len(expected)], journal[len(expected) :]
        assert sorted(here) == sorted(expected)
    assert journal == []
    assert planned.cost.minimum is not None
    assert planned.cost.maximum is not None
    assert planned.cost.minimum <= (result.cost_nanousd or 0) <= planned.cost.maximum


@pytest.mark.parametrize("name", PATTERNS)
def test_the_rows_of_a_pattern_name_it_and_its_steps_and_roles(tmp_path: Path, name: str) -> None:
    made, _ = engine(tmp_path)
    planned = made.plan(Prompt("Should I use REST or GraphQL?"), RunOptions(strategy=name))
    asyncio.run(made.execute(planned))
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        found = find_run(ledger, "last")
    assert found.run.pattern == found.run.strategy == name
    written = {(call.name, call.role, call.model) for call in calls(planned.plan)}
    assert {(call.step, call.role, call.model) for call in found.calls} <= written


@pytest.mark.parametrize("name", PATTERNS)
def test_the_same_question_gets_the_same_answer_and_bill_from_the_simulator(tmp_path: Path, name: str) -> None:
    results = []
    for seed in range(2):
        made, _ = engine(tmp_path)
        made._rng = random.Random(seed)  # other markers
        results.append(asyncio.run(made.run(Prompt("Should I use REST or GraphQL?"), RunOptions(strategy=name))))
    assert results[0].response == results[1].response
    assert results[0].cost_nanousd == results[1].cost_nanousd


def test_every_shipped_chain_is_priced_without_a_call(tmp_path: Path) -> None:
    made, app = engine(tmp_path)
    for name in made.registry.chains:
        planned = made.plan(Prompt("Should I use REST or GraphQL?"), RunOptions(strategy=name))
        assert None not in planned.cost, name
        assert all(isinstance(call, Call) and call.model for call in calls(planned.plan))
    assert app.journal.as_json() == {"requests": []}
    assert not (tmp_path / "ledger.db").exists()


def test_a_role_passes_over_a_model_that_is_set_aside_while_it_has_others(tmp_path: Path) -> None:
    theatre = Stage(tmp_path, Script({}), environ={"CEREBRAS_API_KEY": "k", "ANTHROPIC_API_KEY": "k"})
    options = RunOptions(strategy="build")
    first = next(calls(theatre.engine().plan(Prompt("Build it"), options).plan)).model
    assert first.startswith("cerebras/")
    with Ledger.open(theatre.ledger) as ledger:
        until = to_micros(NOW + timedelta(minutes=5))
        circuit = Circuit(simulated=False, provider="cerebras", model=first)
        ledger.write(lambda db: set_aside(db, circuit, until, "out of credit", to_micros(NOW)))
    planned = theatre.engine().plan(Prompt("Build it"), options)
    assert first not in [call.model for call in calls(planned.plan)]
    assert any(f"in place of {first}: set aside until" in reason for reason in planned.reasons)
    named = theatre.engine().plan(Prompt("Build it"), RunOptions(chain=first))
    assert [call.model for call in calls(named.plan)] == [first]
