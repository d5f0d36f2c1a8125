"""The names that `model` can have: models, strategies, chains and plans, task tables, and `auto`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..choose.table import STRATEGIES
from ..config.options import EXPERIMENT
from ..ledger.keys import Key
from ..registry.model import Registry
from ..registry.providers import PROVIDERS, is_set_up
from ..run.engine import Engine

USUAL = "auto"  # what the server's own settings say


def is_known(name: str, registry: Registry) -> bool:
    """Whether a name means anything. Models separated by commas are a chain."""
    if "," in name:
        return all(registry.find(each.strip()) is not None for each in name.split(","))
    if name in (USUAL, EXPERIMENT) or registry.find(name) is not None:
        return True
    return name in registry.chains or name in registry.routing.tables or STRATEGIES.get(name) is not None


def names_for(engine: Engine, key: Key | None) -> list[str]:
    """The names that a client can ask for here: models that are set up, and what chooses among them."""
    registry, settings = engine.registry, engine.settings
    today = datetime.now(UTC).date()
    names = [USUAL, *STRATEGIES, *registry.routing.tables, *registry.chains]
    for spec in registry.models.values():
        reached = is_set_up(spec.provider, settings.environ)
        if (settings.simulate and not PROVIDERS[spec.provider].self_hosted) or reached:
            names += [] if spec.is_retired(today) else [spec.name]
    if key is None or not key.models:
        return list(dict.fromkeys(names))
    allowed = {known.name for name in key.models if (known := registry.find(name)) is not None}
    return [name for name in dict.fromkeys(names) if name in key.models or name in allowed]


def described(engine: Engine, name: str) -> dict[str, Any]:
    """A name as OpenAI's list of models has it."""
    spec = engine.registry.models.get(name)
    owner = "orch" if spec is None else spec.provider
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def described_for_anthropic(name: str) -> dict[str, Any]:
    """A name as Anthropic's list of models has it."""
    return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
