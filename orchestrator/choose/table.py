"""The strategies by name.

To add one: a file with a function from `Situation` to `Decision`, both of the strategy's name, and that name in
`STRATEGY_NAMES` of `config/options.py`.
"""

from __future__ import annotations

from importlib import import_module

from ..config.options import EXPERIMENT, STRATEGY_NAMES
from ..plugins import Table
from .base import Decision, Obstacle, Offer, Situation, Strategy, survey
from .nothing import nothing_to_call
from .observed import Observed, Pace
from .plugin import of_plugin, takes


def _function(name: str) -> Strategy:
    function: Strategy = getattr(import_module(f".strategies.{name}", __package__), name)
    return function


STRATEGIES: Table[Strategy] = Table(
    "orch.strategies",
    {name: _function(name.replace("-", "_")) for name in STRATEGY_NAMES if name != EXPERIMENT},
    of_plugin,
)

__all__ = [
    "STRATEGIES",
    "Decision",
    "Observed",
    "Obstacle",
    "Offer",
    "Pace",
    "Situation",
    "Strategy",
    "nothing_to_call",
    "survey",
    "takes",
]
