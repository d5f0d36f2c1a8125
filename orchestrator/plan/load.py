"""The tokens that a call will take, before it is made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..deferred import dataclass, replace
from ..reading.bounds import Tokenizer
from ..reading.tokens import count_tokens, upper_bound_tokens
from ..types import Tool

MESSAGE_OVERHEAD = 64  # tokens that a provider wraps around one message and a system prompt, with room to spare
TURN_OVERHEAD = 24  # the same for each further turn and each call of a tool in it
# Tokens of the instructions that a provider puts before tools. Anthropic documents 290 to 530 by model ("Tool use",
# pricing); the others do not say.
_TOOL_PREAMBLE = 600


@dataclass(frozen=True, slots=True)
class Load:
    """The tokens that a prompt will take: expected input and output, and an upper bound on the input.

    `tool_tokens` and `tool_bound` are what tool definitions add to the input and to its bound; `schema_tokens` and
    `schema_bound` what the schema of the reply adds; `turn_tokens` and `turn_bound` what the turns around the question
    add, and `media_tokens` and `media_bound` its images and documents.
    """

    input_tokens: int
    input_bound: int
    output_tokens: int
    tool_tokens: int = 0
    tool_bound: int = 0
    schema_tokens: int = 0
    schema_bound: int = 0
    turn_tokens: int = 0
    turn_bound: int = 0
    media_tokens: int = 0
    media_bound: int = 0
    tokenizer: Tokenizer = Tokenizer.ANY


def schema_bound(written: str, tokenizer: Tokenizer) -> int:
    """The most input tokens for a reply schema, given as JSON: some providers add it as it is, some with words
    around it."""
    return 2 * upper_bound_tokens(written, tokenizer) + 4 * MESSAGE_OVERHEAD


def with_schema(load: Load, schema: Mapping[str, Any] | None) -> Load:
    """The load with a reply schema beside the prompt."""
    if schema is None:
        return load
    written = json.dumps(schema, ensure_ascii=False)
    tokens, bound = count_tokens(written, load.tokenizer).expected, schema_bound(written, load.tokenizer)
    return replace(
        load,
        input_tokens=load.input_tokens + tokens,
        input_bound=load.input_bound + bound,
        schema_tokens=tokens,
        schema_bound=bound,
    )


def with_tools(load: Load, tools: Sequence[Tool]) -> Load:
    """The load with tool definitions beside the prompt.

    Providers do not publish how they write these into their prompt: the bound is twice their JSON, as for a schema,
    plus _TOOL_PREAMBLE for the text before them.
    """
    if not tools:
        return load
    written = json.dumps([asdict(tool) for tool in tools], ensure_ascii=False)
    count = count_tokens(written, load.tokenizer)
    tokens = count.expected + _TOOL_PREAMBLE // 2
    bound = 2 * count.bound + _TOOL_PREAMBLE + MESSAGE_OVERHEAD * len(tools)
    return replace(
        load,
        input_tokens=load.input_tokens + tokens,
        input_bound=load.input_bound + bound,
        tool_tokens=tokens,
        tool_bound=bound,
    )
