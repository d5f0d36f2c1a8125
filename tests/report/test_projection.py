"""What a month will cost, from a ledger of known days: against figures worked out by hand, and by simulation."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_recording import UNPRICED, Recorder, recording

from orchestrator.errors import UsageError
from orchestrator.ledger.records import CallStatus, CostSource, RunStatus
from orchestrator.money import cost_nanousd
from orchestrator.registry import load_registry
from orchestrator.registry.model import Registry
from orchestrator.report.estimate import Estimate, estimate
from orchestrator.report.period import Range
from orchestrator.report.projection import Horizon, Projection, project
from orchestrator.report.selection import Selection
from orchestrator.types import Usage

recorder = pytest.fixture(recording)
NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
REGISTRY = load_registry(models_file=None, chains_file=None, config_dir=Path("/nonexistent"))
HAIKU: dict[str, Any] = {"model": "claude-haiku-5-5", "provider": "anthropic"}
OPUS: dict[str, Any] = {"model": "claude-opus-5-5", "provider": "anthropic"}


def projected(
    recorder: Recorder,
    selection: Selection | None = None,
    *,
    against: str | None = None,
    horizon: Horizon = Horizon.MONTHLY,
    registry: Registry = REGISTRY,
) -> Projection:
    return project(recorder.ledger, selection or Selection(False), registry, horizon=horizon, against=against, now=NOW)


def days_ago(number: int) -> datetime:
    return NOW - timedelta(days=number)


def test_a_month_is_thirty_times_the_mean_of_the_whole_days(recorder: Recorder) -> None:
    costs = [4, 8, 6, 2, 10, 6, 6, 6, 9, 3]
    for number, cost in enumerate(costs, start=1):
        recorder.run({**HAIKU, "cost_nanousd": cost * 10**9}, at=days_ago(number))
    recorder.run({**HAIKU, "cost_nanousd": 10**12}, at=NOW)  # today is not over
    found = projected(recorder)
    assert (found.days, found.runs) == (10, 10)
    assert (str(found.first_day), str(found.last_day)) == ("2026-11-11", "2026-11-20")
    assert found.expected is not None
    assert found.expected.expected_nanousd == 30 * 6 * 10**9
    reach = 30 * 2.262157 * stdev(costs) * (1 / 10 + 1 / 30) ** 0.5 * 1e9  # t of 9 degrees of freedom, from a table
    assert found.expected.low_nanousd == pytest.approx(180e9 - reach, rel=1e-5)
    assert found.expected.high_nanousd == pytest.approx(180e9 + reach, rel=1e-5)


def test_days_without_a_run_count_as_nothing(recorder: Recorder) -> None:
    recorder.run({**HAIKU, "cost_nanousd": 10**9}, at=days_ago(10))
    found = projected(recorder)
    assert found.days == 10
    assert found.expected is not None
    assert found.expected.expected_nanousd == 3 * 10**9
    assert found.expected.low_nanousd == 0  # a cost is never below it


def test_too_few_days_have_no_interval(recorder: Recorder) -> None:
    recorder.run({**HAIKU, "cost_nanousd": 10**9}, at=days_ago(6))
    found = projected(recorder)
    assert not found.has_interval
    assert found.expected == Estimate(5 * 10**9, None, None)


def test_without_a_whole_day_there_is_no_projection_but_what_is_known_of_today(recorder: Recorder) -> None:
    assert projected(recorder) == Projection(Horizon.MONTHLY, 0)
    recorder.run({**HAIKU, "cost_nanousd": 10**9}, at=days_ago(0))
    today = projected(recorder)
    assert (today.days, today.runs, today.known_nanousd) == (0, 1, 10**9)
    assert (today.expected, today.against, today.saved) == (None, None, None)


def test_everything_on_another_model_is_the_answers_tokens_at_its_price(recorder: Recorder) -> None:
    tokens = {"input_tokens": 3_000, "output_tokens": 700, "cached_tokens": 2_000, "cache_write_tokens": 500}
    recorder.run(
        {**HAIKU, "cost_nanousd": 5, "input_tokens": 900, "output_tokens": 900, "response_sha256": "first"},
        {**HAIKU, "cost_nanousd": 7, **tokens, "response_sha256": "answer"},
        {**HAIKU, "cost_nanousd": 9, "input_tokens": 800, "output_tokens": 800, "response_sha256": "third"},
        at=days_ago(1),
        model_used=HAIKU["model"],
        response_sha256="answer",
    )
    found = projected(recorder, against="opus")
    # 500 plain tokens at 4 $ a million, 2,000 from the cache at 0.2, 500 into it at 5, 700 written at 20
    assert found.against_nanousd == 500 * 4_000 + 2_000 * 200 + 500 * 5_000 + 700 * 20_000
    assert found.model == "claude-opus-5-5"
    assert found.known_nanousd == 21
    assert found.saved is not None
    assert found.saved.expected_nanousd == 30 * (found.against_nanousd - 21)
    assert found.saved_share == 1 - 21 / found.against_nanousd


def test_the_dearest_model_that_was_called_is_what_it_is_compared_with(recorder: Recorder) -> None:
    for model in (HAIKU, OPUS, {"model": "small", "provider": "acme"}):
        recorder.run(
            {**model, "cost_nanousd": 1, "input_tokens": 10, "output_tokens": 10},
            at=days_ago(1),
            model_used=model["model"],
        )
    assert projected(recorder).model == "claude-opus-5-5"


def test_a_model_that_had_no_price_at_first_is_only_compared_with_if_it_is_asked_for(recorder: Recorder) -> None:
    def priced_since(start: date, *models: str) -> Registry:
        late = {name: REGISTRY.model(name) for name in models}
        late = {name: replace(spec, prices=(replace(spec.prices[-1], start=start),)) for name, spec in late.items()}
        return replace(REGISTRY, models={**REGISTRY.models, **late})

    counts = {"cost_nanousd": 1, "input_tokens": 10, "output_tokens": 10}
    recorder.run({**OPUS, **counts}, at=days_ago(1), model_used=OPUS["model"])  # the last answer, but the first row
    recorder.run({**HAIKU, **counts}, at=days_ago(5), model_used=HAIKU["model"])
    one_late = priced_since(days_ago(2).date(), OPUS["model"])
    assert projected(recorder, registry=one_late).model == "claude-haiku-5-5"
    with pytest.raises(UsageError, match="--against claude-opus-5-5: it has no known price for 2026-11-16"):
        projected(recorder, registry=one_late, against=OPUS["model"])
    found = projected(recorder, registry=priced_since(days_ago(2).date(), OPUS["model"], HAIKU["model"]))
    assert (found.model, found.against, found.saved, found.known_nanousd) == (None, None, None, 2)


def test_without_a_model_of_the_registry_there_is_nothing_to_compare_with(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 1}, at=days_ago(1), model_used="small")
    found = projected(recorder)
    assert found.model is None
    assert found.against is None
    assert found.expected is not None


def test_a_run_without_an_answer_would_cost_nothing_and_is_counted(recorder: Recorder) -> None:
    failed = {"status": CallStatus.FAILED, "cost_nanousd": 50, "cost_source": CostSource.ESTIMATE, "input_tokens": 999}
    recorder.run({**HAIKU, **failed}, at=days_ago(1), status=RunStatus.FAILED)
    found = projected(recorder, against="opus")
    assert (found.unanswered_runs, found.against_nanousd, found.known_nanousd) == (1, 0, 50)
    assert found.saved_share is None


def test_calls_of_unknown_price_are_counted(recorder: Recorder) -> None:
    recorder.run({**HAIKU, **UNPRICED}, at=days_ago(1))
    assert projected(recorder).unpriced_calls == 1


@pytest.mark.parametrize(
    ("model", "problem"),
    [("vllm/deepseek-coder-32b", "by the GPU hour"), ("opuss", "no model named")],
    ids=["by the hour", "unknown"],
)
def test_a_model_that_tokens_have_no_price_on_is_refused(model: str, problem: str, recorder: Recorder) -> None:
    with pytest.raises(UsageError, match=problem):
        projected(recorder, against=model)


def test_a_period_counts_from_its_first_day_but_not_before_the_ledger_begins(recorder: Recorder) -> None:
    recorder.run({**HAIKU, "cost_nanousd": 10**9}, at=days_ago(9))
    recorder.run({**HAIKU, "cost_nanousd": 10**9}, at=days_ago(3), category="work")
    since = Selection(False, Range(first_day=days_ago(5).date()))
    assert (projected(recorder, since).days, projected(recorder, since).runs) == (5, 1)
    long_since = Selection(False, Range(first_day=days_ago(500).date()), category="work")
    assert (projected(recorder, long_since).days, projected(recorder, long_since).runs) == (9, 1)
    hours = Selection(False, Range(since=days_ago(4)))  # that day is not whole
    assert projected(recorder, hours).days == 3


def test_other_horizons_are_as_many_days(recorder: Recorder) -> None:
    recorder.run({**HAIKU, "cost_nanousd": 10**9}, at=days_ago(1))
    expected = {horizon: projected(recorder, horizon=horizon).expected for horizon in Horizon}
    assert {horizon.value: found and found.expected_nanousd for horizon, found in expected.items()} == {
        "weekly": 7 * 10**9,
        "monthly": 30 * 10**9,
        "yearly": 365 * 10**9,
    }


def test_ninety_five_of_a_hundred_months_lie_in_their_interval() -> None:
    rng = random.Random(7)
    hits = 0
    for _ in range(2_000):
        known = [round(rng.gauss(1e9, 3e8)) for _ in range(14)]
        month = sum(rng.gauss(1e9, 3e8) for _ in range(30))
        found = estimate(known, 30)
        assert found.low_nanousd is not None
        assert found.high_nanousd is not None
        hits += found.low_nanousd <= month <= found.high_nanousd
    assert 0.94 <= hits / 2_000 <= 0.96


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60), st.sampled_from([7, 30, 365]))
def test_an_estimate_lies_between_its_bounds_and_scales_with_the_mean(daily: list[int], ahead: int) -> None:
    found = estimate(daily, ahead, least=0)
    assert found.expected_nanousd == pytest.approx(ahead * fmean(daily), abs=1)
    assert (found.low_nanousd is None) == (len(daily) < 7)
    if found.low_nanousd is not None and found.high_nanousd is not None:
        assert 0 <= found.low_nanousd <= found.expected_nanousd + 1
        assert found.expected_nanousd <= found.high_nanousd + 1


USAGES = st.builds(
    lambda plain, cached, written, output: Usage(plain + cached + written, output, cached, written),
    *[st.integers(0, 200_000)] * 4,
)


@settings(max_examples=25)  # a ledger each
@given(usages=st.lists(USAGES, min_size=1, max_size=4))
def test_on_the_model_that_answered_it_comes_to_what_its_calls_cost(
    usages: list[Usage], tmp_path_factory: pytest.TempPathFactory
) -> None:
    price = REGISTRY.model("claude-haiku-5-5").price_at(NOW)
    assert price is not None
    for recorder in recording(tmp_path_factory.mktemp("ledger")):
        for usage in usages:
            counts = {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            }
            recorder.run(
                {**HAIKU, **counts, "cost_nanousd": cost_nanousd(price, usage)},
                at=days_ago(1),
                model_used="claude-haiku-5-5",
            )
        found = projected(recorder)
        assert found.against_nanousd == found.known_nanousd
        assert found.saved == Estimate(0, None, None)


def test_machines_that_are_always_on_are_part_of_what_it_will_cost_and_not_of_the_other_model(
    recorder: Recorder,
) -> None:
    for ago in (1, 2):
        recorder.run({**HAIKU, "cost_nanousd": 10**9, "status": CallStatus.COMPLETED}, at=days_ago(ago))
    plain = projected(recorder, against="haiku")
    found = project(
        recorder.ledger,
        Selection(False),
        REGISTRY,
        horizon=Horizon.MONTHLY,
        against="haiku",
        now=NOW,
        idle_on=lambda day: 1_000 + day.day,
    )
    assert plain.first_day is not None
    idle = sum(1_000 + (plain.first_day + number * timedelta(days=1)).day for number in range(plain.days))
    assert (plain.idle_nanousd, found.idle_nanousd) == (0, idle)
    assert found.known_nanousd == plain.known_nanousd + idle
    assert found.against_nanousd == plain.against_nanousd
