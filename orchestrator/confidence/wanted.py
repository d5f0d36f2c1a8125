"""What answer a prompt asks for, as far as a final answer is looked for by it."""

from __future__ import annotations

from ..deferred import dataclass
from ..expressions import expression
from ..reading.answer import AnswerForm
from ..reading.parsing import parse_prompt
from ..reading.prose import EDGE_CHARS
from .numerals import edges
from .words import plain_words

_OPTION = expression(r"(?m)^[ \t]*\(?([A-Z])[.):]\)?[ \t]+(\S.{0,300}?)[ \t]*$")
# What asks for the output of a program, where 4 is not '4'.
_OUTPUT = expression(r"(?i)\bliteral\b|\bwhat (?:does|will|would|is)\b[^?\n]{0,80}\b(?:return|print|output)")
_OF_A_PROGRAM = expression(rf"{_OUTPUT.pattern}|(?m:^[ \t]*(?:>>> |assert |def \w+\())")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a prompt asks for: the form, None where it is not known, its options by letter where it lists some, and
    whether it asks for a literal, so that quotes and case count."""

    form: AnswerForm | None
    options: dict[str, str]
    is_exact: bool = False

    @classmethod
    def by(cls, prompt: str | Wanted | None) -> Wanted:
        """What a prompt's text asks for; what is known already is given back."""
        if isinstance(prompt, Wanted):
            return prompt
        return cls(None, {}) if prompt is None else cls.of(prompt, parse_prompt(prompt).form)

    @classmethod
    def of(cls, prompt: str, form: AnswerForm) -> Wanted:
        """What a prompt asks for whose form is known."""
        pattern = _OUTPUT if form is AnswerForm.CODE else _OF_A_PROGRAM
        return cls(form, options_in(prompt), pattern.search(edges(prompt)) is not None)


def options_in(prompt: str) -> dict[str, str]:
    """The options that a prompt lists, by letter from A on without a gap; empty if there are fewer than two."""
    options: dict[str, str] = {}
    for letter, text in _OPTION.findall(prompt[-2 * EDGE_CHARS :]):
        if letter == "A":
            options = {}
        if letter == chr(ord("A") + len(options)):
            options[letter] = plain_words(text)
    return options if len(options) > 1 else {}
