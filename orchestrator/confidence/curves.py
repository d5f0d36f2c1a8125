"""What a measure is worth: curves fitted to recorded outcomes, kept in `weights.json`.

A curve leads from the value of a measure to logits. It is a broken line between its knots and flat beyond them, so
that a value that the fitting never saw counts no more than the most extreme one that it did. Curves are centred: over
the replies that they were fitted on they add nothing on average, and neither does a measure that cannot be taken.
`scripts/fit_confidence.py` writes the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from ..deferred import dataclass
from .final import AnswerKind
from .signal import Measure, Signal

WEIGHTS = Path(__file__).with_name("weights.json")
_TOLD = 2  # of a signal's measures, how many its reason names
_WORTH_TELLING = 0.3  # logits


@dataclass(frozen=True, slots=True)
class Curve:
    """Values of a measure in rising order, and the logits that each is worth."""

    knots: tuple[float, ...]
    logits: tuple[float, ...]

    def at(self, value: float) -> float:
        """The logits of a value."""
        if value <= self.knots[0]:
            return self.logits[0]
        for place in range(1, len(self.knots)):
            if value <= self.knots[place]:
                left, right = self.knots[place - 1], self.knots[place]
                part = (value - left) / (right - left)
                return self.logits[place - 1] + part * (self.logits[place] - self.logits[place - 1])
        return self.logits[-1]


@dataclass(frozen=True, slots=True)
class Strength:
    """What is known of models, in logits: of those whose answers were recorded, and of any by the distance of its score
    from `center`. `later_*`: what a later answer of a cascade starts with; see `strength.later_bonus`."""

    slope: float
    center: float
    models: Mapping[str, float]
    later_rated: float
    later_unrated: float


@dataclass(frozen=True, slots=True)
class Weights:
    """The fitted part of the confidence: what each kind of answer and of prompt starts from, a curve for each measure,
    and what is known of models."""

    baselines: Mapping[AnswerKind, float]
    prompts: Mapping[str, float]
    curves: Mapping[str, Curve]
    agreement: Mapping[str, float]
    strength: Strength


@cache
def weights() -> Weights:
    """The shipped weights, read when they are first needed."""
    document = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return Weights(
        baselines={AnswerKind(kind): logit for kind, logit in document["baselines"].items()},
        curves={name: Curve(tuple(knots), tuple(logits)) for name, (knots, logits) in document["curves"].items()},
        agreement=document["agreement"],
        prompts=document["prompts"],
        strength=Strength(**document["strength"]),
    )


def weigh_measures(name: str, measures: Iterable[Measure], most: float = math.inf) -> Iterator[Signal]:
    """One signal out of measures: their curves added up, told by those that count most. It comes to less than `most`
    either way, and keeps the order: most * tanh(sum / most)."""
    curves = weights().curves
    worth = [
        (curve.at(value), words) for measure, value, words in measures if (curve := curves.get(measure)) is not None
    ]
    if not worth:
        return
    told = [each for each in worth if not -_WORTH_TELLING < each[0] < _WORTH_TELLING]
    told.sort(key=lambda each: -abs(each[0]))
    reasons = [f"{words} ({logit:+.2f})" for logit, words in told[:_TOLD]]
    total = sum([logit for logit, _ in worth])
    yield Signal(name, total if math.isinf(most) else most * math.tanh(total / most), ", ".join(reasons))
