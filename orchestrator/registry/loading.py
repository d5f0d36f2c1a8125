"""Reads the shipped models, chains and routing, and the user's over them, and checks them against each other.

The user's files add entries, or replace whole entries of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from ..config import Settings
from ..config.options import STRATEGY_NAMES
from ..config.strict_yaml import Reader, Table, day, mapping_of, read, record, text
from ..config.yaml_files import read_document
from ..config.yaml_value import Value
from ..deferred import dataclass, replace
from ..errors import ConfigError, did_you_mean
from . import records
from .chains import ChainsDocument
from .model import Chain, EmbeddingModel, ModelSpec, Registry, Role
from .routes import Routing
from .routing import RoutingReader
from .unlisted import CanonicalNames, Models

T = TypeVar("T")

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class _Entry:
    """A model and its place in a file, for errors that only show between entries."""

    spec: ModelSpec
    place: Value


def load_registry(
    *,
    models_file: Path | None,
    chains_file: Path | None,
    config_dir: Path,
    routing_file: Path | None = None,
    keep_in: Path | None = None,
) -> Registry:
    """The shipped registry with the user's over it.

    A file that is named must exist. Otherwise `models.yaml`, `chains.yaml` and `routing.yaml` in `config_dir` are read
    if they exist. `keep_in` is the cache directory. Raises ConfigError, with file, line and key, for the first mistake.
    """
    listed, shipped_embeddings = _entries_of(shipped("models.yaml"), keep_in)
    embeddings: Mapping[str, EmbeddingModel] = shipped_embeddings
    if not listed.places:
        raise ConfigError(f"{shipped('models.yaml')}: holds no models; orch is not installed properly")
    models_file = models_file or _if_there(config_dir / "models.yaml")
    if models_file is None:  # the shipped entries are right: each is read when its model is first looked up
        models = Models(listed, listed.aliases())
    else:
        own, own_embeddings = _entries_of(models_file, keep_in)
        entries, embeddings = _over(_all(listed), _all(own)), _over(embeddings, own_embeddings)
        _check_aliases(entries)
        models = Models({name: entry.spec for name, entry in entries.items()})

    chains_file = chains_file or _if_there(config_dir / "chains.yaml")
    files = [shipped("chains.yaml"), *([] if chains_file is None else [chains_file])]
    registry = replace(_with_chains(models, (read_document(file, keep_in) for file in files)), embeddings=embeddings)
    routing_file = routing_file or _if_there(config_dir / "routing.yaml")
    files = [shipped("routing.yaml"), *([] if routing_file is None else [routing_file])]
    return _with_routing(registry, (read_document(file, keep_in) for file in files))


def registry_for(settings: Settings) -> Registry:
    """The registry of a process's settings. Raises ConfigError."""
    return load_registry(
        models_file=settings.models_file,
        chains_file=settings.chains_file,
        config_dir=settings.config_dir,
        routing_file=settings.routing_file,
        keep_in=settings.parsed_dir,
    )


def names_in(chains_file: Path) -> dict[str, list[str]]:
    """The names that a file of chains defines under `chains`, `roles` and `tiers`. Raises ConfigError."""
    return ChainsDocument(read_document(chains_file), {}).names()


def read_models(path: Path) -> dict[str, ModelSpec]:
    """The models of a single file. Raises ConfigError."""
    entries = _all(_entries_of(path, None)[0])
    _check_aliases(entries)
    return {name: entry.spec for name, entry in entries.items()}


def shipped(name: str) -> Path:
    """A file that ships with orch: beside the package's modules in a wheel, one folder up in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.exists() else _PACKAGE.parent / name


def _if_there(path: Path) -> Path | None:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return path  # reading it will say what is wrong
    return path


def _over(lower: Mapping[str, T], upper: Mapping[str, T]) -> dict[str, T]:
    return {name: value for name, value in lower.items() if name not in upper} | dict(upper)


class _Listed(Mapping[str, T]):
    """The entries of a file by name, each of which is read when it is first looked up: ConfigError if it is wrong."""

    def __init__(self, places: Mapping[str, Value], read_entry: Reader[T]) -> None:
        self.places = places
        self._read_entry = read_entry
        self._entries: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            self._entries[name] = self._read_entry(self.places[name])
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def aliases(self) -> dict[str, str]:
        """The model's name of each alias."""
        return {alias: name for name, place in self.places.items() for alias in records.aliases_of(place)}


