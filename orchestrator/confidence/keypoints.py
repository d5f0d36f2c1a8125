"""The key points of an answer, and when two of them say the same.

A point is a sentence or a list item, reduced to its content words. Two points agree when at least half of the words
of both are common (Jaccard index 0.5), or when one is a word or two that the other contains, as "Paris" in "The
capital is Paris"; but never when they differ in a number or when only one of them says "not".
"""

from __future__ import annotations

import re

from ..deferred import dataclass
from ..reading.prose import EDGE_CHARS

MATCH_FROM = 0.5
POINTS_PER_ANSWER = 40  # of a longer answer the first ones count, which bounds the comparison
_SHORT_POINT = 2

STOP_WORDS = frozenset(
    "a an the this that these those"  # noqa: SIM905 (a paragraph of words reads better than a column of them)
    " it its he she they them their there here we us our you your i me my and or but if"
    " then than so as of in on at to for from by with about into over under between is are was were be been being am do"
    " does did has have had having will would can could should may might must also just very more most much many such"
    " some any all both each other which who whom whose what when where how why up down out only own same too s t"
    " answer therefore thus hence".split()
)
_NEGATIONS = frozenset(("not", "no", "never", "none", "cannot", "neither", "nor", "without"))


@dataclass(frozen=True, slots=True)
class KeyPoint:
    """`text` is as the answer has it; `words` are its content words, numbers and negations apart."""

    text: str
    words: frozenset[str]
    numbers: frozenset[str]
    negated: bool


def key_points(text: str) -> tuple[KeyPoint, ...]:
    """The points of an answer in its order, each once. Of a very long one only the beginning is read."""
    points: dict[tuple[frozenset[str], frozenset[str], bool], KeyPoint] = {}
    for piece in re.split(_BREAK, text[: 2 * EDGE_CHARS]):
        point = _point(re.sub(_BULLET, "", piece).strip())
        if point is not None:
            points.setdefault((point.words, point.numbers, point.negated), point)
        if len(points) == POINTS_PER_ANSWER:
            break
    return tuple(points.values())


def agree(one: KeyPoint, other: KeyPoint) -> bool:
    """Whether two points say the same. Symmetric."""
    if one.negated != other.negated:
        return False
    if one.numbers and other.numbers and not (one.numbers <= other.numbers or other.numbers <= one.numbers):
        return False
    own, theirs = one.words | one.numbers, other.words | other.numbers
    common, fewest = len(own & theirs), min(len(own), len(theirs))
    return common == fewest if fewest <= _SHORT_POINT else common >= MATCH_FROM * len(own | theirs)


_BREAK = r"(?<=[.!?])\s+|(?<=[。！？])|\n+|;\s"
_BULLET = r"^\s*(?:[-*+•>#]+|[0-9]{1,3}[.)])\s+"
# Scripts without spaces are compared by their characters.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_TOKEN = rf"[0-9]+(?:[.,:][0-9]+)*|[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+(?:'[^\W\d_]+)?"


def _point(text: str) -> KeyPoint | None:
    words: set[str] = set()
    numbers: set[str] = set()
    negated = False
    for token in re.findall(_TOKEN, text.lower().replace("’", "'")):
        if token[0].isdigit():
            numbers.add(token.replace(",", ""))
        elif token in _NEGATIONS or token.endswith("n't"):
            negated = not negated
        elif token not in STOP_WORDS:
            words.add(_stem(token))
    return KeyPoint(text, frozenset(words), frozenset(numbers), negated) if words or numbers else None


def _stem(word: str) -> str:
    """Without the plural s: all the inflection that a comparison of sentences needs."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
