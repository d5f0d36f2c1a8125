"""Learning from graded answers: which settings would have done better, by how much, and whether the data can tell.

    cases ─► confidence: the calibration's slope and intercept
          ─► threshold:  the confidence from which a cascade accepts
          ─► weights:    what makes a prompt hard for the user's own models, if that is asked for
          ─► complexity: the score from which routing takes a prompt for harder

Each is judged on its own: the threshold by the confidence and the cuts by the score that they would go with, so by new
ones where those are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...config import Settings
from ...config.tuned import Adjustment, Calibration, Tuned
from ...deferred import dataclass
from ...reading.complexity import CUTS
from ...types import Level
from ..paired import Choice, Comparison, ModelPair, PairedAnswers, acceptance, choose_pair, comparison_of, difficulty
from ..tuned_setting import Finding, TunedSetting
from .cases import Case, GradedAnswer
from .held_out import FOLDS, fold_of
from .tuning_confidence import fit_confidence, tune_confidence
from .tuning_tradeoff import tune_number
from .tuning_weights import adjusted_score, as_adjustment, fit_adjustment, tune_weights

QUALITY = 0.95  # of the strong model's: where RouteLLM compares costs

Levels = Mapping[str, Sequence[Level]]  # what each model is rated for, by its name; nothing for an unknown one


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was found, and what there was to find it in. `pair` is None where no prompt has answers of two models.
    `scorer` is the user's own scorer, if that gave the prompts' scores."""

    settings: tuple[TunedSetting, ...]
    pair: ModelPair | None
    prompts: int
    answers: int
    scorer: str | None = None

    @property
    def could_tell(self) -> bool:
        """Whether the data were enough to judge anything."""
        return any(setting.finding in (Finding.IMPROVED, Finding.NO_IMPROVEMENT) for setting in self.settings)

    def accepted(self, *, force: bool) -> Tuned:
        """What is to be written: what improves, or with `force` whatever could be fitted."""
        values = {
            setting.name: setting.fitted
            for setting in self.settings
            if setting.fitted is not None and (force or setting.finding is Finding.IMPROVED)
        }
        confidence, threshold, weights, cuts = (
            values.get(name) for name in ("confidence", "threshold", "weights", "complexity")
        )
        return Tuned(
            threshold=None if threshold is None else threshold["threshold"],
            calibration=None if confidence is None else Calibration(**confidence),
            cuts=None if cuts is None else tuple(cuts["cuts"]),
            adjustment=None if weights is None else as_adjustment(weights),
            scorer=None if cuts is None and weights is None else self.scorer,
        )


def tune(
    cases: Sequence[Case],
    settings: Settings,
    levels: Levels,
    *,
    weak: str | None = None,
    strong: str | None = None,
    quality: float = QUALITY,
    weights: bool = False,
    force: bool = False,
) -> Tuning:
    """Every setting that these cases have something to say about. `weak` and `strong` name the models to decide
    between; `quality` is the share of the strong one's that is to be kept. `weights` asks for a correction of the
    complexity score, for which the cases need their evidence."""

    def taken(setting: TunedSetting) -> bool:
        return setting.fitted is not None and (force or setting.finding is Finding.IMPROVED)

    confidence = tune_confidence(cases, settings.calibration, settings.run.threshold)
    pair = choose_pair(cases, weak, strong)
    tuned = [confidence, _threshold(cases, settings, pair, quality, refit=taken(confidence))]
    in_force = settings.complexity.adjustment or Adjustment()
    scored = _comparison([case for case in cases if case.score is not None], pair, lambda _: True)
    adjusts = False
    if weights:
        tuned.append(tune_weights(scored, in_force))
        adjusts = taken(tuned[-1])
    tuned.append(_complexity(scored, settings, quality, levels, refit=adjusts))
    answers = sum(1 for case in cases for _ in case.graded())
    return Tuning(tuple(tuned), pair, len(cases), answers, settings.complexity.scorer)


def _threshold(
    cases: Sequence[Case], settings: Settings, pair: ModelPair | None, quality: float, *, refit: bool
) -> TunedSetting:
    calibrations: dict[int | None, Calibration] = dict.fromkeys([None, *range(FOLDS)], settings.calibration)
    if refit:
        calibrations = {None: fit_confidence(cases)}
        for fold in range(FOLDS):
            calibrations[fold] = fit_confidence([case for case in cases if fold_of(case.digest) != fold])

    def read(paired: PairedAnswers, fold: int | None) -> Choice:
        return acceptance(paired, calibrations[fold])

    def judged(answer: GradedAnswer) -> bool:
        return answer.blank or answer.logit is not None

    return tune_number(
        "threshold",
        _comparison(cases, pair, judged),
        settings.run.threshold,
        quality,
        read,
        lambda number: {"threshold": number},
    )


def _complexity(
    comparison: Comparison, settings: Settings, quality: float, levels: Levels, *, refit: bool
) -> TunedSetting:
    cuts = settings.complexity.cuts or CUTS
    weak = comparison.pair.weak
    place = _highest(levels.get(weak, ())).rank
    if place == len(cuts):
        reason = f"{weak} is rated for every level, so no cut decides about it"
        return TunedSetting("complexity", Finding.NOT_IN_DATA, reason, {"cuts": list(cuts)})
    adjustments: dict[int | None, Adjustment] = {}
    if refit:
        adjustments = {None: fit_adjustment(comparison.pairs)}
        for fold in range(FOLDS):
            adjustments[fold] = fit_adjustment(
                [paired for paired in comparison.pairs if fold_of(paired.digest) != fold]
            )

    def read(paired: PairedAnswers, fold: int | None) -> Choice:
        score = paired.score or 0.0
        return difficulty(paired, adjusted_score(paired, adjustments[fold]) if refit else score)

    def today(paired: PairedAnswers) -> bool:
        return paired.level is not None and paired.level.rank > place

    by_form = settings.complexity.cuts is None and all(paired.level is not None for paired in comparison.pairs)
    return tune_number(
        "complexity",
        comparison,
        cuts[place],
        quality,
        read,
        lambda number: {"cuts": _with_cut(cuts, place, number)},
        today=today if by_form else None,
    )


def _comparison(cases: Sequence[Case], pair: ModelPair | None, wanted: Callable[[GradedAnswer], bool]) -> Comparison:
    return Comparison(ModelPair("", ""), False, []) if pair is None else comparison_of(cases, pair, wanted=wanted)


def _highest(levels: Sequence[Level]) -> Level:
    """The hardest prompts that a model is asked; an unknown one counts as a weak one."""
    return max(levels, key=lambda level: level.rank, default=Level.BASIC)


def _with_cut(cuts: Sequence[float], place: int, number: float) -> list[Any]:
    """The cuts with one of them moved, and with those that it passes carried along."""
    return [
        number if at == place else min(cut, number) if at < place else max(cut, number) for at, cut in enumerate(cuts)
    ]
