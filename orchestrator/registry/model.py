"""The registry's records of models and chains, and the lookup by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache

from ..deferred import dataclass
from ..errors import UsageError, did_you_mean
from ..expressions import expression
from ..money import Price, price_at
from ..once import kept_property
from ..plan import Call, Cascade, Node, models
from ..reading.bounds import Tokenizer
from ..types import Level
from .routes import Routing
from .tokenizers import tokenizer_of

_DATE_OR_VARIANT = expression(r"(?:[-@]20[0-9]{2}-?[0-9]{2}-?[0-9]{2})?(?::.*)?$")


class Status(StrEnum):
    """Whether a model is current, deprecated or retired at its provider."""

    CURRENT = "current"
    DEPRECATED = "deprecated"  # still answers; `retires` says until when, if it is known
    RETIRED = "retired"  # no longer answers


class Feature(StrEnum):
    """What a model may support besides text in and text out."""

    STREAMING = "streaming"
    TOOLS = "tools"
    JSON = "json"
    VISION = "vision"  # images
    PDF = "pdf"
    LOGPROBS = "logprobs"
    TEMPERATURE = "temperature"  # it and top_p can be set; newer reasoning models refuse or ignore them
    EFFORT = "effort"  # how long it thinks can be set by name
    THINKING = "thinking"  # the same, by a number of tokens


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores from 0 to 1, comparable across models."""

    coding: float
    reasoning: float
    speed: float
    long_context: float


@dataclass(frozen=True, slots=True)
class FreeQuota:
    """The daily quota that a provider gives away before it charges."""

    requests_per_day: int | None = None
    tokens_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests and tokens, per minute and per day. None is unlimited or unknown."""

    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    tpd: int | None = None

    def within(self, quota: FreeQuota) -> RateLimits:
        """The limits of calls that must stay within a free quota too."""
        rpd, tpd = lower(self.rpd, quota.requests_per_day), lower(self.tpd, quota.tokens_per_day)
        return RateLimits(self.rpm, self.tpm, rpd, tpd)


def lower(one: int | None, other: int | None) -> int | None:
    """The lower of two limits; None is none."""
    return min((limit for limit in (one, other) if limit is not None), default=None)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model. `name` is what users type; `id` is what the provider is sent.

    `levels` are the complexity levels it is rated for. `tokens_per_second` is the throughput by which a self-hosted
    model is priced.
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
        """The price at a time, or None: unpriced, which is not free."""
        return price_at(self.prices, when)

    def is_retired(self, today: date) -> bool:
        """Whether the provider has retired the model by a day."""
        return self.status is Status.RETIRED or (self.retires is not None and self.retires <= today)

    @property
    def tokenizer(self) -> Tokenizer:
        """What is known of how it counts tokens."""
        return tokenizer_of(self.id)

    @property
    def top_level(self) -> Level:
        """The highest level that it is rated for."""
        return max(self.levels, key=lambda level: level.rank)


# From which similarity prompts are compared word by word. It is low on purpose: what parts prompts that are not the
# same is the comparison, whatever the source (docs/caching.md has the figures).
USUAL_THRESHOLD = 0.7


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model that gives embeddings. `dimensions` are asked for where a provider takes a number; None is its own.
    `threshold`: the least cosine similarity, 0 to 1, of prompts that may ask the same."""

    spec: ModelSpec
    dimensions: int | None = None
    threshold: float = USUAL_THRESHOLD


@dataclass(frozen=True, slots=True)
class Chain:
    """A named plan: mostly models in order. `name` is what was asked for."""

    name: str
    plan: Node
    description: str | None = None

    @classmethod
    def of(cls, name: str, models: Iterable[str]) -> Chain:
        """The chain that tries models in order."""
        return cls(name, Cascade(tuple(Call(model) for model in models)))

    @property
    def models(self) -> tuple[str, ...]:
        """The models that the plan names, each once, without those that a role, tier or level will choose."""
        return tuple(models(self.plan))


