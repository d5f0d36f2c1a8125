"""What the ledger has seen that a decision may rest on. It is looked up before a strategy decides, and handed to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ..deferred import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a model's calls took: the 95th percentile of `calls` completed ones, in milliseconds."""

    p95_ms: int
    calls: int


@dataclass(frozen=True, slots=True)
class Observed:
    """Empty where nobody looked, or where there is no ledger yet.

    `turns` has how many were taken in each ring of models that take turns, `pace` how long models took, and `stopped`
    the arm that everybody gets of an experiment that was stopped. `set_aside` says of providers, and of models at one,
    that they are not asked for a while, and why.
    """

    turns: Mapping[str, int] = field(default_factory=dict)
    pace: Mapping[str, Pace] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    set_aside: Mapping[tuple[str, str | None], str] = field(default_factory=dict)

    def bars(self, provider: str, model: str) -> str | None:
        """Why a model is not asked for a while; None if it is."""
        return self.set_aside.get((provider, None)) or self.set_aside.get((provider, model))
