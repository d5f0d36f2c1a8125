"""What a strategy takes and returns. A strategy is a pure function: it calls nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ..config import RunOptions, Unfamiliar
from ..conversation import Sent
from ..deferred import dataclass, replace
from ..plan import Call, CostRange, Node, models
from ..plan.compose import sees_context
from ..plan.load import Load
from ..reading.needs import Needs
from ..reading.prompt import OfReading, Reading
from ..registry.model import Chain, Feature, ModelSpec, Role, Status
from ..registry.routes import Asked, Routing, TaskTable
from .kept import likely_kept
from .observed import Observed
from .quote import REASONING, REASONING_FACTOR, Quotes, output_limit

_LEAST_TO_THINK = 1024  # tokens: Anthropic's least budget for thinking


class Obstacle(StrEnum):
    """Why a model cannot be called for this prompt."""

    NO_KEY = "no key"
    NO_PLUGIN = "the plugin of its provider is broken"
    NO_TOOLS = "does not support tools"
    NO_IMAGES = "takes no images"
    NO_DOCUMENTS = "takes no PDF documents"
    MEDIA = "takes no images or documents as large as these"
    WINDOW = "prompt too long for its context window"
    BUDGET = "over the cost cap"
    UNPRICED = "no known price, which a cost cap does not allow"
    SLOW = "slower than was asked for"
    RATED_LOWER = "rated lower than was asked for"


@dataclass(frozen=True, slots=True)
class Offer:
    """A model, the cost of this prompt on it, and the obstacle to calling it, if there is one."""

    spec: ModelSpec
    cost: CostRange
    obstacle: Obstacle | None


@dataclass(frozen=True, slots=True)
class Situation(OfReading):
    """Everything that a strategy decides by. The models of `chain` and `models` are names in `offers`, with aliases
    resolved.

    `roles` and `tiers`: those that the calls of the chain's plan may name. `routing`: the rules of the routers;
    `table`: the chosen task table; `overrides`: by task, the models that the environment puts first. `question_offers`:
    offers for the question without its context, empty if there is none. A `reserved` model is only called where it is
    named: a rollout will bring it in. `unfamiliar`: what decides about a prompt that the score was not fitted to.
    """

    reading: Reading
    offers: Mapping[str, Offer]
    options: RunOptions
    chain: Chain
    models: tuple[str, ...]
    when: datetime
    roles: Mapping[str, Role] = field(default_factory=dict)
    tiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    routing: Routing = field(default_factory=Routing)
    table: TaskTable | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    observed: Observed = field(default_factory=Observed)
    question_offers: Mapping[str, Offer] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    unfamiliar: Unfamiliar = Unfamiliar.CASCADE

    @property
    def needs(self) -> Needs:
        """What the prompt needs, by its analysis or by the user's options."""
        return self.reading.needs

    @property
    def asked(self) -> Asked:
        """The facts that the routers' conditions are tested against."""
        limit_s = self.options.max_latency_s
        return Asked(self.analysis, self.prompt.question, self.needs.is_critical, limit_s)

    @property
    def has_context(self) -> bool:
        """Whether the prompt came with files or piped input."""
        return bool(self.question_offers)

    def offers_for(self, call: Call) -> Mapping[str, Offer]:
        """The offers for what a call sends of the prompt: all of it, or the question alone."""
        return self.offers if not self.has_context or sees_context(call) else self.question_offers

    def choosable(self, offers: Mapping[str, Offer] | None = None) -> list[Offer]:
        """The models that may be chosen without being named: without obstacle, not retired, unpriced or reserved.
        Models whose breaker is open are left out while there are others."""
        today = self.when.date()
        able = [
            offer
            for offer in (self.offers if offers is None else offers).values()
            if offer.obstacle is None and not offer.spec.is_retired(today) and offer.cost.expected is not None
            if offer.spec.name not in self.reserved
        ]
        return self.preferred(self.with_room_to_think(able))

    def with_room_to_think(self, able: list[Offer]) -> list[Offer]:
        """Of the callable models, those that --max-tokens leaves an answer: a model that thinks first spends the limit
        on that. All of them if there are no others."""
        return [offer for offer in able if not (self.is_tight and REASONING in offer.spec.tags)] or able

    @property
    def is_tight(self) -> bool:
        """Whether --max-tokens is so small that a model that thinks first may not come to its answer."""
        limit = self.options.max_tokens
        return limit is not None and limit < max(_LEAST_TO_THINK, REASONING_FACTOR * self.analysis.output_tokens)

    def preferred(self, able: list[Offer]) -> list[Offer]:
        """Of models that can be called, those whose breaker is closed; all of them if there are none."""
        return [offer for offer in able if self.barred(offer) is None] or able

    def barred(self, offer: Offer) -> str | None:
        """Why a model's circuit breaker is open; None if it is not."""
        return self.observed.bars(offer.spec.provider, offer.spec.name)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A named model that cannot be called; `call` is the plan's call that it was for."""

    model: str
    why: str
    call: str = ""

    def __str__(self) -> str:
        return f"left out {self.model}{self.call}: {self.why}"


