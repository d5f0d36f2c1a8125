"""Held-out figures: every prompt is judged by what was fitted without it, and a difference has an interval.

Prompts fall into FOLDS parts by a hash of their text, so that the same prompt is in the same part on every machine and
however often it was asked. What is fitted on all parts but one is measured on that one, and the parts are put together
(cross-fitting). Intervals are bootstrap intervals over prompts, of differences as they pair up; that the fit itself
would have come out a little different is not in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ...deferred import dataclass
from ..intervals import Estimate, Statistic, Weights, estimates, remembered

FOLDS = 5
WORTH_WAITING = 10  # times the prompts that there are: a gain that takes more to see is none to speak of
# Bytes of the digest that choose the part. Not the first, by which files of prompts may have been halved already.
_FOLD_BYTES = slice(8, 16)
_SURE, _POWER = 1.96, 0.84  # standard normal quantiles at 0.975 and 0.80

_ROUNDING = 1e-9  # a smaller difference may come from the order in which floats are added

T = TypeVar("T")
Fitted = TypeVar("Fitted")


def fold_of(digest: str) -> int:
    """The part, from 0, that a prompt with this digest belongs to."""
    return int.from_bytes(bytes.fromhex(digest)[_FOLD_BYTES]) % FOLDS


def cross_fitted(cases: Sequence[T], digest: Callable[[T], str], fit: Callable[[int, list[T]], Fitted]) -> list[Fitted]:
    """For each case, in order, what is fitted on the cases of all other parts. `fit` is told which part is left out."""
    return in_parts(cases, [fold_of(digest(case)) for case in cases], fit)


def in_parts(cases: Sequence[T], parts: Sequence[int], fit: Callable[[int, list[T]], Fitted]) -> list[Fitted]:
    """As `cross_fitted`, with the number of each case's part given."""
    fitted = {
        part: fit(part, [case for case, other in zip(cases, parts, strict=True) if other != part])
        for part in sorted(set(parts))
    }
    return [fitted[part] for part in parts]


def places_by_fold(digests: Iterable[str]) -> list[list[int]]:
    """The places of the cases of each part. What different fits say is not on one scale, so that an order of cases is
    compared within a part only."""
    places: dict[int, list[int]] = {}
    for place, digest in enumerate(digests):
        places.setdefault(fold_of(digest), []).append(place)
    return [places[fold] for fold in sorted(places)]


class Sample:
    """Cases that belong together by prompt. A draw of prompts is made a weight for each case."""

    def __init__(self, digests: Iterable[str]) -> None:
        numbers: dict[str, int] = {}
        self._prompt_of = [numbers.setdefault(digest, len(numbers)) for digest in digests]
        self.prompts = len(numbers)
        self._drawn: Weights = None
        self._weights: Weights = None

    def statistic(self, of_cases: Statistic) -> Statistic:
        """A statistic that takes weights of cases, as one that takes weights of prompts."""
        return remembered(lambda drawn: of_cases(self._of_cases(drawn)))

    def _of_cases(self, drawn: Weights) -> Weights:
        """The same array for the same draw, for what is worked out once for each."""
        if drawn is not self._drawn:
            self._drawn, self._weights = drawn, None if drawn is None else drawn[self._prompt_of]
        return self._weights


@dataclass(frozen=True, slots=True)
class Change:
    """A figure with the settings in force, with the ones that were fitted, and the difference (after - before)."""

    name: str
    before: Estimate
    after: Estimate
    difference: Estimate

    @property
    def falls(self) -> bool:
        """Whether all of the difference's interval is below 0."""
        return self.difference.high is not None and self.difference.high < -_ROUNDING

    @property
    def rises(self) -> bool:
        """Whether all of it is above 0."""
        return self.difference.low is not None and self.difference.low > _ROUNDING

    def __str__(self) -> str:
        difference = self.difference
        interval = (
            ""
            if difference.low is None or difference.high is None
            else f", {digits(difference.low)} to {digits(difference.high)}"
        )
        values = f"{digits(self.before.value)} → {digits(self.after.value)}"
        return f"{self.name} {values} ({digits(difference.value)}{interval})"


def digits(value: float | None) -> str:
    """A figure for people: three decimals, or two significant digits of a small one."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) >= 0.01 or abs(value) < _ROUNDING else f"{value:.2g}"


def changes(sample: Sample, figures: Sequence[tuple[str, Statistic, Statistic]]) -> tuple[Change, ...]:
    """Name, before and after of each figure, with intervals."""
    wanted: list[Statistic] = []
    for _, before, after in figures:
        one, other = sample.statistic(before), sample.statistic(after)
        wanted += [one, other, _difference(one, other)]
    estimated = estimates(sample.prompts, wanted)
    return tuple(Change(name, *estimated[3 * place : 3 * place + 3]) for place, (name, _, _) in enumerate(figures))


def more_needed(prompts: int, difference: Estimate, *, lower_is_better: bool) -> int | None:
    """How many more prompts would show an improvement of this size, four times in five; None if there is none to show,
    or none that is worth waiting for: it would take more than WORTH_WAITING times the prompts that there are.

    The usual sample size for a mean of paired differences, n = ((z_0.975 + z_0.80) s / d)² (Lachin, Introduction to
    Sample Size Determination and Power Analysis for Clinical Trials, 1981), with s from the width of the interval.
    """
    value, low, high = difference.value, difference.low, difference.high
    if value is None or low is None or high is None or value == 0 or (value < 0) != lower_is_better:
        return None
    deviation = math.sqrt(prompts) * (high - low) / (2 * _SURE)
    more = math.ceil(((_SURE + _POWER) * deviation / value) ** 2) - prompts
    return max(1, more) if more <= WORTH_WAITING * prompts else None


def _difference(before: Statistic, after: Statistic) -> Statistic:
    def statistic(drawn: Weights) -> float | None:
        first, second = before(drawn), after(drawn)
        return None if first is None or second is None else second - first

    return statistic
