"""Usage in windows of five hours, as the plans of some tools are limited by.

A window begins at the full hour (UTC) of the first call after the one before it has ended, and ends five hours later; a
pause of more than five hours ends it too. So do the windows of ccusage (https://ccusage.com/guide/blocks-reports).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

from ..clock import rfc3339
from ..deferred import dataclass
from ..ledger.rows import from_micros
from ..ledger.store import Ledger
from ..money import NANO_PER_DOLLAR
from .selection import SCHEMA_VERSION, Selection

HOURS = 5
_WINDOW = timedelta(hours=HOURS)
_CALLS = """
    SELECT calls.created_at, calls.model, calls.cost_nanousd, calls.input_tokens, calls.cached_tokens,
           calls.output_tokens, calls.cost_source IS NOT NULL AND calls.cost_nanousd IS NULL AS unpriced
    FROM runs JOIN calls ON calls.run_id = runs.run_id
    WHERE {where} ORDER BY calls.created_at
"""


@dataclass(slots=True)
class Block:
    """A window from `start` to `end` (UTC), and what was called in it from the `first` to the `last` call."""

    start: datetime
    first: datetime
    last: datetime
    calls: int = 0
    unpriced_calls: int = 0
    cost_nanousd: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    models: dict[str, int] = field(default_factory=dict)  # calls of each

    @property
    def end(self) -> datetime:
        """When the window is over."""
        return self.start + _WINDOW

    def is_active(self, now: datetime) -> bool:
        """Whether calls made now would count in it."""
        return self.start <= now < self.end and now - self.last <= _WINDOW

    def expected_nanousd(self, now: datetime) -> int:
        """What the window will have cost at its end, at the pace from its first call until now."""
        passed = (now - self.first).total_seconds()
        if passed <= 0 or not self.is_active(now):
            return self.cost_nanousd
        return round(self.cost_nanousd * (self.end - self.first).total_seconds() / passed)

    def to_dict(self, now: datetime) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        active = self.is_active(now)
        return {
            "start": rfc3339(self.start),
            "end": rfc3339(self.end),
            "first": rfc3339(self.first),
            "last": rfc3339(self.last),
            "active": active,
            "calls": self.calls,
            "unpriced_calls": self.unpriced_calls,
            "input_tokens": self.input_tokens,
            "cached_tokens": self.cached_tokens,
            "output_tokens": self.output_tokens,
            "cost_nanousd": self.cost_nanousd,
            "cost": self.cost_nanousd / NANO_PER_DOLLAR,
            "models": sorted(self.models, key=lambda model: (-self.models[model], model)),
            "expected_nanousd": self.expected_nanousd(now) if active else None,
            "minutes_left": int((self.end - now).total_seconds() // 60) if active else None,
        }


def blocks(ledger: Ledger | None, selection: Selection) -> list[Block]:
    """The windows of the selected runs' calls, in order. Raises LedgerError."""
    if ledger is None:
        return []
    where, parameters = selection.where()
    sql = _CALLS.format(where=where)
    return ledger.read(lambda connection: _blocks(connection.execute(sql, parameters)))


def _blocks(calls: Iterable[sqlite3.Row]) -> list[Block]:
    found: list[Block] = []
    for row in calls:
        at = from_micros(row["created_at"])
        block = found[-1] if found else None
        if block is None or at >= block.end or at - block.last > _WINDOW:
            block = Block(at.replace(minute=0, second=0, microsecond=0), at, at)
            found.append(block)
        block.last = at
        block.calls += 1
        block.unpriced_calls += row["unpriced"]
        block.cost_nanousd += row["cost_nanousd"] or 0
        block.input_tokens += row["input_tokens"]
        block.cached_tokens += row["cached_tokens"]
        block.output_tokens += row["output_tokens"]
        block.models[row["model"]] = block.models.get(row["model"], 0) + 1
    return found


def blocks_dict(found: list[Block], selection: Selection, now: datetime) -> dict[str, Any]:
    """The whole of it in JSON."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "blocks",
        "simulated": selection.simulated,
        "range": selection.within.to_dict(),
        "hours": HOURS,
        "blocks": [block.to_dict(now) for block in found],
    }
