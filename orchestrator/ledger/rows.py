"""Rows to records and back: times as integer microseconds, tuples as JSON, everything else as it is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from .records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Record = TypeVar("Record", RunRecord, CallRecord)


def to_micros(when: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (when - _EPOCH) // _EPOCH.resolution


def from_micros(micros: int) -> datetime:
    return _EPOCH + micros * _EPOCH.resolution


def columns_of(record: RunRecord | CallRecord) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def to_sql(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_micros(value)
    if isinstance(value, tuple):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, StrEnum):
        return value.value
    return value


def insert(connection: sqlite3.Connection, table: str, record: RunRecord | CallRecord) -> None:
    columns = columns_of(record)
    marks = ", ".join("?" * len(columns))
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", [to_sql(v) for v in columns.values()]
    )


def update(connection: sqlite3.Connection, table: str, key: str, value: str, columns: Mapping[str, Any]) -> None:
    assignments = ", ".join(f"{name} = ?" for name in columns)
    changed = connection.execute(
        f"UPDATE {table} SET {assignments} WHERE {key} = ?", [*(to_sql(v) for v in columns.values()), value]
    )
    if changed.rowcount != 1:
        raise ValueError(f"{table} has no row {value}")


_FROM_SQL: dict[str, Callable[[Any], Any]] = {
    "created_at": from_micros,
    "sent_at": from_micros,
    "ended_at": from_micros,
    "simulated": bool,
    "tags": lambda text: tuple(json.loads(text)),
    "cost_source": CostSource,
}


def from_row(record: type[Record], row: sqlite3.Row) -> Record:
    """A record from a row that has all of its columns."""
    statuses = {RunRecord: RunStatus, CallRecord: CallStatus}
    values: dict[str, Any] = {}
    for field in fields(record):
        value = row[field.name]
        convert = statuses[record] if field.name == "status" else _FROM_SQL.get(field.name)
        values[field.name] = convert(value) if convert is not None and value is not None else value
    return record(**values)