def _entries_of(path: Path, keep_in: Path | None) -> tuple[_Listed[ModelSpec], _Listed[EmbeddingModel]]:
    """The models of a file, and its embedding models."""

    def build(table: Table) -> tuple[_Listed[ModelSpec], _Listed[EmbeddingModel]]:
        provenance = records.Provenance(
            source=table.optional("source", text, path.name),
            checked=table.optional("checked", day, None),
        )
        models, embeddings = (
            table.optional(section, mapping_of(lambda value: value), {}) for section in ("models", "embeddings")
        )
        return _Listed(models, records.model(provenance)), _Listed(embeddings, partial(_embedding, provenance))

    return read(path, record(build), keep_in)


def _embedding(provenance: records.Provenance, value: Value) -> EmbeddingModel:
    from .embeddings import embedding_model  # few runs need one

    return embedding_model(value, provenance)


def _all(listed: _Listed[ModelSpec]) -> dict[str, _Entry]:
    return {name: _Entry(listed[name], place) for name, place in listed.places.items()}


def _check_aliases(entries: Mapping[str, _Entry]) -> None:
    """Check that every name and alias means one model. The error names the later entry, which is the user's if one
    is."""
    order = list(entries)
    owners = {name: name for name in entries}
    for name, entry in entries.items():
        for alias in entry.spec.aliases:
            owner = owners.setdefault(alias, name)
            if alias in entries or owner != name:
                blamed = max(name, owner, key=order.index)
                other = name if blamed == owner else owner
                raise entries[blamed].place.error(f"the name '{alias}' is also that of '{other}'")


def _with_chains(models: Mapping[str, ModelSpec], documents: Iterable[Value]) -> Registry:
    """The chains, roles and tiers of all documents. Later documents override earlier ones, and all may use all
    roles."""
    names = CanonicalNames(models)
    parts = [ChainsDocument(document, names) for document in documents]
    roles: dict[str, Role] = {}
    tiers: dict[str, tuple[str, ...]] = {}
    tier_plans: dict[str, Value | None] = {}
    for part in parts:
        roles, tiers = _over(roles, part.roles()), _over(tiers, part.tiers())
        tier_plans = _over(tier_plans, part.tier_plans())
    chains: dict[str, Chain] = {}
    for part in parts:
        chains = _over(chains, part.chains(roles, tiers))
    return Registry(
        models,
        MappingProxyType(chains),
        MappingProxyType(roles),
        MappingProxyType(tiers),
        tier_plans=MappingProxyType(_plans_of_tiers(tier_plans, chains)),
    )


def _with_routing(registry: Registry, documents: Iterable[Value]) -> Registry:
    """The routing of all documents; later ones override earlier ones. A user's table with the name of a chain is an
    error, since it would never be reached. A user's chain may have the name of a shipped table and replaces it."""
    names, routing = CanonicalNames(registry.models), Routing()
    taken = frozenset(STRATEGY_NAMES)
    for document in documents:
        routing = RoutingReader(names, registry.chains, taken).over(routing, document)
        taken |= set(registry.chains)
    return replace(registry, routing=routing)


def _plans_of_tiers(named: Mapping[str, Value | None], chains: Mapping[str, Chain]) -> dict[str, str]:
    plans = {tier: value for tier, value in named.items() if value is not None}
    for value in plans.values():
        if value.written not in chains:
            suggestion = did_you_mean(value.written, chains)
            hint = f" ({suggestion})" if suggestion else ""
            raise value.error(f"there is no chain named '{value.written}'{hint}")
    return {tier: value.written for tier, value in plans.items()}
