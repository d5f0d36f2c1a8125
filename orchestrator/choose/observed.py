"""What the ledger has observed that a decision may use. It is read before a strategy decides, and passed to it."""

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
    """Empty if nobody looked, or if there is no ledger yet.

    `turns`: turns taken in each rotation. `pace`: how long models took. `stopped`: for each stopped experiment, the arm
    that everybody gets. `set_aside`: the providers and models whose circuit breaker is open, and why. `accepted`: the
    share of models' answers that reached the run's threshold, 0 to 1.
    """

    turns: Mapping[str, int] = field(default_factory=dict)
    pace: Mapping[str, Pace] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    set_aside: Mapping[tuple[str, str | None], str] = field(default_factory=dict)
    accepted: Mapping[str, float] = field(default_factory=dict)

    def bars(self, provider: str, model: str) -> str | None:
        """Why a model's breaker is open; None if it is not."""
        return self.set_aside.get((provider, None)) or self.set_aside.get((provider, model))