@dataclass(frozen=True, slots=True)
class Role:
    """A role for calls: instructions, and suitable models in order of preference.

    `models` is by the lowest prompt level that they are meant for; a prompt below the lowest level takes the lowest
    level's models.
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
    """Models, chains, roles and tiers by name. Aliases are resolved by the lookups.

    A tier is a list of models in order of preference. `tier_plans`: the names of the chains that are tiers' plans.
    `routing`: the rules of the routers. `embeddings`: the embedding models, which are never chosen.
    """

    models: Mapping[str, ModelSpec]
    chains: Mapping[str, Chain]
    roles: Mapping[str, Role] = field(default_factory=dict)
    tiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    routing: Routing = field(default_factory=Routing)
    tier_plans: Mapping[str, str] = field(default_factory=dict)
    embeddings: Mapping[str, EmbeddingModel] = field(default_factory=dict)

    @property
    def largest_window(self) -> int:
        """The largest context window of any model, in tokens."""
        return max(spec.context_window for spec in self.models.values())

    def find(self, name: str) -> ModelSpec | None:
        """A model by its name or alias, or None. `Models` has further names."""
        return self.models.get(name) or next((spec for spec in self.models.values() if name in spec.aliases), None)

    def model(self, name: str) -> ModelSpec:
        """A model by its name or alias. Raises UsageError, with a suggestion if one is close."""
        model = self.find(name)
        if model is None:
            known = [*self.models, *(alias for spec in self.models.values() for alias in spec.aliases)]
            hint = did_you_mean(name, known) or "see: orch models; one that is not listed is called as PROVIDER/NAME"
            raise UsageError(f"there is no model named {_shown(name)}", hint=hint)
        return model

    def answering(self, asked: ModelSpec, reported: str) -> ModelSpec | None:
        """The registered model that a reply came from, if it was another than was asked, by the name in the reply.

        None if the name is one of the model that was asked, with or without a date, or unknown: gateways and
        self-hosted servers answer under any name.
        """
        if reported in (asked.id, asked.name):
            return None
        exact, bare = self._by_reported
        meant, without_date = exact.get(reported, ()), undated(reported)
        if asked not in meant and without_date not in names_of(asked):
            meant = (*meant, *bare.get(without_date, ()))
        return next((spec for spec in meant if spec.provider == asked.provider), next(iter(meant), None))

    @kept_property
    def _by_reported(self) -> tuple[Mapping[str, tuple[ModelSpec, ...]], Mapping[str, tuple[ModelSpec, ...]]]:
        """The models that a reply can be from, by their exact names, and by all of their names without a date."""
        exact: dict[str, tuple[ModelSpec, ...]] = {}
        bare: dict[str, tuple[ModelSpec, ...]] = {}
        for spec in self.models.values():
            for names, found in (({spec.id, spec.name}, exact), (names_of(spec), bare)):
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
        """The name of a tier as written in YAML, given in any case. Raises UsageError."""
        tier = next((each for each in (name, name.lower()) if each in self.tiers), None)
        if tier is None:
            hint = did_you_mean(name.lower(), self.tiers) or f"there are: {', '.join(self.tiers)}"
            raise UsageError(f"there is no tier {_shown(name)}", hint=hint)
        return tier

    def tier_chain(self, tier: str) -> Chain:
        """The plan of a tier: its own, or its models in order."""
        plan = self.tier_plans.get(tier)
        return Chain.of(tier, self.tiers[tier]) if plan is None else self.chains[plan]

    def role(self, name: str) -> Role:
        """A role by its name, in any case. Raises UsageError."""
        role = self.roles.get(name) or self.roles.get(name.lower())
        if role is None:
            hint = did_you_mean(name, self.roles) or f"there are: {', '.join(self.roles)}"
            raise UsageError(f"there is no role {_shown(name)}", hint=hint)
        return role


def undated(name: str) -> str:
    """A model's name without its maker and without a date or variant."""
    return _DATE_OR_VARIANT.sub("", name.lower().rpartition("/")[2])


def names_of(spec: ModelSpec) -> frozenset[str]:
    """All names of a model, without its maker, a date or a variant."""
    return _all_undated((spec.id, spec.name, *spec.aliases))


@lru_cache(1024)
def _all_undated(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(undated, names))


def _shown(name: str) -> str:
    return repr(name if len(name) <= 100 else f"{name[:99]}…")
