"""`orch statusline`: what was spent, in one line, for a prompt or an editor that asks after every command.

It is carried out before Typer and everything else is loaded, opens the ledger for reading alone, and says nothing where
there is none. What it is given on standard input, as by Claude Code, is not read.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from . import render

_USUAL = "{today} today, {month} this month"
_WINDOW_MICROS = 5 * 3_600_000_000
_HOUR_MICROS = 3_600_000_000

# Sums of days are there for budgets, which are without imported usage. A unary plus leaves the search to the index by
# day.
_OWN = """
    SELECT coalesce(sum(settled_nanousd), 0) FROM spending
    WHERE simulated = ? AND scope = 'all' AND name = '' AND day BETWEEN ? AND ?
"""
_IMPORTED = """
    SELECT coalesce(sum(cost_nanousd), 0) FROM calls
    WHERE +simulated = ? AND cost_source = 'imported' AND day BETWEEN ? AND ?
"""
_ANY_IMPORTED = "SELECT EXISTS (SELECT 1 FROM runs WHERE source_key IS NOT NULL)"
_CALLS = "SELECT count(*) FROM calls WHERE +simulated = ? AND day = ?"
_RECENT = """
    SELECT created_at, coalesce(cost_nanousd, 0) FROM calls
    WHERE +simulated = ? AND day >= ? AND created_at > ? ORDER BY created_at
"""
_BUDGETS = """
    SELECT budgets.period, budgets.limit_nanousd, coalesce(sum(spending.committed_nanousd), 0)
    FROM budgets LEFT JOIN spending ON spending.simulated = ? AND spending.scope = budgets.scope
        AND spending.name = budgets.name
        AND spending.day >= CASE budgets.period WHEN 'day' THEN ? WHEN 'week' THEN ? WHEN 'month' THEN ?
                                                WHEN 'year' THEN ? ELSE '' END
    GROUP BY budgets.period, budgets.scope, budgets.name
"""


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether Typer is to answer."""
    return any(word in ("-h", "--help") for word in words)


def statusline(words: Sequence[str]) -> int:
    """Print the line; returns the exit code. Raises UsageError for a command line that cannot be read."""
    wanted = _wanted(words)
    ledger = _ledger(wanted)
    if not ledger.exists():
        return 0
    try:
        figures = _figures(ledger, wanted["simulate"] is not None, datetime.now().astimezone().date())
    except sqlite3.Error as error:
        from ..errors import LedgerError  # heavy

        raise LedgerError(f"the ledger {ledger} cannot be read: {error}") from error
    if (written := wanted["format"]) is not None:
        line = written
        for name, text in figures.items():
            line = line.replace("{" + name + "}", text)
    else:
        line = _USUAL.format(**figures)
        line += f", {figures['window']} in this window ({figures['left']} left)" if figures["left"] else ""
        line += f", {figures['budget']}" if figures["budget"] else ""
    render.line(line)
    return 0


def _wanted(words: Sequence[str]) -> dict[str, str | None]:
    """The options, by name; a switch that is on is its own name."""
    given: dict[str, str | None] = {"format": None, "simulate": None, "ledger": None}
    rest = iter(words)
    for word in rest:
        name, joined, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in given or (joined and name == "simulate"):
            raise _error(f"orch statusline takes no {word[:40]!r}")
        taken = name if name == "simulate" else value if joined else next(rest, None)
        if taken is None:
            raise _error(f"--{name} takes a value")
        given[name] = taken
    if given["simulate"] is None and os.environ.get("ORCH_SIMULATE", "").strip().lower() in ("1", "true", "yes", "on"):
        given["simulate"] = "simulate"
    return given


def _error(message: str) -> Exception:
    from ..errors import UsageError  # heavy

    return UsageError(message, hint="orch statusline --help shows what it takes")


def _ledger(wanted: dict[str, str | None]) -> Path:
    named = wanted["ledger"] or os.environ.get("ORCH_LEDGER")
    if named:
        return Path(named).expanduser()
    from platformdirs import PlatformDirs  # heavy

    name = "ledger.db" if wanted["simulate"] is None else "ledger-simulated.db"
    return PlatformDirs("orch", appauthor=False).user_data_path / name


def _figures(ledger: Path, simulated: bool, today: date) -> dict[str, str]:
    connection = sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True, timeout=1)
    try:
        days, month = today.isoformat(), today.replace(day=1).isoformat()
        queries = (_OWN, _IMPORTED) if _has_imported(connection) else (_OWN,)
        spent, spent_in_month = (
            sum(connection.execute(query, (simulated, first, days)).fetchone()[0] for query in queries)
            for first in (days, month)
        )
        (calls,) = connection.execute(_CALLS, (simulated, days)).fetchone()
        now = time.time_ns() // 1000
        yesterday = date.fromordinal(today.toordinal() - 1).isoformat()
        recent = connection.execute(_RECENT, (simulated, yesterday, now - 24 * _HOUR_MICROS)).fetchall()
        window, left = _window(recent, now)
        monday = date.fromordinal(today.toordinal() - today.weekday()).isoformat()
        year = today.replace(month=1, day=1).isoformat()
        budgets = connection.execute(_BUDGETS, (simulated, days, monday, month, year)).fetchall()
    finally:
        connection.close()
    minutes = left // 60_000_000
    return {
        "today": _dollars(spent),
        "month": _dollars(spent_in_month),
        "window": _dollars(window),
        "left": f"{minutes // 60}h{minutes % 60:02}" if left else "",
        "budget": _tightest(budgets),
        "calls": f"{calls:,}",
    }


def _has_imported(connection: sqlite3.Connection) -> bool:
    try:
        return bool(connection.execute(_ANY_IMPORTED).fetchone()[0])
    except sqlite3.OperationalError:  # a ledger that no newer orch has opened yet
        return False


def _window(calls: list[tuple[int, int]], now: int) -> tuple[int, int]:
    """What was spent in the window of five hours that is open, and the microseconds until it is over; 0 and 0 if none
    is. As `report.blocks`, over the last day."""
    start, last, spent = 0, 0, 0
    for at, cost in calls:
        if not start or at >= start + _WINDOW_MICROS or at - last > _WINDOW_MICROS:
            start, spent = at - at % _HOUR_MICROS, 0
        last, spent = at, spent + cost
    left = start + _WINDOW_MICROS - now if start else 0
    return (spent, left) if left > 0 else (0, 0)


def _tightest(budgets: list[tuple[str, int, int]]) -> str:
    """The budget of which the largest share is spent or set aside."""
    shares = [(committed / limit if limit else 1.0, period, limit) for period, limit, committed in budgets]
    if not shares:
        return ""
    share, period, limit = max(shares)
    return f"{share:.0%} of {_dollars(limit)} a {period}"


def _dollars(nanousd: int) -> str:
    """To the cent, and below a cent to two significant digits."""
    cents = nanousd / 10_000_000
    if 0 < cents < 1:
        digits = 2
        while round(nanousd / 10**9, digits) == 0 and digits < 9:
            digits += 1
        return f"${nanousd / 10**9:.{min(digits + 1, 9)}f}"
    return f"${nanousd / 10**9:,.2f}"
