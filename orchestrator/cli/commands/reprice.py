"""`orch reprice`: work out past costs again by today's registry, or take that back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

import typer

from ...clock import local_now
from ...config import Settings
from ...deferred import dataclass
from ...errors import UsageError
from ...money import format_nanousd
from ...registry.loading import registry_for
from ...report.period import whole_days
from ...run.call.settlement import price_json
from ...upkeep.repricing import ModelChange, Repricing, Scope, undo
from ...upkeep.repricing import reprice as reprice_calls
from .. import render
from ..options import LedgerFlags, OutputFlags, RegistryFlags, command
from ..output import Output
from ..setup import settings_from
from ..tables import print_table
from ..using import REGISTRY_FILES, check_used
from .ledgers import check_there, open_ledger
from .selecting import PeriodFlags

_FIGURES = ("calls", "changed", "before", "after", "difference")


@dataclass(frozen=True, kw_only=True)
class _RepriceFlags(OutputFlags, PeriodFlags, LedgerFlags, RegistryFlags):
    model: Annotated[str | None, typer.Option(help="Only calls of this model.")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; change nothing.")] = False
    undo: Annotated[
        str | None, typer.Option(metavar="ID", help="Undo a repricing: the id that it printed, or last.")
    ] = None


@command(_RepriceFlags)
def reprice(flags: _RepriceFlags) -> int:
    """Use it after a price in the registry was wrong. Each call gets the price that the registry now has for the
    time of the call. The ledger keeps the recorded cost, and --undo restores it.

    Calls without a price in the registry, calls on a free tier and calls without token counts keep their cost. Only
    one repricing runs at a time.
    """
    output, settings = Output.parse(flags.output), settings_from(flags)
    if (flags.since is None and flags.period is None) == (flags.undo is None):
        raise UsageError("orch reprice takes either --since DAY or --undo ID")
    check_used(flags, "orch reprice --since" if flags.undo is None else "orch reprice --undo", _USES)
    repricing = _carried_out(flags, settings)
    output.emit(_document(repricing, flags, simulated=settings.simulate))
    if not output.json:
        if repricing.models:
            rows = (*repricing.models, repricing.total) if len(repricing.models) > 1 else repricing.models
            print_table(("model", *_FIGURES), map(_cells, rows), right=_FIGURES)
        render.line(_summary(repricing, flags))
    return 0


commands = {"reprice": reprice}

_USES = {
    "orch reprice --since": ("period", "since", "until", "model", "dry_run", *REGISTRY_FILES),
    "orch reprice --undo": ("undo",),  # the whole of a repricing
}


def _carried_out(flags: _RepriceFlags, settings: Settings) -> Repricing:
    check_there(settings)
    now = local_now()
    if flags.undo is not None:
        with open_ledger(settings.ledger) as ledger:
            return undo(ledger, flags.undo, at=now)
    registry = registry_for(settings)
    model = None if flags.model is None else registry.model(flags.model).name
    first, last = whole_days(flags.within(now))
    scope = Scope(first or date.min, settings.simulate, model, last or date.max)
    with open_ledger(settings.ledger) as ledger:
        return reprice_calls(ledger, registry, scope, at=now, describe=price_json, dry_run=flags.dry_run)


def _document(repricing: Repricing, flags: _RepriceFlags, *, simulated: bool) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "kind": "reprice",
        "simulated": simulated,
        "reprice_id": repricing.reprice_id,
        "dry_run": flags.dry_run,
        "undone": flags.undo is not None,
        "models": [_change(change) for change in repricing.models],
        "total": _change(repricing.total),
    }


def _change(change: ModelChange) -> dict[str, Any]:
    return asdict(change) | {"difference_nanousd": change.difference_nanousd}


def _summary(repricing: Repricing, flags: _RepriceFlags) -> str:
    total = repricing.total
    without = f"; {total.without_price} cannot be priced by the registry and stay" if total.without_price else ""
    if flags.undo is not None:
        return f"undone: {total.changed} of {total.calls} calls have their earlier cost again"
    if not total.changed:
        return f"nothing to change: {total.calls} calls looked at{without}"
    if repricing.reprice_id is None:
        return f"{total.changed} of {total.calls} calls would change{without}; nothing was changed"
    return (
        f"{total.changed} of {total.calls} calls changed{without}; to undo: orch reprice --undo {repricing.reprice_id}"
    )


def _cells(change: ModelChange) -> tuple[str, ...]:
    unpriced = f" + {change.unpriced_before} unpriced" if change.unpriced_before else ""
    return (
        change.model,
        f"{change.calls:,}",
        f"{change.changed:,}",
        f"{format_nanousd(change.before_nanousd)}{unpriced}",
        format_nanousd(change.after_nanousd),
        format_nanousd(change.difference_nanousd),
    )