Reason = str | LeftOut


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan, and why it is this one. `ring`: the rotation in which carrying out the plan takes a turn. `warnings`: the
    reasons that the user sees even without asking for detail."""

    plan: Node
    reasons: tuple[Reason, ...]
    ring: str | None = None
    warnings: tuple[str, ...] = ()

    def models(self) -> list[str]:
        """The models that the plan calls or lets stand in, each once."""
        return models(self.plan)


class Strategy(Protocol):
    """Turns a prompt into a plan. It is pure: it calls nothing, writes nothing, and decides the same for the same
    situation.

    The plan names models of `situation.offers` without obstacle; costs are in nano-dollars. None if there is nothing to
    call. Raises an OrchError for options that cannot be met.
    """

    def __call__(self, situation: Situation, /) -> Decision | None: ...


class Offers(Mapping[str, Offer]):
    """An offer for each model, by name, made on first use: most plans need only a few."""

    def __init__(self, specs: Mapping[str, ModelSpec], make: Callable[[ModelSpec], Offer]) -> None:
        self._specs = specs
        self._make = make
        self._made: dict[str, Offer] = {}

    def __getitem__(self, name: str) -> Offer:
        if name not in self._made:
            self._made[name] = self._make(self._specs[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)


def survey(
    specs: Mapping[str, ModelSpec],
    load_on: Callable[[ModelSpec], Load],
    quotes: Quotes,
    *,
    out_of_reach: Callable[[ModelSpec], Obstacle | None],
    sent: Sent | None = None,
) -> Offers:
    """An offer for every model, by name. `out_of_reach` says why a provider cannot be called, if so. `sent`: what went
    before, in a conversation."""

    options = quotes.options

    def offer(spec: ModelSpec) -> Offer:
        load = load_on(spec)
        limit = output_limit(spec, load, options.max_tokens)
        cost = quotes.of(spec, load, limit, likely_kept(sent, spec, quotes.when, caching=options.provider_cache))
        cap = None if cost.expected is None and options.allow_unpriced else options.max_cost_nanousd
        obstacle = _obstacle(limit, cost, cap)
        if options.tools and Feature.TOOLS not in spec.supports:
            obstacle = Obstacle.NO_TOOLS
        return Offer(spec, cost, out_of_reach(spec) or obstacle)

    return Offers(specs, offer)


def marked(
    offers: Mapping[str, Offer], obstacle: Obstacle, stands_before: Callable[[ModelSpec], bool]
) -> dict[str, Offer]:
    """The offers with an obstacle for some models, where there is none yet."""
    return {
        name: replace(offer, obstacle=obstacle) if offer.obstacle is None and stands_before(offer.spec) else offer
        for name, offer in offers.items()
    }


def _obstacle(limit: int, cost: CostRange, cap: int | None) -> Obstacle | None:
    if limit < 1:
        return Obstacle.WINDOW
    if cap is None:
        return None
    if cost.expected is None:
        return Obstacle.UNPRICED
    return Obstacle.BUDGET if cost.expected > cap else None


def by_expected_cost(offer: Offer) -> tuple[int, bool, float]:
    """A sort key: cheapest first, unpriced last. Ties: a current model first, then the one with the better scores; then
    the order of the registry counts, where a provider's newest models come first."""
    expected, spec = offer.cost.expected, offer.spec
    quality = spec.scores.reasoning + spec.scores.coding
    return (expected if expected is not None else 1 << 62, spec.status is not Status.CURRENT, -quality)
