"""What orch runs on, looked at from end to end: configuration, ledger, keys, endpoints, clock. Nothing is spent.

Checks come in groups. The first group of `_ERRORS` with an error in it decides how `orch doctor` ends.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..clock import Clock
from ..config import Settings
from ..config.yaml_files import is_there
from ..deferred import dataclass
from ..distribution import DISTRIBUTION
from ..errors import AuthenticationError, ConfigError, ConnectionFailedError, LedgerError, OrchError
from ..plugins import Table
from ..providers.base import Health, Provider
from ..providers.network import (
    BILLED_TO,
    address,
    all_proxies,
    certificate_paths,
    checked_proxy,
    header_value,
    is_sendable,
    proxy_for,
    tls_context,
)
from ..registry.model import Registry
from ..registry.providers import BROKEN, PROVIDERS, Environ, is_set_up, needed_to_set_up, not_set, setting
from .ledger_health import Check, CheckStatus

CONFIGURATION, LEDGER, KEYS, ENDPOINTS, SYSTEM = "configuration", "ledger", "keys", "endpoints", "system"
PLUGINS = "plugins"
_ERRORS: Mapping[str, type[OrchError]] = {
    CONFIGURATION: ConfigError,
    LEDGER: LedgerError,
    KEYS: AuthenticationError,
    ENDPOINTS: ConnectionFailedError,
}

ENDPOINT_TIMEOUT_S = 5.0
_SKEW_S = 60  # signatures and dated prices stand more than this
_PACKAGES = (DISTRIBUTION, "anthropic", "openai", "google-genai", "httpx2", "typer", "rich", "pyyaml", "stamina")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks that were made, by group, in the order in which they are shown."""

    checks: tuple[tuple[str, Check], ...]
    simulated: bool

    @property
    def exit_code(self) -> int:
        """0, or the code of the first group, in the order of `_ERRORS`, that has an error."""
        failed = {group for group, check in self.checks if check.status is CheckStatus.ERROR}
        return next((error.exit_code for group, error in _ERRORS.items() if group in failed), 0)

    @property
    def worst(self) -> CheckStatus:
        """The most serious status of all checks."""
        statuses = {check.status for _, check in self.checks}
        return next((s for s in (CheckStatus.ERROR, CheckStatus.WARNING) if s in statuses), CheckStatus.OK)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        return {
            "schema_version": 1,
            "kind": "doctor",
            "simulated": self.simulated,
            "status": self.worst.value,
            "exit_code": self.exit_code,
            "checks": [
                {"group": group, "name": check.name, "status": check.status.value, "detail": check.detail}
                for group, check in self.checks
            ],
        }


def check_settings(load: Callable[[], Settings]) -> tuple[Settings | None, Check]:
    """The settings, or None with the reason why there are none."""
    try:
        settings = load()
    except ConfigError as error:
        return None, Check("settings", CheckStatus.ERROR, _with_hint(error))
    return settings, Check("settings", CheckStatus.OK, "flags, environment and config file can be read")


def check_registry(load: Callable[[], Registry]) -> tuple[Registry | None, Check]:
    """The registry, or None with the reason why it cannot be loaded."""
    try:
        registry = load()
    except ConfigError as error:
        return None, Check("registry", CheckStatus.ERROR, _with_hint(error))
    return registry, Check("registry", CheckStatus.OK, f"{len(registry.models)} models, {len(registry.chains)} chains")


def check_files(settings: Settings, config: Path | None) -> Check:
    """Which of the user's own files are in use; `config` is the one that a flag names."""
    named = {
        "config.yaml": config or settings.environ.get("ORCH_CONFIG"),
        "models.yaml": settings.models_file,
        "chains.yaml": settings.chains_file,
        "routing.yaml": settings.routing_file,
    }
    paths = [Path(path) if path else settings.config_dir / name for name, path in named.items()]
    in_use = [str(path) for path in paths if is_there(path)]
    return Check("files", CheckStatus.OK, ", ".join(in_use) or f"none of your own in {settings.config_dir}")


