"""`orch doctor`: is everything there that a run needs?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from ...choose.table import STRATEGIES
from ...clock import local_now
from ...confidence.detector import SIGNALS
from ...config import Settings, says_simulated
from ...deferred import dataclass
from ...errors import UsageError, did_you_mean
from ...plugins import Table
from ...providers.base import Provider
from ...providers.catalog import connect, endpoint
from ...reading.scorer import SCORERS
from ...registry.loading import registry_for
from ...registry.model import Registry
from ...registry.providers import PROVIDERS, is_set_up
from ...simulator.connect import simulated_connections
from ...upkeep import diagnosis
from ...upkeep.diagnosis import Diagnosis, Probe
from ...upkeep.ledger_health import Check, CheckStatus, check_breakers, check_ledger
from .. import render
from ..dispatch import COMMANDS
from ..options import LedgerFlags, OutputFlags, RegistryFlags, command
from ..output import Output
from ..setup import settings_from

Grouped = Iterator[tuple[str, Check]]

_SKIPPED = CheckStatus.SKIPPED
_TABLES: tuple[Table[Any], ...] = (PROVIDERS, STRATEGIES, SIGNALS, SCORERS, COMMANDS)


@dataclass(frozen=True, kw_only=True)
class _DoctorFlags(OutputFlags, LedgerFlags, RegistryFlags):
    offline: Annotated[bool, typer.Option("--offline", help="Do not contact any provider.")] = False
    provider: Annotated[str | None, typer.Option(help="Check only this provider's key and endpoint.")] = None
    full: Annotated[
        bool, typer.Option("--full", help="Check the whole ledger: every index entry and every counter.")
    ] = False


@command(_DoctorFlags)
def doctor(flags: _DoctorFlags) -> int:
    """Spends nothing, changes nothing and shows no key. It asks each endpoint for its list of models.

    Exit codes: 0 without errors (warnings do not count); otherwise the code of the first group with an error:
    configuration 3, ledger 11, keys 4 (no provider is set up), endpoints 6.
    """
    output = Output.parse(flags.output)
    if flags.provider is not None and flags.provider not in PROVIDERS:
        hint = did_you_mean(flags.provider, PROVIDERS) or f"there are: {', '.join(PROVIDERS)}"
        raise UsageError(f"no provider {flags.provider!r}", hint=hint)
    diagnosed = _diagnose(flags)
    output.emit(diagnosed.to_dict())
    if not output.json:
        for text in _lines(diagnosed):
            render.line(text)
    return diagnosed.exit_code


commands = {"doctor": doctor}


def _diagnose(flags: _DoctorFlags) -> Diagnosis:
    settings, check = diagnosis.check_settings(lambda: settings_from(flags))
    checks = [(diagnosis.CONFIGURATION, check)]
    if settings is None:
        for group in (diagnosis.LEDGER, diagnosis.KEYS, diagnosis.ENDPOINTS):
            checks.append((group, Check(group, _SKIPPED, "not looked at without settings")))
        checks.extend((diagnosis.PLUGINS, check) for check in diagnosis.check_plugins(_TABLES))
        checks.extend(_system([]))
        return Diagnosis(tuple(checks), simulated=says_simulated(os.environ, flag=flags.simulate))
    registry, check = diagnosis.check_registry(lambda: registry_for(settings))
    files = diagnosis.check_files(settings, flags.config)
    checks += [(diagnosis.CONFIGURATION, check), (diagnosis.CONFIGURATION, files)]
    if not settings.simulate:
        checks.extend((diagnosis.CONFIGURATION, check) for check in diagnosis.check_network(settings.environ))
    ledger = check_ledger(settings.ledger, now=local_now(), full=flags.full)
    checks.extend((diagnosis.LEDGER, check) for check in ledger)
    checks.extend(_keys(settings, flags))
    probes = [] if flags.offline or registry is None else _probes(settings, registry, flags)
    endpoints = list(diagnosis.check_endpoints(probes, {} if settings.simulate else settings.environ))
    reason = "--offline" if flags.offline else "there is none to ask"
    checks.extend((diagnosis.ENDPOINTS, check) for check in endpoints or [Check("endpoints", _SKIPPED, reason)])
    breakers = check_breakers(settings.ledger, now=local_now(), simulated=settings.simulate)
    checks.extend((diagnosis.ENDPOINTS, check) for check in breakers)
    checks.extend((diagnosis.PLUGINS, check) for check in diagnosis.check_plugins(_TABLES))
    checks.extend(_system(probes))
    return Diagnosis(tuple(checks), settings.simulate)


def _keys(settings: Settings, flags: _DoctorFlags) -> Grouped:
    if settings.simulate:
        yield diagnosis.KEYS, Check("keys", _SKIPPED, "the simulator needs none")
        return
    for check in diagnosis.check_keys(settings.environ, flags.provider):
        yield diagnosis.KEYS, check


def _probes(settings: Settings, registry: Registry, flags: _DoctorFlags) -> list[Probe]:
    ask: Callable[[str], Provider]
    if settings.simulate:
        ask = simulated_connections(registry.models, settings.scenario)
        names = [name for name, info in PROVIDERS.items() if not info.self_hosted]
    else:
        names = [name for name in PROVIDERS if is_set_up(name, settings.environ)]

        def ask(name: str) -> Provider:
            return connect(endpoint(name, settings.environ))

    return asyncio.run(diagnosis.probe([n for n in names if flags.provider in (None, n)], ask, local_now))


def _system(probes: list[Probe]) -> Grouped:
    yield diagnosis.SYSTEM, diagnosis.check_clock(probes)
    yield diagnosis.SYSTEM, diagnosis.check_time_zone(local_now(), datetime.astimezone)
    yield diagnosis.SYSTEM, diagnosis.check_python()


def _lines(diagnosed: Diagnosis) -> Iterator[str]:
    shown = None
    for group, check in diagnosed.checks:
        if group != shown:
            yield group if shown is None else f"\n{group}"
            shown = group
        yield f"  {check.status:<8} {check.name}: {check.detail}"
    counts = [
        f"{count} {status}{'' if count == 1 else 's'}"
        for status in (CheckStatus.ERROR, CheckStatus.WARNING)
        if (count := sum(check.status is status for _, check in diagnosed.checks))
    ]
    yield f"\n{', '.join(counts) or 'everything is in order'}"
