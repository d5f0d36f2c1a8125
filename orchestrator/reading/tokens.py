"""How many tokens a text is: an estimate to choose and price by, and a bound to reserve money by.

Where the tokenizer is at hand (`exact`), both are its count. The bound is otherwise that of `bounds`.

The estimate needs no vocabulary and reads no file: it cuts a text much as byte-level BPE tokenizers do before they
merge (words, numbers in threes, runs of punctuation, line breaks) and charges each piece what its script costs on
average. Two published sources set the charges. English: OpenAI's rule of 4 characters, or 3/4 of a word, a token.
Other scripts: the 20 sentences with their o200k_base counts in the announcement of GPT-4o (May 2024), to which the
charges were fitted: there the estimate is off by 9 % on average and 18 % at most. Other providers' tokenizers, and
older ones, mostly give more tokens: o200k_base is among the densest in use.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..expressions import expression
from ..once import kept_property
from .bounds import Bounds, Tokenizer, bounds
from .exact import exact_tokens

# Longer texts are measured on this many evenly spaced samples of this many characters, and scaled up.
_SAMPLES, _SAMPLE_CHARS = 16, 2_000

# (pattern of one piece, tokens a piece). No character belongs to two rows; a single space joins the word after it.
_MARKED = "[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u1e00-\u1eff]"
_LOWER = f"(?:[a-z]|{_MARKED})"
_ASCII_PIECES: tuple[tuple[str, float], ...] = (
    (rf"[A-Z]?{_LOWER}{{1,9}}|[A-Z]{{1,4}}", 1.0),  # words, split where identifiers change case
    (r"[0-9]{1,3}", 1.0),
    (
        r"[!-/:-@\[-`{-~](?:(?<!')|(?![a-z]))[!-/:-@\[-`{-~]?",
        0.95,
    ),  # punctuation; the apostrophe of a contraction joins its letters
    (r"\s(?:\s+|(?<! ))", 1.0),  # line breaks and indents
    (r"[\x00-\x08\x0e-\x1b\x7f]", 1.0),  # control characters
)
# The same words where no letter is marked, told apart by the engine in a fraction of the time.
_UNMARKED_WORDS = (r"[A-Z]?[a-z]{1,9}|[A-Z]{1,4}", 1.0)
_OTHER_PIECES: tuple[tuple[str, float], ...] = (
    (_MARKED, 0.4),  # on top of the word that the letter is in: it splits more often
    (r"[\u0080-\u00bf\u00d7\u00f7]", 1.0),  # Latin-1 signs
    (r"[\u0300-\u058f]{1,4}", 1.0),  # Greek, Cyrillic, Armenian
    (r"[\u0590-\u08ff]{1,3}", 1.0),  # Hebrew, Arabic
    (r"[\u0900-\u0dff]{1,3}", 1.0),  # scripts of India
    (r"[\u3000-\u30ff]{1,2}", 1.0),  # kana and CJK punctuation
    (r"[\u3400-\u9fff\uf900-\ufaff]", 0.8),  # ideographs
    (r"[\uac00-\ud7a3]{1,2}", 1.0),  # Hangul
    (r"[\u0e00-\u1dff]{1,2}", 1.0),  # Thai and other scripts of Asia and Africa
    (r"[\u2010-\u27ff\ufe00-\uffef]", 1.0),  # dashes, symbols, full-width forms
    (r"[\u2800-\u2fff\u3100-\u33ff\ua000-\uabff\ud7b0-\uf8ff\ufb00-\ufdff]", 2.0),  # rare
    (r"[\U00010000-\U0010ffff]", 2.5),  # emoji and rare scripts
)
_IN_ASCII = tuple((expression(pattern), tokens) for pattern, tokens in (_UNMARKED_WORDS, *_ASCII_PIECES[1:]))
_IN_ANY = tuple((expression(pattern), tokens) for pattern, tokens in _ASCII_PIECES + _OTHER_PIECES)


class TokenCount(NamedTuple):
    """The tokens of a text: as they are expected, and at most."""

    expected: int
    bound: int


class Counted:
    """A text whose tokens are counted when they are asked for, once for all tokenizers that have a count in common."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: dict[Tokenizer, TokenCount] = {}

    @kept_property
    def expected(self) -> int:
        """The estimate."""
        return estimate_tokens(self._text)

    def tokens(self, tokenizer: Tokenizer) -> TokenCount:
        """Both counts."""
        if tokenizer not in self._tokens:
            self._tokens[tokenizer] = self._count(tokenizer)
        return self._tokens[tokenizer]

    def _count(self, tokenizer: Tokenizer) -> TokenCount:
        exact = exact_tokens(self._text, tokenizer)
        if exact is not None:
            return TokenCount(exact, exact)
        bound = self._bounds.of(tokenizer)
        return TokenCount(min(self.expected, bound), bound)

    @kept_property
    def _bounds(self) -> Bounds:
        return bounds(self._text)


def count_tokens(text: str, tokenizer: Tokenizer = Tokenizer.ANY) -> TokenCount:
    """Both counts of a text."""
    return Counted(text).tokens(tokenizer)


def upper_bound_tokens(text: str, tokenizer: Tokenizer = Tokenizer.ANY) -> int:
    """The most tokens that `text` can be. What a provider wraps around a message (roles, separators, tools) is not text
    and comes on top."""
    exact = exact_tokens(text, tokenizer)
    return bounds(text).of(tokenizer) if exact is None else exact


def estimate_tokens(text: str) -> int:
    """The tokens that `text` is expected to be (module docstring: sources and error). Never more than its bytes."""
    if not text:
        return 0
    if len(text) <= _SAMPLES * _SAMPLE_CHARS:
        return max(1, math.ceil(_charge(text)))  # no piece is charged more tokens than it has bytes
    step = (len(text) - _SAMPLE_CHARS) / (_SAMPLES - 1)
    starts = [int(i * step) for i in range(_SAMPLES)]
    sampled = sum(_charge(text[start : start + _SAMPLE_CHARS]) for start in starts)
    expected = max(1, math.ceil(sampled * len(text) / (_SAMPLES * _SAMPLE_CHARS)))
    # Every character has at least one byte, so they are seldom counted.
    return expected if expected <= len(text) else min(expected, len(text.encode("utf-8", "surrogatepass")))


def _charge(text: str) -> float:
    return sum([len(pattern.findall(text)) * tokens for pattern, tokens in (_IN_ASCII if text.isascii() else _IN_ANY)])
