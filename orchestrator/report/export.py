"""The ledger's rows for other programs: one a call or one a run, streamed, so that memory does not grow with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..clock import rfc3339
from ..files import replacing
from ..ledger.rows import from_micros
from ..ledger.store import Ledger
from ..money import NANO_PER_DOLLAR
from .formats import Format, Row, Sink, Value, write_rows
from .selection import Selection


class Rows(StrEnum):
    """What an export's rows are."""

    CALLS = "calls"
    RUNS = "runs"


# Name of an exported column -> what it is in SQL. `text` columns are exported only when asked for.
_CALL_COLUMNS = {
    "call_id": "calls.call_id",
    "run_id": "calls.run_id",
    "created_at": "calls.created_at",
    "sent_at": "calls.sent_at",
    "ended_at": "calls.ended_at",
    "day": "runs.day",
    "status": "calls.status",
    "strategy": "runs.strategy",
    "category": "runs.category",
    "tags": "runs.tags",
    "task": "runs.task",
    "level": "runs.level",
    "provider": "calls.provider",
    "model": "calls.model",
    "provider_model": "calls.provider_model",
    "raw_model": "calls.raw_model",
    "step": "calls.step",
    "attempt": "calls.attempt",
    "finish_reason": "calls.finish_reason",
    "input_tokens": "calls.input_tokens",
    "output_tokens": "calls.output_tokens",
    "cached_tokens": "calls.cached_tokens",
    "cache_write_tokens": "calls.cache_write_tokens",
    "reasoning_tokens": "calls.reasoning_tokens",
    "cost_nanousd": "calls.cost_nanousd",
    "cost": "calls.cost_nanousd",
    "cost_source": "calls.cost_source",
    "reserved_nanousd": "calls.reserved_nanousd",
    "latency_ms": "calls.latency_ms",
    "ttft_ms": "calls.ttft_ms",
    "confidence": "calls.confidence",
    "request_id": "calls.request_id",
    "error_code": "calls.error_code",
    "error_message": "calls.error_message",
    "simulated": "runs.simulated",
    "rating": "ratings.rating",
    "pattern": "runs.pattern",
    "role": "calls.role",
    "from_run": "calls.from_run",
    "saved_nanousd": "calls.saved_nanousd",
    "similarity": "calls.similarity",
    "submission": "calls.submission",
    "batch_saved_nanousd": "calls.batch_saved_nanousd",
}
_CALL_TEXT = {"system": "runs.system", "prompt": "runs.prompt", "response": "calls.response"}

_UNPRICED = "coalesce(sum(calls.cost_source IS NOT NULL AND calls.cost_nanousd IS NULL), 0)"
_RUN_COST = f"CASE WHEN {_UNPRICED} = 0 THEN coalesce(sum(calls.cost_nanousd), 0) END"
_RUN_COLUMNS = {
    "run_id": "runs.run_id",
    "created_at": "runs.created_at",
    "ended_at": "runs.ended_at",
    "day": "runs.day",
    "status": "runs.status",
    "strategy": "runs.strategy",
    "category": "runs.category",
    "tags": "runs.tags",
    "task": "runs.task",
    "level": "runs.level",
    "score": "runs.score",
    "model_used": "runs.model_used",
    "calls": "count(calls.call_id)",
    "input_tokens": "coalesce(sum(calls.input_tokens), 0)",
    "output_tokens": "coalesce(sum(calls.output_tokens), 0)",
    "cached_tokens": "coalesce(sum(calls.cached_tokens), 0)",
    "cache_write_tokens": "coalesce(sum(calls.cache_write_tokens), 0)",
    "reasoning_tokens": "coalesce(sum(calls.reasoning_tokens), 0)",
    "cost_nanousd": _RUN_COST,
    "cost": _RUN_COST,
    "unpriced_calls": _UNPRICED,
    "reserved_nanousd": "coalesce(sum(CASE WHEN calls.cost_source IS NULL THEN calls.reserved_nanousd END), 0)",
    "max_cost_nanousd": "runs.max_cost_nanousd",
    "latency_ms": "runs.latency_ms",
    "confidence": "runs.confidence",
    "error_code": "runs.error_code",
    "error_message": "runs.error_message",
    "simulated": "runs.simulated",
    "rating": "ratings.rating",
    "rated_at": "ratings.rated_at",
    "rating_note": "ratings.note",
    "pattern": "runs.pattern",
    "experiment": "runs.experiment",
    "arm": "runs.arm",
    "subject_sha256": "runs.subject_sha256",
}
_RUN_TEXT = {"system": "runs.system", "prompt": "runs.prompt", "response": "runs.response"}

