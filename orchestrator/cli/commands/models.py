"""`orch models`: what the registry holds, and what of it can be called here."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import typer

from ...choose.quote import limits_for
from ...clock import local_now
from ...config import Settings
from ...deferred import dataclass
from ...errors import UsageError, did_you_mean
from ...ledger.limits import Used, learned_limits, used_of
from ...ledger.rows import to_micros
from ...registry.loading import registry_for
from ...registry.model import ModelSpec, RateLimits
from ...registry.providers import PROVIDERS, is_set_up
from ...types import Level
from .. import render
from ..next_steps import next_steps
from ..options import LedgerFlags, ModelFlags, command
from ..output import Output
from ..setup import cost_from, settings_from
from ..tables import print_table
from ..using import REGISTRY_FILES, check_used
from .ledgers import read_ledger


@dataclass(frozen=True, kw_only=True)
class _ModelListFlags(ModelFlags, LedgerFlags):
    provider: Annotated[str | None, typer.Option(help="Only this provider's models.")] = None
    level: Annotated[
        str | None, typer.Option(help="Only models rated for basic, intermediate, advanced or expert prompts.")
    ] = None
    action: Annotated[str, typer.Option(help="list, show or bench.")] = "list"
    names: Annotated[list[str] | None, typer.Option(metavar="MODEL", help="For show and bench: the models.")] = None
    rounds: Annotated[
        int | None, typer.Option(help="For bench: calls for each prompt and model.", show_default="1")
    ] = None
    max_cost: Annotated[
        str | None,
        typer.Option("--max-cost", "-c", metavar="DOLLARS", help="For bench: most to spend.", show_default="0.05"),
    ] = None
    available: Annotated[
        bool,
        typer.Option(
            "--available", help="Only models that can be used now: their provider is set up, and they are not retired."
        ),
    ] = False
    by_task: Annotated[
        bool, typer.Option("--by-task", help="Show which models do best at which task, by your rated runs.")
    ] = False


@command(_ModelListFlags, argument=("action", "names"))
def models(flags: _ModelListFlags) -> int:
    """orch models show haiku says all that is known of a model: limits and what is left of them, prices, other names.

    orch models bench haiku gpt-6-luna measures latency, time to first token and tokens per second.

    Prices are in dollars per million tokens, or per GPU hour for models that you host. The ledger keeps what bench
    measures under the category models-bench; --max-latency uses it.

    orch models --by-task shows your ratings (orch rate) by task and model with 95 % intervals, and which differences
    are not significant. Cost and latency are those of whole runs.
    """
    if flags.by_task:
        if flags.action != "list" or flags.names:
            raise UsageError("--by-task is about every model that was rated: it takes neither bench nor names")
        check_used(flags, "orch models --by-task", _USES)
        from .models_by_task import show_by_task  # heavy

        return show_by_task(settings_from(flags), Output.parse(flags.output))
    if flags.action == "bench":
        check_used(flags, "orch models bench", _USES)
        from .models_bench import DEFAULT_CAP, bench_models  # heavy: what carries runs out

        return bench_models(
            settings_from(flags),
            Output.parse(flags.output),
            flags.names or [],
            rounds=1 if flags.rounds is None else flags.rounds,
            max_cost_nanousd=cost_from(flags.max_cost or DEFAULT_CAP),
        )
    if flags.action == "show":
        check_used(flags, "orch models show", _USES)
        return _show_models(settings_from(flags), Output.parse(flags.output), flags.names or [])
    if flags.action != "list" or flags.names:
        hint = (
            did_you_mean(flags.action, ("list", "show", "bench")) or f"for one of them: orch models show {flags.action}"
        )
        raise UsageError(f"orch models takes list, show or bench, not {flags.action!r}", hint=hint)
    check_used(flags, "orch models", _USES)
    return list_models(
        settings_from(flags),
        Output.parse(flags.output),
        provider=_known("provider", flags.provider, PROVIDERS),
        level=_known("level", flags.level, [level.value for level in Level]),
        available=flags.available,
    )


commands = {"models": models}

_USES = {
    "orch models": ("provider", "level", "available", "ledger", *REGISTRY_FILES),
    "orch models show": ("ledger", *REGISTRY_FILES),
    "orch models bench": ("rounds", "max_cost", "ledger", *REGISTRY_FILES),
    "orch models --by-task": ("by_task", "ledger"),
}

# Characters, and how many columns fit into as many.
_COLUMNS_FROM = ((160, 10), (110, 7), (0, 5))


def list_models(
    settings: Settings,
    output: Output,
    *,
    provider: str | None = None,
    level: str | None = None,
    available: bool = False,
) -> int:
    """Print the models, as a table or as `{"schema_version": 1, "models": [...]}`."""
    registry, now = registry_for(settings), local_now()
    specs = [
        spec
        for spec in registry.models.values()
        if provider in (None, spec.provider) and (level is None or level in spec.levels)
    ]
    left = _left(specs, settings, now)
    rows = [_row(spec, settings, now.date()) | {"left": left[spec.name]} for spec in specs]
    rows = [row for row in rows if row["available"] or not available]
    output.emit({"schema_version": 1, "models": rows})
    if not output.json:
        _show(rows)
    if available and not rows and level is None:
        for text in next_steps(os.environ, provider):
            render.say(text)
    return 0


def _show_models(settings: Settings, output: Output, names: Sequence[str]) -> int:
    """Print all that is known of models, which are named."""
    if not names:
        raise UsageError("which one? for example: orch models show haiku", hint="orch models lists them")
    registry, now = registry_for(settings), local_now()
    specs = list(dict.fromkeys(registry.model(name) for name in names))
    left = _left(specs, settings, now)
    rows = [_row(spec, settings, now.date()) | {"left": left[spec.name]} for spec in specs]
    output.emit({"schema_version": 1, "models": rows})
    for number, row in enumerate([] if output.json else rows):
        if number:
            render.line("")
        _show_one(row)
    return 0


def _known(what: str, wanted: str | None, known: Collection[str]) -> str | None:
    if wanted is not None and wanted not in known:
        hint = did_you_mean(wanted, known) or f"there are: {', '.join(known)}"
        raise UsageError(f"no {what} {wanted!r}", hint=hint)
    return wanted


def _rate(rate: Decimal | None) -> str | None:
    return None if rate is None else str(rate)


def _row(spec: ModelSpec, settings: Settings, today: date) -> dict[str, Any]:
    price = spec.price_at(local_now())
    rates = None if price is None else price.rates
    by_batch = None if price is None else price.by_batch()
    batch = None if by_batch is None else by_batch.rates
    set_up = (settings.simulate and not PROVIDERS[spec.provider].self_hosted) or is_set_up(spec.provider, os.environ)
    return {
        "name": spec.name,
        "provider": spec.provider,
        "id": spec.id,
        "aliases": list(spec.aliases),
        "levels": [level.value for level in spec.levels],
        "input_per_million": None if rates is None else str(rates.input),
        "output_per_million": None if rates is None else str(rates.output),
        "cache_read_per_million": _rate(None if rates is None else rates.cache_read),
        "cache_write_per_million": _rate(None if rates is None else rates.cache_write),
        "cache_write_hour_per_million": _rate(None if rates is None else rates.cache_write_1h),
        "batch_input_per_million": None if batch is None else str(batch.input),
        "batch_output_per_million": None if batch is None else str(batch.output),
        "gpu_hour": None if price is None or price.gpu_hour is None else str(price.gpu_hour),
        "price_from": None if price is None else price.start.isoformat(),
        "price_source": None if price is None else price.source,
        "context_window": spec.context_window,
        "output_limit": spec.output_limit,
        "limits": asdict(spec.limits),
        "free_quota": None if spec.free_quota is None else asdict(spec.free_quota),
        "scores": {
            "coding": spec.scores.coding,
            "reasoning": spec.scores.reasoning,
            "speed": spec.scores.speed,
            "long_context": spec.scores.long_context,
        },
        "supports": sorted(spec.supports),
        "status": "retired" if spec.is_retired(today) else spec.status.value,
        "retires": None if spec.retires is None else spec.retires.isoformat(),
        "tags": sorted(spec.tags),
        "available": set_up and not spec.is_retired(today),
    }


def _left(specs: Sequence[ModelSpec], settings: Settings, now: datetime) -> dict[str, dict[str, int | None]]:
    """What is left of each model's limits, by the ledger; None where there is no limit."""
    limits = {spec.name: limits_for(spec, settings.free_tier) for spec in specs}
    used: dict[str, Used] = {}
    ledger = read_ledger(settings.ledger)
    if ledger is not None:
        with ledger:
            for name, each in limits.items():
                key = (settings.simulate, name)
                known = ledger.read(partial(learned_limits, key=key, now=to_micros(now)))
                limits[name] = each if known is None else known.tighten(each)
                if limits[name] != RateLimits():
                    used[name] = ledger.read(partial(used_of, key=key, now=to_micros(now)))
    return {name: _less(limits[name], used.get(name, Used(0, 0, 0, 0))) for name in limits}


