"""A file of chains as a whole: its named plans, and the roles and tiers that plans may name.

NAME: a plan (see `plans`)
roles: {NAME: {models: [MODEL, ...] | {LEVEL: [MODEL, ...]}, system: ...}}
tiers: {NAME: [MODEL, ...]}, or {NAME: {models: [MODEL, ...], plan: the NAME of a chain}}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..config.options import STRATEGY_NAMES
from ..config.strict_yaml import Table, list_of, mapping_of, record, text
from ..config.yaml_value import Kind, Value
from ..errors import did_you_mean
from ..expressions import expression
from ..types import Level
from .model import Chain, Role
from .plans import PlanReader, model_named

_NAME = expression(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
ROLES, TIERS = "roles", "tiers"


class ChainsDocument:
    """A file of chains, with the roles and tiers that it defines. Raises ConfigError.

    `models` maps every name and alias to the model's name.
    """

    def __init__(self, document: Value, models: Mapping[str, str]) -> None:
        if not isinstance(document.content, dict):
            raise document.expected(Kind.MAPPING)
        self._entries = document.content
        self._models = models

    def names(self) -> dict[str, list[str]]:
        """The names that the file defines, by kind."""
        sections = {kind: self._entries.get(kind) for kind in (ROLES, TIERS)}
        named = {
            kind: list(value.content) for kind, value in sections.items() if value and isinstance(value.content, dict)
        }
        return {"chains": [name for name in self._entries if name not in sections], ROLES: [], TIERS: []} | named

    def roles(self) -> dict[str, Role]:
        """The roles that the file defines."""
        section = self._entries.get(ROLES)
        return {} if section is None else mapping_of(self._role)(section)

    def tiers(self) -> dict[str, tuple[str, ...]]:
        """The tiers that the file defines."""
        section = self._entries.get(TIERS)
        return (
            {} if section is None else {name: models for name, (models, _) in mapping_of(self._tier)(section).items()}
        )

    def tier_plans(self) -> dict[str, Value | None]:
        """For each tier, the name of the chain that is its plan, with its place in the file; None for a tier without
        one."""
        section = self._entries.get(TIERS)
        return {} if section is None else {name: plan for name, (_, plan) in mapping_of(self._tier)(section).items()}

    def chains(self, roles: Collection[str], tiers: Collection[str]) -> dict[str, Chain]:
        """The named plans, which may use these roles and tiers."""
        reader = PlanReader(self._models, roles, tiers)
        entries = {name: value for name, value in self._entries.items() if name not in (ROLES, TIERS)}
        for name, value in entries.items():
            if name in STRATEGY_NAMES:
                raise value.error("there is a strategy of this name, which -s would mean")
        return {name: reader.chain(value) for name, value in entries.items()}

    def _role(self, value: Value) -> Role:
        def build(table: Table) -> Role:
            models = table.required("models", self._by_level)
            return Role(value.key, models, table.optional("system", text, None))

        _check_name(value)
        return record(build)(value)

    def _by_level(self, value: Value) -> dict[Level, tuple[str, ...]]:
        if not isinstance(value.content, dict):
            return {Level.BASIC: self._listed(value)}
        levels = [level.value for level in Level]
        for key, other in value.content.items():
            if key not in levels:
                hint = did_you_mean(key, levels) or f"expected {', '.join(levels)}"
                raise other.error(f"unknown level ({hint})")
        if not value.content:
            raise value.error("has no models")
        return {Level(key): self._listed(models) for key, models in value.content.items()}

    def _tier(self, value: Value) -> tuple[tuple[str, ...], Value | None]:
        _check_name(value)
        if not isinstance(value.content, dict):
            return self._listed(value), None
        return record(lambda table: (table.required("models", self._listed), table.optional("plan", _named, None)))(
            value
        )

    def _listed(self, value: Value) -> tuple[str, ...]:
        return list_of(model_named(self._models), at_least=1)(value)


def _named(value: Value) -> Value:
    """A name that can only be resolved later, with its place in the file."""
    text(value)
    return value


def _check_name(value: Value) -> None:
    if not _NAME.fullmatch(value.key):
        raise value.error("the name of a role or tier is a letter, then letters, digits, - and _")
