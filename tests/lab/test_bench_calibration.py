"""The line that makes a confidence the chance that it claims to be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config.tuned import Calibration, logistic
from orchestrator.lab.tune.calibration import fit_calibration, losses

GRADED = st.lists(
    st.tuples(st.floats(-30, 30), st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1)), min_size=1, max_size=60
)


def targets(outcomes: list[float]) -> list[float]:
    """Platt's, written out again."""
    right, wrong = sum(outcomes), len(outcomes) - sum(outcomes)
    return [r * (right + 1) / (right + 2) + (1 - r) / (wrong + 2) for r in outcomes]


@given(GRADED)
def test_at_the_fit_no_small_step_is_better(graded: list[tuple[float, float]]) -> None:
    logits, outcomes = [x for x, _ in graded], [y for _, y in graded]
    fit, wanted = fit_calibration(logits, outcomes), targets(outcomes)

    def loss(slope: float, intercept: float) -> float:
        return sum(losses([Calibration(slope, intercept).confidence(x) for x in logits], wanted)) / len(logits)

    best = loss(fit.slope, fit.intercept)
    for to_slope, to_intercept in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1)):
        assert best <= loss(fit.slope + 1e-3 * to_slope, fit.intercept + 1e-3 * to_intercept) + 1e-9


@given(GRADED)
def test_fitted_confidences_are_right_on_average(graded: list[tuple[float, float]]) -> None:
    logits, outcomes = [x for x, _ in graded], [y for _, y in graded]
    fit = fit_calibration(logits, outcomes)
    assert math.fsum(fit.confidence(x) for x in logits) == pytest.approx(math.fsum(targets(outcomes)), abs=1e-4)


@settings(max_examples=30)
@given(st.floats(0.1, 2), st.floats(-2, 2))
def test_the_line_that_the_grades_were_made_by_is_found_again(slope: float, intercept: float) -> None:
    made_by = Calibration(slope, intercept)
    logits = [place / 100 for place in range(-300, 300)]
    fit = fit_calibration(logits, [made_by.confidence(logit) for logit in logits])
    assert fit.slope == pytest.approx(slope, rel=0.1)
    assert fit.intercept == pytest.approx(intercept, abs=0.1)


@pytest.mark.parametrize(
    ("logits", "outcomes"),
    [
        pytest.param([-1.0, -2.0, 1.0, 2.0], [0.0, 0.0, 1.0, 1.0], id="told apart completely"),
        pytest.param([3.0] * 9, [1.0] * 9, id="all good"),
        pytest.param([3.0] * 9, [0.0] * 9, id="all bad"),
        pytest.param([0.0] * 4, [0.0, 1.0, 0.0, 1.0], id="no evidence"),
        pytest.param([1e6, -1e6, 0.5], [1.0, 0.0, 1.0], id="far out"),
    ],
)
def test_what_has_no_finite_likeliest_line_still_gets_one(logits: list[float], outcomes: list[float]) -> None:
    fit = fit_calibration(logits, outcomes)
    assert math.isfinite(fit.slope)
    assert math.isfinite(fit.intercept)
    mean = sum(fit.confidence(logit) for logit in logits) / len(logits)
    assert mean == pytest.approx(sum(targets(outcomes)) / len(outcomes), abs=1e-3)


def test_answers_that_contradict_their_confidence_turn_the_line_down() -> None:
    assert fit_calibration([-2.0, -1.0, 1.0, 2.0] * 5, [1.0, 1.0, 0.0, 0.0] * 5).slope < 0


def test_without_any_answer_the_line_changes_nothing() -> None:
    assert fit_calibration([], []) == Calibration(1, 0)


@pytest.mark.parametrize(("logit", "chance"), [(-1e4, 0.0), (-2, 0.11920292), (0, 0.5), (2, 0.88079708), (1e4, 1.0)])
def test_the_logistic_function_never_overflows(logit: float, chance: float) -> None:
    assert logistic(logit) == pytest.approx(chance)


def test_a_sure_confidence_that_is_wrong_has_a_large_and_finite_loss() -> None:
    assert losses([0.0, 1.0, 0.5], [1.0, 0.0, 1.0]) == pytest.approx([34.539, 34.539, math.log(2)], rel=1e-3)
