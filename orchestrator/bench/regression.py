"""Logistic regression with a ridge penalty, for fits of a few columns. Pure Python: the sums run over whole columns.

The sum over rows of -log(chance of the target), plus half of each penalty times the squared distance of its weight
from where it is held, is minimised by Newton's method with backtracking (Boyd and Vandenberghe, Convex Optimization,
2004, section 9.5). It is convex: there is one answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from ..tuned import logistic

Column = Sequence[float]

_ITERATIONS = 100
_RIDGE = 1e-9  # keeps the Hessian invertible where columns are the same
_SMALLEST_STEP = 1e-10
_LEAST_DESCENT = 1e-12


def predictions(columns: Sequence[Column], weights: Sequence[float]) -> list[float]:
    """Each row's sum of weights times columns."""
    sums = [0.0] * len(columns[0])
    for column, weight in zip(columns, weights, strict=True):
        sums = [total + weight * value for total, value in zip(sums, column, strict=True)]
    return sums


def fit_logistic(
    columns: Sequence[Column],
    targets: Column,
    penalties: Sequence[float],
    start: Sequence[float],
    held: Sequence[float],
) -> list[float]:
    """The weights of the columns. Targets are 0 to 1. `held` is what each weight is pulled to by its penalty."""
    weights = list(start)
    logits = predictions(columns, weights)
    loss = _loss(logits, targets, weights, penalties, held)
    for _ in range(_ITERATIONS):
        gradient, hessian = _slopes(columns, logits, targets, weights, penalties, held)
        step = _solved(hessian, gradient)
        descent = math.fsum(map(mul, gradient, step))
        if descent < _LEAST_DESCENT * len(targets):
            break
        size = 1.0
        while size >= _SMALLEST_STEP:
            new = [weight - size * part for weight, part in zip(weights, step, strict=True)]
            new_logits = predictions(columns, new)
            new_loss = _loss(new_logits, targets, new, penalties, held)
            if new_loss < loss - 1e-4 * size * descent:  # Armijo's rule
                break
            size /= 2
        else:
            break  # as low as floating point gets
        weights, logits, loss = new, new_logits, new_loss
    return weights


def _loss(
    logits: Column, targets: Column, weights: Sequence[float], penalties: Sequence[float], held: Sequence[float]
) -> float:
    """By log(1 + exp(z)) - t z, which no size of z overflows."""
    fit = math.fsum(
        max(z, 0.0) + math.log1p(math.exp(-abs(z))) - target * z for z, target in zip(logits, targets, strict=True)
    )
    pulls = zip(weights, penalties, held, strict=True)
    return fit + math.fsum(penalty * (weight - at) ** 2 / 2 for weight, penalty, at in pulls)


def _slopes(
    columns: Sequence[Column],
    logits: Column,
    targets: Column,
    weights: Sequence[float],
    penalties: Sequence[float],
    held: Sequence[float],
) -> tuple[list[float], list[list[float]]]:
    """Gradient and Hessian of the loss."""
    chances = [logistic(z) for z in logits]
    off = [chance - target for chance, target in zip(chances, targets, strict=True)]
    curvature = [chance * (1 - chance) for chance in chances]
    gradient = [
        math.fsum(map(mul, column, off)) + penalty * (weight - at)
        for column, weight, penalty, at in zip(columns, weights, penalties, held, strict=True)
    ]
    bent = [list(map(mul, column, curvature)) for column in columns]
    hessian = [
        [sum(map(mul, bent[row], columns[place])) if place <= row else 0.0 for place in range(len(columns))]
        for row in range(len(columns))
    ]
    for row, penalty in enumerate(penalties):
        hessian[row][row] += penalty + _RIDGE * (1 + hessian[row][row])
    return gradient, hessian


def _solved(lower: list[list[float]], values: Sequence[float]) -> list[float]:
    """The solution of a positive definite system, of which the lower half is given, by Cholesky's decomposition."""
    size = len(values)
    root = [[0.0] * size for _ in range(size)]
    for row in range(size):
        for place in range(row + 1):
            rest = lower[row][place] - sum(map(mul, root[row][:place], root[place][:place]))
            root[row][place] = math.sqrt(max(rest, 1e-300)) if place == row else rest / root[place][place]
    forward: list[float] = []
    for row in range(size):
        forward.append((values[row] - sum(map(mul, root[row], forward))) / root[row][row])
    solution = [0.0] * size
    for row in reversed(range(size)):
        known = sum(root[below][row] * solution[below] for below in range(row + 1, size))
        solution[row] = (forward[row] - known) / root[row][row]
    return solution
