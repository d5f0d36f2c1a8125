"""Tokens as the simulator counts them, and the prompts that it has cached.

A token is up to four neighbouring ASCII characters, or one character of any other kind: close to what the providers'
own tokenizers give for English and for East Asian text, and the same on every machine. A message costs four more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

from ..deferred import dataclass
from ..expressions import expression
from ..reading.bounds import Tokenizer
from ..reading.tokens import upper_bound_tokens

CHARACTERS_PER_TOKEN = 4
MESSAGE_OVERHEAD = 4  # role and separators, as in OpenAI's published count for chat messages

MIN_CACHED_TOKENS = 1024  # the shortest prefix that OpenAI and Anthropic cache
_SHORT = 64  # tokens by which a reservation is above the bound for the text itself: `plan.load.MESSAGE_OVERHEAD`
_BLOCK_CHARACTERS = 512  # 128 tokens of ASCII: the steps in which OpenAI's cached prefixes grow
_MAX_BLOCKS = 1 << 17  # about 64 MB of prompts; the oldest are forgotten first

_PIECE = expression(r"[\x00-\x7f]{1,4}|[^\x00-\x7f]", re.DOTALL)
_RUN = expression(r"([\x00-\x7f]+)|[^\x00-\x7f]+", re.DOTALL)


def pieces(text: str) -> list[str]:
    """The tokens of a text. Joined, they are the text."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """How many tokens `pieces` would give, without making them."""
    if text.isascii():
        return -(-len(text) // CHARACTERS_PER_TOKEN)
    runs = _RUN.finditer(text)
    return sum(
        -(-(run.end() - run.start()) // CHARACTERS_PER_TOKEN) if run[1] is not None else run.end() - run.start()
        for run in runs
    )


def count_input(text: str) -> int:
    """As `count`, but no more than a real tokenizer could give, which takes a long word for one token."""
    counted = count(text)
    return counted if counted <= _SHORT else min(counted, upper_bound_tokens(text, Tokenizer.OPENAI))


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a request: its content, its tokens, and whether what ends with it is to be cached."""

    content: str
    tokens: int
    marked: bool


class PrefixCache:
    """Remembers prompts, so that the repeated beginning of a long one is reported as cached."""

    def __init__(self) -> None:
        self._seen: dict[bytes, None] = {}

    def admit(self, model: str, prompt: str) -> int:
        """Remember a prompt. Returns how many tokens of its beginning the same model had seen before, 0 if short."""
        known = 0
        for end, digest in _prefixes(model, prompt):
            if digest in self._seen:
                known = end
            else:
                self._seen[digest] = None
        self._forget()
        cached = count(prompt[:known])
        return cached if cached >= MIN_CACHED_TOKENS else 0

    def admit_marked(self, model: str, blocks: Sequence[Block]) -> tuple[int, int]:
        """Remember what ends with a marked block. Returns how many tokens are read, and how many written.

        What is read is the longest beginning that was marked before, up to the last mark of this request.
        """
        rolling = blake2b(model.encode(errors="surrogatepass"), digest_size=16)
        last = max((n for n, block in enumerate(blocks) if block.marked), default=-1)
        long, read = 0, 0
        for block in blocks[: last + 1]:
            rolling.update(block.content.encode(errors="surrogatepass"))
            long, digest = long + block.tokens, rolling.digest()
            if long >= MIN_CACHED_TOKENS:
                if digest in self._seen:
                    read = long
                elif block.marked:
                    self._seen[digest] = None
        self._forget()
        return read, long - read if long >= MIN_CACHED_TOKENS else 0

    def _forget(self) -> None:
        while len(self._seen) > _MAX_BLOCKS:
            del self._seen[next(iter(self._seen))]


def _prefixes(model: str, prompt: str) -> list[tuple[int, bytes]]:
    """The end, in characters, and the digest of every prefix that is a whole number of blocks."""
    rolling = blake2b(model.encode(errors="surrogatepass"), digest_size=16)
    prefixes = []
    for start in range(0, len(prompt) - _BLOCK_CHARACTERS + 1, _BLOCK_CHARACTERS):
        end = start + _BLOCK_CHARACTERS
        rolling.update(prompt[start:end].encode(errors="surrogatepass"))
        prefixes.append((end, rolling.digest()))
    return prefixes
