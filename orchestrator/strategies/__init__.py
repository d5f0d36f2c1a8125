"""The strategies by name. To add one: a file with a function from `Situation` to `Decision`, and a line here."""

from __future__ import annotations

from .base import Decision, Offer, Situation, Strategy, nothing_to_call, survey
from .capability import capability
from .cheapest import cheapest
from .cost import cost
from .ensemble import ensemble
from .fallback import fallback
from .observed import Observed, Pace
from .round_robin import round_robin
from .tiers import tiers

STRATEGIES: dict[str, Strategy] = {
    "fallback": fallback,
    "ensemble": ensemble,
    "cheapest": cheapest,
    "round-robin": round_robin,
    "cost": cost,
    "capability": capability,
    "tiers": tiers,
}

__all__ = [
    "STRATEGIES",
    "Decision",
    "Observed",
    "Offer",
    "Pace",
    "Situation",
    "Strategy",
    "fallback",
    "nothing_to_call",
    "survey",
]
