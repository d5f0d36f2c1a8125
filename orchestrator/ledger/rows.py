"""Converts between rows and records: times are integer microseconds, tuples JSON, other values stay as they are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from .records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from .texts import keep, keep_answer
from .views import ROWS, TEXTS, number_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NAMES = {record: tuple(field.name for field in fields(record)) for record in (RunRecord, CallRecord)}
# What a row keeps as it was inserted. An UPDATE that names a column writes its entries in all indexes anew.
_KEPT = {
    RunRecord: frozenset(
        {"run_id", "created_at", "day", "process", "experiment", "arm", "key", "host", "user", "system", "prompt"}
        | {"source", "source_key"}
    ),
    CallRecord: frozenset({"call_id", "run_id", "created_at", "day", "provider", "model", "simulated"}),
}
_CHANGING = {record: tuple(name for name in names if name not in _KEPT[record]) for record, names in _NAMES.items()}
# What a row has at first, if it is inserted when its run begins, or when the call is reserved.
_LATER = {
    RunRecord: frozenset(
        {"ended_at", "source", "source_key", "model_used", "confidence", "response", "response_sha256", "latency_ms"}
        | {"error_code", "error_message"}
    ),
    CallRecord: frozenset(
        {"ended_at", "cost_nanousd", "cost_source", "input_tokens", "output_tokens", "cached_tokens"}
        | {"cache_write_tokens", "reasoning_tokens", "usage", "finish_reason", "latency_ms", "ttft_ms", "request_id"}
        | {"raw_model", "confidence", "verdict", "response", "response_sha256", "error_code", "error_message"}
        | {"from_run", "saved_nanousd", "similarity", "submission", "batch_saved_nanousd"}
    ),
}
_LATER_NAMES = {record: tuple(name for name in names if name in _LATER[record]) for record, names in _NAMES.items()}
_FIRST = {record: tuple(name for name in names if name not in _LATER[record]) for record, names in _NAMES.items()}
_OPTIONAL = {record: frozenset(each.name for each in fields(record) if "None" in str(each.type)) for record in _NAMES}
_AS_IT_IS = frozenset({str, int, float, type(None)})
_DEFAULTS = {
    record: tuple(each.default for each in fields(record) if each.name in names) for record, names in _LATER.items()
}

Record = TypeVar("Record", RunRecord, CallRecord)


def names_of(record: type[RunRecord | CallRecord]) -> tuple[str, ...]:
    """The columns of a record's table that the record has, in order."""
    return _NAMES[record]


def changing_names(record: type[RunRecord | CallRecord]) -> tuple[str, ...]:
    """Those of them that may change once the row is there."""
    return _CHANGING[record]


def first_names(record: type[RunRecord | CallRecord]) -> tuple[str, ...]:
    """Those that a row may have a value in when a run begins, or a call is reserved: the others have their defaults."""
    return _FIRST[record]


def has_first_alone(record: RunRecord | CallRecord) -> bool:
    """Whether a record has a value of its own in none of the other columns."""
    kind = type(record)
    return _getter(_LATER_NAMES[kind])(record) == _DEFAULTS[kind]


def is_optional(record: type[RunRecord | CallRecord], name: str) -> bool:
    """Whether a column may be null."""
    return name in _OPTIONAL[record]


