"""`orch report` and `orch stats`: what the ledger adds up to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ...config import Machine, Settings
from ...deferred import dataclass, replace
from ...errors import UsageError
from ...files import replacing
from ...ledger.store import Ledger
from ...registry.loading import registry_for
from ...report.aggregate import summarise
from ...report.dimensions import By, dimensions_from
from ...report.drawing import has_library
from ...report.figures import report_rows, report_sheet, runs_sheet, stats_rows, stats_sheet
from ...report.formats import Format
from ...report.idle import Idle, idle, known_machines
from ...report.imported import imported_beside, in_words
from ...report.period import Range, after, bounds, days_passed, resolve
from ...report.projection import Horizon, Projection, project
from ...report.selection import Selection
from ...report.stats import stats as statistics
from .. import render
from ..options import RegistryFlags, command
from ..setup import settings_from
from ..table_output import TableFlags, TableOutput
from ..using import REGISTRY_FILES, check_used
from .projection import projection_lines
from .selecting import SelectionFlags, selected
from .targets import EXIT_NOT_MET, check_any, held_targets


@dataclass(frozen=True, kw_only=True)
class _StatsFlags(TableFlags, SelectionFlags):
    pass


@dataclass(frozen=True, kw_only=True)
class _ReportFlags(_StatsFlags, RegistryFlags):
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[,NAME]",
            help=f"What to group by, one or several: {', '.join(By)}.",
            show_default="model",
        ),
    ] = None
    project: Annotated[Horizon | None, typer.Option(help="Project the cost so far to a week, 30 days or a year.")] = (
        None
    )
    against: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="For --project: compare with running everything on this model.",
            show_default="the most expensive one called",
        ),
    ] = None
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FROM..TO",
            help="Compare with this period, by task: cost, ratings, models, and what a local model could take over.",
        ),
    ] = None
    check: Annotated[
        bool,
        typer.Option("--check", help="Exit code 12 if a target of the config file is not met; for cron."),
    ] = False
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="[FILE]",
            help="Write a page with charts to this file; - is standard output.",
            show_default="orch-report.html",
        ),
    ] = None


@command(_ReportFlags)
def report(flags: _ReportFlags) -> int:
    """Weeks start on Monday; days are in your time zone. Simulated runs count only with --simulate.

    --baseline 2026-10-01..2026-10-31 compares the chosen period, or everything after the baseline, with it.
    """
    output, horizon, projected = TableOutput.parse(flags.output), flags.project, None
    if flags.baseline is not None and horizon is not None:
        raise UsageError("--baseline and --project are two reports", hint="ask for one after the other")
    _check_used(flags)
    if flags.baseline is not None:
        return _compared(flags, flags.baseline)
    if flags.html is not None:
        return _written_as_page(flags, flags.html)
    if output.format is Format.HTML and flags.by is None and horizon is None:
        return _written_as_page(flags, output.file or Path("-"))
    with selected(flags) as (ledger, selection, now):
        machines = _machines(settings_from(flags))
        summary = summarise(ledger, selection, by=_grouping(flags) or (By.MODEL,))

        def idle_within(within: Range) -> tuple[Idle, ...]:
            asked = replace(selection, within=within)
            return idle(ledger, asked, machines, now=now, localise=datetime.astimezone)

        summary = replace(summary, idle=idle_within(selection.within))
        if horizon is not None:
            projected = _projected(flags, horizon, ledger, selection, now, idle_within)
        if flags.check:
            check_any(settings_from(flags))
        targets = held_targets(settings_from(flags), ledger, selection, idle_within, now)
        beside = imported_beside(ledger, selection)
    ahead = [] if projected is None else list(projection_lines(projected))
    ahead += [*in_words(beside), *(str(target) for target in targets)]
    more: dict[str, Any] = {"imported": [each.to_dict() for each in beside]}
    more |= {} if projected is None else {"projection": projected.to_dict()}
    more |= {"targets": [target.to_dict() for target in targets]} if targets else {}
    output.emit(
        {} if output.format is Format.TEXT else summary.to_dict() | more,
        rows=lambda: report_rows(summary),
        tables=lambda: [report_sheet(summary, ahead)],
    )
    if output.is_text:
        from ...report.table import ReportTable  # heavy

        render.table(ReportTable(summary))
        for line in ahead:
            render.line(line)
    return EXIT_NOT_MET if flags.check and any(target.met is False for target in targets) else 0


def _projected(
    flags: _ReportFlags,
    horizon: Horizon,
    ledger: Ledger | None,
    selection: Selection,
    now: datetime,
    idle_within: Callable[[Range], tuple[Idle, ...]],
) -> Projection:
    return project(
        ledger,
        selection,
        registry_for(settings_from(flags)),
        horizon=horizon,
        against=flags.against,
        now=now,
        idle_on=lambda day: sum(each.idle_nanousd for each in idle_within(Range(day, day))),
    )


@command(_StatsFlags)
def stats(flags: _StatsFlags) -> int:
    """Shows today, this week, this month and all time, or the period that you choose, and the latest runs."""
    output = TableOutput.parse(flags.output)
    with selected(flags) as (ledger, selection, now):
        statistic = statistics(ledger, selection, now=now)
        beside = imported_beside(ledger, selection)
    output.emit(
        statistic.to_dict() | {"imported": [each.to_dict() for each in beside]},
        rows=lambda: stats_rows(statistic),
        tables=lambda: [stats_sheet(statistic), runs_sheet(statistic.latest, "Latest runs")],
    )
    if output.is_text:
        from ...report.table import StatsTable  # heavy

        render.table(StatsTable(statistic))
        for line in in_words(beside):
            render.line(line)
    return 0


commands = {"report": report, "stats": stats}


def _grouping(flags: _ReportFlags) -> tuple[By, ...]:
    """What to group by; nothing, if that was not said. Raises UsageError."""
    return dimensions_from(flags.by or ())


def _check_used(flags: _ReportFlags) -> None:
    """The registry has what machines and other models cost; a report that looks at neither does not read it."""
    settings = settings_from(flags)
    files = REGISTRY_FILES if settings.always_on or settings.on_demand or settings.targets.savings is not None else ()
    uses = {
        "orch report": ("by", "output", "check", *files),
        "orch report --project": ("project", "against", "by", "output", "check", *REGISTRY_FILES),
        "orch report --baseline": ("baseline", "by", "output", *files),
        "orch report --html": ("html", *files),
    }
    kinds = {" --project": flags.project, " --baseline": flags.baseline, " --html": flags.html}
    kind = next((kind for kind, given in kinds.items() if given is not None), "")
    check_used(flags, f"orch report{kind}", uses)


def _written_as_page(flags: _ReportFlags, file: Path) -> int:
    from ...report.page.document import no_charts, page  # heavy

    settings = settings_from(flags)
    machines = _machines(settings)
    with selected(flags) as (ledger, selection, now):
        on = idle(ledger, selection, machines, now=now, localise=datetime.astimezone)
        written = page(ledger, selection, now=now, idle=on, keep_in=settings.charts_dir).encode()
    if not has_library():
        render.warn(no_charts())
    if str(file) == "-":
        render.Bytes().write(written)
        return 0
    with replacing(file) as stream:
        stream.write(written)
    render.say(f"wrote {file}")
    return 0


def _compared(flags: _ReportFlags, written: str) -> int:
    from ...report.baseline import Span, compare  # heavy
    from ...report.baseline_sheet import comparison_rows, comparison_sheet

    output = TableOutput.parse(flags.output)
    if (by := _grouping(flags)) not in ((), (By.TASK,)):
        raise UsageError(f"--baseline compares by task, not by {' and '.join(by)}")
    settings = settings_from(flags)
    with selected(flags) as (ledger, asked, now):
        baseline = _baseline(written, now)
        whole = asked.within
        if (flags.period, flags.since) == (None, None):
            begins = after(baseline, datetime.astimezone)
            whole = replace(whole, first_day=begins.first_day, since=begins.since)
        _check_later(baseline, whole)
        machines = _machines(settings)

        def span(within: Range) -> Span:
            selection = replace(asked, within=within)
            days = days_passed(within, now, datetime.astimezone)
            return Span(selection, days, idle(ledger, selection, machines, now=now, localise=datetime.astimezone))

        comparison = compare(ledger, span(baseline), span(whole), threshold=settings.run.threshold)
    output.emit(
        comparison.to_dict(),
        rows=lambda: comparison_rows(comparison),
        tables=lambda: [comparison_sheet(comparison)],
    )
    if output.is_text:
        from ...report.baseline_table import BaselineTable  # heavy

        render.table(BaselineTable(comparison))
    return 0


def _baseline(written: str, now: datetime) -> Range:
    """Raises UsageError for anything but two dates or times with two dots between them."""
    first, dots, last = (part.strip() for part in written.partition(".."))
    if not (first and dots and last):
        example = "for example 2026-10-01..2026-10-31"
        raise UsageError(f"--baseline takes a period with two ends, not {written!r}", hint=example)
    return resolve(since=first, until=last, now=now, localise=datetime.astimezone)


def _check_later(baseline: Range, later: Range) -> None:
    end, start = bounds(baseline, datetime.astimezone)[1], bounds(later, datetime.astimezone)[0]
    if start is None or (end is not None and start < end):
        raise UsageError(
            f"the period to compare, {later}, does not come after the baseline, {baseline}",
            hint="give --since a day after the baseline, or leave --period and --since out",
        )


def _machines(settings: Settings) -> tuple[Machine, ...]:
    """The machines of the config file; the registry is read only if there are any. Raises ConfigError."""
    machines = (*settings.always_on, *settings.on_demand)
    return known_machines(machines, registry_for(settings)) if machines else ()
