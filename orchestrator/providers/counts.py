"""Token counts out of a usage object, by whatever names a server has for them: one table for all wires.

Servers of one API send each other's usage objects (a gateway in front of another provider, a server with two APIs), so
the names say what is meant, not the wire. Two conventions are told apart: Anthropic counts what was cached beside
`input_tokens`, all others inside the prompt; Google counts thoughts beside `candidatesTokenCount`, all others inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from ..money import MOST_TOKENS
from ..types import Usage

Path = tuple[str, ...]

_PROMPT: tuple[Path, ...] = (("prompt_tokens",), ("promptTokenCount",), ("prompt_eval_count",))
_INPUT: tuple[Path, ...] = (("input_tokens",),)
_TOOL_PROMPT: tuple[Path, ...] = (("toolUsePromptTokenCount",),)
_OUTPUT: tuple[Path, ...] = (("completion_tokens",), ("output_tokens",), ("eval_count",))
_CANDIDATES: tuple[Path, ...] = (("candidatesTokenCount",), ("responseTokenCount",))
_THOUGHTS: tuple[Path, ...] = (("thoughtsTokenCount",),)
_REASONING: tuple[Path, ...] = (
    ("completion_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "thinking_tokens"),
    ("reasoning_tokens",),
)
_READ_BESIDE: tuple[Path, ...] = (("cache_read_input_tokens",),)
_READ: tuple[Path, ...] = (
    ("prompt_tokens_details", "cached_tokens"),
    ("input_tokens_details", "cached_tokens"),
    ("prompt_cache_hit_tokens",),  # DeepSeek
    ("cached_tokens",),  # Moonshot
    ("cachedContentTokenCount",),
)
_WRITTEN_BESIDE: tuple[Path, ...] = (("cache_creation_input_tokens",), ("cache_write_input_tokens",))
_WRITTEN: tuple[Path, ...] = (
    ("prompt_tokens_details", "cache_write_tokens"),
    ("prompt_tokens_details", "cache_creation_tokens"),
    ("input_tokens_details", "cache_write_tokens"),
)
_WRITTEN_BY_AGE: tuple[Path, ...] = (
    ("cache_creation", "ephemeral_5m_input_tokens"),
    ("cache_creation", "ephemeral_1h_input_tokens"),
)
_TOTAL: tuple[Path, ...] = (("total_tokens",), ("totalTokenCount",))


def merged(known: Mapping[str, object], news: Mapping[str, object]) -> dict[str, object]:
    """Two reports of one reply as one, field by field: a number is never taken back, and what is left out stands."""
    result = dict(known)
    for name, value in news.items():
        before = result.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[name] = merged(before, value)
        elif _is_number(before) and _is_number(value):
            result[name] = max(before, value)
        elif before is None or value not in (None, "", 0, [], {}):
            result[name] = value
    return result


def counted(raw: Mapping[str, object]) -> Usage:
    """The tokens of a usage object. Raises ValueError if one of its counts is no count.

    Parts that are more than their whole stand beside it, and the total is a lower bound: what it has beyond input and
    output was written (thoughts that a server does not count as output), or read, if no input is given.
    """
    read_beside, written_beside = _most(raw, _READ_BESIDE), _most(raw, _WRITTEN_BESIDE)
    cached = max(read_beside, _most(raw, _READ))
    written_beside = max(written_beside, sum(count_at(raw, *path) for path in _WRITTEN_BY_AGE))
    written = max(written_beside, _most(raw, _WRITTEN))
    prompt, plain = _most(raw, _PROMPT), _most(raw, _INPUT)
    whole = max(prompt, plain)
    beside = (not prompt and (read_beside or written_beside)) or cached + written > whole
    input_tokens = whole + (cached + written if beside else 0) + _most(raw, _TOOL_PROMPT)

    thoughts, reasoning = _most(raw, _THOUGHTS), _most(raw, _REASONING)
    output_tokens = max(_most(raw, _OUTPUT), _most(raw, _CANDIDATES) + thoughts)
    if reasoning > output_tokens:
        output_tokens += reasoning

    total = _most(raw, _TOTAL)
    if total > input_tokens + output_tokens and (input_tokens or output_tokens):
        if input_tokens:
            output_tokens = total - input_tokens
        else:
            input_tokens = total - output_tokens
    usage = Usage(input_tokens, output_tokens, cached, written, max(reasoning, thoughts))
    return _with_iterations(usage, raw)


def _with_iterations(usage: Usage, raw: Mapping[str, object]) -> Usage:
    """Anthropic's server-side loops (compaction, advisors) have their tokens in `iterations`, the last one's on top."""
    rounds = raw.get("iterations")
    if not isinstance(rounds, list) or not all(isinstance(each, Mapping) for each in rounds):
        return usage
    parts = [counted(each) for each in rounds]
    return Usage(
        *(
            max(getattr(usage, name), sum(getattr(part, name) for part in parts))
            for name in ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
        )
    )


def _most(raw: Mapping[str, object], paths: Sequence[Path]) -> int:
    most = 0
    for path in paths:
        if path[0] in raw and (count := count_at(raw, *path)) > most:
            most = count
    return most


def count_at(raw: object, *path: str) -> int:
    """The count at a path of keys, at most MOST_TOKENS; 0 if there is none. Raises ValueError for what is no count."""
    value = raw
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            return 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("not a number of tokens")
    return min(value, MOST_TOKENS)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
