"""Phrases as data: a table of patterns, searched for together in one pass over a text.

A pattern is a regular expression for lower-case text, with a single space between words and no capturing group. It
matches whole words only, and a word that is part of a hyphenated one is not whole. Where several rows fit at the same
place the earliest row wins, so the more particular ones come first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Generic, NamedTuple, Protocol, TypeVar


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
    """Rows compiled together, when they are first needed."""

    def __init__(self, rows: Sequence[R]) -> None:
        self.rows = tuple(rows)

    def find(self, words: str) -> Iterator[Match[R]]:
        """Every phrase in lower-case text, from left to right, without overlaps."""
        for found in self._pattern.finditer(words):
            if found.lastindex is not None:
                place = self._row_of_group[found.lastindex - 1]
                yield Match(self.rows[place], place, found.group(), found.start())

    @cached_property
    def _row_of_group(self) -> tuple[int, ...]:
        return tuple(place for place, row in enumerate(self.rows) for _ in _alternatives(row.pattern))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # One flat alternation, each alternative ended by an empty group that tells its row: the engine can then pass
        # over an alternative by its first letter, which it does not where an alternative begins with a group. Most
        # words start no phrase, and a look at their first letters passes over them before any alternative is tried.
        alternatives = [pattern for row in self.rows for pattern in _alternatives(row.pattern)]
        starts = {start for pattern in alternatives for start in _starts(pattern)}
        flat = "|".join(f"{pattern}()" for pattern in alternatives)
        return re.compile(rf"(?<![\w-])(?={_either(starts)})(?:{flat})(?!\w|-\w)")


def _starts(pattern: str) -> set[str]:
    """Patterns of one or two characters, one of which matches wherever `pattern` does. An empty one always does."""
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
    second = re.match(r"[a-z](?![?*{])", pattern[first.end() :]) if first[0].isalpha() else None
    return {first[0] + (second[0] if second else "")}


def _either(starts: set[str]) -> str:
    """One pattern for all of these, by their first characters."""
    firsts: dict[str, set[str]] = {}
    for start in starts:
        first = start if start[:1] == "[" else start[:1]
        firsts.setdefault(first, set()).add(start.removeprefix(first))
    return "|".join(
        first if "" in seconds else f"{first}[{''.join(sorted(seconds))}]" for first, seconds in sorted(firsts.items())
    )


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
