"""What in a prompt's words says how hard it is: the table of indicators, as data.

Patterns follow the rules of `phrases`. American and British spellings and the forms of a verb that ask for something
("compare", "comparing", "comparison") count; past forms that describe ("compared with", "designed by") do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..expressions import expression
from ..types import Level
from .phrases import Match, PhraseTable
from .vocabulary import (
    DEBUG,
    DESIGN,
    HOW_TO,
    PROGRAM,
    QUALIFIERS,
    SUMMARISE,
    TRADE_OFFS,
    WHICH_IS_BEST,
    WHY_IT_FAILS,
    order,
)


class Indicator(NamedTuple):
    """One row: the level that a phrase asks for, its name in explanations, and what it looks like."""

    level: Level
    name: str
    pattern: str


_SMALL_NUMBER = r"(?:three|four|five|six|seven|eight|nine|ten)"
_MANY = rf"(?:multiple|several|various|many|numerous|{_SMALL_NUMBER}|[3-9] (?!and |or |to |with )[a-z])"
_DEEPLY = (
    r"(?:deep(?:ly)?|in-depth|thorough(?:ly)?|rigorous(?:ly)?|exhaustive(?:ly)?|systematic(?:ally)?|critical(?:ly)?)"
)
_ANALYSE = r"analy[sz](?:e|ing|is)"
_OWNED = "".join(f"(?<!{owner} research)" for owner in ("this", "that", "my", "our", "your", "his", "her", "their"))

_PATTERNS: dict[Level, dict[str, str]] = {
    Level.EXPERT: {
        "research": rf"research{_OWNED}(?:ing)?(?! (?:papers?|articles?|groups?|labs?|institutes?|grants?)\b)",
        "analyse deeply": (
            rf"{_ANALYSE}(?: \w+){{0,6}}? (?:{_DEEPLY}|in (?:great |full )?(?:depth|detail))|{_DEEPLY} {_ANALYSE}"
            r"|critically (?:evaluate|assess|examine)"
        ),
        "comprehensive": r"comprehensive(?:ly)?|exhaustive(?:ly)?",
        "compare multiple": rf"compar(?:e|ing|isons? of)(?: and \w+)?(?: all)?(?: the)?(?: these)? {_MANY}",
        "systematic review": r"(?:systematic|literature) (?:reviews?|surveys?)|meta-analys[ie]s",
        "prove": (
            r"(?:dis)?prov(?:e|ing)(?! (?:you|me|him|her|them|us)\b)"
            r"|proofs?(?! of (?:concept|work|stake|purchase|delivery|address|identity|payment|residence))"
        ),
        "derive": r"deriv(?:e|ing|ations?)",
        "formalise": r"formali[sz](?:e|ing|ations?)|formal(?:ly)? (?:verif(?:y|ication)|specif(?:y|ication))",
        "multi-step analysis": r"multi-?(?:step|stage) (?:analys[ie]s|problems?|reasoning|evaluations?)",
        "first principles": r"from first principles",
    },
    Level.ADVANCED: {
        "explain why": r"explain(?:ing)?(?: to me)?(?: \w+)? why|justif(?:y|ication)",
        "implement": r"implement(?:ing|ations?)?",
        "design": rf"{DESIGN}|(?:system|software|cloud) architectures?",
        "debug": DEBUG,
        "root cause": r"root[ -]causes?|diagnos(?:e|ing|is)",
        "why it fails": WHY_IT_FAILS,
        "compare": r"compar(?:e|ing|isons?)|contrast(?:ing)?|versus|vs",
        "evaluate": r"evaluat(?:e|ing|ions?)|assess(?:ing|ments?)?|critiqu(?:e|ing)",
        "optimise": r"optimi[sz](?:e|ing|ations?)|refactor(?:ing)?",
        "analyse": r"analy[sz](?:e|ing)|analysis",
        "trade-offs": TRADE_OFFS,
        "weigh": r"should (?:i|we|you|they|(?:my|our|the|a) \w+)(?=[^.?!\n]{0,120}? or\b)",
        "which is best": WHICH_IS_BEST,
        "strategy": (
            r"(?:develop|devise|propose|create|build|draft|write)(?: an?)?(?: \w+){0,3}?"
            r" (?:strategy|roadmap|architecture)"
        ),
    },
    Level.INTERMEDIATE: {
        "write code": rf"(?:write|generate|create|build|make|produce){QUALIFIERS} {PROGRAM}",
        "write": r"(?:re)?writ(?:e|ing)|draft(?:ing)?|compos(?:e|ing)|rephras(?:e|ing)|paraphras(?:e|ing)",
        "summarise": SUMMARISE,
        "calculate": r"calculat(?:e|ing|ions?)|compute|estimat(?:e|ing|ion)",
        "list": (order("list") + rf"(?:ing)?|enumerat(?:e|ing)|name (?:two|{_SMALL_NUMBER}|[0-9]+)"),
        "identify": r"identif(?:y|ying)|extract(?:ing)?|classif(?:y|ying|ication)|categori[sz](?:e|ing)",
        "solve": r"solv(?:e|ing)",
        "explain": r"explain(?:ing)?|explanations?|describ(?:e|ing)|elaborate|differences? between",
        "translate": r"translat(?:e|ing|ions?)",
        "how": HOW_TO,
        "why": r"why",
        "should": r"should (?:i|we|you|they)",
        "create": "|".join(order(verb) for verb in ("create", "generate", "build", "make me", "develop")),
        "fix": r"fix(?:ing)?|bugs?|review(?:ing)?",
        "plan": r"outlin(?:e|ing)|" + order("plan") + r"(?:ning)?|brainstorm(?:ing)?|(?:recommend|suggest)(?:ing)?",
        "step by step": r"step[ -]by[ -]step",
    },
    Level.BASIC: {
        "what is": r"(?:what|who|when|where|which) (?:is|are|was|were)|(?:what|who|when|where)'s",
        "define": r"defin(?:e|ing|itions?)",
        "format": order("format") + r"(?:ting)?|capitali[sz]e|convert(?:ing)?|spell",
        "simple": r"simpl(?:e|y)|easy",
        "basic": r"basic(?:s|ally)?|beginner(?:'?s)?",
        "quick": r"quick(?:ly)?|brief(?:ly)?",
    },
}

INDICATORS = tuple(
    Indicator(level, name, pattern) for level, patterns in _PATTERNS.items() for name, pattern in patterns.items()
)
_TABLE = PhraseTable(INDICATORS)

_NEGATED = expression(r"(?:do not|don't|without|avoid|no need to|need not|needn't|instead of|rather than)(?: \w+ly)? $")


def find_indicators(words: str) -> Iterator[Match[Indicator]]:
    """Each indicator in a prompt's own words (`Prose.words`) once, without those that are asked not to be done."""
    seen: set[int] = set()
    for match in _TABLE.find(words):
        if match.place not in seen and not _NEGATED.search(words[max(0, match.start - 24) : match.start]):
            seen.add(match.place)
            yield match
