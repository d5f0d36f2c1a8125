"""From a provider's name to a connection.

A module is imported, and with it the provider's SDK, only when a connection is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import AuthenticationError
from ..registry.providers import PROVIDERS, Environ
from .base import Endpoint, Provider

if TYPE_CHECKING:
    import httpx2


def endpoint(provider: str, environ: Environ) -> Endpoint:
    """Address and key from the environment. Raises AuthenticationError where a key is needed and missing."""
    info = PROVIDERS[provider]
    key = environ.get(info.key_env) or None
    if key is None and not info.self_hosted:
        raise AuthenticationError(
            f"{provider} needs a key: {info.key_env} is not set",
            provider=provider,
            hint=f"export {info.key_env}=..., or try orch without a key: orch run --simulate ...",
        )
    return Endpoint(provider, environ.get(info.base_url_env) or info.base_url, key)


def connect(target: Endpoint, transport: httpx2.AsyncBaseTransport | None = None) -> Provider:
    """A connection to a provider, over the network or over the transport given. Imports that provider's SDK alone.

    Raises ConfigError for a base URL that is no address, AuthenticationError for a key that no header can carry.
    """
    module = import_module(f".{PROVIDERS[target.provider].module}", __package__)
    provider: Provider = module.connect(target, transport)
    return provider
