"""What a user's ratings say of models and kinds of prompt, beyond what was expected of them.

    confidence = sigmoid(slope * (logit + overall + model + kind + model on that kind) + intercept)

Each of the four parts is drawn to 0, the less so the more ratings there are (empirical Bayes: a normal prior, the mode
of the posterior by Newton's method). A single rating moves a confidence a little, twenty of one model and kind decide
it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..config.tuned import Calibration
from ..deferred import dataclass
from .signal import Signal

NAME = "ratings"
_ROUNDS, _MOST_STEP, _MOST = 12, 1.0, 4.0
# Standard deviations in logits: how far a user's own prompts are from the recorded ones, and models and kinds from
# that. They are those of recorded models on sets that the fit did not see.
_OVERALL, _MODEL, _KIND, _BOTH = 0.5, 0.5, 0.6, 0.5
_DEVIATIONS = (_OVERALL, _MODEL, _KIND, _BOTH)

Key = tuple[str, str]


class RatedAnswer(NamedTuple):
    """A rated answer: its model, the kind of its prompt (the task), the rating from 0 to 1, and the logits of its
    confidence without those of ratings."""

    model: str
    kind: str
    rating: float
    logit: float


@dataclass(frozen=True, slots=True)
class Experience:
    """The logits that were learnt, by the part that they are of, and how many ratings are behind them."""

    overall: float
    models: Mapping[str, float]
    kinds: Mapping[str, float]
    both: Mapping[Key, float]
    counts: Mapping[str, int]

    def logit(self, model: str, kind: str) -> float:
        """What the ratings add for a model on a kind of prompt."""
        parts = self.models.get(model, 0.0), self.kinds.get(kind, 0.0), self.both.get((model, kind), 0.0)
        return max(-_MOST, min(_MOST, self.overall + sum(parts)))

    def signal(self, model: str, kind: str) -> Signal | None:
        """It as evidence for an answer; None without any ratings."""
        count = sum(self.counts.values())
        if not count:
            return None
        logit, own = self.logit(model, kind), self.counts.get(model, 0)
        whose = f"{own} of {model}" if own else f"none of {model}"
        return Signal(NAME, logit, f"your {count} rating{'' if count == 1 else 's'}, {whose} ({logit:+.2f})")


NOTHING = Experience(0.0, {}, {}, {}, {})


def learn(rated: Iterable[RatedAnswer], calibration: Calibration | None = None) -> Experience:
    """What ratings say. `calibration` is the one in force, which turns logits into confidences."""
    answers = list(rated)
    if not answers:
        return NOTHING
    line = calibration or Calibration()
    keys = [("", answer.model, answer.kind, (answer.model, answer.kind)) for answer in answers]
    parts: list[dict[object, float]] = [{key[level]: 0.0 for key in keys} for level in range(len(_DEVIATIONS))]
    for _ in range(_ROUNDS):
        for level, deviation in enumerate(_DEVIATIONS):
            _improve(parts, level, deviation, answers, keys, line)
    overall, models, kinds, both = parts
    counts: dict[str, int] = {}
    for answer in answers:
        counts[answer.model] = counts.get(answer.model, 0) + 1
    return Experience(overall[""], models, kinds, both, counts)  # type: ignore[arg-type]


def _improve(
    parts: list[dict[object, float]],
    level: int,
    deviation: float,
    answers: list[RatedAnswer],
    keys: list[tuple[str, str, str, Key]],
    line: Calibration,
) -> None:
    """One Newton step for every value of one part, the others as they are."""
    precision = 1 / deviation**2
    slopes: dict[object, float] = {key: -precision * value for key, value in parts[level].items()}
    curvatures: dict[object, float] = dict.fromkeys(parts[level], precision)
    for answer, key in zip(answers, keys, strict=True):
        logit = math.fsum((answer.logit, *(part[name] for part, name in zip(parts, key, strict=True))))
        chance = line.confidence(logit)
        slopes[key[level]] += line.slope * (answer.rating - chance)
        curvatures[key[level]] += line.slope**2 * chance * (1 - chance)
    for name, slope in slopes.items():
        parts[level][name] += max(-_MOST_STEP, min(_MOST_STEP, slope / curvatures[name]))
