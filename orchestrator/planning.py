"""From a prompt to a plan: analyse, survey the models, let the strategy decide, and price what it decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from .analysis import ComplexityAnalyzer
from .analysis.complexity import CUTS
from .analysis.scorer import load_scorer
from .analysis.tokens import estimate_tokens, upper_bound_tokens
from .errors import UsageError, did_you_mean
from .plan import Call, CostRange, Node, price
from .providers.catalog import PROVIDERS, is_set_up, needed_to_set_up
from .quote import Load
from .registry.model import ModelSpec, Registry
from .settings import RunOptions, Settings
from .strategies import STRATEGIES, Decision, Situation, nothing_to_call, survey
from .types import Analysis, Prompt

_MESSAGE_OVERHEAD = 64  # tokens that a provider wraps around one message and a system prompt, with room to spare


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be done with a prompt, what it could cost in nano-dollars, and why."""

    prompt: Prompt
    options: RunOptions
    analysis: Analysis
    load: Load
    plan: Node
    cost: CostRange
    call_costs: Mapping[str, CostRange]
    reasons: tuple[str, ...]


def make_plan(
    prompt: Prompt, options: RunOptions, *, registry: Registry, settings: Settings, when: datetime
) -> Planned:
    """What a run would do, without calling anything. Raises an OrchError if there is nothing it could do."""
    check_prompt(prompt)
    check_options(options)
    strategy = STRATEGIES.get(options.strategy)
    if strategy is None:
        suggestion = did_you_mean(options.strategy, STRATEGIES) or f"there are: {', '.join(STRATEGIES)}"
        raise UsageError(f"no strategy {options.strategy!r}", hint=suggestion)
    analysis = analyzer_for(settings).analyze(prompt.text)
    load = _load(prompt, analysis)
    chain = tuple(registry.model(name).name for name in registry.chain(options.chain).models)
    models = tuple(registry.model(name).name for name in options.models)
    has_access = _access(settings, {*chain, *models})
    offers = survey(
        registry.models.values(), load, options, has_access=has_access, free_tier=settings.free_tier, when=when
    )
    situation = Situation(analysis, offers, options, chain, models, when)
    decision = strategy(situation)
    if decision is None:
        named = [offers[name] for name in (chain if options.strategy == "fallback" else models)]
        alive = [offer for offer in offers.values() if not offer.spec.is_retired(when.date())]
        raise nothing_to_call(named or alive, needed_to_set_up)
    return _priced(prompt, decision, situation, load)


def analyzer_for(settings: Settings) -> ComplexityAnalyzer:
    """The analyzer that the settings ask for. Raises ConfigError for a scorer that cannot be loaded."""
    policy = settings.complexity
    scorer = None if policy.scorer is None else load_scorer(policy.scorer, settings.config_dir)
    return ComplexityAnalyzer(cuts=policy.cuts or CUTS, scorer=scorer)


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
        input_bound=upper_bound_tokens(prompt.text) + upper_bound_tokens(system) + _MESSAGE_OVERHEAD,
        output_tokens=analysis.output_tokens,
    )


def _priced(prompt: Prompt, decision: Decision, situation: Situation, load: Load) -> Planned:
    def price_call(call: Call) -> CostRange:
        return situation.offers[call.model].cost

    call_costs = {name: offer.cost for name, offer in situation.offers.items()}
    cost = price(decision.plan, price_call)
    return Planned(
        prompt=prompt,
        options=situation.options,
        analysis=situation.analysis,
        load=load,
        plan=decision.plan,
        cost=cost,
        call_costs=call_costs,
        reasons=decision.reasons,
    )
