"""From openclaw.json to orch's own files: kinds of work to chains and a task table, agents to roles.

A chain has the model that the work goes to, then what stands in for it when a call fails; its first answer is accepted,
whatever its confidence, as there. The chains' models are the rows of a task table too, which says which kind of work a
prompt is. A model that no longer answers is replaced by its successor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from fractions import Fraction

from ..choose.table import STRATEGIES
from ..deferred import dataclass
from ..registry.model import ModelSpec, Registry, Status
from ..registry.model_names import ModelNames
from ..report.plain import one_line
from ..types import Task
from .files import CHAINS, CONFIG, MODELS, ROUTING
from .openclaw import OpenClaw, Use

_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_TABLE = "openclaw"
_RESERVED = frozenset({"roles", "tiers", _TABLE})
_DESCRIBED = 200  # characters of a description
_MAKERS = (("claude", "anthropic"), ("gemini", "google"), ("gpt", "openai"), ("o1", "openai"), ("deepseek", "deepseek"))
# What the document that describes openclaw.json means by its three kinds of work. The first takes what is left. The
# others have these rows (kind, name, condition), which come after rows for kinds of the user's own. An implementation
# is one at every level, unless it is about security or is a hard bug.
_EVERYTHING_ELSE = "orchestration"
_MEANT = (
    (
        "reasoning",
        "security",
        "{words: [security, vulnerability, vulnerabilities, exploit, XSS, CSRF, SQL injection, threat model,"
        " architecture, design review]}",
    ),
    ("reasoning", "complex-debugging", "{tasks: [debugging], levels: [advanced, expert]}"),
    ("implementation", "implementation", "{tasks: [code, debugging, writing]}"),
    ("reasoning", "reasoning", "{levels: [advanced, expert]}"),
)
_MEANT_KINDS = frozenset(kind for kind, _, _ in _MEANT)

Models = Mapping[str, Sequence[str]]  # a kind of work, or an agent -> its models, the first one first


@dataclass(slots=True)
class Converted:
    """The files by name, and what the user should know of them. `providers` are those of the models."""

    files: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    providers: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def convert(config: OpenClaw, registry: Registry, *, source: str, when: datetime) -> Converted:
    """What `config`, read from the file called `source`, is in orch's terms. `registry` says which models there are."""
    into = Converted()
    models = _Models(registry, when, into)
    used = {use: models.of(use) for use in (*config.agents, *config.routing)}
    cheap_first = sorted({spec.name: spec for specs in used.values() for spec in specs}.values(), key=models.rate)
    work = _renamed(config.routing or config.agents, {*registry.models, *STRATEGIES.built_in, *_RESERVED}, into)
    agents = _renamed(config.agents, set(), into)
    legs = {use: _legs(specs, cheap_first) for use, specs in used.items()}
    chains = {name: legs[use] for name, use in work.items() if legs[use]}
    routed = bool(chains and config.routing)
    source = one_line(source, 100)
    files = {CHAINS: _chains(work, agents, legs, source)}
    if routed:
        files[ROUTING] = _routing(chains, source)
    files[CONFIG] = _config(source, routed=routed, default=next(iter(chains), None))
    if models.unknown:
        files[MODELS] = _unknown_models(models, source)
    head = f"# Written by orch init from {source}"
    into.files.update(
        {name: "".join(f"{line}\n" for line in (head + first, *rest)) for name, (first, *rest) in files.items()}
    )
    into.providers += dict.fromkeys(spec.provider for specs in used.values() for spec in specs)
    return into


# -- models ----------------------------------------------------------------------------------------------------------


