"""The curves of open answers, whose prompts are not known: one regression, with models' strengths as an offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .data import Reply, fold_of
from .evaluation import held
from .regression import Array, Basis, logistic_regression

RIDGE = 80.0  # chosen by cross-validation
Curves = Mapping[str, tuple[list[float], list[float]]]


def fit_open(sample: Sequence[Reply], strengths: Array) -> Curves:
    """A curve for each measure of open answers. `strengths` are the logits of the replies' models."""
    names = sorted({name for reply in sample for name in reply.measures})
    sample_and_strengths = [(r, s) for r, s in zip(sample, strengths, strict=True) if len(r.measures) == len(names)]
    kept = [reply for reply, _ in sample_and_strengths]
    values = {name: np.array([reply.measures[name][1] for reply in kept]) for name in names}
    bases = {name: Basis.of(values[name]) for name in names if np.ptp(values[name]) > 0}
    blocks = [basis.columns(values[name]) for name, basis in bases.items()]
    design = np.hstack(blocks)
    _, weights = logistic_regression(
        design,
        np.array([reply.grade for reply in kept]),
        np.array([reply.by_hand + strength for reply, strength in sample_and_strengths]),
        np.full(design.shape[1], RIDGE),
        np.ones(len(kept)),
    )
    curves, place = {}, 0
    for name, basis in bases.items():
        width = len(basis.knots) - 1
        curves[name] = basis.curve(weights[place : place + width])
        place += width
    return curves


def logits_of(curves: Curves, sample: Sequence[Reply]) -> Array:
    """What the curves and the signals set by hand say of each reply."""
    return np.array(
        [
            reply.by_hand
            + sum(float(np.interp(value, *curves[n])) for n, (_, value) in reply.measures.items() if n in curves)
            for reply in sample
        ]
    )


def figures(sample: Sequence[Reply], strengths: Array) -> dict[str, float]:
    """AUC on unseen prompts of unseen models: each model and half of the prompts left out of the fit. `within` is the
    mean over models of that among its own answers."""
    found = np.zeros(len(sample))
    halves = [fold_of(reply.prompt, 0, 2) for reply in sample]
    models = sorted({reply.model for reply in sample})
    for model in models:
        for half in (0, 1):
            others = [i for i, r in enumerate(sample) if r.model != model and halves[i] != half]
            unseen = [i for i, r in enumerate(sample) if r.model == model and halves[i] == half]
            curves = fit_open([sample[i] for i in others], strengths[others])
            found[unseen] = logits_of(curves, [sample[i] for i in unseen])
    within = []
    for model in models:
        own = [i for i, reply in enumerate(sample) if reply.model == model]
        within.append(held(found[own], [sample[i] for i in own])["auc"])
    return {
        "replies": len(sample),
        "text": held(found, sample)["auc"],
        "within": round(float(np.mean(within)), 3),
        "with scores": held(found + strengths, sample)["auc"],
    }
