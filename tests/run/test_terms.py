"""What a call is settled on: the price of the moment when it is sent, and counts that can be."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from scripted import SURE, Script, ScriptedProvider, Stage, reply

from orchestrator.config import RunOptions, load_settings
from orchestrator.errors import IncompleteError
from orchestrator.money import Price, Rates, prices_between
from orchestrator.providers.base import RateLimitStatus
from orchestrator.registry.loading import registry_for
from orchestrator.run.engine import Engine
from orchestrator.run.events import Event, Note
from orchestrator.run.result import OrchestrationResult
from orchestrator.types import FinishReason, Prompt

MODEL, CHANGE = "gpt-6-luna", datetime(2026, 11, 22, tzinfo=UTC)


def a_price(day: date, dollars: int, hours: tuple[time, time] | None = None) -> Price:
    return Price(day, "test", day, Rates(Decimal(dollars), Decimal(dollars)), hours_utc=hours)


CHEAP, DEAR = a_price(date(2026, 1, 1), 1), a_price(CHANGE.date(), 4)
PEAK = a_price(date(2026, 1, 2), 8, (time(16, 30), time(0, 30)))


@pytest.mark.parametrize(
    ("prices", "first", "minutes", "found"),
    [
        pytest.param((CHEAP, DEAR), CHANGE, 10, (DEAR,), id="after the change"),
        pytest.param((CHEAP, DEAR), CHANGE - timedelta(minutes=11), 10, (CHEAP,), id="before it"),
        pytest.param((CHEAP, DEAR), CHANGE - timedelta(minutes=10), 10, (CHEAP, DEAR), id="up to it"),
        pytest.param((CHEAP, PEAK), CHANGE.replace(hour=16), 10, (CHEAP,), id="before the peak"),
        pytest.param((CHEAP, PEAK), CHANGE.replace(hour=16), 31, (CHEAP, PEAK), id="into the peak"),
        pytest.param((CHEAP, PEAK), CHANGE.replace(hour=16), 9 * 60, (CHEAP, PEAK), id="over the peak"),
        pytest.param((CHEAP, PEAK), CHANGE, 31, (PEAK, CHEAP), id="out of the peak"),
        pytest.param((DEAR,), CHANGE - timedelta(minutes=1), 2, (None, DEAR), id="not priced yet"),
        pytest.param((), CHANGE, 2, (None,), id="never priced"),
    ],
)
def test_the_prices_between_two_times(
    prices: tuple[Price, ...], first: datetime, minutes: int, found: tuple[Price | None, ...]
) -> None:
    assert prices_between(prices, first, first + timedelta(minutes=minutes)) == found


def run(stage: Stage, prices: tuple[Price, ...], *, at: datetime, late_s: float, **options: Any) -> OrchestrationResult:
    """A run whose calls leave `late_s` seconds after they were reserved: the ledger takes so long over it."""
    now = at
    settings = replace(load_settings(stage.environ, ledger=stage.ledger), config_dir=stage.folder)

    registry = registry_for(settings)
    models = {name: replace(spec, prices=prices) for name, spec in registry.models.items()}

    class Late(ScriptedProvider):
        def rate_limit_status(self) -> RateLimitStatus:  # asked for right before a request is sent
            nonlocal now
            now += timedelta(seconds=late_s)
            return super().rate_limit_status()

    engine = Engine(
        settings,
        replace(registry, models=models),
        connect=lambda name: Late(name, stage.script),
        clock=lambda: now,
        rng=random.Random(7),
    )
    return asyncio.run(engine.run(Prompt("Which one is it?"), replace(RunOptions(), chain=MODEL, **options)))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Script({MODEL: [reply(SURE, tokens=(100, 200))]}))


@pytest.mark.parametrize(
    ("prices", "late_s", "cost"),
    [
        pytest.param((CHEAP, DEAR), 0, 300_000, id="sent before the change"),
        pytest.param((CHEAP, DEAR), 90, 1_200_000, id="sent after the change"),
    ],
)
def test_the_price_is_that_of_the_moment_when_a_call_is_sent(
    stage: Stage, prices: tuple[Price, ...], late_s: float, cost: int
) -> None:
    result = run(stage, prices, at=CHANGE - timedelta(minutes=1), late_s=late_s)
    (call,) = result.calls
    assert (result.cost_nanousd, call.price is not None and '"4"' in call.price) == (cost, late_s > 0)
    assert call.sent_at is not None
    assert (call.sent_at >= CHANGE) == (late_s > 0)


def test_what_is_set_aside_covers_the_price_before_a_change_and_after_it(stage: Stage) -> None:
    before = run(stage, (CHEAP, DEAR), at=CHANGE - timedelta(days=1), late_s=0, max_tokens=100).calls[0]
    across = run(stage, (CHEAP, DEAR), at=CHANGE - timedelta(minutes=1), late_s=0, max_tokens=100).calls[0]
    down = run(stage, (DEAR, replace(CHEAP, start=date(2026, 11, 23))), at=CHANGE, late_s=0, max_tokens=100).calls[0]
    assert before.reserved_nanousd
    assert across.reserved_nanousd == down.reserved_nanousd == 4 * before.reserved_nanousd


def partly(text: str, tokens: tuple[int, int]) -> IncompleteError:
    partial = reply(text, tokens=tokens, finish=FinishReason.INCOMPLETE)
    return IncompleteError("cut off", provider="openai", model=MODEL, partial=partial)


@pytest.mark.parametrize("act", [lambda t: reply(SURE, tokens=t), lambda t: partly(SURE, t)], ids=["whole", "cut off"])
@pytest.mark.parametrize("tokens", [(10**12, 10**12), (10**8, 20), (10, 10**6)], ids=["both", "input", "output"])
def test_counts_far_above_what_was_sent_and_allowed_are_not_believed(
    stage: Stage, act: Callable[[tuple[int, int]], Any], tokens: tuple[int, int]
) -> None:
    said: list[Event] = []
    stage.script.acts[MODEL] = [act(tokens)]
    result = stage.run(chain=MODEL, max_tokens=100, observe=said.append)
    (call,) = result.calls
    assert (call.cost_nanousd, call.cost_source) == (call.reserved_nanousd, "estimate")
    assert call.usage == '{"not_believed": {"seen": true}}'
    assert call.input_tokens + call.output_tokens < 10_000
    warnings = [event.text for event in said if isinstance(event, Note) and event.loud]
    assert [f"{sum(tokens):,} tokens, far more than were sent" in text for text in warnings] == [True]


def test_input_that_the_window_holds_is_believed(stage: Stage) -> None:
    """Tools that a provider runs put what they found into the prompt, and what was cached for another call counts."""
    stage.script.acts[MODEL] = [reply(SURE, tokens=(120_000, 20))]
    (call,) = stage.run(chain=MODEL, max_tokens=100).calls
    assert (call.cost_source, call.input_tokens) == ("usage", 120_000)


def test_counts_above_what_was_allowed_are_believed_where_they_can_be(stage: Stage) -> None:
    """Some providers let a model think beyond the limit, and bill it."""
    stage.script.acts[MODEL] = [reply(SURE, tokens=(10, 900))]
    (call,) = stage.run(chain=MODEL, max_tokens=100).calls
    assert (call.cost_source, call.output_tokens) == ("usage", 900)


def test_so_is_that_of_another_model_which_answered_in_its_place(stage: Stage) -> None:
    stage.script.acts[MODEL] = [replace(reply(SURE, tokens=(100, 200)), model="claude-haiku-5-5")]
    result = run(stage, (CHEAP, DEAR), at=CHANGE - timedelta(minutes=1), late_s=90)
    assert result.cost_nanousd == 1_200_000
