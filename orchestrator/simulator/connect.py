"""Provider connections that end in the simulator: the providers' own SDKs, over an in-process transport."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ..providers.base import Endpoint, Provider
from ..providers.catalog import connect
from ..registry.model import ModelSpec
from ..registry.providers import PROVIDERS
from .app import create_app
from .scenario import load_scenario
from .transport import SimulatorTransport

_KEY = "simulated"  # the SDKs want one; nobody looks at it


def simulated_connections(models: Iterable[ModelSpec], scenario: Path | None) -> Callable[[str], Provider]:
    """A function from a provider's name to a connection to one simulator. Raises ConfigError for a bad scenario."""
    app = create_app(models, None if scenario is None else load_scenario(scenario))
    transport = SimulatorTransport(app)
    return lambda provider: connect(Endpoint(provider, PROVIDERS[provider].base_url, _KEY), transport)
