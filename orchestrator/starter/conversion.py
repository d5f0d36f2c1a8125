"""From openclaw.json to orch's own files: kinds of work to chains and a task table, agents to roles.

A chain has the model that the work goes to, then what stands in for it when a call fails; its first answer is accepted,
whatever its confidence, as there. The chains' models are the rows of a task table too, which says which kind of work a
prompt is. A model that no longer answers is replaced by its successor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from fractions import Fraction

from ..deferred import dataclass
from ..expressions import expression
from ..registry.model import ModelSpec, Registry, Status
from ..report.model_names import ModelNames
from ..report.plain import one_line
from ..strategies import STRATEGIES
from .files import CHAINS, CONFIG, MODELS, ROUTING
from .openclaw import OpenClaw, Use
from .task_table import table

_PLAIN_NAME = expression(r"[A-Za-z][A-Za-z0-9._/-]*")
_NOT_IN_A_NAME = expression(r"[^A-Za-z0-9_-]+")
_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_TABLE = "openclaw"
_RESERVED = frozenset({"roles", "tiers", _TABLE})
_DESCRIBED = 200  # characters of a description
_MAKERS = (("claude", "anthropic"), ("gemini", "google"), ("gpt", "openai"), ("o1", "openai"), ("deepseek", "deepseek"))


@dataclass(slots=True)
class Converted:
    """The files by name, and what the user should know of them. `providers` are those of the models."""

    files: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    providers: list[str] = field(default_factory=list)


def convert(found: OpenClaw, registry: Registry, *, source: str, when: datetime) -> Converted:
    """What `found`, read from the file called `source`, is in orch's terms. `registry` says which models there are."""
    return _Conversion(registry, one_line(source, 100), when).of(found)


