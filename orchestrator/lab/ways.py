"""Ways to decide between two models by a score of each prompt, over all thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, nextafter
from typing import NamedTuple

from ..types import digest_of
from .figures import Sweep
from .metrics import Routing
from .paired import Choice, cascaded, routed
from .policies import Column, alone_by_prompt, routing_by_score, routing_of_cascade
from .records import Item
from .replay import CASCADE, LABELS, ROUTING
from .selecting import Lineup


class Way(NamedTuple):
    """A way to decide by a score. With `turned`, the threshold is of the score's negative, and is not passed itself.

    `choices` has what a threshold decides on, prompt by prompt.
    """

    strategy: str
    by: str
    routing: Routing
    choices: Sequence[Choice]
    turned: bool = False

    @property
    def name(self) -> str:
        """What tables call it."""
        return LABELS[self.strategy]

    def at(self, threshold: float) -> Sweep:
        """The way at one threshold."""
        place = nextafter(-threshold, inf) if self.turned else threshold
        return Sweep(f"{self.name} {threshold:g}", self.strategy, threshold, self.routing, place)


def ways_of(
    items: Sequence[Item],
    lineup: Lineup,
    columns: Mapping[str, Column],
    scores: Sequence[float] | None,
    confidences: Mapping[str, Sequence[float]] | None,
    bonus: float,
) -> list[Way]:
    """Routing by the prompts' `scores`, and a cascade by the `confidences` in answers; None: without it. `bonus`: the
    logits that the strong model's answer has over the weak one's."""
    weak, strong = columns[lineup.weak], columns[lineup.strong]
    digests, alone = [digest_of(item.prompt) for item in items], alone_by_prompt(weak, strong)
    ways = []
    if scores is not None:
        choices = [routed(digest, score, *pair) for digest, score, pair in zip(digests, scores, alone, strict=True)]
        ways.append(Way(ROUTING, "complexity score", routing_by_score(scores, weak, strong), choices))
    if confidences is not None:
        both = zip(confidences[lineup.weak], confidences[lineup.strong], strict=True)
        choices = [
            cascaded(digest, sure, *pair, bonus) for digest, sure, pair in zip(digests, both, alone, strict=True)
        ]
        cascade = routing_of_cascade(choices, weak, strong)
        ways.append(Way(CASCADE, "confidence in the weak answer", cascade, choices, turned=True))
    return ways
