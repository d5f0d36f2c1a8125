"""What is held of open prompts before any outcome is seen: weights set by hand, which the fitting starts from.

There are no graded answers to conversational prompts among the data that the score is fitted on. What is known is in
which kinds of work small models fall short of large ones: mathematics, code, puzzles and the use of a given text, and
hardly in writing, role play or telling what is in every encyclopedia (Zheng et al., "Judging LLM-as-a-Judge with
MT-Bench and Chatbot Arena", 2023, results by category). How much each row counts was set by hand, with an eye on the
development files, and is worth what docs/decisions.md says. The indicators of a level (`indicators`) are orders that
name the level they ask for; each raises a prompt to it.

A weight is in logits for each unit of a feature of `features`, which counts up to a cap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import compress
from math import fsum
from typing import NamedTuple

from ..types import Level
from .indicators import INDICATORS, Indicator
from .phrases import Match
from .prose import Prose

# The strongest indicator in full, each further one a little, and all of the further ones no more than the cap.
LEVEL_WEIGHTS: dict[Level, float] = {Level.INTERMEDIATE: 0.5, Level.ADVANCED: 1.0, Level.EXPERT: 3.0}
_FURTHER_WEIGHT, _FURTHER_CAP = 0.1, 0.3
_MODIFIER_WEIGHT, _MODIFIER_CAP = -0.15, 0.3  # "what is", "simple", "quick"

# What a prompt is about counts little where it orders something intermediate and nothing harder ("write a function",
# "solve"): such orders of code and sums are easy for their subject. Each word beyond the first ones lets the subject
# count more, since it says more of what is wanted than the order does. Set by hand; docs/decisions.md has the worth.
_OF_THE_SUBJECT = frozenset(
    {
        *("task: math", "task: code", "task: debugging", "task: extraction"),
        *("programming", "mathematics", "formulas", "numbers", "calculations", "short sum", "writing"),
    }
)
_SUBJECT_SHARE, _FIRST_WORDS, _FOR_EACH_WORD = 0.15, 25, 0.03
SUBJECT_ROW = f"orders no more than {Level.INTERMEDIATE}"


class Belief(NamedTuple):
    """One row: logits for each unit of a feature, which counts up to `cap`."""

    feature: str
    weight: float
    cap: float = 1.0


BELIEFS: tuple[Belief, ...] = (
    Belief("task: math", 0.7),
    Belief("calculations", 0.6),
    Belief("numbers", 0.25, cap=2.0),
    Belief("short sum", -1.1),
    Belief("formulas", 0.4),
    Belief("mathematics", 0.2, cap=1.8),
    Belief("numeric options", 1.2),
    Belief("formula options", 0.4),
    Belief("task: code", 1.0),
    Belief("task: debugging", 1.0),
    Belief("code", 0.7),
    Belief("programming", 0.4, cap=1.4),
    Belief("task: extraction", 0.7),
    Belief("given text", 0.5),
    Belief("formats", 0.3),
    Belief("passage", 0.6),
    Belief("logic", 0.4, cap=1.5),
    Belief("conditions", 0.35),
    Belief("comparisons", 0.35, cap=1.4),
    Belief("kinship", 0.3, cap=1.4),
    Belief("positions", 0.15, cap=1.4),
    Belief("puzzle", 1.2),
    Belief("negated question", 0.5),
    Belief("statements", 0.4),
    Belief("task: translation", -0.6),
    Belief("task: writing", -0.4),
    Belief("writing", -0.4),
    Belief("role play", -0.5),
    Belief("advice", -0.4),
    Belief("medicine", -0.25, cap=1.5),
    Belief("psychology", -0.15, cap=1.5),
)
_BELIEVED = tuple(belief.feature for belief in BELIEFS)


def believed(values: dict[str, float]) -> Iterator[tuple[str, float]]:
    """Each feature that counts, and its logits."""
    for feature, weight, cap in compress(BELIEFS, map(values.get, _BELIEVED)):
        yield feature, weight * min(values[feature], cap)


def indicated(matches: Iterable[Match[Indicator]], prose: Prose) -> Iterator[tuple[str, float]]:
    """The strongest indicator in full, and a little, bounded, for each other one. A pasted log counts as one."""
    levels = {_ROWS[match.place]: match.row.level for match in matches}
    if prose.logs:
        levels[_row(_LOG)] = _LOG.level
    raising = sorted((name for name in levels if levels[name] in LEVEL_WEIGHTS), key=lambda name: -levels[name].rank)
    for name in raising[:1]:
        yield name, LEVEL_WEIGHTS[levels[name]]
    for name in raising[1 : 1 + round(_FURTHER_CAP / _FURTHER_WEIGHT)]:
        yield name, _FURTHER_WEIGHT
    lowering = [name for name in levels if levels[name] not in LEVEL_WEIGHTS]
    for name in lowering[: round(_MODIFIER_CAP / -_MODIFIER_WEIGHT)]:
        yield name, _MODIFIER_WEIGHT


def _row(order: Indicator) -> str:
    return f"{order.level}: {order.name}"


_LOG = Indicator(Level.INTERMEDIATE, "log", "")
_ROWS = tuple(map(_row, INDICATORS))
ORDERS = {_row(order): order.level for order in (*INDICATORS, _LOG)}  # by the names of their rows, the levels of orders


def plainly_ordered(
    logits: Mapping[str, float], orders: Iterable[str], word_count: int, prose: Prose
) -> Iterator[tuple[str, float]]:
    """A row that takes back most of what the subject counts for, among the rows `logits` of a prompt whose hardest
    order is intermediate. `orders` are the names of the rows of orders."""
    hardest = max((ORDERS[row] for row in orders), key=lambda level: level.rank, default=None)
    if prose.code or prose.logs or hardest is not Level.INTERMEDIATE:
        return
    subject = fsum(logit for name, logit in logits.items() if name in _OF_THE_SUBJECT)
    excess = subject - _FOR_EACH_WORD * max(0, word_count - _FIRST_WORDS)
    if excess > 0:
        yield SUBJECT_ROW, -excess * (1 - _SUBJECT_SHARE)
