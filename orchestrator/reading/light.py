"""A question in the light of what went before it: "yes, do it" is as hard as what it says yes to. Pure.

A short question that points back (it, that, the same, again), goes on (and, continue, now in Python) or answers (yes,
the second) leans on what went before. It is read with that: what the user asked before, and the end of the answer,
where it proposes something or asks back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..conversation import Message, Prompt
from ..expressions import expression

_LONG = 40  # words: a question that is longer says itself what it wants
_ANSWER_END = 1_500  # characters of an answer's end: what it proposes stands there
_MOST_BACK = 4  # questions that lean on one another
_ASKED = 12_000  # characters of one earlier question: what is longer is material

# In lower case, at the head of the question.
_OPENS = expression(
    r"(?:yes|yep|yeah|yup|sure|ok(?:ay)?|please|go (?:ahead|on|for it)|continue|proceed|do (?:it|that|so|this|both|all)"
    r"|no\b|nope|not (?:that|quite)|but|and|also|so|then|now|next|again|more|another|why|how so|how come|what about"
    r"|how about|what if|in that case|instead|same|the (?:first|second|third|last|former|latter|other|same|next)"
    r"|option|both|neither|all of|shorter|longer|simpler|try|fix|explain|expand|elaborate|summari[sz]e|rewrite"
    r"|translate|thanks|thank you|great|perfect|good|nice"
    r"|ja\b|nein|weiter|mach|und|aber|oui|non\b|continuez?|et\b|mais|s[ií]\b|sigue|contin[uú]a|y\b|pero)\b",
    re.IGNORECASE,
)
_POINTS = expression(
    r"\b(?:it|its|that|this|these|those|them|they|he|she|his|her|their|the same|above|previous|earlier|before|again"
    r"|instead|you (?:said|wrote|mentioned|suggested|proposed)|your (?:answer|code|suggestion|last|plan|version)"
    r"|one|ones|das|dies(?:e[mnrs]?)?|ça|cela|eso|esto)\b",
    re.IGNORECASE,
)
_BARE = 3  # words: so short a question says too little by itself


def in_light(prompt: Prompt) -> str:
    """What tells how hard the question is: by itself, or with what it leans on. Files that are attached do not."""
    return prompt.asked if prompt.is_alone else _with_before(prompt.asked, prompt.before)


def leans(question: str) -> bool:
    """Whether a question says what it wants only together with what went before."""
    words = question.split(maxsplit=_LONG)
    if len(words) > _LONG or "```" in question:
        return False
    return len(words) <= _BARE or bool(_OPENS.match(question.lstrip()) or _POINTS.search(question))


def _with_before(question: str, before: Sequence[Message]) -> str:
    texts = [question]
    at = len(before)
    while leans(texts[0]) and len(texts) <= 2 * _MOST_BACK:
        answer, asked, at = _exchange(before[:at])
        if asked is None:
            break
        texts = [asked[:_ASKED], answer, *texts]
    return "\n\n".join(text for text in texts if text.strip())


def _exchange(turns: Sequence[Message]) -> tuple[str, str | None, int]:
    """The end of the last answer and the question that it was to, with the latter's place; None if there is none."""
    answer = ""
    for place in reversed(range(len(turns))):
        turn = turns[place]
        if turn.role == "assistant" and not answer:
            answer = turn.content[-_ANSWER_END:]
        elif turn.role == "user" and turn.content.strip():
            return answer, turn.content, place
    return "", None, 0
