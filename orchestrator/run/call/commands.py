"""The environment of the user's own commands, `--verify` and `on_alert`: everything but secrets."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ...expressions import expression
from ...registry.providers import PROVIDERS, setting

_SECRET_NAME = expression(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|HEADER)S?(?:_|$)", re.IGNORECASE)
_ADDRESS_WITH_PASSWORD = expression(r"://[^/\s@]*:[^/\s@]+@")
_SHORTEST_KEY = 8  # a shorter one, such as a self-hosted server's "none", would be found in ordinary values


def for_commands(environ: Mapping[str, str], passed: Collection[str] = ()) -> dict[str, str]:
    """The environment without secrets: variables named like a key, token, secret, password, credential or header,
    those that hold a provider's key, and addresses with a password. Variables in `passed` are kept."""
    keys = [setting(environ, info.key_env) or "" for info in PROVIDERS.values()]
    keys = [key for key in keys if len(key) >= _SHORTEST_KEY]
    return {
        name: value
        for name, value in environ.items()
        if name in passed
        or not (_SECRET_NAME.search(name) or _ADDRESS_WITH_PASSWORD.search(value) or any(key in value for key in keys))
    }