def _less(limits: RateLimits, used: Used) -> dict[str, int | None]:
    def left(limit: int | None, taken: int) -> int | None:
        return None if limit is None else max(0, limit - taken)

    return {
        "rpm": left(limits.rpm, used.requests_in_minute),
        "tpm": left(limits.tpm, used.tokens_in_minute),
        "rpd": left(limits.rpd, used.requests_in_day),
        "tpd": left(limits.tpd, used.tokens_in_day),
    }


_HEADINGS = ("model", "$ in", "$ out", "up to", "status", "context", "provider", "left", "$ cached in", "also called")


def _show(rows: Sequence[dict[str, Any]]) -> None:
    wide = render.columns()
    shown = next(count for least, count in _COLUMNS_FROM if wide >= least)
    print_table(
        _HEADINGS[:shown],
        (_cells(row)[:shown] for row in rows),
        right=("$ in", "$ out", "context", "$ cached in"),
        dimmed={row["name"] for row in rows if not row["available"]},
    )


def _show_one(row: dict[str, Any]) -> None:
    """All that is known of one model, a line each."""
    for key, value in row.items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {part:,}" for name, part in value.items() if part is not None)
        elif isinstance(value, list):
            value = ", ".join(value)
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, int):
            value = f"{value:,}"
        if value not in (None, ""):
            render.line(f"{key.replace('_', ' '):<30}{value}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    rates = (row["input_per_million"] or "unpriced", row["output_per_million"] or "")
    prices = (f"{row['gpu_hour']}/h", "") if row["gpu_hour"] else rates
    status = "ready" if row["available"] else ("no key" if row["status"] != "retired" else "retired")
    if row["status"] == "deprecated":
        status += f", ends {row['retires']}" if row["retires"] else ", deprecated"
    left = ", ".join(f"{left:,} {name}" for name, left in row["left"].items() if left is not None)
    own = (row["name"], *prices, row["levels"][-1], status, f"{row['context_window']:,}", row["provider"])
    return (*own, left, row["cache_read_per_million"] or "", ", ".join(row["aliases"]))
