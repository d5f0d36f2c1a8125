"""The figures of a score that decides between a weak and a strong model, as RouteLLM defines them (Ong et al., 2024).

Prompts are sent to the strong model from the highest score down. Prompts of the same score go in random order: what
they gain is spread evenly over them.
"""

from __future__ import annotations

import numpy as np

from .data import Floats


def gains(score: Floats, weak: Floats, strong: Floats) -> Floats:
    """What each further strong call is expected to gain, from the highest score down."""
    order = np.argsort(-score, kind="stable")
    gap = (strong - weak)[order]
    _, inverse, counts = np.unique(-score[order], return_inverse=True, return_counts=True)
    return np.asarray((np.bincount(inverse, weights=gap) / counts)[inverse])


def apgr(score: Floats, weak: Floats, strong: Floats) -> float:
    """The mean share of the quality gap recovered, over all shares of strong calls; 0.5 is a coin flip."""
    recovered = np.concatenate([[0.0], np.cumsum(gains(score, weak, strong))])
    return float(np.trapezoid(recovered, dx=1 / len(score)) / (strong - weak).sum())


def saving(score: Floats, weak: Floats, strong: Floats, quality: float = 0.95) -> float:
    """The share of strong calls that is not needed for this share of the strong model's quality."""
    total = weak.sum() + np.concatenate([[0.0], np.cumsum(gains(score, weak, strong))])
    enough = total >= quality * strong.sum() - 1e-9
    return float(1 - np.argmax(enough) / len(score))


def interval(score: Floats, weak: Floats, strong: Floats, *, samples: int = 500) -> tuple[float, float]:
    """The 95 % bootstrap interval of `apgr`."""
    rng = np.random.default_rng(1)
    drawn = [rng.integers(0, len(score), len(score)) for _ in range(samples)]
    low, high = np.quantile([apgr(score[rows], weak[rows], strong[rows]) for rows in drawn], [0.025, 0.975])
    return float(low), float(high)
