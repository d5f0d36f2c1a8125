from __future__ import annotations

import statistics
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_recording import NOON, UNPRICED, Recorder, recording, unsettled

from orchestrator.ledger.pace import nearest_rank
from orchestrator.ledger.records import CallStatus, CostSource, RunStatus
from orchestrator.report.aggregate import summarise
from orchestrator.report.model import By, Group, Report
from orchestrator.report.period import Range
from orchestrator.report.selection import Selection

recorder = pytest.fixture(recording)
REAL = Selection(simulated=False)
SUMS = [
    "calls", "failed_calls", "interrupted_calls", "unsettled_calls", "unpriced_calls", "estimated_calls",
    "cost_nanousd", "reserved_nanousd", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens",
]  # fmt: skip


def report(recorder: Recorder, by: By, selection: Selection = REAL) -> Report:
    return summarise(recorder.ledger, selection, by=by)


def keyed(found: Report) -> dict[str | None, Group]:
    return {group.key: group for group in found.groups}


def test_a_run_costs_what_its_calls_cost(recorder: Recorder) -> None:
    recorder.run(
        {"cost_nanousd": 1_800_000, "input_tokens": 50, "output_tokens": 100, "cached_tokens": 20, "latency_ms": 230},
        {"cost_nanousd": 1, "input_tokens": 5, "output_tokens": 7, "reasoning_tokens": 3, "cache_write_tokens": 2},
        strategy="ensemble",
        confidence=0.85,
    )
    (group,) = report(recorder, By.STRATEGY).groups
    assert group == Group(
        key="ensemble",
        runs=1,
        complete_runs=1,
        finished_runs=1,
        multi_model_runs=0,
        calls=2,
        cost_nanousd=1_800_001,
        input_tokens=55,
        output_tokens=107,
        cached_tokens=20,
        cache_write_tokens=2,
        reasoning_tokens=3,
        mean_latency_ms=230.0,
        p50_latency_ms=230,
        p95_latency_ms=230,
        mean_confidence=0.85,
        cost_share=1.0,
        keys=("ensemble",),
    )


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        pytest.param(By.MODEL, ["large", "small"], id="model"),
        pytest.param(By.PROVIDER, ["zeta", "acme"], id="provider"),
        pytest.param(By.STRATEGY, ["cheapest", "fallback"], id="strategy"),
        pytest.param(By.TASK, ["code", None], id="task"),
        pytest.param(By.LEVEL, ["expert", None], id="level"),
        pytest.param(By.CATEGORY, ["work", None], id="category"),
        pytest.param(By.DAY, ["2026-11-17", "2026-11-18"], id="day, in order of days"),
    ],
)
def test_groups_come_the_dearest_first(recorder: Recorder, by: By, keys: list[str | None]) -> None:
    recorder.run({"cost_nanousd": 10})
    recorder.run(
        {"model": "large", "provider": "zeta", "cost_nanousd": 90},
        at=NOON - timedelta(days=1),
        strategy="cheapest",
        task="code",
        level="expert",
        category="work",
    )
    groups = report(recorder, by).groups
    assert [group.key for group in groups] == keys
    assert {group.key: group.cost_share for group in groups} == {keys[0]: 0.9, keys[1]: 0.1}


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        pytest.param(
            (By.MODEL, By.DAY),
            [("large", "2026-11-18"), ("small", "2026-11-17"), ("small", "2026-11-18")],
            id="the dearest model first, its days in order",
        ),
        pytest.param(
            (By.MONTH, By.CATEGORY), [("2026-11", "play"), ("2026-11", None), ("2026-11", "work")], id="months first"
        ),
        pytest.param((By.TAG,), [("x",), (None,), ("y",)], id="a run counts for each of its tags"),
        pytest.param((By.WEEK, By.YEAR), [("2026-11-16", "2026")], id="a week is known by its Monday"),
    ],
)
def test_groups_by_several_dimensions_and_by_those_that_a_run_has_several_of(
    recorder: Recorder, by: tuple[By, ...], keys: list[tuple[str | None, ...]]
) -> None:
    recorder.run({"cost_nanousd": 1}, category="work", tags=("x", "y"))
    recorder.run({"cost_nanousd": 2}, at=NOON - timedelta(days=1))
    recorder.run({"cost_nanousd": 90, "model": "large"}, category="play", tags=("x",))
    found = summarise(recorder.ledger, REAL, by=by)
    assert [group.keys for group in found.groups] == keys
    assert (found.total.runs, found.total.calls, found.total.cost_nanousd) == (3, 3, 93)
    document = found.to_dict()
    assert document["by"] == ",".join(by)
    assert [tuple(group["keys"].items()) for group in document["groups"]] == [
        tuple(zip((each.value for each in by), key, strict=True)) for key in keys
    ]


