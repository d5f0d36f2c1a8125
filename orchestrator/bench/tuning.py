"""Learning from graded answers: which settings would have done better, by how much, and whether the data can tell.

    cases ─► confidence: the calibration's slope and intercept
          ─► threshold:  the confidence from which a cascade accepts
          ─► complexity: the score from which routing takes a prompt for harder

Each is judged on its own; the threshold by the confidence that it would go with, so by the new calibration where that
is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..settings import Calibration, Settings, Tuned
from ..types import Level
from .cases import Case, GradedAnswer
from .duels import Choice, Duel, Duels, Pair, acceptance, choose_pair, difficulty, duels_of
from .held_out import FOLDS, fold_of
from .part import Finding, Part
from .tuning_confidence import fit_confidence, tune_confidence
from .tuning_tradeoff import tune_number

QUALITY = 0.95  # of the strong model's: where RouteLLM compares costs

Levels = Mapping[str, Sequence[Level]]  # what each model is rated for, by its name; nothing for an unknown one


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was found, and what there was to find it in. `pair` is None where no prompt has answers of two models."""

    parts: tuple[Part, ...]
    pair: Pair | None
    prompts: int
    answers: int

    @property
    def could_tell(self) -> bool:
        """Whether the data were enough to judge anything."""
        return any(part.finding in (Finding.IMPROVED, Finding.NO_IMPROVEMENT) for part in self.parts)

    def accepted(self, *, force: bool) -> Tuned:
        """What is to be written: what improves, or with `force` whatever could be fitted."""
        values = {
            part.name: part.fitted
            for part in self.parts
            if part.fitted is not None and (force or part.finding is Finding.IMPROVED)
        }
        confidence, threshold, complexity = (values.get(name) for name in ("confidence", "threshold", "complexity"))
        return Tuned(
            threshold=None if threshold is None else threshold["threshold"],
            complexity_cuts=None if complexity is None else tuple(complexity["cuts"]),
            calibration=None if confidence is None else Calibration(**confidence),
        )


def tune(
    cases: Sequence[Case],
    settings: Settings,
    levels: Levels,
    *,
    weak: str | None = None,
    strong: str | None = None,
    quality: float = QUALITY,
    force: bool = False,
) -> Tuning:
    """Every setting that these cases have something to say about. `weak` and `strong` name the models to decide
    between; `quality` is the share of the strong one's that is to be kept."""
    confidence = tune_confidence(cases, settings.calibration, settings.run.threshold)
    taken = confidence.fitted is not None and (force or confidence.finding is Finding.IMPROVED)
    pair = choose_pair(cases, weak, strong)
    return Tuning(
        parts=(
            confidence,
            _threshold(cases, settings, pair, quality, refit=taken),
            _complexity(cases, settings, pair, quality, levels),
        ),
        pair=pair,
        prompts=len(cases),
        answers=sum(1 for case in cases for _ in case.graded()),
    )


def _threshold(cases: Sequence[Case], settings: Settings, pair: Pair | None, quality: float, *, refit: bool) -> Part:
    calibrations: dict[int | None, Calibration] = dict.fromkeys([None, *range(FOLDS)], settings.calibration)
    if refit:
        calibrations = {None: fit_confidence(cases)}
        for fold in range(FOLDS):
            calibrations[fold] = fit_confidence([case for case in cases if fold_of(case.digest) != fold])

    def read(duel: Duel, fold: int | None) -> Choice:
        return acceptance(duel, calibrations[fold])

    def judged(answer: GradedAnswer) -> bool:
        return answer.blank or answer.logit is not None

    return tune_number(
        "threshold",
        _duels(cases, pair, judged),
        settings.run.threshold,
        quality,
        read,
        lambda number: {"threshold": number},
    )


def _complexity(cases: Sequence[Case], settings: Settings, pair: Pair | None, quality: float, levels: Levels) -> Part:
    cuts = settings.complexity_cuts
    place = 0 if pair is None else _highest(levels.get(pair.weak, ())).rank
    if place == len(cuts):
        reason = f"{pair and pair.weak} is rated for every level, so no cut decides about it"
        return Part("complexity", Finding.NOT_IN_DATA, reason, {"cuts": list(cuts)})
    return tune_number(
        "complexity",
        _duels([case for case in cases if case.score is not None], pair, lambda _: True),
        cuts[place],
        quality,
        lambda duel, _: difficulty(duel),
        lambda number: {"cuts": _with_cut(cuts, place, number)},
    )


def _duels(cases: Sequence[Case], pair: Pair | None, wanted: Callable[[GradedAnswer], bool]) -> Duels:
    return Duels(Pair("", ""), False, []) if pair is None else duels_of(cases, pair, wanted=wanted)


def _highest(levels: Sequence[Level]) -> Level:
    """The hardest prompts that a model is asked; an unknown one counts as a weak one."""
    return max(levels, key=lambda level: level.rank, default=Level.BASIC)


def _with_cut(cuts: Sequence[float], place: int, number: float) -> list[Any]:
    """The cuts with one of them moved, and with those that it passes carried along."""
    return [
        number if at == place else min(cut, number) if at < place else max(cut, number) for at, cut in enumerate(cuts)
    ]
