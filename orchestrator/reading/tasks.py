"""What kind of task a prompt is: a closed set, chosen by the strongest evidence, then by what is said first.

Each row of the table is a phrase with a strength: 3 an order that names the task ("summarise"), 2 an order or topic
that mostly means it, 1 a hint. The strongest phrase found decides; among equals the first in the text does, since
"write a function that translates" asks for code and "translate the function's comments" does not.
"""

from __future__ import annotations

from typing import NamedTuple

from ..types import Task
from .phrases import PhraseTable
from .prose import Prose, count_words
from .vocabulary import (
    ARITHMETIC,
    DEBUG,
    DESIGN,
    HOW_TO,
    PROGRAM,
    QUALIFIERS,
    SENTENCE_START,
    SUMMARISE,
    TRADE_OFFS,
    WHICH_IS_BEST,
    WHY_IT_FAILS,
    YES_NO_VERB,
    order,
)


class Evidence(NamedTuple):
    """One row: what a phrase says of the task, and how strongly."""

    task: Task
    strength: int
    pattern: str


_PROGRAMMING_LANGUAGE = (
    r"(?:python|javascript|typescript|java|kotlin|swift|rust|golang|go|ruby|php|perl|scala|haskell|bash|sql|c\+\+|c#|c)"
)
_TEXT = (
    r"(?:e-?mails?|letters?|essays?|articles?|(?:blog )?posts?|stor(?:y|ies)|poems?|haikus?|songs?|lyrics"
    r"|speech(?:es)?|press releases?|paragraphs?|tweets?|slogans?|taglines?|descriptions?|jokes?|limericks?)"
)

_EVIDENCE: tuple[Evidence, ...] = (
    Evidence(
        Task.CODE,
        3,
        rf"(?:write|generate|create|build|make|produce|implement){QUALIFIERS} {PROGRAM}|refactor(?:ing)?"
        rf"|(?:write|implement|solve)\b[^.?!\n]{{0,80}}? (?:in|using) {_PROGRAMMING_LANGUAGE}"
        rf"|(?:translate|port|convert|rewrite)\b[^.?!\n]{{0,60}}? (?:in|to|into) {_PROGRAMMING_LANGUAGE}",
    ),
    Evidence(
        Task.DEBUGGING,
        3,
        rf"{DEBUG}|{WHY_IT_FAILS}|root[ -]causes?|tests? fail(?:s|ing)?|find (?:the|a|any) bugs?"
        r"|fix(?:ing)?\b[^.?!\n]{0,40}? (?:bugs?|errors?|code|functions?|tests?|crash(?:es)?|issues?)",
    ),
    Evidence(Task.MATH, 3, rf"prov(?:e|ing)|deriv(?:e|ing)|calculat(?:e|ing)|{ARITHMETIC}"),
    Evidence(
        Task.RESEARCH, 3, order("research") + r"|(?:systematic|literature) (?:reviews?|surveys?)|meta-analys[ie]s"
    ),
    Evidence(Task.TRANSLATION, 3, r"translat(?:e|ing|ions?)|how do (?:you|i) say"),
    Evidence(Task.SUMMARY, 3, rf"{SUMMARISE}|key (?:points|takeaways)"),
    Evidence(
        Task.CLASSIFICATION,
        3,
        r"classif(?:y|ying)|categori[sz](?:e|ing)|label(?:ling|ing)? (?:the|this|these|each)|sentiments?"
        r"|is (?:this|it) (?:spam|positive|negative|toxic)",
    ),
    Evidence(
        Task.EXTRACTION,
        3,
        r"extract(?:ing)?|pull out|parse out"
        r"|(?:list|find|identify|get) (?:all |every |each |the )+\w+[^.?!\n]{0,60}? (?:in|from) (?:the|this|these)",
    ),
    Evidence(
        Task.PLANNING,
        3,
        rf"{DESIGN}|" + order("plan") + r"|plan(?:ning)? (?:a|an|the|for|my|our)"
        r"|(?:an?|the|my|our|me) (?:\w+ ){0,3}?(?:roadmap|strategy|schedule|itinerary|agenda|plan)",
    ),
    Evidence(
        Task.WRITING,
        3,
        rf"(?:write|draft|compose|create|generate|tell){QUALIFIERS} {_TEXT}"
        r"|rephras(?:e|ing)|paraphras(?:e|ing)|proofread",
    ),
    Evidence(
        Task.ANALYSIS,
        3,
        r"compar(?:e|ing|isons?)|contrast(?:ing)?|evaluat(?:e|ing|ions?)|assess(?:ing)?|analy[sz](?:e|ing)"
        r"|critiqu(?:e|ing)|should (?:i|we|you|they|(?:my|our|the|a) \w+)|versus|vs"
        rf"|{TRADE_OFFS}|{WHICH_IS_BEST}",
    ),
    Evidence(Task.EXPLANATION, 3, r"explain(?:ing)?|describ(?:e|ing)|teach me|eli5"),
    Evidence(
        Task.CODE,
        2,
        rf"implement(?:ing)?|optimi[sz]e(?: \w+){{0,4}} {PROGRAM}|code review|review\b[^.?!\n]{{0,30}} code",
    ),
    Evidence(
        Task.MATH,
        2,
        r"compute|solve|equations?|integrals?|derivatives?|theorems?|probability|square roots?|percent(?:age)?s?"
        r"|how (?:many|much)\b[^?\n]{0,80}?[0-9]|sum of|factorials?|prime numbers?",
    ),
    Evidence(Task.WRITING, 2, r"(?:re)?writ(?:e|ing)|draft(?:ing)?|compos(?:e|ing)|edit(?:ing)?"),
    Evidence(Task.ANALYSIS, 2, r"analysis|optimi[sz](?:e|ing)|review(?:ing)?|recommend|justif(?:y|ication)"),
    Evidence(Task.PLANNING, 2, r"brainstorm(?:ing)?|outlin(?:e|ing)|roadmaps?|schedules?"),
    Evidence(Task.EXPLANATION, 2, rf"{HOW_TO}|why|differences? between"),
    Evidence(Task.DEBUGGING, 1, r"(?:stack ?traces?|tracebacks?|exceptions?|segfaults?|bugs?)"),
    Evidence(
        Task.CODE, 1, rf"(?:regex|sql|api|html|css|schema|{_PROGRAMMING_LANGUAGE} (?:code|function|script|program))"
    ),
    Evidence(Task.QUESTION, 1, r"what|who|whom|whose|when|where|which|how (?:many|much|old|long|far|tall|big|often)"),
    Evidence(
        Task.QUESTION, 1, "|".join(map(order, ("list", "name", "define", "identify"))) + "|definition of|capital of"
    ),
    Evidence(Task.QUESTION, 1, SENTENCE_START + YES_NO_VERB),
)

_TABLE = PhraseTable(_EVIDENCE)


def classify(prose: Prose) -> Task:
    """The task of a prompt, from its own words; without a phrase of the table, from the code in it."""
    best = max(_TABLE.find(prose.words), key=lambda match: match.row.strength, default=None)  # the first of equals
    pasted = prose.logs > 0 or prose.code > 0
    if best is not None and (best.row.strength > 1 or not pasted):
        return best.row.task
    if pasted:
        return Task.DEBUGGING if prose.logs else Task.CODE
    return Task.QUESTION if prose.words.rstrip().endswith(("?", "？")) and count_words(prose.words) > 2 else Task.CHAT
