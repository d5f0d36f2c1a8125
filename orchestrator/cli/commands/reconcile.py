"""`orch reconcile`: the ledger held against a provider's usage export."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from ...clock import local_now
from ...config import Settings
from ...deferred import dataclass
from ...errors import UsageError, did_you_mean
from ...money import format_nanousd
from ...registry.loading import registry_for
from ...registry.providers import PROVIDERS
from ...report.period import whole_days
from ...report.plain import one_line
from ...report.usage_exports import opened_export
from ...upkeep.reconcile import Comparison, Reconciliation, Side
from ...upkeep.reconcile import reconcile as reconcile_export
from .. import render
from ..options import LedgerFlags, OutputFlags, RegistryFlags, command
from ..output import Output
from ..setup import settings_from
from ..tables import print_table
from .ledgers import read_ledger, tell_of_other_runs
from .selecting import PeriodFlags

_FIGURES = ("in", "out", "cached", "cost", "difference")
_NOTHING = "-"


@dataclass(frozen=True, kw_only=True)
class _ReconcileFlags(OutputFlags, PeriodFlags, LedgerFlags, RegistryFlags):
    file: Annotated[Path, typer.Option(help="The export: CSV or JSON.")]
    provider: Annotated[
        str | None, typer.Option(help="Compare only this provider's calls.", show_default="the export's")
    ] = None
    export_format: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="The export's format.", show_default="detected"),
    ] = None
    tolerance: Annotated[
        str,
        typer.Option(metavar="PERCENT", help="Largest difference that counts as equal (within_tolerance in the JSON)."),
    ] = "1"


@command(_ReconcileFlags, argument="file")
def reconcile(flags: _ReconcileFlags) -> int:
    """Reads the usage and cost exports of Anthropic's and OpenAI's consoles and admin interfaces, Google Cloud's
    billing tables, OpenRouter's activity, and any CSV with the columns day, model, input_tokens, output_tokens,
    cached_tokens and cost.

    --period, --since and --until leave out other days of the export. A difference is the provider's count minus the
    ledger's. The exit code is 0 for any difference.
    """
    output, settings = Output.parse(flags.output), settings_from(flags)
    if flags.provider is not None and flags.provider not in PROVIDERS:
        hint = did_you_mean(flags.provider, PROVIDERS) or f"there are: {', '.join(PROVIDERS)}"
        raise UsageError(f"no provider {flags.provider!r}", hint=hint)
    reconciliation = _compared(flags, settings, _percent(flags.tolerance))
    output.emit(reconciliation.to_dict())
    if not output.json:
        render.line(_scope(reconciliation))
        if reconciliation.rows:
            print_table(("day", "model", *_FIGURES), _rows(reconciliation), right=_FIGURES)
        for note in _notes(reconciliation):
            render.line(note)
    return 0


commands = {"reconcile": reconcile}


def _compared(flags: _ReconcileFlags, settings: Settings, tolerance: Fraction) -> Reconciliation:
    registry = registry_for(settings)
    with opened_export(flags.file, flags.export_format) as export:
        ledger = read_ledger(settings.ledger)
        tell_of_other_runs(ledger, settings)
        try:
            return reconcile_export(
                ledger,
                export,
                registry,
                provider=flags.provider,
                simulated=settings.simulate,
                tolerance_percent=tolerance,
                days=whole_days(flags.within(local_now())),
            )
        finally:
            if ledger is not None:
                ledger.close()


def _percent(written: str) -> Fraction:
    try:
        percent = Decimal(written.removesuffix("%"))
    except InvalidOperation:
        percent = Decimal("NaN")
    if not percent.is_finite() or not 0 <= percent <= 100:
        raise UsageError(f"--tolerance takes a percentage from 0 to 100, not {written!r}")
    return Fraction(percent)


def _scope(reconciliation: Reconciliation) -> str:
    kind = "simulated calls" if reconciliation.simulated else "calls"
    whose = f"{kind} to {reconciliation.provider or 'all providers'}"
    if reconciliation.first_day is None:
        return f"Read as {reconciliation.format}: it holds no usage"
    return f"Read as {reconciliation.format}: {whose}, {reconciliation.first_day} to {reconciliation.last_day} (UTC)"


def _notes(reconciliation: Reconciliation) -> Iterator[str]:
    total = reconciliation.total.ledger
    if total is not None and total.unknown_costs:
        yield f"{total.unknown_costs} calls in the ledger have no known cost; its sums are without them"
    if total is not None and total.estimated_calls:
        yield f"{total.estimated_calls} calls in the ledger have an upper estimate for a cost"
    if reconciliation.passed_over:
        yield f"{reconciliation.passed_over} rows of the export are about something else and were passed over"
    if reconciliation.incomplete:
        yield "the export says of itself that it has more pages (has_more): put them into one JSON array"
    if "cost_nanousd" not in reconciliation.total.compared and reconciliation.rows:
        yield "the export gives no cost: where the provider has a cost export too, compare that as well"
    verdict = "no figure differs" if reconciliation.within_tolerance else "some figures differ"
    yield f"{verdict} by more than {float(reconciliation.tolerance_percent):g} %"


def _rows(reconciliation: Reconciliation) -> Iterator[tuple[str, ...]]:
    """Two for each row: what the ledger has, and what the provider says."""
    for row in (*reconciliation.rows, reconciliation.total):
        day = "" if row.day is None else row.day.isoformat()
        yield (day, f"{one_line(row.model, 60)}: ledger", *_cells(row.ledger), "")
        yield ("", "  provider", *_cells(row.provider), _difference(row))


def _cells(side: Side | None) -> tuple[str, ...]:
    if side is None:
        return (_NOTHING,) * 4
    tokens = (side.input_tokens, side.output_tokens, side.cached_tokens)
    cost = _NOTHING if side.cost_nanousd is None else format_nanousd(side.cost_nanousd)
    return (*(_NOTHING if count is None else f"{count:,}" for count in tokens), cost)


def _difference(row: Comparison) -> str:
    """Of money where both have it, else of input and output tokens."""
    cost = row.difference("cost_nanousd")
    if cost is not None:
        percent = row.percent("cost_nanousd")
        return format_nanousd(cost) + ("" if percent is None else f" ({percent:+.2f} %)")
    counts = [row.difference(figure) for figure in ("input_tokens", "output_tokens")]
    return ", ".join("" if count is None else f"{count:+,}" for count in counts) + " tokens"
