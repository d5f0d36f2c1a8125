"""From a request and a model to the draft of an answer.

What is known to all or can be computed, every model answers. Otherwise the prompt's need is held against the model's
ability: an able model answers, the more fully the more it has to spare; a model that is out of its depth goes along
with what others say, where the prompt shows that, or says so in few words and with reservations, which is what a
cascade looks for.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ...deferred import replace
from ...expressions import expression
from ...registry.model import ModelSpec
from ..generation import Draft
from ..wires.base import Ask
from .arithmetic import solve
from .canned import canned
from .comparison import options, recommended, weigh
from .difficulty import ability, need
from .prompt import Prompt, read_prompt
from .shapes import as_json, called_tool, doubtful, verdict, wants_verdict
from .tasks import answer, reworks, subject

_GUESS_WORDS = 3
_SMALL_WORDS = frozenset(("the", "a", "an", "of", "that", "for", "to", "in", "is", "and"))
_GREETING = expression(r"^\W*(?:hi|hello|hey|good (?:morning|evening|afternoon))\b", re.IGNORECASE)
_GREETING_WORDS = 4
_CAPITAL = expression(r"\bcapital (?:city )?of (?:the )?([A-Za-z ]+)|\b([A-Za-z ]+)'s capital\b", re.IGNORECASE)


class _Known(NamedTuple):
    """An answer in a word or two, and in a sentence or two."""

    short: str
    full: str


def compose(ask: Ask, spec: ModelSpec) -> Draft:
    """What this model says to this request: the same every time."""
    prompt = read_prompt(ask.question, spec.id)
    needed, able = need(prompt), ability(spec, prompt)
    prompt = replace(prompt, depth=max(1, min(3, 1 + int(able - needed))))
    if ask.last.role == "tool":
        source = f"`{ask.last.tool}`" if ask.last.tool else "the tool"
        result = ask.last.text.strip() or "nothing was returned"
        return Draft(canned("from a tool").format(source=source, result=result), sure=True, need=needed)
    call = called_tool(prompt, ask.tools, ask.tool_choice)
    if call is not None:
        return Draft("", sure=True, need=needed, tool_calls=(call,))
    if ask.json and wants_verdict(ask.schema):
        return Draft(verdict(prompt), sure=True, need=needed)
    known = _known(prompt)
    shown = [text for _, text in prompt.quoted if text and not doubtful(text)]
    pair = None if reworks(prompt) else options(prompt)  # not where the choice is only how to label some material
    if known is not None:
        sure, short, full = True, known.short, known.full
    elif able < needed and shown:
        sure, short, full = True, "as shown", max(shown, key=len)
    elif able < needed:
        sure, short, full = False, "unknown", _hedge(prompt, pair)
    elif pair is not None:
        sure, short, full = True, recommended(prompt, pair), weigh(prompt, pair)
    else:
        sure, short, full = True, subject(prompt), answer(prompt)
    if ask.json:
        return Draft(as_json(full, short, prompt, ask.schema), sure, needed)
    return Draft(short if prompt.wants_brevity and known is not None else full, sure, needed)


def _known(prompt: Prompt) -> _Known | None:
    if not prompt.text:
        return _Known("Hello!", canned("greetings")["empty"])
    if _GREETING.search(prompt.text) and len(prompt.text.split()) <= _GREETING_WORDS:
        return _Known("Hello!", canned("greetings")["hello"])
    solved = solve(prompt.question)
    if solved is None:
        return _recalled(prompt)
    expression, value = solved
    return _Known(value, prompt.vary(canned("working")).format(expression=expression, value=value))


def _recalled(prompt: Prompt) -> _Known | None:
    """A fact that the prompt asks for, if it is in the tables."""
    asked = _CAPITAL.search(prompt.question)
    country = (asked[1] or asked[2]).strip().lower() if asked else ""
    facts = [
        (capital, f"The capital of {'the ' * name.startswith(('Nether', 'Phil', 'United'))}{name} is {capital}.")
        for name, capital in canned("capitals").items()
        if country and (country.startswith(name.lower()) or country.endswith(name.lower()))
    ]
    matching = (fact for pattern, *fact in canned("facts") if re.search(pattern, prompt.question, re.IGNORECASE))
    short, full = facts[0] if facts else next(matching, (None, ""))
    return None if short is None else _Known(short, f"{full} {prompt.vary(canned('assurances'))}")


def _hedge(prompt: Prompt, pair: tuple[str, str] | None) -> str:
    """In under twenty words: short and reserved is how a weak model fails."""
    words = [word for word in subject(prompt).split() if word.lower() not in _SMALL_WORDS]
    guess = " ".join(words[:_GUESS_WORDS]) or "this" if pair is None else prompt.vary(pair)
    hedges: list[str] = canned("hedged answers" if pair is None else "hedged choices")
    return prompt.vary(hedges).format(guess=guess)
