"""The fitted part of the complexity score: weights from the packaged file, and what they make of a prompt's features.

`weights.json` is written by `scripts/fit_complexity.py` and says when, on what and how well it was fitted. For each
family of prompts it holds a baseline, linear weights and small regression trees, all in logits. A tree is walked from
its root, and each step credits the change of the node's mean to the feature that it asked about (Saabas, "Interpreting
random forests", 2014), so that the baseline and the credits add up to the logit exactly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import compress
from typing import Any, NamedTuple

from ..once import once_for_each
from .features import Family
from .kinds import Form

WEIGHTS_FILE = "weights.json"


class Weights(NamedTuple):
    """What is fitted for one family. `names` are those of the features, which the rest knows by their place.

    `prior` is how many logits a logit of the prior is worth. A slope is a place, the logits for each unit by which the
    feature differs from its mean, that mean, and the least and the greatest value that were seen. A tree is flat:
    a branch is a place, a threshold, the logits of a step to the low side (at most the threshold) and to the high side,
    and how far on the high side begins; the low side follows at once. A leaf is -1.
    """

    names: Sequence[str]
    baseline: float
    prior: float
    slopes: Sequence[tuple[int, float, float, float, float]]
    trees: Sequence[Sequence[float]]

    def credits(self, values: Mapping[str, float]) -> dict[str, float]:
        """The logits of each feature that has any. With the baseline they are the family's logit without the prior."""
        row, shares = [0.0] * len(self.names), [0.0] * len(self.names)
        place_of = _places(self.names)
        for name in compress(values, values.values()):
            if (place := place_of.get(name)) is not None:
                row[place] = values[name]
        for place, weight, mean, least, most in self.slopes:
            value = row[place]
            shares[place] = weight * ((least if value < least else most if value > most else value) - mean)
        for node in _roots(self.trees):
            while node is not None:
                place, threshold, low, high, below, above = node
                if row[place] <= threshold:
                    shares[place] += low
                    node = below
                else:
                    shares[place] += high
                    node = above
        return dict(zip(compress(self.names, shares), filter(None, shares), strict=True))


# A place, a threshold, the logits of a step to the low and to the high side, and what stands there.
_Node = tuple[int, float, float, float, "_Node | None", "_Node | None"]


@once_for_each(16)
def _places(names: Sequence[str]) -> Mapping[str, int]:
    return {name: place for place, name in enumerate(names)}


@once_for_each(16)
def _roots(trees: Sequence[Sequence[float]]) -> tuple[_Node | None, ...]:
    """Flat trees as they are walked."""

    def node_at(tree: Sequence[float], at: int) -> _Node | None:
        if tree[at] < 0:
            return None
        threshold, low, high, ahead = tree[at + 1 : at + 5]
        return int(tree[at]), threshold, low, high, node_at(tree, at + 5), node_at(tree, at + int(ahead))

    return tuple(node_at(tree, 0) for tree in trees)


@cache
def load_weights() -> dict[Family, Weights]:
    """The weights of each family, read from the package when they are first needed."""
    return read_weights(_document())


@cache
def load_spreads() -> dict[Form, tuple[float, ...]]:
    """How the scores of the recorded prompts of each form are spread: their quantiles, evenly from the least to the
    greatest."""
    return {Form(name): tuple(spread) for name, spread in _document()["spreads"].items()}


@cache
def load_kinds() -> frozenset[str]:
    """The kinds (`kinds.kind_of`) of which enough prompts were recorded."""
    return frozenset(_document()["kinds"])


@cache
def _document() -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(files(__package__).joinpath(WEIGHTS_FILE).read_text("utf-8"))
    return document


def read_weights(document: Mapping[str, Any]) -> dict[Family, Weights]:
    """The weights in a document as `scripts/fit_complexity.py` makes it."""
    return {Family(name): Weights(document["features"], **fitted) for name, fitted in document["families"].items()}
