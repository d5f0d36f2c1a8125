"""What was fitted is worth on prompts, sets and models that it did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from orchestrator.lab.metrics import Confidence

from .additive import Fitted, fit
from .data import Reply, fold_of
from .regression import Array, sigmoid

FOLDS = 5


def cross_validated(sample: Sequence[Reply], *reads: Callable[[Fitted, Sequence[Reply]], Array]) -> list[Array]:
    """What each of `reads` makes of each reply by what was fitted to other prompts, a fifth left out at a time."""
    found = [np.zeros(len(sample)) for _ in reads]
    folds = [fold_of(reply.prompt, 0, FOLDS) for reply in sample]
    for fold in range(FOLDS):
        fitted = fit([reply for reply, other in zip(sample, folds, strict=True) if other != fold])
        left_out = [i for i, other in enumerate(folds) if other == fold]
        for values, read in zip(found, reads, strict=True):
            values[left_out] = read(fitted, [sample[i] for i in left_out])
    return found


def held(logits: Array, sample: Sequence[Reply]) -> dict[str, float]:
    """AUC, Brier score and calibration error of these replies."""
    scored = Confidence([float(c) for c in sigmoid(logits)], [float(reply.grade >= 0.5) for reply in sample])
    return {
        "replies": len(sample),
        "auc": round(scored.auc() or 0, 3),
        "brier": round(scored.brier() or 0, 3),
        "ece": round(scored.ece() or 0, 3),
    }


def report(title: str, logits: Array, sample: Sequence[Reply]) -> dict[str, dict[str, float]]:
    """The figures by set and model, by set, and of all; printed as well."""
    print(f"\n{title}")
    sources = sorted({reply.source for reply in sample})
    groups: dict[str, list[int]] = {}
    for i, reply in enumerate(sample):
        groups.setdefault(f"{reply.source} {reply.model}", []).append(i)
    groups |= {source: [i for i, reply in enumerate(sample) if reply.source == source] for source in sources}
    groups["all"] = list(range(len(sample)))
    figures = {name: held(logits[members], [sample[i] for i in members]) for name, members in groups.items()}
    for name, found in figures.items():
        print(f"  {name:36}", *(f"{key} {value:<6}" for key, value in found.items()))
    return figures


def unseen_pairs(sample: Sequence[Reply], *, each_known: bool = False) -> Array:
    """The logits of each model's replies on each set, by what was fitted without the set and without the model;
    `each_known`: without the two together alone."""
    found = np.zeros(len(sample))
    for (source, model), members in pairs_of(sample).items():
        known = [(reply.source != source, reply.model != model) for reply in sample]
        kept = any if each_known else all
        fitted = fit([reply for reply, others in zip(sample, known, strict=True) if kept(others)])
        found[members] = fitted.logits([sample[i] for i in members])
    return found


def pairs_of(sample: Sequence[Reply]) -> dict[tuple[str, str], list[int]]:
    """The places of the replies of each model on each set."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, reply in enumerate(sample):
        places.setdefault((reply.source, reply.model), []).append(place)
    return dict(sorted(places.items()))
