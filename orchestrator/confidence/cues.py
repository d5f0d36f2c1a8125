"""Words that tell how a text reasons: how often each kind of them occurs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple


class Cue(NamedTuple):
    """Whole words, and pieces that are no whole words. A piece has its pattern, None for itself; no two of a cue can
    share a character. To look for a piece takes a fraction of the time that its pattern does."""

    words: str = ""
    pieces: Mapping[str, str | None] = {}


# name -> what counts, in lower case. Counted in replies by `wording`, and, where they say how hard a prompt is, in
# prompts by `difficulty`.
CUES: dict[str, Cue] = {
    "turns": Cue("however but although while"),
    "corrections": Cue("wait actually mistake correction apologise apologize", {"let": r"let'?s (?:re|double)"}),
    "negations": Cue("not no cannot none never", {"n't": r"n't\b"}),
    "approximations": Cue("roughly", {"approximat": None, "≈": None, "round": r"\bround"}),
    "assumptions": Cue(pieces={"assum": r"\bassum"}),
    "settings": Cue("let"),
    "possibilities": Cue("likely probably possibly may might could suggest suggests seem seems appear appears perhaps"),
    "conditions": Cue("if"),
    "reasons": Cue("because since", {"due to": r"\bdue to\b"}),
    "inferences": Cue("therefore thus so hence"),
    "totals": Cue("total altogether sum"),
    "fractions": Cue("half halfs third thirds quarter quarters", {"/": r"\d/\d"}),
    "percentages": Cue(pieces={"%": None, "percent": r"\bpercent"}),
    "times": Cue("hour hours minute minutes day days week weeks month months year years age ages old olds"),
    "rates": Cue("each per every"),
    "remainders": Cue("left rest", {"remain": r"\bremain\w*"}),
    "multiples": Cue("twice times double triple"),
    "comparisons": Cue("more less fewer than"),
    "superlatives": Cue("most best least"),
    "money": Cue(pieces={"$": None}),
    "steps": Cue(pieces={"step": r"\bstep", "\n": r"\n\d\."}),
    "references": Cue(pieces={"the ": r"\bthe (?:context|passage|text|question|statement)\b"}),
    "explanations": Cue("reasonin reasoning", {"explanation:": r"\bexplanation:"}),
    "questions": Cue(pieces={"?": None}),
}


def cue_counts(lowered: str, words: Sequence[str]) -> dict[str, int]:
    """How often each cue occurs in a lower-case text, whose words are given as `\\w+` finds them."""
    counts = dict.fromkeys(CUES, 0)
    cue_of = _cue_of_each_word()
    for word in filter(cue_of.__contains__, words):
        counts[cue_of[word]] += 1
    for piece, pattern, name in _pieces():
        if piece in lowered:
            counts[name] += lowered.count(piece) if pattern is None else len(pattern.findall(lowered))
    return counts


def share_of_long(words: Sequence[str]) -> float:
    """The part of the words that have more than seven letters."""
    return sum(map((7).__lt__, map(len, words))) / max(1, len(words))


def share_of_foreign(text: str) -> float:
    """The part of a text's characters that are not in ASCII."""
    return 0.0 if text.isascii() else sum(map("\x7f".__lt__, text)) / len(text)


@cache
def _cue_of_each_word() -> dict[str, str]:
    return {word: name for name, cue in CUES.items() for word in cue.words.split()}


@cache
def _pieces() -> list[tuple[str, re.Pattern[str] | None, str]]:
    return [
        (piece, None if pattern is None else re.compile(pattern), name)
        for name, cue in CUES.items()
        for piece, pattern in cue.pieces.items()
    ]
