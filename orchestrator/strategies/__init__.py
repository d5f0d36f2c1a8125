"""The strategies by name. To add one: a file with a function from `Situation` to `Decision`, and a line here."""

from __future__ import annotations

from .base import Decision, Offer, Situation, Strategy, nothing_to_call, survey
from .cheapest import cheapest
from .ensemble import ensemble
from .fallback import fallback
from .tiers import tiers

STRATEGIES: dict[str, Strategy] = {
    "fallback": fallback,
    "ensemble": ensemble,
    "cheapest": cheapest,
    "tiers": tiers,
}

__all__ = ["STRATEGIES", "Decision", "Offer", "Situation", "Strategy", "fallback", "nothing_to_call", "survey"]
