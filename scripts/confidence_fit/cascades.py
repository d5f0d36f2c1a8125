"""Which of two answers a cascade keeps, and what a cascade by confidence comes to, over pairs of recorded models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .data import Reply
from .regression import Array, sigmoid

FEWEST_GAP = 0.05  # of quality between the two models of a pair
BONUSES = tuple(step / 4 for step in range(9))  # logits that are tried for the later answer
ALWAYS = 1e9
BELOW = 0.003  # of area: what a resample of the prompts would move anyway


class Pair(NamedTuple):
    """A weak and a strong model of a set, with the places of their replies to the same prompts."""

    source: str
    weak: str
    strong: str
    of_weak: list[int]
    of_strong: list[int]


def pairs(sample: Sequence[Reply]) -> Iterator[Pair]:
    """Every two models of a set between whose quality there is a gap."""
    places: dict[tuple[str, str], dict[str, int]] = {}
    for place, reply in enumerate(sample):
        places.setdefault((reply.source, reply.model), {})[reply.prompt] = place
    for (source, weak), own in places.items():
        for (other, strong), theirs in places.items():
            both = [prompt for prompt in own if prompt in theirs]
            if other != source or weak == strong or not both:
                continue
            of_weak, of_strong = [own[prompt] for prompt in both], [theirs[prompt] for prompt in both]
            gap = sum(sample[b].grade - sample[a].grade for a, b in zip(of_weak, of_strong, strict=True)) / len(both)
            if gap >= FEWEST_GAP:
                yield Pair(source, weak, strong, of_weak, of_strong)


def area(pair: Pair, logits: Array, grades: Array, bonus: float) -> float:
    """The mean share of the gap in quality that is recovered, over all shares of prompts that are passed on, the least
    confident first. Of two answers the later one is kept from `bonus` logits below the earlier one."""
    weak, strong = logits[pair.of_weak], logits[pair.of_strong]
    before, after = grades[pair.of_weak], grades[pair.of_strong]
    kept = np.where(strong + bonus >= weak, after, before)
    gains = np.concatenate([[0.0], np.cumsum((kept - before)[np.argsort(weak, kind="stable")])])
    return float(np.trapezoid(gains, dx=1 / len(before)) / (after - before).sum())


def fit_bonus(found: Sequence[Pair], logits: Array, grades: Array) -> float:
    """The smallest bonus with which no set comes to less, over its pairs, than always keeping the last answer; where
    there is none, the one that is furthest from it."""
    sources = sorted({pair.source for pair in found})
    worst = {}
    for bonus in BONUSES:
        gains = {
            source: np.mean(
                [
                    area(pair, logits, grades, bonus) - area(pair, logits, grades, ALWAYS)
                    for pair in found
                    if pair.source == source
                ]
            )
            for source in sources
        }
        worst[bonus] = float(min(gains.values()))
        if worst[bonus] >= -BELOW:
            return bonus
    return max(worst, key=worst.__getitem__)


def default_cascade(
    pair: Pair, logits: Array, grades: Array, threshold: float, bonus: float
) -> tuple[float, float, float]:
    """Of a cascade at a threshold: the quality lost against the strong model, as a share of it; the share of prompts
    that end with the weak one; and the strong model's quality."""
    weak, strong = logits[pair.of_weak], logits[pair.of_strong]
    before, after = grades[pair.of_weak], grades[pair.of_strong]
    accepted = sigmoid(weak) >= threshold
    kept = np.where(accepted | ((sigmoid(strong) < threshold) & (strong + bonus < weak)), before, after)
    return 1 - float(kept.mean() / after.mean()), float(accepted.mean()), float(after.mean())