# In the order in which they were recorded, which is the order in which the tables are stored: nothing to sort.
_FROM = {
    Rows.CALLS: "FROM calls JOIN runs ON runs.run_id = calls.run_id "
    "LEFT JOIN ratings ON ratings.run_id = runs.run_id AND runs.model_used = calls.model "
    "WHERE {where} ORDER BY calls.rowid",
    Rows.RUNS: "FROM runs LEFT JOIN calls ON calls.run_id = runs.run_id "
    "LEFT JOIN ratings ON ratings.run_id = runs.run_id WHERE {where} "
    "GROUP BY runs.rowid ORDER BY runs.rowid",
}
_COLUMNS = {Rows.CALLS: (_CALL_COLUMNS, _CALL_TEXT), Rows.RUNS: (_RUN_COLUMNS, _RUN_TEXT)}

_BATCH = 500
_BATCH_OF_TEXT = 10  # a single answer may have megabytes


def _exact_dollars(nanousd: int) -> str:
    whole, nanos = divmod(nanousd, NANO_PER_DOLLAR)
    return f"{whole}.{nanos:09d}"


def _dollars(nanousd: int) -> float:
    return nanousd / NANO_PER_DOLLAR


# JSON has a number, for convenience; a table has text that a spreadsheet reads with all digits.
_DOLLARS: Mapping[Format, Callable[[int], Value]] = {
    Format.JSON: _dollars,
    Format.JSONL: _dollars,
}


def _time(micros: int) -> str:
    return rfc3339(from_micros(micros))


_CONVERT: Mapping[str, Callable[[Any], Value]] = {
    "created_at": _time,
    "sent_at": _time,
    "ended_at": _time,
    "rated_at": _time,
    "tags": json.loads,
    "simulated": bool,
}


def columns(rows: Rows, *, text: bool) -> tuple[str, ...]:
    """The columns of an export, in order. They are documented in docs/json.md; later versions only add to them."""
    plain, texts = _COLUMNS[rows]
    return (*plain, *texts) if text else tuple(plain)


def export(
    ledger: Ledger | None,
    selection: Selection,
    out: Path | Sink,
    file_format: Format,
    *,
    rows: Rows = Rows.CALLS,
    text: bool = False,
) -> int:
    """Write the selected rows and give their number. No ledger is one without rows.

    `out` is a stream of bytes, left open, whose errors pass through; or a path, which holds either what it held
    before or the whole export, readable by the user alone. `text` adds prompts and answers. All rows are of one
    state of the ledger. Raises LedgerError, and UsageError if the path cannot be written.
    """
    names = columns(rows, text=text)
    with closing(
        _read(ledger, selection, rows, text=text, dollars=_DOLLARS.get(file_format, _exact_dollars))
    ) as selected:
        if isinstance(out, Path):
            with replacing(out) as stream:
                return write_rows(selected, names, stream, file_format)
        return write_rows(selected, names, out, file_format)


def _read(
    ledger: Ledger | None, selection: Selection, rows: Rows, *, text: bool, dollars: Callable[[int], Value]
) -> Generator[Row, None, None]:
    if ledger is None:
        return
    plain, texts = _COLUMNS[rows]
    wanted = plain | texts if text else plain
    where, parameters = selection.where()
    sql = f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in wanted.items())} {_FROM[rows].format(where=where)}"
    # One statement sees one state of the ledger from its first row to its last. Rows are fetched inside the ledger's
    # error boundary and written outside of it: a full disk or a closed pipe is not the ledger's fault.
    cursor = ledger.read(lambda connection: connection.execute(sql, parameters))
    converted: Mapping[str, Callable[[Any], Value]] = {**_CONVERT, "cost": dollars}
    size = _BATCH_OF_TEXT if text else _BATCH
    try:
        while batch := ledger.read(lambda _: cursor.fetchmany(size)):
            for row in batch:
                yield {name: _value(converted.get(name), row[name]) for name in wanted}
    finally:
        cursor.close()


def _value(convert: Callable[[Any], Value] | None, stored: Any) -> Value:
    value: Value = stored if stored is None or convert is None else convert(stored)
    return value
