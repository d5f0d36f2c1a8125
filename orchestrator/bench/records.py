"""What is recorded of prompts and answers. docs/bench.md has the file formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ACCEPTABLE = 0.5  # the score from which an answer counts as right where only right and wrong can be counted


@dataclass(frozen=True, slots=True)
class RecordedOutcome:
    """What a model answered and how it was graded: `score` is 0 (wrong) to 1 (right). None is not recorded."""

    score: float
    text: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: int | None = None

    @property
    def acceptable(self) -> float:
        """1.0 for an answer that scored at least ACCEPTABLE, else 0.0."""
        return 1.0 if self.score >= ACCEPTABLE else 0.0


@dataclass(frozen=True, slots=True)
class Item:
    """A prompt and what each model made of it, by the model's name as it was recorded."""

    id: str
    task: str
    prompt: str
    outcomes: Mapping[str, RecordedOutcome]