def check_network(environ: Environ) -> Iterator[Check]:
    """Certificates, proxies, base URLs and header values that the environment sets. One that cannot be used is an
    error, or a warning if it is a proxy that no provider is reached through."""
    checks: dict[str, Callable[[], object]] = {}
    if (named := certificate_paths(environ)) is not None:
        checks[named[0]] = lambda: tls_context(environ)
    for variable, value in all_proxies(environ):
        checks[variable] = partial(checked_proxy, value, variable)
    for provider, info in PROVIDERS.items():
        if info is not BROKEN and (url := setting(environ, info.base_url_env)) is not None:
            checks[info.base_url_env] = partial(address, url, f"{info.base_url_env}, the base URL of {provider},")
    for variable in BILLED_TO:
        if setting(environ, variable) is not None:
            checks[variable] = partial(header_value, variable, environ)
    for variable, check in checks.items():
        try:
            check()
        except ConfigError as error:
            idle = variable.lower().endswith("_proxy") and not _goes_through_a_bad_proxy(environ)
            yield Check(variable, CheckStatus.WARNING if idle else CheckStatus.ERROR, _with_hint(error))
        else:
            yield Check(variable, CheckStatus.OK, "can be used")


def _goes_through_a_bad_proxy(environ: Environ) -> bool:
    try:
        for provider, info in PROVIDERS.items():
            if is_set_up(provider, environ):
                # An adapter's own address, which only it knows, is a public one.
                proxy_for(setting(environ, info.base_url_env) or info.base_url or "https://api.example.com", environ)
    except ConfigError:
        return True
    return False


