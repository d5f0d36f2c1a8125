"""A prompt's text taken apart: its prose, its task, and the form of answer that it asks for. Pure."""

from __future__ import annotations

from ..deferred import dataclass
from ..once import kept_property
from ..types import Task
from .answer import AnswerForm, answer_form
from .prose import Prose, read_prose
from .tasks import classify
from .tokens import Counted


@dataclass(frozen=True)
class ParsedPrompt:
    """What the words of a prompt say by themselves: all that is read of it further is read from here."""

    text: str
    prose: Prose
    task: Task
    form: AnswerForm

    @classmethod
    def of(cls, prompt: str | ParsedPrompt) -> ParsedPrompt:
        """A text parsed, whatever it is; one that has been parsed already is given back."""
        return prompt if isinstance(prompt, ParsedPrompt) else parse_prompt(prompt)

    @kept_property
    def tokens(self) -> Counted:
        """The tokens of the whole text."""
        return Counted(self.text)


def parse_prompt(text: str) -> ParsedPrompt:
    """Parse any string. The cost is bounded: the middle of a very long prompt is not read."""
    prose = read_prose(text, lenient=True)
    task = classify(prose)
    return ParsedPrompt(text, prose, task, answer_form(prose, task))
