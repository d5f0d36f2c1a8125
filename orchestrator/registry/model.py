"""What the registry knows of models and chains, and how they are found by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property, lru_cache

from ..deferred import dataclass
from ..errors import UsageError, did_you_mean
from ..expressions import expression
from ..money import Price, price_at
from ..plan import Call, Cascade, Node, calls
from ..types import Level
from .routes import Routing

_DATE_OR_VARIANT = expression(r"(?:[-@]20[0-9]{2}-?[0-9]{2}-?[0-9]{2})?(?::.*)?$")


class Status(StrEnum):
    CURRENT = "current"
    DEPRECATED = "deprecated"  # still answers; `retires` says until when, if it is known
    RETIRED = "retired"  # no longer answers


class Feature(StrEnum):
    """What a model may support beyond answering text with text."""

    STREAMING = "streaming"
    TOOLS = "tools"
    JSON = "json"
    VISION = "vision"
    LOGPROBS = "logprobs"
    TEMPERATURE = "temperature"  # it can be set; newer reasoning models refuse or ignore it


@dataclass(frozen=True, slots=True)
class Scores:
    """0 to 1 each, comparable across models."""

    coding: float
    reasoning: float
    speed: float
    long_context: float


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests and tokens, per minute and per day. None is unlimited or unknown."""

    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    tpd: int | None = None