def check_keys(environ: Environ, wanted: str | None) -> Iterator[Check]:
    """Which providers are set up. Keys are named, never shown."""
    names = [wanted] if wanted is not None else list(PROVIDERS)
    ready = [name for name in names if is_set_up(name, environ)]
    for name in names:
        variable = needed_to_set_up(name)
        if PROVIDERS[name] is BROKEN:
            yield Check(name, CheckStatus.ERROR, "its plugin is broken")
        elif not is_sendable(setting(environ, PROVIDERS[name].key_env) or ""):
            yield Check(name, CheckStatus.ERROR, f"{PROVIDERS[name].key_env} holds white space or what no key has")
        elif name in ready:
            yield Check(name, CheckStatus.OK, f"{variable} is set")
        else:
            blank = CheckStatus.WARNING if environ.get(variable) else CheckStatus.SKIPPED
            status = CheckStatus.ERROR if wanted is not None else blank
            yield Check(name, status, f"{variable} {not_set(environ, variable)}")
    if not ready and wanted is None:
        yield Check(
            "providers", CheckStatus.ERROR, "none is set up: set one of the keys above, or add --simulate to try orch"
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """What asking one endpoint gave, and the local time when the answer came."""

    provider: str
    health: Health
    at: datetime


async def probe(
    providers: Iterable[str],
    connect: Callable[[str], Provider],
    clock: Clock,
    timeout_s: float = ENDPOINT_TIMEOUT_S,
) -> list[Probe]:
    """Ask all endpoints at the same time whether they answer, by what costs nothing. One that fails raises nothing."""
    names = list(providers)
    # First all connections, which imports SDKs: that is not to count as the time of an endpoint.
    connections = [_connected(name, connect) for name in names]

    async def ask(name: str, connection: Provider | Health) -> Probe:
        if isinstance(connection, Health):
            return Probe(name, connection, clock())
        try:
            async with asyncio.timeout(timeout_s):
                health = await connection.health_check()
        except TimeoutError:
            health = Health(False, round(timeout_s * 1000), f"no answer within {timeout_s:g} s")
        finally:
            await connection.aclose()
        return Probe(name, health, clock())

    return list(await asyncio.gather(*map(ask, names, connections)))


def _connected(name: str, connect: Callable[[str], Provider]) -> Provider | Health:
    try:
        return connect(name)
    except OrchError as error:
        return Health(False, 0, _with_hint(error))


def check_endpoints(probes: Iterable[Probe], environ: Environ) -> Iterator[Check]:
    """A check for each provider that was asked for its models."""
    for probe in probes:
        info = PROVIDERS[probe.provider]
        address = setting(environ, info.base_url_env)
        where = f" at {_origin(address)}, from {info.base_url_env}" if address else ""
        health = probe.health
        detail = f"{health.detail}{f' in {health.latency_ms} ms' if health.ok else ''}{where}"
        yield Check(f"{probe.provider} endpoint", CheckStatus.OK if health.ok else CheckStatus.ERROR, detail)


def check_plugins(tables: Iterable[Table[Any]]) -> Iterator[Check]:
    """Every installed plugin, and what is wrong with it. Imports all of them."""
    for table in tables:
        for plugin, problem in table.states():
            status = CheckStatus.OK if problem is None else CheckStatus.WARNING
            detail = f"{plugin.target}, from {plugin.package}"
            yield Check(f"{plugin.group} {plugin.name}", status, detail if problem is None else f"{detail}: {problem}")


def check_clock(probes: Iterable[Probe]) -> Check:
    """This machine's clock against those of the servers that answered, which tell the time to the second."""
    apart = [
        (round((probe.at - probe.health.server_time).total_seconds()), probe.provider)
        for probe in probes
        if probe.health.server_time is not None
    ]
    if not apart:
        return Check("clock", CheckStatus.SKIPPED, "no endpoint told the time")
    # Whichever agrees best: a server may be wrong too, or its reply may have been kept in a cache.
    seconds, provider = min(apart, key=lambda difference: abs(difference[0]))
    if abs(seconds) <= _SKEW_S:
        return Check("clock", CheckStatus.OK, f"within {abs(seconds)} s of {provider}'s")
    how = "ahead of" if seconds > 0 else "behind"
    return Check("clock", CheckStatus.WARNING, f"{abs(seconds)} s {how} {provider}'s: days and prices may be wrong")


def check_time_zone(now: datetime, localise: Callable[[datetime], datetime]) -> Check:
    """The user's time zone, by which days and budgets go, and when its offset changes next.

    `localise` turns a UTC time into the user's, as `datetime.astimezone` does.
    """
    here = localise(now)
    detail = f"{here.tzname() or 'no name'}, {_offset(here)}"
    change = _next_change(now.astimezone(UTC), localise)
    if change is None:
        return Check("time zone", CheckStatus.OK, f"{detail}; no change of the clocks within a year")
    after = localise(change)
    moment = f"{after:%Y-%m-%d %H:%M}"
    return Check("time zone", CheckStatus.OK, f"{detail}; the clocks change to {_offset(after)} at {moment}")


def _offset(when: datetime) -> str:
    digits = f"{when:%z}"
    return f"UTC{digits[:3]}:{digits[3:5]}"


def _next_change(start: datetime, localise: Callable[[datetime], datetime]) -> datetime | None:
    """The first minute at which the offset from UTC is another, within a year: by days, then by halves."""
    offset = localise(start).utcoffset()
    days = (start + timedelta(days=count) for count in range(1, 367))
    after = next((day for day in days if localise(day).utcoffset() != offset), None)
    if after is None:
        return None
    before = after - timedelta(days=1)
    while after - before > timedelta(minutes=1):
        middle = before + (after - before) / 2
        before, after = (middle, after) if localise(middle).utcoffset() == offset else (before, middle)
    return after.replace(second=0, microsecond=0)


def check_python() -> Check:
    """Versions of Python and of the packages that calls pass through."""
    installed, missing = [], []
    for package in _PACKAGES:
        try:
            installed.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    detail = f"Python {platform.python_version()} on {platform.system()}, {', '.join(installed)}"
    if missing:
        return Check("versions", CheckStatus.WARNING, f"{detail}; not installed: {', '.join(missing)}")
    return Check("versions", CheckStatus.OK, detail)


def _origin(address: str) -> str:
    """An address without path, user name and password."""
    try:
        parts = urlsplit(address.strip())
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.scheme and parts.hostname else "what is no address"


def _with_hint(error: OrchError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
