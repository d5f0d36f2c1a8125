"""`orch chains`: the named chains, each a list of models to try in order."""

from __future__ import annotations

from dataclasses import dataclass

from ..registry.loading import registry_for
from . import render
from .options import ConfigFlags, OutputFlags, command
from .output import Output
from .setup import settings_from


@dataclass(frozen=True, kw_only=True)
class _ChainFlags(OutputFlags, ConfigFlags):
    pass


@command(_ChainFlags)
def chains(flags: _ChainFlags) -> int:
    """Use one with: orch run -s fallback --chain NAME. Your own go into chains.yaml in the config directory."""
    output, settings = Output.parse(flags.output), settings_from(flags)
    registry = registry_for(settings)
    found = {name: list(chain.models) for name, chain in registry.chains.items()}
    output.emit({"schema_version": 1, "chains": found})
    if not output.json:
        width = max(map(len, found))
        for name, models in found.items():
            render.line(f"{name:<{width}}  {' → '.join(models)}")
    return 0


commands = {"chains": chains}
