"""Which registered model a provider's name means: an id, a dated id, a display name, a part of a SKU."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..expressions import expression
from .model import Registry
from .unlisted import split_provider

_DATED = expression(r"[-@](20\d{6}|20\d{2}-\d{2}-\d{2}|latest)$")

# Words in any order, numbers in theirs: `Claude Sonnet 3.7` is claude-3-7-sonnet, but gpt-5.4 is not gpt-4.5.
_Key = tuple[tuple[str, ...], tuple[str, ...]]


class ModelNames:
    """The names of a registry's models, of one provider or (None) of all; `seen` adds names from replies."""

    def __init__(self, registry: Registry, provider: str | None, seen: Mapping[str, str]) -> None:
        specs = [spec for spec in registry.models.values() if provider in (None, spec.provider)]
        self._exact: dict[str, str] = {}
        self._keys: dict[_Key, str] = {}
        # A model's own name counts for more than what another model's is like.
        self._add((spec.name, spec.name) for spec in specs)
        self._add((alias, spec.name) for spec in specs for alias in spec.aliases)
        self._add((spec.id, spec.name) for spec in specs)
        self._add(seen.items())

    def fold(self, written: str) -> str:
        """The model's name in the registry, or the given name if it is unknown."""
        name = written.strip().removeprefix("models/").casefold()
        bare = split_provider(name)[1]
        wanted = (name, _DATED.sub("", name), bare, _DATED.sub("", bare))
        exact = (self._exact.get(each) for each in wanted)
        alike = (self._keys.get(_key(each)) for each in wanted)
        return next(filter(None, (*exact, *alike)), written.strip())

    def _add(self, names: Iterable[tuple[str, str]]) -> None:
        for written, model in names:
            name = written.casefold()
            self._exact.setdefault(name, model)
            for variant in (name, _DATED.sub("", name)):
                self._keys.setdefault(_key(variant), model)


def _key(name: str) -> _Key:
    parts = re.findall(r"[a-z0-9]+", name)
    return tuple(sorted(part for part in parts if not part.isdigit())), tuple(part for part in parts if part.isdigit())
