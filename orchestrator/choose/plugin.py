"""Strategies of installed packages: the options that they take, and checks of their decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..config.options import EXPERIMENT, OPTIONS
from ..deferred import dataclass
from ..errors import OrchError
from ..plan import PlanError, check_plan
from ..plugins import Plugin, failure
from .base import Decision, Situation, Strategy

F = TypeVar("F", bound=Callable[..., Any])

_TAKES = "takes"  # the attribute of a plugin's function
_SOME_TAKE = frozenset(name for name, option in OPTIONS.items() if option.takers and EXPERIMENT not in option.takers)


def takes(*options: str) -> Callable[[F], F]:
    """A decorator: the strategy uses these fields of `RunOptions`, beyond those that every strategy takes.

    An option that a strategy does not use is refused when a user gives it.
    """

    def decorate(function: F) -> F:
        setattr(function, _TAKES, options)
        return function

    return decorate


@dataclass(frozen=True, slots=True)
class PluginStrategy:
    """A plugin's strategy. `takes` are the options that it uses."""

    plugin: Plugin
    decide: Strategy
    takes: frozenset[str]

    def __call__(self, situation: Situation, /) -> Decision | None:
        """The plugin's decision. Raises PluginError if the plugin fails, or decides what cannot be carried out."""
        try:
            decision = self.decide(situation)
            if decision is not None:
                _check(decision, situation)
        except OrchError:
            raise
        except (Exception, SystemExit) as error:
            raise failure(self.plugin, error) from error
        return decision


def of_plugin(plugin: Plugin, strategy: Any) -> Strategy:
    """The strategy that an entry point names."""
    if not callable(strategy):
        raise TypeError(f"{plugin.target} is no function")
    taken = frozenset(getattr(strategy, _TAKES, ()))
    if not taken <= _SOME_TAKE:
        unknown = ", ".join(map(str, sorted(taken - _SOME_TAKE)))
        raise ValueError(f"it takes {unknown}, which is none of {', '.join(sorted(_SOME_TAKE))}")
    return PluginStrategy(plugin, strategy, taken)


def _check(decision: Any, situation: Situation) -> None:
    if not isinstance(decision, Decision):
        raise TypeError(f"it gave {type(decision).__name__} for a Decision")
    try:
        check_plan(decision.plan)
    except PlanError as error:
        raise ValueError(f"its plan cannot be carried out: {error}") from error
    for name in decision.models():
        if name not in situation.offers:
            raise ValueError(f"its plan calls {name!r}, and there is no such model")
