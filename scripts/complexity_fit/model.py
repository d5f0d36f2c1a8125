"""The fit: for each family of prompts, trees and linear weights that predict by how much a strong model is better.

One grade of one answer says little, so targets are smoothed: the mean gap of a prompt's task, itself drawn towards
that of its set, plus a share of what the prompt differs by. Gaps count from the mean of their set, since sets differ in
their models. The outcome is put into logits of "the strong model's answer is better" by a logistic regression on
predictions for prompts that were left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge

from orchestrator.reading.features import Family, feature_names
from orchestrator.reading.fitted import read_weights

from .data import THIRDS, Floats, Mask, Outcomes

SEED = 1
_TASK_PROMPTS = 10  # a task's mean gap counts as much as its set's when it has this many prompts
_GAP_A_LOGIT = 0.13  # what a logit of the prior is worth in gap: the slope of a logistic curve at 0.15
_OF_A_GROUP = 1.5  # how much more the gap between thirds of many models counts than that of a pair: it has less noise
_INNER_FOLDS = 3
_LEAST_PROMPTS = 30
_NAMES = feature_names()
# What the trees of open prompts may ask about: their form.
_FORM = (
    "words",
    "words before the options",
    "lines",
    "passage",
    "labelled parts",
    "asks for a box",
    "limits the answer",
    "no context",
    "formats",
    "options",
    "option words",
    "longest option",
    "option spread",
    "judgement options",
    "name options",
    "of the above",
)

Document = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How one family is fitted: its trees on `learns_from`, sets or tasks; its baseline and slope on the sets `judged`.

    `own` is the share of a prompt's own gap in its target. With `ridge`, all prompts of the family give a linear part.
    With `prior`, the fit starts from the prior, and trees ask about the form of a prompt only: what it is about would
    be learnt from the few tasks there are, and is better known beforehand. The trees count by `trust`: on sets that
    they have not seen they do harm, and on their own they gain, so that less than all of them is a bargain between the
    two (docs/decisions.md has the figures).
    """

    learns_from: tuple[str, ...]
    judged: tuple[str, ...]
    trees: int
    own: float
    leaves: int
    rate: float
    min_leaf: int
    share: float  # of the features that a split may choose from
    ridge: float | None = None
    prior: bool = False
    trust: float = 1.0


RECIPES: dict[Family, Recipe] = {
    Family.CHOICE: Recipe(
        ("mmlu", "mmlupro"), ("mmlu",), trees=150, own=0.2, leaves=12, rate=0.06, min_leaf=10, share=0.15
    ),
    Family.PROBLEM: Recipe(
        ("gsm8k", "nine/gsm8k", "nine/agentverse-mgsm", "nine/math"),
        ("gsm8k",),
        trees=150,
        own=1.0,
        leaves=6,
        rate=0.03,
        min_leaf=20,
        share=0.1,
        ridge=300.0,
    ),
    Family.OPEN: Recipe(
        ("arena", "nine"),
        ("arena", "nine"),
        trees=60,
        own=0.3,
        leaves=6,
        rate=0.05,
        min_leaf=40,
        share=0.3,
        prior=True,
        trust=0.6,
    ),
}


def fit(data: Outcomes, rows: Mask) -> Document:
    """A document of weights (`orchestrator.reading.fitted`) from these rows."""
    families = {family.value: _fit_family(data, rows, family) for family in Family}
    return {"features": list(_NAMES), "families": families}


def logits(document: Document, data: Outcomes, rows: Mask) -> Floats:
    """The logits that the program would give to these rows, by its own arithmetic; 0 elsewhere."""
    weights = read_weights(document)
    found = np.zeros(len(data.sets))
    for row in np.flatnonzero(rows):
        features = data.features[row]
        fitted = weights[features.family]
        found[row] = fitted.baseline + fitted.prior * data.prior[row] + sum(fitted.credits(features.values).values())
    return found


def folds(data: Outcomes, count: int, seed: int) -> Floats:
    """The number of the fold of each row; rows of a group share theirs."""
    groups, inverse = np.unique(data.group, return_inverse=True)
    return np.asarray(np.random.default_rng(seed).integers(0, count, len(groups))[inverse])


