"""What machines cost that are always on, beside what their calls cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from report_recording import Recorder, recording

from orchestrator.config import Machine
from orchestrator.errors import ConfigError
from orchestrator.registry import load_registry
from orchestrator.report.idle import Idle, idle, known_machines
from orchestrator.report.period import Localise, Range
from orchestrator.report.selection import Selection

recorder = pytest.fixture(recording)
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
LOCALISE: Localise = lambda naive: naive.replace(tzinfo=UTC)  # noqa: E731
MACHINE = Machine(("local", "local-too"), since=date(2026, 11, 10), gpu_hour=Decimal("0.30"))
REAL = Selection(simulated=False)


def found(recorder: Recorder | None, machine: Machine = MACHINE, selection: Selection = REAL) -> Idle:
    ledger = None if recorder is None else recorder.ledger
    (only,) = idle(ledger, selection, [machine], now=NOW, localise=LOCALISE)
    return only


def test_what_calls_did_not_use_is_idle(recorder: Recorder) -> None:
    at = datetime(2026, 11, 12, 9, tzinfo=UTC)
    recorder.run({"model": "local", "cost_nanousd": 5_000_000_000}, at=at)
    recorder.run({"model": "local-too", "cost_nanousd": 1_000_000_000}, {"model": "other", "cost_nanousd": 7}, at=at)
    machine = found(recorder)
    assert machine.hours == 8.5 * 24
    assert machine.cost_nanousd == 204 * 300_000_000
    assert machine.busy_nanousd == 6_000_000_000
    assert machine.idle_nanousd == 204 * 300_000_000 - 6_000_000_000


def test_calls_at_the_same_time_never_make_idleness_negative(recorder: Recorder) -> None:
    recorder.run({"model": "local", "cost_nanousd": 10**15}, at=NOW - timedelta(hours=1))
    assert found(recorder).idle_nanousd == 0


def test_only_calls_while_it_was_on_count(recorder: Recorder) -> None:
    recorder.run({"model": "local", "cost_nanousd": 5}, at=datetime(2026, 11, 9, 23, tzinfo=UTC))
    recorder.run({"model": "local", "cost_nanousd": 7}, at=NOW - timedelta(days=1), simulated=True)
    assert found(recorder).busy_nanousd == 0
    assert found(recorder, selection=Selection(simulated=True)).busy_nanousd == 7


@pytest.mark.parametrize(
    ("machine", "within", "hours"),
    [
        pytest.param(MACHINE, Range(first_day=date(2026, 11, 18)), 12.0, id="today so far"),
        pytest.param(MACHINE, Range(date(2026, 11, 8), date(2026, 11, 10)), 24.0, id="from its first day on"),
        pytest.param(replace(MACHINE, until=date(2026, 11, 11)), Range(), 48.0, id="up to its last day"),
        pytest.param(MACHINE, Range(since=NOW - timedelta(hours=2), until=NOW - timedelta(hours=1)), 1.0, id="an hour"),
    ],
)
def test_the_hours_are_those_that_it_was_on_in_the_range(machine: Machine, within: Range, hours: float) -> None:
    assert found(None, machine, replace(REAL, within=within)).hours == hours


@pytest.mark.parametrize(
    "selection",
    [
        pytest.param(replace(REAL, within=Range(last_day=date(2026, 11, 9))), id="before it was there"),
        pytest.param(replace(REAL, category="work"), id="a category has no part of it"),
        pytest.param(replace(REAL, tag="work"), id="nor has a tag"),
    ],
)
def test_otherwise_there_is_no_line(selection: Selection) -> None:
    assert idle(None, selection, [MACHINE], now=NOW, localise=LOCALISE) == ()


def test_its_models_are_those_of_the_registry(tmp_path: Path) -> None:
    registry = load_registry(models_file=None, chains_file=None, config_dir=tmp_path)
    (machine,) = known_machines([replace(MACHINE, models=("gemini-pro",))], registry)
    assert machine.models == ("gemini-4-argon",)
    with pytest.raises(ConfigError, match="no model 'olama'"):
        known_machines([replace(MACHINE, models=("olama",))], registry)
