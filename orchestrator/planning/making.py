"""From a prompt to a plan: analyse, survey the models, let the strategy decide, and price what it decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ..analysis import ComplexityAnalyzer
from ..analysis.needs import ROUTINE_TASKS, Need, Needs, needs_of, told
from ..analysis.tokens import estimate_tokens, upper_bound_tokens
from ..errors import BudgetError, ConfigError, UsageError, did_you_mean
from ..money import format_nanousd
from ..plan import Call, CostRange, Node, needed, price
from ..providers.catalog import PROVIDERS, is_set_up, needed_to_set_up
from ..quote import MESSAGE_OVERHEAD, Load
from ..registry.model import Chain, ModelSpec, Registry
from ..settings import Rollout, RunOptions, Settings
from ..strategies import STRATEGIES, Decision, Offer, Situation, Strategy, fallback, nothing_to_call, survey
from ..strategies.assignment import named_in
from ..strategies.role import in_role, with_role
from ..strategies.rollout import RolledOut, roll_out
from ..strategies.tiers import tier_for, tiers
from ..types import Analysis, Prompt
from .costs import CallCosts


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be done with a prompt, what it could cost in nano-dollars, and why.

    `pattern` is the name of the plan in chains.yaml, if it is one. `costs` has every call of the plan; `call_costs`, by
    name, what the prompt by itself would cost on any model. `rolled_out` is what a rollout made of the run, if one is
    meant for it.
    """

    prompt: Prompt
    options: RunOptions
    analysis: Analysis
    load: Load
    plan: Node
    pattern: str | None
    cost: CostRange
    costs: Mapping[Call, CostRange]
    call_costs: Mapping[str, CostRange]
    reasons: tuple[str, ...]
    rolled_out: RolledOut | None = None


def make_plan(
    prompt: Prompt, options: RunOptions, *, registry: Registry, settings: Settings, when: datetime
) -> Planned:
    """What a run would do, without calling anything. Raises an OrchError if there is nothing it could do."""
    check_prompt(prompt)
    check_options(options)
    if options.tier is not None:
        options = replace(options, tier=registry.tier_named(options.tier))
    analysis = _analysis(prompt)
    needs = _needs(prompt, analysis, options)
    strategy, chain = _strategy_and_chain(options, needs, registry)
    load = _load(prompt, analysis)
    models = tuple(registry.model(name).name for name in options.models)
    rollout = None if settings.rollout is None else _known(settings.rollout, registry)
    hosted = set() if rollout is None or when.date() < rollout.starts else {rollout.model}
    has_access = _access(settings, {*chain.models, *models, *hosted})

    def offers_for(load: Load) -> dict[str, Offer]:
        return survey(
            registry.models.values(), load, options, has_access=has_access, free_tier=settings.free_tier, when=when
        )

    offers = offers_for(load)
    situation = Situation(
        analysis,
        offers,
        options,
        chain,
        models,
        when,
        registry.roles,
        registry.tiers,
        question_offers=offers_for(_question_load(prompt, load)) if prompt.context else {},
        needs=needs,
        reserved=frozenset() if rollout is None else frozenset({rollout.model}),
    )
    if options.role is not None and strategy is not fallback:
        situation = in_role(situation, registry.role(options.role))
    decision = strategy(situation)
    if decision is None:
        named = named_in(chain.plan, situation) if strategy in (fallback, tiers) else situation.models
        alive = [offer for offer in situation.offers.values() if not offer.spec.is_retired(when.date())]
        blocked = [offers[name] for name in named if offers[name].obstacle is not None]
        raise nothing_to_call(blocked or alive, needed_to_set_up, load.input_tokens)
    if options.role is not None:
        decision = with_role(decision, registry.role(options.role))
    rolled_out = None
    if rollout is not None:
        decision, rolled_out = roll_out(decision, situation, rollout, options.subject or prompt.text)
    pattern = chain.name if strategy in (fallback, tiers) and chain.name in registry.chains else None
    return replace(_priced(prompt, decision, situation, load, settings, pattern), rolled_out=rolled_out)


def _analysis(prompt: Prompt) -> Analysis:
    """What is known of a prompt. Files that are attached count for its length: they are not what was asked."""
    analysis = ComplexityAnalyzer().analyze(prompt.asked)
    return replace(analysis, input_tokens=estimate_tokens(prompt.text)) if prompt.attached else analysis


def _needs(prompt: Prompt, analysis: Analysis, options: RunOptions) -> Needs:
    """What the user says that a prompt asks for, or what it looks like."""
    said = {Need(each) for each in options.requires}
    said |= {need for need, given in ((Need.CRITICAL, options.critical), (Need.ROUTINE, options.routine)) if given}
    return told(said) if said else needs_of(prompt.asked, analysis)


