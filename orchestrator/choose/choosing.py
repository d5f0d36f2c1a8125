"""Finds what decides on the plan: a strategy, a named plan, a task table, or an experiment's arm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from ..config import RunOptions
from ..config.options import EXPERIMENT
from ..deferred import dataclass, replace
from ..errors import ConfigError, UsageError, did_you_mean
from ..plan import Call
from ..registry.model import Chain, Feature, Registry
from ..registry.routes import TaskTable
from ..types import Prompt, Task
from .experiment import Assigned, assign
from .experiment import choose as experiment_meant
from .strategies.fallback import fallback
from .strategies.tasks import names_of, tasks
from .strategies.tiers import tiers
from .table import STRATEGIES, Observed, Strategy

_OVERRIDE = "MODEL_OVERRIDE_"


@dataclass(frozen=True)
class Choice:
    """What decides on the plan. `options` are the run's; in an experiment, those of its arm."""

    strategy: Strategy
    chain: Chain
    options: RunOptions
    table: TaskTable | None = None
    assigned: Assigned | None = None


def choose(options: RunOptions, registry: Registry, prompt: Prompt, *, today: date, observed: Observed) -> Choice:
    """The choice that the options ask for. Raises UsageError for an unknown name, ConfigError for an unknown name in
    an arm."""
    assigned = None
    if options.strategy == EXPERIMENT:
        experiment = experiment_meant(registry.routing.experiments, options.experiment)
        subject = prompt.text if options.subject is None else options.subject
        assigned = assign(experiment, subject, today=today, stopped=observed.stopped)
        options = _in_arm(options, assigned, registry)
    strategy, chain, table = _named_by(options, registry)
    _check_task(options, registry, table)
    if options.tools:
        _check_tools_of_named(options, registry, strategy)
    return Choice(strategy, chain, options, table, assigned)


def with_strategy_meant(options: RunOptions, registry: Registry) -> RunOptions:
    """The options with a model's name in the place of a strategy's read as the chain of that model alone.

    Raises UsageError where something else says whom to ask, too.
    """
    name = options.strategy
    if name == EXPERIMENT or _decider(name, registry) is not None or registry.find(name) is None:
        return options
    if stated := next((options.given[each] for each in ("chain", "models") if each in options.given), None):
        raise UsageError(f"the strategy {name!r} and {stated} both say whom to ask", hint="give one of them")
    given = {**options.given, "chain": f"the strategy {name!r}"}
    return replace(options, strategy="fallback", chain=name, given=given)


def _in_arm(options: RunOptions, assigned: Assigned, registry: Registry) -> RunOptions:
    arm = assigned.arm
    if arm.strategy is None:
        return replace(options, strategy="fallback", chain=arm.model or arm.chain or "")
    if _decider(arm.strategy, registry) is None:
        problem = (
            f"experiment {assigned.experiment.name}: {arm.name} has a strategy {arm.strategy!r}, which there is not"
        )
        known = _known(registry)
        raise ConfigError(problem, hint=did_you_mean(arm.strategy, known) or f"there are: {', '.join(known)}")
    return replace(options, strategy=arm.strategy)


def _named_by(options: RunOptions, registry: Registry) -> tuple[Strategy, Chain, TaskTable | None]:
    """What decides, and on what: the name of a plan or a table may stand in place of a strategy's."""
    name, role = options.strategy, options.role
    decider = _decider(name, registry)
    if decider is None:
        known = [*_known(registry), EXPERIMENT]
        hint = did_you_mean(name, [*known, *registry.models]) or f"there are: {', '.join(known)}, and models"
        raise UsageError(f"no strategy {name!r}", hint=hint)
    if isinstance(decider, Chain):
        if role is not None:
            raise UsageError(f"the calls of the plan {name!r} have roles of their own", hint="leave out --role")
        return fallback, decider, None
    if decider is tiers and role is not None:
        raise UsageError("the calls of a tier have roles of their own", hint="leave out --role")
    chain = registry.chain(options.chain)
    if isinstance(decider, TaskTable):
        return tasks, chain, decider
    if role is not None:
        chain = Chain(registry.role(role).name, Call(role=registry.role(role).name))
    return decider, chain, None


def _decider(name: str, registry: Registry) -> Strategy | Chain | TaskTable | None:
    """What a name means: a built-in strategy, a named plan, a task table, or a plugin's strategy."""
    return (
        STRATEGIES.built_in.get(name)
        or registry.chains.get(name)
        or registry.routing.tables.get(name)
        or STRATEGIES.get(name)
    )


def _known(registry: Registry) -> list[str]:
    return [*STRATEGIES, *registry.routing.tables, *registry.chains]


def _check_task(options: RunOptions, registry: Registry, table: TaskTable | None) -> None:
    if options.task is None:
        return
    known = [task.value for task in Task] if table is None else names_of([table])
    if options.task in known:
        return
    elsewhere = next((t.name for t in registry.routing.tables.values() if options.task in names_of([t])), None)
    hint = did_you_mean(options.task, known) or (f"it is one of -s {elsewhere}" if elsewhere else None)
    raise UsageError(f"there is no task {options.task!r} here", hint=hint or f"there are: {', '.join(known)}")


def _check_tools_of_named(options: RunOptions, registry: Registry, strategy: Strategy) -> None:
    """A named chain drops models that take no tools; a model that the user names must take them."""
    named = [registry.model(name) for name in options.models]
    if strategy is fallback and options.role is None and options.chain not in registry.chains:
        named += [registry.model(name) for name in registry.chain(options.chain).models]
    for spec in named:
        if Feature.TOOLS not in spec.supports:
            raise UsageError(
                f"{spec.name} does not support tools", hint="leave it out, or leave out --tools; orch models has others"
            )


def overrides_in(environ: Mapping[str, str], registry: Registry) -> dict[str, str]:
    """The models that the environment puts first, by task in lower case: `MODEL_OVERRIDE_<TASK>`.

    Raises ConfigError for an unknown model.
    """
    overrides: dict[str, str] = {}
    for variable, name in environ.items():
        if not variable.startswith(_OVERRIDE) or not name:
            continue
        spec = registry.find(name)
        if spec is None:
            hint = did_you_mean(name, registry.models) or "see: orch models"
            raise ConfigError(f"{variable}: there is no model named {name[:100]!r}", hint=hint)
        overrides[variable.removeprefix(_OVERRIDE).lower()] = spec.name
    return overrides