class _Conversion:
    def __init__(self, registry: Registry, source: str, when: datetime) -> None:
        self._registry = registry
        self._names = ModelNames(registry, None, {})
        self._source = source
        self._when = when
        self._unknown: dict[str, str] = {}  # as it was written -> how it can be called here
        self._converted = Converted()
        self._warned: set[str] = set()

    def of(self, found: OpenClaw) -> Converted:
        uses = [*found.agents, *found.routing]
        known = {spec.name: spec for use in uses for spec in self._specs(use)}
        cheap_first = sorted(known.values(), key=self._rate)
        work = self._renamed(found.routing or found.agents, {*self._registry.models, *STRATEGIES.built_in, *_RESERVED})
        agents = self._renamed(found.agents, set())
        chains = {name: (use, self._legs(use, cheap_first)) for name, use in work.items()}
        roles = {name: (use, self._legs(use, cheap_first)) for name, use in agents.items()}
        self._converted.files[CHAINS] = "".join(f"{line}\n" for line in self._chains(chains, roles))
        models = {name: legs for name, (_, legs) in chains.items() if legs}
        if models and found.routing:
            self._converted.files[ROUTING] = "".join(f"{line}\n" for line in self._routing(models))
        self._converted.files[CONFIG] = self._config(models, routed=bool(models and found.routing))
        if self._unknown:
            self._converted.files[MODELS] = "".join(f"{line}\n" for line in self._models())
        self._converted.providers = list(dict.fromkeys(spec.provider for spec in known.values()))
        return self._converted

    # -- models --------------------------------------------------------------------------------------------------

    def _specs(self, use: Use) -> list[ModelSpec]:
        """The models of a use that orch knows and that answer, by the names that they have here."""
        found = []
        for written in use.models:
            spec = self._find(written)
            if spec is None:
                self._warn_unknown(written)
                continue
            found.append(self._alive(spec))
        return list(dict.fromkeys(found))

    def _find(self, written: str) -> ModelSpec | None:
        bare = written.partition("/")[2]
        for name in filter(None, (written, bare)):
            spec = self._registry.find(name) or self._registry.find(self._names.fold(name))
            if spec is not None:
                return spec
        return None

    def _alive(self, spec: ModelSpec) -> ModelSpec:
        today = self._when.date()
        successor = self._successor(spec)
        if spec.is_retired(today) and successor is not None:
            self._warn(f"{spec.name} stopped answering{self._day(spec)}: {successor.name} takes its place")
            return successor
        if spec.status is not Status.CURRENT or spec.retires is not None:
            instead = "" if successor is None else f"; {successor.name} is the current one like it"
            self._warn(f"{spec.name} stops answering{self._day(spec)}{instead}")
        return spec

    def _day(self, spec: ModelSpec) -> str:
        return "" if spec.retires is None else f" on {spec.retires}"

    def _successor(self, old: ModelSpec) -> ModelSpec | None:
        """The cheapest current model of the same provider that is at least as able."""

        def is_able(spec: ModelSpec) -> bool:
            return (
                spec.provider == old.provider
                and spec.status is Status.CURRENT
                and spec.retires is None
                and spec.price_at(self._when) is not None
                and spec.top_level.rank >= old.top_level.rank
                and spec.scores.coding >= old.scores.coding
                and spec.scores.reasoning >= old.scores.reasoning
            )

        return min(filter(is_able, self._registry.models.values()), key=self._rate, default=None)

    def _rate(self, spec: ModelSpec) -> Fraction:
        """Dollars per million tokens, input and output together; self-hosted and unpriced ones count as nothing."""
        price = spec.price_at(self._when)
        rates = None if price is None else price.rates
        return Fraction(0) if rates is None else Fraction(rates.input) + Fraction(rates.output)

    def _legs(self, use: Use, cheap_first: list[ModelSpec]) -> list[str]:
        """The models of a use; where it has one alone, then the next dearer one of the file, or the next cheaper."""
        specs = self._specs(use)
        if len(specs) == 1 and len(cheap_first) > 1:
            place = cheap_first.index(specs[0])
            specs.append(cheap_first[place + 1 if place + 1 < len(cheap_first) else place - 1])
        return [spec.name for spec in specs]

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._converted.warnings.append(text)

    def _warn_unknown(self, written: str) -> None:
        if written not in self._unknown:
            name = re.sub(r"[^A-Za-z0-9._:/@+-]+", "-", one_line(written, 100)).strip("-./:@+") or "model"
            self._unknown[written] = name
            first, *keys = (line.strip() for line in self._entry(name))
            entry = f"{first} {{{', '.join(keys)}}}"
            asked = one_line(written, 100)
            self._warn(
                f"orch has no model named {asked!r}; under models: in {MODELS}, with what is true of it: {entry}"
            )

    def _entry(self, name: str) -> list[str]:
        """The entry for a model of which nothing is known but its name. What must be looked up is on the safe side."""
        prefix, _, bare = name.partition("/")
        makers = [maker for start, maker in _MAKERS if (bare or name).lower().startswith(start)]
        known = {spec.provider for spec in self._registry.models.values()}
        provider = prefix if prefix in known else (makers[0] if makers else "openai")
        return [
            f"{_scalar(name)}:",
            f"  provider: {provider}",
            f"  id: {_scalar(bare if prefix in known and bare else name)}",
            "  context_window: 32_000",
            "  output_limit: 4_096",
            "  levels: [basic]",
            "  scores: {coding: 0.5, reasoning: 0.5, speed: 0.5, long_context: 0.5}",
            "  prices: unpriced",
        ]

    # -- files ---------------------------------------------------------------------------------------------------

    def _chains(
        self, chains: Mapping[str, tuple[Use, list[str]]], roles: Mapping[str, tuple[Use, list[str]]]
    ) -> Iterable[str]:
        yield f"# Written by orch init from {self._source}. Check after a change: orch chains check THIS-FILE"
        yield ""
        yield "# What the work goes to: orch run -s NAME. The first model answers; the next stands in when it fails."
        for name, (use, legs) in chains.items():
            if not legs:
                yield f"# {name}: none of its models is known ({self._written(use)}); add it to {MODELS}"
                continue
            yield f"{_scalar(name)}:"
            yield f"  description: {_text(use.description or f'{name}, as in {self._source}')}"
            yield f"  cascade: {{threshold: 0, legs: {_listed(legs)}}}  # was: {self._written(use)}"
        if any(legs for _, legs in roles.values()):
            yield ""
            yield "# The agents: orch run -s fallback --role NAME, or in a plan. `system` would be instructions."
            yield "roles:"
        for name, (use, legs) in roles.items():
            if not legs:
                yield f"# {name}: none of its models is known ({self._written(use)}); add it to {MODELS}"
                continue
            described = f"  # {_comment(use.description)}" if use.description else ""
            yield f"  {_scalar(name)}:{described}"
            yield f"    models: {_listed(legs)}"

    def _written(self, use: Use) -> str:
        return _comment(", ".join(use.models))

    def _routing(self, models: Mapping[str, list[str]]) -> Iterable[str]:
        yield f"# Written by orch init from {self._source}. The first row whose `when` holds for a prompt counts, the"
        yield "# last takes what is left. MODEL_OVERRIDE_NAME in the environment puts another model first in a row."
        yield ""
        yield from table(_TABLE, models, description=f"which model a prompt goes to, as in {self._source}")

    def _config(self, models: Mapping[str, list[str]], *, routed: bool) -> str:
        lines = [f"# Written by orch init from {self._source}. All keys: docs/configuration.md", ""]
        if routed:
            lines += [
                "# What a plain `orch run` goes by: the table in routing.yaml. orch run -s NAME for one kind of work."
            ]
        lines += [f"strategy: {_TABLE if routed else 'fallback'}"]
        if models and not routed:
            default = next(iter(models))
            lines += [
                "",
                "# What a plain `orch run` asks; for the others: orch run -s NAME",
                f"chain: {_text(default)}",
            ]
        lines += ["", "# If you are on the free tier of a provider, say so: its quota of a day is used up first."]
        lines += ["#free_tier: [google]"]
        return "".join(f"{line}\n" for line in lines)

    def _models(self) -> Iterable[str]:
        yield f"# Written by orch init from {self._source}: models that orch does not know. Put in what is true of"
        yield "# each, take out the {} and the #, and name it in chains.yaml. docs/configuration.md has the keys."
        yield "models: {}"
        for name in self._unknown.values():
            yield from ("", *(f"#  {line}" for line in self._entry(name)))

    def _renamed(self, uses: Iterable[Use], taken: set[str]) -> dict[str, Use]:
        """The uses by names that can stand in orch's files, each once."""
        found: dict[str, Use] = {}
        for use in uses:
            name = _NOT_IN_A_NAME.sub("-", use.name).strip("-")[:60] or "work"
            name = name if name[0].isalpha() else f"work-{name}"
            wanted, number = name, 1
            while wanted in taken or wanted in found or wanted.lower() in _YAML_WORDS:
                number += 1
                wanted = f"{name}-{number}"
            if wanted != use.name:
                self._warn(f"{one_line(use.name, 60)!r} is called {wanted} here")
            found[wanted] = use
        return found


def _scalar(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) and name.lower() not in _YAML_WORDS else _text(name)


def _text(text: str) -> str:
    return json.dumps(_comment(text), ensure_ascii=False)


def _comment(text: str) -> str:
    """Text from elsewhere on one line, with nothing in it that YAML or a terminal would not take."""
    return "".join(char for char in one_line(text, _DESCRIBED) if char.isprintable())


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(_scalar(name) for name in names)}]"
