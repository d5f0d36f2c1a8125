"""Tuning the calibration: whether a line of the user's own makes confidences truer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ...config.tuned import LEAST_SLOPE, Calibration
from ..arrays import np
from ..intervals import Statistic, Weights, mean
from ..metrics import Confidence
from ..tuned_setting import FEWEST, Finding, TunedSetting
from .calibration import fit_calibration, losses
from .cases import Case
from .held_out import Change, Sample, changes, cross_fitted, digits, more_needed, places_by_fold

NAME = "confidence"
_DIGITS = 4
_COIN_FLIP = 0.5


class _Answered(NamedTuple):
    digest: str
    logit: float
    outcome: float


def fit_confidence(cases: Sequence[Case]) -> Calibration:
    """The line that fits all answers of these cases, rounded as it is written."""
    return _fit(_answered(cases))


def tune_confidence(cases: Sequence[Case], in_force: Calibration, threshold: float) -> TunedSetting:
    """The calibration in force against one fitted to these cases, both on held-out prompts.

    `threshold` is the one in force: what is accepted by it changes with the calibration, so that is shown too.
    """
    answers = _answered(cases)
    if not answers:
        reason = "no answer comes with a text that could be judged"
        return TunedSetting(NAME, Finding.NOT_IN_DATA, reason, _settings(in_force))
    size, prompts = len(answers), len({answer.digest for answer in answers})
    good = math.fsum(answer.outcome for answer in answers)
    fitted = _fit(answers)
    proposed = _settings(fitted) if fitted.slope >= LEAST_SLOPE else None
    figures: tuple[Change, ...] = ()
    if min(good, size - good) < FEWEST:
        finding = Finding.TOO_LITTLE_DATA
        reason = f"{good:g} good and {size - good:g} bad answers; it takes {FEWEST} of each to tell"
        more: int | None = _more_of_the_rarer(min(good, size - good), size)
    else:
        figures = _held_out(answers, in_force, threshold)
        finding, reason, more = _judged(figures, fitted, prompts, size)
        if not _told_apart(figures):
            proposed = None
        if fitted == in_force:
            finding, reason, more = Finding.NO_IMPROVEMENT, "it is what the data would have it be", None
    return TunedSetting(NAME, finding, reason, _settings(in_force), proposed, prompts, size, figures, more)


def _answered(cases: Sequence[Case]) -> list[_Answered]:
    return [
        _Answered(case.digest, answer.logit, answer.outcome)
        for case in cases
        for answer in case.graded()
        if answer.logit is not None
    ]


def _fit(answers: Sequence[_Answered]) -> Calibration:
    fitted = fit_calibration([answer.logit for answer in answers], [answer.outcome for answer in answers])
    return Calibration(round(fitted.slope, _DIGITS), round(fitted.intercept, _DIGITS))


def _settings(calibration: Calibration) -> dict[str, float]:
    return {"slope": calibration.slope, "intercept": calibration.intercept}


def _held_out(answers: Sequence[_Answered], in_force: Calibration, threshold: float) -> tuple[Change, ...]:
    """Log loss, Brier score, calibration error and AUC of each answer's confidence by what was fitted without it, and
    what would be accepted of the answers.

    AUC compares answers of one part only: those of different parts have their confidence by different lines.
    """
    parts = places_by_fold(answer.digest for answer in answers)
    fits = cross_fitted(answers, lambda answer: answer.digest, lambda _, others: _fit(others))
    outcomes = [answer.outcome for answer in answers]
    before = [in_force.confidence(answer.logit) for answer in answers]
    after = [fit.confidence(answer.logit) for answer, fit in zip(answers, fits, strict=True)]
    one, other = Confidence(before, outcomes), Confidence(after, outcomes)
    return changes(
        Sample(answer.digest for answer in answers),
        [
            ("log loss", mean(losses(before, outcomes)), mean(losses(after, outcomes))),
            ("Brier score", one.brier, other.brier),
            ("calibration error", one.ece, other.ece),
            ("AUC", _auc_within(parts, before, outcomes), _auc_within(parts, after, outcomes)),
            (f"accepted at {threshold:g}", mean(_accepted(before, threshold)), mean(_accepted(after, threshold))),
            ("good of the accepted", _good(before, outcomes, threshold), _good(after, outcomes, threshold)),
        ],
    )


def _judged(
    figures: tuple[Change, ...], fitted: Calibration, prompts: int, answers: int
) -> tuple[Finding, str, int | None]:
    """By the log loss, the one figure of these that cannot be had without being both sharp and true.

    Where confidence does not tell good answers from bad ones, a line is level or nearly so: with it all answers have
    about the same confidence, and a threshold would accept all of them or none. So none is taken.
    """
    loss, _, _, auc, *_ = figures
    low, high = auc.before.low, auc.before.high
    told = f"AUC {digits(auc.before.value)} ({digits(low)} to {digits(high)})"
    if fitted.slope < LEAST_SLOPE:
        return Finding.NO_IMPROVEMENT, f"good answers do not have the higher confidence here: {told}", None
    if not _told_apart(figures):
        return Finding.NO_IMPROVEMENT, f"the data do not show that it tells good answers from bad ones: {told}", None
    if loss.falls:
        return Finding.IMPROVED, f"held-out {loss}", None
    more = more_needed(prompts, loss.difference, lower_is_better=True)
    return (
        Finding.NO_IMPROVEMENT,
        f"no gain: held-out {loss}",
        None if more is None else math.ceil(more * answers / prompts),
    )


def _told_apart(figures: tuple[Change, ...]) -> bool:
    """Whether the data show that confidence tells good answers from bad ones at all."""
    _, _, _, auc, *_ = figures
    return auc.before.low is not None and auc.before.low > _COIN_FLIP


def _auc_within(parts: Sequence[Sequence[int]], confidences: Sequence[float], outcomes: Sequence[float]) -> Statistic:
    """The AUC over all pairs of answers that are of the same part; None without a pair."""
    held = [
        (np.asarray(part), Confidence([confidences[at] for at in part], [outcomes[at] for at in part]))
        for part in parts
    ]

    def statistic(weights: Weights) -> float | None:
        counted = [each.pairs(None if weights is None else weights[places]) for places, each in held]
        pairs = math.fsum(total for _, total in counted)
        return math.fsum(in_order for in_order, _ in counted) / pairs if pairs > 0 else None

    return statistic


def _accepted(confidences: Sequence[float], threshold: float) -> list[float]:
    return [float(confidence >= threshold) for confidence in confidences]


def _good(confidences: Sequence[float], outcomes: Sequence[float], threshold: float) -> Statistic:
    """The mean outcome of the accepted answers; None where none is."""
    accepted = _accepted(confidences, threshold)
    share = mean(accepted)
    good = mean([one * outcome for one, outcome in zip(accepted, outcomes, strict=True)])

    def statistic(weights: Weights) -> float | None:
        of_all = share(weights)
        return (good(weights) or 0.0) / of_all if of_all else None

    return statistic


def _more_of_the_rarer(rarer: float, answers: int) -> int:
    """How many more answers it takes to expect FEWEST of the rarer kind, at its share so far (Laplace's: never 0)."""
    return math.ceil((FEWEST - rarer) * (answers + 2) / (rarer + 1))
