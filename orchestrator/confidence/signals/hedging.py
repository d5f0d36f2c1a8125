"""Doubt and certainty in a model's own words.

Phrases are data: a table with a weight in logits each (patterns follow the rules of `reading.phrases`). Hedges in a
long answer weigh less, since one qualified remark does not make the rest doubtful, except where the model says that
it cannot answer. Certainty counts little, and only where nothing is hedged: models are sure of their mistakes too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from ...expressions import expression
from ...reading.phrases import PhraseTable
from ...reading.prose import Prose
from ..signal import Answer, Hedge, Signal

SOFT, MILD, STRONG, MISSING = 0.2, 0.4, 0.7, 1.2  # logits
HEDGING_CAP = 3.0
CONTENT_FACTOR = 0.5  # for hedges in a text written for somebody
CERTAINTY_FIRST, CERTAINTY_FURTHER, CERTAINTY_CAP = 0.2, 0.1, 0.4
_DAMPED_FROM = 80  # words; each doubling beyond takes half of the weight again as divisor


class _Phrase(NamedTuple):
    weight: float  # logits of doubt, or _CERTAIN
    pattern: str


_CERTAIN = 0.0
_INFORMATION = r"(?:context|information|info|details?|data|specifics|clarification|clarity|background)"
_VERY = r"(?:(?:entirely|completely|totally|fully|quite|very|really|so|too|absolutely|100%|at all) )?"
_I_AM = r"(?:i'm|i am|we're|we are)"

_PHRASES: tuple[_Phrase, ...] = (
    _Phrase(
        MISSING,
        r"(?:(?:i|we)(?:'d| would|'ll| will)? )?needs? (?:some |a (?:little |bit )?)?"
        rf"(?:more|additional|further) {_INFORMATION}"
        rf"|without (?:any )?(?:more|further|additional) {_INFORMATION}"
        rf"|(?:not|(?:do not|don't|doesn't|does not) (?:have|provide)) (?:enough|sufficient) {_INFORMATION}"
        rf"|insufficient {_INFORMATION}"
        r"|i (?:don't|do not) (?:actually )?know|i have no (?:idea|way of knowing|information)"
        r"|i (?:don't|do not) have (?:access to|(?:any |the )?information)"
        r"|i (?:couldn't|could not|can't|cannot) (?:find|determine|verify|confirm|tell)",
    ),
    _Phrase(
        STRONG,
        rf"(?:{_I_AM} )?not {_VERY}(?:sure|certain|confident|positive)|(?:{_I_AM} )?(?:unsure|uncertain)"
        r"|(?:can't|cannot) be (?:sure|certain)|(?:hard|difficult|impossible) to (?:say|know|tell)"
        r"|i (?:may|might|could) be (?:wrong|mistaken)|(?:just|only|my best|an educated) guess|i'd be guessing"
        r"|(?:i|we)(?:'d| would) need to (?:know|see|check|look|verify|ask|understand|have|read|run|review)",
    ),
    _Phrase(
        MILD,
        r"might (?:be|have|not)|possibly(?! (?:empty|null|infinite|zero|negative))|perhaps|maybe"
        r"|i (?:(?:don't |do not )?think(?!,? therefore)|believe|guess|suppose|assume|suspect)|i'd (?:guess|assume|say)"
        r"|(?:it )?seems? (?:like|to|that)|it seems|seemingly|(?:it )?appears? (?:to(?! (?:the|your|my)\b)|that|as)"
        r"|apparently|presumably|would need to|unclear"
        r"|as far as i (?:know|can tell|understand)|afaik|to the best of my (?:knowledge|recollection)"
        r"|if i (?:recall|remember|understand)(?: \w+ly)?|to be (?:confirmed|verified)",
    ),
    _Phrase(SOFT, r"probably|likely|may be|could be|it depends|arguably"),
    _Phrase(
        _CERTAIN,
        r"definitely|certainly(?!!|,? (?:here|i'|i ))|clearly|undoubtedly|unquestionably|indisputably"
        r"|(?:without|beyond) (?:a |any )?doubt|no doubt|proven|established(?! (?:in|by) )|confirmed|verified"
        rf"|guaranteed|well-(?:known|established|documented)|{_I_AM} {_VERY}(?:sure|certain|confident)",
    ),
)
_TABLE = PhraseTable(_PHRASES)

# What stands before a phrase and turns it round ("not uncertain"), or says that the doubt is somebody else's.
_NEGATED = expression(
    r"(?:\bnot|\bnever|\bhardly|\bno longer|\bcannot|\bnor|\w+n't|\byet to|\bnothing)"
    r"(?: (?:at|all|really|very|so|that|entirely|completely|fully|particularly|necessarily|yet|be|been|being))* $"
)
_OTHERS = expression(
    r"\b(?:you|you're|you are|you were|you'd|you feel|they|they're|they are|someone|anyone|who is|who are) (?:still )?$"
)


def find_hedges(prose: Prose) -> Iterator[Hedge]:
    """The phrases of doubt in a text's own words, without those that are negated or about the reader."""
    for weight, phrase, before in _found(prose.words):
        if weight != _CERTAIN and not _OTHERS.search(before):
            starts_with_author = phrase.startswith(("i ", "i'", "we "))
            if starts_with_author or not _NEGATED.search(before):
                yield Hedge(phrase, weight, damped=weight != MISSING)


def hedging(answer: Answer) -> Iterator[Signal]:
    """Doubt, and certainty where there is none."""
    if answer.hedges:
        weight = sum(hedge.weight / (_damping(answer.word_count) if hedge.damped else 1) for hedge in answer.hedges)
        factor = CONTENT_FACTOR if answer.is_content else 1
        phrases = _listed(hedge.phrase for hedge in answer.hedges)
        yield Signal("hedging", -min(HEDGING_CAP, weight * factor), f"hedges: {phrases}")
        return
    sure = [
        phrase
        for weight, phrase, before in _found(answer.prose.words)
        if weight == _CERTAIN and not _NEGATED.search(before)
    ]
    if sure:
        certainty = min(CERTAINTY_CAP, CERTAINTY_FIRST + CERTAINTY_FURTHER * (len(sure) - 1))
        yield Signal("certainty", certainty, f"sure of itself: {_listed(sure)}")


@lru_cache(2)  # doubt is looked for first, and certainty where there is none
def _found(words: str) -> tuple[tuple[float, str, str], ...]:
    """Weight, phrase, and up to 40 characters that stand before it in the same line."""
    return tuple(
        (match.row.weight, match.text, words[max(0, match.start - 40) : match.start].rpartition("\n")[2])
        for match in _TABLE.find(words)
    )


def _damping(word_count: int) -> float:
    return 1 + max(0.0, math.log2(max(1, word_count) / _DAMPED_FROM)) / 2


def _listed(phrases: Iterable[str]) -> str:
    counts = Counter(phrases).most_common(5)
    return ", ".join(f"'{phrase}' (x{count})" if count > 1 else f"'{phrase}'" for phrase, count in counts)
