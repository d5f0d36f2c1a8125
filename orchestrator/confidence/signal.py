"""What a confidence signal reads, and what it says."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple, Protocol

from ..deferred import dataclass
from ..expressions import expression
from ..once import kept_property
from ..reading.answer import AnswerForm
from ..reading.prose import Prose
from ..types import FinishReason, Task
from .asked import Asked
from .final import SHORT_WORDS, AnswerKind, FinalAnswer
from .numerals import numbers_in

OPEN_WORDS = 60
MOST_SHARED = 6.0  # logits, either way, of the sum that a share is taken of
_WORKED = expression(r"\\boxed|####")
_LETTER = expression(r"\w")
_UNASKED = frozenset((Task.CHAT, Task.WRITING, Task.TRANSLATION, Task.SUMMARY))


@dataclass(frozen=True)
class Answer:
    """An answer, read once for all signals.

    `text` is without asides of doubt ("I'm not sure."), which would otherwise count as more of an answer. `prose` is
    what the model says in its own words. `hedges` are the phrases of doubt in it, and `word_count` counts
    the words of the whole answer without those, so that an answer is never taken for a fuller one because it hedges.
    `final` is what it answers in the end. `asked` is the prompt, None where it is not known.
    """

    text: str
    prose: Prose
    hedges: tuple[Hedge, ...]
    word_count: int
    finish_reason: FinishReason | None
    final: FinalAnswer
    asked: Asked | None

    @property
    def form(self) -> AnswerForm | None:
        """The form of answer that the prompt asks for; None if the prompt is unknown."""
        return None if self.asked is None else self.asked.form

    @property
    def task(self) -> Task | None:
        """The prompt's task."""
        return None if self.asked is None else self.asked.task

    @kept_property
    def numbers(self) -> tuple[Fraction, ...]:
        """Every number that the text writes in digits, in order."""
        return tuple(numbers_in(self.text))

    @property
    def is_content(self) -> bool:
        """Whether the text speaks for somebody else: a letter or a translation may hedge without the model doing so."""
        return self.task in (Task.WRITING, Task.TRANSLATION)

    @property
    def is_bare(self) -> bool:
        """Whether it is the answer alone, with no working or explanation that could be measured."""
        if self.final.kind is AnswerKind.CODE:
            return _LETTER.search(self.prose.words) is None
        return self.word_count <= SHORT_WORDS and not self.final.marked

    @kept_property
    def is_open(self) -> bool:
        """Whether there is no definite answer in it: a text, or a few words that nobody asked a question for. A longer
        one to an unknown prompt is open unless it marks its answer as worked problems do."""
        if self.asked is None and self.word_count >= OPEN_WORDS and not _WORKED.search(self.text):
            return True
        if self.final.kind is AnswerKind.SHORT and not self.final.marked:
            return self.task in _UNASKED
        return self.final.kind is AnswerKind.LONG


class Hedge(NamedTuple):
    """A phrase of doubt, as it stands in the answer, and its weight in logits."""

    phrase: str
    weight: float
    damped: bool  # whether it weighs less in a long answer


class Signal(NamedTuple):
    """One piece of evidence: what it adds to the logit of the confidence, and why, in words. `share` is what the sum of
    all the others counts by beside it, 1 for all of it."""

    name: str
    logit: float
    reason: str
    share: float = 1.0


class Measure(NamedTuple):
    """Something counted in an answer. What it is worth in logits is fitted; see `curves`. `words` says it to people."""

    name: str
    value: float
    words: str


class AnswerSignal(Protocol):
    """What reads one thing in an answer. It is pure: it calls nothing, keeps nothing, and raises nothing.

    It is called for every answer of a run that has text, and reads a bounded part of it: a few milliseconds at most. It
    returns any number of `Signal`s, none if there is nothing to say. Their logits are added to those of all other
    signals, so that confidence = 1 / (1 + e^-sum): -1 takes an answer of 0.73 to 0.50, +1 takes it to 0.88.
    """

    def __call__(self, answer: Answer, /) -> Iterable[Signal]: ...
