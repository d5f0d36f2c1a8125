"""Phrases as data: a table of patterns, searched for together in one pass over a text.

A pattern is a regular expression for lower-case text, with a single space between words and no capturing group. It
matches whole words only, and a word that is part of a hyphenated one is not whole. Where several rows fit at the same
place the earliest row wins, so the more particular ones come first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, Protocol, TypeVar

from ..once import kept_property


class Row(Protocol):
    """What a table needs of its rows."""

    @property
    def pattern(self) -> str: ...


R = TypeVar("R", bound=Row)


class Match(NamedTuple, Generic[R]):
    """A phrase found: its row, the row's place in the table, the words that matched, and where they start."""

    row: R
    place: int
    text: str
    start: int


class PhraseTable(Generic[R]):
    """Rows whose patterns are compiled when a text first has a word that they may begin with."""

    def __init__(self, rows: Sequence[R]) -> None:
        self.rows = tuple(rows)
        self._at = lru_cache(_HEADS)(self._compiled)

    def find(self, words: str) -> Iterator[Match[R]]:
        """Every phrase in lower-case text, from left to right, without overlaps."""
        places, heads = _word_heads(words)
        end = 0
        for place, begun in zip(places, map(self._at, heads), strict=True):
            if begun is None or place < end:
                continue
            match = begun.pattern.match(words, place)
            if match is not None and match.lastindex is not None:
                end = match.end()
                row = begun.row_of_group[match.lastindex - 1]
                yield Match(self.rows[row], row, match.group(), place)

    @kept_property
    def _phrases(self) -> list[tuple[int, str, _Starts]]:
        """Each alternative of each row, in order: the place of the row, the pattern, and how it begins."""
        return [
            (place, pattern, _Starts.of(pattern))
            for place, row in enumerate(self.rows)
            for pattern in _alternatives(row.pattern)
        ]

    def _compiled(self, head: str) -> _Begun | None:
        """What may begin with a word of this head, as one alternation, and the rows of its groups; None if nothing may.

        Each alternative is ended by an empty group that tells its row: the engine passes over an alternative by its
        first letter, which it does not where one begins with a group.
        """
        fitting = [(place, pattern) for place, pattern, starts in self._phrases if starts.fit(head)]
        if not fitting:
            return None
        flat = "|".join(f"{pattern}()" for _, pattern in fitting)
        return _Begun(re.compile(rf"(?:{flat})(?!\w|-\w)"), tuple(place for place, _ in fitting))


class _Starts(NamedTuple):
    """How a pattern begins: with one of these letters, or as one of these bracketed sets has it."""

    letters: tuple[str, ...]
    sets: tuple[str, ...]

    @classmethod
    def of(cls, pattern: str) -> _Starts:
        starts = _starts(pattern)
        sets = tuple(each for each in starts if each.startswith("["))
        return cls(tuple(starts.difference(sets)), sets)

    def fit(self, head: str) -> bool:
        return head.startswith(self.letters) or any(re.match(each, head) for each in self.sets)


class _Begun(NamedTuple):
    pattern: re.Pattern[str]
    row_of_group: tuple[int, ...]


_HEAD = 3  # characters
_HEADS = 4_096  # so many are remembered; English has some two thousand


class _Separators(dict[int, int]):
    """For `str.translate`: a space for each character that is in no word, of which a hyphen is part."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        self[code] = code if character.isalnum() or character in "_-" else ord(" ")
        return self[code]


_SEPARATORS = _Separators()


@lru_cache(2)  # several tables look through the same text, one after the other
def _word_heads(words: str) -> tuple[list[int], list[str]]:
    """Where words begin, and with which three letters or one digit; what is hyphenated is one word."""
    places, heads, place = [], [], 0
    for word in words.translate(_SEPARATORS).split(" "):
        if word:
            places.append(place)
            heads.append(word[: _HEAD if word[0] > "9" else 1])
        place += len(word) + 1
    return places, heads


def _starts(pattern: str) -> set[str]:
    """Patterns of one to three characters, one of which matches wherever `pattern` does. An empty one always does."""
    if pattern.startswith("(?"):
        inside, rest = _group(pattern)
        if inside.startswith(("<=", "<!", "=", "!")):
            return _starts(rest)
        if rest.startswith(("*", "{")):
            return {""}
        follows = rest.removeprefix("?")
        heads = [head + follows for head in _alternatives(inside.removeprefix(":"))]
        return {start for head in [*heads, *([follows] if rest != follows else [])] for start in _starts(head)}
    first = re.match(r"[a-z]|\[[^\]]*\]", pattern)
    if not first or pattern[first.end() : first.end() + 1] in ("?", "*", "{"):
        return {""}
    more = re.match(rf"(?:[a-z](?![?*{{])){{0,{_HEAD - 1}}}", pattern[first.end() :]) if first[0].isalpha() else None
    return {first[0] + (more[0] if more else "")}


def _group(pattern: str) -> tuple[str, str]:
    """What is inside the group that a pattern begins with, without `(?`, and what follows it."""
    depth = 0
    for token in re.finditer(_TOKEN, pattern, re.DOTALL):
        depth += (token[0] == "(") - (token[0] == ")")
        if depth == 0:
            return pattern[2 : token.start()], pattern[token.end() :]
    raise ValueError(f"a bracket is not closed: {pattern}")


_TOKEN = r"\\.|\[(?:\\.|[^\]])*\]|."


def _alternatives(pattern: str) -> list[str]:
    """Split a pattern at the `|` that stand outside of all brackets."""
    parts, depth = [""], 0
    for token in re.findall(_TOKEN, pattern, re.DOTALL):
        depth += (token == "(") - (token == ")")
        if token == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    return parts
