"""Opening the ledger for a command: what its opening has to say is printed."""

from __future__ import annotations

from pathlib import Path

from ...ledger.store import Ledger
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


def _tell(ledger: Ledger) -> None:
    for warning in ledger.warnings:
        render.warn(warning)
