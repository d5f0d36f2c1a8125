"""The strategies by name.

To add one: a file with a function from `Situation` to `Decision`, both of the strategy's name, and that name in
`STRATEGY_NAMES` of `settings/options.py`.
"""

from __future__ import annotations

from importlib import import_module

from ..settings.options import EXPERIMENT, STRATEGY_NAMES
from .base import Decision, Offer, Situation, Strategy, nothing_to_call, survey
from .fallback import fallback
from .observed import Observed, Pace


def _function(name: str) -> Strategy:
    function: Strategy = getattr(import_module(f".{name}", __package__), name)
    return function


STRATEGIES: dict[str, Strategy] = {
    name: _function(name.replace("-", "_")) for name in STRATEGY_NAMES if name != EXPERIMENT
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
