"""`orch simulate`: the simulator as a server on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...deferred import dataclass
from ...registry.loading import registry_for
from ...registry.providers import PROVIDERS
from ...simulator.app import create_app
from ...simulator.scenario import load_scenario
from ...simulator.server import serve
from .. import render
from ..options import RegistryFlags, command
from ..setup import settings_from


@dataclass(frozen=True, kw_only=True)
class _SimulateFlags(RegistryFlags):
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.", min=0, max=65535)] = 0
    state: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep batches there, for the next time.")] = None
    scenario: Annotated[Path | None, typer.Option(help="File of faults to play (ORCH_SCENARIO).")] = None


@command(_SimulateFlags)
def simulate(flags: _SimulateFlags) -> int:
    """Speaks the Anthropic, OpenAI and Gemini wire formats. Set the variables that it prints, and any program will use
    it. GET /journal lists every request with its simulated bill. Ctrl-C stops it.
    """
    settings = settings_from(flags)
    scenario = None if settings.scenario is None else load_scenario(settings.scenario)
    app = create_app(registry_for(settings).models.values(), scenario, folder=flags.state)
    serve(app, flags.port, ready=_announce)
    return 0


commands = {"simulate": simulate}

# Where each provider's wire starts. The path tells apart providers that serve models of the same id.
_PATHS = {"anthropic": "", "google": "", "openai": "/v1", "openrouter": "/api/v1", "deepseek": "/deepseek"}


def _announce(port: int) -> None:
    root = f"http://127.0.0.1:{port}"
    for name, info in PROVIDERS.items():
        render.line(f"export {info.base_url_env}={root}{_PATHS.get(name, f'/{name}/v1')} {info.key_env}=simulated")
    render.flush()
    render.say(f"simulating on {root}; the bill is at {root}/journal; Ctrl-C stops")
