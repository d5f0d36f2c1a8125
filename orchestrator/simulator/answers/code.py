"""Code requests: a small block in the language asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...expressions import expression
from .prompt import Prompt
from .snippets import SKELETONS, SNIPPETS

_LANGUAGES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (language, expression(pattern, re.IGNORECASE))
    for language, pattern in (
        ("typescript", r"\btypescript\b"),
        ("javascript", r"\b(?:javascript|js|node(?:\.js)?)\b"),
        ("go", r"\b(?:golang|in go|go (?:function|code|program))\b"),
        ("rust", r"\brust\b"),
        ("java", r"\bjava\b"),
        ("sql", r"\bsql\b"),
        ("bash", r"\b(?:bash|shell)\b"),
        ("python", r""),  # the default
    )
)

_FILLER_WORDS = """
a an the write implement create make me function code script program class method in with for to that which of and
python javascript typescript go golang rust java sql bash shell please using some given
"""
_FILLER = frozenset(_FILLER_WORDS.split())


def language(prompt: Prompt) -> str:
    return next(name for name, words in _LANGUAGES if words.search(prompt.instruction))


def program(prompt: Prompt) -> str:
    """A fenced block with a sentence before it and, the deeper the answer, more to say after it."""
    chosen = language(prompt)
    name, source = _source(prompt, chosen)
    openings = ("Here is", "This is", "The following is")
    lines = [f"{prompt.vary(openings)} `{name}` in {_titled(chosen)}:", "", f"```{chosen}", source, "```", ""]
    lines += _remarks(prompt)
    return "\n".join(lines)


def _source(prompt: Prompt, chosen: str) -> tuple[str, str]:
    for words, name, sources in SNIPPETS:
        if words.search(prompt.instruction) and chosen in sources:
            return name, sources[chosen]
    name = "_".join(_subject(prompt)) or "process"
    return name, SKELETONS[chosen].replace("NAME", name)


def _subject(prompt: Prompt) -> Iterator[str]:
    """The first words of the request that say what the code is about."""
    words = [word for word in re.findall(r"[a-z]+", prompt.instruction.lower()) if word not in _FILLER]
    yield from words[:3]


def _titled(name: str) -> str:
    return {"javascript": "JavaScript", "typescript": "TypeScript", "sql": "SQL"}.get(name, name.capitalize())


def _remarks(prompt: Prompt) -> list[str]:
    remarks = ["It definitely handles the empty case, and runs in time proportional to its input."]
    if prompt.depth > 1:
        remarks += ["Call it with the smallest input first; the edge cases to test are empty, one item and duplicates."]
    if prompt.depth > 2:
        remarks += [
            "For very large inputs, stream instead of holding everything in memory, and clearly state the limits."
        ]
    return remarks
