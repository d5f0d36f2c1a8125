"""Has the days of an open ledger summed, where somebody is about to read the sums."""

from __future__ import annotations

from datetime import date

from ..errors import LedgerError
from .store import Ledger
from .sums import days_to_sum, sum_each


def sum_days(ledger: Ledger, today: date) -> None:
    """Sum the days before today that are not summed yet, each in a transaction. A ledger that cannot be written, or is
    busy, stays as it is: its reports read the rows."""
    days = ledger.read(lambda db: days_to_sum(db, today))
    try:
        sum_each(days, ledger.maintain)
    except LedgerError:
        return
