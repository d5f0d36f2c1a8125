"""How many tokens of reply there is room for, in the words of an error that turned a request away for its limit."""

from __future__ import annotations

import re

from ..expressions import expression

_N = r"`?(\d[\d,]*)"
_PARAMETER = r"max_?(?:completion_?|output_?|new_?)?tokens"

# What the reply may have at most: of a model, a key, a credit.
_MOST = tuple(
    expression(pattern, re.IGNORECASE)
    for pattern in (
        rf"at most {_N} (?:completion|output) tokens",  # OpenAI
        rf"{_PARAMETER}: \d[\d,]* > {_N}",  # Anthropic
        rf"{_PARAMETER}`? must be less than or equal to {_N}",  # Groq
        rf"range of {_PARAMETER} is \[1, ?{_N}\]",  # DeepSeek
        rf"can only afford {_N}",  # OpenRouter, HTTP 402
    )
)
_BELOW = expression(rf"from 1 \(inclusive\) to {_N} \(exclusive\)", re.IGNORECASE)  # Gemini
_SUM = expression(r"(\d[\d,]*) \+ \d[\d,]* > (\d[\d,]*)")  # Anthropic: input + limit > window
_WINDOW = tuple(
    expression(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:maximum|max|model'?s?) context (?:length|window|size)\D{{0,40}}?{_N}",
        rf"must be <= {_N}\. Given",  # TGI
    )
)
_GIVEN = tuple(
    expression(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_N} (?:tokens )?(?:in|from|of) (?:the |your )?(?:input |text )?(?:messages|prompt|input)",
        rf"{_N}`? `?inputs?`? tokens",
    )
)
_TOTAL = expression(rf"requested (?:about |a total of )?{_N} tokens", re.IGNORECASE)


def reply_room(text: str, asked: int) -> int | None:
    """The tokens that a reply may have by an error's words, if that is fewer than were `asked` for and more than none.
    None if the words do not say."""
    room = _first(_MOST, text)
    if room is None and (found := _BELOW.search(text)):
        room = _number(found[1]) - 1
    if room is None and (found := _SUM.search(text)):
        room = _number(found[2]) - _number(found[1])
    if room is None and (window := _first(_WINDOW, text)) is not None:
        given = _first(_GIVEN, text)
        if given is None and (found := _TOTAL.search(text)):
            given = _number(found[1]) - asked
        room = None if given is None else window - given
    return room if room is not None and 0 < room < asked else None


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> int | None:
    return next((_number(found[1]) for pattern in patterns if (found := pattern.search(text))), None)


def _number(digits: str) -> int:
    return int(digits.replace(",", ""))
