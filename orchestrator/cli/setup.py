"""From flags to settings, options and an engine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ..confidence.schema import check_schema
from ..errors import UsageError
from ..money import dollars_to_nanousd
from ..registry.routes import EXPERIMENT
from ..settings import RunOptions, Settings, is_simulated, load_settings, tuned_file
from ..tool_definitions import read_tools
from .options import ConfigFlags, LedgerFlags, PlanFlags, RunFlags, SimulateFlag


def settings_from(flags: ConfigFlags | LedgerFlags | SimulateFlag) -> Settings:
    """Settings for a command: its flags over the environment over the config file. Raises ConfigError."""
    settings = load_settings(
        os.environ,
        config=getattr(flags, "config", None),
        ledger=getattr(flags, "ledger", None),
        models_file=getattr(flags, "models_file", None),
        chains_file=getattr(flags, "chains_file", None),
        routing_file=getattr(flags, "routing_file", None),
        simulate=True if getattr(flags, "simulate", False) else None,
        scenario=getattr(flags, "scenario", None),
    )
    max_wait = getattr(flags, "max_wait", None)
    if max_wait is not None:
        if not 0 <= max_wait <= 86_400:
            raise UsageError(f"--max-wait takes seconds from 0 to 86400, not {max_wait:g}")
        settings = replace(settings, retry=replace(settings.retry, max_wait_s=max_wait))
    return settings


def tuned_file_from(flags: ConfigFlags | LedgerFlags) -> Path:
    """Where `orch tune` writes for these flags, whatever is in it."""
    simulate = getattr(flags, "simulate", False) or is_simulated(os.environ)
    return tuned_file(os.environ, config=getattr(flags, "config", None), simulate=simulate)


def options_from(flags: PlanFlags, defaults: RunOptions, *, stream: bool) -> RunOptions:
    """A run's options: the flags that were given over the defaults. Raises UsageError for a cost that is none."""
    given: dict[str, object] = {
        "strategy": flags.strategy,
        "chain": flags.chain,
        "models": None if flags.models is None else _names(flags.models),
        "role": flags.role,
        "tier": flags.tier,
        "critical": flags.critical or None,
        "requires": None if flags.requires is None else tuple(dict.fromkeys(each.value for each in flags.requires)),
        "routine": flags.routine or None,
        "subject": flags.subject,
        "accept": flags.accept,
        "verify": flags.verify,
        "schema": None if flags.schema is None else _schema(flags.schema),
        "self_check": flags.self_check,
        "logprobs": flags.logprobs or None,
        "ensemble_size": flags.ensemble_size,
        "threshold": flags.threshold,
        "max_cost_nanousd": None if flags.max_cost is None else cost_from(flags.max_cost),
        "timeout_s": _time_limit(flags),
        "max_tokens": flags.max_tokens,
        "temperature": flags.temperature,
        "stream": stream,
        "allow_unpriced": flags.allow_unpriced or None,
        "task": flags.task,
        "experiment": flags.experiment,
        "max_latency_s": flags.max_latency,
        "min_quality": flags.min_quality,
        "max_tokens_total": flags.max_tokens_total,
        "tools": None if flags.tools is None else read_tools(flags.tools),
        # A limit on the command line is for this run, whatever its task.
        "max_tokens_by_task": None if flags.max_tokens is None else {},
    }
    if flags.experiment is not None:
        if flags.strategy not in (None, EXPERIMENT):
            raise UsageError(f"--experiment decides on the strategy: leave out -s {flags.strategy}")
        given["strategy"] = EXPERIMENT
    if flags.tier is not None and flags.strategy not in (None, "tiers"):
        raise UsageError(f"--tier is for -s tiers: leave out -s {flags.strategy}")
    if isinstance(flags, RunFlags):
        given |= {"category": flags.category, "tags": None if flags.tag is None else tuple(dict.fromkeys(flags.tag))}
    if flags.strategy is None and flags.models is not None and flags.experiment is None:
        given["strategy"] = "ensemble"
    elif flags.strategy is None and (flags.tier or flags.critical or flags.requires or flags.routine):
        given["strategy"] = "tiers"
    if flags.models is not None and flags.ensemble_size is None:
        given["ensemble_size"] = len(_names(flags.models))
    return replace(defaults, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # each value is of its field's type


def _time_limit(flags: PlanFlags) -> float | None:
    """Seconds for the whole run: the lesser of the limits that were given."""
    minutes = flags.max_time
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--max-time must be more than 0 minutes, not {minutes:g}")
    given = [flags.timeout, None if minutes is None else 60 * minutes]
    return min((seconds for seconds in given if seconds is not None), default=None)


def _schema(file: Path) -> Mapping[str, Any]:
    try:
        return check_schema(json.loads(file.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise UsageError(f"--schema: {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--schema: {file} is not JSON: {error}") from error


def _names(listed: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in listed.split(",")))
    if "" in names:
        raise UsageError(f"--models takes names separated by commas, not {listed!r}")
    return names


def cost_from(written: str) -> int:
    """Nano-dollars from what --max-cost was given. Raises UsageError."""
    try:
        if (amount := Decimal(written)) >= 0:
            return dollars_to_nanousd(amount)
        raise UsageError(f"--max-cost cannot be less than nothing: {written[:40]}")
    except (InvalidOperation, ValueError) as error:
        raise UsageError(f"--max-cost takes an amount in dollars such as 0.05, not {written[:40]!r}") from error
