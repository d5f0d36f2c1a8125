"""Opening the ledger for a command: what that has to say is printed, and where the runs are that are not in it."""

from __future__ import annotations

from pathlib import Path

from ...config import Settings, ledger_of_other_kind
from ...errors import LedgerError, UsageError
from ...ledger.queries import LAST, find_run, has_runs
from ...ledger.records import Recorded
from ...ledger.store import Ledger, is_there
from .. import render


def open_ledger(path: Path) -> Ledger:
    """As `Ledger.open`."""
    ledger = Ledger.open(path)
    _tell(ledger)
    return ledger


def read_ledger(path: Path) -> Ledger | None:
    """As `Ledger.open_for_reading`."""
    ledger = Ledger.open_for_reading(path)
    if ledger is not None:
        _tell(ledger)
    return ledger


def check_there(settings: Settings) -> None:
    """Raises UsageError if there is no ledger yet."""
    if not is_there(settings.ledger):
        raise _no_ledger(settings)


def read_existing_ledger(settings: Settings) -> Ledger:
    """The ledger, to look things up. Raises UsageError if there is none yet."""
    ledger = read_ledger(settings.ledger)
    if ledger is None:
        raise _no_ledger(settings)
    return ledger


def find_recorded(ledger: Ledger, settings: Settings, wanted: str) -> Recorded:
    """As `find_run`; where there is no such run, the error says whether the ledger of the other kind has it."""
    try:
        return find_run(ledger, wanted)
    except UsageError as error:
        elsewhere = where_other_runs_are(settings, wanted)
        raise UsageError(error.message, hint=elsewhere or error.hint) from None


def tell_of_other_runs(ledger: Ledger | None, settings: Settings) -> None:
    """Say where the runs are, if there are none of the kind that is looked at."""
    if ledger is not None and has_runs(ledger, simulated=settings.simulate):
        return
    if (elsewhere := where_other_runs_are(settings)) is not None:
        render.say(elsewhere)


def where_other_runs_are(settings: Settings, wanted: str = LAST) -> str | None:
    """How to get at the runs of the other kind, simulated ones or those that are not; None if there is none such."""
    try:
        ledger = Ledger.open_for_reading(ledger_of_other_kind(settings))
        if ledger is None:
            return None
        with ledger:
            if not has_runs(ledger, simulated=not settings.simulate):
                return None
            find_run(ledger, wanted)
    except (LedgerError, UsageError):
        return None
    return (
        "there are runs that were not simulated: leave out --simulate"
        if settings.simulate
        else "there are simulated runs, which are counted apart: add --simulate"
    )


def _no_ledger(settings: Settings) -> UsageError:
    hint = where_other_runs_are(settings) or "it is made by the first orch run"
    return UsageError(f"there is no ledger yet at {settings.ledger}", hint=hint)


def _tell(ledger: Ledger) -> None:
    for warning in ledger.warnings:
        render.warn(warning)
