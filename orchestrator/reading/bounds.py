"""The most tokens that a text can be, by what is known of the tokenizer. Pure, but for a table that is read once.

A text is cut as byte-level BPE tokenizers cut it before they merge (o200k_base's own rule, in ASCII), and every piece
is charged the most that it can cost. `token_pieces.json`, which `scripts/fit_tokens.py` writes from the vocabularies,
has the costs of 28,000 words and 4,500 runs of punctuation and white space. Why the sum is a bound:

1. Nothing merges across a cut, so the tokens of a text are the sum of its pieces'. A word takes in one character before
   it that is no letter, digit or line break (a space is part of the piece, any other is a piece of its own here), and a
   contraction after it: a listed word's cost is the most over all of these.
2. Merging goes on as long as two neighbours make a token. So in a word that is not listed, two single letters are
   neighbours only if their pair is no token ("rare"), all other tokens have two letters or more, and of L bytes with r
   rare pairs at most (2L + r + 1) / 3 tokens are left. Most vocabularies, cl100k_base among them, do not cut where the
   case changes: of a longer word with several pieces that are not listed, each is charged the rounding anew, and a
   listed one with a capital that stands after no space is charged two tokens more. That these two are enough was
   counted for millions of joints, and is not proved; o200k_base does cut there.
3. Up to three digits are a token in OpenAI's, Llama's and DeepSeek's vocabularies, one digit in others.
4. Whatever else is ASCII costs a token a byte at most, since a token has at least one byte.
5. A character outside ASCII costs as many tokens as can start in it. One of three or four bytes whose first two are a
   token costs one less than its bytes, since these two would have merged. One of two bytes that is a token costs one,
   unless some token begins with its last byte and goes on; if a character of three bytes follows, one more. Letters
   beside it in a word, and punctuation beside it in a run, are charged their bytes.
6. Anthropic publishes no vocabulary. The third column has what a vocabulary says that was rebuilt from the counts of
   Anthropic's own endpoint (the package `ctok`), for both of its tokenizers in use: in the second a capital costs
   extra, and rare capitals cost more tokens than bytes. Of Google's, xAI's and newer ones nothing is known but that
   their vocabularies are large. So MARGIN is added where a tokenizer has not been published.

`scripts/bench_tokens.py` measures all of it on texts of many kinds; docs/tokens.md has the figures.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from ..expressions import expression

PIECES_FILE = "token_pieces.json"
JOINT = 40  # tokens by which two texts that are put together may cost more than by themselves: twice a listed piece
MARGIN = 8  # an eighth on top for tokenizers that have not been published
_LONGEST = 8_000_000  # characters: more than any window holds; longer texts are charged their bytes
_AT_A_TIME = 200_000  # characters: so the three sums of a part fit into one number of 63 bits
_BITS = 21
_LANE = (1 << _BITS) - 1

_ODD = expression(r"[^\t\n\r -~]")  # control characters, and what is not ASCII
_EVEN = expression(r"[\t\n\r -~]+")
_MARK = r"[!-/:-@\[-`{-~]"
_QUOTES = "‘’“”–—…•·«»°×€£"  # what may stand before a word without being part of it
_PLAIN_PIECES = (
    rf" ?(?:[A-Z]*[a-z]+|[A-Z]+)|[0-9]{{1,3}}| ?{_MARK}+[\r\n]*|[ \t\r\n]*[\r\n]+|[ \t\r\n]+(?![^ \t\r\n])|[ \t\r\n]+"
)
_PIECE = expression(_PLAIN_PIECES)
_SLASHES = expression(rf"{_MARK}[\r\n]+(/{_MARK}*)")  # in o200k_base these slashes belong to the run before them
_IN_WORD = rf"[^\t\n\r -~{_QUOTES}]"
_ODD_PIECE = expression(
    rf" ?[A-Za-z]{{0,40}}(?:{_IN_WORD}+[A-Za-z]*)+| ?{_MARK}*(?:[{_QUOTES}]+{_MARK}*)+[\r\n]*|{_PLAIN_PIECES}"
)
# Marks that may be in one run with a character outside ASCII, and white space beside white space outside ASCII.
_SPACE = "[\x0b\x0c\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_RUN = r"[!-/:-@\[-`{-~\r\n]{2,}"
_EDGE = expression(
    rf"(?<=[^\t\n\r -~]){_RUN}|{_RUN}(?=[^\t\n\r -~])|(?<={_SPACE})[ \t\r\n]{{2,}}|[ \t\r\n]{{2,}}(?={_SPACE})"
)
_AFTER_TWO_BYTES = expression("[\x80-\u07ff](?=[\u0800-\U0010ffff])")


class Tokenizer(StrEnum):
    """What is known of a model's tokenizer, from the narrowest bound to the widest."""

    O200K = "o200k_base"
    CL100K = "cl100k_base"
    OPENAI = "openai"  # one of OpenAI's, of which it is not known yet which
    PUBLISHED = "published"  # one like Llama's, Qwen's, DeepSeek's and Mistral's
    ANY = "any"


