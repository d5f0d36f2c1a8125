"""What a confidence signal reads, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..analysis.answer import AnswerForm
from ..analysis.prose import Prose
from ..analysis.tasks import Task
from ..types import FinishReason


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, read once for all signals.

    `prose` is what the model says in its own words. `hedges` are the phrases of doubt in it, and `word_count` counts
    the words of the whole answer without those, so that an answer is never taken for a fuller one because it hedges.
    `form` and `task` are what the prompt asked for, None where the prompt is not known.
    """

    text: str
    prose: Prose
    hedges: tuple[Hedge, ...]
    word_count: int
    finish_reason: FinishReason | None
    form: AnswerForm | None
    task: Task | None

    @property
    def is_content(self) -> bool:
        """Whether the text speaks for somebody else: a letter or a translation may hedge without the model doing so."""
        return self.task in (Task.WRITING, Task.TRANSLATION)


class Hedge(NamedTuple):
    """A phrase of doubt, as it stands in the answer, and its weight in logits."""

    phrase: str
    weight: float
    damped: bool  # whether it weighs less in a long answer


class Signal(NamedTuple):
    """One piece of evidence: what it adds to the logit of the confidence, and why, in words."""

    name: str
    logit: float
    reason: str
