"""What of a request is likely to be sent again, so that a provider keeps it and charges less for it the next time.

Providers keep a request by its beginning: tools, system prompt, then the turns. Most do so by themselves, and OpenAI
sends what has the same key to the same machine. Anthropic keeps what is marked, for a quarter more than the price of
input, and reads it for a tenth or less.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from ..conversation import Prompt
from ..types import Caching, Tool, digest_of
from .compose import Composed

MIN_TOKENS = (
    1_024  # what is shorter is kept by no provider (OpenAI and Anthropic, "Prompt caching"; by some models more)
)
_KEY_LENGTH = 32  # hexadecimal digits; OpenAI takes up to 64 characters


def caching_of(composed: Composed, prompt: Prompt, tools: Sequence[Tool], opening_tokens: int) -> Caching | None:
    """What of a call's request is likely to be sent again; None if that is too little to be kept.

    Files will be asked about again, a conversation goes on, and long tools and system prompts are a program's.
    `opening_tokens` is the expected length of tools and system prompt.
    """
    if composed.load.input_tokens < MIN_TOKENS:
        return None
    turns = composed.messages
    asking = next(n for n in reversed(range(len(turns))) if turns[n].content == composed.text)
    files, goes_on = _length_of_files(composed.text, prompt), bool(prompt.before or prompt.after)
    if not (files or goes_on or opening_tokens >= MIN_TOKENS):
        return None
    first = composed.text[:files] if files and not asking else turns[0].content
    beginning = [[asdict(tool) for tool in tools], composed.system, first if files or goes_on else None]
    return Caching(
        key=digest_of(json.dumps(beginning))[:_KEY_LENGTH],
        opening=opening_tokens >= MIN_TOKENS,
        asking=asking,
        files=files,
        goes_on=goes_on,
    )


def _length_of_files(text: str, prompt: Prompt) -> int:
    """How many characters of a text are its files, in their fence; 0 if the question stands before them."""
    start = text.find(prompt.context) if prompt.attached else -1
    if start < 0 or prompt.question in text[:start]:
        return 0
    return text.find("]", start + len(prompt.context)) + 1
