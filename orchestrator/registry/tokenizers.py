"""Which tokenizer a model has, by the name that its provider is sent."""

from __future__ import annotations

from functools import lru_cache

from ..expressions import expression
from ..reading.bounds import Tokenizer

# OpenAI's by the table of its own library (tiktoken 0.14, model.py). Models that it does not know yet are taken to have
# an encoding that is no coarser: each so far had a larger vocabulary than the one before.
_BY_NAME = (
    (expression(r"(?:ft:)?(?:gpt-5|gpt-4\.[15]|(?:chat)?gpt-4o|gpt-oss|o[134]\b)"), Tokenizer.O200K),
    (expression(r"(?:ft:)?gpt-(?:4|3\.?5)(?![.\do])"), Tokenizer.CL100K),
    (expression(r"(?:ft:)?(?:chat)?gpt-|o[1-9]\b"), Tokenizer.OPENAI),
    (expression(r"(?:meta-)?llama-?[34]|qwen-?[23]|deepseek-(?:v[34]|chat|reasoner|flash)"), Tokenizer.PUBLISHED),
)


@lru_cache(1024)
def tokenizer_of(model: str) -> Tokenizer:
    """The tokenizer of a model; `ANY` for one of which nothing is known."""
    name = model.rpartition("/")[2].lower()
    return next((tokenizer for pattern, tokenizer in _BY_NAME if pattern.match(name)), Tokenizer.ANY)
