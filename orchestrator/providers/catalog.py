"""Which providers there are, where each is reached and with which key, and the module that speaks to it.

A module is imported, and with it the provider's SDK, only when a connection is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..deferred import dataclass
from ..errors import AuthenticationError
from .base import Endpoint, Environ, Provider

if TYPE_CHECKING:
    import httpx2


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """How a provider is reached. A self-hosted one needs no key, and counts as set up once its base URL is."""

    module: str
    key_env: str
    base_url_env: str
    base_url: str | None = None
    self_hosted: bool = False


PROVIDERS: dict[str, ProviderInfo] = {
    "anthropic": ProviderInfo("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    "openai": ProviderInfo("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "google": ProviderInfo("google", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
    "cerebras": ProviderInfo("openai", "CEREBRAS_API_KEY", "CEREBRAS_BASE_URL", "https://api.cerebras.ai/v1"),
    "openrouter": ProviderInfo("openai", "OPENROUTER_API_KEY", "OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1"),
    "deepseek": ProviderInfo("openai", "DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL", "https://api.deepseek.com"),
    "vllm": ProviderInfo("openai", "VLLM_API_KEY", "VLLM_BASE_URL", "http://localhost:8000/v1", True),
    "ollama": ProviderInfo("openai", "OLLAMA_API_KEY", "OLLAMA_BASE_URL", "http://localhost:11434/v1", True),
    "llamacpp": ProviderInfo("openai", "LLAMACPP_API_KEY", "LLAMACPP_BASE_URL", "http://localhost:8080/v1", True),
}


def variable_prefixes() -> tuple[str, ...]:
    """What the names of providers' environment variables begin with, those that only an SDK reads among them."""
    names = (name for info in PROVIDERS.values() for name in (info.key_env, info.base_url_env))
    return tuple(sorted({f"{name.partition('_')[0]}_" for name in names}))


def needed_to_set_up(provider: str) -> str:
    """The environment variable that a provider cannot do without: its key, or a self-hosted one's address."""
    info = PROVIDERS[provider]
    return info.base_url_env if info.self_hosted else info.key_env


def is_set_up(provider: str, environ: Environ) -> bool:
    """Whether a provider can be chosen without being named."""
    return bool(environ.get(needed_to_set_up(provider)))


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
