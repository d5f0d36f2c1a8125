"""How the provider `echo` is reached. It runs in the process, so that it needs neither a key nor an address."""

from __future__ import annotations

from orchestrator.plugin_api import ProviderInfo

ECHO = ProviderInfo(
    module="orch_example.adapter", key_env="ECHO_API_KEY", base_url_env="ECHO_BASE_URL", self_hosted=True
)
