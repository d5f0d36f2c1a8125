"""Tuning the complexity score: a small correction of it by what made prompts hard for the user's own two models.

    logit = scale x logit + intercept + the weights of at most 20 features

fitted to whether the strong model's answer was the better one. The features are those with the largest sums of what
the score leaves unexplained (a screening by the gradient, as in Tibshirani et al., Strong rules for discarding
predictors, 2012), in deviations from their means; a ridge penalty holds their weights near 0 and the scale near 1.
docs/tuning.md has what it was worth on sets of prompts that the score had never seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import mul
from statistics import fmean, pstdev

from ..tuned import Adjustment, FeatureWeight, logistic
from .duels import Duel, Duels
from .held_out import Sample, changes, cross_fitted, more_needed
from .metrics import Routing
from .part import Finding, Part
from .regression import fit_logistic, predictions
from .tuning_tradeoff import undecided

NAME = "weights"
MOST_FEATURES = 20
RIDGE = 100.0  # in deviations; chosen, as is the number of features, on whole sets left out of the shipped fit
_SCALE_RIDGE = 1.0
_FEWEST_WITH, _LEAST_SHARE = 5, 0.02  # prompts in which a feature must be there
_DEVIATIONS = 3.0  # a value further out counts as this
_DIGITS = 6


def fit_adjustment(duels: Sequence[Duel]) -> Adjustment:
    """The likeliest correction. Duels without evidence say nothing."""
    known = [(duel.evidence, float(duel.strong.outcome > duel.weak.outcome)) for duel in duels if duel.evidence]
    if not known:
        return Adjustment()
    logits, targets = [evidence.logit for evidence, _ in known], [target for _, target in known]
    ones = [1.0] * len(known)
    mean = min(max(fmean(targets), 0.5 / len(known)), 1 - 0.5 / len(known))
    start = (math.log(mean / (1 - mean)), 0.0)
    base = fit_logistic((ones, logits), targets, (0.0, _SCALE_RIDGE), start, (0.0, 1.0))
    left = [target - logistic(z) for target, z in zip(targets, predictions((ones, logits), base).tolist(), strict=True)]
    features = _screened([evidence.values for evidence, _ in known], left)
    columns = [ones, logits, *(column for _, column in features)]
    zeros = [0.0] * len(features)
    intercept, scale, *weights = fit_logistic(
        columns, targets, [0.0, _SCALE_RIDGE, *(RIDGE for _ in features)], [*base, *zeros], [0.0, 1.0, *zeros]
    )
    # A score that orders the user's prompts the wrong way round counts for nothing, not for its opposite.
    return Adjustment(
        _rounded(max(scale, 0.0)),
        _rounded(intercept),
        tuple(
            FeatureWeight(found.feature, *(_rounded(part) for part in (weight * found.weight, *found[2:])))
            for weight, (found, _) in zip(weights, features, strict=True)
        ),
    )


def adjusted_score(duel: Duel, adjustment: Adjustment) -> float:
    """A prompt's score, 0 to 1, as the analyser would give it with this adjustment."""
    evidence = duel.evidence
    if evidence is None:
        return duel.score or 0.0
    own = math.fsum(weight.logit(evidence.values.get(weight.feature, 0.0)) for weight in adjustment.weights)
    return logistic(adjustment.scale * evidence.logit + adjustment.intercept + own)


def tune_weights(duels: Duels, in_force: Adjustment) -> Part:
    """The score in force against a corrected one, both on held-out prompts."""
    found = [duel for duel in duels.found if duel.evidence is not None]
    part = undecided(NAME, duels._replace(found=found), as_settings(in_force))
    if duels.found and not found:
        return replace(part, reason="the features of no prompt are known: texts were not kept, or the scorer is yours")
    if part.finding is not Finding.NO_IMPROVEMENT:
        return part
    fitted = fit_adjustment(found)
    fits = cross_fitted(found, lambda duel: duel.digest, lambda _, others: fit_adjustment(others))
    weak, strong = [duel.weak.outcome for duel in found], [duel.strong.outcome for duel in found]
    before = Routing([adjusted_score(duel, in_force) for duel in found], weak, strong)
    after = Routing([adjusted_score(duel, fit) for duel, fit in zip(found, fits, strict=True)], weak, strong)
    (apgr,) = figures = changes(Sample(duel.digest for duel in found), [("APGR", before.apgr, after.apgr)])
    part = replace(part, fitted=as_settings(fitted), changes=figures)
    if fitted == in_force:
        return replace(part, reason="they are what the data would have them be")
    if apgr.rises:
        return replace(part, finding=Finding.IMPROVED, reason=f"held-out {apgr}; most: {_told(fitted)}")
    more = more_needed(len(found), apgr.difference, lower_is_better=False)
    return replace(part, reason=f"no improvement that the data can show: held-out {apgr}", more_needed=more)


def as_adjustment(settings: Mapping[str, object]) -> Adjustment:
    """The adjustment that a part's settings say."""
    scale, intercept, weights = (settings[key] for key in ("scale", "intercept", "weights"))
    assert isinstance(scale, float)
    assert isinstance(intercept, float)
    assert isinstance(weights, dict)
    return Adjustment(scale, intercept, tuple(FeatureWeight(name, *numbers) for name, numbers in weights.items()))


def as_settings(adjustment: Adjustment) -> dict[str, object]:
    """An adjustment as config keys."""
    weights = {weight.feature: list(weight[1:]) for weight in adjustment.weights}
    return {"scale": adjustment.scale, "intercept": adjustment.intercept, "weights": weights}


def _screened(values: Sequence[Mapping[str, float]], left: Sequence[float]) -> list[tuple[FeatureWeight, list[float]]]:
    """The features that explain most of what is left, in deviations; as a weight, one deviation."""
    fewest = max(_FEWEST_WITH, _LEAST_SHARE * len(values))
    found: list[tuple[float, FeatureWeight, list[float]]] = []
    for feature in sorted({name for each in values for name in each}):
        column = [each.get(feature, 0.0) for each in values]
        deviation = pstdev(column)
        if deviation == 0 or sum(value != 0 for value in column) < fewest:
            continue
        mean, reach = fmean(column), _DEVIATIONS * deviation
        unit = FeatureWeight(
            feature, 1 / deviation, mean, max(min(column), mean - reach), min(max(column), mean + reach)
        )
        scaled = [unit.logit(value) for value in column]
        found.append((abs(math.fsum(map(mul, scaled, left))), unit, scaled))
    found.sort(key=lambda each: (-each[0], each[1].feature))
    return [(unit, scaled) for _, unit, scaled in found[:MOST_FEATURES]]


def _told(adjustment: Adjustment) -> str:
    """The features that count most, by what a deviation of each is worth."""
    ranked = sorted(adjustment.weights, key=lambda weight: -abs(weight.weight * (weight.most - weight.least)))
    return ", ".join(f"{weight.feature} {'+' if weight.weight > 0 else '-'}" for weight in ranked[:5])


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
