"""A question in the light of what went before it: "yes, do it" is as hard as what it says yes to. Pure.

A question that goes on (and, continue), answers (yes, the second), says that it points back (your answer, above) or is
short and has a pronoun for what it is about leans on what went before. It is read with that: what the user asked
before and, if it agrees, what the end of the answer offers or asks back. The words are English, with a few of
German, French and Spanish; a question in another language is read by itself unless it is very short.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..conversation import Message, Prompt
from ..expressions import expression

_LONG = 40  # words: a question that is longer says itself what it wants
_SHORT = 12  # words of one in which a pronoun has hardly anything of its own to stand for
_BARE = 2  # words: so short a question says too little by itself
_ANSWER_END = 1_500  # characters of an answer's end: what it offers stands there
_MOST_BACK = 4  # questions that lean on one another
_ASKED = 12_000  # characters of one earlier question: what is longer is material

# At the head of a question that goes on or answers.
_GOES_ON = expression(
    r"(?:yes|yep|yeah|yup|sure|ok(?:ay)?|go (?:ahead|on|for)|continue|proceed|carry on|keep going"
    r"|(?:please )?(?:do|try) (?:it|that|so|this|both|all|the)|no\b|nope|not (?:that|quite)|but|and|also|so|then"
    r"|next|again|more|another|how so|how come|(?:what|how) about|what if|why not|in that case|instead|same|both"
    r"|neither|the same|the (?:first|second|third|last|former|latter|other|next)|option|shorter|longer|simpler|thanks"
    r"|thank you|great|perfect|good|nice|elaborate|expand"
    r"|ja\b|nein\b|weiter\b|und\b|aber\b|oui\b|non\b|et\b|mais\b|s[ií]\b|sigue|contin[uú]a|y\b|pero\b)\b",
    re.IGNORECASE,
)
# One that says yes to what the answer before it offers.
_AGREES = expression(
    r"(?:yes|yep|yeah|yup|sure|ok(?:ay)?|please|go (?:ahead|on|for)|continue|proceed|do (?:it|that|so|this|both|all)"
    r"|both|the (?:first|second|third|last|former|latter|other)|option|great|perfect|good|nice|ja\b|oui\b|s[ií]\b)\b",
    re.IGNORECASE,
)
_SENTENCE = expression(r"[^.?!\n]+[.?!]?")
_OFFERS = expression(
    r"\b(?:shall|should i|would you|do you want|want me|let me know|i (?:can|could|will|would)|i'll|i'd|let me"
    r"|we (?:can|could|should)|you (?:can|could)|option \w+|next step)\b",
    re.IGNORECASE,
)
# Anywhere in one: it says itself that it points back.
_SAYS_SO = expression(
    r"\b(?:(?<!of the )above|previous(?:ly)?|earlier|as before|once more"
    r"|you (?:said|wrote|mentioned|suggested|proposed|gave)"
    r"|your (?:\w+ )?(?:answer|code|suggestion|plan|version|reply|example|solution|list|proposal))\b",
    re.IGNORECASE,
)
# In a short one, near its head or at its end: elsewhere it mostly stands for something in the question itself. `that`
# mostly begins a clause, and points where it stands for a thing.
_POINTER = (
    r"(?:it|its|it's|them|they|those|these|this|he|she|his|her|their|again|instead|ones|das|dies(?:e[mnrs]?)?|ça|cela"
    r"|eso|esto)"
)
_THAT = (
    r"(?:^|\b(?:about|of|with|for|to|is|was|does|do|did|like|make|fix|explain|use|and|in|on|from|than|why|how|what's"
    r"|if|mean|means|try|change|translate|summari[sz]e) )that\b(?! (?:is|are|was|were|has|have|can)\b)"
)
_NEAR_HEAD = expression(rf"(?:\S+ ){{0,3}}{_POINTER}\b(?! of\b)", re.IGNORECASE)
_AT_END = expression(rf"\b{_POINTER}\W*$", re.IGNORECASE)
_POINTS_TO_THAT = expression(_THAT, re.IGNORECASE)


def in_light(prompt: Prompt) -> str:
    """What tells how hard the question is: by itself, or with what it leans on. Files that are attached do not."""
    return prompt.asked if prompt.is_alone else _with_before(prompt.asked, prompt.before)


def leans(question: str) -> bool:
    """Whether a question says what it wants only together with what went before. One that brings its own material,
    after a colon or on further lines, does not."""
    text = " ".join(question.split(maxsplit=_LONG))
    words = text.count(" ") + 1
    if words > _LONG or "```" in question:
        return False
    if words <= _BARE:
        return True
    if "\n" in question.strip() and words > _SHORT:
        return False
    if _GOES_ON.match(text) or _SAYS_SO.search(text):
        return True
    if words > _SHORT or not {":", "\n", '"'}.isdisjoint(question.strip()):
        return False
    return any(points.search(text) for points in (_AT_END, _POINTS_TO_THAT)) or bool(_NEAR_HEAD.match(text))


def _with_before(question: str, before: Sequence[Message]) -> str:
    texts = [question]
    at = len(before)
    while leans(texts[0]) and len(texts) <= 2 * _MOST_BACK:
        answer, asked, at = _exchange(before[:at])
        if asked is None:
            break
        texts = [asked[:_ASKED], _proposed(answer) if _AGREES.match(texts[0].lstrip()) else "", *texts]
    return "\n\n".join(text for text in texts if text.strip())


def _proposed(answer: str) -> str:
    """What an answer offers or asks back, at its end: that is what a yes says yes to."""
    sentences = (found.group().strip() for found in _SENTENCE.finditer(answer[-_ANSWER_END:]))
    return " ".join(sentence for sentence in sentences if sentence.endswith("?") or _OFFERS.search(sentence))


def _exchange(turns: Sequence[Message]) -> tuple[str, str | None, int]:
    """The last answer and the question that it was to, with the latter's place; None if there is none."""
    answer = ""
    for place in reversed(range(len(turns))):
        turn = turns[place]
        if turn.role == "assistant" and not answer:
            answer = turn.content
        elif turn.role == "user" and turn.content.strip():
            return answer, turn.content, place
    return "", None, 0
