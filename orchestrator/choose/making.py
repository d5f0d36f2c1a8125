"""From a prompt to a priced plan: analyse, survey the models, let the strategy decide, price the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime
from functools import partial

from ..config import RunOptions, Settings
from ..deferred import dataclass, replace
from ..errors import BudgetError
from ..money import format_nanousd
from ..once import kept_property
from ..plan import Call, CostRange, Node, calls, models, needed
from ..plan.load import Load
from ..reading.complexity import ComplexityAnalyzer, analyzer_for
from ..reading.prompt import OfReading, Reading, read_prompt
from ..registry.model import ModelSpec, Registry
from ..registry.providers import BROKEN, PROVIDERS, is_set_up
from ..registry.unlisted import UNLISTED, told
from ..types import Prompt
from .checking import check_prompt
from .costs import CallCosts
from .course import Course, Courses
from .deciding import check_takes_tools, decide, with_word_of_the_cap
from .experiment import Assigned
from .kept import word_of_kept
from .latency import marked_if_slow
from .loads import Loads
from .quality import rated_from
from .quote import Quotes
from .rollout import RolledOut, roll_out
from .staying import staying
from .table import Decision, Observed, Obstacle, Offer, Situation, survey

# The chance that a leg's answer is accepted where the ledger has no measurement: of recorded answers to prompts of many
# kinds (RouterArena), the share with a confidence of 0.7 or more.
_ACCEPTED = 0.41


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
    """The plan of a `Planner` that makes only this one."""
    return Planner(registry, settings).plan(prompt, options, when=when, observed=observed, reading=reading)


class Planner:
    """Plans runs with one registry and one set of settings."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.settings = settings
        self._registry = registry
        self._courses = Courses(registry, settings)

    @kept_property
    def _analyzer(self) -> ComplexityAnalyzer:
        return analyzer_for(self.settings)

    def plan(
        self,
        prompt: Prompt,
        options: RunOptions,
        *,
        when: datetime,
        observed: Observed | None = None,
        reading: Reading | None = None,
    ) -> Planned:
        """Plan a run, without calling anything. Raises an OrchError if nothing could be called.

        `reading` is that of the prompt with these options, if an earlier plan has made it.
        """
        check_prompt(prompt)
        observed = observed or Observed()
        course = self._courses.of(options, prompt, when.date(), observed)
        reading = reading or read_prompt(prompt, course.options, self._analyzer)
        course = course.for_prompt(reading, self._registry)
        loads, quotes = Loads(reading, course.options), Quotes(course.options, self.settings.free_tier, when)
        load, situation = loads.on(), self._situation(course, loads, quotes, observed)
        decision, rolled_out = self._decision(course, situation)
        if course.options.tools:
            check_takes_tools(decision.plan)
        accepted = partial(_chance_of_acceptance, observed)
        pricing = CallCosts(loads, lambda name: situation.offers[name].spec, quotes, accepted)
        costs = pricing.of(decision.plan)
        _check_limits(course.options, load, needed(decision.plan, costs.__getitem__))
        unlisted = tuple(_of_unlisted(decision.plan, self._registry))
        return Planned(
            reading=reading,
            options=course.options_of_run(options),
            load=load,
            plan=decision.plan,
            pattern=course.pattern(self._registry),
            cost=pricing.total(decision.plan, costs),
            costs=costs,
            reasons=(*self._reasons(course, decision, situation), *unlisted),
            warnings=frozenset((*decision.warnings, *unlisted)),
            ring=decision.ring,
            observed=observed,
            assigned=course.assigned,
            rolled_out=rolled_out,
        )

    def _situation(self, course: Course, loads: Loads, quotes: Quotes, observed: Observed) -> Situation:
        reading, registry, rollout = loads.reading, self._registry, course.rollout
        reach = self._reach(course, reading.prompt, quotes.when)

        def offers_for(load_on: Callable[[ModelSpec], Load]) -> Mapping[str, Offer]:
            offers = survey(registry.models, load_on, quotes, out_of_reach=reach, sent=reading.prompt.sent)
            least = course.options.min_quality
            return offers if least is None else rated_from(least, offers, reading.analysis.task)

        return Situation(
            reading,
            offers_for(loads.on),
            course.options,
            course.chain,
            course.models,
            quotes.when,
            registry.roles,
            registry.tiers,
            routing=registry.routing,
            table=course.table,
            overrides=course.overrides,
            observed=observed,
            question_offers=offers_for(Loads(reading, course.options, of_question=True).on)
            if reading.prompt.context
            else {},
            reserved=frozenset() if rollout is None else frozenset({rollout.model}),
            unfamiliar=self.settings.complexity.unfamiliar,
        )

    def _reach(self, course: Course, prompt: Prompt, when: datetime) -> Callable[[ModelSpec], Obstacle | None]:
        """Why a model cannot be reached, or not with the prompt's images and documents, if so. A self-hosted model
        counts as reachable if it is named or has an address."""
        settings, media = self.settings, prompt.media

        def unfit(spec: ModelSpec) -> Obstacle | None:
            if not media:
                return None
            from .fitting import unfit_for  # few prompts have any

            return unfit_for(media, spec)

        def out_of_reach(spec: ModelSpec) -> Obstacle | None:
            hosted_by_user = PROVIDERS[spec.provider].self_hosted
            if hosted_by_user and course.names(spec.name, when.date()):
                return unfit(spec)
            if (settings.simulate and not hosted_by_user) or is_set_up(spec.provider, settings.environ):
                return unfit(spec)
            return Obstacle.NO_PLUGIN if PROVIDERS[spec.provider] is BROKEN else Obstacle.NO_KEY

        return out_of_reach

    def _decision(self, course: Course, situation: Situation) -> tuple[Decision, RolledOut | None]:
        """What the strategy decides, and what other rules make of that."""
        options, rollout = course.options, course.rollout
        decision = decide(course, situation, self._registry)
        decision = with_word_of_the_cap(decision, course, situation, self._registry)
        if options.served is not None and options.served.stay_with is not None:
            decision = staying(decision, situation, options.served.stay_with)
        if rollout is None:
            return decision, None
        key, usual_chain = options.subject or situation.prompt.text, self.settings.run.chain
        return roll_out(decision, marked_if_slow(rollout.model, situation), rollout, key, usual_chain)

    def _reasons(self, course: Course, decision: Decision, situation: Situation) -> list[str]:
        options, prompt, registry = situation.options, situation.prompt, self._registry
        reasons = list(dict.fromkeys((*map(str, decision.reasons), *decision.warnings)))
        if course.assigned is not None:
            reasons.insert(0, course.assigned.reason)
        if (task := situation.analysis.task) in options.max_tokens_by_task:
            reasons.append(f"replies to a task like this one, {task}, have at most {options.max_tokens:,} tokens")
        if options.schema is not None and options.schema_repair:
            reasons.append(
                "an answer that does not fit the schema is asked for once more: the highest cost includes that"
            )
        if prompt.sent is not None:
            asked = map(registry.model, models(decision.plan))
            reasons += word_of_kept(prompt.sent, asked, situation.when, caching=options.provider_cache)
        return reasons


