"""Patterns that more than one table of phrases needs. They follow the rules of `phrases`."""

from __future__ import annotations

SENTENCE_START = r"(?:(?<=^)|(?<=\n)|(?<=\n )|(?<=[.!?:(] ))"
YES_NO_VERB = "(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would)"
# What an order follows: the start of a sentence or a clause, or one of these words.
_BEFORE_AN_ORDER = ("^", r"\n", r"\n ", "[-.!?:;,(] ", "please ", "and ", "then ", "to ", "you ", "me ", "just ")

PROGRAM = (
    r"(?:code|functions?|scripts?|programs?|class(?:es)?|methods?|quer(?:y|ies)|sql|regex(?:es)?|regular expressions?"
    r"|(?:unit )?tests?|apis?|endpoints?|modules?|parsers?|one-liners?|snippets?|macros?|dockerfiles?|components?)"
)
# The words between a verb and what it makes: "write [me a short Python] function", and not "write [about a] function".
QUALIFIERS = r"(?: (?!(?:about|to|that|for|which|who|with|of|on|in|and)\b)[\w+#.-]+){0,5}?"

# What follows is looked at and not taken, so that it can be evidence of its own.
WHY_IT_FAILS = (
    r"why(?= [^.?!\n]{0,80}?"
    r"\b(?:fail(?:s|ed|ing)?|crash(?:es|ed|ing)?|broken?|hangs?|leak(?:s|ing)?|not work(?:ing)?)\b)"
)
WHICH_IS_BEST = (
    r"which(?=(?: \w+){0,5}? (?:is|are|should|would|do you)\b[^.?!\n]{0,60}?"
    r" (?:better|best|choose|recommend|prefer|use|pick)\b)"
)
DEBUG = r"debug(?:ging)?(?! (?:mode|logs?|symbols?|builds?|flags?|levels?))|troubleshoot(?:ing)?"
DESIGN = r"design(?:ing)?(?! patterns?)|architect(?:ing)?"
TRADE_OFFS = r"trade-?offs?|pros and cons|advantages and disadvantages|strengths and weaknesses"
SUMMARISE = r"summari[sz](?:e|ing)|summar(?:y|ies)|tl;?dr|condens(?:e|ing)"
# A hyphen or a slash between numbers is as often a date or a range, unless spaced or asked for.
ARITHMETIC = (
    r"[0-9][0-9.,]{0,20} ?[+*×÷^] ?[(0-9]+|[0-9][0-9.,]{0,20} (?:[-/]|plus|minus|times|divided by|mod) [(0-9]+"
    r"|(?:what is|what's|calculate|compute|evaluate):? [(-]*[0-9][0-9.]{0,20} ?[-/] ?[(0-9]+"
    r"|[0-9][0-9.]{0,20} ?% of [0-9]+"
)
HOW_TO = r"how (?:do|does|did|can|could|should|would|to)"


def order(word: str) -> str:
    """A pattern for a word that is an order in one place and a noun in another ("list", "plan"): only as an order."""
    return word + "(?:" + "|".join(f"(?<={before}{word})" for before in _BEFORE_AN_ORDER) + ")"
