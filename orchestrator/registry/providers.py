"""The providers: where each is reached, which key it needs, and which module speaks to it.

This is the only table of providers: a new one is a line here, or a plugin.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from ..deferred import dataclass
from ..plugins import Plugin, Table

Environ = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """How a provider is reached. A self-hosted one needs no key, and is set up once its base URL is set.

    `module` is one of `ADAPTERS`, or the full name of a plugin's module, imported on the provider's first call, with
    `connect(target, transport)` as `providers.base.Adapter` describes it. `key_env` and `base_url_env` name environment
    variables; `base_url` is the usual address, None for the adapter's own.
    """

    module: str
    key_env: str
    base_url_env: str
    base_url: str | None = None
    self_hosted: bool = False


ADAPTERS = ("anthropic", "openai", "google")  # modules of `orchestrator.providers`


def _of_plugin(plugin: Plugin, info: Any) -> ProviderInfo:
    if not isinstance(info, ProviderInfo):
        raise TypeError(f"{plugin.target} is no ProviderInfo")
    if not (info.key_env and info.base_url_env):
        raise ValueError("its environment variables have no names")
    if info.module not in ADAPTERS and importlib.util.find_spec(info.module) is None:
        raise ValueError(f"there is no module {info.module}")
    return info


BROKEN = ProviderInfo("", "", "")  # stands for a plugin that is left out: models of it cannot be called

PROVIDERS: Table[ProviderInfo] = Table(
    "orch.providers",
    {
        "anthropic": ProviderInfo("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
        "openai": ProviderInfo("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
        "google": ProviderInfo("google", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
        "cerebras": ProviderInfo("openai", "CEREBRAS_API_KEY", "CEREBRAS_BASE_URL", "https://api.cerebras.ai/v1"),
        "openrouter": ProviderInfo(
            "openai", "OPENROUTER_API_KEY", "OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1"
        ),
        "deepseek": ProviderInfo("openai", "DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL", "https://api.deepseek.com"),
        "vllm": ProviderInfo("openai", "VLLM_API_KEY", "VLLM_BASE_URL", "http://localhost:8000/v1", True),
        "ollama": ProviderInfo("openai", "OLLAMA_API_KEY", "OLLAMA_BASE_URL", "http://localhost:11434/v1", True),
        "llamacpp": ProviderInfo("openai", "LLAMACPP_API_KEY", "LLAMACPP_BASE_URL", "http://localhost:8080/v1", True),
    },
    _of_plugin,
    stand_in=BROKEN,
)


def setting(environ: Environ, name: str) -> str | None:
    """A variable without the white space around it; None if nothing else is in it, as if it were not set."""
    return environ.get(name, "").strip() or None


def not_set(environ: Environ, name: str) -> str:
    """What is to be said of a variable that has no `setting`."""
    return "holds only white space" if environ.get(name) else "is not set"


def variable_prefixes() -> tuple[str, ...]:
    """The prefixes of environment variables that affect a run: orch's own, those of the user's directories, and the
    providers', including those that only an SDK reads."""
    names = (name for info in PROVIDERS.built_in.values() for name in (info.key_env, info.base_url_env))
    return ("ORCH_", "MODEL_OVERRIDE_", "XDG_", *sorted({f"{name.partition('_')[0]}_" for name in names}))


def needed_to_set_up(provider: str) -> str:
    """The environment variable that a provider needs: its key, or a self-hosted one's address."""
    info = PROVIDERS[provider]
    return info.base_url_env if info.self_hosted else info.key_env


def wire(provider: str) -> str:
    """The wire format that the simulator speaks for a provider: its own, or OpenAI's for a plugin's."""
    info = PROVIDERS.built_in.get(provider)
    return "openai" if info is None else info.module


def is_set_up(provider: str, environ: Environ) -> bool:
    """Whether a provider can be chosen without being named."""
    return setting(environ, needed_to_set_up(provider)) is not None