class _Models:
    """The models that a file names, as orch knows them. `unknown` has how those that it does not can be called here."""

    def __init__(self, registry: Registry, when: datetime, into: Converted) -> None:
        self._registry, self._when, self._into = registry, when, into
        self._names = ModelNames(registry, None, {})
        self.unknown: dict[str, str] = {}

    def of(self, use: Use) -> list[ModelSpec]:
        """Those of a use that orch knows and that answer."""
        specs: dict[ModelSpec, None] = {}
        for written in use.models:
            if spec := self._find(written):
                specs[self._alive(spec)] = None
            else:
                self._warn_unknown(written)
        return list(specs)

    def rate(self, spec: ModelSpec) -> Fraction:
        """Dollars per million tokens, input and output together; self-hosted and unpriced ones count as nothing."""
        price = spec.price_at(self._when)
        rates = None if price is None else price.rates
        return Fraction(0) if rates is None else Fraction(rates.input) + Fraction(rates.output)

    def entry(self, name: str) -> list[str]:
        """The entry for a model of which nothing is known but its name. What must be looked up is on the safe side."""
        prefix, _, bare = name.partition("/")
        makers = [maker for start, maker in _MAKERS if (bare or name).lower().startswith(start)]
        known = prefix in {spec.provider for spec in self._registry.models.values()}
        return [
            f"{_scalar(name)}:",
            f"  provider: {prefix if known else (makers[0] if makers else 'openai')}",
            f"  id: {_scalar(bare if known and bare else name)}",
            "  context_window: 32_000",
            "  output_limit: 4_096",
            "  levels: [basic]",
            "  scores: {coding: 0.5, reasoning: 0.5, speed: 0.5, long_context: 0.5}",
            "  prices: unpriced",
        ]

    def _find(self, written: str) -> ModelSpec | None:
        names = filter(None, (written, written.partition("/")[2]))
        specs = (self._registry.find(name) or self._registry.find(self._names.fold(name)) for name in names)
        return next(filter(None, specs), None)

    def _alive(self, spec: ModelSpec) -> ModelSpec:
        successor = self._successor(spec)
        day = "" if spec.retires is None else f" on {spec.retires}"
        if spec.is_retired(self._when.date()) and successor is not None:
            self._into.warn(f"{spec.name} stopped answering{day}: {successor.name} takes its place")
            return successor
        if spec.status is not Status.CURRENT or spec.retires is not None:
            instead = "" if successor is None else f"; {successor.name} is the current one like it"
            self._into.warn(f"{spec.name} stops answering{day}{instead}")
        return spec

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

        return min(filter(is_able, self._registry.models.values()), key=self.rate, default=None)

    def _warn_unknown(self, written: str) -> None:
        asked = one_line(written, 100)
        name = re.sub(r"[^A-Za-z0-9._:/@+-]+", "-", asked).strip("-./:@+") or "model"
        self.unknown[written] = name
        first, *keys = (line.strip() for line in self.entry(name))
        entry = f"{first} {{{', '.join(keys)}}}"
        self._into.warn(
            f"orch has no model named {asked!r}; under models: in {MODELS}, with what is true of it: {entry}"
        )


def _legs(specs: Sequence[ModelSpec], cheap_first: Sequence[ModelSpec]) -> list[str]:
    """The models of a use; where it has one alone, then the next dearer one of the file, or the next cheaper."""
    names = [spec.name for spec in specs]
    if len(specs) == 1 and len(cheap_first) > 1:
        place = [spec.name for spec in cheap_first].index(names[0])
        names.append(cheap_first[place + 1 if place + 1 < len(cheap_first) else place - 1].name)
    return names


def _renamed(uses: Iterable[Use], taken: set[str], into: Converted) -> dict[str, Use]:
    """The uses by names that can stand in orch's files, each once."""
    used: dict[str, Use] = {}
    for use in uses:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", use.name).strip("-")[:60] or "work"
        name = name if name[0].isalpha() else f"work-{name}"
        wanted, number = name, 1
        while wanted in taken or wanted in used or wanted.lower() in _YAML_WORDS:
            number += 1
            wanted = f"{name}-{number}"
        if wanted != use.name:
            into.warn(f"{one_line(use.name, 60)!r} is called {wanted} here")
        used[wanted] = use
    return used


# -- files: the lines of each, the first one after "Written by orch init from SOURCE" --------------------------------


