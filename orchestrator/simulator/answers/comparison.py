"""Questions that set two options against each other: both are weighed, and one is recommended."""

from __future__ import annotations

import re

from ...expressions import expression
from .canned import canned, say
from .prompt import Prompt

_LEAD = "use|using|compare|choose|pick|between|prefer|as|is|are|to|i|we|learn|start|with|adopt|of|for|and"
_NAME = rf"(?!(?:{_LEAD})\b)[A-Za-z][\w+#.\-]*(?:\s(?-i:[A-Z])[\w+#.\-]*)?"
_ARTICLE = r"(?:(?:a|an|the)\s)?"
_PAIR = expression(
    rf"\b{_ARTICLE}(?P<a>{_NAME}),?\s+(?P<link>or|vs\.?|versus|and|\w+ than)\s+{_ARTICLE}(?P<b>{_NAME})", re.IGNORECASE
)
_CHOICE = expression(r"\b(?:should|which|better|prefer|choose|pick|vs|versus)\b|^\W*[\w+#.-]+ or ", re.IGNORECASE)
_BOTH = expression(r"\b(?:compare|comparison|between|difference)\b", re.IGNORECASE)  # these link their two with `and`
_NOT_OPTIONS = {"pros", "cons", "yes", "no", "true", "more", "less", "not", "one", "two"}


def options(prompt: Prompt) -> tuple[str, str] | None:
    """The two options that a question names, as it spells them; None if it does not choose between two."""
    both = _BOTH.search(prompt.question) is not None
    if not both and not _CHOICE.search(prompt.question):
        return None
    for pair in _PAIR.finditer(prompt.question):
        a, b = pair["a"].strip(".,"), pair["b"].strip(".,")
        if pair["link"].lower() == "and" and not both:
            continue
        if a.lower() not in _NOT_OPTIONS and b.lower() not in _NOT_OPTIONS and a.lower() != b.lower():
            return a, b
    return None


def recommended(prompt: Prompt, pair: tuple[str, str]) -> str:
    """The option that every able model prefers."""
    return prompt.pick(pair, "recommendation")


def weigh(prompt: Prompt, pair: tuple[str, str]) -> str:
    """Both options for and against, and a recommendation. Able models agree on the points; the wording is their own."""
    texts, winner = canned("comparison"), recommended(prompt, pair)
    traits = {option: _traits(prompt, option) for option in pair}
    *factors, last = texts["factors"][: prompt.depth + 1]
    return say(
        texts,
        prompt,
        winner=winner,
        loser=pair[1] if winner == pair[0] else pair[0],
        pro=traits[winner][0],
        traits="\n".join(f"- {option}: it {pro}, but {con}." for option, (pro, con) in traits.items()),
        factors=f"{', '.join(factors)} and {last}",
    )


def _traits(prompt: Prompt, option: str) -> tuple[str, str]:
    """What speaks for an option and what against it; for one that is not known, any of some pairs."""
    texts, name = canned("comparison"), option.lower().removeprefix("a ").removeprefix("the ")
    named = (texts["aliases"].get(name, name), f"{name}s", name.removesuffix("s"))
    pro, con = next((texts["traits"][key] for key in named if key in texts["traits"]), None) or prompt.pick(
        texts["other traits"], option
    )
    return pro, con
