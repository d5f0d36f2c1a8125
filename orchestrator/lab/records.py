"""What is recorded of prompts and answers. docs/bench.md has the file formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from ..deferred import dataclass

ACCEPTABLE = 0.5  # the score from which an answer counts as right where only right and wrong can be counted


@dataclass(frozen=True, slots=True)
class RecordedOutcome:
    """What was answered and how it was graded: `score` is 0 (wrong) to 1 (right). None is not recorded.

    `cost_nanousd` is what the calls of a plan did cost together; what a model costs is worked out from its price and
    tokens. `graded_by` is the model that judged the answer, or what else did.
    """

    score: float
    text: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: int | None = None
    cost_nanousd: int | None = None
    graded_by: str | None = None

    @property
    def acceptable(self) -> float:
        """1.0 for an answer that scored at least ACCEPTABLE, else 0.0."""
        return 1.0 if self.score >= ACCEPTABLE else 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt to be asked. `expected` is the answer that counts as right, where there is one."""

    id: str
    task: str
    prompt: str
    expected: str | None = None


class Scale(NamedTuple):
    """The scale of grades that a file has, if it is not 0 to 1."""

    worst: float
    best: float

    def share(self, grade: float) -> float:
        """The grade on a scale of 0 to 1."""
        return min(1.0, max(0.0, (grade - self.worst) / (self.best - self.worst)))

    def __str__(self) -> str:
        return f"{self.worst:g} to {self.best:g}"


@dataclass(frozen=True, slots=True)
class Item:
    """A prompt and what each model made of it, by the model's name as it was recorded; and each plan, by its own.

    `rescaled` is the scale of the file's grades, where they were brought to 0 to 1.
    """

    id: str
    task: str
    prompt: str
    outcomes: Mapping[str, RecordedOutcome]
    plans: Mapping[str, RecordedOutcome] = field(default_factory=dict)
    simulated: bool = False
    rescaled: Scale | None = None
