"""From a provider's name to a connection.

A module is imported, and with it the provider's SDK, only when a connection is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import AdapterError, AuthenticationError, Billed, OrchError
from ..plugins import BUG_HINT, Plugin, said, without_current_directory
from ..registry.providers import ADAPTERS, BROKEN, PROVIDERS, Environ, not_set, setting, wire
from .base import Adapter, Endpoint, Provider

if TYPE_CHECKING:
    import httpx2


def endpoint(provider: str, environ: Environ) -> Endpoint:
    """Address and key from the environment. Raises AuthenticationError where a key is needed and missing, and
    AdapterError for a plugin that is broken."""
    info = PROVIDERS[provider]
    if info is BROKEN:
        raise AdapterError(
            f"the plugin of {provider} is broken", provider=provider, billed=Billed.NO, hint="orch doctor says how"
        )
    key = setting(environ, info.key_env)
    if key is None and not info.self_hosted:
        raise AuthenticationError(
            f"{provider} needs a key: {info.key_env} {not_set(environ, info.key_env)}",
            provider=provider,
            hint=f"export {info.key_env}=..., or try orch without a key: orch run --simulate ...",
        )
    return Endpoint(provider, setting(environ, info.base_url_env) or info.base_url, key)


def connect(target: Endpoint, transport: httpx2.AsyncBaseTransport | None = None) -> Provider:
    """A connection to a provider, over the network or over the transport given. Imports that provider's SDK alone.

    Raises ConfigError for a base URL that is no address, AuthenticationError for a key that no header can carry, and
    AdapterError for a plugin's adapter that cannot be loaded or fails.
    """
    module = PROVIDERS[target.provider].module
    if target.provider in PROVIDERS.built_in:
        return _adapter(module).connect(target, transport)
    from .guarded import Guarded  # heavy: for plugins only

    plugin = PROVIDERS.plugins()[target.provider]
    try:
        with without_current_directory():
            return Guarded(plugin, target.provider, _adapter(module).connect(target, transport))
    except OrchError:
        raise
    except (Exception, SystemExit) as error:
        raise _unusable(plugin, target.provider, error) from error


def simulated(provider: str, transport: httpx2.AsyncBaseTransport) -> Provider:
    """A connection to the simulator, which plays a plugin's provider behind OpenAI's API."""
    info = PROVIDERS.built_in.get(provider)
    base_url = f"http://simulator/{provider}/v1" if info is None else info.base_url
    return _adapter(wire(provider)).connect(Endpoint(provider, base_url, _SIMULATED_KEY), transport)


_SIMULATED_KEY = "simulated"  # the SDKs want one; nobody looks at it


def _adapter(module: str) -> Adapter:
    adapter: Adapter = import_module(f"{__package__}.{module}" if module in ADAPTERS else module)
    return adapter


def _unusable(plugin: Plugin, provider: str, error: BaseException) -> AdapterError:
    return AdapterError(f"plugin {plugin} failed: {said(error)}", provider=provider, billed=Billed.NO, hint=BUG_HINT)