def to_micros(when: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (when - _EPOCH) // _EPOCH.resolution


def from_micros(micros: int) -> datetime:
    """The time, in UTC, of microseconds since 1970."""
    return _EPOCH + micros * _EPOCH.resolution


def columns_of(record: RunRecord | CallRecord) -> dict[str, Any]:
    """A record's columns by name, as SQLite stores them."""
    names = _NAMES[type(record)]
    return dict(zip(names, attrgetter(*names)(record), strict=True))


def to_sql(value: Any) -> Any:
    """A value as SQLite stores it."""
    if isinstance(value, datetime):
        return to_micros(value)
    if isinstance(value, tuple):
        return json.dumps(value, ensure_ascii=False) if value else "[]"
    if isinstance(value, StrEnum):
        return str.__str__(value)
    return int(value) if isinstance(value, bool) else value


def insert(connection: sqlite3.Connection, table: str, record: RunRecord | CallRecord) -> None:
    """Insert a record as a row of `runs` or `calls`."""
    names = _NAMES[type(record)]
    insert_row(connection, table, names, stored_values(record, names), record.run_id)


def insert_row(
    connection: sqlite3.Connection, table: str, names: tuple[str, ...], values: list[Any], run_id: str
) -> None:
    """Insert a row of these columns, as SQLite stores them."""
    columns, stored = _with_texts(connection, table, names, values, run_id)
    connection.execute(_insertion(ROWS[table], columns), stored)


def rewrite(connection: sqlite3.Connection, table: str, key: str, record: RunRecord | CallRecord) -> None:
    """Replace a row by its record. Raises ValueError if there is no such row."""
    names = _CHANGING[type(record)]
    change_row(connection, table, key, getattr(record, key), names, stored_values(record, names), record.run_id)


def update(connection: sqlite3.Connection, table: str, key: str, value: str, columns: Mapping[str, Any]) -> None:
    """Update columns of a row, none of them a text. Raises ValueError if there is no such row."""
    change_row(connection, table, key, value, tuple(columns), [to_sql(each) for each in columns.values()], "")


def change_row(
    connection: sqlite3.Connection,
    table: str,
    key: str,
    value: str,
    names: tuple[str, ...],
    values: list[Any],
    run_id: str,
) -> None:
    """Set columns of a row to values as SQLite stores them. Raises ValueError if there is no such row."""
    columns, stored = _with_texts(connection, table, names, values, run_id)
    if connection.execute(_change(ROWS[table], key, columns), [*stored, value]).rowcount != 1:
        raise ValueError(f"{table} has no row {value}")


def stored_values(record: RunRecord | CallRecord, names: tuple[str, ...], null: int | None = None) -> list[Any]:
    """The values of some of a record's columns, as SQLite stores them; `null` stands for none."""
    return [
        null if value is None else value if type(value) in _AS_IT_IS else to_sql(value)
        for value in _getter(names)(record)
    ]


def _with_texts(
    connection: sqlite3.Connection, table: str, names: tuple[str, ...], values: list[Any], run_id: str
) -> tuple[tuple[str, ...], list[Any]]:
    """The columns of the table itself and their values: a text that is too long for its row is stored elsewhere."""
    stored, numbers = list(values), []
    for name in TEXTS[table]:
        if name not in names:
            continue
        place = names.index(name)
        is_answer = table == "runs" and name == "response"
        kept = keep_answer(connection, run_id, values[place]) if is_answer else keep(connection, values[place])
        stored[place] = kept.in_row
        numbers.append((number_of(name), kept.number))
    return names + tuple(name for name, _ in numbers), stored + [number for _, number in numbers]


@cache
def _getter(names: tuple[str, ...]) -> Callable[[object], tuple[Any, ...]]:
    return attrgetter(*names)


@cache
def _insertion(table: str, names: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


@cache
def _change(table: str, key: str, names: tuple[str, ...]) -> str:
    assignments = ", ".join(f"{name} = ?" for name in names)
    return f"UPDATE {table} SET {assignments} WHERE {key} = ?"


_FROM_SQL: dict[str, Callable[[Any], Any]] = {
    "created_at": from_micros,
    "sent_at": from_micros,
    "ended_at": from_micros,
    "simulated": bool,
    "tags": lambda text: tuple(json.loads(text)),
    "cost_source": CostSource,
}


def from_row(record: type[Record], row: sqlite3.Row) -> Record:
    """The record of a row that has all of its columns."""
    statuses = {RunRecord: RunStatus, CallRecord: CallStatus}
    values: dict[str, Any] = {}
    for field in fields(record):
        value = row[field.name]
        convert = statuses[record] if field.name == "status" else _FROM_SQL.get(field.name)
        values[field.name] = convert(value) if convert is not None and value is not None else value
    return record(**values)
