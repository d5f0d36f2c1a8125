"""What a user's ratings say of models and kinds of prompt, beyond what was expected of them.

    sum = overall + model + kind + model on that kind + share * evidence
    confidence = sigmoid(slope * sum + intercept)

The evidence is the logit of the answer without ratings. Its share says how much it tells of that model on that kind: 1
as long as nothing is rated, and drawn towards 0.6 as ratings come, since on prompts that the fit has not seen evidence
tells less. The other parts are drawn to 0. All of it the less so the more ratings there are (empirical Bayes: a normal
prior, the mode of the posterior by Newton's method). A single rating moves a confidence a little, twenty of one model
and kind decide it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..config.tuned import Calibration
from ..deferred import dataclass
from .signal import MOST_SHARED, Signal

NAME = "ratings"
_ROUNDS, _MOST_STEP, _MOST = 15, 1.0, 4.0
# Standard deviations in logits: how far a user's own prompts are from the recorded ones, and models and kinds from
# that. They are those of recorded models on sets that the fit did not see, and so are the numbers for shares:
# `scripts/fit_confidence.py DATA --transfer` says what they come to.
_OVERALL, _MODEL, _KIND, _BOTH = 0.4, 0.35, 0.4, 0.35
_DEVIATIONS = (_OVERALL, _MODEL, _KIND, _BOTH)
_LESS, _SHARE, _HALF_WAY = 0.4, 0.3, 10  # where shares are drawn to below 1, how far they go, ratings half-way there
_TOLD = 0.05  # of a share: less is no reason

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
    """The logits that were learnt, by the part that they are of, the share that evidence counts by, 1 for all of it,
    and how many ratings are behind them."""

    overall: float
    models: Mapping[str, float]
    kinds: Mapping[str, float]
    both: Mapping[Key, float]
    counts: Mapping[str, int]
    shares: Mapping[Key, float]

    def logit(self, model: str, kind: str) -> float:
        """What the ratings add for a model on a kind of prompt."""
        parts = self.models.get(model, 0.0), self.kinds.get(kind, 0.0), self.both.get((model, kind), 0.0)
        return _bounded(self.overall + sum(parts), _MOST)

    def share(self, model: str, kind: str) -> float:
        """What all other evidence for an answer counts by."""
        return self.shares.get((model, kind), 1.0)

    def signal(self, model: str, kind: str) -> Signal | None:
        """Both as evidence for an answer; None without any ratings."""
        count = sum(self.counts.values())
        if not count:
            return None
        logit, share, own = self.logit(model, kind), self.share(model, kind), self.counts.get(model, 0)
        whose = f"{own} of {model}" if own else f"none of {model}"
        counts_by = f"; the other evidence counts by {share:.2f}" if abs(share - 1) >= _TOLD else ""
        reason = f"your {count} rating{'' if count == 1 else 's'}, {whose} ({logit:+.2f}{counts_by})"
        return Signal(NAME, logit, reason, share)


NOTHING = Experience(0.0, {}, {}, {}, {}, {})


def learn(rated: Iterable[RatedAnswer], calibration: Calibration | None = None) -> Experience:
    """What ratings say. `calibration` is the one in force, which turns logits into confidences."""
    answers = list(rated)
    if not answers:
        return NOTHING
    line = calibration or Calibration()
    pairs = [(answer.model, answer.kind) for answer in answers]
    ratings, models, kinds = ([getattr(answer, name) for answer in answers] for name in ("rating", "model", "kind"))
    evidence = [_bounded(answer.logit, MOST_SHARED) for answer in answers]
    shares: dict[object, float] = {
        pair: 1 - _LESS * count / (count + _HALF_WAY) for pair, count in Counter(pairs).items()
    }
    sums = [
        answer.logit + (shares[pair] - 1) * told for answer, pair, told in zip(answers, pairs, evidence, strict=True)
    ]
    once = [1.0] * len(answers)
    parts = [
        _Part(keys, once, dict.fromkeys(keys, 0.0), deviation)
        for keys, deviation in (([""] * len(answers), _OVERALL), (models, _MODEL), (kinds, _KIND), (pairs, _BOTH))
    ]
    parts.append(_Part(pairs, evidence, shares, _SHARE))
    for _ in range(_ROUNDS):
        for part in parts:
            part.improve(ratings, sums, line)
    overall, *others = (part.values for part in parts)
    of_models, of_kinds, of_pairs, found = others
    return Experience(overall[""], of_models, of_kinds, of_pairs, Counter(models), found)  # type: ignore[arg-type]


class _Part:
    """One part of the sum: a value for each key, which counts as many `times` as each answer says. It is drawn to what
    is `expected` of its key, with a standard deviation."""

    def __init__(
        self, keys: Sequence[object], times: Sequence[float], expected: Mapping[object, float], deviation: float
    ) -> None:
        self._keys, self._times = keys, times
        self._expected, self._precision = expected, 1 / deviation**2
        self.values = dict(expected)

    def improve(self, ratings: Sequence[float], sums: list[float], line: Calibration) -> None:
        """One Newton step for every value, the other parts as they are. `sums`, one for each answer, change with it."""
        slopes = {key: self._precision * (self._expected[key] - value) for key, value in self.values.items()}
        curvatures = dict.fromkeys(slopes, self._precision)
        for key, times, rating, total in zip(self._keys, self._times, ratings, sums, strict=True):
            chance = line.confidence(total)
            slopes[key] += line.slope * times * (rating - chance)
            curvatures[key] += (line.slope * times) ** 2 * chance * (1 - chance)
        steps = {key: _bounded(slope / curvatures[key], _MOST_STEP) for key, slope in slopes.items()}
        for place, (key, times) in enumerate(zip(self._keys, self._times, strict=True)):
            sums[place] += times * steps[key]
        self.values = {key: value + steps[key] for key, value in self.values.items()}


def _bounded(value: float, most: float) -> float:
    return max(-most, min(most, value))
