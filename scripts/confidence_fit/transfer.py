"""What confidence is worth on sets and models that the fit did not see, and how soon ratings mend it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orchestrator.confidence.experience import RatedAnswer, learn
from orchestrator.confidence.signal import MOST_SHARED
from orchestrator.lab.metrics import Confidence

from .additive import fit
from .data import Reply
from .evaluation import held, pairs_of, report, unseen_pairs
from .regression import Array, sigmoid

RATINGS = (20, 50, 100)
DRAWS = 8  # of the rated replies, for each pair
SEED = 5


def left_out(sample: Sequence[Reply]) -> None:
    """Print the figures of each set by what the other sets say; and of each model on each set, by what all the rest
    says, and by what other models on other sets say."""
    known = np.zeros(len(sample))
    for source in sorted({reply.source for reply in sample}):
        fitted = fit([reply for reply in sample if reply.source != source])
        places = [place for place, reply in enumerate(sample) if reply.source == source]
        known[places] = fitted.logits([sample[place] for place in places])
    report("each set, fitted on the others", known, sample)
    by_pair("each set left out", sample, known)
    by_pair("each pair of set and model left out", sample, unseen_pairs(sample, each_known=True))
    by_pair("each set and each model left out", sample, unseen_pairs(sample), each=True)


def by_pair(title: str, sample: Sequence[Reply], logits: Array, *, each: bool = False) -> None:
    """Print the mean calibration error over pairs of model and set, beside that of confidences that are all true, which
    chance alone gives; and what is left of it once some of a pair's replies are rated. `each`: of each pair too."""
    pairs, rng = pairs_of(sample), np.random.default_rng(SEED)
    errors, floors = [], []
    for (source, model), members in pairs.items():
        figures, chances = held(logits[members], [sample[i] for i in members]), sigmoid(logits[members])
        errors.append(figures["ece"])
        floors += [_error(chances, _drawn(chances, rng)) for _ in range(DRAWS)]
        if each:
            print(f"  {f'{source} {model}':36}", *(f"{key} {value:<6}" for key, value in figures.items()))
    print(
        f"{title}: mean ece of {len(errors)} pairs {np.mean(errors):.3f}, worst {max(errors):.3f};"
        f" if all were true {np.mean(floors):.3f}"
    )
    for count in RATINGS:
        found = [
            _rated(sample, logits, rng.permutation(m).tolist(), count) for m in pairs.values() for _ in range(DRAWS)
        ]
        error, floor = np.mean(found, axis=0)
        print(f"  with {count} ratings of the pair {error:.3f}; if all were true {floor:.3f}")


def _rated(sample: Sequence[Reply], logits: Array, order: Sequence[int], count: int) -> tuple[float, float]:
    """The calibration error of a pair's other replies once the first `count` are rated; and if all were true."""
    grades = np.array([float(sample[place].grade >= 0.5) for place in order])
    own = logits[np.array(order)]
    learnt = learn(RatedAnswer("", "", grade, logit) for grade, logit in zip(grades[:count], own[:count], strict=True))
    shared = (learnt.share("", "") - 1) * np.clip(own[count:], -MOST_SHARED, MOST_SHARED)
    chances = sigmoid(own[count:] + learnt.logit("", "") + shared)
    return _error(chances, grades[count:]), _error(chances, _drawn(chances, np.random.default_rng(SEED)))


def _drawn(chances: Array, rng: np.random.Generator) -> Array:
    """Outcomes that come with these chances."""
    return (rng.random(len(chances)) < chances).astype(float)


def _error(chances: Array, right: Array) -> float:
    return Confidence(chances.tolist(), right.tolist()).ece() or 0.0
