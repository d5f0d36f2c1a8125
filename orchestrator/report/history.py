"""Past runs as a list: the newest first, a line each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from functools import partial
from typing import Any

from ..clock import rfc3339
from ..deferred import dataclass
from ..ledger.rows import from_micros
from ..ledger.search import search
from ..ledger.store import Ledger
from ..money import NANO_PER_DOLLAR
from .plain import one_line
from .selection import Selection, in_one_snapshot

EXCERPT = 60
# Bytes of a prompt that are read for its excerpt: enough for 60 characters of four bytes behind a good deal of space.
_EXCERPT_BYTES = 2_000

# The newest are found first, so that no other prompt is read. SQLite's text functions stop at a NUL: bytes do not.
_NEWEST = """
    WITH newest AS (
        SELECT run_id FROM run_rows AS runs WHERE {where} ORDER BY runs.rowid DESC LIMIT ?
    )
    SELECT runs.run_id, runs.created_at, runs.status, runs.strategy, runs.pattern, runs.task, runs.level, runs.category,
           runs.tags, runs.model_used, runs.confidence, runs.latency_ms, runs.error_code,
           (SELECT rating FROM ratings WHERE ratings.run_id = runs.run_id) AS rating,
           substr(CAST(runs.prompt AS BLOB), 1, ?) AS prompt,
           count(calls.call_id) AS calls,
           coalesce(sum(calls.input_tokens), 0) AS input_tokens,
           coalesce(sum(calls.output_tokens), 0) AS output_tokens,
           coalesce(sum(calls.cost_source IS NOT NULL AND calls.cost_nanousd IS NULL), 0) AS unpriced,
           coalesce(sum(calls.cost_nanousd), 0) AS cost_nanousd
    FROM newest JOIN runs ON runs.run_id = newest.run_id LEFT JOIN call_rows AS calls ON calls.run_id = runs.run_id
    GROUP BY runs.run_id
    ORDER BY runs.rowid DESC
"""


@dataclass(frozen=True, slots=True)
class RunLine:
    """One line of a list of runs. `cost_nanousd` is None if a call of the run is unpriced.

    `created_at` is in the user's time zone. `prompt` is its beginning on one line, without control characters; None if
    only its hash was kept. `latency_ms` is that of the whole run; tokens are the sums over its `calls`.
    """

    run_id: str
    created_at: datetime
    status: str
    strategy: str
    model: str | None
    cost_nanousd: int | None
    confidence: float | None
    rating: float | None
    prompt: str | None
    plan: str | None = None
    task: str | None = None
    level: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    latency_ms: int | None = None
    error_code: str | None = None

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The keys of `to_dict`."""
        return (*(field.name for field in fields(cls)), "cost")

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        cost = None if self.cost_nanousd is None else self.cost_nanousd / NANO_PER_DOLLAR
        changed = {"created_at": rfc3339(self.created_at), "cost": cost, "tags": list(self.tags)}
        return asdict(self) | changed


@dataclass(frozen=True, slots=True)
class RunList:
    """The newest of the selected runs, and whether there are older ones. `texts` are what was searched for."""

    selection: Selection
    runs: tuple[RunLine, ...]
    more: bool
    texts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that docs/json.md describes."""
        found = {"grep": list(self.texts), "more": self.more, "runs": [run.to_dict() for run in self.runs]}
        return self.selection.head("runs") | found


def newest_runs(
    ledger: Ledger | None, selection: Selection, *, limit: int, now: datetime, texts: Sequence[str] = ()
) -> RunList:
    """The latest of the selected runs, the newest first, with all of `texts` in a prompt or an answer.

    `now` is aware, in the user's time zone. No ledger is one without runs.
    Raises LedgerError, and UsageError for a text without words.
    """
    found: tuple[RunLine, ...] = ()
    if ledger is not None:
        for among in search(ledger, texts) if texts else (None,):
            room = limit + 1 - len(found)
            found += in_one_snapshot(ledger, partial(lines, selection=selection, limit=room, now=now, among=among))
            if len(found) > limit:
                break
    return RunList(selection, found[:limit], len(found) > limit, tuple(texts))


def lines(
    connection: sqlite3.Connection,
    selection: Selection,
    *,
    limit: int,
    now: datetime,
    among: Sequence[int] | None = None,
) -> tuple[RunLine, ...]:
    """The latest runs, within a read of the ledger; with `among`, of these rows."""
    where, parameters = selection.where()
    if among is not None:
        where += " AND runs.rowid IN (SELECT value FROM json_each(?))"
        parameters += (json.dumps(among),)
    rows = connection.execute(_NEWEST.format(where=where), (*parameters, limit, _EXCERPT_BYTES))
    return tuple(_line(row, now) for row in rows)


def _line(row: sqlite3.Row, now: datetime) -> RunLine:
    prompt: bytes | None = row["prompt"]
    return RunLine(
        run_id=row["run_id"],
        created_at=from_micros(row["created_at"]).astimezone(now.tzinfo),
        status=row["status"],
        strategy=row["strategy"],
        model=row["model_used"],
        cost_nanousd=None if row["unpriced"] else row["cost_nanousd"],
        confidence=row["confidence"],
        rating=row["rating"],
        prompt=None if prompt is None else one_line(prompt.decode("utf-8", "ignore"), EXCERPT),
        plan=row["pattern"],
        task=row["task"],
        level=row["level"],
        category=row["category"],
        tags=tuple(json.loads(row["tags"])),
        calls=row["calls"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        latency_ms=row["latency_ms"],
        error_code=row["error_code"],
    )
