"""How far two final answers are the same, by the strongest form that they share.

What is exact is compared exactly: numbers by value and unit, literals and formulas by their form, options by letter,
programs by their tree. Words are the same only where nothing that they differ in can matter: articles, a sentence
around the answer, a first name before a last one. A number, a denial or any other word of content is a difference.
"""

from __future__ import annotations

import re
from fractions import Fraction

from .final import AnswerKind, FinalAnswer, concluding_number
from .keypoints import STOP_WORDS, agree, key_points
from .numerals import Quantity, plain_numbers, same_quantity, unlatex
from .words import plain_words

AGREES_FROM = 0.5  # of `compare`: the two replies say the same
_IN_PART = 0.6  # what is said may well be the same: enough to agree, not to be sure
_LIKE = 0.45  # alike, but nothing says that it is the same


def compare(one: FinalAnswer, other: FinalAnswer) -> float:
    """How far two final answers are the same, 0 to 1. Symmetric. An empty answer agrees with nothing."""
    if not one.key or not other.key:
        return 0.0
    if one.kind is not other.kind:
        return _across(one, other)
    if one.kind is AnswerKind.NUMBER:
        return _numbers(one, other)
    if one.key == other.key:
        return 1.0
    match one.kind:
        case AnswerKind.SHORT if not (one.is_exact or other.is_exact):
            return _likeness(one.key, other.key)
        case AnswerKind.LONG:
            return _shared_points(one.text, other.text)
        case AnswerKind.CODE:  # programs that are not of one form may still do the same, but nothing here says so
            return _LIKE * _words_in_common(one.key, other.key)
        case _:
            return 0.0


def _numbers(one: FinalAnswer, other: FinalAnswer) -> float:
    same = same_quantity(Quantity(Fraction(one.key), one.unit), Quantity(Fraction(other.key), other.unit))
    meant = any(a.key in b.others and len(b.others) == 1 for a, b in ((one, other), (other, one)))
    return same or (_IN_PART if meant else 0.0)


# -- words ----------------------------------------------------------------------------------------------------------

_YES, _NO = frozenset(("yes", "true", "correct", "right")), frozenset(("no", "false", "incorrect", "wrong"))
_DENIALS = frozenset(
    ("not", "no", "never", "none", "cannot", "neither", "nor", "without", "nothing", "nobody", "non", "except", "false")
)
_COPULAS = frozenset(("is", "are", "was", "were", "be", "called", "named"))
# Before a name they make another one of it: New York, North Korea, former president, half a pound, Mary and John.
_MODIFIERS = frozenset(
    (  # noqa: SIM905
        "new north south east west northern southern eastern western central upper lower former vice anti non pre post"
        " half double all some most every any only both either and or but minus plus under over before after than"
        " great grand step co sub ultra semi un if unless against"
    ).split()
)


def _likeness(one: str, other: str) -> float:
    own, theirs = one.split(), other.split()
    if (said := _polarity(own, theirs)) is not None:
        return said
    if _denied(own) != _denied(theirs) or _digits(own) != _digits(theirs):
        return 0.0
    first, second = _content(own), _content(theirs)
    if first and first == second:
        return 0.9
    for whole, bare, content in ((own, theirs, second), (theirs, own, first)):
        if content and _content(_predicate(whole)) == content and len(bare) <= len(whole):
            return 0.9
    shorter, longer = sorted((first, second), key=len)
    is_end = 0 < len(shorter) < len(longer) <= 4 * len(shorter) and longer[-len(shorter) :] == shorter
    if is_end and not _MODIFIERS.intersection(own if len(first) > len(second) else theirs):
        return _IN_PART
    return _LIKE * _words_in_common(one, other)


def _polarity(own: list[str], theirs: list[str]) -> float | None:
    """Of two answers that begin with yes or no; None where one does not."""
    if not own or not theirs or own[0] not in _YES | _NO or theirs[0] not in _YES | _NO:
        return None
    if (own[0] in _YES) != (theirs[0] in _YES):
        return 0.0
    return 0.9 if min(len(own), len(theirs)) == 1 or _digits(own) == _digits(theirs) else _LIKE


def _denied(words: list[str]) -> int:
    return sum(word in _DENIALS or word.endswith("n't") for word in words) % 2


def _digits(words: list[str]) -> list[str]:
    return sorted(word for word in words if any(character.isdigit() for character in word))


def _content(words: list[str]) -> list[str]:
    return [word for word in words if word not in STOP_WORDS] or words


def _predicate(words: list[str]) -> list[str]:
    """What a sentence says of its subject: the words after its last "is"."""
    ends = [place for place, word in enumerate(words) if word in _COPULAS]
    return words[ends[-1] + 1 :] if ends else words


def _words_in_common(one: str, other: str) -> float:
    """The F1 of the words of two texts, each counted once."""
    own, theirs = set(one.split()), set(other.split())
    return 2 * len(own & theirs) / (len(own) + len(theirs)) if own and theirs else 0.0


def _shared_points(one: str, other: str) -> float:
    """The part of the key points of two texts that both have (F1 over points)."""
    own, theirs = key_points(one), key_points(other)
    if not own or not theirs:
        return 0.0
    of_own = sum(any(agree(point, match) for match in theirs) for point in own)
    of_theirs = sum(any(agree(point, match) for match in own) for point in theirs)
    return (of_own + of_theirs) / (len(own) + len(theirs))


# -- different kinds ------------------------------------------------------------------------------------------------


def _across(one: FinalAnswer, other: FinalAnswer) -> float:
    """Answers of different kinds: a short one may be what a long one comes to; a string may be its words in quotes."""
    by_kind = {one.kind: one, other.kind: other}
    if (long := by_kind.get(AnswerKind.LONG)) is not None:
        return _in_long(long, one if long is other else other)
    literal, short = by_kind.get(AnswerKind.LITERAL), by_kind.get(AnswerKind.SHORT)
    if literal is not None and short is not None and literal.is_quoted and not short.is_exact:
        same = plain_words(literal.text) == short.key and not short.key[0].isdigit()
        return 0.9 if same and short.key not in _YES | _NO | {"none", "null"} else 0.0
    number = by_kind.get(AnswerKind.NUMBER)
    if number is not None and short is not None and not short.is_exact and not _denied(short.key.split()):
        return _LIKE if number.key in {str(value) for value in plain_numbers(unlatex(short.text))} else 0.0
    return 0.0


def _in_long(long: FinalAnswer, short: FinalAnswer) -> float:
    if short.kind is AnswerKind.NUMBER:
        ending = concluding_number(long.text)
        if ending is None or short.key not in (ending.key, *ending.others):
            return 0.0
        return _IN_PART if ending.marked and ending.key == short.key else _LIKE
    if short.kind is not AnswerKind.SHORT or short.is_exact:
        return 0.0
    sentences = [plain_words(part).split() for part in re.split(r"(?<=[.!?])\s+|\n+", long.text) if part.strip()]
    wanted = _content(short.key.split())
    ends = (sentences[0], sentences[-1]) if sentences else ()
    said = any(_content(_predicate(words)) == wanted and not _denied(words) for words in ends)
    return _IN_PART if said else _LIKE if f" {short.key} " in f" {plain_words(long.text)} " else 0.0
