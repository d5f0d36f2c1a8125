"""What was asked, as the signals of an answer need it: worked out once for all answers to a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from ..deferred import dataclass
from ..expressions import expression
from ..once import kept_property
from ..reading.answer import AnswerForm, items_asked_for
from ..reading.parsing import ParsedPrompt, parse_prompt
from ..reading.prose import EDGE_CHARS, count_words
from ..types import Task
from .cues import cue_counts, share_of_long
from .numerals import numbers_in
from .wanted import Wanted, options_in

_WORD = expression(r"\w+")


class Opening(NamedTuple):
    """Counts of the first `2 * EDGE_CHARS` characters of a prompt. `long_words` is their share, 0 to 1."""

    words: int
    long_words: float
    numbers: int
    options: int
    cues: Mapping[str, int]


@dataclass(frozen=True)
class Asked:
    """A prompt that answers are held against. What only some answers are asked for is read when the first one is."""

    parsed: ParsedPrompt

    @classmethod
    def of(cls, prompt: str | Asked) -> Asked:
        """A prompt's text read; what has been read already is given back."""
        return prompt if isinstance(prompt, Asked) else cls(parse_prompt(prompt))

    @property
    def form(self) -> AnswerForm:
        """The form of answer that the prompt asks for."""
        return self.parsed.form

    @property
    def task(self) -> Task:
        """The prompt's task."""
        return self.parsed.task

    @kept_property
    def wanted(self) -> Wanted:
        """What a final answer is looked for by."""
        return Wanted.of(self.parsed.text, self.form)

    @kept_property
    def items(self) -> int | None:
        """How many items it asks to be listed; None if it gives no number."""
        return items_asked_for(self.parsed.prose)

    @kept_property
    def word_count(self) -> int:
        """The number of its words."""
        return count_words(self.parsed.text)

    @kept_property
    def words(self) -> frozenset[str]:
        """Its different words, in lower case."""
        return frozenset(self._opening_words if self._is_short else _WORD.findall(self.parsed.text.lower()))

    @kept_property
    def numbers(self) -> tuple[Fraction, ...]:
        """Every number that it writes in digits, in order."""
        return tuple(numbers_in(self.parsed.text))

    @kept_property
    def opening(self) -> Opening:
        """Counts that say how hard the prompt is."""
        text, words = self._opening_text, self._opening_words
        return Opening(
            words=len(words),
            long_words=share_of_long(words),
            numbers=len(self.numbers if self._is_short else numbers_in(text)),
            options=len(self.wanted.options if self._is_short else options_in(text)),
            cues=cue_counts(text.lower(), words),
        )

    @property
    def _is_short(self) -> bool:
        return len(self.parsed.text) <= 2 * EDGE_CHARS

    @property
    def _opening_text(self) -> str:
        return self.parsed.text[: 2 * EDGE_CHARS]

    @kept_property
    def _opening_words(self) -> list[str]:
        return _WORD.findall(self._opening_text.lower())
