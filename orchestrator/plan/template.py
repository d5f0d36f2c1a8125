"""The prompt of a call as it is written in a plan: text with placeholders.

    $prompt       what the user asked
    $context      what was given with it, as files or by a pipe; where a template has it, $prompt is the question alone
    $history      what was said before, as a text; the turns are then not sent as turns
    $question     what the user asked, without what was given with it
    $steps.NAME   what an earlier step gave; inside a loop, also what a step gave in the round before
    $answer       in a check: the answer to be judged
    $answers      in a panel's synthesiser: the answers of all members
    $$            a dollar sign

A template is taken apart once, before anything is put in, and what is put in is never looked at again: no text that a
user or a model wrote can bring in a placeholder. A paragraph that asks for something that is not there (no context was
given, a step failed, there was no round before) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..deferred import dataclass
from ..errors import did_you_mean
from ..expressions import expression

PROMPT, QUESTION, CONTEXT, HISTORY = "prompt", "question", "context", "history"
ANSWER, ANSWERS, STEPS = "answer", "answers", "steps."
_WORDS = (PROMPT, QUESTION, CONTEXT, HISTORY, ANSWER, ANSWERS)
_PLACEHOLDER = expression(r"\$(?:(\$)|(steps\.[A-Za-z0-9_-]+)|([A-Za-z_][\w.-]*))")
_PARAGRAPHS = expression(r"\n[ \t]*\n\s*")


class TemplateError(ValueError):
    """What is wrong with a template, in words."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A placeholder, by its key: `prompt`, `question`, `context`, `history`, `answer`, `answers` or `steps.NAME`."""

    key: str


Paragraph = tuple[str | Slot, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template."""

    paragraphs: tuple[Paragraph, ...]

    def slots(self) -> Iterator[str]:
        """The key of every placeholder, in order, as often as it occurs."""
        return (piece.key for paragraph in self.paragraphs for piece in paragraph if isinstance(piece, Slot))

    def steps(self) -> list[str]:
        """The names of the steps that it uses."""
        return [key.removeprefix(STEPS) for key in self.slots() if key.startswith(STEPS)]

    def render(self, values: Mapping[str, str]) -> str:
        """The text with a value for each placeholder. A paragraph with a placeholder that has no value is left out."""
        kept = (
            "".join(piece if isinstance(piece, str) else values[piece.key] for piece in paragraph)
            for paragraph in self.paragraphs
            if all(isinstance(piece, str) or values.get(piece.key) for piece in paragraph)
        )
        return "\n\n".join(kept)


def parse(text: str) -> Template:
    """Parse a template. Raises TemplateError for an unknown placeholder."""
    return Template(tuple(_paragraph(part) for part in _PARAGRAPHS.split(text.strip()) if part))


def _paragraph(text: str) -> Paragraph:
    pieces: list[str | Slot] = []
    end = 0
    for placeholder in _PLACEHOLDER.finditer(text):
        pieces.append(text[end : placeholder.start()])
        end = placeholder.end()
        dollar, step, word = placeholder.groups()
        if dollar:
            pieces.append("$")
        elif step:
            pieces.append(Slot(step))
        else:
            key, rest = _known(word)
            pieces += [Slot(key), rest]
    return tuple(piece for piece in (*pieces, text[end:]) if piece)


def _known(word: str) -> tuple[str, str]:
    """A placeholder at the start of a word, and what follows it: `$prompt.` ends a sentence."""
    head = re.split(r"[.-]", word, maxsplit=1)[0]
    if head in _WORDS:
        return head, word[len(head) :]
    if head == STEPS.rstrip("."):
        raise TemplateError("$steps needs the name of a step: $steps.NAME")
    suggestion = did_you_mean(head, _WORDS)
    hint = f" ({suggestion})" if suggestion else ""
    shown = head if len(head) <= 40 else f"{head[:40]}..."
    raise TemplateError(f"there is no placeholder ${shown}{hint}; a dollar sign is written $$")
