"""What the ledger has seen that a decision may rest on. It is looked up before a strategy decides, and handed to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a model's calls took: the 95th percentile of `calls` completed ones, in milliseconds."""

    p95_ms: int
    calls: int


@dataclass(frozen=True, slots=True)
class Observed:
    """Empty where nobody looked, or where there is no ledger yet.

    `turns` has how many were taken in each ring of models that take turns, `pace` how long models took, and `stopped`
    the arm that everybody gets of an experiment that was stopped.
    """

    turns: Mapping[str, int] = field(default_factory=dict)
    pace: Mapping[str, Pace] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