def _strategy_and_chain(options: RunOptions, needs: Needs, registry: Registry) -> tuple[Strategy, Chain]:
    """What decides on the plan, and on what: a plan's name is as good as a strategy's. Raises UsageError."""
    name = options.strategy
    if name not in STRATEGIES and name in registry.chains:
        if options.role is not None:
            raise UsageError(f"the calls of the plan {name!r} have roles of their own", hint="leave out --role")
        return fallback, registry.chains[name]
    if name not in STRATEGIES:
        known = [*STRATEGIES, *registry.chains]
        raise UsageError(f"no strategy {name!r}", hint=did_you_mean(name, known) or f"there are: {', '.join(known)}")
    if STRATEGIES[name] is tiers:
        if options.role is not None:
            raise UsageError("the calls of a tier have roles of their own", hint="leave out --role")
        return tiers, registry.tier_chain(options.tier or tier_for(needs))
    chain = registry.chain(options.chain)
    if options.role is not None:
        role = registry.role(options.role)
        chain = Chain(role.name, Call(role=role.name))
    return STRATEGIES[name], chain


def _access(settings: Settings, named: set[str]) -> Callable[[ModelSpec], bool]:
    """Whether a model can be reached. For one that the user hosts, being named or having an address will do."""

    def has_access(spec: ModelSpec) -> bool:
        hosted_by_user = PROVIDERS[spec.provider].self_hosted
        if hosted_by_user and spec.name in named:
            return True
        return (settings.simulate and not hosted_by_user) or is_set_up(spec.provider, settings.environ)

    return has_access


def check_prompt(prompt: Prompt) -> None:
    """Raises UsageError for a prompt that is empty, no text at all, or that cannot be sent as UTF-8."""
    if not isinstance(prompt.text, str):
        raise UsageError(f"the prompt must be text, not {type(prompt.text).__name__}")
    if not prompt.text.strip():
        raise UsageError("the prompt is empty")
    if prompt.attached and not prompt.question.strip():
        raise UsageError("the prompt is empty: --context is material for one, and asks nothing")
    _check_text("prompt", prompt.text)
    _check_text("system prompt", prompt.system or "")


def _check_text(name: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the {name} is not valid Unicode: {text[error.start]!a} at character {error.start}",
            hint="convert it to UTF-8 first, for example with iconv",
        ) from None


def check_options(options: RunOptions) -> None:
    """Raises UsageError for a value that is out of range, or a name that is not text."""
    for name, text in (("category", options.category), *(("tag", tag) for tag in options.tags)):
        _check_text(name, text)
    for each in options.requires:
        if each not in (Need.DESIGN, Need.IMPLEMENTATION):
            raise UsageError(f"a prompt may require design or implementation, not {each!r}")
    ranges: tuple[tuple[str, float | None, float, float], ...] = (
        ("threshold", options.threshold, 0, 1),
        ("ensemble size", options.ensemble_size, 1, 100),
        ("cost cap in nano-dollars", options.max_cost_nanousd, 0, 2**63 - 1),
        ("timeout", options.timeout_s, 0.001, 86_400),
        ("limit on tokens", options.max_tokens, 1, float("inf")),
        ("temperature", options.temperature, 0, 2),
    )
    for name, value, least, most in ranges:
        if value is not None and not least <= value <= most:
            bounds = f"at least {least:g}" if most == float("inf") else f"from {least:g} to {most:g}"
            raise UsageError(f"the {name} must be {bounds}, not {value:g}")


def _load(prompt: Prompt, analysis: Analysis) -> Load:
    system = prompt.system or ""
    return Load(
        input_tokens=analysis.input_tokens + estimate_tokens(system),
        input_bound=upper_bound_tokens(prompt.text) + upper_bound_tokens(system) + MESSAGE_OVERHEAD,
        output_tokens=analysis.output_tokens,
    )


def _question_load(prompt: Prompt, load: Load) -> Load:
    """The load of the question without what was given with it."""
    given = estimate_tokens(prompt.context)
    return replace(
        load,
        input_tokens=max(1, load.input_tokens - given),
        input_bound=load.input_bound - upper_bound_tokens(prompt.context),
    )


def _known(rollout: Rollout, registry: Registry) -> Rollout:
    """The rollout with its model's own name. Raises ConfigError for a model or a task that there is not."""
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


def _priced(
    prompt: Prompt, decision: Decision, situation: Situation, load: Load, settings: Settings, pattern: str | None
) -> Planned:
    options = situation.options
    costs = CallCosts(
        prompt, options, load, lambda name: situation.offers[name].spec, settings.free_tier, situation.when
    ).of(decision.plan)
    least, cap = needed(decision.plan, costs.__getitem__), options.max_cost_nanousd
    if cap is not None and least is not None and least > cap:
        raise BudgetError(
            f"the cost cap is below what the plan is expected to cost at the least: {format_nanousd(least)}",
            hint="raise --max-cost or shorten the prompt; orch plan shows what each step costs",
        )
    return Planned(
        prompt=prompt,
        options=options,
        analysis=situation.analysis,
        load=load,
        plan=decision.plan,
        pattern=pattern,
        cost=price(decision.plan, costs.__getitem__),
        costs=costs,
        call_costs={name: offer.cost for name, offer in situation.offers.items()},
        reasons=decision.reasons,
    )
