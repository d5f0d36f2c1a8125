"""How long a model may take for an answer: as measured, or, without a measurement, by its speed score."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import pairwise

from ..deferred import dataclass, replace
from ..registry.model import ModelSpec
from ..registry.providers import PROVIDERS
from .base import Decision, LeftOut, Obstacle, Situation, marked
from .observed import Pace
from .quote import REASONING, REASONING_FACTOR
from .strategies.tasks import models_of_row

# Tokens per second by a model's score for speed, as the head of models.yaml defines the score; between the points, and
# below the first, its logarithm is taken to be linear.
_SPEEDS = ((0.3, 20.0), (0.7, 80.0), (1.0, 1_500.0))
_FIRST_TOKEN_S = 0.7  # until a hosted model begins to write; an assumption, until the ledger has measured it
# How long a model may be silent: so many times what it is expected to take for all of its answer, and these at least,
# in seconds. Assumptions: expected lengths are often exceeded two or three times, and a server of the user's own may
# have to load the model first.
_PATIENCE, _LEAST_MEASURED_S, _LEAST_S, _LEAST_SELF_HOSTED_S = 4, 30.0, 60.0, 180.0


@dataclass(frozen=True, slots=True)
class Latency:
    """The 95th percentile of a model's latency in seconds, and in words what it is based on."""

    seconds: float
    source: str

    def __str__(self) -> str:
        return f"{self.seconds:.{1 if self.seconds >= 1 else 2}f} s ({self.source})"


def expected_latency(spec: ModelSpec, situation: Situation) -> Latency:
    """The p95 that the ledger has measured; otherwise what the registry's speed score suggests for the expected
    answer."""
    pace = situation.observed.pace.get(spec.name)
    if pace is not None:
        return Latency(pace.p95_ms / 1000, f"p95 of {pace.calls} calls measured")
    seconds = by_speed_s(spec, situation.analysis.output_tokens, situation.options.max_tokens)
    return Latency(seconds, "by its speed in the registry, not measured yet")


def by_speed_s(spec: ModelSpec, output_tokens: int, max_tokens: int | None = None) -> float:
    """Seconds that a model takes for an answer of so many tokens, as expected, by its speed in the registry."""
    factor = REASONING_FACTOR if REASONING in spec.tags else 1
    tokens = min(output_tokens * factor, max_tokens or spec.output_limit)
    return _FIRST_TOKEN_S + tokens / (spec.tokens_per_second or tokens_per_second(spec.scores.speed))


def longest_silence_s(spec: ModelSpec, output_tokens: int, pace: Pace | None) -> float:
    """Seconds after which a model of which nothing has come is given up, where another may be asked."""
    hosted_by_user = PROVIDERS[spec.provider].self_hosted
    least = _LEAST_SELF_HOSTED_S if hosted_by_user else _LEAST_S if pace is None else _LEAST_MEASURED_S
    measured = 0.0 if pace is None else pace.p95_ms / 1000
    return max(least, _PATIENCE * max(measured, by_speed_s(spec, output_tokens)))


def tokens_per_second(score: float) -> float:
    """The speed that a speed score, 0 to 1, stands for."""
    for (low, slow), (high, fast) in pairwise(_SPEEDS):
        if score <= high:
            return float(slow * (fast / slow) ** ((score - low) / (high - low)))
    return _SPEEDS[-1][1]


def within_latency(
    decide: Callable[[Situation], Decision | None], situation: Situation, limit_s: float
) -> Decision | None:
    """The strategy's decision among the models that are quick enough.

    If it finds nothing to call among them, slower models are let in one by one, quickest first: those of the task
    table's row before others, since others only stand in for the row.
    """
    row = models_of_row(situation)
    waits = {name: expected_latency(offer.spec, situation) for name, offer in situation.offers.items()}
    slow = sorted(
        (name for name, wait in waits.items() if wait.seconds > limit_s),
        key=lambda name: (name not in row, waits[name].seconds),
    )
    for let_in in range(len(slow) + 1):
        decision = decide(_without(slow[let_in:], situation))
        if decision is not None:
            reasons = _reasons(decision, waits, limit_s)
            if let_in:
                whose = " of the row" if set(decision.models()) <= set(row) else ""
                reasons.insert(0, f"nothing that could answer is within {limit_s:g} s: the quickest{whose} is taken")
            return replace(decision, reasons=(*decision.reasons, *reasons))
    return None


def marked_if_slow(name: str, situation: Situation) -> Situation:
    """The situation in which a model that is too slow for the run is marked so, for one that is called besides the
    strategy's plan."""
    limit_s = situation.options.max_latency_s
    if limit_s is None or expected_latency(situation.offers[name].spec, situation).seconds <= limit_s:
        return situation
    return _without((name,), situation)


def _without(slow: Collection[str], situation: Situation) -> Situation:
    return replace(situation, offers=marked(situation.offers, Obstacle.SLOW, lambda spec: spec.name in slow))


def _reasons(decision: Decision, waits: Mapping[str, Latency], limit_s: float) -> list[str]:
    named = decision.models()
    left_out = {reason.model for reason in decision.reasons if isinstance(reason, LeftOut)}
    reasons = [f"{name} answers within {waits[name]}" for name in named]
    reasons += [
        f"{name} would take {waits[name]}" for name in waits if name in left_out and waits[name].seconds > limit_s
    ]
    return reasons
