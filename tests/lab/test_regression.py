"""Logistic regression with a ridge penalty, against what defines its answer."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.tuned import logistic
from orchestrator.lab.tune.regression import fit_logistic, predictions

ROWS = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 1)), min_size=2, max_size=40)


@given(ROWS, st.floats(0.1, 50), st.floats(-2, 2))
def test_at_the_answer_the_slope_of_the_loss_is_nothing(
    rows: list[tuple[float, float, float]], penalty: float, held: float
) -> None:
    columns = [[1.0] * len(rows), [a for a, _, _ in rows], [b for _, b, _ in rows]]
    targets, penalties, pulls = [t for _, _, t in rows], [penalty] * 3, [0.0, held, 0.0]
    weights = fit_logistic(columns, targets, penalties, [0.0] * 3, pulls)
    chances = [logistic(z) for z in predictions(columns, weights)]
    for column, weight, pull in zip(columns, weights, pulls, strict=True):
        slope = sum(value * (chance - target) for value, chance, target in zip(column, chances, targets, strict=True))
        assert slope + penalty * (weight - pull) == pytest.approx(0, abs=1e-3)


def test_the_stronger_the_penalty_the_nearer_a_weight_is_to_where_it_is_held() -> None:
    draws = random.Random(1)
    column = [draws.gauss(0, 1) for _ in range(300)]
    targets = [float(draws.random() < logistic(2 * value)) for value in column]
    found = [fit_logistic([column], targets, [penalty], [0.0], [0.5])[0] for penalty in (0.0, 10.0, 1_000.0, 1e6)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(2, abs=0.4)
    assert found[-1] == pytest.approx(0.5, abs=1e-3)


def test_columns_that_are_the_same_share_the_weight() -> None:
    column = [0.0, 1.0, 2.0, 3.0] * 10
    targets = [0.0, 0.0, 1.0, 1.0] * 10
    one, other = fit_logistic([column, column], targets, [1.0, 1.0], [0.0, 0.0], [0.0, 0.0])
    assert one == pytest.approx(other)
    assert math.isfinite(one)


def test_it_agrees_with_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    draws = random.Random(2)
    rows = [[draws.gauss(0, 1) for _ in range(6)] for _ in range(200)]
    targets = [float(draws.random() < logistic(row[0] - 2 * row[1] + 0.3)) for row in rows]
    theirs = linear_model.LogisticRegression(C=1 / 7, tol=1e-10, max_iter=10_000).fit(rows, targets)
    columns = [[1.0] * len(rows), *(list(column) for column in zip(*rows, strict=True))]
    ours = fit_logistic(columns, targets, [0.0, *[7.0] * 6], [0.0] * 7, [0.0] * 7)
    assert ours == pytest.approx([*theirs.intercept_, *theirs.coef_[0]], abs=1e-4)
