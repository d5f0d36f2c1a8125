"""Tuning the complexity score: a small correction of it by what made prompts hard for the user's own two models.

    logit = scale x logit + intercept + the weights of at most 20 features

fitted to whether the strong model's answer was the better one. The features are those with the largest sums of what
the score leaves unexplained (a screening by the gradient, as in Tibshirani et al., Strong rules for discarding
predictors, 2012), in deviations from their means; a ridge penalty holds their weights near 0 and the scale near 1.
docs/tuning.md has what it was worth on sets of prompts that the score had never seen.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from operator import mul
from statistics import fmean, pstdev

from ...config.tuned import Adjustment, FeatureWeight, logistic
from ...deferred import replace
from ..metrics import Routing
from ..paired import Comparison, PairedAnswers
from ..tuned_setting import Finding, TunedSetting
from .held_out import Sample, changes, cross_fitted, more_needed, places_by_fold
from .regression import fit_logistic, predictions
from .tuning_tradeoff import undecided

NAME = "weights"
MOST_FEATURES = 20
RIDGE = 100.0  # in deviations; chosen, as is the number of features, on whole sets left out of the shipped fit
_SCALE_RIDGE = 1.0
_FEWEST_WITH, _LEAST_SHARE = 5, 0.02  # prompts in which a feature must be there
_DEVIATIONS = 3.0  # a value further out counts as this
_DIGITS = 6
_COIN_FLIP = 0.5  # the APGR of random mixing


def fit_adjustment(paired: Sequence[PairedAnswers]) -> Adjustment:
    """The likeliest correction. Prompts without evidence say nothing."""
    known = [(each.evidence, float(each.strong.outcome > each.weak.outcome)) for each in paired if each.evidence]
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
            FeatureWeight(feature.feature, *(_rounded(value) for value in (weight * feature.weight, *feature[2:])))
            for weight, (feature, _) in zip(weights, features, strict=True)
        ),
    )


def adjusted_score(paired: PairedAnswers, adjustment: Adjustment) -> float:
    """A prompt's score, 0 to 1, as the analyser would give it with this adjustment."""
    evidence = paired.evidence
    if evidence is None:
        return paired.score or 0.0
    own = math.fsum(weight.logit(evidence.values.get(weight.feature, 0.0)) for weight in adjustment.weights)
    return logistic(adjustment.scale * evidence.logit + adjustment.intercept + own)


def tune_weights(comparison: Comparison, in_force: Adjustment) -> TunedSetting:
    """The score in force against a corrected one, both on held-out prompts."""
    pairs = [paired for paired in comparison.pairs if paired.evidence is not None]
    setting = undecided(NAME, comparison._replace(pairs=pairs), as_settings(in_force))
    if comparison.pairs and not pairs:
        return replace(
            setting, reason="the features of no prompt are known: texts were not kept, or the scorer is yours"
        )
    if setting.finding is not Finding.NO_IMPROVEMENT:
        return setting
    fitted = fit_adjustment(pairs)
    fits = cross_fitted(pairs, lambda paired: paired.digest, lambda _, others: fit_adjustment(others))
    weak, strong = [paired.weak.outcome for paired in pairs], [paired.strong.outcome for paired in pairs]
    parts = places_by_fold(paired.digest for paired in pairs)
    before = Routing(_ranked([adjusted_score(paired, in_force) for paired in pairs], parts), weak, strong)
    scores = [adjusted_score(paired, fit) for paired, fit in zip(pairs, fits, strict=True)]
    after = Routing(_ranked(scores, parts), weak, strong)
    (apgr,) = figures = changes(Sample(paired.digest for paired in pairs), [("APGR", before.apgr, after.apgr)])
    setting = replace(setting, fitted=as_settings(fitted), changes=figures)
    if fitted == in_force:
        return replace(setting, reason="they are what the data would have them be")
    if apgr.rises:
        if apgr.after.low is None or apgr.after.low <= _COIN_FLIP:
            return replace(
                setting, reason=f"better, but not shown to beat random mixing of the models: held-out {apgr}"
            )
        return replace(setting, finding=Finding.IMPROVED, reason=f"held-out {apgr}; most: {_told(fitted)}")
    more = more_needed(len(pairs), apgr.difference, lower_is_better=False)
    return replace(setting, reason=f"no gain: held-out {apgr}", more_needed=more)


def _ranked(scores: Sequence[float], parts: Sequence[Sequence[int]]) -> list[float]:
    """Each score as the share of the scores of its part that are lower, a tie as one half: scores of different fits
    are not on one scale."""
    ranks = [0.0] * len(scores)
    for part in parts:
        ordered = sorted(scores[place] for place in part)
        for place in part:
            low, high = bisect_left(ordered, scores[place]), bisect_right(ordered, scores[place])
            ranks[place] = (low + high) / (2 * len(ordered))
    return ranks


def as_adjustment(settings: Mapping[str, object]) -> Adjustment:
    """The adjustment that a setting's values say."""
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
    screened: list[tuple[float, FeatureWeight, list[float]]] = []
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
        screened.append((abs(math.fsum(map(mul, scaled, left))), unit, scaled))
    screened.sort(key=lambda each: (-each[0], each[1].feature))
    return [(unit, scaled) for _, unit, scaled in screened[:MOST_FEATURES]]


def _told(adjustment: Adjustment) -> str:
    """The features that count most, by what a deviation of each is worth."""
    ranked = sorted(adjustment.weights, key=lambda weight: -abs(weight.weight * (weight.most - weight.least)))
    return ", ".join(f"{weight.feature} {'+' if weight.weight > 0 else '-'}" for weight in ranked[:5])


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
