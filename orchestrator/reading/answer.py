"""What answer a prompt asks for: its form, and how long it is expected to be."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from ..expressions import expression
from ..types import Level, Task
from .phrases import PhraseTable
from .prose import Prose
from .vocabulary import ARITHMETIC, HOW_TO, SENTENCE_START, YES_NO_VERB


class AnswerForm(StrEnum):
    """The form that an answer is asked to have. All but OPEN, LIST and CODE may be as short as one word."""

    OPEN = "open"
    BRIEF = "brief"  # asked to be short, or short by its nature: a label, a translation, small talk
    NUMBER = "number"
    NAME = "name"  # a name, place, date or other fact
    YES_NO = "yes or no"
    CHOICE = "one of the options given"
    LIST = "list"  # of names, as many as are asked for
    CODE = "code"
    JSON = "JSON"

    @property
    def may_be_short(self) -> bool:
        """Whether an answer of this form may be a single word."""
        return self not in (AnswerForm.OPEN, AnswerForm.LIST, AnswerForm.CODE)


class _Sign(NamedTuple):
    form: AnswerForm
    stated: bool  # in so many words, and not only by the way of asking
    pattern: str


_IS = r"(?:is|are|was|were|has|have|had|did|does)"
# "What is the history of ..." asks for more than a name.
_OPEN_NOUN = (
    r"(?:history|meaning|purpose|impact|role|significance|process|structure|theory|relationship|causes?|effects?"
    r"|point|concept|idea|differences?|benefits?|best|main|story|state|importance|implications?)\b"
)
_ASKED = rf"{SENTENCE_START}{YES_NO_VERB}(?! you )\b"

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS = {word: number for number, word in enumerate(_WORDS, start=1)} | {"a single": 1, "a dozen": 12, "twenty": 20}
_HOW_MANY = rf"(?:[1-9][0-9]?|{'|'.join(_NUMBERS)})"
# What a name alone says too little of.
_TOLD = (
    r"(?:reasons?|ways?|steps?|arguments?|pros|cons|(?:dis)?advantages?|strateg(?:y|ies)|techniques?|tips?|methods?"
    r"|factors?|challenges?|risks?|consequences?|requirements?|rules?|principles?|recommendations?|facts?|ideas?"
    r"|issues?|problems?|questions?|sentences?|paragraphs?|stories|jokes?|poems?|lines?|features?|properties)\b"
)
_LISTED = (
    rf"(?:{SENTENCE_START}(?:please )?(?:list|name|give(?: me)?|mention|enumerate|cite|tell me|suggest)"
    r"(?: the| all| any| some| a few| just| only| exactly| at least| up to)*"
    rf"|{SENTENCE_START}(?:what|which) are the)(?: first| top| last)?"
)
_LIST_OF = rf"{_LISTED}(?: {_HOW_MANY})? (?!(?:an?|your?|it|this|that)\b|(?:\w+ )?(?:{_OPEN_NOUN}|{_TOLD}))\w+"
_ITEMS = expression(rf"{_LISTED} ({_HOW_MANY}) ", re.IGNORECASE)

# The earliest row that a prompt has any phrase of decides. So what asks for reasons is open whatever else it asks
# for, unless it also asks to be brief.
_SIGNS: tuple[_Sign, ...] = (
    _Sign(
        AnswerForm.JSON,
        True,
        r"(?:as|in|into|return|output|respond with|reply with|only|valid) (?:an? )?(?:valid )?json",
    ),
    _Sign(
        AnswerForm.BRIEF,
        True,
        r"(?:in|with|using) (?:just |only |exactly |at most )?(?:one|a single|two|three|[1-3]) (?:words?|sentences?)"
        r"|one[- ]word answer|(?:only|just) (?:give|answer|reply|respond|output|return|print|say|the)"
        r"|(?:answer|reply|output|result|number|name) only|no explanations?|without (?:any )?explanation"
        r"|(?:be|very|as) (?:brief|concise|short)|briefly|short answer|tl;?dr|say(?= \ufffc)",
    ),
    _Sign(
        AnswerForm.CHOICE,
        True,
        r"true or false|which of (?:the following|these)|(?:choose|pick|select) (?:one|from|between)",
    ),
    _Sign(AnswerForm.YES_NO, True, r"yes or no|yes/no"),
    _Sign(
        AnswerForm.OPEN,
        True,
        rf"why|{HOW_TO}|explain|describe|discuss|compare|justify|analy[sz]e|prove|derive"
        r"|step[ -]by[ -]step|show (?:your|the) (?:work|steps|reasoning)|in detail|detailed|elaborate|design|should",
    ),
    _Sign(
        AnswerForm.NUMBER,
        False,
        rf"{ARITHMETIC}|how (?:many|much|old|long|far|tall|big|often)|calculate|compute|count(?:ing)?|solve",
    ),
    _Sign(
        AnswerForm.NAME,
        False,
        rf"{SENTENCE_START}(?:who|whom|whose|where|when)\b|name (?:the|an?|one)|find the \w+|(?:what|which) \w+ {_IS}"
        r"|what (?:year|date|day|time|colou?r|city|country|language|name)"
        rf"|(?:what|who)(?: {_IS}|'s) the (?!{_OPEN_NOUN})\w+(?: \w+)? (?:of|in|for)",
    ),
    _Sign(
        AnswerForm.NAME,
        False,
        rf"{SENTENCE_START}which (?:one |of them )?{_IS}(?: the)? (?:\w+er|\w+est|more|less|better|worse|most|least)\b",
    ),
    _Sign(AnswerForm.LIST, False, _LIST_OF),
    _Sign(AnswerForm.CHOICE, False, rf"{_ASKED}[^?\n]{{1,200}} or [^?\n]{{1,200}}\?"),
    _Sign(AnswerForm.YES_NO, False, rf"{_ASKED}[^?\n]{{1,300}}\?"),
)
_SIGN_TABLE = PhraseTable(_SIGNS)
# A question for a fact may be answered with the fact; an essay that asks one on its way may not.
_FACTUAL = frozenset((Task.QUESTION, Task.MATH, Task.CLASSIFICATION, Task.EXTRACTION, Task.CHAT))
_TASK_FORMS: dict[Task, AnswerForm] = {
    Task.CODE: AnswerForm.CODE,
    Task.CLASSIFICATION: AnswerForm.BRIEF,
    Task.TRANSLATION: AnswerForm.BRIEF,
    Task.EXTRACTION: AnswerForm.BRIEF,
    Task.CHAT: AnswerForm.BRIEF,
}

# Expected tokens of the visible answer, by task, for basic, intermediate, advanced and expert prompts. Reasoning
# tokens are not included. The scale is that of recorded conversations: answers average 215 tokens in LMSYS-Chat-1M
# (2023) and 441 in WildChat (2024); the spread between tasks and levels is our own judgement, until recorded outcomes
# replace it.
_OUTPUT_TOKENS: dict[Task, tuple[int, int, int, int]] = {
    Task.MATH: (60, 250, 600, 1_200),
    Task.CODE: (200, 450, 900, 1_600),
    Task.DEBUGGING: (200, 400, 700, 1_100),
    Task.RESEARCH: (300, 600, 1_000, 1_800),
    Task.PLANNING: (250, 500, 900, 1_500),
    Task.WRITING: (150, 350, 700, 1_200),
    Task.EXTRACTION: (60, 120, 200, 300),
    Task.TRANSLATION: (30, 40, 60, 80),
    Task.SUMMARY: (80, 150, 250, 400),
    Task.CLASSIFICATION: (10, 20, 60, 120),
    Task.ANALYSIS: (200, 400, 700, 1_200),
    Task.EXPLANATION: (150, 350, 600, 1_000),
    Task.QUESTION: (50, 150, 350, 700),
    Task.CHAT: (100, 250, 450, 800),
}
# Some answers also grow with what they are made from: tokens of answer for each token of prompt.
_PER_INPUT_TOKEN: dict[Task, float] = {
    Task.TRANSLATION: 1.0,
    Task.SUMMARY: 0.1,
    Task.EXTRACTION: 0.1,
    Task.CODE: 0.1,
    Task.DEBUGGING: 0.1,
    Task.WRITING: 0.1,
}
_SHORT_FORM_TOKENS = 40  # a model that is asked for a word often gives a sentence
_LONGEST = 8_000

# Not the length of what is given: "this 5,000-word report".
_GIVEN = "".join(f"(?<!{word} )" for word in ("this", "the", "my", "our", "following", "attached"))
_COUNT = rf"(?<![\w,.]){_GIVEN}([0-9]{{1,2}},[0-9]{{3}}|[0-9]{{1,5}}|one|two|three|four|five|a single)"
_LENGTHS: tuple[tuple[str, str, float], ...] = (
    ("word", rf"{_COUNT}[ -]words?\b", 4 / 3),  # a token is 3/4 of a word
    ("sentence", rf"{_COUNT}[ -](?:\w+ )?sentences?\b", 27),
    ("paragraph", rf"{_COUNT}[ -](?:\w+ )?paragraphs?\b", 110),
    ("page", rf"{_COUNT}[ -]pages?\b", 650),
)


def answer_form(prose: Prose, task: Task) -> AnswerForm:
    """The form of answer that a prompt asks for; OPEN where nothing says otherwise."""
    signs = (match for match in _SIGN_TABLE.find(prose.words) if match.row.stated or task in _FACTUAL)
    first = min(signs, key=lambda match: match.place, default=None)
    if first is None or first.row.form is AnswerForm.OPEN or task is Task.CODE:
        return _TASK_FORMS.get(task, AnswerForm.OPEN)
    return _TASK_FORMS.get(task, AnswerForm.LIST) if first.row.form is AnswerForm.LIST else first.row.form


def items_asked_for(prose: Prose) -> int | None:
    """How many items a prompt asks to be listed; None if it gives no number."""
    found = _ITEMS.search(prose.words)
    return None if found is None else _count_of(found[1])


def expected_output_tokens(task: Task, level: Level, input_tokens: int, prose: Prose, form: AnswerForm) -> int:
    """Tokens that the answer is expected to have: the length asked for, else by form, task, level and input."""
    asked = _length_asked_for(prose.words)
    if asked is not None:
        return min(_LONGEST, max(1, asked))
    if form in (AnswerForm.NUMBER, AnswerForm.NAME, AnswerForm.YES_NO, AnswerForm.CHOICE):
        return min(_SHORT_FORM_TOKENS, _OUTPUT_TOKENS[task][level.rank])
    usual = _OUTPUT_TOKENS[task][level.rank] + int(_PER_INPUT_TOKEN.get(task, 0) * input_tokens)
    return min(_LONGEST, usual)


def _length_asked_for(words: str) -> int | None:
    for unit, pattern, tokens in _LENGTHS:
        if unit in words and (match := re.search(pattern, words)):
            return round(tokens * _count_of(match[1]))
    return None


def _count_of(number: str) -> int:
    number = number.lower().replace(",", "")
    return _NUMBERS[number] if number in _NUMBERS else int(number)
