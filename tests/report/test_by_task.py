"""Which model does best at which task, and what the ratings cannot tell."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lab.by_task import Standing, by_task, told_apart
from orchestrator.ledger.ratings import RatedRun, Rating
from orchestrator.report.significance import wilson

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def rated(
    task: str | None, model: str | None, *ratings: float, cost: int | None = 10, latency: int = 100
) -> list[RatedRun]:
    return [
        RatedRun(
            run_id=f"{task}{model}{number}",
            rating=Rating(rating, NOW),
            strategy="fallback",
            task=task,
            level="basic",
            score=0.1,
            model_used=model,
            confidence=0.7,
            signals={},
            finish_reason="stop",
            prompt_sha256="0" * 64,
            system=None,
            prompt=None,
            response=None,
            cost_nanousd=cost,
            answer_nanousd=cost,
            latency_ms=latency,
        )
        for number, rating in enumerate(ratings)
    ]


@pytest.mark.parametrize(
    ("total", "size", "low", "high"),
    [
        # R. G. Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (8, 10, 0.4902, 0.9433),  # Brown, Cai and DasGupta, Statistical Science 16, 2001
    ],
)
def test_intervals_are_those_of_the_literature(total: float, size: int, low: float, high: float) -> None:
    assert wilson(total, size) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        # the same author's Interval estimation for the difference (1998), table II, method 10: 0.0524 to 0.3339
        pytest.param((56, 70), (48, 80), True, id="a"),
        pytest.param((9, 10), (3, 10), True, id="b"),  # 0.1705 to 0.8090
        pytest.param((6, 7), (2, 7), True, id="c"),  # 0.0582 to 0.8062
        pytest.param((5, 56), (0, 29), False, id="d"),  # -0.0381 to 0.1926
        pytest.param((0, 10), (0, 20), False, id="e"),
        pytest.param((10, 10), (0, 10), True, id="g"),
    ],
)
def test_means_are_told_apart_as_in_the_literature(one: tuple[int, int], other: tuple[int, int], apart: bool) -> None:
    def ratings(good: int, size: int) -> list[float]:
        return [1.0] * good + [0.0] * (size - good)

    assert told_apart(ratings(*one), ratings(*other)) == apart


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_interval_holds_the_mean_and_stays_between_0_and_1(ratings: list[float]) -> None:
    low, high = wilson(math.fsum(ratings), len(ratings))
    mean = math.fsum(ratings) / len(ratings)
    assert 0 <= low <= mean + 1e-12
    assert mean - 1e-12 <= high <= 1
    wider_low, wider_high = wilson(math.fsum(ratings), len(ratings), level=0.99)
    assert wider_low <= low
    assert wider_high >= high


@given(st.lists(st.floats(0, 1), min_size=1), st.lists(st.floats(0, 1), min_size=1))
def test_no_two_models_are_each_better_than_the_other(one: list[float], other: list[float]) -> None:
    assert not (told_apart(one, other) and told_apart(other, one))


def test_models_are_ranked_by_their_ratings_at_each_task() -> None:
    found = by_task(
        [
            *rated("code", "large", *[1.0] * 20, cost=100, latency=900),
            *rated("code", "small", *[0.0] * 15, *[1.0] * 5, cost=10, latency=90),
            *rated("code", "medium", *[1.0] * 8, 0.5, 0.5),
            *rated("math", "small", 1.0, cost=None),
            *rated("math", None, 1.0),
            *rated(None, "small", 0.0),
        ]
    )
    assert [(task.task, task.runs) for task in found] == [("code", 50), (None, 1), ("math", 1)]
    code, _, maths = found
    assert [(model.model, model.standing) for model in code.models] == [
        ("large", Standing.BEST),
        ("medium", Standing.UNDECIDED),
        ("small", Standing.WORSE),
    ]
    large = code.models[0]
    assert (large.runs, large.mean_rating, large.mean_cost_nanousd, large.mean_latency_ms) == (20, 1.0, 100, 900)
    assert maths.models[0].mean_cost_nanousd is None


def test_the_more_models_there_are_the_more_it_takes_to_tell_one_from_the_best() -> None:
    better, worse = rated("code", "a", *[1.0] * 9, 0.0), rated("code", "b", *[1.0] * 4, *[0.0] * 6)
    assert by_task([*better, *worse])[0].models[1].standing is Standing.WORSE
    others = [run for number in range(20) for run in rated("code", f"c{number}", 0.5)]
    (task,) = by_task([*better, *worse, *others])
    assert {model.model: model.standing for model in task.models}["b"] is Standing.UNDECIDED


def test_without_ratings_there_is_nothing() -> None:
    assert by_task([]) == ()
