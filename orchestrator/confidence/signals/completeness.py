"""Whether an answer is there and whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...reading.phrases import PhraseTable
from ...types import FinishReason
from ..signal import Answer, Signal

# Logits. The penalties that mean "this is no answer" outweigh the baseline and every bonus together.
REFUSED_BY_PROVIDER, REFUSAL, PARTIAL_REFUSAL = -5.0, -2.5, -0.5
TRUNCATED, OPEN_FENCE = -1.7, -1.4
ASKS_BACK = -1.4

SHORT_WORDS = 100
_OPENING_CHARS = 200

_FINISH: dict[FinishReason, tuple[float, str]] = {
    FinishReason.LENGTH: (TRUNCATED, "cut off at the output limit"),
    FinishReason.INCOMPLETE: (TRUNCATED, "cut off before its end"),
    FinishReason.REFUSED: (REFUSED_BY_PROVIDER, "refused or filtered"),
}


class _Phrase(NamedTuple):
    pattern: str


_REFUSING = PhraseTable(
    (
        _Phrase(
            r"i (?:can't|cannot|can not|won't|will not|am unable to|am not able to|must decline to)(?: be able to)?"
            r" (?:help|assist|provide|comply|discuss|fulfil+|answer|complete|create|write|generate|give|support"
            r"|engage|do that|share)"
            r"|i'm (?:unable|not able) to|i am (?:unable|not able) to|i must decline|i have to decline"
            r"|(?:sorry|afraid),? (?:but )?(?:i|that) (?:can't|cannot|won't|is something i can)"
            r"|as an ai(?: (?:language )?model| assistant)?,? i (?:can't|cannot|don't|do not|am|am not)"
            r"|against my (?:guidelines|polic(?:y|ies)|programming)"
        ),
    )
)
_ASKING = PhraseTable(
    (
        _Phrase(
            r"(?:could|can|would) you (?:please )?"
            r"(?:provide|share|clarify|specify|tell me|elaborate|give me|let me know|paste|send|confirm)"
            r"|please (?:provide|share|clarify|specify|paste|upload|tell me|let me know (?:what|which|how|more))"
            r"|what (?:exactly |specifically )?(?:do|did|are|would) you (?:mean|want|need|like|trying|looking)"
            r"|which (?:one |\w+ )?(?:do|did|are|would) you (?:mean|want|need|like|referring|using)"
        ),
    )
)


def completeness(answer: Answer) -> Iterator[Signal]:
    """Cut off, refused, or asked back."""
    if answer.finish_reason in _FINISH:
        logit, reason = _FINISH[answer.finish_reason]
        yield Signal("finish", logit, reason)
    elif answer.prose.open_fence:
        yield Signal("finish", OPEN_FENCE, "ends inside a code block")
    yield from _refusal(answer)
    if answer.word_count < SHORT_WORDS and not answer.is_content and _first(_ASKING, answer.prose.words):
        yield Signal("asks back", ASKS_BACK, "asks for more instead of answering")


def _refusal(answer: Answer) -> Iterator[Signal]:
    words = answer.prose.words[:_OPENING_CHARS] if answer.is_content else answer.prose.words
    if phrase := _first(_REFUSING, words):
        short = answer.word_count < SHORT_WORDS
        yield Signal(
            "refusal", REFUSAL if short else PARTIAL_REFUSAL, f"refuses{'' if short else ' a part'}: '{phrase}'"
        )


def _first(table: PhraseTable[_Phrase], words: str) -> str | None:
    for match in table.find(words):
        return match.text
    return None