def test_a_run_of_two_models_counts_for_both_and_once_in_the_total(recorder: Recorder) -> None:
    recorder.run({"model": "small"}, {"model": "large"}, {"model": "large"})
    recorder.run({"model": "small"})
    found = report(recorder, By.MODEL)
    assert {key: (group.runs, group.calls) for key, group in keyed(found).items()} == {"small": (2, 2), "large": (1, 2)}
    assert (found.total.runs, found.total.calls) == (2, 4)
    assert keyed(found)["small"].multi_model_share is None
    assert found.total.multi_model_share == 0.5


def test_the_latency_of_a_task_is_that_of_its_complete_runs(recorder: Recorder) -> None:
    for ms in range(1, 101):
        recorder.run({"latency_ms": 1}, {"latency_ms": 2}, task="code", latency_ms=10 * ms)
    recorder.run({"latency_ms": 1}, task="code", latency_ms=99_999, status=RunStatus.FAILED)
    recorder.run({"latency_ms": 7}, task="math", latency_ms=70)
    found = report(recorder, By.TASK)
    latencies = {key: (group.p50_run_latency_ms, group.p95_run_latency_ms) for key, group in keyed(found).items()}
    assert latencies == {"code": (500, 950), "math": (70, 70)}
    assert (found.total.p50_run_latency_ms, found.total.p95_latency_ms) == (500, 2)
    assert report(recorder, By.MODEL).total.p95_run_latency_ms is None


def test_a_retry_of_the_same_model_is_not_a_second_model_and_neither_is_an_embedding(recorder: Recorder) -> None:
    recorder.run({"attempt": 1, "status": CallStatus.FAILED}, {"attempt": 2})
    recorder.run({"model": "text-embedding-3-small", "role": "embedding"}, {"model": "small"})
    assert report(recorder, By.STRATEGY).total.multi_model_runs == 0


@pytest.mark.parametrize("by", list(By), ids=str)
def test_a_run_without_calls_is_in_the_total_and_in_every_grouping_of_runs(recorder: Recorder, by: By) -> None:
    recorder.run(status=RunStatus.FAILED, error_code="budget")
    found = report(recorder, by)
    assert (found.total.runs, found.total.calls, found.total.success_rate) == (1, 0, 0.0)
    assert [(group.runs, group.calls) for group in found.groups] == ([] if by.is_of_calls else [(1, 0)])


def test_an_unpriced_call_leaves_the_sum_of_the_others_and_is_counted(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 7}, UNPRICED, UNPRICED)
    total = report(recorder, By.MODEL).total
    assert (total.cost_nanousd, total.unpriced_calls, total.cost_is_lower_bound) == (7, 2, True)


def test_a_free_call_is_not_an_unpriced_one(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 0, "cost_source": CostSource.NONE, "status": CallStatus.FAILED})
    total = report(recorder, By.MODEL).total
    assert (total.cost_nanousd, total.cost_is_lower_bound, total.failed_calls) == (0, False, 1)


def test_money_reserved_by_calls_that_have_not_ended_is_no_cost(recorder: Recorder) -> None:
    recorder.run(
        unsettled(500),
        unsettled(20, CallStatus.RESERVED),
        unsettled(None),
        {"cost_nanousd": 3, "reserved_nanousd": 900},
        status=RunStatus.RUNNING,
    )
    total = report(recorder, By.DAY).total
    assert (total.cost_nanousd, total.reserved_nanousd, total.unsettled_calls, total.unpriced_calls) == (3, 520, 3, 0)
    assert (total.finished_runs, total.success_rate) == (0, None)


def test_an_estimated_cost_is_a_cost_and_is_counted(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 40, "cost_source": CostSource.ESTIMATE, "status": CallStatus.INTERRUPTED})
    total = report(recorder, By.DAY).total
    assert (total.cost_nanousd, total.estimated_calls, total.interrupted_calls) == (40, 1, 1)


def test_latency_is_that_of_completed_calls(recorder: Recorder) -> None:
    recorder.run(*({"latency_ms": ms} for ms in range(1, 101)), {"latency_ms": 9_999, "status": CallStatus.FAILED})
    total = report(recorder, By.MODEL).total
    assert (total.mean_latency_ms, total.p50_latency_ms, total.p95_latency_ms) == (50.5, 50, 95)