def _of_unlisted(plan: Node, registry: Registry) -> Iterator[str]:
    """What the user should know of the plan's models that no file lists."""
    for name in dict.fromkeys(call.model for call in calls(plan) if call.model):
        spec = registry.model(name)
        if UNLISTED in spec.tags:
            yield told(spec, registry.models)


def cost_by_batch(planned: Planned, *, registry: Registry, settings: Settings, when: datetime) -> CostRange:
    """The cost of the same calls through the providers' batch APIs; unpriced if one of the batch rates is unknown."""

    def at_batch_rates(name: str) -> ModelSpec:
        spec = registry.model(name)
        price_now = spec.price_at(when)
        by_batch = None if price_now is None else price_now.by_batch()
        return replace(spec, prices=() if by_batch is None else (by_batch,))

    accepted = partial(_chance_of_acceptance, planned.observed)
    quotes = Quotes(planned.options, settings.free_tier, when)
    costs = CallCosts(Loads(planned.reading, planned.options), at_batch_rates, quotes, accepted)
    return costs.total(planned.plan, costs.of(planned.plan))


def _chance_of_acceptance(observed: Observed, leg: Node) -> float:
    return observed.accepted.get(leg.model, _ACCEPTED) if isinstance(leg, Call) else _ACCEPTED


def _check_limits(options: RunOptions, load: Load, least: int | None) -> None:
    """Raises BudgetError for a limit of the run that leaves no room for an answer. `least`: what one costs at least."""
    cap = options.max_cost_nanousd
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
