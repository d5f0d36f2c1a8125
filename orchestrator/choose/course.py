"""The course that a run's options set before its prompt is read: they are checked, the names in them are resolved, and
what decides is found. It is the same for all prompts that are asked alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from ..config import Rollout, RunOptions, Settings
from ..config.options import EXPERIMENT
from ..deferred import dataclass, replace
from ..errors import ConfigError, did_you_mean
from ..reading.needs import ROUTINE_TASKS
from ..reading.prompt import Reading
from ..registry.model import Chain, Registry
from ..registry.routes import TaskTable
from ..types import Prompt
from .checking import check_options
from .choosing import choose, overrides_in, with_strategy_meant
from .experiment import Assigned
from .observed import Observed
from .strategies.fallback import fallback
from .strategies.round_robin import round_robin
from .strategies.tasks import tasks
from .strategies.tiers import tier_for, tiers
from .table import Strategy
from .taking import check_taken

_MOST_KEPT = 64  # courses


@dataclass(frozen=True)
class Course:
    """What decides on a run, and by what: `options` are the run's, or those of its arm in an experiment.

    `meant`: the fields of the run's options in which a name was resolved. `models`: those that the options name.
    `named`: these, and those that a file or the environment names, beside the chain's. `overrides`: by task, the models
    that the environment puts first.
    """

    options: RunOptions
    strategy: Strategy
    chain: Chain
    table: TaskTable | None
    assigned: Assigned | None
    meant: Mapping[str, Any]
    models: tuple[str, ...]
    named: frozenset[str]
    overrides: Mapping[str, str]
    rollout: Rollout | None

    @property
    def follows_a_chain(self) -> bool:
        """Whether its plan is the one that is written in its chain."""
        return self.strategy in (fallback, tiers)

    @property
    def ranks_all(self) -> bool:
        """Whether it chooses among all models, instead of among those that it was given."""
        return self.strategy not in (fallback, tasks, round_robin, tiers)

    def pattern(self, registry: Registry) -> str | None:
        """The name of its plan in chains.yaml, if it has one."""
        return self.chain.name if self.follows_a_chain and self.chain.name in registry.chains else None

    def names(self, model: str, today: date) -> bool:
        """Whether the options, the chain, a file or the environment name a model for the run."""
        if model in self.named or model in self.chain.models:
            return True
        return self.rollout is not None and model == self.rollout.model and today >= self.rollout.starts

    def options_of_run(self, asked: RunOptions) -> RunOptions:
        """What was asked, with names resolved, and the output limit of the prompt's task; not those of an arm."""
        if self.assigned is None:
            return self.options
        return replace(asked, **self.meant, max_tokens=self.options.max_tokens)

    def for_options(self, options: RunOptions) -> Course:
        """The course for options that are equal to those that it was set for."""
        return replace(self, options=replace(options, **self.meant) if self.meant else options)

    def for_prompt(self, reading: Reading, registry: Registry) -> Course:
        """The course with the output limit of the prompt's task, and with the chain of its tier."""
        course, options = self, self.options
        limit = options.max_tokens_by_task.get(reading.analysis.task)
        if limit is not None:
            course = replace(course, options=replace(options, max_tokens=limit))
        if self.strategy is tiers:
            course = replace(course, chain=registry.tier_chain(options.tier or tier_for(reading.needs)))
        return course


class Courses:
    """Sets the courses of runs with one registry and one set of settings. Those for the options of late are kept: most
    runs of a program have the same."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings
        self._kept: dict[tuple[str, str], tuple[RunOptions, Course]] = {}

    def of(self, options: RunOptions, prompt: Prompt, today: date, observed: Observed) -> Course:
        """The course for a prompt. Raises an OrchError for options that are out of range, contradict each other, are of
        no use to what decides, or name what there is not."""
        key = options.strategy, options.chain
        asked, kept = self._kept.get(key, (None, None))
        if kept is not None and vars(asked) == vars(options):
            return kept.for_options(options)
        course = self._set(options, prompt, today, observed)
        # An experiment draws the arm by the prompt, and a command may be installed or removed.
        if options.strategy != EXPERIMENT and options.verify is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = options, course
        return course

    def _set(self, asked: RunOptions, prompt: Prompt, today: date, observed: Observed) -> Course:
        registry, settings, options = self._registry, self._settings, asked
        check_options(options)
        if options.semantic_cache or "embedding" in options.given:
            from .semantic import check_semantic  # few runs ask for it

            check_semantic(options, registry)
        if options.self_check is not None:
            options = replace(options, self_check=registry.model(options.self_check).name)
        if options.tier is not None:
            options = replace(options, tier=registry.tier_named(options.tier))
        options = with_strategy_meant(options, registry)
        choice = choose(options, registry, prompt, today=today, observed=observed)
        check_taken(options, registry, settings.rollout)
        overrides = {} if choice.table is None else overrides_in(settings.environ, registry)
        models = tuple(registry.model(name).name for name in choice.options.models)
        ring = registry.routing.round_robin if choice.strategy is round_robin else ()
        rows = () if choice.table is None else choice.table.rows
        return Course(
            choice.options,
            choice.strategy,
            choice.chain,
            choice.table,
            choice.assigned,
            {name: value for name, value in vars(options).items() if value is not getattr(asked, name)},
            models,
            frozenset((*models, *ring, *(name for row in rows for name in row.models), *overrides.values())),
            overrides,
            None if settings.rollout is None else _known(settings.rollout, registry),
        )


def _known(rollout: Rollout, registry: Registry) -> Rollout:
    """The rollout with its model's canonical name. Raises ConfigError for an unknown model or task."""
    spec = registry.find(rollout.model)
    if spec is None:
        suggestion = did_you_mean(rollout.model, registry.models) or "orch models lists them"
        raise ConfigError(f"rollout: there is no model {rollout.model!r}", hint=suggestion)
    for task in rollout.tasks:
        if task not in ROUTINE_TASKS:
            routine = sorted(ROUTINE_TASKS)
            suggestion = did_you_mean(task, routine) or f"there are: {', '.join(routine)}"
            raise ConfigError(f"rollout: {task!r} is no routine task", hint=suggestion)
    return replace(rollout, model=spec.name)
