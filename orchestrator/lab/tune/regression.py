"""Logistic regression with a ridge penalty, for fits of a few columns.

The sum over rows of -log(chance of the target), plus half of each penalty times the squared distance of its weight
from where it is held, is minimised by Newton's method with backtracking (Boyd and Vandenberghe, Convex Optimization,
2004, section 9.5). It is convex: there is one answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import Array, np

Column = Sequence[float]

_ITERATIONS = 100
_RIDGE = 1e-9  # keeps the Hessian invertible where columns are the same
_SMALLEST_STEP = 1e-10
_LEAST_DESCENT = 1e-12


def predictions(columns: Sequence[Column], weights: Sequence[float]) -> Array:
    """Each row's sum of weights times columns."""
    return np.column_stack(columns) @ weights


def fit_logistic(
    columns: Sequence[Column],
    targets: Column,
    penalties: Sequence[float],
    start: Sequence[float],
    held: Sequence[float],
) -> list[float]:
    """The weights of the columns. Targets are 0 to 1. `held` is what each weight is pulled to by its penalty."""
    rows, wanted, weights = np.column_stack(columns), np.asarray(targets, float), np.asarray(start, float)
    pulls, centers = np.asarray(penalties, float), np.asarray(held, float)

    def loss_at(weights: Array) -> float:
        """By log(1 + exp(z)) - t z, which no size of z overflows."""
        logits = rows @ weights
        return float((np.logaddexp(0, logits) - wanted * logits).sum() + pulls @ (weights - centers) ** 2 / 2)

    loss = loss_at(weights)
    for _ in range(_ITERATIONS):
        chances = np.exp(-np.logaddexp(0, -(rows @ weights)))
        gradient = rows.T @ (chances - wanted) + pulls * (weights - centers)
        hessian = (rows.T * (chances * (1 - chances))) @ rows
        hessian += np.diag(pulls + _RIDGE * (1 + np.diag(hessian)))
        step = np.linalg.solve(hessian, gradient)
        descent = float(gradient @ step)
        if descent < _LEAST_DESCENT * len(wanted):
            break
        size = 1.0
        while size >= _SMALLEST_STEP:
            new_loss = loss_at(weights - size * step)
            if new_loss < loss - 1e-4 * size * descent:  # Armijo's rule
                break
            size /= 2
        else:
            break  # as low as floating point gets
        weights, loss = weights - size * step, new_loss
    fitted: list[float] = weights.tolist()
    return fitted