def _fit_family(data: Outcomes, rows: Mask, family: Family) -> Document:
    recipe = RECIPES[family]
    rows = rows & data.of_family(family)
    document = _fit_parts(data, rows, recipe)[1]
    judged = rows & np.isin(data.sets, recipe.judged)
    if not judged.any():  # the set is left out: the others of the family will do
        judged = rows
    if judged.sum() < _LEAST_PROMPTS:
        return {"baseline": 0.0, "prior": 0.0, "slopes": [], "trees": []}
    held_out = np.zeros(len(data.sets))
    inner = folds(data, _INNER_FOLDS, SEED)
    for fold in range(_INNER_FOLDS):
        kept = rows & (inner != fold)
        if (kept & judged).any():
            held_out[judged & (inner == fold)] = _fit_parts(data, kept, recipe)[0](judged & (inner == fold))
    baseline, slope = _logistic(held_out[judged], np.maximum(data.gap, 0)[judged], _balance(data, judged)[judged])
    return _scaled(document, baseline, slope, recipe)


def _fit_parts(data: Outcomes, rows: Mask, recipe: Recipe) -> tuple[Callable[[Mask], Floats], Document]:
    """The parts in units of gap, and a function that predicts with them."""
    own = rows & (np.isin(data.sets, recipe.learns_from) | np.isin(data.tasks, recipe.learns_from))
    prior = _GAP_A_LOGIT * data.prior if recipe.prior else np.zeros(len(data.sets))
    wanted = target(data, rows, recipe.own) - _centred(prior, data, rows)
    parts: list[Callable[[Mask], Floats]] = [lambda asked: prior[asked]]
    document: Document = {"baseline": 0.0, "prior": float(recipe.prior), "slopes": [], "trees": []}
    if recipe.ridge is not None and rows.any():
        slopes = _slopes(data, rows, wanted, recipe.ridge)
        document["slopes"] = slopes
        parts.append(lambda asked: _linear(slopes, data.matrix[asked]))
    if own.any():
        seen = np.isin(_NAMES, _FORM) if recipe.prior else np.ones(len(_NAMES))
        trees = GradientBoostingRegressor(
            n_estimators=recipe.trees,
            max_leaf_nodes=recipe.leaves,
            max_depth=None,
            learning_rate=recipe.rate,
            min_samples_leaf=recipe.min_leaf,
            subsample=0.5,
            max_features=recipe.share,
            random_state=SEED,
        ).fit(data.matrix[own] * seen, wanted[own], sample_weight=_balance(data, own)[own] if recipe.prior else None)
        rate, trust = recipe.trust * recipe.rate, recipe.trust
        document["trees"] = [_tree(step[0].tree_, rate) for step in trees.estimators_]
        document["baseline"] = trust * float(trees.init_.constant_.item()) + sum(
            rate * float(step[0].tree_.value[0, 0, 0]) for step in trees.estimators_
        )
        parts.append(lambda asked: trust * trees.predict(data.matrix[asked] * seen) if asked.any() else np.zeros(0))
    return lambda asked: np.sum([part(asked) for part in parts], axis=0), document


def target(data: Outcomes, rows: Mask, own: float) -> Floats:
    """The smoothed gap of each row, from the mean of its set."""
    smoothed = np.zeros(len(data.sets))
    for name in np.unique(data.sets[rows]):
        here = rows & data.of(str(name))
        gap = data.gap if name == "nine" else data.group_gap  # by task, the pair of `nine` has prompts enough
        mean = gap[here].mean()
        for task in np.unique(data.tasks[here]):
            there = here & (data.tasks == task)
            count = there.sum()
            task_mean = (gap[there].sum() + _TASK_PROMPTS * mean) / (count + _TASK_PROMPTS)
            grade = data.group_gap[there]
            part = own * _OF_A_GROUP if name in THIRDS else own
            smoothed[there] = task_mean - mean + part * (grade - (grade.mean() if name == "nine" else task_mean))
        smoothed[here] -= smoothed[here].mean()
    return smoothed


