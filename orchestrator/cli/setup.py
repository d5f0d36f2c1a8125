"""From flags to settings, options and an engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..config import RunOptions, Settings, is_simulated, load_settings, tuned_file
from ..config.ages import age_s
from ..config.options import OPTIONS, Kind, Option, asked_for
from ..config.strict_json import parse_json
from ..decoding import decoded
from ..deferred import replace
from ..errors import UsageError
from ..ledger import progress
from ..money import dollars_to_nanousd
from ..reading.tool_definitions import read_tools
from . import render
from .options import ConfigFlags, PlanFlags, RunFlags, SimulateFlag


def settings_from(flags: ConfigFlags | SimulateFlag) -> Settings:
    """Settings for a command: its flags over the environment over the config file. Raises ConfigError."""
    progress.show = render.Progress()
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
    if isinstance(flags, RunFlags) and flags.scenario is not None and not settings.simulate:
        raise UsageError("--scenario is what the simulator plays", hint="add --simulate, or leave it out")
    max_wait = getattr(flags, "max_wait", None)
    if max_wait is not None:
        if not 0 <= max_wait <= 86_400:
            raise UsageError(f"--max-wait takes seconds from 0 to 86400, not {max_wait:g}")
        settings = replace(settings, retry=replace(settings.retry, max_wait_s=max_wait))
    return settings


def tuned_file_from(flags: ConfigFlags) -> Path:
    """Where `orch tune` writes for these flags, whatever is in it."""
    simulate = getattr(flags, "simulate", False) or is_simulated(os.environ)
    return tuned_file(os.environ, config=getattr(flags, "config", None), simulate=simulate)


def options_from(flags: PlanFlags, defaults: RunOptions, *, stream: bool, strategy: str | None = None) -> RunOptions:
    """A run's options: the flags that were given, and the strategy that the command stands for, over the defaults.

    Raises UsageError for what cannot be read, and for flags that contradict each other.
    """
    written = {**flags.given, **(flags.given_for_run if isinstance(flags, RunFlags) else {})}
    given = {name: _read(OPTIONS[name], value) for name, value in written.items()}
    names = {name: row.flag_name for name, row in OPTIONS.items()}
    given |= {"stream": stream, "timeout_s": _time_limit(given.get("timeout_s"), flags.max_time)}
    if strategy is not None:
        given["strategy"] = strategy
    if flags.model:
        # Without a strategy it is a chain; a strategy that is named may take models, and fallback makes them its chain.
        field = "models" if {"strategy", "ensemble_size"} & given.keys() else "chain"
        if stated := next((names[each] for each in ("chain", "models") if each in given), None):
            raise UsageError(f"--model and {stated} both say whom to ask", hint="give one of them")
        listed = ",".join(names_from(",".join(flags.model), "--model"))
        given[field], names[field] = _read(OPTIONS[field], listed), "--model"
    return asked_for(defaults, given, names)


def _read(option: Option, written: Any) -> Any:
    """What an option of a run was given, as the run takes it."""
    match option.kind:
        case Kind.DOLLARS:
            return cost_from(written)
        case Kind.NAMES:
            return names_from(written, option.flag_name)
        case Kind.TEXTS:
            return tuple(dict.fromkeys(str(each) for each in written))
        case Kind.AGE:
            return _age(written, option.flag_name)
        case Kind.SCHEMA:
            return _schema(written, option.flag_name)
        case Kind.TOOLS:
            return read_tools(written)
    return written


def _age(written: str, flag: str) -> float:
    try:
        return age_s(written)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from None


def _time_limit(seconds: float | None, minutes: float | None) -> float | None:
    """Seconds for the whole run: the lesser of --timeout and --max-time, where they were given."""
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--max-time must be more than 0 minutes, not {minutes:g}")
    given = [seconds, None if minutes is None else 60 * minutes]
    return min((limit for limit in given if limit is not None), default=None)


def _schema(file: Path, flag: str) -> Mapping[str, Any]:
    from ..confidence.signals.schema import check_schema  # heavy

    try:
        return check_schema(parse_json(decoded(file.read_bytes(), f"{flag}: {file}")))
    except OSError as error:
        raise UsageError(f"{flag}: {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{flag}: {file} is not JSON: {error}") from error


def names_from(listed: str, flag: str) -> tuple[str, ...]:
    """Names from a list with commas, each once. Raises UsageError for an empty one."""
    names = tuple(dict.fromkeys(name.strip() for name in listed.split(",")))
    if "" in names:
        raise UsageError(f"{flag} takes names separated by commas, not {listed!r}")
    return names


def cost_from(written: str) -> int:
    """Nano-dollars from what --max-cost was given. Raises UsageError."""
    return dollars_from(written, "--max-cost", "0.05")


def dollars_from(written: str, taker: str, example: str) -> int:
    """Nano-dollars from an amount in dollars that is not negative. Raises UsageError, which says what takes it."""
    try:
        if (amount := Decimal(written)) >= 0:
            return dollars_to_nanousd(amount)
    except (ArithmeticError, ValueError) as error:
        raise UsageError(f"{taker} takes an amount in dollars such as {example}, not {written[:40]!r}") from error
    raise UsageError(f"{taker} cannot be negative: {written[:40]}")
