"""Provider connections that end in the simulator: the providers' own SDKs, over an in-process transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..providers.base import Provider
from ..providers.catalog import simulated
from ..registry.model import ModelSpec
from .app import create_app
from .scenario import load_scenario
from .transport import SimulatorTransport


def simulated_connections(
    models: Mapping[str, ModelSpec], scenario: Path | None, folder: Path | None = None
) -> Callable[[str], Provider]:
    """A function from a provider's name to a connection to one simulator of a registry's models: of those that it only
    knows when they are asked for, too. Batches outlive the process in `folder`. Raises ConfigError for a bad
    scenario."""
    app = create_app(models.values(), None if scenario is None else load_scenario(scenario), more=models, folder=folder)
    transport = SimulatorTransport(app)
    return lambda provider: simulated(provider, transport)
