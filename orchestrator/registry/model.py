"""What the registry knows of one model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from ..money import Price, price_at
from ..types import Level


class Status(StrEnum):
    CURRENT = "current"
    DEPRECATED = "deprecated"  # still answers; `retires` says until when, if it is known
    RETIRED = "retired"  # no longer answers


@dataclass(frozen=True, slots=True)
class Scores:
    """0 to 1 each, comparable across models."""

    coding: float
    reasoning: float
    speed: float
    long_context: float


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests and tokens, per minute and per day. None is unlimited or unknown."""

    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    tpd: int | None = None


@dataclass(frozen=True, slots=True)
class FreeQuota:
    """What a provider gives away each day before it charges."""

    requests_per_day: int | None = None
    tokens_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model. `name` is what users type; `id` is what the provider is sent.

    `levels` are the complexity levels it can handle. `supports` holds any of `tools`, `logprobs`, `vision`,
    `streaming`, `temperature`, `json`. `tokens_per_second` is the throughput that a self-hosted model is priced by.
    """

    name: str
    provider: str
    id: str
    prices: tuple[Price, ...]
    context_window: int
    output_limit: int
    levels: tuple[Level, ...]
    scores: Scores
    limits: RateLimits = field(default_factory=RateLimits)
    free_quota: FreeQuota | None = None
    supports: frozenset[str] = frozenset()
    status: Status = Status.CURRENT
    retires: date | None = None
    tags: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    tokens_per_second: float | None = None

    def price_at(self, when: datetime) -> Price | None:
        """The price at a time, or None: unpriced, which is not the same as free."""
        return price_at(self.prices, when)

    def is_retired(self, today: date) -> bool:
        return self.status is Status.RETIRED or (self.retires is not None and self.retires <= today)

    @property
    def top_level(self) -> Level:
        return max(self.levels, key=lambda level: level.rank)
