"""Tuning what trades quality for money: the confidence from which a cascade accepts, the score from which routing asks
the strong model.

Both leave some prompts to a weak model and hand others to a strong one, by one number. It is set to the cheapest that
keeps a wanted share of the strong model's quality: what RouteLLM calls the cost at a quality
(https://arxiv.org/abs/2406.18665). It takes prompts that both models answered and that were graded for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...deferred import replace
from ..intervals import Statistic, Weights, mean
from ..paired import Choice, Comparison, Course, PairedAnswers
from ..tuned_setting import FEWEST, Finding, TunedSetting
from .held_out import Change, Sample, changes, cross_fitted, digits, more_needed

_DIGITS = 4
_PROMPTS = 1_000  # a cost is that of so many
_ROUNDING = 1e-9


_NOT_PAIRED = (
    "no prompt was answered by two models and graded for both: what the other one would have answered is not known"
)

# How a prompt is decided on by what was fitted without the prompts of a part, or (None) on all of them.
Reading = Callable[[PairedAnswers, int | None], Choice]


def tune_number(
    name: str,
    comparison: Comparison,
    in_force: float,
    share: float,
    read: Reading,
    as_settings: Callable[[float], dict[str, Any]],
    *,
    today: Callable[[PairedAnswers], bool] | None = None,
) -> TunedSetting:
    """The number in force against the cheapest one that keeps `share` of the strong model's quality, both on held-out
    prompts. `as_settings` says it in config keys. `today` says whether a prompt reaches what is in force, where that is
    not one number for all prompts."""
    answers = comparison.pairs
    setting = undecided(name, comparison, as_settings(in_force))
    if setting.finding is Finding.NOT_IN_DATA:
        return setting
    number = fit_number([read(paired, None) for paired in answers], share)
    setting = replace(setting, fitted=as_settings(number))
    if setting.finding is Finding.TOO_LITTLE_DATA:
        return setting
    figures = _held_out(comparison, in_force, share, read, today)
    if number == in_force and today is None:
        found_out: _Finding = (Finding.NO_IMPROVEMENT, "it is what the data would have it be", None)
    else:
        found_out = _judged(figures, len(answers))
    finding, reason, more = found_out
    return replace(setting, finding=finding, reason=reason, changes=figures, more_needed=more)


def undecided(name: str, comparison: Comparison, settings: dict[str, Any]) -> TunedSetting:
    """What can be said of a setting before it is fitted: NO_IMPROVEMENT where there is enough to tell."""
    answers, pair = comparison.pairs, comparison.pair
    setting = TunedSetting(
        name, Finding.NOT_IN_DATA, _NOT_PAIRED, settings, prompts=len(answers), answers=2 * len(answers)
    )
    gains = [paired.strong.outcome - paired.weak.outcome for paired in answers]
    if math.fsum(gains) <= 0:
        no_better = f"{pair.strong} does no better than {pair.weak} on these prompts"
        return replace(setting, reason=no_better) if answers else setting
    better = sum(gain > 0 for gain in gains)
    rarer = min(better, len(answers) - better)
    if rarer >= FEWEST:
        return replace(setting, finding=Finding.NO_IMPROVEMENT, reason="")
    return replace(
        setting,
        finding=Finding.TOO_LITTLE_DATA,
        reason=f"{pair.strong} does better on {better} of {len(answers)} prompts; to tell, it takes {FEWEST} such "
        f"prompts and {FEWEST} others",
        more_needed=math.ceil((FEWEST - rarer) * (len(answers) + 2) / (rarer + 1)),
    )


_Finding = tuple[Finding, str, int | None]


def _held_out(
    comparison: Comparison,
    in_force: float,
    share: float,
    read: Reading,
    today: Callable[[PairedAnswers], bool] | None,
) -> tuple[Change, ...]:
    def fit(fold: int, others: list[PairedAnswers]) -> tuple[int, float]:
        return fold, fit_number([read(paired, fold) for paired in others], share)

    fits = cross_fitted(comparison.pairs, lambda paired: paired.digest, fit)
    choices = [(read(paired, fold), number) for paired, (fold, number) in zip(comparison.pairs, fits, strict=True)]
    before = [
        choice.course(in_force) if today is None else choice.reached if today(paired) else choice.below
        for paired, (choice, _) in zip(comparison.pairs, choices, strict=True)
    ]
    return _figures(comparison, before, [choice.course(number) for choice, number in choices], share)


def fit_number(choices: Sequence[Choice], share: float) -> float:
    """The number with the least cost of those that keep `share` of the strong model's quality, from 0 to 1.

    Quality has to be above that by a standard error, so that other prompts may be expected to keep it too (as the one
    standard error rule of Breiman et al., Classification and Regression Trees, 1984, has it). If no number reaches
    that, by nothing; if none does even so, the one with the most quality is taken.
    """
    candidates = _candidates(choices, share)
    for margin in (1.0, 0.0):
        enough = [candidate for candidate in candidates if candidate.above >= margin * candidate.error - _ROUNDING]
        if enough:
            return min(enough, key=lambda candidate: (candidate.cost, -candidate.above)).number
    return max(
        candidates, key=lambda candidate: (candidate.above, -candidate.cost), default=_Candidate(0, 0, 0, 0)
    ).number


def _candidates(choices: Sequence[Choice], share: float) -> list[_Candidate]:
    """A number between every two readings, with what it comes to."""
    ordered = sorted(choices, key=lambda choice: choice.reading)
    size = len(ordered)
    above = [choice.reached.quality - share * choice.strong for choice in ordered]
    total, squares = math.fsum(above), math.fsum(value * value for value in above)
    cost = math.fsum(choice.reached.cost for choice in ordered)
    candidates = [_Candidate(0.0, total, _error(total, squares, size), cost)] if ordered else []
    for place, choice in enumerate(ordered):
        new = choice.below.quality - share * choice.strong
        total += new - above[place]
        squares += new * new - above[place] * above[place]
        cost += choice.below.cost - choice.reached.cost
        following = ordered[place + 1].reading if place + 1 < size else None
        if following is None or choice.reading < following:
            number = 1.0 if following is None else round((choice.reading + following) / 2, _DIGITS)
            candidates.append(_Candidate(number, total, _error(total, squares, size), cost))
    return candidates


def _error(total: float, squares: float, size: int) -> float:
    """The standard error of a sum of so many values."""
    return math.sqrt(max(squares - total * total / size, 0.0))


class _Candidate(NamedTuple):
    """A number, by how much the sum of qualities is above what is wanted, its standard error, and the sum of costs."""

    number: float
    above: float
    error: float
    cost: float


def _figures(
    comparison: Comparison, before: Sequence[Course], after: Sequence[Course], share: float
) -> tuple[Change, ...]:
    """Mean quality, the mean cost, what quality is above `share` of the strong model's, and above that of random mixing
    of the two models at the same cost."""
    asked = [share * paired.strong.outcome for paired in comparison.pairs]
    scale = _PROMPTS if comparison.priced else 1
    cost = f"cost of {_PROMPTS:,} prompts ($)" if comparison.priced else f"calls of {comparison.pair.strong} a prompt"

    def above(courses: Sequence[Course]) -> list[float]:
        return [course.quality - wanted for course, wanted in zip(courses, asked, strict=True)]

    return changes(
        Sample(paired.digest for paired in comparison.pairs),
        [
            ("quality", mean([c.quality for c in before]), mean([c.quality for c in after])),
            (cost, mean([scale * c.cost for c in before]), mean([scale * c.cost for c in after])),
            (f"quality above {share:.0%} of {comparison.pair.strong}'s", mean(above(before)), mean(above(after))),
            (
                "quality above random mixing at this cost",
                _above_mixing(comparison.pairs, before),
                _above_mixing(comparison.pairs, after),
            ),
        ],
    )


def _above_mixing(pairs: Sequence[PairedAnswers], courses: Sequence[Course]) -> Statistic:
    """By how much mean quality is above that of random mixing of the two models alone, at the same mean cost."""
    quality, cost = mean([course.quality for course in courses]), mean([course.cost for course in courses])
    alone = [
        (mean([answer.outcome for answer in answers]), mean(costs))
        for answers, costs in (
            ([paired.weak for paired in pairs], [paired.weak_cost for paired in pairs]),
            ([paired.strong for paired in pairs], [paired.strong_cost for paired in pairs]),
        )
    ]

    def statistic(weights: Weights) -> float | None:
        reached, paid = quality(weights), cost(weights)
        ends = [(each(weights), of(weights)) for each, of in alone]
        if reached is None or paid is None:
            return None
        weak, strong = (Course(value or 0.0, costs or 0.0) for value, costs in ends)
        return reached - mixed_quality(weak, strong, paid)

    return statistic


def mixed_quality(weak: Course, strong: Course, cost: float) -> float:
    """The best mean quality of a random mixing of two models for a mean cost, or for less. Below the cheaper one's cost
    it is the quality of that."""
    cheap, dear = sorted((weak, strong), key=lambda course: (course.cost, -course.quality))
    if dear.quality <= cheap.quality:
        return cheap.quality
    share = (cost - cheap.cost) / (dear.cost - cheap.cost)
    return cheap.quality + min(max(share, 0.0), 1.0) * (dear.quality - cheap.quality)


def _judged(figures: tuple[Change, ...], prompts: int) -> _Finding:
    """Better, or cheaper with the quality that was asked for; in either case better than random mixing of the models
    at its cost, which takes no tuning."""
    quality, cost, above, over_mixing = figures
    kept = (above.after.value or 0) >= -_ROUNDING
    if quality.rises or (cost.falls and kept):
        if not _beats_mixing(over_mixing):
            return Finding.NO_IMPROVEMENT, f"{_beside_mixing(over_mixing)}; held-out {quality}; {cost}", None
        first, second = (quality, cost) if quality.rises else (cost, quality)
        return Finding.IMPROVED, f"held-out {first}; {second}", None
    if cost.falls:
        return Finding.NO_IMPROVEMENT, f"cheaper, but its held-out quality is {digits(above.after.value)} short", None
    meets = (above.before.value or 0) >= -_ROUNDING
    more = more_needed(prompts, (cost if meets else quality).difference, lower_is_better=meets)
    return Finding.NO_IMPROVEMENT, f"no gain: held-out {quality}; {cost}", more


def _beats_mixing(over_mixing: Change) -> bool:
    """Whether all of the interval is above random mixing."""
    low = over_mixing.after.low
    return low is not None and low > _ROUNDING


def _beside_mixing(over_mixing: Change) -> str:
    """That a setting does not beat random mixing, and whether the one in force is worse than that."""
    value, high = over_mixing.after.value or 0.0, over_mixing.before.high
    worse = f"worse than random mixing of the two models at its cost, by {digits(-value)}"
    said = worse if value < -_ROUNDING else "not shown to beat random mixing of the two models at its cost"
    dominated = high is not None and high < -_ROUNDING
    return f"{said}; what is in force is worse than random mixing, too" if dominated else said
