"""From a prompt to a priced plan: analyse, survey the models, let the strategy decide, price the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime
from functools import partial

from ..config import Rollout, RunOptions, Settings
from ..deferred import dataclass, replace
from ..errors import BudgetError, ConfigError, OrchError, UsageError, did_you_mean
from ..money import format_nanousd
from ..plan import Call, Cascade, CostRange, Node, calls, models, needed, nodes
from ..plan.load import Load
from ..reading.complexity import analyzer_for
from ..reading.needs import ROUTINE_TASKS
from ..reading.prompt import OfReading, Reading, read_prompt
from ..registry.model import ModelSpec, Registry
from ..registry.providers import BROKEN, PROVIDERS, is_set_up, needed_to_set_up
from ..registry.unlisted import UNLISTED, told
from ..types import Media, Prompt
from .assignment import named_in
from .base import LeftOut
from .checking import check_options, check_prompt
from .choosing import Choice, choose, overrides_in, with_strategy_meant
from .costs import CallCosts
from .experiment import Assigned
from .kept import word_of_kept
from .latency import marked_if_slow, within_latency
from .loads import Loads, prompt_load, question_load
from .quality import rated_from
from .role import in_role, with_role
from .rollout import RolledOut, roll_out
from .staying import staying
from .strategies.fallback import fallback
from .strategies.tiers import tier_for, tiers
from .table import Decision, Observed, Obstacle, Offer, Situation, nothing_to_call, survey
from .taking import check_taken

# The chance that a leg's answer is accepted where the ledger has no measurement: of recorded answers to prompts of many
# kinds (RouterArena), the share with a confidence of 0.7 or more.
_ACCEPTED = 0.41
_OF_CAP = (Obstacle.BUDGET, Obstacle.UNPRICED)  # what a cost cap alone puts in a model's way


@dataclass(frozen=True)
class Planned(OfReading):
    """The plan for a prompt, its cost in nano-dollars, and why.

    `pattern`: the plan's name in chains.yaml, if it has one. `costs`: every call of the plan. `warnings`: those of the
    `reasons` that the user sees without asking. `ring`: the rotation in which it takes a turn. `observed`: the
    measurements that the decision used. `assigned`: the arm of the experiment. `rolled_out`: the result of a rollout
    that applies to the prompt.
    """

    reading: Reading
    options: RunOptions
    load: Load
    plan: Node
    pattern: str | None
    cost: CostRange
    costs: Mapping[Call, CostRange]
    reasons: tuple[str, ...]
    warnings: frozenset[str] = frozenset()
    ring: str | None = None
    observed: Observed = field(default_factory=Observed)
    assigned: Assigned | None = None
    rolled_out: RolledOut | None = None


def make_plan(
    prompt: Prompt,
    options: RunOptions,
    *,
    registry: Registry,
    settings: Settings,
    when: datetime,
    observed: Observed | None = None,
    reading: Reading | None = None,
) -> Planned:
    """Plan a run, without calling anything. Raises an OrchError if nothing could be called.

    `reading` is that of the prompt with these options, if an earlier plan has made it.
    """
    check_prompt(prompt)
    check_options(options)
    if options.semantic_cache or "embedding" in options.given:
        from .semantic import check_semantic  # few runs ask for it

        check_semantic(options, registry)
    observed = observed or Observed()
    if options.self_check is not None:
        options = replace(options, self_check=registry.model(options.self_check).name)
    if options.tier is not None:
        options = replace(options, tier=registry.tier_named(options.tier))
    options = with_strategy_meant(options, registry)
    choice = choose(options, registry, prompt, today=when.date(), observed=observed)
    check_taken(options, registry, settings.rollout)
    reading = reading or read_prompt(prompt, choice.options, analyzer_for(settings))
    task, limited = reading.analysis.task, _limited(choice.options, reading)
    if limited is not choice.options:
        choice = replace(choice, options=limited)
    if choice.strategy is tiers:
        choice = replace(choice, chain=registry.tier_chain(limited.tier or tier_for(reading.needs)))
    rollout = None if settings.rollout is None else _known(settings.rollout, registry)
    load = prompt_load(reading, limited)
    situation = _situation(reading, choice, rollout, registry, settings, when, observed)
    decision = _with_word_of_the_cap(_decide(choice, situation, registry), choice, situation, registry)
    if options.served is not None and options.served.stay_with is not None:
        decision = staying(decision, situation, options.served.stay_with)
    rolled_out = None
    if rollout is not None:
        decision, rolled_out = roll_out(
            decision,
            marked_if_slow(rollout.model, situation),
            rollout,
            options.subject or prompt.text,
            settings.run.chain,
        )
    if limited.tools:
        _check_takes_tools(decision.plan)
    written = choice.strategy in (fallback, tiers) and choice.chain.name in registry.chains
    pattern = choice.chain.name if written else None
    planned = _priced(decision, situation, load, settings, pattern)
    reasons = list(planned.reasons)
    if choice.assigned is not None:
        reasons.insert(0, choice.assigned.reason)
    if task in limited.max_tokens_by_task:
        reasons.append(f"replies to a task like this one, {task}, have at most {limited.max_tokens:,} tokens")
    if limited.schema is not None and limited.schema_repair:
        reasons.append("an answer that does not fit the schema is asked for once more: the highest cost includes that")
    asked = map(registry.model, models(planned.plan))
    reasons += word_of_kept(prompt.sent, asked, when, caching=limited.provider_cache)
    warnings = tuple(_of_unlisted(planned.plan, registry))
    return replace(
        planned,
        options=replace(options, max_tokens=limited.max_tokens),
        reasons=(*reasons, *warnings),
        assigned=choice.assigned,
        rolled_out=rolled_out,
        warnings=planned.warnings | set(warnings),
    )


def _of_unlisted(plan: Node, registry: Registry) -> Iterator[str]:
    """What the user should know of the plan's models that no file lists."""
    for name in dict.fromkeys(call.model for call in calls(plan) if call.model):
        spec = registry.model(name)
        if UNLISTED in spec.tags:
            yield told(spec, registry.models)


