"""The models and chains that orch knows: read from strict YAML into frozen records."""

from __future__ import annotations

from .loading import load_registry
from .model import (
    Chain,
    Feature,
    FreeQuota,
    ModelSpec,
    RateLimits,
    Registry,
    Scores,
    Status,
)

__all__ = [
    "Chain",
    "Feature",
    "FreeQuota",
    "ModelSpec",
    "RateLimits",
    "Registry",
    "Scores",
    "Status",
    "load_registry",
]