def test_the_latency_of_the_total_is_that_of_all_calls_and_not_of_the_groups(recorder: Recorder) -> None:
    recorder.run(*({"model": model, "latency_ms": 10} for model in ("small", "large", "huge")))
    recorder.run({"latency_ms": 20}, {"latency_ms": 30})
    total = report(recorder, By.MODEL).total
    assert (total.mean_latency_ms, total.p50_latency_ms, total.p95_latency_ms) == (16.0, 10, 30)


def test_confidence_is_the_calls_by_model_and_the_runs_otherwise(recorder: Recorder) -> None:
    recorder.run({"confidence": 0.25, "model": "small"}, {"confidence": 0.75, "model": "large"}, confidence=0.75)
    recorder.run({"confidence": 0.75, "model": "small"}, confidence=0.5)
    recorder.run({"model": "small", "status": CallStatus.FAILED}, status=RunStatus.FAILED)
    by_model = report(recorder, By.MODEL)
    assert {key: group.mean_confidence for key, group in keyed(by_model).items()} == {"small": 0.5, "large": 0.75}
    assert report(recorder, By.STRATEGY).total.mean_confidence == 0.625


def test_simulated_and_real_runs_are_never_added_up(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 5})
    recorder.run({"cost_nanousd": 1_000}, simulated=True)
    assert report(recorder, By.MODEL).total.cost_nanousd == 5
    assert report(recorder, By.MODEL, Selection(simulated=True)).total.cost_nanousd == 1_000


@pytest.mark.parametrize(
    ("selection", "cost"),
    [
        pytest.param({"category": "work"}, 1, id="category"),
        pytest.param({"category": "wor%"}, 0, id="category with a wildcard"),
        pytest.param({"category": ""}, 0, id="empty category is not no category"),
        pytest.param({"tag": "x"}, 5, id="tag"),
        pytest.param({"tag": '"y'}, 4, id="tag with a quote"),
        pytest.param({"tag": "' OR 1=1 --"}, 0, id="tag that is SQL"),
        pytest.param({"category": "work", "tag": "x"}, 1, id="both"),
        pytest.param({"within": Range(first_day=date(2026, 11, 18))}, 5, id="from a day"),
        pytest.param({"within": Range(last_day=date(2026, 11, 17))}, 2, id="to a day"),
        pytest.param({"within": Range(since=NOON)}, 5, id="since a moment, inclusive"),
        pytest.param({"within": Range(until=NOON)}, 2, id="until a moment, exclusive"),
        pytest.param({"within": Range(since=NOON + timedelta(microseconds=1))}, 4, id="a microsecond later"),
    ],
)
def test_filters(recorder: Recorder, selection: dict[str, Any], cost: int) -> None:
    recorder.run({"cost_nanousd": 1}, category="work", tags=("x", "z"))
    recorder.run({"cost_nanousd": 2}, at=NOON - timedelta(days=1), category="play", tags=("xx",))
    recorder.run({"cost_nanousd": 4}, at=NOON + timedelta(hours=1), tags=("x", '"y'))
    assert report(recorder, By.DAY, Selection(simulated=False, **selection)).total.cost_nanousd == cost


@pytest.mark.parametrize("days", [-1, 1], ids=["the day before UTC's", "the day after UTC's"])
def test_a_moment_finds_runs_of_any_time_zone(recorder: Recorder, days: int) -> None:
    recorder.run({"cost_nanousd": 1}, at=NOON, day=NOON.date() + timedelta(days=days))
    just_then = Range(since=NOON, until=NOON + timedelta(microseconds=1))
    assert report(recorder, By.DAY, Selection(simulated=False, within=just_then)).total.calls == 1