def _limited(options: RunOptions, reading: Reading) -> RunOptions:
    """The options with the output limit of the prompt's task."""
    limit = options.max_tokens_by_task.get(reading.analysis.task)
    return options if limit is None else replace(options, max_tokens=limit)


def _situation(
    reading: Reading,
    choice: Choice,
    rollout: Rollout | None,
    registry: Registry,
    settings: Settings,
    when: datetime,
    observed: Observed,
) -> Situation:
    options = choice.options
    overrides = {} if choice.table is None else overrides_in(settings.environ, registry)
    hosted = set() if rollout is None or when.date() < rollout.starts else {rollout.model}
    reach = _reach(settings, choice.named(registry) | set(overrides.values()) | hosted, reading.prompt.media)

    def offers_for(load_of: Callable[[Reading, RunOptions, ModelSpec], Load]) -> Mapping[str, Offer]:
        load_on = Loads(reading, options, load_of).on
        offers = survey(
            registry.models,
            load_on,
            options,
            out_of_reach=reach,
            free_tier=settings.free_tier,
            when=when,
            sent=reading.prompt.sent,
        )
        return offers if options.min_quality is None else rated_from(options.min_quality, offers, reading.analysis.task)

    return Situation(
        reading,
        offers_for(prompt_load),
        options,
        choice.chain,
        tuple(registry.model(name).name for name in options.models),
        when,
        registry.roles,
        registry.tiers,
        routing=registry.routing,
        table=choice.table,
        overrides=overrides,
        observed=observed,
        question_offers=offers_for(question_load) if reading.prompt.context else {},
        reserved=frozenset() if rollout is None else frozenset({rollout.model}),
        unfamiliar=settings.complexity.unfamiliar,
    )


def cost_by_batch(planned: Planned, *, registry: Registry, settings: Settings, when: datetime) -> CostRange:
    """The cost of the same calls through the providers' batch APIs; unpriced if one of the batch rates is unknown."""

    def at_batch_rates(name: str) -> ModelSpec:
        spec = registry.model(name)
        price_now = spec.price_at(when)
        by_batch = None if price_now is None else price_now.by_batch()
        return replace(spec, prices=() if by_batch is None else (by_batch,))

    accepted = partial(_chance_of_acceptance, planned.observed)
    costs = CallCosts(planned.reading, planned.options, at_batch_rates, settings.free_tier, when, accepted)
    return costs.total(planned.plan, costs.of(planned.plan))


def _decide(choice: Choice, situation: Situation, registry: Registry) -> Decision:
    """The strategy's decision, within the role and the latency asked for. Raises the obstacle if there is nothing to
    call."""
    options, role = choice.options, None
    if options.role is not None:
        role = registry.role(options.role)
        situation = in_role(situation, role) if choice.ranks_all else situation
    if options.max_latency_s is None:
        decision = choice.strategy(situation)
    else:
        decision = within_latency(choice.strategy, situation, options.max_latency_s)
    if decision is None:
        offers = situation.offers
        written = choice.strategy in (fallback, tiers)
        named = named_in(choice.chain.plan, situation) if written else situation.models
        alive = [offer for offer in offers.values() if not offer.spec.is_retired(situation.when.date())]
        blocked = [offers[name] for name in named if offers[name].obstacle is not None]
        raise nothing_to_call(blocked or alive, needed_to_set_up, situation.analysis.input_tokens)
    return decision if role is None else with_role(decision, role)


