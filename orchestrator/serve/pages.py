"""`GET /`: the report of the last 30 days, as `orch report --html` has it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from ..clock import Clock
from ..config import Settings
from ..ledger.store import Ledger
from ..report.page.document import page
from ..report.period import Range
from ..report.selection import Selection
from .exchange import Exchange

_DAYS = 30
_RELOAD_S = 60
_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
]


async def show_report(exchange: Exchange, settings: Settings, clock: Clock) -> None:
    """Answer with the page. It is made on a connection of its own, in a thread: it may take longer than an answer."""
    document = await asyncio.to_thread(_report, settings, clock)
    await exchange.send_whole(200, document.encode("utf-8", "replace"), _HEADERS)


def _report(settings: Settings, clock: Clock) -> str:
    now = clock()
    within = Range(now.date() - timedelta(days=_DAYS - 1), now.date())
    selection = Selection(settings.simulate, within)
    ledger = Ledger.open_for_reading(settings.ledger)
    if ledger is None:
        return page(None, selection, now=now)
    with ledger:
        return page(ledger, selection, now=now, reload_s=_RELOAD_S, keep_in=settings.charts_dir)