def _centred(values: Floats, data: Outcomes, rows: Mask) -> Floats:
    centred = values.copy()
    for name in np.unique(data.sets[rows]):
        here = data.of(str(name))
        centred[here] -= values[rows & here].mean()
    return centred


def _balance(data: Outcomes, rows: Mask) -> Floats:
    """Weights that let a set count by the square root of its size."""
    weight = np.ones(len(data.sets))
    for name in np.unique(data.sets[rows]):
        here = data.of(str(name))
        weight[here] = (1000 / (rows & here).sum()) ** 0.5
    return weight


def _slopes(data: Outcomes, rows: Mask, wanted: Floats, ridge: float) -> list[list[float]]:
    matrix = data.matrix[rows]
    mean, spread = matrix.mean(0), matrix.std(0)
    used = np.flatnonzero((spread > 1e-6) & ((matrix != 0).sum(0) >= 15))
    fitted = Ridge(alpha=ridge).fit((matrix[:, used] - mean[used]) / spread[used], wanted[rows])
    low, high = np.maximum(matrix.min(0), mean - 4 * spread), np.minimum(matrix.max(0), mean + 4 * spread)
    return [
        [int(place), float(weight / spread[place]), float(mean[place]), float(low[place]), float(high[place])]
        for place, weight in zip(used, fitted.coef_, strict=True)
    ]


def _linear(slopes: list[list[float]], matrix: Floats) -> Floats:
    found = np.zeros(len(matrix))
    for place, weight, mean, low, high in slopes:
        found += weight * (np.clip(matrix[:, int(place)], low, high) - mean)
    return found


def _tree(tree: Any, rate: float, node: int = 0) -> list[float]:
    """A tree as `orchestrator.reading.fitted.Weights` has it."""
    low, high = int(tree.children_left[node]), int(tree.children_right[node])
    if low < 0:
        return [-1]
    steps = [rate * float(tree.value[child, 0, 0] - tree.value[node, 0, 0]) for child in (low, high)]
    below = _tree(tree, rate, low)
    branch = [int(tree.feature[node]), float(tree.threshold[node]), *steps, 5 + len(below)]
    return [*branch, *below, *_tree(tree, rate, high)]


def _logistic(score: Floats, better: Floats, weight: Floats) -> tuple[float, float]:
    """Baseline and slope of a logistic regression, by Newton's method, lightly held to a slope of 5 logits a gap."""
    design = np.column_stack([np.ones(len(score)), score])
    held, coefficients = np.array([0.0, 1e-2 * weight.sum()]), np.array([-1.5, 5.0])
    for _ in range(25):
        chance = 1 / (1 + np.exp(-(design @ coefficients)))
        slope = design.T @ (weight * (better - chance)) - held * (coefficients - [0, 5.0])
        curvature = (design * (weight * chance * (1 - chance))[:, None]).T @ design + np.diag(held)
        coefficients = coefficients + np.linalg.solve(curvature, slope)
    return float(coefficients[0]), float(max(coefficients[1], 1.0))


def _scaled(document: Document, baseline: float, slope: float, recipe: Recipe) -> Document:
    """The document in logits, rounded: the last digits are noise, and would take most of the file."""
    return {
        "baseline": round(baseline + slope * document["baseline"], 4),
        "prior": round(slope * _GAP_A_LOGIT, 4) if recipe.prior else 0.0,
        "slopes": [[place, _short(slope * weight), *map(_short, rest)] for place, weight, *rest in document["slopes"]],
        "trees": [_scaled_tree(tree, slope) for tree in document["trees"]],
    }


def _scaled_tree(tree: list[float], slope: float) -> list[float]:
    scaled, at = list(tree), 0
    while at < len(tree):
        if tree[at] < 0:
            at += 1
            continue
        scaled[at + 1] = _short(tree[at + 1])
        scaled[at + 2 : at + 4] = [round(slope * step, 4) for step in tree[at + 2 : at + 4]]
        at += 5
    return scaled


def _short(number: float) -> float:
    return float(f"{number:.4g}")