def _with_word_of_the_cap(decision: Decision, choice: Choice, situation: Situation, registry: Registry) -> Decision:
    """The decision with a warning for every model that it would call without the cost cap."""
    if situation.options.max_cost_nanousd is None:
        return decision
    free = replace(situation, offers=_Uncapped(situation.offers), question_offers=_Uncapped(situation.question_offers))
    try:
        wanted = _decide(choice, free, registry).models()
    except OrchError:
        return decision
    known = {reason.model: str(reason) for reason in decision.reasons if isinstance(reason, LeftOut)}
    warnings = [
        known.get(name) or str(LeftOut(name, _why_capped(situation.offers[name])))
        for name in wanted
        if name not in decision.models() and situation.offers[name].obstacle in _OF_CAP
    ]
    return replace(decision, warnings=(*warnings, *decision.warnings))


def _chance_of_acceptance(observed: Observed, leg: Node) -> float:
    return observed.accepted.get(leg.model, _ACCEPTED) if isinstance(leg, Call) else _ACCEPTED


def _why_capped(offer: Offer) -> str:
    expected = offer.cost.expected
    return f"{offer.obstacle}" + ("" if expected is None else f", about {format_nanousd(expected)}")


class _Uncapped(Mapping[str, Offer]):
    """The offers as they would be without a cost cap."""

    def __init__(self, offers: Mapping[str, Offer]) -> None:
        self._offers = offers

    def __getitem__(self, name: str) -> Offer:
        offer = self._offers[name]
        return replace(offer, obstacle=None) if offer.obstacle in _OF_CAP else offer

    def __iter__(self) -> Iterator[str]:
        return iter(self._offers)

    def __len__(self) -> int:
        return len(self._offers)


def _check_takes_tools(plan: Node) -> None:
    if any(not isinstance(node, Call | Cascade) or getattr(node, "template", None) is not None for node in nodes(plan)):
        raise UsageError(
            "tools go with one model at a time: a plan that puts answers together has no use for a call of a tool",
            hint="use them with cheapest, cost, capability, round-robin, a task table, or a chain of models",
        )


def _reach(settings: Settings, named: set[str], media: tuple[Media, ...]) -> Callable[[ModelSpec], Obstacle | None]:
    """Why a model cannot be reached, or not with these images and documents, if so. A self-hosted model counts as
    reachable if it is named or has an address."""

    def unfit(spec: ModelSpec) -> Obstacle | None:
        if not media:
            return None
        from .fitting import unfit_for  # few prompts have any

        return unfit_for(media, spec)

    def out_of_reach(spec: ModelSpec) -> Obstacle | None:
        hosted_by_user = PROVIDERS[spec.provider].self_hosted
        if hosted_by_user and spec.name in named:
            return unfit(spec)
        if (settings.simulate and not hosted_by_user) or is_set_up(spec.provider, settings.environ):
            return unfit(spec)
        return Obstacle.NO_PLUGIN if PROVIDERS[spec.provider] is BROKEN else Obstacle.NO_KEY

    return out_of_reach


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


def _priced(decision: Decision, situation: Situation, load: Load, settings: Settings, pattern: str | None) -> Planned:
    options = situation.options
    call_costs = CallCosts(
        situation.reading,
        options,
        lambda name: situation.offers[name].spec,
        settings.free_tier,
        situation.when,
        partial(_chance_of_acceptance, situation.observed),
    )
    costs = call_costs.of(decision.plan)
    least, cap = needed(decision.plan, costs.__getitem__), options.max_cost_nanousd
    if cap is not None and least is not None and least > cap:
        raise BudgetError(
            f"the cost cap is below what the plan is expected to cost at the least: {format_nanousd(least)}",
            hint="raise --max-cost or shorten the prompt; orch plan shows what each step costs",
        )
    total, expected = options.max_tokens_total, load.input_tokens + load.output_tokens
    if total is not None and expected > total:
        raise BudgetError(
            f"one answer takes about {expected:,} tokens with the prompt, and the run may take {total:,}",
            hint="raise --max-tokens-total or shorten the prompt",
        )
    return Planned(
        reading=situation.reading,
        options=options,
        load=load,
        plan=decision.plan,
        pattern=pattern,
        cost=call_costs.total(decision.plan, costs),
        costs=costs,
        reasons=tuple(dict.fromkeys((*map(str, decision.reasons), *decision.warnings))),
        warnings=frozenset(decision.warnings),
        ring=decision.ring,
        observed=situation.observed,
    )
