"""From a request and a model to the draft of an answer.

What is known to all or can be computed, every model answers. Otherwise the prompt's need is held against the model's
ability: an able model answers, the more fully the more it has to spare; a model that is out of its depth goes along
with what others say, where the prompt shows that, or says so in few words and with reservations, which is what a
cascade looks for.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ...expressions import expression
from ...registry.model import ModelSpec
from ..generation import Draft
from ..wires.base import Ask
from .arithmetic import solve
from .comparison import options, recommended, weigh
from .difficulty import ability, need
from .facts import Known, recall
from .judging import doubtful, verdict, wants_verdict
from .prompt import Prompt, read_prompt
from .shapes import as_json, called_tool
from .tasks import MATERIAL_TASK, TASKS, explanation, subject

# Each of them in under twenty words: short and reserved is how a weak model fails.
_HEDGED_CHOICES = (
    "I'm not sure. It might be {guess}, but I would need more context to say.",
    "I'm uncertain about this. Possibly {guess}, I think, but it could depend on details that I don't have.",
    "It seems like {guess} might be right, but I'm not sure and would need to know more.",
)
_HEDGED_ANSWERS = (
    "I'm not sure. It might depend on several things, and I would need more context on {guess}.",
    "I'm uncertain about {guess}. Possibly the usual approach works, I think, but it could be wrong.",
    "It seems like a hard question. I'm not sure, and would need to know more about {guess}.",
)
_GUESS_WORDS = 3
_SMALL_WORDS = frozenset(("the", "a", "an", "of", "that", "for", "to", "in", "is", "and"))
_GREETING = expression(r"^\W*(?:hi|hello|hey|good (?:morning|evening|afternoon))\b", re.IGNORECASE)
_GREETING_WORDS = 4


def compose(ask: Ask, spec: ModelSpec) -> Draft:
    """What this model says to this request: the same every time."""
    prompt = read_prompt(ask.question, spec.id)
    needed, able = need(prompt), ability(spec, prompt)
    prompt = replace(prompt, depth=max(1, min(3, 1 + int(able - needed))))
    if ask.last.role == "tool":
        return Draft(_from_result(ask), sure=True, need=needed)
    call = called_tool(prompt, ask.tools, ask.tool_choice)
    if call is not None:
        return Draft("", sure=True, need=needed, tool_calls=(call,))
    if ask.json and wants_verdict(ask.schema):
        return Draft(verdict(prompt), sure=True, need=needed)
    known = _known(prompt)
    shown = [text for _, text in prompt.quoted if text and not doubtful(text)]
    if known is not None:
        sure, short, full = True, known.short, known.full
    elif able < needed and shown:
        sure, short, full = True, "as shown", max(shown, key=len)
    elif able < needed:
        sure, short, full = False, "unknown", _hedge(prompt)
    else:
        sure, full = True, _answer(prompt)
        short = _short(prompt)
    if ask.json:
        return Draft(as_json(full, short, prompt, ask.schema), sure, needed)
    return Draft(short if prompt.wants_brevity and known is not None else full, sure, needed)


def _known(prompt: Prompt) -> Known | None:
    if not prompt.text:
        return Known(
            "Hello!", "Hello! There was no text in your message. What would you like to know, or to have written?"
        )
    if _GREETING.search(prompt.text) and len(prompt.text.split()) <= _GREETING_WORDS:
        return Known(
            "Hello!",
            "Hello! I am here and ready to help: ask me a question, or tell me what to write, explain or check.",
        )
    solved = solve(prompt.question)
    if solved is None:
        return recall(prompt)
    expression, value = solved
    working = (
        f"{expression} = {value}. Working it out step by step in the usual order of operations clearly gives {value}, "
        "and doing it again in reverse has confirmed the result.",
        f"The answer is {value}, since {expression} = {value}. This is definitely exact: every step was checked, and "
        "nothing was rounded on the way.",
    )
    return Known(value, prompt.vary(working))


def _answer(prompt: Prompt) -> str:
    pair = _options(prompt)
    if pair is not None:
        return weigh(prompt, pair)
    task = next((task for words, task in TASKS if words.search(prompt.instruction)), explanation)
    return task(prompt)


def _short(prompt: Prompt) -> str:
    pair = _options(prompt)
    return recommended(prompt, pair) if pair is not None else subject(prompt)


def _hedge(prompt: Prompt) -> str:
    pair = _options(prompt)
    if pair is not None:
        return prompt.vary(_HEDGED_CHOICES).format(guess=prompt.vary(pair))
    words = [word for word in subject(prompt).split() if word.lower() not in _SMALL_WORDS]
    return prompt.vary(_HEDGED_ANSWERS).format(guess=" ".join(words[:_GUESS_WORDS]) or "this")


def _options(prompt: Prompt) -> tuple[str, str] | None:
    """Two options to choose between, unless the choice is only how to label or rework some material."""
    return None if MATERIAL_TASK.search(prompt.instruction) else options(prompt)


def _from_result(ask: Ask) -> str:
    """An answer out of what a tool returned."""
    source = f"`{ask.last.tool}`" if ask.last.tool else "the tool"
    return f"According to {source}, the result is clearly this: {ask.last.text.strip() or 'nothing was returned'}"
