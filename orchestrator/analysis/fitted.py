"""The fitted part of the complexity score: weights from the packaged file, and what they make of a prompt's features.

`weights.json` is written by `scripts/fit_complexity.py` and says when, on what and how well it was fitted. For each
family of prompts it holds a baseline, linear weights and small regression trees, all in logits. A tree is walked from
its root, and each step credits the change of the node's mean to the feature that it asked about (Saabas, "Interpreting
random forests", 2014), so that the baseline and the credits add up to the logit exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from .features import Family

WEIGHTS_FILE = "weights.json"


class Node(NamedTuple):
    """A branch goes to `low` where its feature is at most `threshold`, else to `high`; a leaf has neither.

    `step` is the change of logits from the parent to this node.
    """

    feature: str
    threshold: float
    step: float
    low: Node | None
    high: Node | None


class Slope(NamedTuple):
    """Logits for each unit by which a feature differs from its mean, within the values that were seen."""

    feature: str
    weight: float
    mean: float
    least: float
    most: float


class Weights(NamedTuple):
    """What is fitted for one family. `prior` is how many logits a logit of the prior is worth there."""

    baseline: float
    prior: float
    slopes: tuple[Slope, ...]
    trees: tuple[Node, ...]

    def credits(self, values: Mapping[str, float]) -> dict[str, float]:
        """The logits of each feature that counts. With the baseline they are the family's logit without the prior."""
        found: dict[str, float] = {}
        for feature, weight, mean, least, most in self.slopes:
            value = min(max(values.get(feature, 0.0), least), most)
            found[feature] = weight * (value - mean)
        for tree in self.trees:
            node = tree
            while (feature := node.feature) and node.low and node.high:
                node = node.low if values.get(feature, 0.0) <= node.threshold else node.high
                found[feature] = found.get(feature, 0.0) + node.step
        return found


@cache
def load_weights() -> dict[Family, Weights]:
    """The weights of each family, read from the package when they are first needed."""
    document = json.loads(files(__package__).joinpath(WEIGHTS_FILE).read_text("utf-8"))
    return read_weights(document)


def read_weights(document: Mapping[str, Any]) -> dict[Family, Weights]:
    """The weights in a document as `scripts/fit_complexity.py` makes it."""
    names = document["features"]
    return {
        Family(family): Weights(
            baseline=fitted["baseline"],
            prior=fitted["prior"],
            slopes=tuple(Slope(names[place], *numbers) for place, *numbers in fitted["slopes"]),
            trees=tuple(_node(iter(tree), 0.0, names) for tree in fitted["trees"]),
        )
        for family, fitted in document["families"].items()
    }


def _node(numbers: Iterator[float], step: float, names: list[str]) -> Node:
    """A tree as it is written: place of the feature, threshold, and for either side its step and what is below it.

    A place of -1 is a leaf.
    """
    place = int(next(numbers))
    if place < 0:
        return Node("", 0.0, step, None, None)
    threshold = next(numbers)
    low = _node(numbers, next(numbers), names)
    high = _node(numbers, next(numbers), names)
    return Node(names[place], threshold, step, low, high)
