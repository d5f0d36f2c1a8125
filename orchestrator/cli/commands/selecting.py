"""Which runs a command looks at: the options, and the runs of the ledger that they select."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer

from ...clock import local_now
from ...deferred import dataclass
from ...errors import UsageError, did_you_mean
from ...importing.record import Source
from ...ledger.store import Ledger
from ...period import Period
from ...report.period import Range, resolve
from ...report.selection import ALL, IMPORTED, OWN, Selection
from ..options import ConfigFlags, LedgerFlags
from ..setup import settings_from
from .ledgers import read_ledger, tell_of_other_runs


@dataclass(frozen=True, kw_only=True)
class PeriodFlags:
    """A span of time."""

    period: Annotated[
        Period | None,
        typer.Option(
            help="Today, this week (from Monday), this month, this year, or everything; daily, weekly, monthly and "
            "yearly say the same."
        ),
    ] = None
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Start: a day or time (2026-11-01), or an age (7d, 24h).")
    ] = None
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="End: a day, included, or a time, not included.")
    ] = None

    def within(self, now: datetime) -> Range:
        """The span that was asked for. Raises UsageError."""
        return resolve(self.period, since=self.since, until=self.until, now=now, localise=datetime.astimezone)


@dataclass(frozen=True, kw_only=True)
class SelectionFlags(PeriodFlags, LedgerFlags, ConfigFlags):
    """Which runs to look at."""

    category: Annotated[str | None, typer.Option(help="Only runs of this category.")] = None
    tag: Annotated[str | None, typer.Option(help="Only runs with this tag.")] = None
    source: Annotated[
        str | None,
        typer.Option(
            metavar="own|imported|all|TOOL",
            help="orch's own runs, usage that was imported (orch import), all of it, or that of one tool.",
            show_default=OWN,
        ),
    ] = None


def _source(wanted: str | None, otherwise: str) -> str:
    """Raises UsageError for a source that there is not."""
    known = (OWN, IMPORTED, ALL, *(source.value for source in Source))
    if wanted is not None and wanted not in known:
        hint = did_you_mean(wanted, known) or f"there are: {', '.join(known)}"
        raise UsageError(f"--source: there is no source {wanted!r}", hint=hint)
    return otherwise if wanted is None else wanted


@contextmanager
def selected(flags: SelectionFlags, *, source: str = OWN) -> Iterator[tuple[Ledger | None, Selection, datetime]]:
    """The ledger, or None if there is none yet; the runs asked for; and the time, in the user's time zone. `source` is
    whose runs they are where the user does not say."""
    settings, now = settings_from(flags), local_now()
    selection = Selection(
        settings.simulate, flags.within(now), flags.category, flags.tag, _source(flags.source, source)
    )
    ledger = read_ledger(settings.ledger)
    tell_of_other_runs(ledger, settings)
    try:
        yield ledger, selection, now
    finally:
        if ledger is not None:
            ledger.close()