def _chains(
    work: Mapping[str, Use], agents: Mapping[str, Use], legs: Mapping[Use, Sequence[str]], source: str
) -> Iterator[str]:
    yield ". Check after a change: orch chains check THIS-FILE"
    yield ""
    yield "# What the work goes to: orch run -s NAME. The first model answers; the next stands in when it fails."
    for name, use in work.items():
        if not legs[use]:
            yield f"# {name}: none of its models is known ({_written(use)}); add it to {MODELS}"
            continue
        yield f"{_scalar(name)}:"
        yield f"  description: {_text(use.description or f'{name}, as in {source}')}"
        yield f"  cascade: {{threshold: 0, legs: {_listed(legs[use])}}}  # was: {_written(use)}"
    if any(legs[use] for use in agents.values()):
        yield ""
        yield "# The agents: orch run -s fallback --role NAME, or in a plan. `system` would be instructions."
        yield "roles:"
    for name, use in agents.items():
        if not legs[use]:
            yield f"# {name}: none of its models is known ({_written(use)}); add it to {MODELS}"
            continue
        yield f"  {_scalar(name)}:{f'  # {_comment(use.description)}' if use.description else ''}"
        yield f"    models: {_listed(legs[use])}"


def _routing(work: Models, source: str) -> Iterator[str]:
    """One row a kind of work, and a last one that takes every prompt.

    A kind that is named like a task of the analysis takes that task; another one takes the prompts that have its name
    in them. Without `orchestration`, what is left goes to the first kind of all.
    """
    yield ". The first row whose `when` holds for a prompt counts, the"
    yield "# last takes what is left. MODEL_OVERRIDE_NAME in the environment puts another model first in a row."
    yield from ("", "tables:", f"  {_TABLE}:")
    described = f"which model a prompt goes to, as in {source}"
    yield f"    description: {json.dumps(described, ensure_ascii=False)}"
    yield "    rows:"
    rest = _EVERYTHING_ELSE if _EVERYTHING_ELSE in work else next(iter(work))
    particular = [kind for kind in work if kind not in _MEANT_KINDS | {rest}]
    meant = [row for row in _MEANT if row[0] in work and row[0] != rest and row[1] not in particular]
    for kind, name, when in (*((kind, kind, _condition(kind)) for kind in particular), *meant, (rest, rest, None)):
        yield f"      - name: {json.dumps(name)}"
        if name != kind:
            yield f"        kind: {json.dumps(kind)}"
        if when is not None:
            yield f"        when: {when}"
        yield f"        primary: {json.dumps(work[kind][0])}"
        if work[kind][1:]:
            yield f"        fallback: {json.dumps(list(work[kind][1:]))}"


def _condition(kind: str) -> str:
    words = json.dumps(re.sub(r"[-_]+", " ", kind).strip())
    is_task = kind.lower() in (task.value for task in Task)
    return f"{{tasks: [{kind.lower()}]}}" if is_task else f"{{words: [{words}]}}"


def _config(source: str, *, routed: bool, default: str | None) -> Iterator[str]:
    yield from (". All keys: docs/configuration.md", "")
    if routed:
        yield "# What a plain `orch run` goes by: the table in routing.yaml. orch run -s NAME for one kind of work."
    yield f"strategy: {_TABLE if routed else 'fallback'}"
    if default is not None and not routed:
        yield from ("", "# What a plain `orch run` asks; for the others: orch run -s NAME", f"chain: {_text(default)}")
    yield from ("", "# If you are on the free tier of a provider, say so: its quota of a day is used up first.")
    yield "#free_tier: [google]"


def _unknown_models(models: _Models, source: str) -> Iterator[str]:
    yield ": models that orch does not know. Put in what is true of"
    yield "# each, take out the {} and the #, and name it in chains.yaml. docs/configuration.md has the keys."
    yield "models: {}"
    for name in models.unknown.values():
        yield from ("", *(f"#  {line}" for line in models.entry(name)))


def _written(use: Use) -> str:
    return _comment(", ".join(use.models))


def _scalar(name: str) -> str:
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9._/-]*", name) and name.lower() not in _YAML_WORDS
    return name if is_plain else _text(name)


def _text(text: str) -> str:
    return json.dumps(_comment(text), ensure_ascii=False)


def _comment(text: str) -> str:
    """Text from elsewhere on one line, with nothing in it that YAML or a terminal would not take."""
    return "".join(char for char in one_line(text, _DESCRIBED) if char.isprintable())


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(_scalar(name) for name in names)}]"
