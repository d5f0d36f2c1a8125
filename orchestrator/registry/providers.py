"""Which providers there are, where each is reached and with which key, and the module that speaks to it.

This is the one table of them: a new provider is a line here.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..deferred import dataclass

Environ = Mapping[str, str]


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
