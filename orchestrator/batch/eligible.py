"""Which models can be asked by batch, and how long that takes."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime

from ..choose.quote import price_for
from ..config import Settings
from ..deferred import dataclass
from ..ledger.submissions import durations_s
from ..plan import Call, Cascade, Loop, Node, Panel, Sequence, models
from ..providers.batches import PROMISED_S
from ..registry.model import ModelSpec, Registry
from ..run.call.by_batch import price_by_batch

WITH_BATCHES = ("anthropic", "openai", "google")
_MEASURED = 5  # submissions that have to have ended before their durations say anything
_MARGIN = 1.5  # times the longest of them


def left_out(registry: Registry, free_tier: Collection[str], when: datetime) -> dict[tuple[str, str | None], str]:
    """The models that cannot be asked by batch, and why."""
    return {
        (spec.provider, spec.name): why
        for spec in registry.models.values()
        if (why := why_not(spec, free_tier, when)) is not None
    }


def why_not(spec: ModelSpec, free_tier: Collection[str], when: datetime) -> str | None:
    """Why a model cannot be asked by batch; None if it can."""
    if spec.provider not in WITH_BATCHES:
        return f"{spec.provider} has no batch API that orch speaks"
    if price_by_batch(price_for(spec, when, free_tier)) is None:
        return "no price of it by batch is known"
    return None


def rounds(node: Node) -> int:
    """How many calls of a plan may have to be answered one after the other."""
    match node:
        case Call():
            return 1
        case Cascade(legs=legs):
            return sum(map(rounds, legs))
        case Panel(members=members, synthesiser=synthesiser):
            return max(map(rounds, members)) + (0 if synthesiser is None else 1)
        case Sequence(steps=steps):
            return sum(map(rounds, steps))
        case Loop(body=body, max_rounds=most):
            return (rounds(body) + 1) * most


def round_s(durations_s: list[float]) -> float:
    """The seconds after which a submission is expected to be answered: by those before it, or as promised."""
    if len(durations_s) < _MEASURED:
        return PROMISED_S
    return min(max(durations_s) * _MARGIN, PROMISED_S)


@dataclass(frozen=True, slots=True)
class Ways:
    """Decides which way a line goes: by batch, which costs half, wherever that is possible and in time.

    `deadline_s` are the seconds that there are, None for as long as it takes; `durations_s` are those of earlier
    submissions, by provider.
    """

    registry: Registry
    free_tier: Collection[str]
    deadline_s: float | None
    durations_s: Mapping[str, list[float]]

    def goes_live(self, plan: Node, when: datetime) -> bool:
        """Whether a plan is carried out live."""
        if not can_go_by_batch(plan, self.registry, self.free_tier, when):
            return True
        if self.deadline_s is None:
            return False
        providers = {self.registry.model(name).provider for name in models(plan)}
        one_round = max(round_s(self.durations_s.get(provider, [])) for provider in providers)
        return rounds(plan) * one_round > self.deadline_s


def ways_of(connection: sqlite3.Connection, registry: Registry, settings: Settings, deadline_s: float | None) -> Ways:
    """How lines go, by what the ledger knows of earlier submissions."""
    durations = {name: durations_s(connection, name, simulated=settings.simulate) for name in WITH_BATCHES}
    return Ways(registry, settings.free_tier, deadline_s, durations)


def can_go_by_batch(plan: Node, registry: Registry, free_tier: Collection[str], when: datetime) -> bool:
    """Whether all models of a plan can be asked by batch."""
    return all(why_not(registry.model(name), free_tier, when) is None for name in models(plan))