class Bounds(NamedTuple):
    """The most tokens of a text in o200k_base, in all published vocabularies, and in any."""

    openai: int
    published: int
    any: int

    def of(self, tokenizer: Tokenizer) -> int:
        """The bound for a tokenizer, with MARGIN where it has not been published."""
        if tokenizer is Tokenizer.ANY:
            return self.any + -(-self.any // MARGIN)
        return self.published if tokenizer in (Tokenizer.PUBLISHED, Tokenizer.CL100K) else self.openai


def bounds(text: str) -> Bounds:
    """The most tokens that a text can be. A lone surrogate is charged as the U+FFFD that would be sent in its place."""
    if len(text) > _LONGEST:
        most = len(text.encode("utf-8", "surrogatepass"))
        return Bounds(most, most, 2 * most)
    openai = published = anyones = 0
    for at in range(0, len(text), _AT_A_TIME):
        charged, joint = Bounds(*_lanes(_charged(text[at : at + _AT_A_TIME]))), JOINT if at else 0
        openai += joint + charged.openai
        published += joint + charged.published
        anyones += joint + charged.any
    return Bounds(openai, published, anyones)


def _charged(text: str) -> int:
    costs = _costs()
    charged = _EACH * sum(map(len, _SLASHES.findall(text))) if "/" in text else 0
    if _ODD.search(text) is None:
        return charged + sum(map(costs.__getitem__, _PIECE.findall(text)))
    charged += sum(map(costs.__getitem__, _ODD_PIECE.findall(text)))
    charged += sum(n * costs.of_character(each) for each, n in Counter(_EVEN.sub("", text)).items())
    return charged + _EACH * (sum(map(len, _EDGE.findall(text))) + len(_AFTER_TWO_BYTES.findall(text)))


def _pack(openai: int, published: int, anyones: int) -> int:
    return openai | published << _BITS | anyones << 2 * _BITS


def _lanes(packed: int) -> tuple[int, int, int]:
    return packed & _LANE, packed >> _BITS & _LANE, packed >> 2 * _BITS


_EACH = _pack(1, 1, 1)


class _Costs(dict[str, int]):
    """What pieces of text cost, the three sums in one number. It keeps what is looked up of what is listed."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__()
        for costs, marks in document["marks"].items():
            self.update(dict.fromkeys(marks, _packed(costs)))
        self._words: dict[str, tuple[int, int]] = {}
        for costs, words in document["words"].items():
            self._words.update(dict.fromkeys(words.split(" "), (_packed(costs[:3]), _packed(costs[3:]))))
        self._rare = re.compile(f"(?={'|'.join(f'{one}[{others}]' for one, others in document['rare_pairs'].items())})")
        self._first = [first for first, *_ in document["characters"]]
        self._characters = [_pack(*costs) for _, *costs in document["characters"]]

    def __missing__(self, piece: str) -> int:
        word = piece.removeprefix(" ")
        if not word.isascii() or _ODD.search(word):  # what is odd in it is charged by itself
            size = len(_ODD.sub("", piece))
            return _pack(size, size, 2 * size)
        if not word.isalnum():
            return _pack(len(piece), len(piece), len(piece) + 1)
        if word.isdigit():
            cost = _pack(1, len(piece), len(piece))
        elif (listed := self._words.get(word)) is not None:
            cost = listed[word == piece]
            if word == piece and word[0].isupper():  # in cl100k_base it may be joined to a word before it
                openai, published, anyones = _lanes(cost)
                cost = _pack(openai, min(published + 2, len(word)), anyones)
        else:
            most = min(len(piece), (2 * len(piece) + len(self._rare.findall(word)) + 3) // 3)
            return _pack(most, most, len(piece) + sum(map(str.isupper, word)))
        self[piece] = cost
        return cost

    def of_character(self, character: str) -> int:
        """The cost of a character outside ASCII, or of a control character."""
        if character < "\x80":
            return _pack(1, 1, 2)
        return self._characters[bisect_right(self._first, ord(character)) - 1]


def _packed(costs: str) -> int:
    return _pack(*map(int, costs))


@cache
def _costs() -> _Costs:
    return _Costs(json.loads(files(__package__).joinpath(PIECES_FILE).read_text("utf-8")))
