"""Checks that a strategy uses the options that the user gave: options that would be ignored are refused.

`takers` in the table of options names the strategies that take an option. Files decide on the rest: a plan without a
cascade accepts no answer, and a table may have no condition on critical prompts.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..config import Rollout, RunOptions
from ..config.options import EXPERIMENT, OPTIONS, PLAN, TABLE
from ..deferred import dataclass, replace
from ..errors import UsageError
from ..plan import Accept, Call, Cascade, Loop, Node, nodes
from ..registry.model import Registry
from ..registry.routes import Condition
from ..types import AcceptRule
from .experiment import choose as experiment_meant
from .plugin import PluginStrategy
from .rollout import STRATEGIES as ROLLED_OUT
from .strategies.tiers import ARCH, EXEC, TASKS
from .table import STRATEGIES

_OF_ROLLOUTS = frozenset({"threshold", "subject", "critical", "requires", "routine"})
_OF_NEEDS = frozenset({"critical", "requires", "routine"})
_OF_CASCADES = frozenset({"accept", "self_check", "logprobs"})
_OF_SEVERAL = frozenset({"accept", "self_check"})


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of answering: its name in messages, its strategy, and the plans that it may lead to, as far as they
    are defined in files. `conditions` are those that choose among models, `takes` the options that a plugin's
    strategy takes."""

    called: str
    strategy: str
    plans: tuple[Node, ...] = ()
    conditions: tuple[Condition, ...] = ()
    takes: frozenset[str] = frozenset()


def check_taken(options: RunOptions, registry: Registry, rollout: Rollout | None) -> None:
    """Raises UsageError for an option that the user gave and the run would not use.

    In an experiment each arm must use it.
    """
    given = {name: spelled for name, spelled in options.given.items() if OPTIONS[name].takers}
    for way in _ways(options, registry) if given else ():
        for name, spelled in given.items():
            problem = _problem(name, way, options, rollout)
            if problem is not None:
                raise UsageError(f"{way.called} makes no use of {spelled}", hint=problem)


def _ways(options: RunOptions, registry: Registry) -> Iterator[_Way]:
    if options.strategy != EXPERIMENT:
        yield _way(options.strategy, options, registry)
        return
    experiment = experiment_meant(registry.routing.experiments, options.experiment)
    for arm in experiment.arms:
        called = f"the arm {arm.name} of {experiment.name}"
        if arm.strategy is None:
            yield _Way(called, PLAN, (registry.chain(arm.model or arm.chain or "").plan,))
        else:
            way = _way(arm.strategy, options, registry)
            yield replace(way, called=called)


def _way(name: str, options: RunOptions, registry: Registry) -> _Way:
    match name:
        case "fallback" if options.role is None:
            return _Way(name, name, (registry.chain(options.chain).plan,))
        case "fallback":
            return _Way(f"{name} in a role", name, (Call(role=options.role),))
        case "tiers":
            tiers = (ARCH, EXEC, TASKS) if options.tier is None else (options.tier,)
            return _Way(name, name, tuple(registry.tier_chain(tier).plan for tier in tiers))
        case "capability":
            return _Way(name, name, conditions=tuple(each.when for each in registry.routing.fit.weights.values()))
        case _ if name in STRATEGIES.built_in:
            return _Way(name, name)
        case _ if name in registry.chains:
            return _Way(f"the plan {name}", PLAN, (registry.chains[name].plan,))
        case _ if name not in registry.routing.tables:
            plugin = STRATEGIES[name]
            return _Way(name, name, takes=plugin.takes if isinstance(plugin, PluginStrategy) else frozenset())
    rows = registry.routing.tables[name].rows
    plans = tuple(Cascade(tuple(Call(model) for model in row.models)) for row in rows)  # what each row comes to
    return _Way(f"the table {name}", TABLE, plans, tuple(row.when for row in rows if row.when is not None))


def _problem(name: str, way: _Way, options: RunOptions, rollout: Rollout | None) -> str | None:
    """Why an option is of no use, for a hint; None if it is used."""
    takers = OPTIONS[name].takers
    if not takers or name in way.takes or (options.strategy == EXPERIMENT and EXPERIMENT in takers):
        return None
    if rollout is not None and name in _OF_ROLLOUTS and options.strategy in ROLLED_OUT and options.role is None:
        return None
    if way.strategy not in takers:
        return f"it is for {_listed(takers)}"
    if name == "chain" and options.role is not None:
        return "the role says whom to ask: leave one of them out"
    if name in _OF_NEEDS and way.strategy == "tiers" and options.tier is not None:
        return "the tier is said already: leave one of them out"
    if name == "critical" and way.strategy != "tiers" and not any(each.critical for each in way.conditions):
        return "none of its conditions asks whether a prompt is critical; those of the table select do"
    if name in _OF_CASCADES and not any(_cascades(way)):
        return "it is for a cascade, such as a chain of models"
    if name in _OF_SEVERAL and all(len(plan.legs) < 2 for plan in _cascades(way)):
        return "it is for a chain of two models or more: after the last one nothing is decided"
    if name == "accept" and all(plan.accept.rule is AcceptRule.AGREEMENT for plan in _cascades(way)):
        return "that answers must agree is written in it"
    if name == "allow_unpriced" and way.strategy == "ensemble" and not options.models:
        return "of models that nobody names, those without a price are not chosen; it is for those of --models"
    if name == "threshold" and not any(_goes_by_threshold(plan) for plan in way.plans):
        return "it is for plans that accept an answer by its confidence, such as a chain of models"
    return None


def _cascades(way: _Way) -> Iterator[Cascade]:
    return (plan for plan in way.plans if isinstance(plan, Cascade))


def _goes_by_threshold(plan: Node) -> bool:
    """Whether the options' threshold decides anywhere in a plan, where the plan sets none of its own."""
    accepts = (
        node.accept if isinstance(node, Cascade) else node.until
        for node in nodes(plan)
        if isinstance(node, Cascade | Loop)
    )
    return any(isinstance(accept, Accept) and accept.threshold is None for accept in accepts)


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
