"""Tokens as OpenAI's own encodings count them, where the extra `tokens` is installed. Nothing is downloaded.

The package `toktok-rs` has the vocabularies compiled in. Special tokens are counted as the text that they are written
with, as the API counts them in a message.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ..expressions import expression
from .bounds import Tokenizer

_LONE_SURROGATE = expression("[\ud800-\udfff]")


def exact_tokens(text: str, tokenizer: Tokenizer) -> int | None:
    """The tokens of a text; None for a tokenizer that is not at hand."""
    if tokenizer not in (Tokenizer.O200K, Tokenizer.CL100K):
        return None
    count = _counter()
    if count is None:
        return None
    sent = text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
    return count([sent], tokenizer.value, threads=1)[0]


@cache
def _counter() -> Callable[..., list[int]] | None:
    try:
        from toktok import batch_count  # extra
    except ImportError:
        return None
    count: Callable[..., list[int]] = batch_count
    return count