@dataclass(frozen=True, slots=True)
class FreeQuota:
    """What a provider gives away each day before it charges."""

    requests_per_day: int | None = None
    tokens_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model. `name` is what users type; `id` is what the provider is sent.

    `levels` are the complexity levels it can handle. `supports` holds `Feature`s. `tokens_per_second` is the
    throughput that a self-hosted model is priced by.
    """

    name: str
    provider: str
    id: str
    prices: tuple[Price, ...]
    context_window: int
    output_limit: int
    levels: tuple[Level, ...]
    scores: Scores
    limits: RateLimits = field(default_factory=RateLimits)
    free_quota: FreeQuota | None = None
    supports: frozenset[str] = frozenset()
    status: Status = Status.CURRENT
    retires: date | None = None
    tags: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    tokens_per_second: float | None = None

    def price_at(self, when: datetime) -> Price | None:
        """The price at a time, or None: unpriced, which is not the same as free."""
        return price_at(self.prices, when)

    def is_retired(self, today: date) -> bool:
        return self.status is Status.RETIRED or (self.retires is not None and self.retires <= today)

    @property
    def top_level(self) -> Level:
        return max(self.levels, key=lambda level: level.rank)


@dataclass(frozen=True, slots=True)
class Chain:
    """A named plan: mostly models in the order in which they are tried. `name` is what was asked for."""

    name: str
    plan: Node
    description: str | None = None

    @classmethod
    def of(cls, name: str, models: Iterable[str]) -> Chain:
        """The chain that tries models in order."""
        return cls(name, Cascade(tuple(Call(model) for model in models)))

    @property
    def models(self) -> tuple[str, ...]:
        """The models that the plan names, each once; not those that it leaves to a role, tier or level."""
        return tuple(dict.fromkeys(call.model for call in calls(self.plan) if call.model))


@dataclass(frozen=True, slots=True)
class Role:
    """What a call is for: instructions, and the models that suit it, in order of preference.

    `models` has them by the level of prompt from which on they are meant; a prompt below the lowest has none of its own
    and takes those.
    """

    name: str
    models: Mapping[Level, tuple[str, ...]]
    system: str | None = None

    def models_for(self, level: Level) -> tuple[str, ...]:
        """The models for a prompt of this level."""
        reached = [each for each in self.models if each.rank <= level.rank] or [min(self.models, key=lambda e: e.rank)]
        return self.models[max(reached, key=lambda each: each.rank)]


@dataclass(frozen=True)
class Registry:
    """Models, chains, roles and tiers by name. Aliases are resolved when a model or chain is looked up.

    A tier is a list of models in order of preference. `tier_plans` has the names of the chains that tiers have as their
    plans. `routing` is what routers go by.
    """

    models: Mapping[str, ModelSpec]
    chains: Mapping[str, Chain]
    roles: Mapping[str, Role] = field(default_factory=dict)
    tiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    routing: Routing = field(default_factory=Routing)
    tier_plans: Mapping[str, str] = field(default_factory=dict)

    @property
    def largest_window(self) -> int:
        """The largest context window of any model, in tokens."""
        return max(spec.context_window for spec in self.models.values())

    def find(self, name: str) -> ModelSpec | None:
        """A model by its name or an alias, or None."""
        return self.models.get(name) or next((spec for spec in self.models.values() if name in spec.aliases), None)

    def model(self, name: str) -> ModelSpec:
        """A model by its name or an alias. Raises UsageError, with a suggestion where one is close."""
        found = self.find(name)
        if found is None:
            known = [*self.models, *(alias for spec in self.models.values() for alias in spec.aliases)]
            hint = did_you_mean(name, known) or "see: orch models"
            raise UsageError(f"there is no model named {_shown(name)}", hint=hint)
        return found

    def answering(self, asked: ModelSpec, reported: str) -> ModelSpec | None:
        """The other model that a reply is from, by the name that it gives.

        None if that is a name of the model that was asked, with or without a date, or one that nobody knows: gateways
        and servers of one's own answer by any name.
        """
        if reported in (asked.id, asked.name):
            return None
        exact, bare = self._by_reported
        meant, undated = exact.get(reported, ()), _undated(reported)
        if asked not in meant and undated not in _names(asked):
            meant = (*meant, *bare.get(undated, ()))
        return next((spec for spec in meant if spec.provider == asked.provider), next(iter(meant), None))

    @cached_property
    def _by_reported(self) -> tuple[Mapping[str, tuple[ModelSpec, ...]], Mapping[str, tuple[ModelSpec, ...]]]:
        """The models that a reply can be from, by their exact names, and by all of their names without a date."""
        exact: dict[str, tuple[ModelSpec, ...]] = {}
        bare: dict[str, tuple[ModelSpec, ...]] = {}
        for spec in self.models.values():
            for names, found in (({spec.id, spec.name}, exact), (_names(spec), bare)):
                found.update({name: (*found.get(name, ()), spec) for name in names})
        return exact, bare

    def chain(self, wanted: str) -> Chain:
        """A chain by its name, or one made of models separated by commas. Raises UsageError."""
        if wanted in self.chains:
            return self.chains[wanted]
        names = [name.strip() for name in wanted.split(",")]
        if names == [""]:
            raise UsageError("the chain is empty", hint=f"chains: {', '.join(self.chains)}")
        if "" in names:
            raise UsageError(
                f"the chain {_shown(wanted)} has an empty element", hint="write models separated by single commas"
            )
        if len(names) == 1 and self.find(names[0]) is None:
            hint = did_you_mean(names[0], [*self.chains, *self.models]) or f"chains: {', '.join(self.chains)}"
            raise UsageError(f"there is no chain or model named {_shown(names[0])}", hint=hint)
        return Chain.of(wanted, dict.fromkeys(self.model(name).name for name in names))

    def tier_named(self, name: str) -> str:
        """The name of a tier as it is written in YAML, given in any case of letters. Raises UsageError."""
        found = next((each for each in (name, name.lower()) if each in self.tiers), None)
        if found is None:
            hint = did_you_mean(name.lower(), self.tiers) or f"there are: {', '.join(self.tiers)}"
            raise UsageError(f"there is no tier {_shown(name)}", hint=hint)
        return found

    def tier_chain(self, tier: str) -> Chain:
        """The plan of a tier: its own, or its models in order."""
        plan = self.tier_plans.get(tier)
        return Chain.of(tier, self.tiers[tier]) if plan is None else self.chains[plan]

    def role(self, name: str) -> Role:
        """A role by its name, in any case of letters. Raises UsageError."""
        found = self.roles.get(name) or self.roles.get(name.lower())
        if found is None:
            hint = did_you_mean(name, self.roles) or f"there are: {', '.join(self.roles)}"
            raise UsageError(f"there is no role {_shown(name)}", hint=hint)
        return found


def _undated(name: str) -> str:
    """A model's name without a maker before it, and without a date or a variant after it."""
    return _DATE_OR_VARIANT.sub("", name.lower().rpartition("/")[2])


def _names(spec: ModelSpec) -> frozenset[str]:
    return _all_undated((spec.id, spec.name, *spec.aliases))


@lru_cache(1024)
def _all_undated(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(_undated, names))


def _shown(name: str) -> str:
    return repr(name if len(name) <= 100 else f"{name[:99]}…")
