"""`orch report` and `orch stats`: what the ledger adds up to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from ..clock import local_now
from ..errors import UsageError
from ..ledger.store import Ledger
from ..registry.loading import registry_for
from ..report.aggregate import summarise
from ..report.model import By
from ..report.period import Period, resolve
from ..report.projection import Horizon, project
from ..report.selection import Selection
from ..report.stats import stats as statistics
from . import render
from .options import ConfigFlags, LedgerFlags, OutputFlags, command
from .output import Output
from .projection import projection_lines
from .setup import settings_from


@dataclass(frozen=True, kw_only=True)
class SelectionFlags(LedgerFlags, ConfigFlags):
    """Which runs to look at."""

    period: Annotated[
        Period | None, typer.Option(help="Today, this calendar week (from Monday), this month, or all.")
    ] = None
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="From this day or time on: 2026-11-01, 7d, 24h ...")
    ] = None
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Up to this day, or before this time.")] = None
    category: Annotated[str | None, typer.Option(help="Only runs of this category.")] = None
    tag: Annotated[str | None, typer.Option(help="Only runs with this tag.")] = None


@dataclass(frozen=True, kw_only=True)
class _StatsFlags(OutputFlags, SelectionFlags):
    pass


@dataclass(frozen=True, kw_only=True)
class _ReportFlags(_StatsFlags):
    by: Annotated[By, typer.Option(help="What to group by.")] = By.MODEL
    project: Annotated[
        Horizon | None, typer.Option(help="What the cost so far comes to in a week, in 30 days or in a year.")
    ] = None
    against: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="For --project: compare with everything on this model.",
            show_default="the dearest one called",
        ),
    ] = None


@command(_ReportFlags)
def report(flags: _ReportFlags) -> int:
    """Weeks start on Monday; days are yours, by your time zone. Simulated runs are counted only with --simulate."""
    output, horizon, projected = Output.parse(flags.output), flags.project, None
    if flags.against is not None and horizon is None:
        raise UsageError("--against is for a projection", hint=f"--project monthly --against {flags.against}")
    with selected(flags) as (ledger, selection, now):
        found = summarise(ledger, selection, by=flags.by)
        if horizon is not None:
            registry = registry_for(settings_from(flags))
            projected = project(ledger, selection, registry, horizon=horizon, against=flags.against, now=now)
    output.emit(found.to_dict() | ({} if projected is None else {"projection": projected.to_dict()}))
    if not output.json:
        from ..report.table import ReportTable  # heavy

        render.table(ReportTable(found))
        for line in () if projected is None else projection_lines(projected):
            render.line(line)
    return 0


@command(_StatsFlags)
def stats(flags: _StatsFlags) -> int:
    """Today, this week, this month and all time, or a period of your choice; and the latest runs."""
    output = Output.parse(flags.output)
    with selected(flags) as (ledger, selection, now):
        found = statistics(ledger, selection, now=now)
    output.emit(found.to_dict())
    if not output.json:
        from ..report.table import StatsTable  # heavy

        render.table(StatsTable(found))
    return 0


commands = {"report": report, "stats": stats}


@contextmanager
def selected(flags: SelectionFlags) -> Iterator[tuple[Ledger | None, Selection, datetime]]:
    """The ledger, or None if there is none yet; the runs asked for; and the time, in the user's time zone."""
    settings, now = settings_from(flags), local_now()
    within = resolve(flags.period, since=flags.since, until=flags.until, now=now, localise=datetime.astimezone)
    selection = Selection(settings.simulate, within, flags.category, flags.tag)
    ledger = Ledger.open_for_reading(settings.ledger)
    try:
        yield ledger, selection, now
    finally:
        if ledger is not None:
            ledger.close()