def test_bounds_at_the_ends_of_the_calendar_do_no_harm(recorder: Recorder) -> None:
    recorder.run({})
    everything = Range(since=datetime(1, 1, 1, tzinfo=UTC), until=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    assert report(recorder, By.DAY, Selection(simulated=False, within=everything)).total.calls == 1


def test_a_run_counts_whole_on_the_day_it_was_started(recorder: Recorder) -> None:
    before_midnight = datetime(2026, 11, 17, 23, 59, 59, tzinfo=UTC)
    run_id = recorder.run({"cost_nanousd": 1}, at=before_midnight)
    recorder.call(run_id, at=before_midnight + timedelta(seconds=2), cost_nanousd=2)
    assert {key: group.cost_nanousd for key, group in keyed(report(recorder, By.DAY)).items()} == {"2026-11-17": 3}


@pytest.mark.parametrize("by", list(By), ids=str)
def test_an_empty_ledger_and_no_ledger_give_the_same_empty_report(recorder: Recorder, by: By) -> None:
    found = report(recorder, by)
    assert found == summarise(None, REAL, by=by)
    assert (found.groups, found.total) == ((), Group())


def test_a_report_reads_while_a_ledger_is_open_for_reading_alone(recorder: Recorder) -> None:
    recorder.run({"cost_nanousd": 5})
    reader = type(recorder.ledger).open_for_reading(recorder.ledger.path)
    assert reader is not None
    with reader:
        assert summarise(reader, REAL, by=By.MODEL).total.cost_nanousd == 5
        recorder.run({"cost_nanousd": 6})  # no transaction was left open
        assert summarise(reader, REAL, by=By.MODEL).total.cost_nanousd == 11


def steps_of(recorder: Recorder, sql: str) -> list[str]:
    plan = recorder.ledger.read(lambda connection: connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())
    return [row["detail"] for row in plan]


def test_the_days_of_a_report_are_found_by_their_index(recorder: Recorder) -> None:
    week = Selection(simulated=False, within=Range(first_day=date(2026, 11, 16), last_day=date(2026, 11, 22)))
    asked: list[str] = []
    recorder.ledger.read(lambda connection: connection.set_trace_callback(asked.append))
    report(recorder, By.MODEL, week)
    recorder.ledger.read(lambda connection: connection.set_trace_callback(None))
    selects = [sql for sql in asked if "runs.simulated" in sql]
    assert len(selects) == 4
    for sql in selects:
        steps = steps_of(recorder, sql)
        assert any("runs_by_day" in step for step in steps)
        assert not any(step.startswith(("SCAN runs", "SCAN calls")) for step in steps)


amounts = st.integers(min_value=0, max_value=10**15)
calls = st.builds(
    lambda outcome, more: outcome | more,
    st.one_of(
        amounts.map(lambda cost: {"cost_nanousd": cost}),
        amounts.map(
            lambda cost: {"cost_nanousd": cost, "cost_source": CostSource.ESTIMATE, "status": CallStatus.FAILED}
        ),
        amounts.map(unsettled),
        st.just(UNPRICED),
    ),
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(["small", "large", "huge"]),
            "provider": st.sampled_from(["acme", "zeta"]),
            "input_tokens": amounts,
            "output_tokens": amounts,
            "latency_ms": st.none() | st.integers(0, 50),
        }
    ),
)
runs = st.tuples(
    st.lists(calls, max_size=4),
    st.fixed_dictionaries(
        {
            "strategy": st.sampled_from(["cheapest", "fallback"]),
            "category": st.sampled_from([None, "a", "b"]),
            "task": st.sampled_from([None, "code"]),
            "level": st.sampled_from([None, "basic"]),
            "at": st.sampled_from([NOON, NOON + timedelta(days=1)]),
            "status": st.sampled_from(RunStatus),
        }
    ),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(runs, max_size=6))
def test_totals_are_exactly_the_sums_over_the_groups_however_they_are_grouped(
    recorded: list[tuple[list[dict[str, Any]], dict[str, Any]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder) / "ledger.db")
        with recorder.ledger:
            for made, columns in recorded:
                recorder.run(*made, **columns)
            reports = [report(recorder, by) for by in By]
    everything = [call for made, _ in recorded for call in made]
    assert {found.total.runs for found in reports} == {len(recorded)}
    assert {found.total.cost_nanousd for found in reports} == {sum(call["cost_nanousd"] or 0 for call in everything)}
    assert {found.total.calls for found in reports} == {len(everything)}
    assert len({(found.total.p50_latency_ms, found.total.p95_latency_ms) for found in reports}) == 1
    for found in reports:
        if found.grouping.repeats:
            continue
        for name in SUMS if found.grouping.is_of_calls else ["runs", "complete_runs", "finished_runs", *SUMS]:
            assert sum(getattr(group, name) for group in found.groups) == getattr(found.total, name), (found.by, name)
        if found.total.cost_nanousd:
            assert sum(group.cost_share or 0.0 for group in found.groups) == pytest.approx(1.0)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(1, 100))
def test_a_percentile_is_the_least_latency_that_covers_that_share(latencies: list[int], percent: int) -> None:
    histogram = {ms: latencies.count(ms) for ms in latencies}
    found = nearest_rank(histogram, percent)
    assert found == min(
        ms for ms in latencies if sum(other <= ms for other in latencies) * 100 >= percent * len(latencies)
    )
    if percent == 50:
        assert found == statistics.median_low(latencies)
